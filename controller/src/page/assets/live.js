// What happens on the farm, as it happens: one stream of events for the whole page, and clocks that
// rest while nobody looks.

import { get, search } from "./api.js";

const listeners = new Set();
let source = null;
// Number of the event that was heard last.
let last = null;

// Calls `heard` with each event of the farm, and `missed` with how many fell out of the controller's log
// before they were read; gives back how to end it.
export function onEvent(heard, missed = () => {}) {
  const listener = { heard, missed };
  listeners.add(listener);
  return () => listeners.delete(listener);
}

// Goes on behind what was heard last, also after the page was hidden.
function follow() {
  source?.close();
  source = new EventSource(`/api/v1/mining/events/stream${search({ after: last })}`);
  source.addEventListener("event", ({ data }) => {
    const event = JSON.parse(data);
    last = event.seq;
    for (const { heard } of listeners) heard(event);
  });
  source.addEventListener("lost", ({ data }) => {
    const { events } = JSON.parse(data);
    for (const { missed } of listeners) missed(events);
  });
  // A closed one does not come back by itself.
  source.onerror = () => source.readyState === EventSource.CLOSED && setTimeout(follow, 5_000);
}

// A hidden page asks nothing: the controller keeps what happens meanwhile.
export async function startStream() {
  // Where the log ends, so that a page that was hidden before anything happened misses nothing either.
  try {
    last = (await get("/events", { limit: 1 })).events[0]?.seq ?? null;
  } catch {
    // The stream begins with what comes.
  }
  follow();
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) follow();
    else source?.close();
  });
}

// How long what polls bring waits for the others of the same moment.
const TOGETHER_MS = 200;
const waiting = new Set();

// Runs `draw` with all others that come at about the same time: a frame of the page costs the same for one text
// as for many.
export function together(draw) {
  if (waiting.size === 0) {
    setTimeout(() => {
      const now = [...waiting];
      waiting.clear();
      for (const one of now) one();
    }, TOGETHER_MS);
  }
  waiting.add(draw);
}

// Runs `work` now and then each `ms`, in the same moments as others, while the page is looked at, until `signal` aborts.
// An error of it is `work`'s own to show: here it only means that the next try comes.
export function every(ms, work, signal) {
  let timer;
  let busy = false;
  const run = async () => {
    clearTimeout(timer);
    if (signal.aborted || busy) return;
    busy = true;
    try {
      await work();
    } catch (error) {
      if (!signal.aborted && error.name !== "AbortError" && error.status === undefined) console.error(error);
    }
    busy = false;
    if (signal.aborted || document.hidden) return;
    const left = ms - (performance.now() % ms);
    // A timer that fired just before its moment does not fire for it again.
    timer = setTimeout(run, left < ms / 4 ? left + ms : left);
  };
  const seen = () => (document.hidden ? clearTimeout(timer) : run());
  document.addEventListener("visibilitychange", seen);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", seen);
  });
  run();
  return run;
}
