// Talking to the server: requests with the token of this tab, and streams that survive a break.

import { byId } from "./dom.js";

export class Problem extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const CLIENT = crypto.getRandomValues(new Uint32Array(2)).join("-");
const LAST = new Set(["answer", "result", "error", "stopping"]);

export async function request(path, options = {}) {
  const headers = { "Quorum-Client": CLIENT, ...options.headers };
  const token = sessionStorage.getItem("token");
  if (token) headers.Authorization = `Bearer ${token}`;
  if (options.json !== undefined) headers["Content-Type"] = "application/json";
  const body = options.json === undefined ? undefined : JSON.stringify(options.json);
  let response;
  try {
    response = await fetch(path, { method: options.method || (body ? "POST" : "GET"), headers, body, signal: options.signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The server cannot be reached. Is it still running?", 0);
  }
  if (response.ok) return response;
  let words = `The server said ${response.status}.`;
  try {
    words = (await response.json()).error.message;
  } catch { /* a proxy's own page: the status must do */ }
  options.signal?.throwIfAborted();
  if (response.status === 401) {
    await askForToken(words);
    return request(path, options);
  }
  throw new Problem(words, response.status);
}

export const getJson = async (path, signal) => (await request(path, { signal })).json();
export const send = async (path, json, options) => (await request(path, { json, ...options })).json();
export const query = (values) => new URLSearchParams(values).toString();

let asking = null;

function askForToken(words) {
  asking ??= new Promise((resolve) => {
    const dialog = byId("token");
    byId("token-why").textContent = words;
    dialog.addEventListener("close", () => {
      sessionStorage.setItem("token", byId("token-text").value.trim());
      byId("token-text").value = "";
      asking = null;
      resolve();
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

// Ask, and hear every event once: a stream that breaks is taken up where it ended.
export async function follow(start, hear, lost, signal) {
  let run = start.run || null, last = 0, failures = 0;
  for (;;) {
    try {
      const response = run === null
        ? await request("/v1/ask", { json: start.json, signal, headers: { Accept: "text/event-stream", "Idempotency-Key": start.key } })
        : await request(`/v1/runs/${encodeURIComponent(run)}/events`, { signal, headers: { "Last-Event-ID": String(last) } });
      run ??= response.headers.get("quorum-run");
      for await (const event of events(response.body)) {
        last = event.id;
        failures = 0;
        hear(event.name, event.fields);
        if (LAST.has(event.name)) return run;
      }
      throw new Problem("The connection broke.", 0);
    } catch (error) {
      if (error.name === "AbortError" || (error instanceof Problem && error.status !== 0 && error.status !== 429)) throw error;
      failures += 1;
      const busy = error.status === 429;
      if (failures > 6) throw busy ? error : new Problem("The connection is lost, and so may be the answer. Ask again, or look into the history.", 0);
      lost(busy ? error.message : "The connection is lost; trying to take it up again…");
      await new Promise((resolve) => setTimeout(resolve, Math.min(250 * 2 ** failures, 4000)));
    }
  }
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const event = { id: 0, name: "", fields: {} };
      for (const line of text.slice(0, end).split("\n")) {
        if (line.startsWith("id: ")) event.id = Number(line.slice(4));
        if (line.startsWith("event: ")) event.name = line.slice(7);
        if (line.startsWith("data: ")) event.fields = JSON.parse(line.slice(6));
      }
      text = text.slice(end + 2);
      if (event.name) yield event;
    }
  }
}

export async function download(path, name) {
  const blob = await (await request(path)).blob();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
