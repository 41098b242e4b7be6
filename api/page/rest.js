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
    this.table = new Table("refused messages", refusedColumns);
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
  text("Certificate of", (row) => row.names?.join(", ") ?? "-"),
  number("Days left", (row) => (row.not_after ? count(row.days_left) : "-")),
  text("Until", (row) => row.not_after?.slice(0, 10) ?? "-"),
  text("Issuer", (row) => row.issuer || "-", { narrow: true }),
  text("From", (row) => (row.acme ? "ACME" : row.cert), { narrow: true }),
];

// Process is the section of the store, the certificates and the process.
export class Process {
  constructor(section) {
    this.facts = h("dl", { class: "facts" });
    this.values = new Map();
    this.certificates = new Table("certificates", certificateColumns);
    this.reloaded = h("pre", { hidden: true, tabindex: "0" });
    section.append(
      h("p", { class: "tools" },
        h("span", { class: "pair" },
          h("button", { type: "button", onclick: () => this.preview() }, "What would a reload change?"),
          curlButton(() => ["GET", "/config/changes"], "what a reload would change")),
        h("span", { class: "pair" },
          h("button", { type: "button", onclick: () => this.reload() }, "Reload"),
          curlButton(() => ["POST", "/reload", {}], "reload"))),
      this.reloaded, this.facts, this.certificates.element);
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
      this.fact("Not stored yet", store.dirty ? `${count(store.dirty)} buckets, for ${duration(store.lag_seconds)}: what a crash now would give back` : "nothing: a crash now would give nothing back");
      this.fact("Last flush", `${ago(store.last_flush, now)}; ${count(store.flushes)} done, ${count(store.flush_errors)} failed`);
    }
    this.fact("Connections", `${count(requests.connections)} of ${count(requests.max_connections)}`);
    this.fact("In flight", count(requests.in_flight));
    this.fact("Retries", count(requests.retries));
    this.fact("Reloads", `${count(reloads.done)} done, ${count(reloads.failed)} failed${reloads.last_at ? `; the last ${ago(reloads.last_at, now)}` : ""}`);
    this.fact("Log", log.error ? log.error : `${count(log.dropped)} lines dropped`);
    this.fact("Memory", `${bytes(runtime.heap_bytes)} heap, ${count(runtime.goroutines)} goroutines`);
    const all = state.certificates ?? [];
    this.certificates.element.hidden = all.length === 0;
    this.certificates.show(all.map((row, i) => [i, row]));
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

// lineOf is a difference in a line.
function lineOf({ kind, key, old, new: now }) {
  if (old === undefined && now === undefined) return `${kind} ${key}`;
  return `${kind} ${key}: ${old ?? ""} -> ${now ?? ""}`;
}
