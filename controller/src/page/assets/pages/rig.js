// All about one rig: what it does and why, its figures with their ages, its past, what it was told, its logs.

import { act, mayNot } from "../actions.js";
import { get, part, search } from "../api.js";
import { timeChart } from "../chart.js";
import { asCommand, copyable, quoted } from "../dialog.js";
import { h, show } from "../dom.js";
import { OLD_MS, UNKNOWN, age, count, digits, duration, exactHashrate, hashrate, mebibytes, milliseconds, moment, pingMark, scoreMark, short, state } from "../format.js";
import { onEvent } from "../live.js";
import { LogBook, MINER, follow, logView } from "../loglines.js";
import { doctor, events, managers, orders, ownersWord, shares } from "../rigparts.js";

const VERBS = ["start", "stop", "pause", "resume", "restart", "ping", "locate", "label", "reboot", "powerOff", "wake", "rotateKey", "remove"];
const RANGES = ["1h", "6h", "24h", "7d", "90d"];
const PAGES = { small: "4 KiB", transparent: "transparent", huge2M: "2 MiB", huge1G: "1 GiB" };
const TRUST = { pairing: "a pairing code", fingerprint: "its fingerprint", tofu: "its first contact", token: "a token" };

export async function open(place) {
  const wanted = place.params.id;
  const said = h("p", { class: "red", role: "status", hidden: true });
  const frame = h("div", {});
  place.root.append(said, frame);
  let opened = null;
  let seen = null;

  // A rig that has made a new key has another ID: it is found by its name then.
  const find = async () => {
    const by = (words) => get(`/peers/${part(words)}`, {}, { signal: place.signal });
    try {
      return await by(wanted);
    } catch (error) {
      if (error.status !== 404 || seen === null) throw error;
      return by(seen.name);
    }
  };

  // The page begins with the first answer; a name that nothing has is said, and asked for again.
  const ask = place.every(5_000, async () => {
    try {
      const peer = await find();
      if (seen !== null && seen.id !== peer.id) return void place.go(`/rigs/${part(peer.id)}`);
      seen = peer;
      const [row, stats] = await Promise.all([
        get("/table", { select: `id=${peer.id}`, limit: 1 }, { signal: place.signal }).then(({ rows }) => rows[0] ?? null).catch(() => null),
        // A rig that has not reported has none.
        peer.ageMs !== null && get(`/remote/${part(peer.id)}/stats`, {}, { signal: place.signal }).catch(() => null),
      ]);
      if (place.signal.aborted) return;
      opened ??= begin(place, frame, peer, stats, () => ask());
      said.hidden = true;
      opened(peer, row, stats);
    } catch (error) {
      if (place.signal.aborted) return;
      said.hidden = false;
      said.textContent = `${error.line ?? error.message}.`.replace(/\.\.$/, ".");
      if (error.status === undefined) throw error;
    }
  });
}

// Builds the page once; gives what shows a new answer.
function begin(place, frame, first, stats, again) {
  const { id } = first;
  const head = h("div", { class: "head rig-head" });
  const desire = h("section", {});
  const facts = h("section", {});
  const miners = h("section", {});
  const miner = stats?.miners?.[0]?.name ?? MINER;
  let isThere = first.connected;
  frame.append(
    head,
    desire,
    miners,
    // Temperatures, fans and power have their place behind the charts, once a rig reports them.
    charts(place, id),
    h("div", { class: "grid" }, facts, shares(place, id)),
    h("div", { class: "grid" }, events(place, id), orders(place, first)),
    logs(place, first, miner, () => isThere),
    h("div", { class: "grid" }, doctor(place, first), managers(place, first), ownersWord(place, first)),
  );
  const stop = onEvent((event) => event.nodeId === id && again());
  place.signal.addEventListener("abort", stop);
  return (peer, row, now) => {
    isThere = peer.connected;
    place.title(peer.name);
    show(head, headline(peer, row, again));
    show(desire, desired(peer, row, now));
    show(miners, minerTable(peer, now));
    show(facts, machine(peer, row, now));
  };
}

function headline(peer, row, then) {
  const name = row?.state ?? (peer.connected ? (peer.activity?.state ?? "unknown") : "offline");
  const labels = [peer.group && `group ${peer.group}`, peer.site && `site ${peer.site}`, ...peer.tags].filter(Boolean);
  const menu = VERBS.map((verb) => verbButton(verb, peer, then));
  return [
    h("h1", {}, peer.name),
    state(name, row?.tone === "good" ? "mining" : (row?.tone ?? "quiet"), row?.reason ?? null),
    h("span", { class: "figure", title: exactHashrate(peer.hashrate) }, h("span", { class: !peer.connected || peer.ageMs > OLD_MS ? "old" : null }, hashrate(peer.hashrate))),
    h("span", { class: "quiet" }, peer.ageMs === null ? "nothing reported yet" : ["as of ", age(peer.ageMs, { old: OLD_MS })]),
    h("span", {}, labels.map((text) => h("span", { class: "tag" }, text))),
    h("div", { class: "rig-verbs", role: "group", "aria-label": `Actions on ${peer.name}` }, menu),
  ];
}

const LABELS = { powerOff: "Power off", rotateKey: "New key" };
function verbButton(verb, peer, then) {
  const label = LABELS[verb] ?? verb[0].toUpperCase() + verb.slice(1);
  const why = mayNot(verb);
  const run = () => act(verb, { ids: [peer.id], names: [peer.name], then });
  return h("button", { type: "button", class: verb === "remove" || verb === "powerOff" ? "red" : null, disabled: why !== null, title: why, onclick: run }, label);
}

// What it should do and what it does, in a sentence.
function desired(peer, row, now) {
  const { desired: wish } = peer;
  const profile = row?.profile ?? wish.profile;
  const link = wish.profile && h("a", { href: `/profiles/${part(row?.profileId ?? wish.profile)}` }, profile);
  const version = wish.version === null ? null : ` version ${wish.version}`;
  const told = wish.generation === 0 ? ["It was never told what to mine. Start it with a profile."] : wish.profile === null ? ["It was told to mine nothing."] : ["It shall mine with ", link, version, wish.paused ? ", and rests for now" : null, "."];
  const became = {
    none: null,
    applied: wish.drift ? h("span", { class: "amber" }, " ◐ It says that it applied this, but the state in force on it is another one. Restart it, or start it again.") : " It has applied this.",
    pending: [" △ It has not taken this yet", peer.connected ? "." : ": it is out of reach and is told when it is back."],
    refused: h("span", { class: "red" }, ` ✕ It refused: ${wish.reason ?? "it gave no reason"}.`),
    behind: h("span", { class: "amber" }, ` △ It knows a newer wish than this controller (number ${wish.appliedGeneration ?? "unknown"}, here ${wish.generation}): another controller, or an older backup.`),
  }[wish.status];
  const differs = [];
  if (now && wish.generation !== now.generation) differs.push(`wish number ${wish.generation} here, ${now.generation} on the rig`);
  if (now && wish.profile !== now.profile && wish.generation > 0) differs.push(`profile ${wish.profile ?? "none"} here, ${now.profile ?? "none"} on the rig`);
  return [
    h("h2", {}, "Profile"),
    h("p", {}, told, became),
    differs.length > 0 && h("p", { class: "amber" }, `What differs: ${differs.join("; ")}.`),
  ];
}

const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, value.length ? value : UNKNOWN));
const whole = (value) => (value === null || value === undefined ? UNKNOWN : h("span", { title: count(value) }, short(value)));

function minerTable(peer, now) {
  if (!now) return [h("h2", {}, "Miners"), h("p", { class: "quiet" }, peer.connected ? "It has not told its figures yet." : "Nothing is known of its miners: it is out of reach, and has not reported since this controller started.")];
  const old = !now.connected || now.ageMs > OLD_MS;
  const parts = now.miners.map((one) =>
    h(
      "div",
      { "data-key": one.name, class: old ? "rig-miner old" : "rig-miner" },
      h("h3", {}, one.name, h("small", {}, ` ${one.algorithm} · ${one.type} · ${count(one.cpuThreads)} threads`)),
      h(
        "dl",
        { class: "facts" },
        [["10 s", "10s"], ["60 s", "60s"], ["15 min", "15m"], ["Highest", "highest"]].map(([label, key]) => fact(label, h("span", { class: "figure", title: exactHashrate(one.windows[key]) }, hashrate(one.windows[key])))),
        fact("Accepted", whole(one.shares)),
        fact("Rejected", whole(one.rejected)),
        fact("Stale", whole(one.stale)),
        fact("Lost", whole(one.lost)),
        fact("Last share", one.lastShareMs === null ? UNKNOWN : age(one.lastShareMs + now.ageMs, { after: " ago" })),
        fact("Hashes", whole(one.hashes)),
        h("div", { class: "double" }, h("dt", {}, "Pool"), h("dd", {}, one.pool ?? "not logged in")),
        fact("Difficulty", whole(one.difficulty)),
        fact("Memory", one.memory ?? UNKNOWN),
        fact("Pages", PAGES[one.pages] ?? UNKNOWN),
        fact("Miner up for", duration(one.uptime * 1000)),
      ),
    ),
  );
  return [
    h("h2", {}, "Miners ", h("small", {}, "as of ", age(now.ageMs, { old: OLD_MS }))),
    now.miners.length === 0 ? h("p", { class: "quiet" }, "It runs no miner.") : parts,
    now.activity.state === "filling" && h("p", {}, `Its dataset is being filled: ${now.activity.percent ?? UNKNOWN} %, ${now.activity.leftMs === null ? "time left unknown" : `${duration(now.activity.leftMs)} left`}.`),
  ];
}

function machine(peer, row, now) {
  const { succeeded, timedOut, failed: broken } = peer.exchanges;
  const score = row?.scoreReason ?? `${count(succeeded)} answered, ${count(timedOut)} without an answer in time, ${count(broken)} failed`;
  const pairs = [
    ["Processor", peer.cpuModel ?? UNKNOWN],
    ["Logical CPUs", peer.cpus === null ? UNKNOWN : count(peer.cpus)],
    ["Memory", mebibytes(peer.memoryMib)],
    ["System", peer.host ?? UNKNOWN],
    ["Software", peer.software ?? UNKNOWN],
    ["Image", booted(peer.image)],
    ["Update", updating(peer.image?.update)],
    ["Agent up for", now ? duration(now.uptime * 1000) : UNKNOWN],
    ["Address", peer.address ?? "dials in"],
    ["Role", peer.role ?? UNKNOWN],
    ["Ping", [pingMark(peer.pingMs), milliseconds(peer.pingMs)]],
    ["Score", [scoreMark(peer.score), peer.score === null ? UNKNOWN : String(peer.score), h("small", {}, ` ${score}`)]],
    ["Last seen", peer.lastSeenAgeMs === null ? "never" : age(peer.lastSeenAgeMs, { after: " ago" })],
    ["Registered", h("span", { title: peer.addedAt }, moment(peer.addedAt))],
    ["Confirmed by", [TRUST[peer.trust] ?? peer.trust, peer.token && `, “${peer.token}”`]],
    ["Recovery key", peer.recovery ?? "none in force"],
    ["Log lines lost", now ? count(now.logsLost) : UNKNOWN],
    ["Node ID", copyable(peer.id, "Copy the node ID")],
    ["Fingerprint", copyable(peer.fingerprint, "Copy the fingerprint")],
  ];
  return [h("h2", {}, "Machine and key"), h("dl", { class: "pairs" }, pairs.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]))];
}

// What its machine was booted from.
function booted(image) {
  if (!image) return UNKNOWN;
  if (image.boot === "foreign") return "another system";
  const from = image.boot === "slot" ? "from a slot of its disk" : "from the network, or a medium without slots";
  return `${image.version ?? UNKNOWN} ${image.arch ?? ""}, ${from}${image.onTrial ? ", on trial" : ""}`;
}

// How far its update is.
function updating(update) {
  if (!update) return "none that it was told of";
  const far = update.total ? `, ${Math.floor((100 * update.done) / update.total)} %` : "";
  return `to ${update.version}: ${update.step === "fellBack" ? "fell back" : update.step}${far}${update.reason ? `, ${update.reason}` : ""}`;
}

// Hash rate and shares over time; where nothing is known there is a gap.
function charts(place, id) {
  let since = RANGES.includes(place.query.get("since")) ? place.query.get("since") : "1h";
  const ranges = h("div", { class: "ranges", role: "group", "aria-label": "Time that the charts show" });
  const rate = h("div", { class: "chart" });
  const found = h("div", { class: "chart" });
  const said = h("p", { class: "small", role: "status" });
  let rateChart = null;
  let sharesChart = null;
  const ask = async () => {
    try {
      const past = await get(`/history/${part(id)}`, { since, points: 360 }, { signal: place.signal });
      rateChart ??= timeChart(rate, [{ label: "Hash rate", fill: true }]);
      sharesChart ??= timeChart(found, [{ label: "Accepted" }, { label: "Rejected" }, { label: "Stale" }], { height: 140, format: digits, exact: (value) => (value === null || value === undefined ? UNKNOWN : count(value)) });
      const begins = Date.parse(past.from) / 1000;
      const times = past.points.map((_, at) => begins + at * past.step);
      const column = (name) => past.points.map((point) => point?.[name] ?? null);
      (await rateChart).update(times, [column("hashrate")]);
      (await sharesChart).update(times, [column("accepted"), column("rejected"), column("stale")]);
      const known = past.points.some((point) => point !== null);
      said.textContent = known ? `Each point is ${duration(past.step * 1000)}; where nothing was known there is a gap.` : "";
    } catch (error) {
      if (place.signal.aborted) return;
      said.textContent = error.line ?? `The chart could not be shown: ${error.message}.`;
      throw error;
    }
  };
  const buttons = () => show(ranges, RANGES.map((range) => h("button", { type: "button", "aria-pressed": String(range === since), onclick: () => choose(range) }, range)));
  const again = place.every(20_000, ask);
  const choose = (range) => {
    since = range;
    place.setQuery({ since: range === "1h" ? null : range });
    buttons();
    again();
  };
  buttons();
  place.signal.addEventListener("abort", async () => {
    (await rateChart)?.remove();
    (await sharesChart)?.remove();
  });
  return h("section", {}, h("div", { class: "head" }, h("h2", {}, "Hash rate and shares"), h("div", { class: "right" }, ranges)), rate, found, said);
}

function logs(place, peer, miner, isThere) {
  const book = new LogBook();
  const view = logView(book, { fileName: peer.name.replaceAll(/[^\w.-]/g, "_") });
  const said = h("p", { class: "amber", role: "status", hidden: true });
  follow(book, { id: peer.id, name: peer.name, miner, isThere }, place.signal, (error) => {
    said.hidden = error === null;
    said.textContent = error === null ? "" : `○ ${error.line ?? error.message}`;
  });
  const more = h("a", { href: `/console${search({ rigs: peer.id })}` }, "Beside other rigs' in the Console");
  return h("section", {}, h("h2", {}, "Log ", h("small", {}, miner)), said, view.node, h("p", { class: "small" }, more), asCommand(`miner-ctrl remote logs --follow ${quoted(peer.name)} ${miner}`));
}
