// The frame that stays: navigation, the totals bar, search, keyboard, and which page is shown.
//
//   address ─▶ route ─▶ pages/NAME.js: open(place) ─▶ the page, until another address is gone to
//   place = { root, params, query, signal, every(ms, work), go(address), setQuery({…}), title(text) }

import { controller, get, may, post, search } from "./api.js";
import { sparkline } from "./chart.js";
import { dialog, failed } from "./dialog.js";
import { h, show } from "./dom.js";
import { OLD_MS, age, count, exactHashrate, hashrate, moment, short, tickAges } from "./format.js";
import { every, startStream, together } from "./live.js";

// Those with a key are in the navigation, in this order; page.html has them too, so that they are there before any script.
const ROUTES = [
  { path: "/", page: "dashboard", title: "Dashboard", key: "1" },
  { path: "/workers", page: "workers", title: "Workers", key: "2" },
  { path: "/nodes", page: "nodes", title: "Nodes", key: "3" },
  { path: "/profiles", page: "profiles", title: "Profiles", key: "4" },
  { path: "/pools", page: "pools", title: "Pools", key: "5" },
  { path: "/console", page: "console", title: "Console", key: "6" },
  { path: "/map", page: "map", title: "Map", key: "7" },
  { path: "/events", page: "events", title: "Events", key: "8" },
  { path: "/audit", page: "audit", title: "Audit", key: "9" },
  { path: "/settings", page: "settings", title: "Settings", key: "0" },
  { path: "/rigs/:id", page: "rig", title: "Rig", under: "/workers" },
  { path: "/profiles/:id", page: "profile", title: "Profile", under: "/profiles" },
  { path: "/rollouts/:id", page: "rollout", title: "Rollout", under: "/profiles" },
  { path: "/start", page: "wizard", title: "First steps", under: "/" },
];

const main = document.getElementById("page");
const lost = document.getElementById("lost");
const totals = document.getElementById("totals");
const finder = document.getElementById("find");
const farm = document.documentElement.dataset.farm;
let leave = new AbortController();
let opened = 0;

// The route of a path and what stands for its parts, or null.
function route(path) {
  for (const one of ROUTES) {
    const wanted = one.path.split("/");
    const given = path.split("/");
    if (wanted.length !== given.length) continue;
    const params = {};
    const fits = wanted.every((piece, at) => {
      if (!piece.startsWith(":")) return piece === given[at];
      params[piece.slice(1)] = decodeURIComponent(given[at]);
      return given[at] !== "";
    });
    if (fits) return { ...one, params };
  }
  return null;
}

// Shows the page of the address. Whatever the one before still waits for is ended.
async function open() {
  leave.abort();
  leave = new AbortController();
  opened += 1;
  const turn = opened;
  const found = route(location.pathname);
  const { signal } = leave;
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.getAttribute("href") === (found?.under ?? found?.path);
    link.toggleAttribute("data-here", here);
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.body.classList.remove("menu");
  const root = h("div", { class: `page ${found?.page ?? "none"}` });
  const title = (text) => (document.title = `${text} · ${farm}`);
  title(found?.title ?? "No such page");
  if (!found) {
    root.append(h("h1", {}, "No such page"), h("p", {}, "Nothing is at this address. ", h("a", { href: "/" }, "To the dashboard")));
    main.replaceChildren(root);
    return;
  }
  const place = {
    root,
    title,
    signal,
    go,
    params: found.params,
    query: new URLSearchParams(location.search),
    every: (ms, work) => every(ms, work, signal),
    setQuery(changes) {
      const query = { ...Object.fromEntries(new URLSearchParams(location.search)), ...changes };
      history.replaceState(null, "", location.pathname + search(query));
      place.query = new URLSearchParams(location.search);
    },
  };
  try {
    const page = await import(`./pages/${found.page}.js`);
    if (turn !== opened) return;
    main.replaceChildren(root);
    main.scrollTop = 0;
    await page.open(place);
  } catch (error) {
    if (signal.aborted) return;
    console.error(error);
    main.replaceChildren(root);
    root.append(h("p", { class: "red" }, `This page could not be shown: ${error.line ?? error.message}.`));
  }
}

function go(address) {
  history.pushState(null, "", address);
  open();
}

// Links of the page change the address without loading it anew.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='/']");
  if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || link.target || link.hasAttribute("download")) return;
  if (!route(link.pathname)) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});
addEventListener("popstate", open);

// ---- the totals bar ----

const STATES = [
  { shape: "●", word: "mining", tone: "mining", count: (rigs) => rigs.mining, select: "state=mining" },
  { shape: "◐", word: "to look at", tone: "amber", count: (rigs) => rigs.noPool + rigs.failed + rigs.refused + rigs.behind, select: "state=noPool,failed,refused,behind" },
  { shape: "‖", word: "resting", tone: "quiet", count: (rigs) => rigs.paused + rigs.stopped + rigs.starting + rigs.pending + rigs.unknown, select: "state=paused,stopped,starting,pending,unknown" },
  { shape: "○", word: "offline", tone: "amber", count: (rigs) => rigs.offline, select: "state=offline" },
];
let spark = [];

function totalsBar(summary) {
  const { rigs } = summary;
  const rate = summary.hashrate["10s"] ?? summary.hashrate["60s"];
  const old = summary.newestAgeMs !== null && summary.newestAgeMs > OLD_MS;
  const states = STATES.map(({ shape, word, tone, count: of, select }) => {
    const number = of(rigs);
    return h("a", { class: number > 0 ? tone : "quiet", href: `/workers${search({ select })}`, title: `${count(number)} ${word}` }, h("i", { "aria-hidden": "true" }, shape), " ", count(number), h("span", { class: "sr" }, ` ${word}`));
  });
  return [
    h("span", { class: old ? "rate old" : "rate", title: exactHashrate(rate) }, hashrate(rate)),
    sparkline(spark),
    h("span", { class: "states" }, states),
    h("span", { class: "shares", title: "Shares accepted, rejected, stale" }, h("small", {}, "shares "), short(summary.accepted), h("small", {}, ` / ${short(summary.rejected)} / ${short(summary.stale)}`)),
    h("span", { class: "fresh" }, h("small", {}, "as of "), age(summary.newestAgeMs, { old: OLD_MS })),
  ];
}

function watchTotals() {
  const { signal } = new AbortController();
  every(2_000, async () => {
    const summary = await get("/summary");
    together(() => show(totals, totalsBar(summary)));
  }, signal);
  every(2_000, () => together(tickAges), signal);
  every(60_000, async () => {
    const past = await get("/history/fleet", { since: "1h", points: 60 });
    spark = past.points.map((point) => point?.hashrate ?? null);
  }, signal);
}

// ---- the banner ----

function saysLost() {
  document.body.classList.toggle("lost", controller.lostSince !== null);
  lost.hidden = controller.lostSince === null;
  lost.textContent = `No answer from the controller since ${moment(controller.answeredAt)}. The figures below are from then. Is miner-ctrl running?`;
}
controller.listeners.add(saysLost);

// ---- search, keyboard, theme ----

// Words without an operator are looked for in names.
function selector(text) {
  const words = text.trim().split(/\s+/).filter(Boolean);
  return words.map((word) => (/[=~<>!]/.test(word) ? word : `name~${word}`)).join(" ");
}

finder.form.addEventListener("submit", (event) => {
  event.preventDefault();
  go(`/workers${search({ select: selector(finder.value) })}`);
  finder.blur();
});

const KEYS = [
  ["1 … 9, 0", "pages, in the order of the navigation"],
  ["/", "search"],
  ["j, k", "next, previous row"],
  ["x", "select a row"],
  ["Enter", "open a row"],
  ["Esc", "close, or leave a field"],
  ["?", "this help"],
];

function help() {
  return dialog("Keyboard", () => [
    h("table", { class: "keys" }, h("tbody", {}, KEYS.map(([key, what]) => h("tr", {}, h("th", { scope: "row" }, h("kbd", {}, key)), h("td", {}, what))))),
    h("p", {}, "Selectors, as in ", h("code", {}, "group=shed tag!=old state=offline"), ", work in the search, in Workers, and in every command with ", h("code", {}, "--select"), "."),
  ]);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest?.("input, select, textarea, [contenteditable]");
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "/") {
    event.preventDefault();
    finder.focus();
    finder.select();
  } else if (event.key === "?") {
    help();
  } else {
    const wanted = ROUTES.find((one) => one.key === event.key);
    if (wanted) go(wanted.path);
  }
});

const THEMES = { auto: "light", light: "dark", dark: "auto" };
function theme(name) {
  document.documentElement.dataset.theme = name;
  const button = document.getElementById("theme");
  button.textContent = { auto: "◑", light: "☀", dark: "☾" }[name];
  button.title = `Theme: ${name}`;
  try {
    localStorage.setItem("theme", name);
  } catch {
    // Without storage it holds until the page is loaded again.
  }
}

async function logOut() {
  try {
    await post("/logout", {}, { root: true });
    location.assign("/");
  } catch (error) {
    failed("Not logged out", error);
  }
}

let stored = null;
try {
  stored = localStorage.getItem("theme");
} catch {
  // No storage: as the system has it.
}
theme(stored in THEMES ? stored : "auto");
document.getElementById("theme").onclick = () => theme(THEMES[document.documentElement.dataset.theme]);
document.getElementById("help").onclick = help;
document.getElementById("logout").onclick = logOut;
document.getElementById("menu").onclick = () => document.body.classList.toggle("menu");
document.body.classList.toggle("may-not", !may("operate"));
startStream();
watchTotals();
open();
