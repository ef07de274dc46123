// Logs of up to six rigs at once, merged by time. Which ones stands in the address: ?rigs=a,b.

import { get, part } from "../api.js";
import { asCommand, quoted } from "../dialog.js";
import { h, show } from "../dom.js";
import { LogBook, MINER, follow, logView } from "../loglines.js";
import { selectorField } from "../selector.js";

// Each is asked each 2 s, and more than six cannot be read by a person.
const MAX_RIGS = 6;

export async function open(place) {
  const book = new LogBook();
  // Node ID → {id, name, error, end}
  const chosen = new Map();
  const changed = ({ level, text }) => place.setQuery({ level, text });
  const view = logView(book, { withRigs: true, level: place.query.get("level") ?? "trace", text: place.query.get("text") ?? "", changed, fileName: "console" });

  const entry = selectorField({ names: true, label: "Add rigs: a name or a selector", placeholder: "a rig, or such as group=shed", onSelect: (text) => add(text) });
  const said = h("p", { class: "small", role: "status" });
  const chips = h("ul", { class: "chips", "aria-label": "Rigs whose logs are shown" });
  const below = h("div", {});
  place.root.append(h("div", { class: "head" }, h("h1", {}, "Console")), entry.node, said, chips, below, view.node);

  // Adds the rig of this name, or the rigs that a selector takes. A failure is said at the field.
  async function add(text) {
    const words = text.trim();
    if (!words) return;
    said.textContent = "";
    try {
      const found = await find(words);
      const fresh = found.rigs.filter(({ id }) => !chosen.has(id));
      const room = MAX_RIGS - chosen.size;
      for (const rig of fresh.slice(0, room)) begin(rig);
      const left = fresh.length > room || found.matched > found.rigs.length;
      if (found.matched === 0) said.textContent = `No rig is taken by ${words}.`;
      else if (left) said.textContent = `${found.matched} rigs are taken by ${words}; up to ${MAX_RIGS} are shown at once.`;
      entry.done(words);
    } catch (error) {
      if (place.signal.aborted) return;
      entry.fault(error);
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
