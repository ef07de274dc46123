// One profile: its form with a look at what a change would do, its versions, who mines with it. Two people
// who change it at a time hear of each other: a change is of the version that was seen, or is refused.

import { get, may, needs, part, post, put, remove } from "../api.js";
import { asCommand, confirm, dialog, failed, quoted, toast } from "../dialog.js";
import { fill, h, show } from "../dom.js";
import { count, digits, exactHashrate, hashrate, moment } from "../format.js";
import { listTable } from "../list.js";
import { onEvent } from "../live.js";
import { profileCommand, profileForm, scoped, withPayout } from "../profile-form.js";
import { startRollout } from "../rollout-start.js";

const MAX_NAMES = 50;

export async function open(place) {
  const { root, signal, params } = place;
  const path = `/profiles/${part(params.id)}`;
  const head = h("div", { class: "head" });
  const editor = h("section", { id: "editor", "data-kept": true });
  const notice = h("div", { role: "status" });
  const side = h("div", {});
  root.append(head, notice, h("div", { class: "wide-left" }, editor, side));
  // What the form was filled with, and its ETag; what is newest now.
  let seen = null;
  let now = null;
  let versions = [];

  const load = (whole) => {
    seen = { profile: whole.data, tag: whole.headers.get("etag") };
    fill(notice);
    fill(editor, editorForm());
  };

  const refresh = place.every(5_000, async () => {
    try {
      const whole = await get(path, {}, { signal, whole: true });
      now = whole.data;
      versions = await get(`${path}/versions`, {}, { signal });
      if (!seen) load(whole);
      place.title(now.name);
      show(head, headOf());
      show(side, versionsTable(), rigsOf());
      if (now.version !== seen.profile.version) show(notice, changedLine(whole));
    } catch (error) {
      if (!seen) show(notice, h("p", { class: "red" }, error.line ?? error.message, " ", h("a", { href: "/profiles" }, "All profiles")));
      throw error;
    }
  });
  signal.addEventListener("abort", onEvent((event) => /^(rollout|profile)/.test(event.type) && refresh()));

  const headOf = () => [
    h("h1", {}, now.name, h("small", {}, `version ${now.version} · `, h("span", { class: "mono" }, now.hash))),
    h(
      "div",
      { class: "right" },
      scoped("operate", "Roll out…", () => startRollout(place, now, versions, now.version)),
      scoped("admin", "Delete…", drop),
    ),
  ];

  const whoMade = (version) => {
    const one = versions.find((each) => each.version === version);
    return `${one?.by ?? "Somebody"} made version ${version}${one ? ` at ${moment(one.at)}` : ""}${one?.comment ? `: ${one.comment}` : ""}`;
  };

  const changedLine = (whole) => h("p", { class: "amber" }, `${whoMade(now.version)}. The form has version ${seen.profile.version}. `, h("button", { type: "button", onclick: () => load(whole) }, `Load version ${now.version}`));

  // ---- the form ----

  function editorForm() {
    const form = profileForm(seen.profile, signal);
    const command = h("div", {});
    const tell = () => fill(command, asCommand(profileCommand("edit", seen.profile.id, form.body())));
    const look = h("button", { class: "primary", type: "submit", ...needs("operate") }, "Preview the change…");
    const submit = async (event) => {
      event.preventDefault();
      form.clear();
      look.disabled = true;
      try {
        await change(form);
      } catch (error) {
        if (error.status === 412) await overtaken();
        else form.error(error);
      }
      look.disabled = !may("operate");
    };
    tell();
    return h("form", { onsubmit: submit, oninput: tell, novalidate: true }, h("h2", {}, "What it says"), form.node, command, h("p", { class: "buttons" }, h("button", { type: "button", onclick: () => fill(editor, editorForm()) }, "Undo what is typed"), look));
  }

  async function change(form) {
    const body = form.body();
    const preview = await post(`${path}/preview`, { ...body, version: seen.profile.version }, { signal });
    if (preview.from === preview.to) return void toast("Nothing changes: the form says what the newest version says.");
    const lines = [changesTable(preview.changes, preview.payoutChanged), preview.payoutChanged && h("p", { class: "red" }, "Somebody else would be paid."), rigsTable(preview)];
    const yes = await dialog(`Version ${preview.to} of ${seen.profile.name}`, (close) => [
      lines.filter(Boolean),
      h("p", { class: "quiet" }, "Saving tells no rig: each keeps its version until it is started with the new one, or a rollout brings it."),
      h("p", { class: "buttons" }, h("button", { type: "button", onclick: () => close(null) }, "Cancel"), h("button", { type: "button", class: "primary", ...needs("admin"), onclick: () => close(true) }, `Save version ${preview.to}`)),
    ], { wide: true });
    if (!yes) return;
    const saved = await withPayout((confirmPayout) => save({ ...body, confirmPayout }), profileCommand("edit", seen.profile.id, body));
    if (!saved) return;
    load(await get(path, {}, { signal, whole: true }));
    refresh();
    toast(`${saved.name} is version ${saved.version} now. No rig has been told.`, { verb: may("operate") ? "Roll out…" : null, run: () => startRollout(place, saved, versions, saved.version) });
  }

  // The tag is of all that a GET answers, also of who mines with it: where only that is another, it is taken anew.
  async function save(body) {
    try {
      return await put(path, { ...body, version: seen.profile.version }, { signal, headers: { "if-match": seen.tag } });
    } catch (error) {
      if (error.status !== 412) throw error;
      const whole = await get(path, {}, { signal, whole: true });
      if (whole.data.version !== seen.profile.version) throw error;
      seen.tag = whole.headers.get("etag");
      return put(path, { ...body, version: seen.profile.version }, { signal, headers: { "if-match": seen.tag } });
    }
  }

  async function overtaken() {
    const whole = await get(path, {}, { signal, whole: true });
    now = whole.data;
    versions = await get(`${path}/versions`, {}, { signal });
    const diff = await get(`${path}/diff`, { from: seen.profile.version }, { signal }).catch(() => null);
    const yes = await dialog("Changed meanwhile", (close) => [
      h("p", {}, `${whoMade(now.version)}. You began with version ${seen.profile.version}, so nothing of yours was stored.`),
      diff && changesTable(diff.changes, false),
      h("p", {}, "Loading it puts it into the form in place of what you typed."),
      h("p", { class: "buttons" }, h("button", { type: "button", onclick: () => close(null) }, "Keep what I typed"), h("button", { type: "button", class: "primary", onclick: () => close(true) }, `Load version ${now.version}`)),
    ], { wide: true });
    if (yes) load(whole);
    refresh();
  }

  // ---- versions ----

  function versionsTable() {
    const rows = versions.map((one) =>
      h(
        "tr",
        { "data-key": String(one.version) },
        h("th", { scope: "row" }, one.version, one.restores && h("small", {}, ` as ${one.restores}`)),
        h("td", {}, count(one.rigs)),
        h("td", { title: `${exactHashrate(one.hashrate)}, over ${digits(one.rigHours)} rig hours` }, hashrate(one.hashrate)),
        h("td", {}, one.comment ?? "–", h("small", {}, ` ${moment(one.at)}${one.by ? `, ${one.by}` : ""}`)),
        h("td", {}, one.version !== now.version && scoped("admin", "Bring back…", () => bringBack(one.version))),
      ),
    );
    const lost = now.versionsLost > 0 && h("p", { class: "quiet" }, `${count(now.versionsLost)} older versions are no longer kept.`);
    return h(
      "section",
      { "data-key": "versions" },
      h("h2", {}, "Versions"),
      listTable([["No."], ["Rigs", "num"], ["Rate per rig", "num"], ["Why, when, who", "wrap"], ["", "verbs"]], rows),
      lost,
      versions.length > 1 && h("p", { class: "after" }, h("button", { type: "button", onclick: compare }, "Compare two versions…")),
    );
  }

  function compare() {
    return dialog(`Versions of ${now.name}`, () => {
      const options = versions.map((one) => h("option", { value: String(one.version) }, String(one.version)));
      const from = h("select", { id: "from", value: String(versions[1].version) }, options);
      const to = h("select", { id: "to", value: String(versions[0].version) }, options.map((one) => one.cloneNode(true)));
      const found = h("div", { role: "status" });
      const look = async () => {
        try {
          const diff = await get(`${path}/diff`, { from: from.value, to: to.value }, { signal });
          fill(found, diff.changes.length === 0 ? h("p", {}, "Both say the same.") : changesTable(diff.changes, false), diff.payoutChanged && h("p", { class: "amber" }, "They pay different wallets."), asCommand(`miner-ctrl profile diff ${quoted(now.id)} --from ${from.value} --to ${to.value}`));
        } catch (error) {
          fill(found, h("p", { class: "red" }, error.line ?? error.message));
        }
      };
      from.onchange = look;
      to.onchange = look;
      look();
      return [h("p", {}, h("label", { for: "from" }, "From "), from, h("label", { for: "to" }, " to "), to), found];
    }, { wide: true });
  }

  async function bringBack(version) {
    try {
      const diff = await get(`${path}/diff`, { from: now.version, to: version }, { signal });
      const command = `miner-ctrl profile rollback ${quoted(now.id)} --to ${version}`;
      const lines = [diff.changes.length === 0 ? "Both say the same." : changesTable(diff.changes, diff.payoutChanged), `This makes version ${now.version + 1} with what version ${version} says, passwords included. No rig is told.`];
      if (!(await confirm({ title: `Bring version ${version} of ${now.name} back`, lines, verb: `Make version ${now.version + 1}`, command }))) return;
      const saved = await withPayout((confirmPayout) => post(`${path}/rollback`, { to: version, confirmPayout }, { signal }), command);
      if (!saved) return;
      load(await get(path, {}, { signal, whole: true }));
      refresh();
      toast(`${saved.name} is version ${saved.version} now, as version ${version} was. No rig has been told.`, { verb: may("operate") ? "Roll out…" : null, run: () => startRollout(place, saved, versions, saved.version) });
    } catch (error) {
      failed(`Version ${version} was not brought back`, error);
    }
  }

  function rigsOf() {
    const names = now.usedBy;
    const all = h("a", { href: `/workers?select=${part(`profile=${now.id}`)}` }, `All ${count(names.length)} in Workers`);
    return h("section", { "data-key": "rigs", class: "after" }, h("h2", {}, "Rigs that are told to mine with it"), names.length === 0 ? h("p", { class: "quiet" }, "None: start one with it in Workers, or roll it out to a selection.") : [h("p", {}, names.slice(0, MAX_NAMES).join(", "), names.length > MAX_NAMES && ", …"), h("p", {}, all)]);
  }

  async function drop() {
    const command = `miner-ctrl profile delete ${quoted(now.id)}`;
    const lines = [`Deletes ${now.name} in all its versions. This cannot be undone.`];
    if (now.usedBy.length > 0) lines.push(h("p", { class: "amber" }, `${count(now.usedBy.length)} rigs are told to mine with it: it will be refused until they are started with another one or stopped.`));
    if (!(await confirm({ title: `Delete ${now.name}`, lines, verb: "Delete the profile", typed: now.name, tone: "danger", command }))) return;
    try {
      await remove(path, { signal });
      toast(`${now.name} is deleted.`);
      place.go("/profiles");
    } catch (error) {
      failed(`${now.name} was not deleted`, error);
    }
  }
}

// Of a new wallet only the beginning is shown where its end must be repeated.
function changesTable(changes, hidesEnd) {
  const value = (field, text) => {
    if (text === null || text === undefined) return "–";
    return hidesEnd && field.endsWith(".user") && text.length > 16 ? `${text.slice(0, 12)}…` : text;
  };
  const rows = changes.map(({ field, old, new: next }) => h("tr", {}, h("th", { scope: "row" }, field), h("td", {}, value(field, old)), h("td", {}, value(field, next))));
  return listTable([["Field", "mono"], ["Was", "wrap"], ["Becomes", "wrap"]], rows);
}

function rigsTable({ rigs }) {
  if (rigs.length === 0) return h("p", {}, "No rig is told to mine with it.");
  const change = rigs.filter((rig) => rig.changes).length;
  const refuse = rigs.filter((rig) => rig.wouldRefuse).length;
  // Those that would refuse are what somebody must see.
  const first = [...rigs].sort((a, b) => Number(Boolean(b.wouldRefuse)) - Number(Boolean(a.wouldRefuse))).slice(0, MAX_NAMES);
  const rows = first.map((rig) => h("tr", {}, h("th", { scope: "row" }, rig.name), h("td", {}, rig.connected ? "up" : "down"), h("td", { class: "num" }, rig.from), h("td", { class: rig.wouldRefuse ? "red" : null }, rig.wouldRefuse ? "refuse" : rig.changes ? "change" : "stay"), h("td", { class: "wrap" }, rig.wouldRefuse ?? rig.note ?? "–")));
  return h(
    "div",
    { class: "after" },
    h("p", {}, `${count(change)} of ${count(rigs.length)} rigs would change once they get it${refuse ? `, ${count(refuse)} would refuse` : ""}.${rigs.length > MAX_NAMES ? ` The first ${MAX_NAMES}:` : ""}`),
    h("div", { class: "scroll names" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Rig"), h("th", { scope: "col" }, "Link"), h("th", { scope: "col", class: "num" }, "Version"), h("th", { scope: "col" }, "Would"), h("th", { scope: "col" }, "Because"))), h("tbody", {}, rows))),
  );
}
