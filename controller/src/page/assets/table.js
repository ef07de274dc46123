// A table of any length of which only what is looked at exists: windows of rows come from the controller,
// sorted there, and a cell is made anew only when what it shows has changed.
//
//   const table = makeTable(place, { name, label, columns, load, card, href, empty, sort });
//   place.root.append(table.node);
//
// columns: [{ id, title, width, cell(row), of(row)?, sort?, descends?, num?, hidden?, always? }]
//   The first is the row's name. `of` gives what a cell depends on, else it is row[id]; `sort` is the
//   controller's name of the column (null: none), `descends` that its largest come first.
// load({ offset, limit, sort, signal }) gives { matched, rows }, rows have id and name.
// card(row) gives the lines of a row where the page is narrow, `cardLines` of them, two if it is not said.

import { dialog } from "./dialog.js";
import { fill, h } from "./dom.js";
import { count } from "./format.js";
import { together } from "./live.js";

const ROW_PX = 32;
const CARD_LINE_PX = 20;
const CARD_EDGE_PX = 16;
// Rows that exist above and below those that are seen.
const SPARE = 8;
// Rows that are asked for before somebody scrolls to them.
const AHEAD = 48;
// Rows of one request, at most as many as the controller gives.
const WINDOW = 100;
// Rows that are kept around those that are seen.
const KEPT = 600;
// Rows that one shift-click takes at most.
const RANGE = 2_000;
// Statistics of a rig come each 10 s; what somebody does is asked for at once.
const REFRESH_MS = 4_000;
// A pointer that rests longer than this does not keep rows in their places.
const REST_MS = 15_000;

export function makeTable(place, options) {
  const { label, columns, load, card, href, empty, onSort, onPick, selectable = true, onMatched, cardLines = 2 } = options;
  const narrow = matchMedia("(max-width: 760px)");
  const stored = remembered(options.name);
  const shown = new Set(columns.filter(({ id, hidden, always }) => always || (stored ? stored.includes(id) : !hidden)).map(({ id }) => id));
  // By place in the order: {row, at}. `at` is when it came, so that ages can be told apart from changes.
  const rows = new Map();
  // By place: the element with what its cells were made of.
  const made = new Map();
  const picked = new Map();
  const except = new Set();
  const asked = new Map();
  let all = false;
  let anchor = null;
  let current = null;
  let sort = options.sort ?? columns[0].sort ?? columns[0].id;
  let matched = null;
  let turn = 0;
  let isStale = false;
  // Whether the controller did not understand what was asked: it is not asked again until that changes.
  let isMisunderstood = false;
  let pointed = -Infinity;
  let frame = 0;
  // What is seen, as of the last look: to ask while something has just changed would have it all laid out twice.
  let seenFrom = 0;
  let seenHeight = 0;
  let latest = null;

  const above = h("td");
  const below = h("td");
  const body = h("tbody");
  const head = h("thead");
  const widths = h("colgroup");
  const grid = h("table", { "aria-label": label }, widths, head, h("tbody", { "aria-hidden": "true", class: "space" }, h("tr", {}, above)), body, h("tbody", { "aria-hidden": "true", class: "space" }, h("tr", {}, below)));
  const box = h("div", { class: "window", tabindex: "-1" }, grid);
  const said = h("div", { role: "status" });
  const node = h("div", { class: "virtual", "data-kept": true, id: `table-${options.name}` }, said, box);

  const height = () => (narrow.matches ? cardLines * CARD_LINE_PX + CARD_EDGE_PX : ROW_PX);
  const visible = () => columns.filter(({ id }) => shown.has(id));
  const isPicked = (id) => (all ? !except.has(id) : picked.has(id));

  // ---- what is seen ----

  function span() {
    const px = height();
    const first = Math.max(0, Math.floor(seenFrom / px) - SPARE);
    const seen = Math.ceil((seenHeight || 600) / px) + 2 * SPARE;
    return [first, Math.min(matched ?? 0, first + seen)];
  }

  function look() {
    frame = 0;
    seenFrom = box.scrollTop;
    seenHeight = box.clientHeight;
    draw();
  }

  function draw() {
    if (matched === null) return;
    const [first, end] = span();
    const px = height();
    for (const [at, one] of made) {
      if (at >= first && at < end) continue;
      one.node.remove();
      made.delete(at);
    }
    let before = null;
    for (let at = first; at < end; at += 1) {
      const one = made.get(at) ?? add(at);
      const next = before ? before.nextSibling : body.firstChild;
      if (next !== one.node) body.insertBefore(one.node, next);
      before = one.node;
      update(one, at);
    }
    // Spacers of the same height as before are not touched.
    setHeight(above, first * px);
    setHeight(below, Math.max(0, matched - end) * px);
    want(first, end);
  }

  const later = () => (frame ||= requestAnimationFrame(look));

  function add(at) {
    const one = { node: h("tr", { "aria-rowindex": at + 2, tabindex: "-1" }), cells: null, of: [], row: null };
    one.node.place = at;
    made.set(at, one);
    return one;
  }

  // Makes an element show its row, or that the row is on its way.
  function update(one, at) {
    const known = rows.get(at);
    const marks = `${known && isPicked(known.row.id) ? "picked" : ""} ${at === current ? "current" : ""} ${known && known.row.connected === false ? "away" : ""} ${known ? "" : "wait"}`;
    if (one.marks !== marks) {
      one.marks = marks;
      one.node.className = marks;
      if (selectable) one.node.setAttribute("aria-selected", String(Boolean(known && isPicked(known.row.id))));
    }
    if (!known) {
      if (one.row !== null || !one.cells) {
        one.row = null;
        one.cells = [h("td", { colspan: narrow.matches ? 1 : shown.size }, "…")];
        fill(one.node, one.cells);
      }
      return;
    }
    const { row } = known;
    const list = narrow.matches ? [CARD] : visible();
    if (one.row?.id !== row.id || one.cells?.length !== list.length) {
      one.of = [];
      one.cells = list.map((column, index) => h(index === 0 ? "th" : "td", { scope: index === 0 ? "row" : null, class: column.num ? "num" : null }));
      fill(one.node, one.cells);
    }
    if (one.known === known && one.ticked === isPicked(row.id)) return;
    one.row = row;
    one.known = known;
    one.ticked = isPicked(row.id);
    for (const [index, column] of list.entries()) {
      const of = String(column.of ? column.of(row) : row[column.id]) + (index === 0 ? one.ticked : "") + row.isOld;
      if (one.of[index] === of) continue;
      one.of[index] = of;
      const cell = one.cells[index];
      fill(cell, index === 0 && selectable && tick(row, at), column.cell(row));
      cell.title = column.full?.(row) ?? "";
    }
  }

  const CARD = { id: "card", of: (row) => JSON.stringify([card(row).key]), cell: (row) => h("div", { class: "card" }, card(row).lines) };

  function tick(row, at) {
    const input = h("input", { type: "checkbox", tabindex: "-1", "aria-label": `Select ${row.name}`, checked: isPicked(row.id) });
    input.checked = isPicked(row.id);
    input.onclick = (event) => pick(at, event.shiftKey);
    return input;
  }

  function heads() {
    const list = visible();
    fill(widths, list.map(({ width = 96 }) => wide(h("col"), width)));
    grid.style.minWidth = narrow.matches ? "" : `${list.reduce((sum, { width = 96 }) => sum + width, 0)}px`;
    const whole = selectable && h("input", { type: "checkbox", "aria-label": "Select all rigs that match" });
    if (whole) {
      whole.checked = all && except.size === 0;
      whole.indeterminate = !whole.checked && number() > 0;
      whole.onclick = () => pickAll(whole.checked);
    }
    const cells = list.map((column, index) => {
      const by = column.sort === null ? null : (column.sort ?? column.id);
      const order = by === null ? null : sort === by ? "ascending" : sort === `-${by}` ? "descending" : "none";
      const arrow = { ascending: " ↑", descending: " ↓" }[order];
      const title = by === null ? column.title : h("button", { type: "button", class: "sorts", onclick: () => sortBy(by, column.descends) }, column.title, arrow && h("span", { "aria-hidden": "true" }, arrow));
      return h("th", { scope: "col", class: column.num ? "num" : null, "aria-sort": order, title: column.about }, index === 0 && whole, title);
    });
    fill(head, h("tr", { "aria-rowindex": "1" }, cells));
    above.colSpan = below.colSpan = Math.max(1, list.length);
    node.classList.toggle("narrow", narrow.matches);
    node.style.setProperty("--row", `${height()}px`);
  }

  function says() {
    grid.setAttribute("aria-rowcount", matched === null ? "-1" : String(matched + 1));
    box.hidden = matched === null || matched === 0;
    fill(said, matched === 0 && empty());
  }

  // ---- rows come ----

  // Asks for those of these rows, and of some around them, that nobody asked for yet.
  function want(from, to) {
    const [first, end] = [Math.max(0, from - AHEAD), Math.min(matched, to + AHEAD)];
    for (let offset = Math.floor(first / WINDOW) * WINDOW; offset < end; offset += WINDOW) {
      let isKnown = true;
      for (let at = Math.max(first, offset); at < Math.min(end, offset + WINDOW); at += 1) isKnown &&= rows.has(at);
      if (!isKnown && !asked.has(offset)) fetchRows(offset, WINDOW, false).catch(() => {});
    }
  }

  async function fetchRows(offset, limit, isRefresh) {
    const mine = turn;
    if (!isRefresh) asked.set(offset, true);
    try {
      const view = await load({ offset, limit, sort, signal: place.signal });
      if (mine !== turn) return;
      latest = view;
      take(view, offset, isRefresh);
    } finally {
      if (mine === turn) asked.delete(offset);
    }
  }

  // Under a pointer that moves rows stay where they are: only what they say changes.
  function take(view, offset, isRefresh) {
    if (isStale) {
      isStale = false;
      rows.clear();
      box.scrollTop = seenFrom = 0;
      matched = null;
    }
    const isHeld = isRefresh && box.matches(":hover") && performance.now() - pointed < REST_MS && view.matched === matched;
    const now = new Map(view.rows.map((row) => [row.id, row]));
    const came = performance.now();
    view.rows.forEach((row, index) => {
      const before = rows.get(offset + index);
      const next = { row: (isHeld && before ? now.get(before.row.id) : row) ?? before.row, at: came };
      if (!before || !saysTheSame(before, next)) rows.set(offset + index, next);
    });
    const isOther = matched !== view.matched;
    matched = view.matched;
    for (const at of rows.keys()) if (at >= matched || Math.abs(at - offset) > KEPT) rows.delete(at);
    if (isOther) says();
    onMatched?.(view);
    if (isRefresh && !isOther) together(draw);
    else draw();
  }

  async function refresh() {
    if (isMisunderstood) return;
    const [first, end] = matched === null ? [0, WINDOW] : span();
    await fetchRows(isStale ? 0 : first, isStale ? WINDOW : Math.max(1, Math.min(200, end - first || WINDOW)), true).catch(wrong);
  }

  // Rows that were seen stay; the page says that nobody answers. A question that is not understood is said here.
  function wrong(error) {
    if (place.signal.aborted || error.name === "AbortError") return;
    isMisunderstood = error.status === 400;
    if (options.onError?.(error)) return;
    if (matched === null || error.status === 400) fill(said, h("p", { class: "red" }, error.line ?? error.message));
  }

  // Begins anew: another sort, another selector.
  function reset() {
    turn += 1;
    asked.clear();
    // What is seen stays until the first answer: nothing jumps.
    isStale = true;
    isMisunderstood = false;
    current = anchor = null;
    heads();
    return fetchRows(0, WINDOW, true).catch(wrong);
  }

  function sortBy(by, descends) {
    const [one, other] = descends ? [`-${by}`, by] : [by, `-${by}`];
    sort = sort === one ? other : one;
    onSort?.(sort);
    reset();
  }

  // ---- which rows are selected ----

  const number = () => (all ? Math.max(0, (matched ?? 0) - except.size) : picked.size);

  function told() {
    heads();
    draw();
    onPick?.(number());
  }

  async function pick(at, isRange) {
    const one = rows.get(at)?.row;
    if (!one) return;
    const to = !isPicked(one.id);
    const from = isRange && anchor !== null ? anchor : at;
    anchor = at;
    const some = from === at ? [one] : await between(Math.min(from, at), Math.max(from, at));
    for (const { id, name } of some) {
      if (all) (to ? except.delete(id) : except.add(id));
      else if (to) picked.set(id, name);
      else picked.delete(id);
    }
    told();
  }

  async function between(first, last) {
    const end = Math.min(last + 1, first + RANGE);
    for (let at = first; at < end; at += 1) if (!rows.has(at)) await fetchRows(at, 200, false);
    return Array.from({ length: end - first }, (_, index) => rows.get(first + index)?.row).filter(Boolean);
  }

  function pickAll(isAll) {
    all = isAll;
    picked.clear();
    except.clear();
    told();
  }

  // Whom an action is about, as act() takes it; `select` is what the table shows.
  function chosen(select) {
    if (!all) return { ids: [...picked.keys()], names: [...picked.values()] };
    const but = except.size > 0 ? `id!=${[...except].join(",")}` : "";
    return { select: [select === "all" && but ? "" : select, but].filter(Boolean).join(" ") || "all" };
  }

  // ---- hands ----

  box.addEventListener("scroll", later, { passive: true });
  box.addEventListener("pointermove", () => (pointed = performance.now()), { passive: true });
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (!row || event.target.closest("a, button, input, label") || String(getSelection())) return;
    const known = rows.get(row.place);
    current = row.place;
    if (known && href) place.go(href(known.row));
  });
  document.addEventListener("keydown", keys, { signal: place.signal });

  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest?.("input:not([type=checkbox]), select, textarea")) return;
    if (event.key === "j" || event.key === "k") move(event.key === "j" ? 1 : -1);
    else if (event.key.toLowerCase() === "x" && selectable && current !== null) pick(current, event.shiftKey);
    else if (event.key === "Enter" && current !== null && href && !event.target.closest?.("a, button")) {
      const known = rows.get(current);
      if (known) place.go(href(known.row));
    } else if (event.key === "Escape" && number() > 0) pickAll(false);
  }

  function move(by) {
    if (!matched) return;
    const px = height();
    current = Math.min(matched - 1, Math.max(0, current === null ? Math.ceil(box.scrollTop / px) : current + by));
    const under = narrow.matches ? 0 : ROW_PX;
    const top = current * px;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + px > box.scrollTop + box.clientHeight - under) box.scrollTop = top + px - box.clientHeight + under;
    look();
    made.get(current)?.node.focus({ preventScroll: true });
  }

  // Which columns are there, and by what rows are sorted (narrow pages have no heads to click).
  function choose() {
    return dialog("Columns", () => {
      const boxes = columns.map((column) => {
        const input = h("input", { type: "checkbox", checked: shown.has(column.id), disabled: column.always });
        input.onchange = () => {
          if (input.checked) shown.add(column.id);
          else shown.delete(column.id);
          remember(options.name, [...shown]);
          again();
        };
        return h("label", {}, input, column.about ?? column.title);
      });
      const sorts = columns.filter((column) => column.sort !== null).flatMap(({ id, sort: by = id, title, about }) => [
        h("option", { value: by }, `${about ?? title}, smallest first`),
        h("option", { value: `-${by}` }, `${about ?? title}, largest first`),
      ]);
      const order = h("select", { value: sort }, sorts);
      order.value = sort;
      order.onchange = () => {
        sort = order.value;
        onSort?.(sort);
        reset();
      };
      return [h("label", { class: "field" }, h("span", {}, "Sorted by"), order), h("fieldset", { class: "choices" }, h("legend", {}, "Columns, remembered in this browser"), boxes)];
    });
  }

  function again() {
    fill(body);
    made.clear();
    heads();
    draw();
  }

  narrow.addEventListener("change", again, { signal: place.signal });
  const size = new ResizeObserver(later);
  size.observe(box);
  place.signal.addEventListener("abort", () => size.disconnect());
  heads();
  says();
  const poll = place.every(REFRESH_MS, refresh);

  return {
    node,
    reset,
    refresh: poll,
    chosen,
    pickAll,
    number,
    chooser: h("button", { type: "button", onclick: choose }, "Columns"),
    get matched() {
      return matched;
    },
    get latest() {
      return latest;
    },
  };
}

// Moments that are less apart are one.
const AGE_MS = 4_000;

// The moment that an age counts from, coarse enough to be the same from answer to answer.
export const since = (ms) => (ms === null || ms === undefined ? "" : Math.round((performance.now() - ms) / AGE_MS));

// Whether two answers say the same of a rig: ages that only went on are no change.
function saysTheSame(one, other) {
  return Object.entries(other.row).every(([name, value]) => {
    const before = one.row[name];
    if (/ageMs$/i.test(name) && before !== null && value !== null) return Math.abs(one.at - before - (other.at - value)) < AGE_MS;
    return before === value || (Array.isArray(value) && String(before) === String(value));
  });
}

// "Select 118 rigs" in words for a bar.
export const pickedWords = (number) => `${count(number)} selected`;

function setHeight(cell, px) {
  const text = `${px}px`;
  if (cell.style.height !== text) cell.style.height = text;
  const row = cell.parentNode;
  if (row.hidden !== (px === 0)) row.hidden = px === 0;
}

function wide(col, px) {
  col.style.width = `${px}px`;
  return col;
}

function remembered(name) {
  try {
    return JSON.parse(localStorage.getItem(`table.${name}`));
  } catch {
    return null;
  }
}

function remember(name, ids) {
  try {
    localStorage.setItem(`table.${name}`, JSON.stringify(ids));
  } catch {
    // Without storage it holds until the page is loaded again.
  }
}
