// What can be done to rigs, one or ten thousand: first a dry run that says to whom and what would change,
// then the verb with its count on a button, then what came of it on each, and the way back where there is one.
//
//   act("stop", { ids: [id], names: [name] })       act("stop", { select: "group=shed" })
//
// What is done is done to the rigs that the dialog showed. More than 1,000 selected ones go by their
// selector, and only if it still takes as many.

import { get, needs, once, post } from "./api.js";
import { asCommand, dialog, failed, quoted, toast } from "./dialog.js";
import { fill, h, show } from "./dom.js";
import { count } from "./format.js";

// label: the verb; done: what has happened; cli: the command; says: what it means, in a sentence;
// danger: `one` or `many`, from how many rigs on something has to be typed; ask: what else it needs to know;
// straight: done to one rig without a dialog, because nothing changes by it.
export const VERBS = {
  start: { label: "Start", done: "Started", scope: "operate", cli: "remote start", ask: askProfile, says: "They mine with this profile from now on, also after a restart." },
  stop: { label: "Stop", done: "Stopped", scope: "operate", cli: "remote stop", says: "They mine nothing from now on, also after a restart, until they are started again." },
  pause: { label: "Pause", done: "Paused", scope: "operate", cli: "remote pause", says: "They rest, stay logged in and keep their memory, until they are resumed." },
  resume: { label: "Resume", done: "Resumed", scope: "operate", cli: "remote resume", says: "They go on after a pause." },
  restart: { label: "Restart", done: "Restarted", scope: "operate", cli: "remote restart", says: "Their miners end and start anew, with their memory. It takes some seconds to a minute." },
  ping: { label: "Ping", done: "Pinged", scope: "operate", cli: "peer ping", straight: true, says: "Measures the round trip to each." },
  locate: { label: "Locate", done: "Asked to show themselves:", scope: "operate", cli: "remote locate", straight: true, says: "They show the person beside them which ones they are." },
  wake: { label: "Wake", done: "Called", scope: "operate", cli: "remote wake", straight: true, says: "Their network cards are called, if they are on a local network of the controller." },
  label: { label: "Label", done: "Labelled", scope: "operate", cli: "peer label", ask: askLabels, says: "Labels are the words that selectors know: a group, a site, tags." },
  reboot: { label: "Reboot", done: "Rebooted", scope: "operate", cli: "remote reboot", danger: "many", says: "Their machines start anew, where they are the rigs' own. They are away for some minutes." },
  powerOff: { label: "Power off", done: "Switched off", scope: "operate", cli: "remote poweroff", danger: "one", says: "Their machines are switched off, where they are the rigs' own. Somebody has to switch them on again, or wake them." },
  rotateKey: { label: "New key for", done: "New key:", scope: "admin", cli: "remote rotate-key", danger: "one", says: "They make a new key, which takes the place of the one that the farm knows them by." },
  remove: { label: "Remove", done: "Removed", scope: "admin", cli: "peer remove", danger: "one", ask: askToken, says: "Their links are cut and their keys refused, until they are forgotten and enrol again." },
};

// Rigs that one request names; with more it would have to be asked in parts.
const NAMED = 1_000;
// Rigs that one selector names: it has 1,024 bytes and 64 values.
const IN_SELECTOR = 50;
// The controller answers after 35 s at the latest.
const WAIT_MS = 45_000;

// Why this session may not do it, for a title; null if it may.
export function mayNot(verb) {
  return needs(VERBS[verb].scope).title ?? null;
}

// A button that does it to the rigs that `rigs()` gives when it is pressed.
export function actButton(verb, rigs, { label = VERBS[verb].label, class: kind = null } = {}) {
  const why = mayNot(verb);
  return h("button", { type: "button", class: kind, disabled: why !== null, title: why ?? VERBS[verb].says, onclick: () => act(verb, rigs()) }, label);
}

// Does it to these rigs, after a dialog. `then` is called once something may have changed; `given` fills
// in what the dialog asks, such as {profileId}.
export async function act(verb, { ids = null, select = null, names = [], then = null, given = {} } = {}) {
  const what = VERBS[verb];
  const why = mayNot(verb);
  if (why) return toast(why, { tone: "amber" });
  const rigs = { ids, select, names };
  if (what.straight && ids?.length === 1) return straight(what, verb, rigs, then);
  const title = ids?.length === 1 ? `${what.label} ${names[0] ?? ids[0]}` : `${what.label} rigs`;
  const came = await dialog(title, (close) => panel(what, verb, rigs, given, close, then));
  if (came) offer(what, came, then);
}

// One harmless exchange with one rig: the answer is a line at the edge.
async function straight(what, verb, rigs, then) {
  const name = rigs.names[0] ?? rigs.ids[0];
  try {
    const view = await ask([{ ids: rigs.ids }], { type: verb });
    const [result] = view.results;
    const well = isWell(result);
    toast(`${what.label} ${name}: ${result.message ?? WORDS[result.status]}`, { tone: well ? "" : "red" });
  } catch (error) {
    failed(`${what.label} ${name}`, error);
  }
  then?.();
}

// ---- the dialog ----

function panel(what, verb, rigs, given, close, then) {
  const said = h("div", { class: "what", "aria-live": "polite" }, h("p", { class: "quiet" }, rigs.names.length ? nameList(rigs.names) : "Which rigs it is about is being looked up…"));
  const wrong = h("div", { role: "alert" });
  const extra = h("div");
  const command = h("div");
  const go = h("button", { class: what.danger ? "danger" : "primary", type: "submit", disabled: true }, what.label);
  const cancel = h("button", { type: "button", onclick: () => close(null) }, "Cancel");
  const form = h("form", { onsubmit: submit, oninput: edited, novalidate: true });
  const asked = what.ask?.(given, refresh);
  let plan = null;
  let turn = 0;
  let typed = null;
  let payout = null;
  let later = null;

  fill(form, h("p", { class: "quiet" }, what.says), asked?.node, said, extra, wrong, command, h("p", { class: "buttons" }, cancel, go));

  // Another profile or label may change other rigs: it is looked up anew, not at each letter.
  function edited(event) {
    if (!asked?.node.contains(event.target)) return ready();
    plan = null;
    ready();
    clearTimeout(later);
    later = setTimeout(refresh, 300);
  }

  async function refresh() {
    const mine = (turn += 1);
    payout = typed = plan = null;
    fill(extra);
    fill(wrong);
    const answer = asked ? asked.read() : { action: { type: verb }, flags: [] };
    fill(command, answer && asCommand(commandFor(what, rigs, answer.flags)));
    ready();
    if (!answer) return fill(said);
    try {
      const parts = rigs.select ? [{ select: rigs.select }] : portions(rigs.ids);
      const view = await ask(parts, answer.action, { dryRun: true });
      if (mine !== turn) return;
      const todo = view.results.filter(({ status }) => status === "wouldChange" || status === "pending");
      plan = { action: answer.action, view, todo };
      if (!rigs.select && rigs.names.length !== rigs.ids.length) {
        // Whoever called had no names: the answer has them.
        rigs = { ids: view.results.map(({ id }) => id), names: view.results.map(({ name }) => name) };
        fill(command, asCommand(commandFor(what, rigs, answer.flags)));
      }
      show(said, outlook(view, todo));
      if (mustType(what, todo)) typed = typing(todo);
      fill(extra, typed?.node);
    } catch (error) {
      if (mine === turn) refuse(error);
    }
    ready();
  }

  function ready() {
    const number = plan?.todo.length ?? 0;
    const one = number === 1 ? plan.todo[0].name : `${count(number)} rigs`;
    go.textContent = plan && number > 0 ? `${what.label} ${one}` : what.label;
    go.disabled = number === 0 || (typed !== null && !typed.isRight()) || (payout !== null && payout.value.trim() === "");
  }

  function refuse(error) {
    const at = error.field ? form.querySelector(`[name="${CSS.escape(error.field)}"]`) : null;
    at?.setAttribute("aria-invalid", "true");
    fill(wrong, h("p", { class: "red" }, error.line ?? error.message));
  }

  async function submit(event) {
    event.preventDefault();
    if (go.disabled) return;
    const { action, view, todo } = plan;
    const confirmPayout = payout?.value.trim();
    const ids = todo.map(({ id }) => id);
    go.disabled = true;
    fill(wrong);
    go.textContent = "Waiting for the rigs…";
    try {
      const before = needsBefore(verb) ? await rowsOf(rigs.select, ids) : null;
      const parts = rigs.select && ids.length > NAMED ? [{ select: rigs.select, expect: view.matched }] : portions(ids, true);
      const came = await ask(parts, action, { confirmPayout });
      const back = inverse(action, came.results, before);
      then?.();
      const bad = came.results.filter((result) => !isWell(result));
      if (bad.length === 0 || !form.isConnected) {
        close({ came, back });
        // Whoever closed the dialog before hears it all the same.
        if (!form.isConnected) offer(what, { came, back }, then);
        return;
      }
      fill(form, outcome(what, came, bad), h("p", { class: "buttons" }, h("button", { type: "button", class: "primary", autofocus: true, onclick: () => close({ came, back }) }, "Close")));
    } catch (error) {
      if (!form.isConnected) return failed(what.label, error);
      if (error.code === "PAYOUT_UNCONFIRMED" && error.field === "confirmPayout") payout = askPayout(extra, error, payout);
      else if (error.code === "SELECTION_CHANGED") {
        await refresh();
        fill(wrong, h("p", { class: "amber" }, "Other rigs are meant now than a moment ago. This is what it would do now."));
      } else refuse(error);
      ready();
    }
  }

  if (asked?.load) asked.load().then(refresh, refuse);
  else refresh();
  return form;
}

// What would happen to whom.
function outlook(view, todo) {
  const { counts } = view;
  const bad = view.results.filter(({ status }) => status === "failed" || status === "refused");
  const waits = counts.pending ?? 0;
  const lines = [];
  if (todo.length > 0) lines.push(h("p", {}, h("b", {}, rigsOf(todo.length)), todo.length < view.results.length && ` of ${count(view.results.length)}`, ":"), h("p", { class: "names" }, nameList(todo.map(({ name }) => name))));
  else lines.push(h("p", {}, view.results.length === 0 ? "No rig is meant." : "There is nothing to do."));
  if (waits) lines.push(h("p", { class: "quiet" }, `${count(waits)} of them cannot be reached, or ${waits === 1 ? "has" : "have"} yet to answer: it waits for them.`));
  if (counts.alreadyThere) lines.push(h("p", { class: "quiet" }, `${rigsOf(counts.alreadyThere)} ${counts.alreadyThere === 1 ? "is" : "are"} so already.`));
  if (bad.length > 0) lines.push(h("p", {}, `Not possible on ${rigsOf(bad.length)}:`), whys(bad));
  return lines;
}

// What came of it: how many, and which did not.
function outcome(what, came, bad) {
  return [h("p", {}, `${what.label}: ${tally(came.counts)}.`), whys(bad)];
}

// Rigs with the same reason are one line.
function whys(results) {
  const byWhy = new Map();
  for (const result of results) {
    // A message that begins with the rig's name is another one for each rig.
    const why = (result.message ?? WORDS[result.status]).replaceAll(result.name, "it");
    byWhy.set(why, [...(byWhy.get(why) ?? []), result.name]);
  }
  return h("ul", { class: "names" }, [...byWhy].map(([why, names]) => h("li", {}, h("b", {}, nameList(names, 6)), ` ${why}`)));
}

const WORDS = { applied: "done", alreadyThere: "so already", pending: "waiting to be reached", refused: "refused by the rig", failed: "failed", unknown: "not heard of", wouldChange: "to do" };
const isWell = ({ status }) => status === "applied" || status === "alreadyThere" || status === "pending";
const rigsOf = (number) => `${count(number)} ${number === 1 ? "rig" : "rigs"}`;

function tally(counts) {
  return Object.entries(WORDS).filter(([status]) => counts[status]).map(([status, word]) => `${count(counts[status])} ${word}`).join(", ");
}

// The first of these names, and how many more.
function nameList(names, first = 24) {
  const more = names.length - first;
  return names.slice(0, first).join(", ") + (more > 0 ? `, and ${count(more)} more` : "");
}

// ---- what has to be typed ----

const mustType = (what, todo) => todo.length > 0 && (what.danger === "one" || (what.danger === "many" && todo.length > 1));

function typing(todo) {
  const [{ id, name }] = todo;
  // A name in characters that this keyboard may not have is not asked for.
  const word = todo.length > 1 ? String(todo.length) : /^[\w.-]{1,32}$/.test(name) ? name : id.slice(0, 6);
  const input = h("input", { autocomplete: "off", spellcheck: "false" });
  return { node: h("label", { class: "field" }, h("span", {}, "Type ", h("b", {}, word), " to go on"), input), isRight: () => input.value.trim() === word };
}

// The end of the new wallet, which only who looks it up can type.
function askPayout(extra, error, before) {
  const input = h("input", { name: "confirmPayout", autocomplete: "off", spellcheck: "false", class: "mono", "aria-invalid": before !== null });
  const line = before === null ? null : h("p", { class: "error" }, "That is not its end.");
  const [first, ...others] = error.message;
  const said = h("p", { class: "amber" }, `${first.toUpperCase()}${others.join("")}. Look the wallet up where you keep it.`);
  const title = error.message.includes(",") ? "The last 6 characters of each wallet, with commas between" : "The last 6 characters of that wallet";
  fill(extra, said, h("label", { class: "field" }, h("span", {}, title), input, line));
  input.focus();
  return input;
}

// ---- what else there is to ask: {node, load?, read() → {action, flags} or null} ----

function askProfile(given) {
  const choose = h("select", { name: "profileId" });
  const note = h("p", { class: "quiet" });
  const load = async () => {
    const profiles = await get("/profiles");
    const named = profiles.map((profile) => h("option", { value: profile.id }, `${profile.name} · version ${profile.version} · ${profile.pools[0]?.url ?? "no pool"}`));
    fill(choose, h("option", { value: "" }, "Choose a profile"), named);
    choose.value = given.profileId ?? (profiles.length === 1 ? profiles[0].id : "");
    if (profiles.length === 0) fill(note, "No profiles yet: ", h("a", { href: "/profiles" }, "write the first one"), ".");
  };
  const read = () => choose.value && { action: { type: "start", profileId: choose.value }, flags: ["--profile", choose.value] };
  return { node: h("div", {}, h("label", { class: "field" }, h("span", {}, "Profile"), choose), note), load, read: () => read() || null };
}

function askLabels(given) {
  const known = h("datalist", { id: "known-groups" });
  const sites = h("datalist", { id: "known-sites" });
  const tags = h("p", { class: "quiet" });
  const text = (name, props) => h("input", { name, autocomplete: "off", spellcheck: "false", value: given[name] ?? "", ...props });
  const none = (of) => h("input", { type: "checkbox", "aria-label": `No ${of}` });
  const fields = { group: text("group", { list: "known-groups", placeholder: "as it is" }), site: text("site", { list: "known-sites", placeholder: "as it is" }), add: text("addTags"), take: text("removeTags") };
  const noGroup = none("group");
  const noSite = none("site");
  const node = h(
    "div",
    { class: "labels" },
    [["Group", fields.group, noGroup, "no group"], ["Site", fields.site, noSite, "no site"]].map(([title, input, box, word]) => h("div", {}, h("label", { class: "field" }, h("span", {}, title), input), h("label", {}, box, word))),
    h("label", { class: "field" }, h("span", {}, "Tags to add, with blanks between"), fields.add),
    h("label", { class: "field" }, h("span", {}, "Tags to take away"), fields.take),
    tags,
    known,
    sites,
  );
  const load = async () => {
    const groups = await get("/groups");
    const options = (labels) => labels.filter(({ name }) => name).map(({ name }) => h("option", { value: name }));
    fill(known, options(groups.groups));
    fill(sites, options(groups.sites));
    if (groups.tags.length > 0) fill(tags, "Tags there are: ", nameList(groups.tags.map(({ name }) => name), 20));
  };
  const words = (input) => input.value.split(/[\s,]+/).filter(Boolean);
  const read = () => {
    const action = { type: "label" };
    const flags = [];
    for (const [name, box] of [["group", noGroup], ["site", noSite]]) {
      const value = fields[name].value.trim();
      fields[name].disabled = box.checked;
      if (box.checked) {
        action[name] = null;
        flags.push(`--no-${name}`);
      } else if (value) {
        action[name] = value;
        flags.push(`--${name}`, value);
      }
    }
    const [add, take] = [words(fields.add), words(fields.take)];
    if (add.length > 0) action.addTags = add;
    if (take.length > 0) action.removeTags = take;
    for (const tag of add) flags.push("--tag", `+${tag}`);
    for (const tag of take) flags.push("--tag", `-${tag}`);
    return flags.length > 0 ? { action, flags } : null;
  };
  return { node, load, read };
}

function askToken() {
  const keep = h("input", { type: "checkbox" });
  const node = h("label", {}, keep, "The tokens that they came by stay good");
  return { node, read: () => ({ action: { type: "remove", keepToken: keep.checked }, flags: keep.checked ? ["--keep-token"] : [] }) };
}

// ---- asking the controller ----

function portions(ids, expects = false) {
  const parts = [];
  for (let at = 0; at < ids.length; at += NAMED) {
    const some = ids.slice(at, at + NAMED);
    parts.push(expects ? { ids: some, expect: some.length } : { ids: some });
  }
  return parts;
}

// One action on these parts of the farm, one after the other; the answers become one.
async function ask(parts, action, more = {}) {
  const all = { matched: 0, counts: {}, results: [] };
  for (const part of parts) {
    const body = { ...part, action, ...more };
    const options = { timeoutMs: WAIT_MS, headers: once() };
    let view;
    try {
      view = await post("/bulk", body, options);
    } catch (error) {
      // An answer that was lost on the way is asked for again, by the same word: it is done once.
      if (error.status !== 0 || more.dryRun) throw error;
      view = await post("/bulk", body, options);
    }
    all.matched += view.matched;
    for (const [status, number] of Object.entries(view.counts)) all.counts[status] = (all.counts[status] ?? 0) + number;
    all.results.push(...view.results);
  }
  return all;
}

// The command that does the same; several where one selector cannot name all.
function commandFor(what, { ids, select, names }, flags) {
  const words = (...whom) => ["miner-ctrl", ...what.cli.split(" "), ...whom, ...flags].map(quoted).join(" ");
  if (select) return words("--select", select);
  const isPlain = names.length === ids.length && names.every((name) => /^[\w.-]+$/.test(name));
  if (ids.length === 1) return words(isPlain ? names[0] : ids[0]);
  const named = `name=${names.join(",")}`;
  if (isPlain && ids.length <= IN_SELECTOR && named.length <= 1_000) return words("--select", named);
  return inSelectors(ids).map((selector) => words("--select", selector)).join("\n");
}

// Selectors that take these rigs.
function inSelectors(ids) {
  const selectors = [];
  for (let at = 0; at < ids.length; at += IN_SELECTOR) selectors.push(`id=${ids.slice(at, at + IN_SELECTOR).join(",")}`);
  return selectors;
}

// ---- the way back ----

const needsBefore = (verb) => verb === "stop" || verb === "start" || verb === "label";

// What these rigs were told and how they were labelled, by ID; null where that would be too much to ask.
async function rowsOf(select, ids) {
  if (ids.length === 0 || ids.length > NAMED) return null;
  const rows = new Map();
  const take = (view) => view.rows.forEach((row) => rows.set(row.id, row));
  try {
    if (select) {
      let view;
      let offset = 0;
      do {
        view = await get("/table", { select, offset, limit: 200 });
        take(view);
        offset += 200;
      } while (offset < view.matched);
    } else {
      for (const some of inSelectors(ids)) take(await get("/table", { select: some, limit: 200 }));
    }
  } catch {
    // Without it the action is done all the same, and has no way back.
    return null;
  }
  return ids.every((id) => rows.has(id)) ? rows : null;
}

// The actions that bring back what was, as [{action, ids}]; null where there is no way back.
function inverse(action, results, before) {
  const ids = results.filter(({ status }) => status === "applied" || status === "pending" || status === "unknown").map(({ id }) => id);
  if (ids.length === 0) return null;
  if (action.type === "pause") return [{ action: { type: "resume" }, ids }];
  if (action.type === "resume") return [{ action: { type: "pause" }, ids }];
  if (!before) return null;
  if (action.type === "label") {
    const groups = new Map();
    for (const id of ids) {
      const { group = null, site = null, tags } = before.get(id);
      const was = JSON.stringify({ type: "label", group, site, tags });
      groups.set(was, [...(groups.get(was) ?? []), id]);
    }
    return [...groups].map(([was, same]) => ({ action: JSON.parse(was), ids: same }));
  }
  const profiles = new Set(ids.map((id) => before.get(id).profileId ?? null));
  if (profiles.size !== 1) return null;
  const [profileId] = profiles;
  if (profileId === null) return action.type === "start" ? [{ action: { type: "stop" }, ids }] : null;
  return profileId === action.profileId ? null : [{ action: { type: "start", profileId }, ids }];
}

// Says what was done, and offers the way back.
function offer(what, { came, back }, then) {
  const { results, counts } = came;
  const whom = results.length === 1 ? results[0].name : rigsOf(results.length);
  const plain = Object.keys(counts).every((status) => status === "applied");
  const text = plain ? `${what.done} ${whom}` : `${what.label} ${whom}: ${tally(counts)}`;
  toast(text, { tone: results.every(isWell) ? "" : "amber", ...(back && { verb: "Undo", run: () => undo(back, then) }) });
}

async function undo(back, then) {
  const counts = {};
  try {
    for (const { action, ids } of back) {
      const came = await ask(portions(ids), action);
      for (const [status, number] of Object.entries(came.counts)) counts[status] = (counts[status] ?? 0) + number;
    }
    toast(`Undone: ${tally(counts)}`);
  } catch (error) {
    // Back to another wallet: that takes its end, as ever.
    const [{ action, ids }] = back;
    if (error.code === "PAYOUT_UNCONFIRMED") act("start", { ids, given: action, then });
    else failed("Not undone", error);
  }
  then?.();
}
