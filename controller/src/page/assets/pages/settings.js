// This controller: how it is, who may use its API, and what keeps the farm if it is lost.

import { get, may, needs, part, post, remove, scope } from "../api.js";
import { asCommand, confirm, copyable, dialog, failed, quoted } from "../dialog.js";
import { h, show } from "../dom.js";
import { expiry, expiryWord, shownOnce } from "../enrol.js";
import { clearErrors, failure, field, showError } from "../form.js";
import { age, count, duration, moment, state } from "../format.js";
import { listTable } from "../list.js";
import { loaded } from "../loaded.js";

const PARTS = { ready: "mining", off: "quiet", failing: "red" };
const SCOPES = ["read", "operate", "admin"];

export async function open(place) {
  const section = (title, ms, load, draw, button = null) => {
    const body = h("div");
    place.root.append(h("section", {}, h("div", { class: "head" }, h("h2", {}, title), button && h("div", { class: "right" }, button)), body));
    return loaded(place, body, ms, load, draw);
  };
  place.root.append(h("div", { class: "head" }, h("h1", {}, "Settings"), h("div", { class: "right" }, h("small", {}, `This session: ${scope}`))));
  section("This controller", 5_000, (options) => get("/node/info", {}, options), node);
  section("Its parts", 5_000, ready, parts);
  apiTokens(section);
  place.root.append(
    h("section", {}, h("div", { class: "head" }, h("h2", {}, "Another device"), h("div", { class: "right" }, h("button", { type: "button", ...needs("admin"), onclick: invite }, "Make a login address"))), h("p", { class: "quiet" }, "An address at which a browser logs in, once and within 15 minutes."), asCommand("miner-ctrl login --scope read")),
    h("section", {}, h("h2", {}, "Backup"), h("p", {}, "All of this controller, with its keys, rigs, profiles and tokens, in one encrypted file. Keep it away from this machine."), asCommand("miner-ctrl backup --out farm.backup")),
  );
  section("Recovery key", 30_000, recovery, recoveryKey);
  section("Options", 600_000, (options) => get("/options", {}, options), optionsTable);
  const api = (href, text) => h("li", {}, h("a", { href, target: "_blank", rel: "noopener" }, text));
  place.root.append(h("section", {}, h("h2", {}, "For programs"), h("ul", {}, api("/api/v1/mining/openapi.json", "Description of the API (OpenAPI)"), api("/metrics", "Figures for Prometheus"))));
}

const pairs = (rows) => h("dl", { class: "pairs" }, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
// A listener is lost where a node is made equal to another: what copies is kept as it is.
const kept = (key, node) => h("div", { "data-key": key, "data-kept": true }, node);

function node(info) {
  const { identity } = info;
  return pairs([
    ["Name", identity.name ?? "–"],
    ["Fingerprint", identity.fingerprint ? kept(`fingerprint ${identity.fingerprint}`, copyable(identity.fingerprint, "Copy the fingerprint")) : "–"],
    ["Rigs dial in at", info.listen ?? "–"],
    ["Runs for", duration(Number.isFinite(info.uptime) ? info.uptime * 1000 : null)],
    ["Rigs", `${count(info.connectedPeers)} of ${count(info.registeredPeers)} connected`],
    ["Schema of its data", count(info.schema)],
  ]);
}

// A controller that is not ready says so with 503 and the same parts.
async function ready(options) {
  try {
    return await get("/ready", {}, options);
  } catch (error) {
    if (Array.isArray(error.problem?.components)) return error.problem;
    throw error;
  }
}

function parts(answer) {
  return listTable([["Part"], ["State"], ["Why", "wrap"]], answer.components.map((one) => h("tr", { "data-key": one.name }, h("th", { scope: "row" }, one.name), h("td", {}, state(one.status, PARTS[one.status])), h("td", {}, one.reason ?? "–"))));
}

// ---- API tokens ----

function apiTokens(section) {
  let refresh = () => {};
  const make = async () => {
    await newApiToken();
    refresh();
  };
  const revoke = async (token) => {
    const yes = await confirm({ title: `Revoke ${token.label ?? token.id}`, lines: ["Its next request is refused."], verb: "Revoke the token", tone: "danger", command: `miner-ctrl api-token revoke ${token.id}` });
    if (!yes) return;
    try {
      await remove(`/api-tokens/${part(token.id)}`);
    } catch (error) {
      failed("The token is not revoked", error);
    }
    refresh();
  };
  const row = (token) =>
    h("tr", { "data-key": token.id }, h("th", { scope: "row" }, token.label ?? h("code", {}, token.id)), h("td", {}, token.scope), h("td", {}, token.state), h("td", { title: moment(token.createdAt) }, moment(token.createdAt)), h("td", {}, Number.isFinite(token.expiresInMs) ? `in ${duration(token.expiresInMs)}` : token.expiresAt ? moment(token.expiresAt) : "never"), h("td", {}, age(token.lastUsedAgeMs)), h("td", {}, h("button", { type: "button", ...needs("admin"), onclick: () => revoke(token) }, "Revoke")));
  const draw = (tokens) => {
    if (tokens === null) return h("p", { class: "quiet" }, "Who may use the API is shown to a session with the scope admin: ", h("code", {}, "miner-ctrl login --scope admin"));
    return tokens.length ? listTable([["Token"], ["Scope"], ["State"], ["Made"], ["Expires"], ["Last used"], ["", "verbs"]], tokens.map(row), { cards: true }) : h("p", { class: "quiet" }, "No API tokens. A program that uses the API needs one.");
  };
  refresh = section("API tokens", 15_000, (options) => (may("admin") ? get("/api-tokens", {}, options) : null), draw, h("button", { type: "button", ...needs("admin"), onclick: make }, "Make an API token")) ?? refresh;
}

const scopes = () => h("select", { value: "read" }, SCOPES.map((one) => h("option", { value: one }, one)));

// A form in a dialog that sends what `said` gives to `path`; gives the answer, or null.
function ask(title, path, verb, fields, said, words) {
  return dialog(title, (close) => {
    const command = h("div");
    const tell = () => show(command, h("div", { "data-key": words() }, asCommand(words())));
    const submit = async (event) => {
      event.preventDefault();
      clearErrors(form);
      try {
        close(await post(path, said()));
      } catch (error) {
        showError(form, error);
      }
    };
    const form = h("form", { onsubmit: submit, oninput: tell }, fields, failure(), command, h("p", { class: "buttons" }, h("button", { type: "button", onclick: () => close() }, "Cancel"), h("button", { class: "primary", type: "submit" }, verb)));
    tell();
    return form;
  });
}

async function newApiToken() {
  const which = scopes();
  const label = h("input", { autocomplete: "off", spellcheck: "false" });
  const expires = expiry("until it is revoked");
  const said = () => ({ scope: which.value, ...(label.value.trim() && { label: label.value.trim() }), ...(expires.value && { expiresSecs: Number(expires.value) }) });
  const words = () => ["miner-ctrl api-token create", `--scope ${which.value}`, label.value.trim() && `--label ${quoted(label.value.trim())}`, expires.value && `--expires ${expiryWord(expires.value)}`].filter(Boolean).join(" ");
  const made = await ask("Make an API token", "/api-tokens", "Make the token", [field("scope", "What it may do", which), field("label", "What to call it", label), field("expiresSecs", "Good for", expires)], said, words);
  if (made) await shownOnce("The API token", made.token, "the token");
}

async function invite() {
  const which = scopes();
  const made = await ask("A login address for another device", "/logins", "Make the address", [field("scope", "What the session may do", which)], () => ({ scope: which.value }), () => `miner-ctrl login --scope ${which.value}`);
  if (made) await shownOnce("The login address", made.url, "the address", h("p", {}, `Good for one login within ${duration(made.expiresInMs)}, with the scope ${made.scope}.`));
}

// ---- recovery ----

async function recovery(options) {
  try {
    return { key: await get("/node/recovery", {}, options) };
  } catch (error) {
    if (error.status === 404) return { key: null };
    throw error;
  }
}

function recoveryKey({ key }) {
  if (!key) return h("div", { "data-key": "none" }, h("p", { class: "amber" }, "There is none: if this controller or its key is lost, every rig must be introduced again by hand."), kept("create", asCommand("miner-ctrl node recovery create --out recovery.key")));
  return pairs([["Id", h("code", {}, key.id)], ["Made", moment(key.madeAt)], ["Pinned by", count(key.pinned)], ["Yet to hear of it", count(key.pending)], ["Refused by", count(key.refused)]]);
}

// ---- options ----

function optionsTable(options) {
  const range = (one) => one.choices?.join(", ") ?? (one.minimum != null || one.maximum != null ? `${count(one.minimum)} to ${count(one.maximum)}` : one.form ?? "–");
  const heads = [["Option"], ["Of"], ["Type"], ["Range", "wrap"], ["Default"], ["Restart"], ["What it does", "wide"]];
  const rows = options.map((one) => h("tr", { "data-key": `${one.of} ${one.key}` }, h("th", { scope: "row" }, h("code", {}, one.key)), h("td", {}, one.of), h("td", {}, one.type), h("td", {}, range(one)), h("td", {}, one.default ?? "–"), h("td", {}, one.restart ? "needed" : "no"), h("td", {}, one.help)));
  return listTable(heads, rows, { cards: true });
}
