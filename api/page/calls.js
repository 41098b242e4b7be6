// Calls of the admin API, and what curl would be told for the same.
import { h, setText } from "./dom.js";
import { authorization, token } from "./stream.js";

// call makes a call, and returns what it responds. It throws the text of its error.
export async function call(method, path, body) {
  const response = await fetch(path, {
    method,
    headers: { ...authorization(), ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
  });
  const text = await response.text();
  const json = text && /json/.test(response.headers.get("Content-Type") ?? "") ? JSON.parse(text) : {};
  if (response.ok) return json;
  const error = new Error(json.detail ?? json.title ?? `${response.status}`);
  error.status = response.status;
  error.mistakes = json.mistakes;
  error.body = json;
  throw error;
}

const quote = (s) => `'${s.replaceAll("'", `'\\''`)}'`;

// curlOf is the command that makes a call.
export function curlOf(method, path, body) {
  const parts = ["curl"];
  if (method !== "GET") parts.push("-X", method);
  if (token.get()) parts.push("-H", `"Authorization: Bearer $EQUALIZER_ADMIN_TOKEN"`);
  if (body !== undefined) parts.push("-H", quote("Content-Type: application/json"), "-d", quote(JSON.stringify(body)));
  parts.push(quote(location.origin + path));
  return parts.join(" ");
}

const dialog = document.getElementById("curl");
const shown = document.getElementById("curl-text");
document.getElementById("curl-copy").addEventListener("click", async () => {
  await navigator.clipboard?.writeText(shown.textContent);
});

// curlButton is a button that shows the command of a call, which of returns as [method, path, body].
export function curlButton(of, about) {
  return h("button", {
    class: "curl", type: "button", title: "the same with curl", "aria-label": `curl: ${about}`,
    onclick: () => {
      setText(shown, curlOf(...of()));
      dialog.showModal();
    },
  }, "curl");
}

const question = document.getElementById("confirm");

// confirmed asks whether something is to be done.
export function confirmed(title, text, yes) {
  setText(document.getElementById("confirm-title"), title);
  setText(document.getElementById("confirm-text"), text);
  setText(document.getElementById("confirm-yes"), yes);
  question.returnValue = "no";
  question.showModal();
  return new Promise((resolve) => {
    question.addEventListener("close", () => resolve(question.returnValue === "yes"), { once: true });
  });
}

const line = document.getElementById("notice");
let clearing;

// notice tells what has come of a call.
export function notice(text, failed = false) {
  setText(line, text);
  line.className = failed ? "failed" : "done";
  clearTimeout(clearing);
  clearing = setTimeout(() => { line.className = ""; line.textContent = ""; }, failed ? 20000 : 6000);
}

// attempt makes a call for a button, and tells what has come of it.
export async function attempt(what, method, path, body) {
  try {
    const result = await call(method, path, body);
    notice(`${what}: done`);
    return result;
  } catch (error) {
    notice(`${what}: ${error.message}`, true);
    return undefined;
  }
}
