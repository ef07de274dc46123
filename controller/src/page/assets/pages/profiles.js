// What there is to mine with, who does, and the rollouts that are on their way or lately were.

import { get, part, post } from "../api.js";
import { asCommand, dialog, toast } from "../dialog.js";
import { h, show } from "../dom.js";
import { count, exactHashrate, hashrate, moment, percent } from "../format.js";
import { listTable } from "../list.js";
import { onEvent } from "../live.js";
import { middle, profileCommand, profileForm, scoped, threadsText, withPayout } from "../profile-form.js";

const LATELY = 10;
export const STATUS_WORDS = { rollingBack: "rolling back", rolledBack: "rolled back" };

export async function open(place) {
  const { root, signal } = place;
  const body = h("div", {});
  const make = scoped("admin", "New profile", () => newProfile(place), "primary");
  root.append(h("div", { class: "head" }, h("h1", {}, "Profiles"), h("div", { class: "right" }, make)), body);
  const refresh = place.every(5_000, async () => {
    try {
      // The farm in parts is a figure beside: the list is shown without it too.
      const [profiles, rollouts, parts] = await Promise.all([get("/profiles", {}, { signal }), get("/rollouts", {}, { signal }), get("/breakdown", { by: "profile" }, { signal }).catch(() => null)]);
      show(body, profilesTable(profiles, parts), rolloutsTable(rollouts));
    } catch (error) {
      if (!body.firstChild || body.querySelector(":scope > .red")) show(body, h("p", { class: "red" }, error.line ?? error.message));
      throw error;
    }
  });
  signal.addEventListener("abort", onEvent((event) => /^(rollout|profile)/.test(event.type) && refresh()));
}

function profilesTable(profiles, parts) {
  if (profiles.length === 0) {
    return h("p", { class: "empty" }, "No profiles yet: a profile says for which wallet, at which pool and with how much of a rig to mine. Make one here, or go through the ", h("a", { href: "/start" }, "first steps"), ".");
  }
  const of = new Map((parts?.parts ?? []).map((one) => [one.value, one]));
  const rows = profiles.map((profile) => {
    const [pool] = profile.pools;
    const made = of.get(profile.id) ?? of.get(profile.name);
    return h(
      "tr",
      { "data-key": profile.id },
      h("th", { scope: "row" }, h("a", { href: `/profiles/${part(profile.id)}` }, profile.name)),
      h("td", { title: exactHashrate(made?.hashrate) }, hashrate(made?.hashrate)),
      h("td", { title: profile.usedBy.slice(0, 20).join(", ") }, count(profile.usedBy.length)),
      h("td", { title: profile.pools.map((one) => one.url).join(", ") }, pool?.url, profile.pools.length > 1 && h("small", {}, ` and ${profile.pools.length - 1} more`)),
      h("td", {}, pool && middle(pool.user)),
      h("td", {}, threadsText(profile)),
      h("td", {}, profile.mode),
      h("td", { title: profile.comment }, profile.version),
      h("td", {}, profile.hours.windows.length === 0 ? "always" : profile.hours.windows.join(", "), !profile.hours.open && h("small", { class: "amber" }, ` resting until ${moment(profile.hours.next)}`)),
    );
  });
  const heads = [["Name"], ["Hash rate", "num"], ["Rigs", "num"], ["Pool", "long"], ["Login"], ["Threads", "num"], ["Mode"], ["Version", "num"], ["Hours"]];
  return h("section", { "data-key": "profiles" }, listTable(heads, rows, { cards: true }));
}

function rolloutsTable(rollouts) {
  const rows = rollouts.slice(0, LATELY).map((one) =>
    h(
      "tr",
      { "data-key": String(one.id) },
      h("th", { scope: "row" }, h("a", { href: `/rollouts/${one.id}` }, `${one.profile} ${one.version}`)),
      h("td", { class: one.status === "halted" ? "amber" : null }, STATUS_WORDS[one.status] ?? one.status),
      h("td", {}, `${one.stage} of ${one.stages.length}`),
      h("td", {}, h("progress", { max: one.rigs, value: one.applied, "aria-label": `${one.applied} of ${one.rigs} rigs` }), ` ${count(one.applied)} of ${count(one.rigs)}`),
      h("td", {}, percent(one.hashrateObserved, one.hashrateBefore)),
      h("td", {}, moment(one.startedAt)),
      h("td", { title: one.reason }, one.reason ?? "–"),
    ),
  );
  const heads = [["Rollout"], ["Status"], ["Stage", "num"], ["Rigs that have it"], ["Rate to before", "num"], ["Started"], ["Why it stopped", "long"]];
  return h(
    "section",
    { "data-key": "rollouts", class: "after" },
    h("h2", {}, "Rollouts"),
    rows.length === 0
      ? h("p", { class: "quiet" }, "None yet: a rollout brings a version of a profile to rigs in stages. It is started on the page of a profile.")
      : listTable(heads, rows, { cards: true }),
  );
}

// Makes one, and goes to `to` of it.
export async function newProfile(place, to = (made) => `/profiles/${part(made.id)}`) {
  const made = await dialog("New profile", (close) => {
    const form = profileForm(null, place.signal);
    const command = h("div", {}, asCommand(profileCommand("create", null, form.body())));
    const tell = () => command.replaceChildren(asCommand(profileCommand("create", null, form.body())));
    const submit = async (event) => {
      event.preventDefault();
      form.clear();
      try {
        const done = await withPayout((confirmPayout) => post("/profiles", { ...form.body(), confirmPayout }, { signal: place.signal }));
        if (done) close(done);
      } catch (error) {
        form.error(error);
      }
    };
    return h("form", { onsubmit: submit, oninput: tell, novalidate: true }, form.node, command, h("p", { class: "buttons" }, h("button", { type: "button", onclick: () => close(null) }, "Cancel"), h("button", { class: "primary", type: "submit" }, "Make the profile")));
  }, { wide: true });
  if (!made || place.signal.aborted) return;
  toast(`Made ${made.name}. No rig mines with it yet.`);
  place.go(to(made));
}
