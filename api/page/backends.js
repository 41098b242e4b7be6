// The backends, by pool: what they are, why, and what can be said of them.
import { ago, count, duration, Few, h, number, once, rate, setClass, setText, Table, text } from "./dom.js";
import { attempt, confirmed, curlButton } from "./calls.js";
import { isDown } from "./faults.js";

// What is wanted of a backend is wanted of all addresses of its name.
const pathOf = (backend) => `/backends/${encodeURIComponent(`${backend.pool}/${backend.url}`)}`;

const columns = [
  { title: "Health", cell: health },
  text("Backend", (row) => (row.address ? `${row.url}@${row.address}` : row.url), { name: true }),
  text("Why", why, { name: true }),
  { title: "Last 2 minutes", cell: strip, narrow: true },
  number("Share", (row) => (row.share === undefined ? "-" : `${Math.round(100 * row.share)} %`)),
  number("Requests/s", (row) => rate(row.rate)),
  number("p50, p99", (row) => (row.p99 ? `${duration(row.p50)}, ${duration(row.p99)}` : "-")),
  number("In flight", (row) => count(row.in_flight)),
  text("Trouble", trouble),
  { title: "State", cell: stateOf },
  { title: "Weight", cell: weightOf },
  { title: "", cell: clearing, bare: true },
];

// trouble is what went wrong since the start; a few words, so that there are none where nothing did.
function trouble(row) {
  const all = [
    [row.failures, "failed"], [row.responses["5xx"], "with 5xx"], [row.retries, "retried"], [row.ejections, row.ejections === 1 ? "ejection" : "ejections"],
  ];
  return all.filter(([n]) => n > 0).map(([n, what]) => `${count(n)} ${what}`).join(", ") || "-";
}

// why is the last probe's words, and when that was, and why a backend is ejected.
function why(row) {
  const probe = row.last_probe ? `${row.last_probe}, ${ago(row.last_probe_at, row.now)}` : "not probed yet";
  return row.ejected ? `ejected: ${row.ejected_why}. Last probe: ${probe}` : probe;
}

// health is a word and a sign: colour alone tells nobody who doesn't see it.
function health(row, td) {
  const [name, word] = row.state === "maint" ? ["off", "▪ maint"]
    : row.state === "drain" ? ["off", "▾ drain"]
      : isDown(row) ? ["bad", row.ejected ? "✗ ejected" : "✗ down"]
        : row.backup && !row.effective_weight ? ["off", "○ backup"] : ["good", "✓ up"];
  setClass(td, `health ${name}`);
  setText(td, word);
}

// kept is of how many samples there is a history.
const kept = 120;

// note adds what a backend is now to its history.
function note(history, backend) {
  history.push(backend.state !== "ready" ? "o" : isDown(backend) ? "x" : "u");
  if (history.length > kept) history.shift();
  return history;
}

// strip is one mark for each of the last samples.
function strip({ history }, td) {
  const svg = once(td, (cell) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    element.setAttribute("viewBox", `0 0 ${kept} 10`);
    element.setAttribute("preserveAspectRatio", "none");
    element.setAttribute("class", "strip");
    element.setAttribute("role", "img");
    cell.append(element);
    for (const kind of ["u", "x", "o"]) {
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("class", kind);
      element.append(path);
    }
    return element;
  });
  const offset = kept - history.length;
  for (const path of svg.children) {
    const kind = path.getAttribute("class");
    path.setAttribute("d", history.map((is, i) => (is === kind ? `M${offset + i}.5,0V10` : "")).join(""));
  }
  const down = history.filter((is) => is === "x").length;
  svg.setAttribute("aria-label", `down in ${down} of the last ${history.length} seconds`);
}

function stateOf(row, td) {
  const control = once(td, () => {
    const select = h("select", { "aria-label": `state of ${row.id}` }, ...["ready", "drain", "maint"].map((state) => h("option", {}, state)));
    select.addEventListener("change", async () => {
      const wanted = select.value;
      const now = td.row.state;
      select.value = now;
      if (await confirmed(`Set ${td.row.url} to ${wanted}?`, consequence[wanted], `Set to ${wanted}`)) {
        await attempt(`${td.row.url} to ${wanted}`, "PATCH", pathOf(td.row), { state: wanted });
      }
      select.focus();
    });
    const curl = curlButton(() => ["PATCH", pathOf(td.row), { state: select.value }], `set the state of ${row.id}`);
    td.append(h("span", { class: "pair" }, select, curl));
    return select;
  });
  td.row = row;
  if (document.activeElement !== control && control.value !== row.state) control.value = row.state;
}

const consequence = {
  ready: "It gets requests while its probes say that it is healthy.",
  drain: "It gets no new requests, and finishes those that it has. Probes go on.",
  maint: "It gets no new requests and no probes.",
};

function weightOf(row, td) {
  const input = once(td, () => {
    const control = h("input", { type: "number", min: "1", max: "100", "aria-label": `weight of ${row.id}` });
    control.addEventListener("change", async () => {
      await attempt(`weight of ${td.row.url}`, "PATCH", pathOf(td.row), { weight: Number(control.value) });
    });
    const warming = h("small");
    const curl = curlButton(() => ["PATCH", pathOf(td.row), { weight: Number(control.value) }], `set the weight of ${row.id}`);
    td.append(h("span", { class: "pair" }, control, curl), warming);
    td.warming = warming;
    return control;
  });
  td.row = row;
  if (document.activeElement !== input && Number(input.value) !== row.weight) input.value = row.weight;
  const grows = row.effective_weight > 0 && row.effective_weight < row.weight;
  setText(td.warming, grows ? ` now ${row.effective_weight}` : "");
}

// clearing is a button while there is an override.
function clearing(row, td) {
  const pair = once(td, () => {
    const made = h("button", { type: "button", title: "back to what the configuration says" }, "Undo");
    made.addEventListener("click", () => attempt(`override of ${td.row.url} deleted`, "DELETE", `${pathOf(td.row)}/override`));
    const curl = curlButton(() => ["DELETE", `${pathOf(td.row)}/override`], `delete the override of ${row.id}`);
    const pair = h("span", { class: "pair" }, made, curl);
    td.append(pair);
    return pair;
  });
  td.row = row;
  pair.hidden = !row.override;
}

// few is how many backends of a pool are shown at first. Those that are down are the first ones.
const few = 25;

const downIn = (backends) => backends.filter(isDown).length;

// Backends is the section.
export class Backends {
  constructor(section) {
    this.section = section;
    this.pools = new Map();
    this.histories = new Map();
    section.querySelector("h2").append(" ", curlButton(() => ["GET", "/backends"], "list backends"));
    this.filter = h("input", { type: "search", placeholder: "filter, or: down", "aria-label": "filter backends" });
    this.list = h("div");
    this.tools = h("p", { class: "tools" }, this.filter);
    section.append(this.tools, this.list);
  }

  show(view) {
    this.view = view;
    const { state, rates, now } = view;
    const wanted = this.filter.value.trim().toLowerCase();
    const all = Object.values(state.backends ?? {});
    this.tools.hidden = all.length <= few;
    for (const backend of all) backend.rate = rates.of(`backend/${backend.id}`, backend.requests);
    if (this.noted !== now) this.histories = new Map(all.map((one) => [one.id, note(this.histories.get(one.id) ?? [], one)]));
    this.noted = now;
    const pools = Map.groupBy(all, (backend) => backend.pool);
    for (const [name, view] of this.pools) {
      if (!pools.has(name)) {
        view.element.remove();
        this.pools.delete(name);
      }
    }
    const names = [...pools.keys()].sort((a, b) => downIn(pools.get(b)) - downIn(pools.get(a)) || a.localeCompare(b));
    names.forEach((name, i) => {
      const { element } = this.showPool(name, pools.get(name), wanted, now);
      if (this.list.children[i] !== element && !element.contains(document.activeElement)) this.list.insertBefore(element, this.list.children[i]);
    });
  }

  showPool(name, backends, wanted, now) {
    const view = this.pools.get(name) ?? this.addPool(name);
    const sum = backends.reduce((sum, backend) => sum + (backend.rate ?? 0), 0);
    const down = downIn(backends);
    setText(view.title, down ? `Pool ${name}: ${down} of ${backends.length} down` : `Pool ${name}: ${backends.length} up`);
    setClass(view.title, down ? "bad" : "good");
    const rows = backends
      .filter((backend) => !wanted || (wanted === "down" ? isDown(backend) : backend.id.toLowerCase().includes(wanted)))
      .map((backend) => ({ ...backend, now, history: this.histories.get(backend.id), share: sum ? backend.rate / sum : undefined }))
      .sort((a, b) => isDown(b) - isDown(a) || a.url.localeCompare(b.url, "en", { numeric: true }));
    view.element.hidden = wanted !== "" && rows.length === 0;
    view.table.show(view.few.of(rows).map((row) => [row.id, row]));
    return view;
  }

  addPool(name) {
    const title = h("h3", { class: "good" });
    const table = new Table(`backends of pool ${name}`, columns, true);
    const shown = new Few(few, () => this.show(this.view));
    const element = h("div", { class: "pool" }, title, table.element, h("p", { class: "tools" }, shown.button));
    this.list.append(element);
    const view = { element, title, table, few: shown };
    this.pools.set(name, view);
    return view;
  }
}
