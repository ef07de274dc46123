// One rollout as it goes: its stages, what the rigs made before and make now, why it stopped, and each rig.

import { get, part, post } from "../api.js";
import { asCommand, confirm, failed, toast } from "../dialog.js";
import { h, show } from "../dom.js";
import { count, duration, exactHashrate, hashrate, moment, percent } from "../format.js";
import { listTable } from "../list.js";
import { onEvent } from "../live.js";
import { scoped } from "../profile-form.js";
import { STATUS_WORDS } from "./profiles.js";

// Rows at a time: a document of ten thousand is slow to change.
const ROWS = 200;
const PHASES = { begin: "beginning", apply: "telling rigs", observe: "watching" };
const OUTCOMES = { toldBack: "told back", superseded: "told something else", hadIt: "had it", leftOut: "left out" };
const OVER = ["done", "aborted", "rolledBack"];

const ACTIONS = {
  pause: { text: "Pause", scope: "operate", when: (one) => one.status === "running", line: "No further rig is told; rigs keep what they have." },
  resume: { text: "Resume", scope: "operate", when: (one) => ["paused", "halted"].includes(one.status), line: "A stage that was being watched is watched anew; one that fell short is taken for good." },
  abort: { text: "Abort", scope: "operate", tone: "danger", when: (one) => ["running", "paused", "halted"].includes(one.status), line: "The rollout ends; rigs keep what they have." },
  rollback: { text: "Roll back", scope: "operate", tone: "danger", when: (one) => !["rollingBack", "rolledBack"].includes(one.status), line: "The rigs that it changed get back what they had before." },
};

export async function open(place) {
  const { root, signal, params } = place;
  const path = `/rollouts/${part(params.id)}`;
  const body = h("div", {});
  root.append(body);
  let now = null;
  let offset = 0;
  let outcome = "";

  const refresh = place.every(2_000, async () => {
    try {
      now = await get(path, {}, { signal });
      place.title(`Rollout ${now.id}`);
      draw();
    } catch (error) {
      if (!now) show(body, h("p", { class: "red" }, error.line ?? error.message, " ", h("a", { href: "/profiles" }, "All profiles")));
      throw error;
    }
  });
  signal.addEventListener("abort", onEvent((event) => event.type.startsWith("rollout") && refresh()));

  const draw = () => show(body, head(), now.reason && h("p", { class: "amber", role: "status" }, `It stopped by itself: ${now.reason}.`), stages(), figures(), members());

  function head() {
    const buttons = Object.entries(ACTIONS).filter(([, action]) => action.when(now)).map(([verb, action]) => scoped(action.scope, `${action.text}…`, () => act(verb, action)));
    return h("div", { class: "head", "data-key": "head" }, h("h1", {}, `Rollout ${now.id} `, h("a", { href: `/profiles/${part(now.profile)}` }, now.profile), h("small", {}, ` version ${now.version} · ${STATUS_WORDS[now.status] ?? now.status}`)), h("div", { class: "right" }, buttons));
  }

  async function act(verb, action) {
    const command = `miner-ctrl rollout ${verb} ${now.id}`;
    const lines = [action.line, `${count(now.applied)} of ${count(now.rigs)} rigs have version ${now.version} of ${now.profile} now.`];
    if (!(await confirm({ title: `${action.text} rollout ${now.id}`, lines, verb: `${action.text} the rollout`, tone: action.tone, command }))) return;
    try {
      now = await post(`${path}/${verb}`, {}, { signal });
      toast(`Rollout ${now.id}: ${STATUS_WORDS[now.status] ?? now.status}.`);
      refresh();
    } catch (error) {
      failed(`Rollout ${now.id}`, error);
    }
  }

  // A rollout that is over is in no stage.
  function stages() {
    let before = 0;
    const steps = now.stages.map(({ upTo }, at) => {
      const of = Math.max(0, upTo - before);
      before = upTo;
      const mine = (now.members ?? []).filter((one) => one.stage === at + 1);
      const has = mine.filter((one) => one.outcome === "applied" || one.outcome === "hadIt").length;
      const here = at + 1 === now.stage && !OVER.includes(now.status);
      const left = here && now.phase === "observe" && now.observeLeftSecs !== null && now.observeLeftSecs !== undefined ? `, ${duration(now.observeLeftSecs * 1000)} left` : "";
      return h("li", { "aria-current": here ? "step" : null }, h("span", { class: "what" }, h("b", {}, `Stage ${at + 1}`), ` ${count(of)} ${of === 1 ? "rig" : "rigs"}${here ? ` · ${PHASES[now.phase] ?? now.phase}${left}` : ""}`), h("progress", { max: Math.max(1, of), value: has, "aria-label": `Stage ${at + 1}` }), h("span", { class: "num" }, `${count(has)} have it`));
    });
    return h("ol", { class: "lines stages", "data-key": "stages" }, steps);
  }

  function figures() {
    const facts = [
      ["Have it", `${count(now.applied)} of ${count(now.rigs)}`],
      ["Told, not answered", count(now.told)],
      ["Refused", h("span", { class: now.refused ? "red" : null }, count(now.refused))],
      ["Before", h("span", { title: exactHashrate(now.hashrateBefore) }, hashrate(now.hashrateBefore))],
      ["While watched", h("span", { title: exactHashrate(now.hashrateObserved) }, hashrate(now.hashrateObserved), now.hashrateBefore ? ` (${percent(now.hashrateObserved, now.hashrateBefore)})` : "")],
      ["Could not be judged", count(now.unjudged)],
      ["Least", `${now.minHashratePercent} %, else ${now.onFailure === "rollback" ? "roll back" : "halt"}`],
      ["Each stage watched", duration(now.observeSecs * 1000)],
      ["Started", `${moment(now.startedAt)}${now.by ? `, ${now.by}` : ""}`],
      now.endedAt && ["Ended", moment(now.endedAt)],
      now.comment && ["Why", now.comment],
    ];
    return h("dl", { class: "facts after", "data-key": "facts" }, facts.filter(Boolean).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  }

  function members() {
    const all = now.members ?? [];
    const kinds = [...new Set(all.map((one) => one.outcome))].sort();
    const some = outcome ? all.filter((one) => one.outcome === outcome) : all;
    if (offset >= some.length) offset = 0;
    const turn = (by) => {
      offset = Math.max(0, offset + by);
      draw();
    };
    const pick = (which) => {
      outcome = which;
      offset = 0;
      draw();
    };
    const rows = some.slice(offset, offset + ROWS).map((one) =>
      h(
        "tr",
        { "data-key": one.nodeId },
        h("th", { scope: "row" }, h("a", { href: `/rigs/${part(one.nodeId)}` }, one.name ?? one.nodeId)),
        h("td", { class: one.outcome === "refused" ? "red" : null }, OUTCOMES[one.outcome] ?? one.outcome),
        h("td", {}, one.stage),
        h("td", {}, one.before ?? "–"),
        h("td", { title: exactHashrate(one.hashrateBefore) }, hashrate(one.hashrateBefore)),
        h("td", { title: exactHashrate(one.hashrateObserved) }, hashrate(one.hashrateObserved)),
        h("td", {}, one.reason ?? "–"),
      ),
    );
    const heads = [["Rig"], ["Outcome"], ["Stage", "num"], ["Had before"], ["Rate before", "num"], ["While watched", "num"], ["Because", "wrap"]];
    return h(
      "section",
      { class: "after", "data-key": "members" },
      h("h2", {}, "Rigs"),
      h("div", { class: "ranges", role: "group", "aria-label": "Outcome" }, ["", ...kinds].map((kind) => h("button", { type: "button", "aria-pressed": String(kind === outcome), onclick: () => pick(kind) }, kind === "" ? `all ${count(all.length)}` : `${OUTCOMES[kind] ?? kind} ${count(all.filter((one) => one.outcome === kind).length)}`))),
      listTable(heads, rows, { cards: true }),
      some.length > ROWS && h("p", { class: "after" }, h("button", { type: "button", disabled: offset === 0, onclick: () => turn(-ROWS) }, "Before"), ` ${count(offset + 1)} to ${count(Math.min(offset + ROWS, some.length))} of ${count(some.length)} `, h("button", { type: "button", disabled: offset + ROWS >= some.length, onclick: () => turn(ROWS) }, "Next")),
      asCommand(`miner-ctrl rollout show ${now.id}`),
    );
  }
}
