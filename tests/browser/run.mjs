// The page in a real browser: every page with every size of farm, actions as a person does them, what it
// must never do, and what it costs. `node run.mjs` runs the short form, `node run.mjs --full` also the farm
// of 10,000 rigs; `--pictures DIR` keeps pictures of the pages.
//
// Prints a line for each check, and at the end how many passed and failed.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { acts } from "./acts.mjs";
import { wizard } from "./acts/wizard.mjs";
import { check, expect, none, result, visit } from "./check.mjs";
import * as costs from "./costs.mjs";
import { display } from "./display.mjs";
import { launch, logIn, startFarm } from "./farm.mjs";
import { lost } from "./lost.mjs";
import { names } from "./names.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PAGES = ["/", "/workers", "/nodes", "/profiles", "/pools", "/console", "/map", "/events", "/audit", "/settings", "/start"];
const SOME = ["/rigs/rig-00000", "/profiles/rx"];
const full = process.argv.includes("--full");
const pictures = process.argv.includes("--pictures") ? process.argv[process.argv.indexOf("--pictures") + 1] : null;

async function seriousFindings(page) {
  // The page's own policy lets no inline script in: it is evaluated by the debugger.
  await page.evaluate(AXE);
  const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const serious = result.violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return serious.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 2).map(({ html }) => html.slice(0, 120)).join(" | ")}`);
}

async function looks(browser, farm, rigs) {
  const addresses = rigs > 0 ? [...PAGES, ...SOME] : PAGES;
  const page = await logIn(browser, farm);
  for (const address of addresses) {
    await check(`${rigs} rigs: ${address} renders without a fault`, async () => {
      await visit(page, farm, address);
      none(page.faults);
      expect((await page.title()).length > 0, "no title");
      if (pictures) await page.screenshot({ path: `${pictures}/${rigs}${address.replaceAll("/", "-")}.png` });
    });
  }
  await page.context().close();
}

async function accessible(browser, farm) {
  for (const [scheme, width] of [["light", 1440], ["dark", 360]]) {
    const page = await logIn(browser, farm, { scheme, width, height: 800, reducedMotion: "reduce" });
    for (const address of [...PAGES, ...SOME]) {
      await check(`${scheme}, ${width} px: ${address} has no serious finding of axe and no sideways scroll`, async () => {
        await visit(page, farm, address);
        const findings = await seriousFindings(page);
        expect(findings.length === 0, findings.join("; "));
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        expect(wide <= 0, `${wide} px too wide`);
        if (pictures) await page.screenshot({ path: `${pictures}/${scheme}-${width}${address.replaceAll("/", "-")}.png` });
      });
    }
    await page.context().close();
  }
}

// What the page costs, within ten times what it may: measure.mjs has the figures.
async function cheap(browser, farm, rigs) {
  for (const name of ["visit", "work"]) {
    const { figures } = await costs[name](browser, farm);
    for (const { what, value, unit, most } of figures.filter((figure) => figure.most !== undefined)) {
      await check(`${rigs} rigs, ${name}: ${what} ${value.toFixed(1)} ${unit}, at most ten times ${most}`, () => expect(value < 10 * most, "it is more"));
    }
  }
}

const browser = await launch();
for (const rigs of full ? [0, 1, 50, 10_000] : [0, 1, 50]) {
  const farm = await startFarm(rigs);
  await looks(browser, farm, rigs);
  if (rigs === 0) await wizard(browser, farm);
  if (rigs === 1) {
    await lost(browser, farm);
    await names(browser, farm, PAGES);
  }
  if (rigs === 50) {
    await accessible(browser, farm);
    await acts(browser, farm);
    await display(browser, farm, [...PAGES, ...SOME, `/rollouts/${(await farm.api("GET", "/rollouts"))[0].id}`]);
  }
  if (rigs >= 50) await cheap(browser, farm, rigs);
  await farm.stop();
}
await browser.close();
process.exit(result());
