// Is anything wrong, how much does it make, what changed: in this order, everything else one click deeper.

import { get, search } from "../api.js";
import { timeChart } from "../chart.js";
import { h, show } from "../dom.js";
import { UNKNOWN, age, count, digits, duration, WORDS, exactHashrate, hashrate, moment, percent } from "../format.js";
import { hear, loaded } from "../loaded.js";
import { sentence } from "../sentences.js";

// Each range, how many points it gets, and how often it is asked for.
const RANGES = {
  "5m": { points: 30, ms: 10_000, words: "5 minutes" },
  "15m": { points: 90, ms: 10_000, words: "15 minutes" },
  "1h": { points: 360, ms: 10_000, words: "hour" },
  "6h": { points: 360, ms: 60_000, words: "6 hours" },
  "24h": { points: 480, ms: 60_000, words: "24 hours" },
  "7d": { points: 672, ms: 300_000, words: "7 days" },
  "90d": { points: 1_080, ms: 300_000, words: "90 days" },
};
const PARTS = { state: "State", profile: "Profile", cpu: "CPU model", pool: "Pool", group: "Group" };
const ATTENTION = 12;
const CHANGES = 12;

export async function open(place) {
  const first = await get("/summary", {}, { signal: place.signal });
  const attention = h("div", { class: "attention" });
  const facts = h("dl", { class: "facts" });
  const parts = h("div", { class: "scroll", tabindex: "0" });
  const changes = h("ol", { class: "lines" });
  const chart = h("div", { class: "chart", "data-kept": true });
  const ranges = h("span", { class: "ranges", role: "group", "aria-label": "Time that is shown" });
  const kinds = h("span", { class: "tabs", role: "tablist", "aria-label": "Rigs by" });
  place.root.append(
    h("h1", { class: "sr" }, "Dashboard"),
    ...(first.rigs.registered === 0 ? [newcomer()] : []),
    h("section", { "aria-live": "polite" }, attention),
    h("div", { class: "wide-left" },
      h("section", {}, h("div", { class: "head" }, h("h2", {}, "Fleet hash rate"), h("span", { class: "right" }, ranges)), chart, facts),
      h("section", {}, h("div", { class: "head" }, h("h2", {}, "Rigs by"), h("span", { class: "right" }, kinds)), parts),
    ),
    h("section", { class: "changes" }, h("h2", {}, "What changed"), changes, h("p", {}, h("a", { href: "/events" }, "All events"))),
  );

  loaded(place, attention, 5_000, (options) => get("/attention", { limit: ATTENTION }, options), attentionList);
  watchHistory(place, { chart, ranges, facts });
  watchParts(place, kinds, parts);
  watchChanges(place, changes);
}

function newcomer() {
  return h("section", { class: "empty" }, h("p", {}, h("b", {}, "No rigs yet."), " ", h("a", { href: "/start" }, "First steps"), ": a pool and a wallet, then a token for the first rig."));
}

// ---- what needs attention ----

let shownBefore = new Set();

function attentionList({ total, items }) {
  const title = h("h2", {}, "Attention", h("small", {}, total === 0 ? " nothing" : ` ${count(total)}`));
  if (items.length === 0) return [title, h("p", { class: "quiet" }, "Nothing needs you.")];
  const shown = new Set(items.map((item) => `${item.kind} ${item.id ?? item.name}`));
  const lines = items.map((item) => attentionLine(item));
  shownBefore = shown;
  const more = total - items.length;
  return [title, h("ul", { class: "lines" }, lines), more > 0 && h("p", { class: "small" }, `${count(more)} more: `, h("code", {}, "miner-ctrl attention"), " lists them.")];
}

// Commands stand between backquotes in the controller's sentences.
function quotedCode(text) {
  return text.split("`").map((piece, at) => (at % 2 ? h("code", {}, piece) : piece));
}

const SEVERITY = { red: ["✕", "look now"], amber: ["◐", "look when you can"] };

function attentionLine(item) {
  const key = `${item.kind} ${item.id ?? item.name}`;
  const [shape, word] = SEVERITY[item.severity] ?? ["·", item.severity];
  const where = item.id ? h("a", { href: `/rigs/${item.id}` }, item.name ?? item.id) : item.name && h("b", {}, item.name);
  // One that was not there slides in once.
  return h("li", { "data-key": key, class: shownBefore.size > 0 && !shownBefore.has(key) ? "new" : null },
    h("i", { class: item.severity, "aria-hidden": "true" }, shape), h("span", { class: "sr" }, word),
    h("span", { class: "what" }, where, where && " ", ...quotedCode(item.text), item.fix && h("small", {}, " ", ...quotedCode(item.fix))),
    item.sinceMs !== null && item.sinceMs !== undefined && age(item.sinceMs),
  );
}

// ---- hash rate over time, and what it came to ----

async function watchHistory(place, { chart, ranges, facts }) {
  let range = place.query.get("range") in RANGES ? place.query.get("range") : "1h";
  const plot = await timeChart(chart, [{ label: "Hash rate", fill: true }]);
  if (place.signal.aborted) return plot.remove();
  place.signal.addEventListener("abort", () => plot.remove());
  let drawnAt = -Infinity;
  const draw = async () => {
    const wanted = range;
    const [past, summary] = await Promise.all([
      get("/history/fleet", { since: wanted, points: RANGES[wanted].points }, { signal: place.signal }),
      get("/summary", {}, { signal: place.signal }),
    ]);
    if (wanted !== range) return;
    drawnAt = performance.now();
    const from = Date.parse(past.from) / 1000;
    const times = past.points.map((_, at) => from + at * past.step);
    const rates = past.points.map((point) => point?.hashrate ?? null);
    plot.update(times, [rates]);
    show(facts, factsOf(RANGES[wanted].words, past.points, rates, summary));
  };
  const buttons = () => show(ranges, Object.keys(RANGES).map((name) => h("button", { type: "button", "aria-pressed": String(name === range), onclick: () => choose(name) }, name)));
  const choose = (name) => {
    range = name;
    place.setQuery({ range: name });
    buttons();
    drawnAt = -Infinity;
    again();
  };
  buttons();
  const again = place.every(2_000, () => performance.now() - drawnAt < RANGES[range].ms ? null : draw());
}

function factsOf(words, points, rates, summary) {
  const known = rates.filter((rate) => rate !== null);
  const mean = known.length ? known.reduce((sum, rate) => sum + rate, 0) / known.length : null;
  const peak = known.length ? Math.max(...known) : null;
  const sum = (field) => points.reduce((all, point) => all + (point?.[field] ?? 0), 0);
  const [accepted, rejected, stale] = ["accepted", "rejected", "stale"].map(sum);
  const all = accepted + rejected + stale;
  const fact = (name, value, title) => h("div", {}, h("dt", {}, name), h("dd", { class: "figure", title }, value));
  return [
    fact("Now", hashrate(summary.hashrate["10s"]), exactHashrate(summary.hashrate["10s"])),
    fact("Mean", hashrate(mean), `${exactHashrate(mean)}, mean of the last ${words}`),
    fact("Peak", hashrate(peak), `${exactHashrate(peak)}, highest of the last ${words}`),
    fact("Accepted", count(accepted), `shares of the last ${words}`),
    fact("Rejected, stale", all > 0 ? `${percent(rejected, all)}, ${percent(stale, all)}` : UNKNOWN, `${count(rejected)} rejected and ${count(stale)} stale of ${count(all)}`),
    fact("Effort", known.length && summary.effort !== null && summary.effort !== undefined ? `${digits(summary.effort)} %` : UNKNOWN, "hashes done against what accepted shares were worth, since the controller's start; 100 % is par, less is luck"),
  ];
}

// ---- rigs by something ----

function watchParts(place, kinds, parts) {
  let by = place.query.get("by") in PARTS ? place.query.get("by") : "state";
  const again = loaded(place, parts, 5_000, (options) => get("/breakdown", { by }, options), partsTable);
  const buttons = () => show(kinds, Object.entries(PARTS).map(([name, title]) => h("button", { type: "button", role: "tab", "aria-selected": String(name === by), onclick: () => choose(name) }, title)));
  const choose = (name) => {
    by = name;
    place.setQuery({ by });
    buttons();
    again();
  };
  buttons();
}

function partsTable({ by, parts, moreParts, moreRigs }) {
  if (parts.length === 0) return h("p", { class: "quiet" }, "No rigs yet.");
  const row = ({ value, rigs, online, hashrate: rate }) => {
    const name = value ?? "none";
    const select = value === null ? `${by}=` : `${by}=${/^[\w.:@+-]+$/.test(value) ? value : JSON.stringify(value)}`;
    return h("tr", { "data-key": name },
      h("th", { scope: "row", title: name }, h("a", { href: `/workers${search({ select })}` }, WORDS[name] ?? name)),
      h("td", { class: "num", title: `${count(online)} of them have a link` }, count(rigs)),
      h("td", { class: "num", title: exactHashrate(rate) }, hashrate(rate)),
    );
  };
  return [
    h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, PARTS[by]), h("th", { scope: "col", class: "num" }, "Rigs"), h("th", { scope: "col", class: "num" }, "Hash rate"))), h("tbody", {}, parts.slice(0, 12).map(row))),
    (parts.length > 12 || moreParts > 0) && h("p", { class: "small" }, `${count(parts.length - Math.min(12, parts.length) + (moreParts ?? 0))} more${moreRigs ? `, with ${count(moreRigs)} rigs` : ""}.`),
  ];
}

// ---- what changed ----

function watchChanges(place, changes) {
  let events = [];
  const draw = () => show(changes, events.length === 0 ? h("li", { class: "quiet" }, "Nothing yet.") : folded(events).slice(0, CHANGES).map(line));
  const line = ({ event, times, since }) => h("li", { "data-key": `e${event.seq}` },
    h("time", { datetime: event.at, title: event.at }, moment(event.at)),
    h("span", { class: "what" }, sentence(event), times > 1 && h("small", {}, ` and ${count(times - 1)} more of this kind ${since < 1_000 ? "at once" : `within ${duration(since)}`}`)),
  );
  place.every(30_000, async () => {
    const answer = await get("/events", { limit: 200 }, { signal: place.signal });
    events = [...answer.events].sort((a, b) => b.seq - a.seq);
    draw();
  });
  // A thousand rigs that come back in a second are drawn once.
  let due = false;
  hear(place, null, (event) => {
    if (events.some((one) => one.seq === event.seq)) return;
    events = [event, ...events].slice(0, 200);
    if (due) return;
    due = true;
    setTimeout(() => {
      due = false;
      if (!place.signal.aborted) draw();
    }, 1_000);
  });
}

// A run of events of one kind is one line: fifty rigs that come back are one thing that happened.
function folded(events) {
  const lines = [];
  for (const event of events) {
    const last = lines[lines.length - 1];
    const apart = last ? Math.abs(Date.parse(last.event.at) - Date.parse(event.at)) : 0;
    if (last?.event.type === event.type && apart < 600_000) {
      last.times += 1;
      last.since = apart;
    } else lines.push({ event, times: 1, since: 0 });
  }
  return lines;
}
