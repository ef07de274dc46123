// Pools that profiles name: who is told to use them, who is on them, and what they take.

import { get, needs, post } from "../api.js";
import { asCommand, dialog, quoted } from "../dialog.js";
import { h, show } from "../dom.js";
import { age, count, exactHashrate, hashrate, milliseconds, percent, short, state } from "../format.js";
import { clearErrors, failure, field, showError } from "../form.js";
import { loaded } from "../loaded.js";

const HEADS = ["Pool", "State", "Profiles", "Rigs on it", "Hash rate", "Accepted", "Rejected", "Stale", "Difficulty", "Last share", "Failovers"];
const WORDS_AT_LEFT = 3;
const STATES = { ok: ["ok", "mining"], someAway: ["some rigs away", "amber"], unused: ["unused", "quiet"], unknown: ["unknown", "quiet"] };

export async function open(place) {
  const body = h("div");
  place.root.append(h("div", { class: "head" }, h("h1", {}, "Pools"), h("div", { class: "right" }, h("button", { type: "button", ...needs("admin"), onclick: () => check() }, "Check a pool"))), body);
  loaded(place, body, 5_000, (options) => get("/pools", {}, options), draw);
}

function draw(answer) {
  const pools = answer;
  if (pools.length === 0) return h("div", { class: "empty" }, h("p", {}, "No profile names a pool yet. ", h("a", { href: "/profiles" }, "Make a profile"), " with a pool's address and your wallet."));
  return h("div", { class: "scroll", tabindex: "0" }, h("table", {}, h("thead", {}, h("tr", {}, HEADS.map((text, at) => h("th", { scope: "col", class: at < WORDS_AT_LEFT ? null : "num" }, text)))), h("tbody", {}, pools.map(row))));
}

function row(pool) {
  const known = [pool.accepted, pool.rejected, pool.stale].filter(Number.isFinite);
  const all = known.reduce((sum, value) => sum + value, 0);
  const shares = (value) => h("td", { class: "num", title: count(value) }, short(value), " ", h("small", {}, percent(value, all)));
  const { difficultyLowest: low, difficultyHighest: high } = pool;
  const profiles = (pool.profiles ?? []).map((one) => h("a", { href: `/profiles/${encodeURIComponent(one.id ?? one)}` }, one.name ?? one));
  return h(
    "tr",
    { "data-key": pool.url },
    h("th", { scope: "row", title: pool.url }, pool.url, " ", h("small", {}, pool.tls === true ? "TLS" : pool.tls === false ? "no TLS" : "–")),
    h("td", {}, state(...(STATES[pool.state] ?? [pool.state]))),
    h("td", { class: "wrap" }, profiles.length ? profiles.flatMap((one, at) => (at ? [", ", one] : [one])) : "–"),
    h("td", { class: "num" }, `${count(pool.rigsOn)} of ${count(pool.rigsTold)}`),
    h("td", { class: "num", title: exactHashrate(pool.hashrate) }, hashrate(pool.hashrate)),
    shares(pool.accepted),
    shares(pool.rejected),
    shares(pool.stale),
    h("td", { class: "num", title: `${count(low)} to ${count(high)}` }, low === high ? short(low) : `${short(low)} – ${short(high)}`),
    h("td", { class: "num" }, age(pool.lastShareAgeMs)),
    h("td", { class: "num" }, count(pool.failovers)),
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
        result.append(found(await post("/pools/check", body, { timeoutMs: 60_000 })));
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

function found(answer) {
  const yes = (value) => (value === true ? "yes" : value === false ? "no" : "–");
  const rows = [["Reachable", yes(answer.reachable)], ["Time to connect", milliseconds(answer.connectMs)], ["TLS", yes(answer.tls)], ["Logged in", yes(answer.loggedIn)], ["Gave a job", yes(answer.job)], ["Difficulty", count(answer.difficulty)], ["Height", count(answer.height)], ["Algorithm", answer.algorithm ?? "–"], ["Wallet", [yes(answer.walletValid), answer.walletNote && ` (${answer.walletNote})`]]];
  return h("div", {}, answer.error && h("p", { class: "red" }, answer.error), answer.note && h("p", { class: "amber" }, answer.note), h("dl", { class: "pairs" }, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}
