// First steps: from nothing to the first accepted share. Each step says whether it is done, so that
// one who comes back goes on where the farm stands.

import { get, part } from "../api.js";
import { actButton } from "../actions.js";
import { h, show } from "../dom.js";
import { count, hashrate } from "../format.js";
import { newToken, pendingPanel } from "../enrol.js";
import { poolCheck, scoped } from "../profile-form.js";
import { newProfile } from "./profiles.js";

// Profiles whose pools are offered for a look.
const PROFILES = 3;

export async function open(place) {
  const steps = h("div", {});
  place.root.append(
    h("h1", {}, "First steps"),
    h("p", {}, "A profile says for which wallet to mine; a token lets a rig in; then the rig is told to start. Each step may be done by command as well."),
    steps,
    h("section", {}, pendingPanel(place)),
  );
  place.every(2_000, async () => {
    const ask = { signal: place.signal };
    try {
      const [profiles, summary] = await Promise.all([get("/profiles", {}, ask), get("/summary", {}, ask)]);
      show(steps, profileStep(place, profiles), rigStep(summary), startStep(place, profiles, summary));
    } catch (error) {
      if (!steps.firstChild) show(steps, h("p", { class: "red" }, error.line ?? error.message));
    }
  });
}

function step(number, title, isDone, ...what) {
  const mark = isDone ? h("i", { "aria-hidden": "true" }, "●") : h("i", { "aria-hidden": "true" }, "○");
  return h("section", { class: "step", "data-key": `step${number}` }, h("h2", {}, h("span", { class: isDone ? "state mining" : "state quiet" }, mark), ` ${number}. ${title}`, h("small", {}, isDone ? " done" : " to do")), what);
}

function profileStep(place, profiles) {
  const has = profiles.length > 0;
  return step(1, "Pool and wallet", has,
    h("p", {}, has ? ["There is ", h("a", { href: "/profiles" }, profiles.length === 1 ? "one profile" : `${count(profiles.length)} profiles`), "."] : "The form checks the wallet; the pool can be looked at from here before any rig mines there."),
    profiles.slice(0, PROFILES).flatMap(({ id, name, coin, pools }) => pools.map((pool) => poolLine(place, { id, name, coin }, pool))),
    h("p", {}, scoped("admin", has ? "Another profile" : "Make a profile", () => newProfile(place, () => "/start"), has ? null : "primary")),
  );
}

// A pool of a profile and a look at it. A password is not known here: the check goes without.
function poolLine(place, profile, { url, tls, user, hasPass }) {
  const check = poolCheck(() => ({ url, tls, user, coin: profile.coin }), place.signal);
  return h("div", { class: "pool-line", "data-key": `${profile.id} ${url}`, "data-kept": true }, h("p", {}, h("a", { href: `/profiles/${part(profile.id)}` }, profile.name), " at ", h("b", {}, url), h("small", {}, tls ? " TLS" : " no TLS", hasPass && ", with a password, which the check does not know")), check);
}

function rigStep({ rigs }) {
  const has = rigs.registered > 0;
  return step(2, "The first rig", has,
    h("p", {}, has ? [h("a", { href: "/workers" }, `${count(rigs.registered)} registered`), `, ${count(rigs.online)} with a link.`] : "A token is shown once, with the command that a rig is started with. The rig appears here by itself."),
    h("p", {}, scoped("admin", has ? "Another token" : "Make a token", newToken, has ? null : "primary"), " ", h("a", { href: "/nodes" }, "Or add a rig by its pairing code")),
  );
}

function startStep(place, profiles, summary) {
  const { rigs, accepted } = summary;
  const isDone = rigs.mining > 0 && accepted > 0;
  const ready = profiles.length > 0 && rigs.online > 0;
  const stuck = rigs.noPool + rigs.refused + rigs.failed;
  const says = isDone
    ? ["It mines: ", hashrate(summary.hashrate["10s"]), `, ${count(accepted)} accepted shares. `, h("a", { href: "/" }, "To the dashboard")]
    : rigs.mining > 0
      ? `${count(rigs.mining)} hash at ${hashrate(summary.hashrate["10s"])}. The first accepted share may take some minutes.`
      : stuck > 0
        ? [h("span", { class: "amber" }, `${count(stuck)} told to mine and not mining: `), h("a", { href: "/workers?select=state%3DnoPool%2Crefused%2Cfailed" }, "see why"), "."]
        : ready
          ? "Tell all rigs, or one by one in Workers."
          : "It needs a profile and a rig with a link.";
  return step(3, "Start", isDone, h("p", {}, says), !isDone && ready && rigs.mining === 0 && h("p", {}, actButton("start", () => ({ select: "all" }), { label: "Start all rigs", class: "primary" })));
}
