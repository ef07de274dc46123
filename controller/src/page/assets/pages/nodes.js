// This node and its peers: who the controller is, how well each rig answers, and how new ones come in.

import { act, mayNot } from "../actions.js";
import { get, needs, part } from "../api.js";
import { copyable, dialog } from "../dialog.js";
import { fill, h, show } from "../dom.js";
import { addPeer, bootsPanel, pendingPanel, tokensPanel } from "../enrol.js";
import { OLD_MS, UNKNOWN, age, count, duration, hashrate, milliseconds, pingMark, scoreMark, short, state } from "../format.js";
import { listTable } from "../list.js";
import { every } from "../live.js";
import { makeTable, since } from "../table.js";

const tone = (row) => (row.tone === "good" ? "mining" : row.tone);
const dot = (row) => [h("span", { class: row.connected ? "dot on" : "dot", title: row.connected ? "online" : "offline" }), h("span", { class: "sr" }, row.connected ? "online " : "offline ")];

const columns = (actions) => [
  { id: "name", title: "Peer", width: 200, always: true, of: (row) => row.id + row.name + row.connected, full: (row) => row.name, cell: (row) => [dot(row), h("a", { href: `/rigs/${row.id}`, tabindex: "-1" }, row.name)] },
  { id: "address", title: "Address", width: 144, full: (row) => row.address ?? "It dials in.", cell: (row) => row.address ?? h("span", { class: "quiet" }, "dials in") },
  { id: "role", title: "Role", width: 88, cell: (row) => (row.role ? h("span", { class: "tag" }, row.role) : UNKNOWN) },
  { id: "pingMs", title: "Ping", num: true, width: 88, descends: true, cell: (row) => [pingMark(row.pingMs), milliseconds(row.pingMs)] },
  { id: "score", title: "Score", about: "Score: reliability, 0 to 100", num: true, width: 80, descends: true, of: (row) => [row.score, row.scoreReason], full: (row) => row.scoreReason, cell: (row) => [scoreMark(row.score), row.score ?? UNKNOWN] },
  { id: "lastSeenAgeMs", title: "Last Seen", num: true, width: 96, of: (row) => since(row.lastSeenAgeMs), cell: (row) => age(row.lastSeenAgeMs, { old: OLD_MS }) },
  { id: "state", title: "State", width: 288, of: (row) => [row.state, row.tone, row.reason], full: (row) => row.reason ?? "", cell: (row) => state(row.state, tone(row), row.reason) },
  { id: "actions", title: "Actions", sort: null, width: 200, of: (row) => row.id + row.name, cell: actions },
];

const card = (actions) => (row) => ({
  key: [row.id, row.name, row.state, row.reason, row.pingMs, row.score, row.address, row.connected, since(row.lastSeenAgeMs)],
  lines: [
    h("span", {}, dot(row), h("a", { href: `/rigs/${row.id}`, tabindex: "-1" }, row.name)),
    h("span", { class: "right" }, state(row.state, tone(row)), "  ", pingMark(row.pingMs), milliseconds(row.pingMs)),
    h("small", { class: "cause" }, row.reason ?? ["score ", row.score ?? UNKNOWN, " · ", row.address ?? "dials in", " · ", age(row.lastSeenAgeMs, { after: " ago", old: OLD_MS })]),
    h("span", { class: "cause" }, actions(row)),
  ],
});

export async function open(place) {
  const { root, query } = place;
  const found = h("small");
  const self = h("section", { class: "self", "aria-label": "This node" });
  const right = h("div", { class: "right" });

  const actions = (row) => {
    const verb = (name, label) => h("button", { type: "button", class: "plain", disabled: mayNot(name) !== null, title: mayNot(name), "aria-label": `${label} ${row.name}`, onclick: () => act(name, { ids: [row.id], names: [row.name], then: table.refresh }) }, label);
    return [verb("ping", "Ping"), h("button", { type: "button", class: "plain", "aria-label": `View stats of ${row.name}`, onclick: () => stats(row) }, "View Stats"), verb("remove", "Remove")];
  };

  const table = makeTable(place, {
    name: "nodes",
    label: "Peers",
    columns: columns(actions),
    sort: query.get("sort") ?? "name",
    selectable: false,
    card: card(actions),
    cardLines: 3,
    href: (row) => `/rigs/${row.id}`,
    load: ({ signal, ...window }) => get("/table", window, { signal }),
    onSort: (sort) => place.setQuery({ sort }),
    onMatched: ({ matched }) => show(found, count(matched)),
    empty: () => h("p", { class: "empty" }, "No peers yet: press Add Peer, or create a token and boot an image with it."),
  });

  const add = async () => (await addPeer()) && table.refresh();
  right.append(h("button", { type: "button", class: "primary", ...needs("operate"), onclick: add }, "Add Peer"), table.chooser);
  fill(root, h("div", { class: "head" }, h("h1", {}, "Nodes"), right), self, pendingPanel(place), bootsPanel(place), h("h2", {}, "Peers ", found), table.node, tokensPanel(place));

  place.every(10_000, async () => {
    try {
      show(self, identity(await get("/node/info")));
    } catch (error) {
      if (!self.hasChildNodes()) fill(self, h("p", { class: "red" }, error.line ?? error.message));
      throw error;
    }
  });
}

// Who this node is.
function identity({ identity: { name, role, id, fingerprint }, registeredPeers, connectedPeers, listen, uptime }) {
  const fact = (title, ...what) => h("div", {}, h("dt", {}, title), h("dd", {}, ...what));
  return h(
    "dl",
    { class: "facts" },
    fact("This node", h("b", {}, name), " ", h("span", { class: "tag" }, role)),
    h("div", { "data-key": id, class: "long" }, h("dt", {}, "Node ID"), h("dd", { "data-kept": true, id: "node-id" }, copyable(id, "Copy the node ID"))),
    h("div", { "data-key": fingerprint, class: "long" }, h("dt", {}, "Fingerprint"), h("dd", { "data-kept": true, id: "node-fingerprint" }, copyable(fingerprint, "Copy the fingerprint"))),
    fact("Peers", `${count(connectedPeers)} online of ${count(registeredPeers)}`),
    fact("Rigs dial in at", listen ? h("code", {}, listen) : UNKNOWN),
    fact("Up for", duration(uptime * 1000)),
  );
}

// What the miners of one rig do, as the rig said last.
function stats({ id, name }) {
  const ended = new AbortController();
  const body = h("div", {}, h("p", { class: "quiet" }, "Looking it up…"));
  const opened = dialog(`Stats of ${name}`, () => body, { wide: true });
  opened.then(() => ended.abort());
  const work = async () => {
    try {
      const told = await get(`/remote/${part(id)}/stats`, {}, { signal: ended.signal });
      show(body, told.miners.length === 0 ? h("p", {}, "It says of no miner that it runs.") : miners(told), h("p", {}, h("small", {}, "Told ", age(told.ageMs, { after: " ago", old: OLD_MS }), told.connected ? "" : "; no link now", ". "), h("a", { href: `/rigs/${id}`, onclick: () => body.closest("dialog")?.close() }, "All about this rig")));
    } catch (error) {
      if (!ended.signal.aborted) show(body, h("p", { class: "red" }, error.line ?? error.message));
    }
  };
  every(2_000, work, ended.signal);
}

function miners({ miners: list }) {
  const heads = [["Miner"], ["10 s", "num"], ["60 s", "num"], ["15 min", "num"], ["Shares", "num"], ["Uptime", "num"], ["Pool"]];
  const rows = list.map((miner) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, miner.name, h("small", {}, ` ${miner.algorithm}`)),
      ["10s", "60s", "15m"].map((window) => h("td", {}, hashrate(miner.windows[window]))),
      h("td", {}, short(miner.shares), h("small", {}, ` / ${short(miner.rejected)} / ${short(miner.stale)}`)),
      h("td", {}, duration(miner.uptime * 1000)),
      h("td", {}, miner.pool ?? UNKNOWN),
    ),
  );
  return listTable(heads, rows, { cards: true });
}
