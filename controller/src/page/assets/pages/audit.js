// Who changed what: each request that is no read, the newest first.

import { get, may } from "../api.js";
import { asCommand } from "../dialog.js";
import { h, show } from "../dom.js";
import { count, moment } from "../format.js";
import { listTable } from "../list.js";

const HEADS = [["Time"], ["Who", "long"], ["What", "long"], ["To", "long"], ["Answer"], ["From"]];
const PART = 200;
const BASE = "/api/v1/mining";

export async function open(place) {
  const list = h("div");
  const says = h("div", { role: "status" });
  const more = h("p");
  const text = h("input", { type: "search", value: place.query.get("text") ?? "", autocomplete: "off", spellcheck: "false" });
  const only = h("select", { value: place.query.get("only") ?? "" }, [["", "All"], ["done", "Done"], ["refused", "Refused"]].map(([value, word]) => h("option", { value }, word)));
  place.root.append(h("div", { class: "head" }, h("h1", {}, "Audit")));
  if (!may("admin")) {
    place.root.append(h("p", {}, "Who changed what is for sessions with the scope admin. Log in with ", h("code", {}, "miner-ctrl login --scope admin"), "."));
    return;
  }
  let entries = [];
  let next = null;
  let have = false;

  const shown = (entry) => {
    const isRefused = entry.status >= 400;
    if (only.value && (only.value === "refused") !== isRefused) return false;
    return [entry.who, entry.action, entry.target, entry.code, entry.from].join(" ").toLowerCase().includes(text.value.trim().toLowerCase());
  };
  const draw = () => {
    const fit = entries.filter(shown);
    show(list, fit.length > 0 && listTable(HEADS, fit.map(row), { cards: true }));
    show(says, fit.length === 0 && h("p", { class: "quiet" }, entries.length === 0 ? "Nothing was changed yet." : "None of the entries that were read fits."));
    show(more, next !== null && h("button", { type: "button", onclick: () => read(next) }, "Older"), " ", h("small", {}, `${count(fit.length)} of ${count(entries.length)} that were read`));
  };
  const read = async (before = null) => {
    try {
      const answer = await get("/audit", { before, limit: PART }, { signal: place.signal });
      entries = before === null ? answer.entries : [...entries, ...answer.entries];
      ({ next } = answer);
      have = true;
      draw();
    } catch (error) {
      if (!place.signal.aborted) show(says, h("p", { class: "red" }, error.line ?? error.message));
    }
  };
  const filter = () => {
    place.setQuery({ text: text.value.trim(), only: only.value });
    draw();
  };
  text.oninput = filter;
  only.onchange = filter;
  place.root.append(
    h("form", { class: "filters", onsubmit: (event) => event.preventDefault() }, h("label", { class: "field" }, h("span", {}, "Text"), text), h("label", { class: "field" }, h("span", {}, "Show"), only), h("button", { type: "button", onclick: () => read() }, "Read again")),
    says,
    list,
    more,
    h("section", {}, h("h2", {}, "Is the record whole?"), h("p", {}, "Each entry holds the hash of the one before. The command checks all of them from the files, and fails if one was changed or taken out. Keep the hash that it prints elsewhere: with it, the next check sees a cut end too."), asCommand("miner-ctrl audit verify")),
  );
  place.every(5_000, async () => {
    if (!have) await read();
  });
}

function row(entry) {
  const lost = [entry.unrecorded && `${count(entry.unrecorded)} requests before it are in no entry`, entry.cut && `${count(entry.cut)} half written entries were cut`].filter(Boolean).join("; ");
  const what = String(entry.action ?? "").replace(BASE, "");
  return h(
    "tr",
    { "data-key": entry.seq },
    h("td", {}, h("time", { datetime: entry.at, title: `${entry.at} · entry ${entry.seq}` }, moment(entry.at))),
    h("td", {}, entry.who),
    h("td", { title: entry.requestId && `Request ${entry.requestId}` }, what, lost && h("small", { class: "amber" }, ` ${lost}`)),
    h("td", {}, target(entry.target)),
    h("td", { class: entry.status >= 400 ? "amber" : null }, entry.status ?? "–", entry.code && ` ${entry.code}`),
    h("td", {}, entry.from ?? "this process"),
  );
}

// What it was done to, as a link where there is a page of it.
function target(path) {
  if (!path) return "–";
  const [, kind, id] = /\/(peers|remote|profiles|rollouts)\/([^/]+)/.exec(path) ?? [];
  const text = path.replace(BASE, "");
  if (kind === "profiles" || kind === "rollouts") return h("a", { href: `/${kind}/${id}` }, text);
  return /^[0-9a-f]{16}$/.test(id ?? "") ? h("a", { href: `/rigs/${id}` }, text) : text;
}
