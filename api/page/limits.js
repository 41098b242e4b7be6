// The limits: what they say to requests, and how full their tables are.
import { ago, count, h, number, once, rate, Table, text } from "./dom.js";
import { curlButton } from "./calls.js";

const columns = [
  text("Limit", (row) => row.name, { name: true }),
  text("Key", (row) => row.key),
  text("Capacity, refill", (row) => `${count(row.capacity)}, ${row.refill}`),
  number("Allowed/s", (row) => rate(row.rates.allowed)),
  number("Refused/s", (row) => rate(row.rates.limited)),
  number("Refused", (row) => (row.part === undefined ? "-" : `${(100 * row.part).toFixed(1)} %`)),
  number("Nearly/s", (row) => rate(row.rates.near)),
  number("Exempt/s", (row) => rate(row.rates.exempt), { narrow: true }),
  number("Buckets", (row) => `${count(row.buckets)} of ${count(row.max_buckets)}`),
  number("Managed", (row) => count(row.managed), { narrow: true }),
  number("Overflow", (row) => count(row.overflow_takes), { narrow: true }),
  text("Durability", (row) => row.durability, { narrow: true }),
];

// refusedColumns are of the clients that are refused most. open shows a client's bucket.
const refusedColumns = (open) => [
  text("Client", (row) => row.client_id, { name: true }),
  text("Limit", (row) => row.limit),
  number("Refused, 10 min", (row) => count(row.requests)),
  text("Last", (row) => ago(row.last, row.now), { narrow: true }),
  {
    title: "Bucket",
    cell: (row, td) => {
      td.row = row;
      once(td, () => td.appendChild(h("button", {
        type: "button", "aria-label": `bucket of ${row.client_id} under ${row.limit}`, onclick: () => open(td.row),
      }, "Open")));
    },
  },
];

// Limits is the section. open shows the bucket of {limit, client_id}.
export class Limits {
  constructor(section, open) {
    this.table = new Table("limits", columns, true);
    section.querySelector("h2").append(" ", curlButton(() => ["GET", "/limits"], "list limits"));
    this.refused = new Table("clients that are refused most", refusedColumns(open), true);
    this.most = h("div", { hidden: true },
      h("h3", {}, "Who is refused most ", curlButton(() => ["GET", "/refusals"], "list who is refused most")),
      this.refused.element);
    section.append(this.table.element, this.most);
    this.section = section;
  }

  show({ state, rates, now }) {
    this.showRefused(Object.values(state.refused_most ?? {}).flat(), now);
    const all = Object.values(state.limits ?? {});
    this.section.hidden = all.length === 0;
    this.table.show(all.map((limit) => {
      const takes = state.takes?.[limit.name] ?? {};
      const row = { ...limit, rates: {} };
      for (const result of ["allowed", "limited", "near", "exempt"]) {
        row.rates[result] = rates.of(`takes/${limit.name}/${result}`, takes[result]);
      }
      const asked = (row.rates.allowed ?? 0) + (row.rates.limited ?? 0);
      if (asked > 0) row.part = row.rates.limited / asked;
      return [limit.name, row];
    }).sort(([, a], [, b]) => (b.rates.limited ?? 0) - (a.rates.limited ?? 0) || a.name.localeCompare(b.name)));
  }

  showRefused(clients, now) {
    this.most.hidden = clients.length === 0;
    this.refused.show(clients.map((client) => [JSON.stringify([client.limit, client.client_id]), { ...client, now }])
      .sort(([, a], [, b]) => b.requests - a.requests || a.client_id.localeCompare(b.client_id)));
  }
}
