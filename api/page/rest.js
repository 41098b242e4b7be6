// What was refused, and the store, the certificates and the process.
import { ago, bytes, count, duration, h, number, setText, Table, text } from "./dom.js";
import { attempt, call, confirmed, curlButton, notice } from "./calls.js";

const refusedColumns = [
  text("When", (row) => ago(row.time, row.now)),
  text("What", (row) => row.refused),
  text("Reason", (row) => row.reason),
  text("Method", (row) => row.method || "-", { narrow: true }),
  text("Field", (row) => row.field || "-"),
  number("At byte", (row) => count(row.offset)),
  text("Around it", (row) => row.excerpt, { narrow: true }),
];

// Refused is the section of the messages that were refused.
export class Refused {
  constructor(section) {
    this.table = new Table("refused messages", refusedColumns, true);
    this.none = h("p", {}, "None. Ambiguous requests and responses would be listed here, with the byte at fault.");
    section.querySelector("h2").append(" ", curlButton(() => ["GET", "/errors"], "list refused messages"));
    section.append(this.none, this.table.element);
  }

  show({ state, now }) {
    const all = state.refused ?? [];
    this.none.hidden = all.length > 0;
    this.table.element.hidden = all.length === 0;
    this.table.show(all.map((row, i) => [i, { ...row, now }]));
  }
}

const certificateColumns = [
  text("Certificate of", (row) => row.names?.join(", ") ?? "-", { name: true }),
  number("Days left", (row) => (row.not_after ? count(row.days_left) : "-")),
  text("Until", (row) => row.not_after?.slice(0, 10) ?? "-"),
  text("Issuer", (row) => row.issuer || "-", { narrow: true }),
  text("From", (row) => (row.acme ? "ACME" : row.cert), { narrow: true }),
];

const listenerColumns = [
  text("Listener", (row) => row.listen, { name: true }),
  text("TLS", (row) => (row.tls ? `from ${row.min_version}` : "-")),
  text("HTTP", (row) => row.protocols?.join(", ") ?? "-"),
  text("What it does", (row) => (row.redirect_port ? `redirects to https, port ${row.redirect_port}` : "serves")),
  text("Client certificate", (row) => row.client_auth || "-", { narrow: true }),
  text("PROXY header from", (row) => row.proxy_protocol?.join(", ") ?? "-", { narrow: true }),
];

// part is a table below a heading, with the call that has the same.
function part(title, table, path) {
  return h("div", { hidden: true }, h("h3", {}, title, " ", curlButton(() => ["GET", path], `list ${title.toLowerCase()}`)), table.element);
}

// Process is the section of the store, the listeners, the certificates and the process.
export class Process {
  constructor(section) {
    this.facts = h("dl", { class: "facts" });
    this.values = new Map();
    this.certificates = new Table("certificates", certificateColumns, true);
    this.certificatePart = part("Certificates", this.certificates, "/certificates");
    this.listeners = new Table("listeners", listenerColumns, true);
    this.listenerPart = part("Listeners", this.listeners, "/listeners");
    this.reloaded = h("pre", { hidden: true, tabindex: "0" });
    this.changes = h("pre", { id: "last-reload", tabindex: "0" });
    this.changePart = h("div", { hidden: true }, h("h3", {}, "What the last reload changed"), this.changes);
    section.querySelector("h2").append(" ", curlButton(() => ["GET", "/status"], "show the status"));
    section.append(
      h("p", { class: "tools" },
        h("span", { class: "pair" },
          h("button", { type: "button", onclick: () => this.preview() }, "What would a reload change?"),
          curlButton(() => ["GET", "/config/changes"], "what a reload would change")),
        h("span", { class: "pair" },
          h("button", { type: "button", onclick: () => this.reload() }, "Reload"),
          curlButton(() => ["POST", "/reload", {}], "reload"))),
      this.reloaded, this.facts, this.changePart, this.listenerPart, this.certificatePart);
  }

  async preview() {
    try {
      this.present(await call("GET", "/config/changes"), "A reload would change nothing.");
    } catch (error) {
      this.fail(error);
    }
  }

  async reload() {
    if (!await confirmed("Reload the configuration?", "Open connections and spent tokens stay. It is in force whole or not at all.", "Reload")) return;
    try {
      this.present(await call("POST", "/reload", {}), "Reloaded; nothing was changed.");
      notice("Reloaded");
    } catch (error) {
      this.fail(error);
    }
  }

  present(result, nothing) {
    const lines = [...result.changes.map(lineOf), ...result.warnings.map((text) => `warning: ${text}`)];
    setText(this.reloaded, lines.join("\n") || nothing);
    this.reloaded.hidden = false;
  }

  fail(error) {
    const mistakes = error.mistakes?.map((mistake) => `${mistake.where ?? ""} ${mistake.key}: ${mistake.text}`);
    setText(this.reloaded, [error.message, ...(mistakes ?? [])].join("\n"));
    this.reloaded.hidden = false;
    notice(error.message, true);
  }

  show({ state, now }) {
    const { store, requests, reloads, log, runtime } = state.status;
    this.fact("Store", store ? `${store.driver}, ${store.up ? "up" : `away: ${store.error}`}` : "none: nothing is limited");
    if (store) {
      this.fact("Not stored yet", unstored(store));
      this.fact("Last flush", `${ago(store.last_flush, now)}; ${count(store.flushes)} done, ${count(store.flush_errors)} failed`);
    }
    this.fact("Connections", `${count(requests.connections)} of ${count(requests.max_connections)}`);
    this.fact("In flight", count(requests.in_flight));
    this.fact("Retries", count(requests.retries));
    this.fact("Reloads", `${count(reloads.done)} done, ${count(reloads.failed)} failed${reloads.last_at ? `; the last ${ago(reloads.last_at, now)}` : ""}`);
    this.fact("Log", log.error ? log.error : `${count(log.dropped)} lines dropped`);
    this.fact("Memory", `${bytes(runtime.heap_bytes)} heap, ${count(runtime.goroutines)} goroutines`);
    this.showChanges(reloads);
    for (const [element, table, all] of [
      [this.listenerPart, this.listeners, state.listeners ?? []], [this.certificatePart, this.certificates, state.certificates ?? []],
    ]) {
      element.hidden = all.length === 0;
      table.show(all.map((row, i) => [i, row]));
    }
  }

  // showChanges shows what the last reload changed, whoever asked for it.
  showChanges({ done, changes, more_changes: more }) {
    this.changePart.hidden = done === 0;
    const lines = changes.map(lineOf);
    if (more > 0) lines.push(`and ${count(more)} more`);
    setText(this.changes, lines.join("\n") || "Nothing.");
  }

  fact(name, value) {
    let dd = this.values.get(name);
    if (!dd) {
      dd = h("dd");
      this.values.set(name, dd);
      this.facts.append(h("div", {}, h("dt", {}, name), dd));
    }
    setText(dd, value);
  }
}

// unstored is what a crash would give back now.
function unstored(store) {
  if (store.driver === "memory") return "all buckets: a crash now would give everything back";
  if (!store.dirty) return "nothing: a crash now would give nothing back";
  return `${count(store.dirty)} buckets, for ${duration(store.lag_seconds)}: what a crash now would give back`;
}

// lineOf is a difference in a line.
function lineOf({ kind, key, old, new: now }) {
  if (old === undefined && now === undefined) return `${kind} ${key}`;
  return `${kind} ${key}: ${old ?? ""} -> ${now ?? ""}`;
}
