// Pools that profiles name: who is told to use them, who is on them, and what they take.

import { get, needs, part, post } from "../api.js";
import { asCommand, dialog, quoted } from "../dialog.js";
import { h, show } from "../dom.js";
import { age, count, exactHashrate, hashrate, percent, short, state } from "../format.js";
import { clearErrors, failure, field, showError } from "../form.js";
import { listTable } from "../list.js";
import { loaded } from "../loaded.js";
import { checkLines } from "../profile-form.js";

const HEADS = [["Pool"], ["State"], ["Profiles", "wrap"], ["Rigs on it", "num"], ["Hash rate", "num"], ["Accepted", "num"], ["Rejected", "num"], ["Stale", "num"], ["Difficulty", "num"], ["Last share", "num"], ["Failovers", "num"]];
const TONES = { ok: "mining", someAway: "amber" };

export async function open(place) {
  const body = h("div");
  place.root.append(h("div", { class: "head" }, h("h1", {}, "Pools"), h("div", { class: "right" }, h("button", { type: "button", ...needs("admin"), onclick: () => check() }, "Check a pool"))), body);
  // Without the profiles' names the pools are shown too.
  const load = (options) => Promise.all([get("/pools", {}, options), get("/profiles", {}, options).catch(() => [])]);
  loaded(place, body, 5_000, load, draw);
}

function draw([pools, profiles]) {
  if (pools.length === 0) return h("div", { class: "empty" }, h("p", {}, "No profile names a pool yet. ", h("a", { href: "/profiles" }, "Make a profile"), " with a pool's address and your wallet."));
  const names = new Map(profiles.map(({ id, name }) => [id, name]));
  return listTable(HEADS, pools.map((pool) => row(pool, names)), { cards: true });
}

function row(pool, names) {
  const known = [pool.accepted, pool.rejected, pool.stale].filter(Number.isFinite);
  const all = known.reduce((sum, value) => sum + value, 0);
  const shares = (value) => h("td", { title: count(value) }, short(value), all > 0 && h("small", {}, " ", percent(value, all)));
  const { difficultyLowest: low, difficultyHighest: high } = pool;
  const profiles = pool.profiles.map((id) => h("a", { href: `/profiles/${part(id)}` }, names.get(id) ?? id));
  return h(
    "tr",
    { "data-key": pool.url },
    h("th", { scope: "row", title: pool.url }, pool.url, " ", h("small", {}, pool.tls === true ? "TLS" : pool.tls === false ? "no TLS" : "–")),
    h("td", {}, state(pool.state, TONES[pool.state])),
    h("td", {}, profiles.length ? profiles.flatMap((one, at) => (at ? [", ", one] : [one])) : "–"),
    h("td", {}, `${count(pool.rigsOn)} of ${count(pool.rigsTold)}`),
    h("td", { title: exactHashrate(pool.hashrate) }, hashrate(pool.hashrate)),
    shares(pool.accepted),
    shares(pool.rejected),
    shares(pool.stale),
    h("td", { title: `${count(low)} to ${count(high)}` }, low === high ? short(low) : `${short(low)} – ${short(high)}`),
    h("td", {}, age(pool.lastShareAgeMs)),
    h("td", {}, count(pool.failovers)),
  );
}

// Has the controller try a pool as a rig would.
function check() {
  return dialog("Check a pool", (close) => {
    const url = h("input", { placeholder: "pool.example:3333", autocomplete: "off", spellcheck: "false" });
    const tls = h("input", { type: "checkbox" });
    const user = h("input", { autocomplete: "off", spellcheck: "false" });
    const coin = h("input", { placeholder: "monero", autocomplete: "off", spellcheck: "false" });
    const command = h("div");
    // A password is a secret: the command reads it from standard input.
    const words = () => ["miner-ctrl pool check", quoted(url.value.trim() || "HOST:PORT"), `--user ${quoted(user.value.trim() || "WALLET")}`, pass.value && "--pass-file -", coin.value.trim() && `--coin ${quoted(coin.value.trim())}`, tls.checked && "--tls"].filter(Boolean).join(" ");
    const tell = () => show(command, h("div", { "data-key": words() }, asCommand(words())));
    const pass = h("input", { type: "password", autocomplete: "off" });
    const go = h("button", { class: "primary", type: "submit" }, "Check the pool");
    const result = h("div", { role: "status" });
    const submit = async (event) => {
      event.preventDefault();
      clearErrors(form);
      result.replaceChildren();
      go.disabled = true;
      try {
        const body = { url: url.value.trim(), tls: tls.checked, user: user.value.trim() };
        if (coin.value.trim()) body.coin = coin.value.trim();
        if (pass.value) body.pass = pass.value;
        result.append(checkLines(await post("/pools/check", body, { timeoutMs: 60_000 })));
      } catch (error) {
        showError(form, error);
      }
      go.disabled = false;
    };
    const form = h(
      "form",
      { onsubmit: submit, oninput: tell },
      field("url", "Address", url),
      h("p", {}, h("label", {}, tls, "TLS")),
      field("user", "Wallet or user", user),
      field("pass", "Password", pass),
      field("coin", "Coin", coin, "With it, the wallet is checked as an address of this coin."),
      failure(),
      command,
      result,
      h("p", { class: "buttons" }, h("button", { type: "button", onclick: () => close() }, "Close"), go),
    );
    tell();
    return form;
  });
}
