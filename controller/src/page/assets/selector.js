// The field in which a selector is written, with what may come next under it: keys, the values that this
// farm has, and where wanted the rigs' names. The grammar is the controller's: what it does not understand it
// says itself.

import { get } from "./api.js";
import { fill, h } from "./dom.js";

const KEYS = {
  name: "as the table shows it",
  group: "label",
  site: "label",
  tag: "label",
  state: "what it does",
  profile: "what it was told",
  hashrate: "over 10 s, such as hashrate<12.5kH",
  cpu: "processor, such as cpu~5950X",
  cpus: "logical processors",
  pool: "that it is logged in to",
  pages: "behind its memory",
  mode: "of RandomX",
  rtt: "last ping, such as rtt>100ms",
  score: "0 to 100",
  seen: "last heard of, such as seen>1h",
  uptime: "such as uptime<10m",
  version: "of its program",
  software: "such as software=miner*",
  host: "system and architecture",
  address: "where it is dialled",
  role: "in the farm",
  trust: "how its key was confirmed",
  id: "node ID",
  generation: "number of its wish",
};
const WORDS = {
  state: ["online", "offline", "mining", "degraded", "filling", "starting", "noPool", "paused", "stopped", "failed", "refused", "behind", "pending", "unknown", "drift"],
  role: ["worker", "dual"],
  trust: ["pairing", "fingerprint", "tofu", "token"],
  mode: ["fast", "light"],
  pages: ["huge1G", "huge2M", "transparent", "small"],
};
// What labels and profiles there are is asked again after this long.
const KNOWN_MS = 30_000;
const SHOWN = 12;

// onSelect(text) is called once a selector was entered: by Enter, by leaving the field, or emptied. With
// `names` a bare word may be a rig's name.
export function selectorField({ value = "", onSelect, names = false, label = "Which rigs: a selector", placeholder = "all, or such as state=offline" }) {
  const list = h("ul", { id: "selector-list", role: "listbox", hidden: true });
  const input = h("input", {
    id: "selector",
    type: "search",
    value,
    role: "combobox",
    "aria-expanded": "false",
    "aria-controls": "selector-list",
    "aria-autocomplete": "list",
    "aria-label": label,
    placeholder,
    autocomplete: "off",
    spellcheck: "false",
  });
  const said = h("p", { class: "error small", role: "alert" });
  const values = { ...WORDS };
  let entered = value;
  let chosen = -1;
  let offers = [];
  let asked = -Infinity;
  let turn = 0;

  async function learn() {
    if (performance.now() - asked < KNOWN_MS) return;
    asked = performance.now();
    const known = (labels) => labels.map(({ name }) => name).filter(Boolean);
    try {
      const [groups, profiles] = await Promise.all([get("/groups"), get("/profiles")]);
      Object.assign(values, { group: known(groups.groups), site: known(groups.sites), tag: known(groups.tags), profile: profiles.map(({ id }) => id) });
    } catch {
      // Without them there is less to complete.
      asked = -Infinity;
    }
  }

  // The term that the caret is in: where it begins, its key, sign, and the value that is being written.
  function term() {
    const before = input.value.slice(0, input.selectionStart ?? input.value.length);
    // A blank in quotes ends no term.
    const text = /(?:[^\s"]|"[^"]*"?)*$/.exec(before)[0];
    const parts = /^(!?)([a-z]*)(!?[=~]|[<>]=?)(.*)$/is.exec(text);
    const start = before.length - text.length;
    if (!parts) return { start, text };
    const last = parts[4].lastIndexOf(",") + 1;
    return { start, text, key: parts[2].toLowerCase(), head: parts[1] + parts[2] + parts[3] + parts[4].slice(0, last), value: parts[4].slice(last) };
  }

  async function offer() {
    turn += 1;
    const mine = turn;
    const { start, text, key, head, value: written } = term();
    const begins = (word, part) => word.toLowerCase().startsWith(part.toLowerCase());
    if (key === undefined) {
      const bare = text.replace(/^!/, "");
      const not = text.startsWith("!") ? "!" : "";
      offers = Object.keys(KEYS).filter((name) => begins(name, bare)).map((name) => ({ text: `${not}${name}=`, note: KEYS[name], start, goesOn: true }));
    } else {
      const bare = written.replace(/^"/, "");
      offers = (values[key] ?? []).filter((word) => begins(word, bare) && word !== bare).map((word) => ({ text: head + (/^[\w.-]+$/.test(word) ? word : `"${word}"`), label: word, start }));
    }
    offers = offers.slice(0, SHOWN);
    chosen = -1;
    draw();
    if (!names || key !== undefined || text === "") return;
    const rigs = await rigsNamed(text);
    // What somebody has gone to stays where it is.
    if (mine !== turn || chosen >= 0) return;
    offers = [...rigs.map((name) => ({ text: name, start })), ...offers].slice(0, SHOWN);
    draw();
  }

  // Without names there is less to complete.
  const rigsNamed = (text) => get("/table", { select: `name~${/^[\w.-]+$/.test(text) ? text : JSON.stringify(text)}`, limit: SHOWN }).then(({ rows }) => rows.map(({ name }) => name), () => []);

  function shut() {
    turn += 1;
    offers = [];
    draw();
  }

  function draw() {
    const isOpen = offers.length > 0 && document.activeElement === input;
    list.hidden = !isOpen;
    input.setAttribute("aria-expanded", String(isOpen));
    if (isOpen && chosen >= 0) input.setAttribute("aria-activedescendant", `selector-${chosen}`);
    else input.removeAttribute("aria-activedescendant");
    fill(list, offers.map(({ text, label = text, note }, at) => h("li", { id: `selector-${at}`, role: "option", "aria-selected": String(at === chosen), onpointerdown: (event) => take(event, at) }, h("code", {}, label), note && h("small", {}, ` ${note}`))));
  }

  function take(event, at) {
    event.preventDefault();
    const { text, start, goesOn } = offers[at];
    const rest = input.value.slice(input.selectionStart ?? input.value.length);
    const made = text + (goesOn || rest.startsWith(" ") ? "" : " ");
    input.value = input.value.slice(0, start) + made + rest;
    input.setSelectionRange(start + made.length, start + made.length);
    if (goesOn) return offer();
    shut();
    enter();
  }

  function enter() {
    const text = input.value.trim();
    if (text === entered) return;
    entered = text;
    fault(null);
    onSelect(text);
  }

  // What the controller said about it.
  function fault(error) {
    said.textContent = error ? (error.line ?? error.message) : "";
    if (error) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }

  input.onfocus = () => learn().then(() => document.activeElement === input && chosen < 0 && offer());
  input.oninput = () => (input.value === "" ? (enter(), offer()) : offer());
  input.onblur = () => {
    shut();
    enter();
  };
  input.onkeydown = (event) => {
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && offers.length > 0) {
      event.preventDefault();
      const by = event.key === "ArrowDown" ? 1 : -1;
      chosen = (chosen + by + offers.length + (chosen === -1 && by === -1 ? 1 : 0)) % offers.length;
      draw();
    } else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0) take(event, chosen);
    else if (event.key === "Enter") {
      shut();
      enter();
    } else if (event.key === "Escape" && !list.hidden) {
      event.stopPropagation();
      shut();
    }
  };

  return {
    node: h("div", { class: "selector", "data-kept": true, id: "selector-field" }, input, list, said),
    fault,
    isWrong: () => said.textContent !== "",
    // Empties the field once these words are done with; what somebody wrote meanwhile stays.
    done(words) {
      if (input.value.trim() === words) input.value = "";
      if (entered === words) entered = "";
    },
    set(text) {
      input.value = entered = text;
      fault(null);
    },
  };
}

// A selector without its terms about this key, and with another one in their place.
export function withTerm(select, key, term) {
  const terms = select.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? [];
  const isAbout = (text) => new RegExp(`^!?${key}(!?[=~]|[<>])`, "i").test(text);
  return [...terms.filter((text) => !isAbout(text) && text !== "all"), term].filter(Boolean).join(" ");
}
