// Puts the page together: the stream's state goes to each section once a second.
import { duration, rate, setClass, setText } from "./dom.js";
import { follow, token } from "./stream.js";
import { curlButton } from "./calls.js";
import { Chart } from "./chart.js";
import { showFaults } from "./faults.js";
import { Backends } from "./backends.js";
import { Limits } from "./limits.js";
import { Buckets } from "./buckets.js";
import { Replicas } from "./replicas.js";
import { Routes } from "./routes.js";
import { Process, Refused } from "./rest.js";

const $ = (id) => document.getElementById(id);

// Rates are the counters' changes a second, between two samples.
class Rates {
  before = new Map();
  now = new Map();

  // next begins another sample, so many seconds after the one before.
  next(seconds) {
    this.before = this.now;
    this.now = new Map();
    this.seconds = seconds;
  }

  // of is the rate of a counter; undefined if it was not there before.
  of(name, value) {
    this.now.set(name, value ?? 0);
    const before = this.before.get(name);
    if (before === undefined || !this.seconds) return undefined;
    return Math.max(0, ((value ?? 0) - before) / this.seconds);
  }
}

const classes = [
  { name: "2xx", class: "ok" }, { name: "3xx", class: "moved" }, { name: "4xx", class: "client" },
  { name: "5xx", class: "server" },
].map((one) => ({ ...one, of: (point) => (point.responses[one.name] ?? 0) / point.seconds }));

const rateChart = new Chart($("rate-chart"), $("rate-legend"), "requests a second by class of status, over the last minutes",
  classes, { stacked: true, format: (value) => `${rate(value)}/s` });
const latencyChart = new Chart($("latency-chart"), $("latency-legend"), "latency of requests, median and 99th percentile, over the last minutes",
  [{ name: "p50", class: "p50", of: (point) => point.p50 || undefined }, { name: "p99", class: "p99", of: (point) => point.p99 || undefined }],
  { format: duration });

document.querySelector("#traffic h2").append(" ", curlButton(() => ["GET", "/status"], "show the counters"));

const buckets = new Buckets($("buckets"));
const sections = [
  new Backends($("backends")), new Limits($("limits"), (of) => buckets.open(of)), buckets, new Replicas($("replicas")), new Routes($("routes")),
  new Refused($("refused")), new Process($("process")),
];

const kept = 15 * 60;
const rates = new Rates();
let points = [];
let last;

function show(state, point) {
  points.push(point);
  if (points.length > kept) points.shift();
  rates.next(last ? (point.at - last) / 1000 : 0);
  last = point.at;
  const view = { state, rates, now: point.at };
  $("login").hidden = true;
  document.querySelector("main").hidden = false;
  setText($("summary"), `${state.status.version}, up for ${duration(state.status.uptime_seconds)}`);
  showFaults($("faults"), view);
  for (const section of sections) section.show(view);
  draw(point);
}

function draw(point) {
  const sum = classes.reduce((sum, one) => sum + one.of(point), 0);
  setText($("rate-now"), `${rate(sum)}, of which ${rate(point.limited / point.seconds)} were limited`);
  setText($("latency-now"), point.p50 ? `half within ${duration(point.p50)}, 99 % within ${duration(point.p99)}` : "no requests");
  if (document.hidden) return;
  rateChart.draw(points, point.at);
  latencyChart.draw(points, point.at);
}

function tell(kind, text) {
  setClass($("link"), kind);
  setText($("link"), text);
}

function wantsToken(refused) {
  tell("lost", "waiting for the token");
  const form = $("login");
  form.hidden = false;
  document.querySelector("main").hidden = true;
  setText($("login-fault"), refused ? "That is not the token." : "");
  $("token").focus();
  return new Promise((resolve) => {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      token.set($("token").value);
      $("token").value = "";
      resolve();
    }, { once: true });
  });
}

follow({
  open: () => tell("live", "live"),
  lost: (why) => tell("lost", `not connected, trying again: ${why}`),
  history: (all) => { points = all; },
  change: show,
  wantsToken,
});
