// A client's bucket: find it, change it, start it over.
import { h } from "./dom.js";
import { attempt, call, confirmed, curlButton, notice } from "./calls.js";

// Buckets is the section.
export class Buckets {
  constructor(section) {
    this.section = section;
    this.limit = h("select", { id: "bucket-limit" });
    this.client = h("input", { id: "bucket-client", required: true, spellcheck: "false", autocomplete: "off", maxlength: "256" });
    this.found = h("div", { id: "bucket-found" });
    const form = h("form", { class: "tools" },
      h("label", {}, "Client ", this.client), h("label", {}, "Limit ", this.limit),
      h("button", {}, "Find"), curlButton(() => ["GET", this.path()], "find the bucket"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.find();
    });
    section.append(form, this.found);
  }

  path() {
    return `/buckets/${encodeURIComponent(this.client.value)}?in=${encodeURIComponent(this.limit.value)}`;
  }

  show({ state }) {
    const names = Object.keys(state.limits ?? {}).sort();
    this.section.hidden = names.length === 0;
    if (this.names === names.join("\n")) return;
    this.names = names.join("\n");
    const before = this.limit.value;
    this.limit.replaceChildren(...names.map((name) => h("option", {}, name)));
    if (names.includes(before)) this.limit.value = before;
    this.limits = state.limits;
  }

  // open shows the bucket of a client under a limit.
  open({ limit, client_id }) {
    this.limit.value = limit;
    this.client.value = client_id;
    this.section.scrollIntoView();
    this.client.focus();
    return this.find();
  }

  // find shows the bucket of the client that was typed, or what its first request would get.
  async find() {
    try {
      this.present(await call("GET", this.path()), true);
    } catch (error) {
      if (error.status !== 404) {
        notice(error.message, true);
        return;
      }
      this.present({ client_id: this.client.value, limit: this.limit.value, ...error.body.defaults }, false);
    }
  }

  present(bucket, exists) {
    const path = this.path();
    const tiers = ["", ...Object.keys(this.limits[this.limit.value]?.tiers ?? {})];
    const fields = {
      tokens: h("input", { type: "number", step: "1" }),
      capacity: h("input", { type: "number", min: "1" }),
      refill: h("input", { size: "10" }),
      tier: h("select", {}, ...tiers.map((tier) => h("option", {}, tier))),
    };
    for (const [name, field] of Object.entries(fields)) field.value = bucket[name] ?? "";
    const change = () => changed(bucket, fields);
    const form = h("form", { class: "bucket" },
      h("h3", {}, bucket.client_id), h("p", {}, about(bucket, exists)),
      ...Object.entries(fields).map(([name, field]) => h("label", {}, `${name} `, field)),
      h("p", {},
        h("button", {}, "Change"), curlButton(() => ["PUT", path, change()], "change the bucket"), " ",
        h("button", { type: "button", disabled: !exists, onclick: () => this.reset(bucket, path) }, "Start over"),
        curlButton(() => ["DELETE", path], "start the bucket over")));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const [method, body] = exists ? ["PATCH", change()] : ["PUT", change()];
      if (await attempt(`bucket of ${bucket.client_id}`, method, path, body)) await this.find();
    });
    this.found.replaceChildren(form);
  }

  async reset(bucket, path) {
    if (!await confirmed(`Start the bucket of ${bucket.client_id} over?`, "Its client has the limit's defaults then, and all tokens.", "Start over")) return;
    if (await attempt(`bucket of ${bucket.client_id} started over`, "DELETE", path)) await this.find();
  }
}

function about(bucket, exists) {
  if (!exists) return "It has no bucket: its next request starts one with these.";
  const kind = bucket.managed ? "An operator wrote this bucket" : "It follows the limit's defaults";
  return `${kind}. It has ${bucket.tokens} of ${bucket.capacity} tokens.`;
}

// changed is what a form has changed of a bucket.
function changed(bucket, fields) {
  const change = {};
  for (const [name, field] of Object.entries(fields)) {
    if (field.value === String(bucket[name] ?? "")) continue;
    change[name] = name === "tokens" || name === "capacity" ? Number(field.value) : field.value;
  }
  if (change.tier) {
    delete change.capacity;
    delete change.refill;
  }
  if (change.tier === "") delete change.tier;
  return change;
}
