// The processes that share the buckets. Which there are is asked of the store, and so not with each
// sample.
import { ago, count, duration, h, number, setText, Table, text } from "./dom.js";
import { call, curlButton } from "./calls.js";

const columns = [
  text("Replica", (row) => row.name + (row.self ? " (this one)" : ""), { name: true }),
  text("Host", (row) => row.host),
  number("PID", (row) => `${row.pid}`, { narrow: true }),
  text("Joined", (row) => ago(row.since, row.now)),
  text("Expires in", (row) => duration(Math.max(0, (Date.parse(row.expires) - row.now) / 1000))),
];

const pause = 5000;

// Replicas is the section. It is hidden where nothing is shared.
export class Replicas {
  constructor(section) {
    this.section = section;
    this.asked = 0;
    this.own = h("p");
    this.table = new Table("replicas", columns, true);
    section.querySelector("h2").append(" ", curlButton(() => ["GET", "/replicas"], "list replicas"));
    section.append(this.own, this.table.element);
  }

  show({ state, now }) {
    const shared = state.status.shared;
    this.section.hidden = !shared;
    if (!shared) return;
    setText(this.own, sentence(shared));
    if (now - this.asked >= pause && !document.hidden) this.ask(now);
  }

  // ask asks which there are, one time after the other.
  async ask(now) {
    this.asked = Infinity;
    try {
      const { replicas } = await call("GET", "/replicas");
      this.table.show(replicas.map((row) => [row.name, { ...row, now }]));
    } catch {
      this.table.show([]); // The stream says why, if the process is away.
    }
    this.asked = now;
  }
}

// sentence is what this process does as a replica.
function sentence(shared) {
  const may = shared.cut_off ? "is cut off, and may spend nothing" : `may spend for ${duration(shared.spend_seconds)} without the store`;
  return `${shared.replica} is one of ${count(shared.alive)}, holds ${count(shared.held)} tokens of ${count(shared.leases)} clients, and ${may}. ` +
    `${count(shared.rounds)} rounds, ${count(shared.late_rounds)} of them late, and ${count(shared.failed_rounds)} failed. ` +
    `${count(shared.waits)} requests waited for the store, ${count(shared.waits_in_vain)} of them in vain.`;
}
