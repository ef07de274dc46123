// Logs of rigs as they come: one follower per rig, one book that merges them by time and is bounded,
// and a view of it that a person can filter, hold and scroll back in.
//
//   const book = new LogBook();  const view = logView(book, { withRigs: true });
//   follow(book, { id, name, miner }, signal, (told) => …);  root.append(view.node)

import { get, part } from "./api.js";
import { toast } from "./dialog.js";
import { h } from "./dom.js";
import { count } from "./format.js";
import { every } from "./live.js";

// Lines that a book holds; one more, and the oldest goes and is counted.
const MAX_LINES = 2_000;
export const MINER = "miner-rx0";
const EVERY_MS = 2_000;
const FIRST_LINES = 200;
// How near to the end counts as being there, in px.
const NEAR = 24;

const LEVELS = ["error", "warn", "info", "debug", "trace"];
const TONES = { error: "red", warn: "amber" };

// Control characters as pictures that can be seen. Those that turn the direction of text, and those
// that have no picture, are shown as one sign: a log line must not rewrite the lines beside it.
export function pictures(text) {
  return text
    .replace(/[\u0000-\u001f]/g, (one) => String.fromCharCode(0x2400 + one.charCodeAt(0)))
    .replace(/\u007f/g, "\u2421")
    .replace(/[\u0080-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, "\u2426");
}

// Lines of several rigs, oldest first. A line: {at (ms), rig, level, text}.
export class LogBook {
  lines = [];
  // Lines that went because there was no room, and those that fell out of a rig's own ring unread.
  dropped = 0;
  lost = 0;
  paused = false;
  listener = null;
  lastOf = new Map();

  // Adds lines of one rig, in its order; their moments never run backwards, whatever the clocks say.
  add(rig, lines) {
    const fresh = [];
    for (const line of lines) {
      const at = Math.max(Date.parse(line.at) || 0, this.lastOf.get(rig) ?? 0);
      this.lastOf.set(rig, at);
      fresh.push({ at, rig, level: line.level, text: pictures(line.text) });
    }
    for (const line of fresh) {
      let place = this.lines.length;
      while (place > 0 && this.lines[place - 1].at > line.at) place -= 1;
      this.lines.splice(place, 0, line);
    }
    const gone = this.lines.splice(0, Math.max(0, this.lines.length - MAX_LINES));
    this.dropped += gone.length;
    this.listener?.(fresh, gone);
  }

  // A rig that is no longer looked at takes its lines along.
  forget(rig) {
    const gone = this.lines.filter((line) => line.rig === rig);
    this.lines = this.lines.filter((line) => line.rig !== rig);
    this.lastOf.delete(rig);
    this.listener?.([], gone);
  }

  clear() {
    const gone = this.lines;
    this.lines = [];
    this.dropped = 0;
    this.lost = 0;
    this.listener?.([], gone);
  }
}

// Follows a rig's log into a book until `signal` aborts. `told(error)` hears how each attempt went, null for well.
// A rig that `isThere()` says is out of reach is not asked.
export function follow(book, { id, name, miner = MINER, isThere = () => true }, signal, told) {
  let cursor = null;
  const read = async () => {
    if (book.paused) return;
    if (!isThere()) return told(new Error("out of reach: its log goes on here when it is back"));
    try {
      // A rig that logs a lot is read in some pieces, and again soon.
      for (let piece = 0; piece < 5; piece += 1) {
        const query = cursor === null ? { lines: FIRST_LINES } : { cursor, lines: 1_000 };
        const page = await get(`/remote/${part(id)}/logs/${part(miner)}`, query, { signal });
        if (signal.aborted) return;
        // What was gone before anybody looked is no loss of this view.
        if (cursor !== null) book.lost += page.lost;
        const first = cursor === null;
        cursor = page.next;
        book.add(name, page.lines);
        if (first || !page.hasMore) break;
      }
      told(null);
    } catch (error) {
      if (signal.aborted) return;
      told(error);
      throw error;
    }
  };
  return every(EVERY_MS, read, signal);
}

const clock = (at) => (at ? new Date(at).toLocaleTimeString("en-GB") : "–");
const asText = (line, withRigs) => `${new Date(line.at).toISOString()} ${withRigs ? `${line.rig} ` : ""}${line.level} ${line.text}`;

// What is seen of a book: {node, refresh()}. `level` and `text` begin the filter, `changed` hears of it.
export function logView(book, { withRigs = false, level = "trace", text = "", changed = null, fileName = "farm" } = {}) {
  let least = LEVELS.includes(level) ? level : "trace";
  let words = text.toLowerCase();
  let atEnd = true;
  let unseen = 0;
  const rows = new Map();

  const body = h("tbody", {});
  const head = h("tr", {}, h("th", { scope: "col" }, "Time"), withRigs && h("th", { scope: "col" }, "Rig"), h("th", { scope: "col" }, "Level"), h("th", { scope: "col" }, "Text"));
  const box = h("div", { class: "log-box", tabindex: "0", role: "region", "aria-label": "Log lines" }, h("table", { class: "log" }, h("thead", {}, head), body));
  const said = h("p", { class: "small", role: "status" });
  const hold = h("button", { type: "button", "aria-pressed": "false", onclick: () => setPaused(!book.paused) }, "Pause");
  const down = h("button", { type: "button", class: "down", hidden: true, onclick: () => toEnd() });
  const levels = h("select", { "aria-label": "Least serious level that is shown", value: least, onchange: (event) => filter(event.target.value, words) }, LEVELS.map((one) => h("option", { value: one }, one === "trace" ? "all levels" : one === "error" ? "errors" : `${one} and worse`)));
  const finder = h("input", { type: "search", value: text, placeholder: "Filter by text", "aria-label": "Show lines that hold this text", autocomplete: "off", spellcheck: "false", oninput: (event) => filter(least, event.target.value.toLowerCase()) });
  const copy = h("button", { type: "button", onclick: () => copyLines() }, "Copy");
  const save = h("button", { type: "button", onclick: () => download() }, "Download");
  const clear = h("button", { type: "button", onclick: () => book.clear() }, "Clear");
  const node = h("div", { class: "logs", "data-kept": true, id: "logs" }, h("div", { class: "log-tools" }, levels, finder, hold, copy, save, clear), h("div", { class: "log-frame" }, box, down), said);

  const fits = (line) => LEVELS.indexOf(line.level) <= LEVELS.indexOf(least) && (!words || line.text.toLowerCase().includes(words) || line.rig.toLowerCase().includes(words));

  function row(line) {
    const tone = TONES[line.level] ?? null;
    const made = h(
      "tr",
      { class: tone, hidden: !fits(line) },
      h("td", { class: "mono", title: new Date(line.at).toISOString() }, clock(line.at)),
      withRigs && h("td", { class: "rig" }, line.rig),
      h("td", {}, line.level),
      h("td", { class: "mono wrap" }, line.text),
    );
    rows.set(line, made);
    return made;
  }

  book.listener = (fresh, gone) => {
    for (const line of gone) {
      rows.get(line)?.remove();
      rows.delete(line);
    }
    // From the newest back, so that what a line stands before is there already.
    let next = null;
    const wanted = new Set(fresh);
    for (let at = book.lines.length - 1, left = wanted.size; at >= 0 && left > 0; at -= 1) {
      const line = book.lines[at];
      if (wanted.has(line)) {
        body.insertBefore(row(line), next);
        left -= 1;
        if (!atEnd && fits(line)) unseen += 1;
      }
      next = rows.get(line) ?? next;
    }
    if (atEnd) box.scrollTop = box.scrollHeight;
    tell();
  };

  function tell() {
    const shown = book.lines.reduce((sum, line) => sum + (fits(line) ? 1 : 0), 0);
    const parts = [shown === book.lines.length ? `${count(shown)} lines` : `${count(shown)} of ${count(book.lines.length)} lines`];
    if (book.dropped > 0) parts.push(`${count(book.dropped)} older ones went: ${count(MAX_LINES)} are kept here`);
    if (book.lost > 0) parts.push(`${count(book.lost)} fell out of the rigs' memory before they were read`);
    if (book.paused) parts.push("paused");
    said.textContent = parts.join(" · ");
    down.hidden = atEnd;
    down.textContent = unseen > 0 ? `↓ ${count(unseen)} new` : "↓ To the end";
  }

  function filter(nextLevel, nextWords) {
    least = nextLevel;
    words = nextWords;
    for (const [line, made] of rows) made.hidden = !fits(line);
    if (atEnd) box.scrollTop = box.scrollHeight;
    changed?.({ level: least === "trace" ? null : least, text: words || null });
    tell();
  }

  function setPaused(paused) {
    book.paused = paused;
    hold.textContent = paused ? "Go on" : "Pause";
    hold.setAttribute("aria-pressed", String(paused));
    tell();
  }

  function toEnd() {
    atEnd = true;
    unseen = 0;
    box.scrollTop = box.scrollHeight;
    box.focus();
    tell();
  }

  // Whoever scrolls up reads; at the end again, it follows again.
  box.addEventListener("scroll", () => {
    atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;
    if (atEnd) unseen = 0;
    down.hidden = atEnd;
  });

  const all = () => book.lines.filter(fits).map((line) => asText(line, withRigs)).join("\n");

  async function copyLines() {
    try {
      await navigator.clipboard.writeText(all());
      toast("Copied.");
    } catch {
      getSelection().selectAllChildren(body);
      toast("The browser gives no clipboard here: the lines are selected instead.", { tone: "amber" });
    }
  }

  function download() {
    const url = URL.createObjectURL(new Blob([`${all()}\n`], { type: "text/plain" }));
    h("a", { href: url, download: `${fileName}-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.log` }).click();
    // The browser has to have begun with it.
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  tell();
  return { node };
}
