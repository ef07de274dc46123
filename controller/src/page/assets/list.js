// Short tables, of which all rows are there.

import { h } from "./dom.js";

//   listTable([["Pool"], ["Hash rate", "num"], ["", "verbs"]], rows, { cards: true })
// Each head with the class of its cells; one without words is of buttons. With `cards` each row becomes a card
// where there is no room for all columns, and each cell says its head.
export function listTable(heads, rows, { cards = false } = {}) {
  for (const row of rows) {
    for (const [at, cell] of [...row.children].entries()) {
      const [head, kind] = heads[at];
      if (kind) cell.classList.add(kind);
      if (head) cell.dataset.head = head;
    }
  }
  const titles = heads.map(([head, kind]) => h("th", { scope: "col", class: kind }, head || h("span", { class: "sr" }, "Actions")));
  return h("div", { class: cards ? "scroll cards" : "scroll", tabindex: "0" }, h("table", {}, h("thead", {}, h("tr", {}, titles)), h("tbody", {}, rows)));
}
