// The page in a real browser: every page with every size of farm, actions as a person does them, what it
// must never do, and what it costs. `node run.mjs` runs the short form, `node run.mjs --full` also the farm
// of 10,000 rigs; `--pictures DIR` keeps pictures of the pages.
//
// Prints a line for each check, and at the end how many passed and failed.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import * as costs from "./costs.mjs";
import { launch, logIn, startFarm } from "./farm.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PAGES = ["/", "/workers", "/nodes", "/profiles", "/pools", "/console", "/map", "/events", "/audit", "/settings", "/start"];
const full = process.argv.includes("--full");
const pictures = process.argv.includes("--pictures") ? process.argv[process.argv.indexOf("--pictures") + 1] : null;

let passed = 0;
const failures = [];

async function check(name, work) {
  try {
    await work();
    passed += 1;
    console.log(`ok    ${name}`);
  } catch (error) {
    failures.push(name);
    console.log(`FAIL  ${name}: ${error.message}`);
  }
}

function expect(is, what) {
  if (!is) throw new Error(what);
}

const none = (faults) => expect(faults.length === 0, faults.join("; "));

// Goes to a page by its address and waits until it shows something.
async function visit(page, farm, address) {
  page.faults.length = 0;
  await page.goto(new URL(address, farm.page).href);
  await page.waitForSelector("#page .page :is(h1, h2)", { state: "attached", timeout: 15_000 });
  await page.waitForSelector("#totals .states");
  await page.waitForTimeout(600);
}

async function seriousFindings(page) {
  // The page's own policy lets no inline script in: it is evaluated by the debugger.
  await page.evaluate(AXE);
  const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const serious = result.violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return serious.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 2).map(({ html }) => html.slice(0, 120)).join(" | ")}`);
}

async function looks(browser, farm, rigs) {
  const addresses = rigs > 0 ? [...PAGES, "/rigs/rig-00000", "/profiles/rx"] : PAGES;
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
    for (const address of [...PAGES, "/rigs/rig-00000", "/profiles/rx"]) {
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

async function acts(browser, farm) {
  const page = await logIn(browser, farm);
  await check("keys lead to pages, search leads to Workers", async () => {
    await visit(page, farm, "/");
    await page.keyboard.press("8");
    await page.waitForURL("**/events");
    await page.keyboard.press("/");
    await page.keyboard.type("rig-00001");
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/workers\?select=name/);
    await page.waitForSelector("text=rig-00001");
  });
  await check("a rig is stopped from its page, and the controller knows", async () => {
    await visit(page, farm, "/rigs/rig-00001");
    await page.locator("#page button", { hasText: /^Stop/ }).first().click();
    await page.locator("dialog[open] button.primary, dialog[open] button.danger").last().click();
    let state = null;
    for (let tries = 0; tries < 60 && state !== "stopped"; tries += 1) {
      await page.waitForTimeout(250);
      state = (await farm.api("GET", "/remote/rig-00001/stats")).activity.state;
    }
    expect(state === "stopped", `it is ${state}`);
    none(page.faults);
  });
  await check("a session that may look may not touch", async () => {
    const display = await logIn(browser, farm, { scope: "read" });
    await visit(display, farm, "/rigs/rig-00001");
    const enabled = await display.locator(".rig-verbs button:not(:disabled)").allTextContents();
    const actions = enabled.filter((text) => /^(Start|Stop|Pause|Resume|Restart|Reboot|Remove)/.test(text.trim()));
    expect(actions.length === 0, `enabled: ${actions.join(", ")}`);
    const status = await display.evaluate(async () => {
      const answer = await fetch("/api/v1/mining/remote/rig-00001/stop", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" });
      return answer.status;
    });
    expect(status === 403, `the API answered ${status}`);
    await display.context().close();
  });
  await check("an error of the API stands at its field", async () => {
    await visit(page, farm, "/profiles");
    await page.locator("#page button", { hasText: "New profile" }).click();
    const form = page.locator("dialog[open] form");
    await form.getByLabel("Name", { exact: true }).fill("refused");
    await form.getByLabel("Address, host:port").fill("pool.example:3333");
    await form.getByLabel(/^Login/).fill(`4${"A".repeat(94)}`);
    await form.locator("button[type=submit]").click();
    const error = form.locator('[data-field="pools[0].user"] .error');
    await error.waitFor({ state: "visible" });
    expect((await error.textContent()).length > 10, "it says nothing");
    expect((await form.getByLabel(/^Login/).getAttribute("aria-invalid")) === "true", "the field is not marked");
    await page.keyboard.press("Escape");
  });
  await check("a token is shown once, and is gone with its dialog", async () => {
    await visit(page, farm, "/nodes");
    await page.locator("#page button", { hasText: "Make a token" }).click();
    await page.locator("dialog[open] button[type=submit]").click();
    const secret = page.locator("dialog[open] code").first();
    await page.waitForSelector("dialog[open] svg");
    const text = await secret.textContent();
    expect(text.startsWith("ENR1-"), `it shows ${text}`);
    await page.locator("dialog[open] button", { hasText: "Done" }).click();
    expect(!(await page.content()).includes(text), "the token is still in the page");
    none(page.faults);
  });
  await check("markup from a rig stays text", async () => {
    await visit(page, farm, "/rigs/rig-00002");
    const images = await page.evaluate(() => document.querySelectorAll("#page img").length);
    expect(images === 0, "an image came from a rig's text");
    expect((await page.textContent("#page")).includes("onerror"), "the text is not shown");
  });
  await check("logging out ends the session", async () => {
    await page.locator("#logout").click();
    await page.waitForSelector("text=miner-ctrl login");
  });
  await page.context().close();
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
  if (rigs === 50) {
    await accessible(browser, farm);
    await acts(browser, farm);
  }
  if (rigs >= 50) await cheap(browser, farm, rigs);
  await farm.stop();
}
await browser.close();
console.log(`test result: ${failures.length === 0 ? "ok" : "FAILED"}. ${passed} passed; ${failures.length} failed`);
process.exit(failures.length === 0 ? 0 : 1);
