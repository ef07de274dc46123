// Logs of up to six rigs at once, merged by time. Which ones stands in the address: ?rigs=a,b.

import { selector } from "../app.js";
import { get, part } from "../api.js";
import { asCommand, quoted } from "../dialog.js";
import { h, show } from "../dom.js";
import { LogBook, MINER, follow, logView } from "../loglines.js";

// Each is asked each 2 s, and more than six cannot be read by a person.
const MAX_RIGS = 6;

export async function open(place) {
  const book = new LogBook();
  // Node ID → {id, name, error, end}
  const chosen = new Map();
  const changed = ({ level, text }) => place.setQuery({ level, text });
  const view = logView(book, { withRigs: true, level: place.query.get("level") ?? "trace", text: place.query.get("text") ?? "", changed, fileName: "console" });

  const names = h("datalist", { id: "console-names" });
  const entry = h("input", { id: "console-add", type: "text", list: "console-names", placeholder: "rig-1 or group=shed", autocomplete: "off", spellcheck: "false", "aria-describedby": "console-said", oninput: () => suggest() });
  const said = h("p", { id: "console-said", class: "small", role: "status" });
  const submit = (event) => {
    event.preventDefault();
    add(entry.value);
  };
  const form = h("form", { class: "console-add", "data-kept": true, id: "console-form", onsubmit: submit }, h("label", { for: "console-add" }, "Add rigs"), entry, names, h("button", { type: "submit" }, "Add"), said);
  const chips = h("ul", { class: "chips", "aria-label": "Rigs whose logs are shown" });
  const below = h("div", {});
  place.root.append(h("div", { class: "head" }, h("h1", {}, "Console"), form), chips, below, view.node);

  let turn = 0;
  async function suggest() {
    const mine = ++turn;
    const text = entry.value.trim();
    if (!text || /[=~<>!]/.test(text)) return;
    try {
      const { rows } = await get("/table", { select: selector(text), limit: 10 }, { signal: place.signal });
      if (mine === turn) show(names, rows.map((row) => h("option", { value: row.name })));
    } catch {
      // Without suggestions the name can still be typed.
    }
  }

  // Adds the rig of this name, or the rigs that a selector takes. A failure is said at the field.
  async function add(text) {
    const words = text.trim();
    if (!words) return;
    entry.removeAttribute("aria-invalid");
    said.className = "small";
    said.textContent = "";
    try {
      const found = await find(words);
      const fresh = found.rigs.filter(({ id }) => !chosen.has(id));
      const room = MAX_RIGS - chosen.size;
      for (const rig of fresh.slice(0, room)) begin(rig);
      const left = fresh.length > room || found.matched > found.rigs.length;
      if (found.matched === 0) said.textContent = `No rig is taken by ${words}.`;
      else if (left) said.textContent = `${found.matched} rigs are taken by ${words}; up to ${MAX_RIGS} are shown at once.`;
      entry.value = "";
    } catch (error) {
      if (place.signal.aborted) return;
      entry.setAttribute("aria-invalid", "true");
      said.className = "small red";
      said.textContent = error.line ?? error.message;
    }
    tell();
  }

  async function find(words) {
    const { signal } = place;
    if (/[=~<>!]/.test(words)) {
      const { rows, matched } = await get("/table", { select: words, limit: MAX_RIGS }, { signal });
      return { rigs: rows, matched };
    }
    return { rigs: [await get(`/peers/${part(words)}`, {}, { signal })], matched: 1 };
  }

  function begin({ id, name, connected }) {
    const end = new AbortController();
    const rig = { id, name, connected, error: null, end };
    chosen.set(id, rig);
    follow(book, { id, name, isThere: () => rig.connected }, AbortSignal.any([place.signal, end.signal]), (error) => {
      const line = error && (error.line ?? error.message);
      if (rig.error === line) return;
      rig.error = line;
      tell();
    });
  }

  function drop(rig) {
    rig.end.abort();
    chosen.delete(rig.id);
    book.forget(rig.name);
    tell();
  }

  function tell() {
    const rigs = [...chosen.values()];
    // A name with a comma would fall apart in the address.
    place.setQuery({ rigs: rigs.map(({ id, name }) => (name.includes(",") ? id : name)).join(",") || null, select: null });
    show(
      chips,
      rigs.map((rig) =>
        h(
          "li",
          { "data-key": rig.id, class: rig.error ? "amber" : null },
          h("a", { href: `/rigs/${part(rig.id)}` }, rig.name),
          rig.error && h("span", { class: "what" }, ` ○ ${rig.error}`),
          h("button", { class: "plain", type: "button", "aria-label": `Take ${rig.name} away`, onclick: () => drop(rig) }, "✕"),
        ),
      ),
    );
    view.node.hidden = rigs.length === 0;
    show(
      below,
      rigs.length === 0 && h("p", { class: "empty" }, "No rig is chosen yet: type a name, or a selector such as ", h("code", {}, "state=failed"), ", and press Enter."),
      rigs.length === 1 && asCommand(`miner-ctrl remote logs --follow ${quoted(rigs[0].name)} ${MINER}`),
    );
  }

  // Whether they have a link, so that nobody is asked in vain.
  place.every(5_000, async () => {
    if (chosen.size === 0) return;
    const { rows } = await get("/table", { select: `id=${[...chosen.keys()].join(",")}`, limit: MAX_RIGS }, { signal: place.signal });
    for (const { id, connected } of rows) if (chosen.has(id)) chosen.get(id).connected = connected;
  });

  const first = [...(place.query.get("rigs") ?? "").split(","), place.query.get("select") ?? ""].filter(Boolean);
  tell();
  for (const words of first) await add(words);
}
