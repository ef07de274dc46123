// Asks the controller, and knows whether it answers. A figure must never look live when nobody stands
// behind it: whoever asks tells `controller`, and the banner follows from it.

const BASE = "/api/v1/mining";
const TIMEOUT_MS = 8_000;

// A failure that the controller described; `problem` has code, message, field, hint, requestId.
class Refused extends Error {
  constructor(status, problem) {
    super(problem?.message ?? `the controller answered ${status}`);
    this.status = status;
    this.problem = problem ?? {};
    this.field = problem?.field;
    this.code = problem?.code;
  }

  // One line for people: what happened and what to do.
  get line() {
    const hint = this.problem.hint;
    return hint ? `${this.message} (${hint})` : this.message;
  }
}

// Whether the controller answers: since when it does not, in ms of `performance.now()`.
export const controller = {
  lostSince: null,
  answeredAt: Date.now(),
  listeners: new Set(),
  // How far this browser's clock is behind the controller's, in ms.
  clockBehind: 0,
  // Now by the controller's clock.
  now() {
    return Date.now() + this.clockBehind;
  },
  answered(response) {
    const date = Date.parse(response.headers.get("date") ?? "");
    // The header has whole seconds.
    if (Number.isFinite(date) && Math.abs(date - this.now()) > 1_500) this.clockBehind = date - Date.now();
    this.answeredAt = Date.now();
    this.set(null);
  },
  failed() {
    this.set(this.lostSince ?? performance.now());
  },
  set(since) {
    const changes = (since === null) !== (this.lostSince === null);
    this.lostSince = since;
    if (changes) for (const listener of this.listeners) listener(since !== null);
  },
};

// get("/peers", { select: "group=shed", limit: 60 })
export function get(path, query = {}, options = {}) {
  return ask("GET", path + search(query), undefined, options);
}
export const post = (path, body = {}, options = {}) => ask("POST", path, body, options);
export const put = (path, body = {}, options = {}) => ask("PUT", path, body, options);
export const patch = (path, body = {}, options = {}) => ask("PATCH", path, body, options);
export const remove = (path, options = {}) => ask("DELETE", path, undefined, options);

// A query string of what is known.
export function search(query) {
  const known = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(known.map(([name, value]) => [name, String(value)])).toString();
  return text && `?${text}`;
}

// A part of a path.
export const part = (text) => encodeURIComponent(text);

// options: signal, headers, timeoutMs; `whole: true` gives {data, headers}. `root: true` asks outside the API.
async function ask(method, path, body, { signal, headers = {}, timeoutMs = TIMEOUT_MS, whole = false, root = false } = {}) {
  const limit = AbortSignal.timeout(timeoutMs);
  const init = { method, cache: "no-store", headers: { ...headers }, signal: signal ? AbortSignal.any([signal, limit]) : limit };
  // Said of every request but GET, also without a body: it keeps other sites' forms out.
  if (method !== "GET") init.headers["content-type"] = "application/json";
  if (body !== undefined) init.body = JSON.stringify(body);
  let response;
  try {
    response = await fetch(root ? path : BASE + path, init);
  } catch (error) {
    // Whoever left the page wants no answer any more.
    if (signal?.aborted) throw error;
    controller.failed();
    throw new Refused(0, { message: "the controller does not answer", hint: "is miner-ctrl running?", retryable: true });
  }
  controller.answered(response);
  const isJson = (response.headers.get("content-type") ?? "").includes("json");
  const data = isJson ? await response.json() : await response.text();
  // The login has ended: the page says so and how to get a new one.
  if (response.status === 401) location.reload();
  if (!response.ok) throw new Refused(response.status, isJson ? data : null);
  return whole ? { data, headers: response.headers } : data;
}

// A word for requests that must be done once, however often they are sent.
export function once() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const word = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return { "idempotency-key": word };
}

// What this browser's session may do.
const RANKS = { read: 0, operate: 1, admin: 2 };
export const scope = document.documentElement.dataset.scope ?? "read";
export const may = (needed) => (RANKS[scope] ?? 0) >= RANKS[needed];
// What a button needs that does something: without the scope it is disabled, and its title says what to do.
export const needs = (needed) => (may(needed) ? {} : { disabled: true, title: `This needs a session of scope ${needed}: miner-ctrl login --scope ${needed}` });
