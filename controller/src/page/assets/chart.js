// Charts by uPlot, which is loaded when the first one is shown. Each says in a sentence what it shows,
// for those who do not see it.

import { h } from "./dom.js";
import { exactHashrate, hashrate, moment } from "./format.js";

// Six that survive colour blindness, in both themes (after Okabe and Ito).
const PALETTE = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#a6761d", "#56b4e9"];

let loading = null;

function load() {
  loading ??= new Promise((resolve, reject) => {
    const base = new URL("./vendor/", import.meta.url);
    document.head.append(h("link", { rel: "stylesheet", href: new URL("uPlot.css", base).href }));
    const script = h("script", { src: new URL("uPlot.js", base).href });
    script.onload = () => resolve(window.uPlot);
    script.onerror = () => reject(new Error("the chart's script did not load"));
    document.head.append(script);
  });
  return loading;
}

// What a custom property comes to in the theme of now: a canvas does not know custom properties.
function colour(node, name) {
  const probe = h("i", { class: "probe" });
  probe.style.color = `var(${name})`;
  node.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

// A chart over time in `node`. `series`: [{label, color?, fill?}], values in H/s unless `format` and `exact` say otherwise.
// Gives {update(times in s, [values of each series]), remove()}. A value of null is a gap.
export async function timeChart(node, series, { height = 220, format = hashrate, exact = exactHashrate } = {}) {
  const uPlot = await load();
  const ink = () => colour(node, "--quiet");
  const line = () => colour(node, "--line");
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui, sans-serif" };
  const options = {
    width: node.clientWidth || 600,
    height,
    cursor: { y: false, points: { size: 6 } },
    legend: { live: true },
    scales: { y: { range: (_, low, high) => [Math.min(0, low ?? 0), (high ?? 0) > 0 ? high * 1.1 : 1] } },
    axes: [
      { ...axis, space: 72, values: [
        // step, usual, and what follows where a year, month, day, hour or minute begins
        [86_400, "{MMM} {D}", null, null, null, null, null, null, 1],
        [3_600, "{HH}:{mm}", "\n{MMM} {D}", null, "\n{MMM} {D}", null, null, null, 1],
        [60, "{HH}:{mm}", "\n{MMM} {D}", null, "\n{MMM} {D}", null, null, null, 1],
        [1, "{HH}:{mm}:{ss}", "\n{MMM} {D}", null, "\n{MMM} {D}", null, null, null, 1],
      ] },
      { ...axis, size: 76, values: (_, ticks) => ticks.map((tick) => format(tick)) },
    ],
    series: [
      { label: "at", value: (_, at) => (at ? moment(at * 1000) : "–") },
      ...series.map((one, at) => {
        const color = one.color ?? PALETTE[at % PALETTE.length];
        return { label: one.label, stroke: color, width: 1.5, fill: one.fill ? `${color}22` : undefined, spanGaps: false, points: { show: false }, value: (_plot, value, _series, place) => (place === null ? "–" : exact(value)) };
      }),
    ],
  };
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", `${series.map((one) => one.label).join(", ")}: nothing known yet.`);
  node.append(h("p", { class: "none quiet" }, "No figures of this time yet."));
  const plot = new uPlot(options, [[], ...series.map(() => [])], node);
  const fit = new ResizeObserver(() => node.clientWidth && plot.setSize({ width: node.clientWidth, height }));
  fit.observe(node);
  return {
    update(times, values) {
      plot.setData([times, ...values]);
      // One point makes no line.
      node.classList.toggle("bare", values.every((line) => line.filter((value) => value !== null && value !== undefined).length < 2));
      node.setAttribute("aria-label", sentence(series, times, values, format));
    },
    remove() {
      fit.disconnect();
      plot.destroy();
    },
  };
}

// "Hash rate: 12.5 kH/s at 14:05, between 11.9 and 12.8 kH/s since 13:05."
function sentence(series, times, values, format) {
  const parts = series.map((one, at) => {
    const known = values[at].map((value, index) => [value, times[index]]).filter(([value]) => value !== null && value !== undefined);
    if (known.length === 0) return `${one.label}: nothing known in this time.`;
    const only = known.map(([value]) => value);
    const [last, lastAt] = known[known.length - 1];
    return `${one.label}: ${format(last)} at ${moment(lastAt * 1000)}, between ${format(Math.min(...only))} and ${format(Math.max(...only))} since ${moment(known[0][1] * 1000)}.`;
  });
  return parts.join(" ");
}

// A small line without axes, for a bar or a cell; null is a gap.
export function sparkline(values, { width = 96, height = 20 } = {}) {
  const known = values.filter((value) => value !== null && value !== undefined);
  if (known.length < 2) return null;
  const high = Math.max(...known) || 1;
  const step = width / (values.length - 1);
  const lines = [];
  let line = [];
  values.forEach((value, at) => {
    if (value === null || value === undefined) {
      if (line.length) lines.push(line);
      line = [];
    } else line.push(`${(at * step).toFixed(1)},${(height - 1 - (value / high) * (height - 2)).toFixed(1)}`);
  });
  if (line.length) lines.push(line);
  const drawn = lines.map((points) => h("polyline", { points: points.join(" "), fill: "none", stroke: "currentColor", "stroke-width": 1.25 }));
  return h("svg", { class: "spark", width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, drawn);
}
