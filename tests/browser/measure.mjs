// What the page costs beside what it may cost: `node measure.mjs --rigs 10000` prints a line for each figure, `--json`
// all that was seen. `--only visit,work,…` leaves the others out. Nothing is asserted: figures of a machine that
// others use vary; docs/SPECIFICATION.md says which were seen where.

import { parseArgs } from "node:util";
import * as costs from "./costs.mjs";
import { launch, startFarm } from "./farm.mjs";

const { values: options } = parseArgs({
  options: {
    rigs: { type: "string", default: "50" },
    only: { type: "string", default: "visit,work,memory,scroll,controller" },
    // How long the controller is watched with each number of pages.
    seconds: { type: "string", default: "60" },
    json: { type: "boolean", default: false },
  },
});

function line({ what, value, unit, most, least }) {
  const aim = most !== undefined ? `at most ${Number(most.toFixed(1))}` : least !== undefined ? `at least ${least}` : "";
  const missed = value > most || value < least ? "missed" : "";
  return `${what.padEnd(52)} ${value.toFixed(1).padStart(9)} ${unit.padEnd(12)} ${aim.padEnd(16)} ${missed}`.trimEnd();
}

const rigs = Number(options.rigs);
const farm = await startFarm(rigs);
const browser = await launch();
const results = { rigs };
for (const name of options.only.split(",")) {
  if (process.stderr.isTTY) process.stderr.write(`${name} …\n`);
  results[name] = await costs[name](browser, farm, { seconds: Number(options.seconds) });
  if (!options.json) for (const figure of results[name].figures) console.log(line(figure));
}
if (options.json) console.log(JSON.stringify(results, null, 1));
await browser.close();
await farm.stop();
