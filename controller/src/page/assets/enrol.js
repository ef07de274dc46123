// How rigs come to the farm: added by address, by a token, or admitted after they have waited.
// Secrets are shown once and live no longer than the dialog that shows them.

import { get, may, needs, part, post, remove } from "./api.js";
import { asCommand, confirm, copyable, dialog, failed, quoted, toast } from "./dialog.js";
import { fill, h, show } from "./dom.js";
import { clearErrors, failure, field, showError } from "./form.js";
import { UNKNOWN, age, count, duration, moment } from "./format.js";
import { listTable } from "./list.js";
import { hear, loaded } from "./loaded.js";
import { qrCode } from "./qr.js";

// A secret that is shown once: its text, the same as a QR code, and what to do with it.
export function shownOnce(title, text, what, ...after) {
  return dialog(title, (close) => [
    h("p", {}, "This is shown once. Whoever has it can use it; it is gone when this closes."),
    h("p", {}, copyable(text, `Copy ${what}`)),
    qrCode(text, what),
    after,
    h("p", { class: "buttons" }, h("button", { type: "button", class: "primary", onclick: () => close(true) }, "Done")),
  ]);
}

// ---- a rig by its address or fingerprint ----

// Gives the peer that was added, or null.
export function addPeer({ address = "", name = "" } = {}) {
  return dialog("Add a rig", (close) => {
    const inputs = {
      address: h("input", { value: address, placeholder: "10.0.0.41:9091", autocomplete: "off", spellcheck: "false" }),
      name: h("input", { value: name, autocomplete: "off", spellcheck: "false" }),
      pairingCode: h("input", { autocomplete: "off", spellcheck: "false" }),
      fingerprint: h("input", { class: "mono", autocomplete: "off", spellcheck: "false" }),
    };
    const go = h("button", { class: "primary", type: "submit", ...needs("operate") }, "Add the rig");
    const found = h("div", { role: "status" });
    const command = h("div");
    const said = () => Object.fromEntries(Object.entries(inputs).map(([key, input]) => [key, input.value.trim()]).filter(([, text]) => text));
    const tell = () => {
      const body = said();
      const words = ["miner-ctrl peer add"];
      if (body.address) words.push(`--address ${quoted(body.address)}`);
      if (body.name) words.push(`--name ${quoted(body.name)}`);
      // A pairing code is a secret: the command reads it from standard input.
      if (body.pairingCode) words.push("--pair-file -");
      if (body.fingerprint) words.push(`--fingerprint ${quoted(body.fingerprint)}`);
      show(command, asCommand(words.join(" ")));
    };
    const submit = async (event) => {
      event.preventDefault();
      clearErrors(form);
      show(found);
      go.disabled = true;
      try {
        const peer = await post("/peers", said(), { timeoutMs: 60_000 });
        toast(`${peer.name} is added`);
        close(peer);
      } catch (error) {
        if (error.problem?.fingerprint && !inputs.fingerprint.value) offer(error.problem.fingerprint);
        else showError(form, error);
      }
      go.disabled = !may("operate");
    };
    // Nobody has compared it yet: the person does, and what they confirm is what is sent.
    const offer = (fingerprint) => {
      const same = () => {
        inputs.fingerprint.value = fingerprint;
        tell();
        form.requestSubmit();
      };
      show(found, h("p", {}, "A rig answers there with this fingerprint. Compare it with the rig's console:"), h("p", {}, h("code", {}, fingerprint)), h("p", { class: "buttons" }, h("button", { type: "button", onclick: same }, "It is the same: add the rig")));
    };
    const form = h(
      "form",
      { onsubmit: submit, oninput: tell },
      field("address", "Address", inputs.address, "Where the rig listens. Leave it out for a rig that dials in; then give its fingerprint."),
      field("name", "Name", inputs.name, "Without it, what the rig calls itself."),
      field("pairingCode", "Pairing code", inputs.pairingCode, "As the rig's console shows it."),
      field("fingerprint", "Or fingerprint", inputs.fingerprint, "Without both, the fingerprint that is found is shown to compare."),
      found,
      failure(),
      command,
      h("p", { class: "buttons" }, h("button", { type: "button", onclick: () => close() }, "Cancel"), go),
    );
    tell();
    return form;
  });
}

// ---- rigs that wait ----

// A section with the rigs that wait for approval.
export function pendingPanel(place) {
  const body = h("div");
  const row = (rig) =>
    h(
      "tr",
      { "data-key": rig.id },
      h("th", { scope: "row", title: rig.name }, rig.name),
      h("td", {}, h("code", {}, rig.fingerprint)),
      h("td", { title: rig.software }, rig.host),
      h("td", {}, rig.from ?? "–"),
      h("td", {}, h("code", {}, rig.token)),
      h("td", {}, age(rig.ageMs)),
      h("td", {}, h("button", { type: "button", ...needs("operate"), onclick: () => approve(rig) }, "Approve"), " ", h("button", { type: "button", ...needs("operate"), onclick: () => deny(rig) }, "Deny")),
    );
  const draw = (rigs) =>
    rigs.length === 0
      ? h("p", { class: "quiet" }, "No rig waits for approval.")
      : listTable([["Rig"], ["Fingerprint", "wide"], ["Host"], ["From"], ["Token"], ["Waits"], ["", "verbs"]], rigs.map(row), { cards: true });
  const refresh = loaded(place, body, 15_000, (options) => get("/pending", {}, options), draw);
  hear(place, ["enrolPending", "enrolled", "enrolRefused", "peerAdded", "peerRemoved"], refresh);

  const approve = async (rig) => {
    const done = await dialog(`Approve ${rig.name}`, (close) => {
      const name = h("input", { value: rig.name, autocomplete: "off", spellcheck: "false" });
      // Under its own name it enters also if a peer has that by now: the controller makes it another one.
      const other = () => (name.value.trim() === rig.name ? "" : name.value.trim());
      const command = h("div");
      name.oninput = () => fill(command, asCommand(`miner-ctrl peer approve ${rig.id}${other() && ` --name ${quoted(other())}`}`));
      name.oninput();
      const submit = async (event) => {
        event.preventDefault();
        try {
          close(await post(`/pending/${part(rig.id)}/approve`, other() ? { name: other() } : {}));
        } catch (error) {
          showError(form, error);
        }
      };
      const form = h(
        "form",
        { onsubmit: submit },
        h("p", {}, "Compare this fingerprint with the rig's console:"),
        h("p", {}, h("code", {}, rig.fingerprint)),
        field("name", "Name", name),
        failure(),
        command,
        h("p", { class: "buttons" }, h("button", { type: "button", onclick: () => close() }, "Cancel"), h("button", { class: "primary", type: "submit" }, "Approve the rig")),
      );
      return form;
    });
    if (done) toast(`${done.name} is admitted`);
    refresh();
  };
  const deny = async (rig) => {
    const lines = [`${rig.name} (${rig.fingerprint}) is refused, and its key until it is forgotten.`];
    const yes = await confirm({ title: `Deny ${rig.name}`, lines, verb: "Deny the rig", tone: "danger", command: `miner-ctrl peer deny ${rig.id}` });
    if (!yes) return;
    try {
      await remove(`/pending/${part(rig.id)}`);
      toast(`${rig.name} is denied`);
    } catch (error) {
      failed(`${rig.name} is not denied`, error);
    }
    refresh();
  };
  return h("section", { class: "pending" }, h("h2", {}, "Waiting for approval"), body);
}

// ---- rigs that boot over the network ----

// A section with how far they have come; not there while none boots.
export function bootsPanel(place) {
  const body = h("div");
  const section = h("section", { class: "boots", hidden: true }, h("h2", {}, "Booting over the network"), body);
  const file = ({ file, percent }) => [file ?? UNKNOWN, percent === null ? "" : ` ${percent} %`];
  const row = (boot) =>
    h(
      "tr",
      { "data-key": boot.mac },
      h("th", { scope: "row" }, h("code", {}, boot.mac)),
      h("td", { title: boot.reason }, boot.reason ? h("span", { class: "red" }, `△ ${boot.step}`) : boot.step),
      h("td", {}, file(boot)),
      h("td", {}, age(boot.ageMs, { after: " ago" })),
      h("td", {}, boot.rigId ? h("a", { href: `/rigs/${boot.rigId}` }, boot.rig) : UNKNOWN),
    );
  const draw = (boots) => {
    section.hidden = boots.length === 0;
    return listTable([["Network card"], ["Step"], ["File"], ["When"], ["Rig"]], boots.map(row), { cards: true });
  };
  loaded(place, body, 5_000, (options) => get("/boots", {}, options), draw);
  return section;
}

// ---- tokens ----

const EXPIRY = [["An hour", 3_600, "1h"], ["A day", 86_400, "24h"], ["A week", 604_800, "7d"], ["30 days", 2_592_000, "30d"], ["A year", 31_536_000, "365d"]];
export const expiry = (never = null) => h("select", { value: never ? "" : "86400" }, never && h("option", { value: "" }, never), EXPIRY.map(([text, seconds]) => h("option", { value: seconds }, text)));
export const expiryWord = (seconds) => EXPIRY.find((one) => one[1] === Number(seconds))?.[2];
const TOKEN_STATES = { active: "active", suspended: "suspended", expired: "expired", usedUp: "used up" };

// A section with the enrolment tokens.
export function tokensPanel(place) {
  const body = h("div");
  const row = (token) =>
    h(
      "tr",
      { "data-key": token.id, class: token.state === "active" ? null : "away" },
      h("th", { scope: "row" }, token.label ?? h("code", {}, token.id)),
      h("td", {}, TOKEN_STATES[token.state] ?? token.state),
      h("td", {}, `${count(token.left)} of ${count(token.uses)}`),
      h("td", { title: moment(token.expiresAt) }, token.state === "active" ? `in ${duration(token.expiresInMs)}` : "–"),
      h("td", {}, token.group ?? "–"),
      h("td", {}, token.namePattern ?? "–"),
      h("td", {}, token.from ?? "anywhere"),
      h("td", {}, token.approve ? "at once" : "by a person", token.ephemeral && ", ephemeral"),
      h("td", {}, h("button", { type: "button", ...needs("admin"), onclick: () => revoke(token) }, token.state === "suspended" ? "Delete" : "Revoke")),
    );
  const draw = (tokens) =>
    tokens.length === 0
      ? h("p", { class: "quiet" }, "No tokens. A rig that starts with one comes to the farm by itself.")
      : listTable([["Token"], ["State"], ["Uses left", "num"], ["Expires"], ["Group"], ["Names"], ["From"], ["Admitted"], ["", "verbs"]], tokens.map(row), { cards: true });
  const refresh = loaded(place, body, 15_000, (options) => get("/tokens", {}, options), draw);
  hear(place, ["tokenCreated", "tokenRevoked", "enrolled", "enrolPending"], refresh);
  const create = async () => {
    await newToken();
    refresh();
  };
  const revoke = async (token) => {
    const lines = ["No rig can come by it any more. Rigs that came by it stay."];
    const yes = await confirm({ title: `Revoke ${token.label ?? token.id}`, lines, verb: "Revoke the token", tone: "danger", command: `miner-ctrl token revoke ${token.id}` });
    if (!yes) return;
    try {
      await remove(`/tokens/${part(token.id)}`);
    } catch (error) {
      failed("The token is not revoked", error);
    }
    refresh();
  };
  return h("section", { class: "tokens" }, h("div", { class: "head" }, h("h2", {}, "Enrolment tokens"), h("div", { class: "right" }, h("button", { type: "button", ...needs("admin"), onclick: create }, "Make a token"))), body);
}

// Asks for what a token shall be, makes it and shows it once; null if none was made.
export async function newToken() {
  const made = await dialog("Make a token", (close) => {
    const text = (placeholder = null) => h("input", { placeholder, autocomplete: "off", spellcheck: "false" });
    const label = text();
    const uses = h("input", { type: "number", min: 1, value: 1 });
    const expires = expiry();
    const group = text();
    const namePattern = text("shed-*");
    const from = text("10.0.0.0/8");
    const approve = h("input", { type: "checkbox", checked: true });
    const ephemeral = h("input", { type: "checkbox" });
    const command = h("div");
    const said = () => {
      const body = { uses: Number(uses.value), expiresSecs: Number(expires.value), approve: approve.checked, ephemeral: ephemeral.checked };
      for (const [key, input] of Object.entries({ label, group, namePattern, from })) if (input.value.trim()) body[key] = input.value.trim();
      return body;
    };
    const tell = () => {
      const body = said();
      const flags = [`--uses ${body.uses}`, `--expires ${expiryWord(body.expiresSecs)}`];
      for (const [flag, key] of [["name", "label"], ["group", "group"], ["name-pattern", "namePattern"], ["from", "from"]]) if (body[key]) flags.push(`--${flag} ${quoted(body[key])}`);
      if (!body.approve) flags.push("--pending");
      if (body.ephemeral) flags.push("--ephemeral");
      show(command, asCommand(`miner-ctrl token create ${flags.join(" ")}`));
    };
    const submit = async (event) => {
      event.preventDefault();
      try {
        close(await post("/tokens", said()));
      } catch (error) {
        showError(form, error);
      }
    };
    const form = h(
      "form",
      { onsubmit: submit, oninput: tell },
      field("label", "What to call it", label),
      field("uses", "How many rigs may come by it", uses),
      field("expiresSecs", "Good for", expires),
      field("group", "Group that rigs get", group),
      field("namePattern", "Names that rigs must have", namePattern),
      field("from", "Network that rigs must dial from", from),
      h("p", {}, h("label", {}, approve, "Admit rigs at once; otherwise each waits for approval")),
      h("p", {}, h("label", {}, ephemeral, "Entries vanish 10 minutes after their link was lost (rigs without a disk)")),
      failure(),
      command,
      h("p", { class: "buttons" }, h("button", { type: "button", onclick: () => close() }, "Cancel"), h("button", { class: "primary", type: "submit" }, "Make the token")),
    );
    tell();
    return form;
  });
  if (!made) return null;
  const info = await get("/node/info").catch(() => null);
  // The token goes to standard input: a command line is seen by everybody on the rig.
  await shownOnce("The token", made.token, "the token", h("p", {}, "On a rig, run this, paste the token and press Enter, then Ctrl-D:"), h("p", {}, copyable(`miner node serve --controller ${whereToDial(info)} --token-file -`, "Copy the command")));
  return { id: made.id };
}

// Where rigs dial in; a controller that listens everywhere is reached as this page is.
function whereToDial(info) {
  const [, host, port] = /^(.*):(\d+)$/.exec(info?.listen ?? "") ?? [null, "0.0.0.0", "9091"];
  if (!["0.0.0.0", "[::]"].includes(host)) return `${host}:${port}`;
  const local = ["127.0.0.1", "localhost", "[::1]"].includes(location.hostname);
  return `${local ? "HOST" : location.hostname}:${port}`;
}
