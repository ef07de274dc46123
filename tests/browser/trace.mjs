// What a tab did, by the browser's own tracing.

// Those that the developer tools record: tasks and what they were, and when a frame was drawn.
const CATEGORIES = ["-*", "devtools.timeline", "disabled-by-default-devtools.timeline", "devtools.timeline.frame", "disabled-by-default-devtools.timeline.frame", "v8", "__metadata"];
const REFRESH_MS = 1_000 / 60;

// The events of the tab's process while `work` went on: {main: its main thread's, all: those of every thread}.
export async function traced(browser, page, work) {
  await browser.startTracing(page, { categories: CATEGORIES });
  await work();
  const { traceEvents: events } = JSON.parse((await browser.stopTracing()).toString());
  // Of the browser's tabs the one that did most is the one that is looked at.
  const mains = new Map();
  for (const { ph, name, pid, tid, args } of events) if (ph === "M" && name === "thread_name" && args.name === "CrRendererMain") mains.set(pid, { pid, tid, main: [] });
  for (const event of events) {
    const tab = mains.get(event.pid);
    if (tab?.tid === event.tid && event.ph === "X") tab.main.push(event);
  }
  const [{ pid, main }] = [...mains.values()].sort((one, other) => other.main.length - one.main.length);
  main.sort((one, other) => one.ts - other.ts || other.dur - one.dur);
  return { main, all: events.filter((event) => event.pid === pid) };
}

// The main thread's work by its names, most first: processor time of each in µs without what was inside it.
export function byName({ main }) {
  const names = new Map();
  const within = [];
  for (const { name, ts, dur, tdur } of main) {
    const time = tdur ?? dur;
    const one = names.get(name) ?? { name, us: 0, times: 0 };
    names.set(name, one);
    one.us += time;
    one.times += 1;
    while (within.length > 0 && within.at(-1).end <= ts) within.pop();
    if (within.length > 0) within.at(-1).one.us -= time;
    within.push({ one, end: ts + dur });
  }
  return [...names.values()].sort((one, other) => other.us - one.us);
}

// Frames that were drawn, and those that came one refresh of 60 in a second too late (over 16.7 ms) or more (over
// 33 ms); and how often the main thread was busy for as long with one thing.
export function frames({ main, all }) {
  const at = all.filter(({ name }) => name === "DrawFrame").map(({ ts }) => ts / 1_000).sort((one, other) => one - other);
  const refreshes = at.slice(1).map((ms, index) => Math.round((ms - at[index]) / REFRESH_MS));
  const tasks = main.filter(({ name }) => name === "RunTask").map(({ dur }) => dur / 1_000);
  return {
    drawn: at.length,
    over16: refreshes.filter((count) => count >= 2).length,
    over33: refreshes.filter((count) => count >= 3).length,
    tasks: tasks.length,
    tasksOver16: tasks.filter((ms) => ms > REFRESH_MS).length,
    tasksOver33: tasks.filter((ms) => ms > 2 * REFRESH_MS).length,
    longestTask: Math.max(...tasks),
  };
}
