// Numbers as people read them: three significant digits, a unit after a thin space, "–" for unknown.

import { h } from "./dom.js";

export const UNKNOWN = "–";
const THIN = " ";
/// A figure older than two heartbeats is grey and says its age.
export const OLD_MS = 20_000;

// Made once: to make one takes longer than all that it formats.
const EXACT = new Intl.NumberFormat("en-US", { maximumFractionDigits: 3 });

const known = (value) => value !== null && value !== undefined && Number.isFinite(value);

// Three significant digits, never an exponent: 12.5, 1.00, 987.
export function digits(value) {
  if (!known(value)) return UNKNOWN;
  const size = Math.abs(value);
  if (size >= 100 || value === 0) return String(Math.round(value));
  return value.toFixed(size >= 10 ? 1 : 2);
}

// Each step's name, and how many of the one before it make one.
export function hashrate(perSecond) {
  if (!known(perSecond)) return UNKNOWN;
  const units = ["H/s", "kH/s", "MH/s", "GH/s", "TH/s"];
  let value = perSecond;
  let at = 0;
  // 999.6 would be shown as 1000.
  while (Math.abs(value) >= 999.5 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${digits(value)}${THIN}${units[at]}`;
}

export function exactHashrate(perSecond) {
  return known(perSecond) ? `${EXACT.format(perSecond)} H/s` : "unknown";
}

export function count(value) {
  return known(value) ? EXACT.format(value) : UNKNOWN;
}

// A count in few characters: 4,812, 48.1k, 4.81M.
export function short(value) {
  if (!known(value)) return UNKNOWN;
  if (value < 10_000) return count(value);
  return value < 999_500 ? `${digits(value / 1e3)}k` : `${digits(value / 1e6)}M`;
}

export function percent(part, whole) {
  return known(part) && whole > 0 ? `${digits((100 * part) / whole)}${THIN}%` : UNKNOWN;
}

// 840 ms, 31 s, 14 min, 3 h 20 min, 2 d: what tells two of them apart, and no more.
export function duration(ms) {
  if (!known(ms)) return UNKNOWN;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 100) return `${seconds}${THIN}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}${THIN}min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 10) return `${hours}${THIN}h${minutes % 60 ? ` ${minutes % 60}${THIN}min` : ""}`;
  if (hours < 48) return `${hours}${THIN}h`;
  return `${Math.floor(hours / 24)}${THIN}d`;
}

export function milliseconds(ms) {
  return known(ms) ? `${Math.round(ms)}${THIN}ms` : UNKNOWN;
}

export function mebibytes(mib) {
  if (!known(mib)) return UNKNOWN;
  return mib < 1024 ? `${mib}${THIN}MiB` : `${digits(mib / 1024)}${THIN}GiB`;
}

// A moment in the browser's time zone; today's without the day.
export function moment(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return UNKNOWN;
  const time = at.toLocaleTimeString("en-GB");
  return at.toDateString() === new Date().toDateString() ? time : `${at.toLocaleDateString("en-CA")} ${time}`;
}

// An age that goes on counting by itself, and turns grey when it is old.
//   age(12_000)                          12 s
//   age(12_000, { after: " ago" })       12 s ago
export function age(ms, { after = "", old = Infinity, title = null } = {}) {
  if (!known(ms)) return h("span", {}, UNKNOWN);
  const since = Math.round(performance.now() - ms);
  const props = { class: ms > old ? "age old" : "age", title, "data-since": since, "data-after": after, "data-old": old };
  return h("span", props, duration(ms) + after);
}

// Rows' ages go on each so many times: then all of them change, and else none, so that most rows stay as they are.
const ROWS_EACH = 5;
let ticks = 0;

// Every two seconds the ages on the page go on.
export function tickAges() {
  const now = performance.now();
  const all = ticks % ROWS_EACH === 0;
  ticks += 1;
  for (const node of document.querySelectorAll(all ? "[data-since]" : "[data-since]:not(.virtual *)")) {
    const ms = Math.max(0, now - Number(node.dataset.since));
    const text = duration(ms) + node.dataset.after;
    if (node.firstChild?.data !== text) node.textContent = text;
    node.classList.toggle("old", ms > Number(node.dataset.old));
  }
}

// Shape and word of a state; the colour only helps. tone: mining, quiet, amber, red.
const SHAPES = {
  mining: "●",
  ok: "●",
  ready: "●",
  filling: "◐",
  starting: "◐",
  degraded: "◐",
  noPool: "◐",
  someAway: "◐",
  paused: "‖",
  stopped: "■",
  offline: "○",
  off: "○",
  unused: "○",
  pending: "△",
  behind: "△",
  refused: "✕",
  failed: "✕",
  failing: "✕",
  removed: "✕",
};
export const WORDS = { noPool: "no pool", someAway: "some rigs away" };

export function state(name, tone = "quiet", detail = null) {
  const word = WORDS[name] ?? name ?? "unknown";
  const shape = h("i", { "aria-hidden": "true" }, SHAPES[name] ?? "·");
  return h("span", { class: `state ${tone ?? "quiet"}`, title: detail }, shape, " ", word, detail && h("small", {}, ` ${detail}`));
}

// A mark beside a figure: good, fair or poor by these bounds; none if unknown.
export function mark(value, isGood, isFair) {
  if (!known(value)) return null;
  const tone = isGood(value) ? "good" : isFair(value) ? "fair" : "poor";
  return h("i", { class: `mark ${tone}`, "aria-hidden": "true" });
}
export const pingMark = (ms) => mark(ms, (v) => v < 50, (v) => v < 200);
export const scoreMark = (score) => mark(score, (v) => v >= 90, (v) => v >= 50);
