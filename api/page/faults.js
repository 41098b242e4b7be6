// What is wrong now, in words, the worst first.
import { ago, count, duration, h, rate, setClass, setText } from "./dom.js";

// faultsOf returns {grave, brief, text, at}: brief is the same in a few words, and at the section to
// look at.
export function faultsOf(view) {
  const { state, now } = view;
  return [...ofProcess(state), ...ofBackends(state, now), ...ofLimits(view), ...ofStore(state), ...ofShared(state), ...ofRest(state)]
    .sort((a, b) => b.grave - a.grave);
}

function* ofProcess(state) {
  if (state.ready !== "ready") yield { grave: true, brief: `it is ${state.ready}`, text: `This process is ${state.ready}.`, at: "process" };
}

function* ofBackends(state, now) {
  const all = Object.values(state.backends ?? {});
  const sum = all.filter(isDown).length;
  const brief = `${sum} of ${count(all.length)} backends ${sum === 1 ? "is" : "are"} down`;
  const pools = Map.groupBy(all, (backend) => backend.pool);
  for (const [pool, backends] of pools) {
    const down = backends.filter((backend) => isDown(backend));
    if (down.length && down.length === backends.filter((backend) => backend.state !== "maint").length) {
      yield { grave: true, brief: `pool ${pool} has no healthy backend`, text: `Pool ${pool} has no healthy backend: its requests get 503.`, at: "backends" };
    }
    for (const backend of down.slice(0, 5)) {
      yield { grave: true, brief, text: `${backend.url} in pool ${pool} is down: ${wordsOf(backend)} (${ago(backend.last_probe_at, now)})`, at: "backends" };
    }
    if (down.length > 5) yield { grave: true, brief, text: `${down.length - 5} more backends of pool ${pool} are down.`, at: "backends" };
    for (const backend of backends.filter((one) => one.override && !one.stored)) {
      yield { grave: false, brief: "an override isn't stored yet", text: `What was said of ${backend.id} isn't stored yet: a restart would undo it.`, at: "backends" };
    }
  }
}

// isDown reports whether a backend gets no requests although it should.
export function isDown(backend) {
  return backend.state === "ready" && (!backend.healthy || backend.ejected);
}

// wordsOf are why a backend is as it is.
export function wordsOf(backend) {
  if (backend.ejected) return `ejected, as ${backend.ejected_why}; its last probe: ${backend.last_probe || "none yet"}`;
  return backend.last_probe || "not probed yet";
}

// whom is the client that a limit refuses most, if it has just refused it.
const recent = 10000;
function whom(state, limit, now) {
  const most = state.refused_most?.[limit]?.find((client) => now - Date.parse(client.last) < recent);
  return most?.client_id;
}

function* ofLimits({ state, rates, now }) {
  for (const [name, takes] of Object.entries(state.takes ?? {})) {
    const limited = rates.of(`takes/${name}/limited`, takes.limited);
    const client = whom(state, name, now);
    if (limited > 0) {
      yield {
        grave: false, at: "limits", brief: client ? `${client} is limited` : `limit ${name} refuses requests`,
        text: `Limit ${name} refuses ${rate(limited)} requests a second${client ? `, most of them of ${client}` : ""}.`,
      };
    }
    const overflow = rates.of(`takes/${name}/overflow`, takes.overflow);
    if (overflow > 0) yield { grave: true, brief: `limit ${name} is full`, text: `Limit ${name} has no room for more buckets: ${rate(overflow)} requests a second share some.`, at: "limits" };
  }
}

function* ofStore(state) {
  const store = state.status.store;
  if (!store) return;
  if (!store.up) yield { grave: true, brief: "the store is away", text: `The store is away: ${store.error}. Requests go on, admin writes don't.`, at: "process" };
  else if (store.lag_seconds > 60) yield { grave: false, brief: "the store is slow", text: `Spending waits for ${duration(store.lag_seconds)} to be stored.`, at: "process" };
}

function* ofShared(state) {
  const shared = state.status.shared;
  if (!shared?.cut_off) return;
  yield {
    grave: true, brief: "it is cut off from the other replicas", at: "replicas",
    text: "This process may not spend the tokens that it shares, as it has been without the store for too long: each limit's on_store_loss counts.",
  };
}

function* ofRest(state) {
  for (const certificate of state.certificates ?? []) {
    const names = certificate.names?.join(", ") ?? "";
    if (certificate.not_after && certificate.days_left < 14) {
      const left = certificate.days_left < 0 ? "has expired" : `expires in ${certificate.days_left} days`;
      yield { grave: certificate.days_left < 3, brief: `a certificate ${left}`, text: `The certificate of ${names} ${left}.`, at: "process" };
    }
    for (const warning of certificate.warnings ?? []) yield { grave: false, brief: "a certificate has a fault", text: `The certificate of ${names}: ${warning}`, at: "process" };
  }
  const reloads = state.status.reloads;
  if (reloads.mistakes.length) {
    yield { grave: true, brief: "the last reload failed", text: `The last reload failed, the former configuration is in force: ${reloads.mistakes.join("; ")}`, at: "process" };
  }
  const log = state.status.log;
  if (log.error) yield { grave: true, brief: "the log can't be written", text: `The log can't be written: ${log.error} (${count(log.dropped)} lines lost)`, at: "process" };
}

// most is how many faults the headline has.
const most = 3;

// headline is all faults in one sentence.
function headline(faults) {
  const briefs = [...new Set(faults.map((fault) => fault.brief))];
  if (briefs.length === 0) return "All is well";
  const parts = briefs.slice(0, most);
  if (briefs.length > most) parts.push(`${briefs.length - most} more`);
  const last = parts.pop();
  const text = parts.length ? `${parts.join(", ")} and ${last}` : last;
  return text[0].toUpperCase() + text.slice(1);
}

// showFaults shows them in a section, and the worst in the title of the page.
export function showFaults(section, view) {
  const faults = faultsOf(view);
  const grave = faults.some((fault) => fault.grave);
  const text = headline(faults);
  setClass(section, grave ? "grave" : faults.length ? "mild" : "good");
  setText(section.querySelector("h2"), text);
  document.title = grave ? `(!) ${text} - equalizer` : "equalizer";
  const list = section.querySelector("ul");
  while (list.children.length > faults.length) list.lastChild.remove();
  faults.forEach((fault, i) => {
    // What is there is changed, not replaced: the keyboard may be at it.
    const item = list.children[i] ?? list.appendChild(h("li", {}, h("a")));
    setClass(item, fault.grave ? "grave" : "mild");
    item.firstChild.setAttribute("href", `#${fault.at}`);
    setText(item.firstChild, fault.text);
  });
}
