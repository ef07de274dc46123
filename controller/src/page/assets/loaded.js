// A part of a page that is asked for again and again: before the first answer it is empty, and while
// the first answer fails it says why.

import { h, show } from "./dom.js";
import { onEvent } from "./live.js";

// Shows `draw(await load())` in `node` each `ms`; gives back how to do it now.
export function loaded(place, node, ms, load, draw) {
  let have = false;
  return place.every(ms, async () => {
    try {
      const data = await load({ signal: place.signal });
      if (place.signal.aborted) return;
      have = true;
      show(node, draw(data));
    } catch (error) {
      if (place.signal.aborted || error.name === "AbortError") return;
      // What was shown stays: the banner says since when nobody answers.
      if (!have) show(node, h("p", { class: "red" }, error.line ?? error.message));
    }
  });
}

// Calls `heard` with the events of these kinds, and `missed` with the number of lost ones, until the page is left.
export function hear(place, kinds, heard, missed) {
  const end = onEvent((event) => (kinds === null || kinds.includes(event.type)) && heard(event), missed);
  place.signal.addEventListener("abort", end);
}
