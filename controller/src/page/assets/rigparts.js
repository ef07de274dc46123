// Parts of a rig's page that stand by themselves: found shares, events, orders, its doctor, its managers, its owner’s word.

import { get, needs, part, post } from "./api.js";
import { asCommand, copyable, dialog, quoted, toast } from "./dialog.js";
import { h, show } from "./dom.js";
import { age, count, moment } from "./format.js";
import { listTable } from "./list.js";
import { onEvent } from "./live.js";
import { pictures } from "./loglines.js";
import { TROUBLE, sentence } from "./sentences.js";

const SHARES = 12;
const EVENTS = 12;
const ORDERS = 8;

// A section that asks every so often and says what went wrong in the place of what it shows.
function polled(place, title, ms, ask) {
  const body = h("div", {});
  const again = place.every(ms, async () => {
    try {
      show(body, await ask());
    } catch (error) {
      if (place.signal.aborted) return;
      show(body, h("p", { class: "quiet" }, error.line ?? error.message));
      throw error;
    }
  });
  return { node: h("section", {}, h("h2", {}, title), body), again };
}

// The last shares, and how many each thread found of those that are kept.
export function shares(place, id) {
  return polled(place, "Found shares", 10_000, async () => {
    const found = await get(`/remote/${part(id)}/shares`, {}, { signal: place.signal });
    if (found.shares.length === 0) return h("p", { class: "quiet" }, "It has told of no found share yet.");
    const threads = new Map();
    for (const { thread } of found.shares) threads.set(thread, (threads.get(thread) ?? 0) + 1);
    const most = [...threads].sort(([a], [b]) => a - b).map(([thread, many]) => `thread ${thread} found ${count(many)}`);
    const rows = found.shares.slice(-SHARES).reverse().map((share) => {
      const tone = { rejected: "red", lost: "amber", stale: "amber" }[share.verdict];
      return h("tr", {}, h("th", { scope: "row" }, age(share.ageMs)), h("td", {}, count(share.height)), h("td", {}, share.nonce.toString(16).padStart(8, "0")), h("td", {}, String(share.thread)), h("td", { class: tone }, share.verdict));
    });
    return [
      listTable([["Age"], ["Height", "num"], ["Nonce", "mono"], ["Thread", "num"], ["Verdict"]], rows),
      h("p", { class: "small" }, `Of the last ${count(found.shares.length)} ${most.join(", ")}.`, found.lost > 0 ? ` ${count(found.lost)} were not read in time.` : null),
    ];
  }).node;
}

export function events(place, id) {
  const { node, again } = polled(place, "What happened", 60_000, async () => {
    const log = await get("/events", { peer: id, limit: EVENTS }, { signal: place.signal });
    if (log.events.length === 0) return h("p", { class: "quiet" }, "Nothing has happened to it that is still known.");
    const newest = [...log.events].sort((a, b) => b.seq - a.seq);
    return h(
      "ul",
      { class: "lines" },
      newest.map((event) => h("li", { "data-key": String(event.seq), class: TROUBLE.has(event.type) ? "amber" : null }, h("time", { datetime: event.at, title: event.at }, moment(event.at)), h("span", { class: "what" }, sentence(event)))),
    );
  });
  const stop = onEvent((event) => event.nodeId === id && again());
  place.signal.addEventListener("abort", stop);
  return node;
}

// "alreadyThere" is "already there".
const words = (name) => name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

export function orders(place, peer) {
  return polled(place, "Orders", 15_000, async () => {
    const list = await get("/orders", { peer: peer.id, limit: ORDERS }, { signal: place.signal });
    if (list.length === 0) return h("p", { class: "quiet" }, "It was given no order that is still known.");
    const rows = list.map((order) => {
      const tone = { refused: "red", expired: "amber", unknown: "amber" }[order.status];
      return h("tr", { "data-key": order.id }, h("th", { scope: "row" }, words(order.order), order.detail && h("small", {}, ` ${order.detail}`)), h("td", { title: order.createdAt }, moment(order.createdAt)), h("td", { class: tone }, words(order.status), order.reason && `: ${order.reason}`), h("td", {}, order.by));
    });
    return listTable([["Order"], ["Given"], ["Status", "wrap"], ["By", "wrap"]], rows);
  }).node;
}

// Something that is asked of the rig when somebody presses the button.
function onDemand(title, verb, command, ask) {
  const body = h("div", { role: "status" });
  const button = h("button", { type: "button" }, verb);
  const run = async () => {
    button.disabled = true;
    try {
      show(body, await ask(run));
    } catch (error) {
      show(body, h("p", { class: "red" }, error.line ?? error.message));
    }
    button.disabled = false;
  };
  button.onclick = run;
  return h("section", {}, h("h2", {}, title), h("p", {}, button), body, asCommand(command));
}

const SEVERITIES = { good: ["●", ""], unknown: ["·", "quiet"], warning: ["◐", "amber"], bad: ["✕", "red"] };

export function doctor(place, peer) {
  return onDemand("Doctor", "Ask what is wrong with it", `miner-ctrl remote doctor ${quoted(peer.name)}`, async () => {
    const { findings } = await get(`/remote/${part(peer.id)}/doctor`, {}, { signal: place.signal, timeoutMs: 20_000 });
    const order = ["bad", "warning", "unknown", "good"];
    const sorted = [...findings].sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
    return h(
      "ul",
      { class: "lines" },
      sorted.map(({ check, detail, fix, severity }) => {
        const [shape, tone] = SEVERITIES[severity] ?? SEVERITIES.unknown;
        return h("li", { class: tone }, h("span", { "aria-hidden": "true" }, shape), h("span", { class: "what" }, h("b", {}, check), ` ${severity}: ${pictures(detail)}`, fix && [h("br"), copyable(fix, "Copy what to do")]));
      }),
    );
  });
}

// What the machine's owner allows. Of its lists the rig tells the lengths alone.
export function ownersWord(place, peer) {
  return onDemand("Owner’s word", "Ask what its owner allows", `miner-ctrl remote owner ${quoted(peer.name)}`, async () => {
    const word = await get(`/remote/${part(peer.id)}/owner`, {}, { signal: place.signal, timeoutMs: 20_000 });
    const listed = (count, any) => (count === null ? any : `${count} listed in owner.toml`);
    const facts = [
      ["Owner", word.owner === null ? "not named" : pictures(word.owner)],
      ["Mining", word.mine ? "allowed" : "not allowed"],
      ["Threads", word.maxThreads === null ? "any number" : `${word.maxThreads} at most`],
      ["Memory", word.light ? "light mode alone" : "light and fast mode"],
      ["Controllers", listed(word.controllers, "any that was let in")],
      ["Wallets", listed(word.wallets, "any")],
      ["Pools", listed(word.pools, "any")],
    ];
    return h("dl", { class: "pairs" }, facts.map(([what, is]) => [h("dt", {}, what), h("dd", {}, is)]));
  });
}

export function managers(place, peer) {
  return onDemand("Managers", "Ask whom it obeys", `miner-ctrl remote managers ${quoted(peer.name)}`, async (again) => {
    const { managers: list } = await get(`/remote/${part(peer.id)}/managers`, {}, { signal: place.signal, timeoutMs: 20_000 });
    const rows = list.map((one) => {
      const button = (verb, run) => h("button", { type: "button", ...needs("admin"), onclick: () => run(peer, one, again) }, verb);
      return h("tr", {}, h("td", {}, String(one.place)), h("th", { scope: "row", title: one.fingerprint }, one.thisController ? "this controller" : h("code", {}, one.id)), h("td", {}, one.recovery ? `recovery key ${one.recovery}` : "no recovery key"), h("td", {}, one.thisController ? null : [one.place > 1 && button("Hand over to it", handOver), " ", button("Revoke", takeOut)]));
    });
    return listTable([["Place", "num"], ["Manager"], ["Recovery"], ["", "verbs"]], rows, { cards: true });
  });
}

const BECAME = { applied: "done", alreadyThere: "it was so already", unknown: "the rig was silent before it answered: ask it again whom it obeys" };

// A dialog that asks for the rig's name first. `send` does it; its failure is said in the dialog.
function grave(peer, title, line, { verb, command, send, then }) {
  return dialog(title, (close) => {
    const said = h("p", { class: "red", role: "alert", hidden: true });
    const button = h("button", { class: "danger", type: "submit", disabled: true }, verb);
    const word = h("input", { autocomplete: "off", spellcheck: "false", oninput: () => (button.disabled = word.value.trim() !== peer.name) });
    const submit = async (event) => {
      event.preventDefault();
      button.disabled = true;
      try {
        const answer = await send();
        toast(`${title}: ${BECAME[answer.status] ?? answer.status}.`, { tone: answer.status === "unknown" ? "amber" : "" });
        close(true);
        then();
      } catch (error) {
        said.hidden = false;
        said.textContent = error.line ?? error.message;
        button.disabled = false;
      }
    };
    return h("form", { onsubmit: submit }, h("p", {}, line), h("label", {}, "Type ", h("b", {}, peer.name), " to go on", word), said, asCommand(command), h("p", { class: "buttons" }, h("button", { type: "button", onclick: () => close() }, "Cancel"), button));
  });
}

function handOver(peer, manager, then) {
  grave(peer, `Hand ${peer.name} over`, `The manager ${manager.id} decides for ${peer.name} from now on; this controller only reads then.`, {
    verb: "Hand over",
    command: `miner-ctrl remote handover --to ${manager.id} ${quoted(peer.name)}`,
    send: () => post(`/remote/${part(peer.id)}/handover`, { to: manager.fingerprint }, { timeoutMs: 40_000 }),
    then,
  });
}

function takeOut(peer, manager, then) {
  grave(peer, `Revoke a manager of ${peer.name}`, `${peer.name} obeys the manager ${manager.id} no more.`, {
    verb: "Revoke",
    command: `miner-ctrl remote revoke --manager ${manager.id} ${quoted(peer.name)}`,
    send: () => post(`/remote/${part(peer.id)}/revoke`, { manager: manager.fingerprint }, { timeoutMs: 40_000 }),
    then,
  });
}
