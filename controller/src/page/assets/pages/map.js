// The farm as a map: a cell per rig, in racks by site and group. One canvas draws ten thousand of them;
// the sentence above it and the table beside it say the same to those who do not see it.

import { get, part, search } from "../api.js";
import { h, show } from "../dom.js";
import { OLD_MS, count, duration, hashrate, percent } from "../format.js";
import { listTable } from "../list.js";
import { selectorField } from "../selector.js";

const EVERY_MS = 10_000;
// Edges of a cell in px, the largest that fits is taken; between cells; heights of headings.
const CELLS = [44, 34, 26, 20, 16, 13, 10, 8];
const GAP = 2;
const RACK_HEAD = 18;
const SITE_HEAD = 26;
const RACK_GAP = 16;
const RACK_WIDTH = 84;

// Colours run from orange to blue through a neutral one, which every kind of colour blindness keeps apart, and each class
// has a mark besides. The colours of the classes are in page.css. `of(rig)` gives the place of its class.
const MODES = {
  rate: {
    title: "Hash rate",
    unknown: "without three twins to compare with, or not mining",
    classes: [
      { color: "--map-low", mark: "cross", text: "below 50 %" },
      { color: "--map-lower", mark: "slash", text: "50 to 89 %" },
      { color: "--map-even", mark: null, text: "90 to 110 % of its twins" },
      { color: "--map-high", mark: "dot", text: "above 110 %" },
    ],
    of: ({ percent: value }) => (value === null ? null : value < 50 ? 0 : value < 90 ? 1 : value <= 110 ? 2 : 3),
  },
  age: {
    title: "Last word",
    classes: [
      { color: "--map-even", mark: null, text: "up to 20 s ago" },
      { color: "--map-lower", mark: "slash", text: "up to 10 min ago" },
      { color: "--map-low", mark: "cross", text: "longer ago" },
    ],
    of: ({ age }) => (age === null ? null : age <= OLD_MS ? 0 : age <= 600_000 ? 1 : 2),
  },
  state: {
    title: "State",
    classes: [
      { color: "--map-even", mark: null, text: "mining" },
      { color: "--map-calm", mark: "bars", text: "resting, starting or filling" },
      { color: "--map-lower", mark: "slash", text: "no pool, degraded or behind" },
      { color: "--map-low", mark: "cross", text: "failed or refused" },
    ],
    of: ({ state }) => {
      if (state === "mining") return 0;
      if (["noPool", "degraded", "behind", "pending"].includes(state)) return 2;
      if (["failed", "refused"].includes(state)) return 3;
      return state === "unknown" ? null : 1;
    },
  },
};
const OFFLINE = { color: "--quiet", mark: "empty", text: "offline" };
const UNKNOWN = { color: "--quiet", mark: "unknown" };

export async function open(place) {
  const asked = place.query.get("by");
  let mode = asked in MODES ? asked : "rate";
  // Until somebody chooses: a farm whose rigs have no twins is shown by state.
  let isChosen = asked in MODES;
  let racks = [];
  // Where everything is: {x, y, rack, at} of each cell, with the place of its rack in `racks`. It stays while `shape` does.
  let laid = { cells: [], size: CELLS[0], height: 0, heads: [] };
  let shape = "";
  // The class that each cell was drawn with, and the pictures of the classes; empty when all has to be drawn anew.
  let drawn = [];
  let stamps = new Map();
  let focus = -1;

  const canvas = h("canvas", { tabindex: "0", role: "application", "aria-label": "Map of rigs: arrow keys move, Enter opens", "aria-describedby": "map-summary" });
  const tip = h("p", { class: "map-tip", "aria-live": "polite", hidden: true });
  const ring = h("div", { class: "map-ring", hidden: true });
  const field = h("div", { class: "map-field", id: "map-field", "data-kept": true }, canvas, ring, tip);
  const summary = h("p", { id: "map-summary" });
  const legend = h("ul", { class: "map-legend", "aria-label": "Legend" });
  const side = h("section", { class: "map-racks" });
  const tabs = h("div", { class: "tabs", role: "group", "aria-label": "Coloured by" });
  const chosen = selectorField({
    value: place.query.get("select") ?? "",
    onSelect: (select) => {
      place.setQuery({ select });
      focus = -1;
      ask();
    },
  });
  place.root.append(h("div", { class: "head" }, h("h1", {}, "Map"), tabs), chosen.node, summary, legend, h("div", { class: "wide-left" }, field, side));

  function switches() {
    show(tabs, Object.entries(MODES).map(([name, { title }]) => h("button", { type: "button", "aria-pressed": String(name === mode), onclick: () => choose(name) }, title)));
    show(legend, [...MODES[mode].classes, OFFLINE, { ...UNKNOWN, text: MODES[mode].unknown ?? "not known" }].map((one) => h("li", { "data-key": one.text }, swatch(one), one.text)));
  }

  function choose(name) {
    mode = name;
    isChosen = true;
    place.setQuery({ by: name });
    switches();
    draw();
  }

  // Another theme has other colours.
  function repaint() {
    drawn = [];
    stamps = new Map();
    switches();
    draw();
  }

  // ---- what is where ----

  function lay() {
    const width = Math.max(160, field.clientWidth);
    const room = Math.max(320, innerHeight * 0.7);
    const next = JSON.stringify([width, room, devicePixelRatio, racks.map(({ site, group, ids }) => [site, group, ids.length])]);
    if (next === shape) return;
    shape = next;
    drawn = [];
    stamps = new Map();
    for (const size of CELLS) {
      laid = arrange(width, size);
      if (laid.height <= room) break;
    }
  }

  // Racks stand beside each other until a line is full; a site begins a new line.
  function arrange(width, size) {
    const step = size + GAP;
    const cells = [];
    const heads = [];
    let [x, y, tall, site] = [0, 0, 0, undefined];
    for (const [place, rack] of racks.entries()) {
      const many = rack.ids.length;
      const most = Math.floor(width / step);
      const columns = Math.min(most, Math.max(Math.ceil(RACK_WIDTH / step), Math.ceil(Math.sqrt(many * 1.6))));
      const wide = columns * step;
      if (rack.site !== site) {
        y += tall + (tall ? RACK_GAP : 0);
        heads.push({ x: 0, y, width, text: rack.site ?? "No site", strong: true });
        [x, tall, site] = [0, 0, rack.site];
        y += SITE_HEAD;
      } else if (x + wide > width && x > 0) {
        y += tall + RACK_GAP;
        [x, tall] = [0, 0];
      }
      heads.push({ x, y, width: wide + RACK_GAP - 6, text: rack.group ?? "no group" });
      for (let at = 0; at < many; at += 1) cells.push({ x: x + (at % columns) * step, y: y + RACK_HEAD + Math.floor(at / columns) * step, rack: place, at });
      tall = Math.max(tall, RACK_HEAD + Math.ceil(many / columns) * step);
      x += wide + RACK_GAP;
    }
    return { cells, heads, size, width, height: y + tall };
  }

  const rig = ({ rack, at }) => {
    const { ids, names, states, hashrates, ages, percents } = racks[rack];
    return { id: ids[at], name: names[at], state: states[at], hashrate: hashrates[at], age: ages[at], percent: percents[at] };
  };

  function look(one) {
    if (one.state === "offline") return OFFLINE;
    const at = MODES[mode].of(one);
    return at === null ? UNKNOWN : MODES[mode].classes[at];
  }

  // ---- drawing ----

  function draw() {
    const { size, cells } = laid;
    if (!laid.width) return;
    const scale = devicePixelRatio || 1;
    const pen = canvas.getContext("2d");
    if (drawn.length === 0) begin(pen, scale);
    // One picture per class, stamped, and only where it has changed: most rigs do what they did before.
    for (let at = 0; at < cells.length; at += 1) {
      const cell = cells[at];
      const kind = look(rig(cell));
      if (drawn[at] === kind) continue;
      if (!stamps.has(kind)) stamps.set(kind, stamp(kind, size, scale));
      if (drawn[at]) pen.clearRect(cell.x, cell.y, size, size);
      pen.drawImage(stamps.get(kind), cell.x, cell.y, size, size);
      drawn[at] = kind;
    }
    if (focus >= 0) mark();
  }

  // An empty canvas with the headings.
  function begin(pen, scale) {
    const { width, height, heads } = laid;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(Math.max(1, height) * scale);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    pen.scale(scale, scale);
    const [ink, quiet] = [color("--text"), color("--quiet")];
    for (const { x, y, width: most, text, strong } of heads) {
      pen.font = strong ? "600 13px system-ui, sans-serif" : "12px system-ui, sans-serif";
      pen.fillStyle = strong ? ink : quiet;
      pen.fillText(shorten(pen, text, most), x, y + (strong ? 15 : 12));
    }
  }

  // ---- pointing ----

  function point(at) {
    if (at === focus) return;
    focus = at;
    mark();
  }

  // The ring and the words of the cell that has the focus: nothing is drawn anew for them.
  function mark() {
    const cell = laid.cells[focus];
    tip.hidden = !cell;
    ring.hidden = !cell;
    if (!cell) return;
    ring.style.left = `${cell.x - 2}px`;
    ring.style.top = `${cell.y - 2}px`;
    ring.style.width = ring.style.height = `${laid.size + 4}px`;
    const one = rig(cell);
    const facts = [one.state === "noPool" ? "no pool" : one.state, hashrate(one.hashrate)];
    if (one.percent !== null) facts.push(`${one.percent} % of its twins`);
    facts.push(one.age === null ? "never heard of" : `${duration(one.age)} ago`);
    show(tip, h("b", {}, one.name), ` ${facts.join(" · ")}`);
    const left = Math.min(cell.x, Math.max(0, laid.width - tip.offsetWidth));
    const over = cell.y > tip.offsetHeight + 8;
    tip.style.left = `${left}px`;
    tip.style.top = over ? `${cell.y - tip.offsetHeight - 4}px` : `${cell.y + laid.size + 4}px`;
  }

  function under(event) {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const step = laid.size + GAP;
    return laid.cells.findIndex((cell) => x >= cell.x && x < cell.x + step && y >= cell.y && y < cell.y + step);
  }

  // The nearest cell above or below: first the nearest line, then the nearest in it.
  function vertical(down) {
    const here = laid.cells[focus];
    let best = focus;
    let least = Infinity;
    laid.cells.forEach((cell, at) => {
      const away = down ? cell.y - here.y : here.y - cell.y;
      const far = away * 10_000 + Math.abs(cell.x - here.x);
      if (away > 0 && far < least) [best, least] = [at, far];
    });
    return best;
  }

  const openAt = (at) => laid.cells[at] && place.go(`/rigs/${part(rig(laid.cells[at]).id)}`);
  canvas.onpointermove = (event) => point(under(event));
  canvas.onpointerleave = () => point(-1);
  canvas.onclick = (event) => openAt(under(event));
  canvas.onblur = () => point(-1);
  canvas.onkeydown = (event) => {
    const last = laid.cells.length - 1;
    if (last < 0) return;
    if (event.key === "Enter") return openAt(focus);
    if (event.key === "Escape") return point(-1);
    const to = { ArrowRight: () => Math.min(last, focus + 1), ArrowLeft: () => Math.max(0, focus - 1), ArrowDown: () => (focus < 0 ? 0 : vertical(true)), ArrowUp: () => (focus < 0 ? 0 : vertical(false)), Home: () => 0, End: () => last }[event.key];
    if (!to) return;
    event.preventDefault();
    point(to());
    const cell = laid.cells[focus];
    const box = canvas.getBoundingClientRect();
    const main = document.getElementById("page");
    const seen = main.getBoundingClientRect();
    // The page follows the cell that has the focus.
    if (box.top + cell.y < seen.top + 48) main.scrollTop += box.top + cell.y - seen.top - 48;
    if (box.top + cell.y > seen.bottom - 64) main.scrollTop += box.top + cell.y - seen.bottom + 64;
  };

  // ---- words ----

  function words() {
    const all = sum(racks);
    const select = place.query.get("select");
    if (all.rigs === 0) {
      show(summary, select ? ["No rig is taken by ", h("code", {}, select), "."] : ["No rigs yet: ", h("a", { href: "/start" }, "the first steps"), "."]);
    } else {
      const trouble = [];
      if (all.offline) trouble.push(`${count(all.offline)} offline`);
      if (all.slow) trouble.push(`${count(all.slow)} below 90 % of their twins`);
      show(summary, `${count(all.rigs)} rigs in ${count(racks.length)} ${racks.length === 1 ? "rack" : "racks"}, ${count(all.online)} online, together ${hashrate(all.hashrate)}${trouble.length ? `; ${trouble.join(", ")}` : ""}.`);
    }
    const rows = racks.map((rack) => {
      const { rigs, online, hashrate: rate } = sum([rack]);
      const select = [rack.site && `site=${rack.site}`, rack.group && `group=${rack.group}`].filter(Boolean).join(" ");
      const name = [rack.site ?? "no site", rack.group ?? "no group"].join(" / ");
      return h("tr", { "data-key": name }, h("th", { scope: "row", title: name }, select ? h("a", { href: `/workers${search({ select })}` }, name) : name), h("td", {}, count(rigs)), h("td", { class: online < rigs ? "amber" : null, title: percent(online, rigs) }, count(online)), h("td", {}, hashrate(rate)));
    });
    show(side, h("h2", {}, "Racks"), listTable([["Site / group"], ["Rigs", "num"], ["Online", "num"], ["Hash rate", "num"]], rows));
    side.hidden = all.rigs === 0;
    legend.hidden = all.rigs === 0;
    field.hidden = all.rigs === 0;
  }

  const again = () => {
    lay();
    draw();
  };
  const ask = place.every(EVERY_MS, async () => {
    try {
      ({ racks } = await get("/map", { select: place.query.get("select") }, { signal: place.signal }));
      chosen.fault(null);
    } catch (error) {
      if (place.signal.aborted) return;
      // What was seen last stays; a selector that is wrong is said at its field.
      if (error.status === 400) chosen.fault(error);
      else if (racks.length === 0) show(summary, h("span", { class: "red" }, error.line ?? error.message));
      throw error;
    }
    const better = racks.some(({ percents }) => percents.some((value) => value !== null)) ? "rate" : "state";
    if (!isChosen && mode !== better) {
      mode = better;
      switches();
    }
    words();
    again();
  });

  switches();
  const fit = new ResizeObserver(() => field.clientWidth && field.clientWidth !== laid.width && again());
  fit.observe(field);
  const theme = new MutationObserver(repaint);
  theme.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint, { signal: place.signal });
  place.signal.addEventListener("abort", () => {
    fit.disconnect();
    theme.disconnect();
  });
}

// What racks come to; a hash rate that nobody told is unknown.
function sum(racks) {
  const all = { rigs: 0, online: 0, offline: 0, slow: 0, hashrate: null };
  for (const { states, hashrates, percents } of racks) {
    states.forEach((state, at) => {
      all.rigs += 1;
      if (state === "offline") {
        all.offline += 1;
        return;
      }
      all.online += 1;
      if (hashrates[at] !== null) all.hashrate = (all.hashrate ?? 0) + hashrates[at];
      if (percents[at] !== null && percents[at] < 90) all.slow += 1;
    });
  }
  return all;
}

// A colour of page.css as the canvas takes it: of this theme, not the pair of both.
function color(name) {
  const probe = h("span", { hidden: true });
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function shorten(pen, text, most) {
  if (pen.measureText(text).width <= most) return text;
  let end = text.length;
  while (end > 1 && pen.measureText(`${text.slice(0, end)}…`).width > most) end -= 1;
  return `${text.slice(0, end)}…`;
}

// The picture of a class, for a cell or the legend.
function stamp(kind, size, scale) {
  const canvas = h("canvas", { width: Math.round(size * scale), height: Math.round(size * scale) });
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const own = color(kind.color);
  const ground = color("--ground");
  pen.lineWidth = size >= 13 ? 2 : 1.5;
  const line = (...points) => {
    pen.beginPath();
    points.forEach(([x, y], at) => (at ? pen.lineTo(x * size, y * size) : pen.moveTo(x * size, y * size)));
    pen.stroke();
  };
  if (kind.mark === "empty" || kind.mark === "unknown") {
    pen.strokeStyle = own;
    pen.lineWidth = 1;
    if (kind.mark === "unknown") pen.setLineDash([2, 2]);
    pen.strokeRect(0.5, 0.5, size - 1, size - 1);
    if (kind.mark === "empty") line([0, 1], [1, 0]);
    return canvas;
  }
  pen.fillStyle = own;
  pen.fillRect(0, 0, size, size);
  pen.strokeStyle = ground;
  pen.fillStyle = ground;
  if (kind.mark === "cross") {
    line([0.2, 0.2], [0.8, 0.8]);
    line([0.8, 0.2], [0.2, 0.8]);
  } else if (kind.mark === "slash") {
    line([0.2, 0.8], [0.8, 0.2]);
  } else if (kind.mark === "bars") {
    line([0.36, 0.2], [0.36, 0.8]);
    line([0.64, 0.2], [0.64, 0.8]);
  } else if (kind.mark === "dot") {
    pen.fillRect(size * 0.36, size * 0.36, size * 0.28, size * 0.28);
  }
  return canvas;
}

function swatch(kind) {
  const canvas = stamp(kind, 14, devicePixelRatio || 1);
  canvas.style.width = "14px";
  canvas.style.height = "14px";
  canvas.setAttribute("aria-hidden", "true");
  // Not changed in place: a canvas is equal to no other.
  canvas.setAttribute("data-key", `${kind.text} ${performance.now()}`);
  return canvas;
}
