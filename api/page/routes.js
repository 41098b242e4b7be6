// The routes, busiest first.
import { duration, Few, h, number, rate, Table, text } from "./dom.js";
import { curlButton } from "./calls.js";

const columns = [
  text("Route", (row) => row.name || "(none)", { name: true }),
  text("Matches", (row) => `${row.methods?.length ? `${row.methods.join(" ")} ` : ""}${row.host || "*"}${row.path_prefix || "/"}`),
  text("Pool", (row) => row.pools?.join(", ") || "-"),
  text("Limits", (row) => row.limits?.join(", ") || "-", { narrow: true }),
  number("Requests/s", (row) => rate(row.rate)),
  number("p50", (row) => duration(row.p50)),
  number("p99", (row) => duration(row.p99)),
  number("4xx", (row) => part(row, "4xx")),
  number("5xx", (row) => part(row, "5xx")),
];

// part is the part of a class of status among the requests of the last second.
function part(row, of) {
  return row.rate > 0 ? `${((100 * row.rates[of]) / row.rate).toFixed(1)} %` : "-";
}

const few = 25;

// Routes is the section.
export class Routes {
  constructor(section) {
    this.table = new Table("routes", columns, true);
    this.filter = h("input", { type: "search", placeholder: "filter", "aria-label": "filter routes" });
    this.few = new Few(few, () => this.show(this.view));
    section.querySelector("h2").append(" ", curlButton(() => ["GET", "/routes"], "list routes"));
    section.append(h("p", { class: "tools" }, this.filter, this.few.button), this.table.element);
  }

  show(view) {
    this.view = view;
    const all = Object.keys(view.state.routes ?? {}).length;
    this.filter.hidden = all <= few;
    const wanted = this.filter.value.trim().toLowerCase();
    const rows = Object.entries(view.state.routes ?? {}).map(([name, route]) => rowOf(name, route, view.rates))
      .filter((row) => row.place >= 0 || row.rate > 0)
      .filter((row) => !wanted || `${row.name} ${row.host}${row.path_prefix}`.toLowerCase().includes(wanted))
      .sort((a, b) => Math.round(b.rate ?? 0) - Math.round(a.rate ?? 0) || a.place - b.place);
    this.table.show(this.few.of(rows).map((row) => [row.name, row]));
  }
}

function rowOf(name, route, rates) {
  const row = { ...route, name, rates: {}, rate: 0 };
  for (const [of, n] of Object.entries(route.responses ?? {})) {
    row.rates[of] = rates.of(`route/${name}/${of}`, n) ?? 0;
    row.rate += row.rates[of];
  }
  row.rates["4xx"] ??= 0;
  row.rates["5xx"] ??= 0;
  return row;
}
