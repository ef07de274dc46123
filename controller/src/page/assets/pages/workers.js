// Every rig as miners know it: which ones a selector takes, sorted by any column, and what can be done to
// those that are ticked. The address has selector and order, so that it can be sent to somebody.

import { VERBS, act, mayNot } from "../actions.js";
import { get, search } from "../api.js";
import { fill, h, show } from "../dom.js";
import { UNKNOWN, age, count, digits, duration, exactHashrate, hashrate, mark, milliseconds, pingMark, scoreMark, short, state } from "../format.js";
import { selectorField, withTerm } from "../selector.js";
import { makeTable, pickedWords, since } from "../table.js";

const BASE = "/api/v1/mining";
const tone = (row) => (row.tone === "good" ? "mining" : row.tone);
const isSilent = (row) => row.state === "mining" && row.hashrate === 0;
const SILENT = "It says that it mines and makes nothing: is a firewall between it and its pool, or is its pool's job missing?";
const PAGES = { small: "4 KiB", transparent: "transparent", huge2M: "2 MiB", huge1G: "1 GiB" };

// A figure of what the rig told: grey once it is old.
const figure = (row, ...shown) => h("span", { class: row.isOld ? "old" : null }, ...shown);

function rate(row) {
  const shown = isSilent(row) ? h("span", { class: "amber", title: SILENT }, "△ ", hashrate(row.hashrate)) : hashrate(row.hashrate);
  return figure(row, shown, row.isOld && [" ", age(row.ageMs)]);
}

const rates = (id, title, about) => ({ id, title, about, num: true, width: 104, descends: true, full: (row) => exactHashrate(row[id]), cell: (row) => figure(row, hashrate(row[id])) });
const text = (id, title, width, more = {}) => ({ id, title, width, full: (row) => row[id] ?? "", cell: (row) => row[id] ?? UNKNOWN, ...more });

const COLUMNS = [
  { id: "name", title: "Worker", width: 184, always: true, of: (row) => row.id + row.name, full: (row) => row.name, cell: (row) => h("a", { href: `/rigs/${row.id}`, tabindex: "-1" }, row.name) },
  { id: "state", title: "State", width: 224, of: (row) => `${row.state} ${row.tone} ${row.reason}`, full: (row) => row.reason ?? "", cell: (row) => state(row.state, tone(row), row.reason) },
  { ...rates("hashrate", "10 s", "Hash rate over 10 s"), width: 128, of: (row) => `${row.hashrate} ${row.state} ${row.isOld && since(row.ageMs)}`, cell: rate },
  rates("hashrate60s", "60 s", "Hash rate over 60 s"),
  rates("hashrate15m", "15 min", "Hash rate over 15 min"),
  { ...rates("highest", "Highest", "Highest hash rate over 10 s"), hidden: true },
  {
    id: "accepted",
    title: "Shares",
    about: "Shares accepted / rejected / stale",
    num: true,
    width: 128,
    descends: true,
    of: (row) => [row.accepted, row.rejected, row.stale],
    full: (row) => `${count(row.accepted)} accepted, ${count(row.rejected)} rejected, ${count(row.stale)} stale`,
    cell: (row) => figure(row, short(row.accepted), h("small", {}, ` / ${short(row.rejected)} / ${short(row.stale)}`)),
  },
  {
    id: "efficiency",
    title: "Efficiency",
    about: "Accepted of all shares",
    num: true,
    width: 88,
    descends: true,
    cell: ({ efficiency, ...row }) => figure(row, mark(efficiency, (v) => v >= 99, (v) => v >= 95), efficiency === null ? UNKNOWN : `${digits(efficiency)} %`),
  },
  { id: "uptime", title: "Uptime", num: true, width: 104, descends: true, of: (row) => duration(row.uptime * 1000), cell: (row) => figure(row, row.uptime === null || row.uptime === undefined ? UNKNOWN : duration(row.uptime * 1000)) },
  text("pool", "Pool", 176),
  {
    id: "profile",
    title: "Profile",
    width: 136,
    of: (row) => [row.profile, row.version, row.drift, row.status],
    full: (row) => (row.drift ? "It has something else in force than it was told." : ""),
    cell: (row) => (row.profile ? [h("a", { href: `/profiles/${row.profileId}`, tabindex: "-1" }, row.profile), row.version && h("small", {}, ` v${row.version}`), row.drift && h("span", { class: "amber" }, " △ drift")] : UNKNOWN),
  },
  text("cpuModel", "CPU", 200),
  { id: "threads", title: "Threads", num: true, width: 72, descends: true, cell: (row) => count(row.threads) },
  { ...text("pages", "Pages", 88), of: (row) => [row.pages, row.memory], full: (row) => (row.memory ? `${row.memory} mode` : ""), cell: (row) => (row.pages ? [PAGES[row.pages] ?? row.pages, row.memory === "light" && h("small", {}, " light")] : UNKNOWN) },
  { id: "pingMs", title: "Ping", num: true, width: 80, descends: true, cell: (row) => [pingMark(row.pingMs), milliseconds(row.pingMs)] },
  { id: "lastShareAgeMs", title: "Last share", num: true, width: 88, of: (row) => since(row.lastShareAgeMs), cell: (row) => age(row.lastShareAgeMs) },
  { ...text("image", "Image", 104), of: (row) => [row.image, row.update], full: (row) => (row.update ? `Its update: ${row.update === "fellBack" ? "fell back" : row.update}` : ""), cell: (row) => (row.image ? [row.image, row.update && row.update !== "confirmed" && h("small", {}, ` ${row.update === "fellBack" ? "fell back" : row.update}`)] : UNKNOWN), hidden: true },
  { ...text("group", "Group", 104), hidden: true },
  { ...text("site", "Site", 104), hidden: true },
  { id: "tags", title: "Tags", width: 136, hidden: true, cell: (row) => row.tags.map((tag) => h("span", { class: "tag" }, tag)) },
  { id: "score", title: "Score", num: true, width: 72, descends: true, hidden: true, full: (row) => row.scoreReason, cell: (row) => [scoreMark(row.score), row.score ?? UNKNOWN] },
  { id: "lastSeenAgeMs", title: "Last seen", num: true, width: 88, hidden: true, of: (row) => since(row.lastSeenAgeMs), cell: (row) => age(row.lastSeenAgeMs) },
  { ...text("address", "Address", 152), hidden: true },
  { ...text("algorithm", "Algorithm", 88), hidden: true },
  { id: "difficulty", title: "Difficulty", num: true, width: 96, descends: true, hidden: true, full: (row) => count(row.difficulty), cell: (row) => short(row.difficulty) },
  { ...text("software", "Program", 120), hidden: true },
  { ...text("id", "Node ID", 152), hidden: true, cell: (row) => h("code", {}, row.id) },
];

const card = (row) => ({
  key: [row.name, row.state, row.reason, row.hashrate, row.profile, row.pool, row.isOld && since(row.ageMs)],
  lines: [
    h("a", { href: `/rigs/${row.id}`, tabindex: "-1" }, row.name),
    h("span", { class: "right" }, state(row.state, tone(row)), " ", rate(row)),
    h("small", { class: "cause" }, row.reason ?? [row.profile, row.pool].filter(Boolean).join(" · ")),
  ],
});

export async function open(place) {
  const { root, query } = place;
  let select = query.get("select") ?? "";
  let order = query.get("sort") ?? "name";

  const found = h("small");
  const csv = h("a", { class: "button", download: "rigs.csv" }, "CSV");
  const filters = h("div", { class: "by-state", role: "group", "aria-label": "Rigs by state" });
  const silent = h("div", { role: "status" });
  const bar = h("div", { class: "bulk", role: "region", "aria-label": "What to do to the selected rigs", hidden: true });
  const field = selectorField({ value: select, onSelect: choose });

  const table = makeTable(place, {
    name: "workers",
    label: "Workers",
    columns: COLUMNS,
    sort: order,
    card,
    href: (row) => `/rigs/${row.id}`,
    load: ({ signal, ...window }) => get("/table", { select, ...window }, { signal }),
    onSort: (sort) => {
      order = sort;
      place.setQuery({ sort });
      links();
    },
    onPick: bulkBar,
    onMatched: ({ matched, registered }) => {
      field.fault(null);
      show(found, matched === registered ? count(matched) : `${count(matched)} of ${count(registered)}`);
      if (table?.number() > 0) bulkBar();
    },
    // What is wrong with a selector is said at the field.
    onError: (error) => {
      if (error.status !== 400) return false;
      field.fault(error);
      return true;
    },
    empty: () =>
      select
        ? h("p", { class: "empty" }, "No rig fits this selector. ", h("button", { type: "button", onclick: () => set("") }, "Show all rigs"))
        : h("div", { class: "empty" }, h("p", {}, "No rigs yet: add one on the page ", h("a", { href: "/nodes" }, "Nodes"), ", or create a token there and boot an image with it.")),
  });

  function links() {
    csv.href = `${BASE}/table.csv${search({ select, sort: order })}`;
  }

  function set(text) {
    field.set(text);
    choose(text);
  }

  function choose(text) {
    if (select === text) return;
    select = text;
    place.setQuery({ select });
    links();
    table.pickAll(false);
    table.reset();
    countStates();
  }

  // ---- by state ----

  async function work() {
    if (field.isWrong()) return;
    // What the other filters take, whatever its state.
    const base = withTerm(select, "state", "");
    const mine = select;
    const [parts, mute] = await Promise.all([
      get("/breakdown", { by: "state", select: base }),
      get("/table", { select: [base, "state=mining hashrate=0 uptime>1m"].filter(Boolean).join(" "), limit: 1 }),
    ]);
    if (mine !== select) return;
    const now = select.match(/(?:^|\s)state=([\w,]+)/)?.[1] ?? "";
    const sum = parts.parts.reduce((all, { rigs }) => all + rigs, 0);
    const button = (word, shown, number) => h("button", { type: "button", "data-key": word || "all", "aria-pressed": String(now === word), onclick: () => set(withTerm(base, "state", word && now !== word ? `state=${word}` : "")) }, shown, " ", h("b", {}, count(number)));
    const tones = { failed: "red", refused: "amber", behind: "amber", noPool: "amber", degraded: "amber", offline: "amber", mining: "mining" };
    show(filters, sum > 0 && button("", "all", sum), parts.parts.filter(({ value }) => value).map(({ value, rigs }) => button(value, state(value, tones[value] ?? "quiet"), rigs)));
    show(silent, mute.matched > 0 && h("p", { class: "amber" }, `△ ${count(mute.matched)} ${mute.matched === 1 ? "rig says that it mines and makes" : "rigs say that they mine and make"} nothing: is a firewall in front of the pool? `, h("button", { type: "button", class: "plain", onclick: () => set("state=mining hashrate=0") }, "Show")));
  }
  const countStates = place.every(10_000, work);

  // ---- what is done to those that are ticked ----

  function bulkBar() {
    const number = table.number();
    bar.hidden = number === 0;
    if (number === 0) return;
    const all = table.matched !== null && number < table.matched && h("button", { type: "button", class: "plain", "data-key": "all", onclick: () => table.pickAll(true) }, `Select all ${count(table.matched)} that match`);
    const verbs = Object.keys(VERBS).map((verb) => h("button", { type: "button", "data-key": verb, disabled: mayNot(verb) !== null, title: mayNot(verb) ?? VERBS[verb].says, onclick: () => act(verb, { ...table.chosen(select || "all"), then: gone(verb) }) }, verb === "rotateKey" ? "New key" : VERBS[verb].label));
    show(bar, h("span", { "data-key": "number" }, h("b", {}, pickedWords(number))), all, h("button", { type: "button", class: "plain", "data-key": "clear", onclick: () => table.pickAll(false) }, "Clear"), h("span", { class: "verbs", "data-key": "verbs" }, verbs));
  }

  const gone = (verb) => () => {
    // Rigs that are no more are not selected either.
    if (verb === "remove") table.pickAll(false);
    table.refresh();
    countStates();
  };

  links();
  fill(root, h("div", { class: "head" }, h("h1", {}, "Workers ", found), h("div", { class: "right" }, table.chooser, csv)), field.node, filters, silent, table.node, bar);
}
