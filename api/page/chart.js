// Charts of the points of the last 15 minutes, or of as long as there are some, as SVG.
import { duration } from "./dom.js";

const ns = "http://www.w3.org/2000/svg";
const width = 600;
const height = 100;
const longest = 15 * 60 * 1000;
const shortest = 2 * 60 * 1000;

function s(name, attributes = {}) {
  const element = document.createElementNS(ns, name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  return element;
}

// Chart draws series over time. A series is {name, class, of}: of(point) is its value, undefined
// where it has none. Stacked ones are areas on top of each other.
export class Chart {
  constructor(parent, legend, label, series, { stacked = false, format }) {
    Object.assign(this, { series, stacked, format });
    this.svg = s("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label });
    this.paths = series.map((one) => this.svg.appendChild(s("path", { class: `${stacked ? "area" : "line"} ${one.class}` })));
    this.top = document.createElement("p");
    this.top.className = "top";
    this.begins = document.createElement("span");
    const ends = document.createElement("span");
    ends.textContent = "now";
    const axis = document.createElement("p");
    axis.className = "axis";
    axis.append(this.begins, ends);
    parent.append(this.top, this.svg, axis);
    for (const one of series) {
      const item = document.createElement("li");
      item.className = one.class;
      item.textContent = one.name;
      legend.append(item);
    }
  }

  draw(points, now) {
    const span = Math.min(longest, Math.max(shortest, now - (points[0]?.at ?? now)));
    this.begins.textContent = `${duration(span / 1000)} ago`;
    const shown = points.filter((point) => point.at > now - span);
    const sums = shown.map((point) => this.series.reduce((sum, one) => sum + (one.of(point) ?? 0), 0));
    const values = shown.map((point) => Math.max(0, ...this.series.map((one) => one.of(point) ?? 0)));
    const most = round(Math.max(0, ...(this.stacked ? sums : values)));
    this.top.textContent = most ? this.format(most) : "";
    const x = (at) => (width * (1 - (now - at) / span)).toFixed(1);
    const y = (value) => (height * (1 - value / (most || 1))).toFixed(1);
    const below = shown.map(() => 0);
    this.series.forEach((one, i) => {
      this.paths[i].setAttribute("d", this.stacked ? area(shown, one, below, x, y) : line(shown, one, x, y));
    });
  }
}

function area(points, one, below, x, y) {
  if (points.length < 2) return "";
  const floor = points.map((point, i) => `${x(point.at)},${y(below[i])}`);
  points.forEach((point, i) => { below[i] += one.of(point) ?? 0; });
  const ceiling = points.map((point, i) => `${x(point.at)},${y(below[i])}`);
  return `M${ceiling.join("L")}L${floor.reverse().join("L")}Z`;
}

function line(points, one, x, y) {
  let d = "";
  let pen = "M";
  for (const point of points) {
    const value = one.of(point);
    if (value === undefined) {
      pen = "M";
      continue;
    }
    d += `${pen}${x(point.at)},${y(value)}`;
    pen = "L";
  }
  return d;
}

// round is the least of 1, 2 and 5 times a power of ten that isn't below a value.
function round(value) {
  if (value <= 0) return 0;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= value * 0.999);
}
