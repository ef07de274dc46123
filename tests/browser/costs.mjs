// What the page costs: each of these gives its figures with what they may be, and what else was seen.

import { readFile } from "node:fs/promises";
import { logIn } from "./farm.mjs";
import { byName, frames, traced } from "./trace.mjs";

const SECOND = 1_000;
// Statistics come each 10 s.
const ROUND_MS = 10 * SECOND;
const FASTER = 60;

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function onWorkers(browser, farm, before = async () => {}) {
  const page = await logIn(browser, farm);
  await before(page);
  await page.goto(new URL("/workers", farm.page).href);
  await page.waitForSelector("#table-workers tbody th a");
  return page;
}

// The first visit of a browser that has nothing: first paint, first rows, and each answer's bytes within 2 s.
export async function visit(browser, farm) {
  const page = await logIn(browser, farm);
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.setCacheDisabled", { cacheDisabled: true });
  const names = new Map();
  const answers = [];
  session.on("Network.requestWillBeSent", ({ requestId, request }) => names.set(requestId, request.url.slice(farm.page.length - 1)));
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => answers.push({ address: names.get(requestId), bytes: encodedDataLength }));
  await page.goto(new URL("/workers", farm.page).href);
  await page.waitForSelector("#table-workers tbody th a");
  const rows = await page.evaluate(() => performance.now());
  await wait(2 * SECOND);
  const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime);
  await page.context().close();
  const bytes = answers.reduce((sum, answer) => sum + answer.bytes, 0);
  return {
    figures: [
      { what: "first paint", value: paint, unit: "ms", most: 1_000 },
      { what: "rows are there", value: rows, unit: "ms" },
      { what: "transferred within 2 s", value: bytes / 1_000, unit: "kB", most: 200 },
    ],
    seen: answers.sort((one, other) => other.bytes - one.bytes),
  };
}

// The main thread while somebody looks and does nothing: time of its tasks, and of what they were.
export async function work(browser, farm) {
  const page = await onWorkers(browser, farm);
  await wait(5 * SECOND);
  const time = 2 * ROUND_MS;
  const trace = await traced(browser, page, () => wait(time));
  await page.context().close();
  const names = byName(trace);
  const perSecond = (us) => us / (time / SECOND) / 1_000;
  const sum = (some) => perSecond(some.reduce((all, { us }) => all + us, 0));
  // What a task did is told by names within it; what is left is the browser's own, and the tracing.
  const work = names.filter(({ name }) => name !== "RunTask");
  return {
    figures: [
      { what: "update work in the main thread at rest", value: sum(work), unit: "ms/s", most: 5 },
      { what: "with the tasks' own time", value: sum(names), unit: "ms/s" },
    ],
    seen: names.slice(0, 24).map(({ name, us, times }) => ({ name, "ms/s": perSecond(us), times })),
  };
}

// Runs in the page before its scripts: clock and timers go faster, and with each round of statistics every figure
// of a rig is another one, as if the farm's day went by as fast.
function hurry({ faster, roundMs }) {
  const now = performance.now.bind(performance);
  performance.now = () => now() * faster;
  for (const name of ["setTimeout", "setInterval"]) {
    const timer = window[name].bind(window);
    window[name] = (work, ms = 0, ...rest) => timer(work, ms / faster, ...rest);
  }
  Response.prototype.json = async function changed() {
    const round = Math.floor(performance.now() / roundMs);
    window.tables = (window.tables ?? 0) + this.url.includes("/table");
    return JSON.parse(await this.text(), (name, value) => (/^(hashrate|10s|60s|15m|accepted|uptime|pingMs)/.test(name) && typeof value === "number" ? value + (round % 7) * 13 : value));
  };
}

export async function memory(browser, farm) {
  const page = await onWorkers(browser, farm, (one) => one.addInitScript(hurry, { faster: FASTER, roundMs: ROUND_MS }));
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  const begun = Date.now();
  const tables = () => page.evaluate(() => window.tables ?? 0);
  // A controller that answers more slowly gets the time that it takes for an answer in each round.
  const after = async (rounds) => {
    await wait(begun + (rounds * ROUND_MS) / FASTER - Date.now());
    while ((await tables()) < rounds) await wait(SECOND);
    for (let times = 0; times < 3; times += 1) await session.send("HeapProfiler.collectGarbage");
    const { metrics } = await session.send("Performance.getMetrics");
    const of = (name) => metrics.find((metric) => metric.name === name).value;
    return { rounds, heap: of("JSHeapUsedSize"), nodes: of("Nodes"), listeners: of("JSEventListeners"), tables: await tables() };
  };
  const seen = [];
  for (const rounds of [60, 120, 240, 360]) seen.push(await after(rounds));
  await page.context().close();
  const [first, last] = [seen[0], seen.at(-1)];
  return {
    figures: [
      { what: "heap after 60 rounds of statistics", value: first.heap / 1e6, unit: "MB" },
      { what: "heap after 360 rounds", value: last.heap / 1e6, unit: "MB", most: (first.heap / 1e6) * 1.05 },
      { what: "nodes more than after 60", value: last.nodes - first.nodes, unit: "", most: first.nodes * 0.05 },
      { what: "listeners more than after 60", value: last.listeners - first.listeners, unit: "", most: first.listeners * 0.05 },
    ],
    seen,
  };
}

// All rows from the first to the last, in 10 s at most: frames that came late.
export async function scroll(browser, farm) {
  const page = await onWorkers(browser, farm);
  await wait(3 * SECOND);
  const { x, y, down } = await page.evaluate(() => {
    const box = document.querySelector("#table-workers .window");
    const { left, top, width, height } = box.getBoundingClientRect();
    return { x: left + width / 2, y: top + height / 2, down: box.scrollHeight - box.clientHeight };
  });
  const session = await page.context().newCDPSession(page);
  const speed = 3_000;
  const distance = Math.min(down, speed * 10);
  const trace = await traced(browser, page, () => session.send("Input.synthesizeScrollGesture", { x: Math.round(x), y: Math.round(y), yDistance: -distance, speed, gestureSourceType: "mouse", preventFling: true }));
  await page.context().close();
  const seen = frames(trace);
  return {
    figures: [
      { what: "scrolling: frames over 16.7 ms", value: seen.over16, unit: `of ${seen.drawn}`, most: 0 },
      { what: "scrolling: frames over 33 ms", value: seen.over33, unit: `of ${seen.drawn}`, most: 0 },
      { what: "scrolling: tasks of the main thread over 16.7 ms", value: seen.tasksOver16, unit: `of ${seen.tasks}`, most: 0 },
      { what: "scrolling: the longest of them", value: seen.longestTask, unit: "ms" },
    ],
    seen: { distance, ...seen },
  };
}

// Processor time of the farm's controller, in seconds. A tick is 10 ms on every Linux that this runs on.
async function controllerTime(farm) {
  const stat = await readFile(`/proc/${farm.pid}/stat`, "utf8");
  // The name of a program may have blanks and brackets: the fields that are counted are behind it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

// What open pages cost the controller: with none, with one, with five.
export async function controller(browser, farm, { seconds }) {
  const time = seconds;
  const pages = [];
  const seen = [];
  for (const open of [0, 1, 5]) {
    while (pages.length < open) pages.push(await onWorkers(browser, farm));
    await wait(3 * SECOND);
    const before = await controllerTime(farm);
    await wait(time * SECOND);
    seen.push({ open, percent: (100 * ((await controllerTime(farm)) - before)) / time });
  }
  for (const page of pages) await page.context().close();
  const [none, one, five] = seen.map(({ percent }) => percent);
  return {
    figures: [
      { what: "controller without an open page", value: none, unit: "% of a core" },
      { what: "controller for one open page", value: one - none, unit: "% of a core", most: 1 },
      { what: "controller for each of five open pages", value: (five - none) / 5, unit: "% of a core", most: 1 },
    ],
    seen,
  };
}
