// Reads GET /events, and keeps the state. The token is kept for this tab.

const key = "equalizer-token";

export const token = {
  get: () => sessionStorage.getItem(key) ?? "",
  set: (value) => sessionStorage.setItem(key, value),
  clear: () => sessionStorage.removeItem(key),
};

export function authorization() {
  return token.get() ? { Authorization: `Bearer ${token.get()}` } : {};
}

// merge applies a JSON merge patch (RFC 7396).
export function merge(target, patch) {
  if (patch === null || typeof patch !== "object" || Array.isArray(patch)) return patch;
  const object = target !== null && typeof target === "object" && !Array.isArray(target) ? target : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete object[name];
    else object[name] = merge(Object.hasOwn(object, name) ? object[name] : undefined, value);
  }
  return object;
}

const firstPause = 500;
const longestPause = 8000;

// follow reads the stream for as long as the page is open, and begins anew when it ends. on has
// history(points), change(state, point), open(), lost(why) and wantsToken(refused).
export async function follow(on) {
  for (let pause = firstPause; ; pause = Math.min(2 * pause, longestPause)) {
    try {
      const response = await fetch("/events", { headers: authorization(), cache: "no-store" });
      if (response.status === 401) {
        const refused = token.get() !== "";
        token.clear();
        await on.wantsToken(refused);
        pause = firstPause / 2;
        continue;
      }
      if (!response.ok) throw new Error((await response.json()).detail);
      on.open();
      pause = firstPause;
      await read(response.body, on);
      on.lost("the stream has ended");
    } catch (why) {
      on.lost(why.message);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

// read reads server-sent events until the stream ends.
async function read(body, on) {
  let state = {};
  let text = "";
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const [name, data] = parse(text.slice(0, end));
      text = text.slice(end + 2);
      if (name === "history") on.history(data);
      if (name === "change") {
        state = merge(state, data.patch);
        on.change(state, data.point);
      }
    }
  }
}

function parse(event) {
  const lines = Object.fromEntries(event.split("\n").map((line) => {
    const colon = line.indexOf(": ");
    return [line.slice(0, colon), line.slice(colon + 2)];
  }));
  return [lines.event, JSON.parse(lines.data)];
}
