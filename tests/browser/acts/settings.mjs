// Settings, pools, events, audit, console and map: what each offers beside looking.

import { answer, button, check, closed, expect, none, soon, visit } from "../check.mjs";

export async function settings(page, farm) {
  await check("an API token is made, shown once, good for its scope, and revoked", async () => {
    await visit(page, farm, "/settings");
    await button(page, "Make an API token").click();
    const form = page.locator("dialog[open] form");
    await form.getByLabel("What it may do").selectOption("operate");
    await form.getByLabel("What to call it").fill("script");
    await answer(page, "Make the token").click();
    await page.locator("dialog[open] svg").waitFor();
    const text = await page.locator("dialog[open] code").first().textContent();
    await answer(page, "Done").click();
    await closed(page);
    expect(!(await page.content()).includes(text), "the token is still in the page");
    const asks = async (path) => (await fetch(`${farm.page}api/v1/mining${path}`, { headers: { authorization: `Bearer ${text}` } })).status;
    expect((await asks("/summary")) === 200, "it is not taken");
    expect((await asks("/api-tokens")) === 403, "it may do more than it was made for");
    const row = page.locator("tr", { hasText: "script" });
    await row.getByRole("button", { name: "Revoke" }).click();
    await answer(page, "Revoke the token").click();
    await row.waitFor({ state: "detached" });
    expect((await asks("/summary")) === 401, "it is still taken");
    none(page.faults);
  });

  await check("another device logs in by an address that is good once", async () => {
    await visit(page, farm, "/settings");
    await button(page, "Make a login address").click();
    await answer(page, "Make the address").click();
    await page.locator("dialog[open] svg").waitFor();
    const address = await page.locator("dialog[open] code").first().textContent();
    await answer(page, "Done").click();
    await closed(page);
    const context = await page.context().browser().newContext();
    const device = await context.newPage();
    await device.goto(address);
    await device.waitForSelector("#totals .states");
    expect((await device.evaluate(() => document.documentElement.dataset.scope)) === "read", "it has another scope");
    await context.close();
    none(page.faults);
  });

  await check("what is done by command stands there to be copied", async () => {
    await visit(page, farm, "/settings");
    for (const command of ["miner-ctrl backup --out farm.backup", "miner-ctrl node recovery create --out recovery.key"]) await page.locator("#page code", { hasText: command }).waitFor();
    await page.locator("#page th code").first().waitFor();
    none(page.faults);
  });
}

export async function others(page, farm) {
  await check("a pool is tried, and what came of it is said", async () => {
    await visit(page, farm, "/pools");
    await button(page, "Check a pool").click();
    const form = page.locator("dialog[open] form");
    await form.getByLabel("Address").fill("127.0.0.1:1");
    await form.getByLabel("Wallet or user").fill("farm");
    await answer(page, "Check the pool").click();
    await form.locator("[role=status] .red", { hasText: "cannot be connected to" }).waitFor();
    await answer(page, "Close").last().click();
    await closed(page);
    none(page.faults);
  });

  await check("events are filtered by kind, rig and text, and new ones come by themselves", async () => {
    await visit(page, farm, "/events");
    const lines = page.locator(".events ol.lines li");
    await page.getByLabel("Kind").selectOption("peerLabelled");
    await page.getByLabel("Rig", { exact: true }).fill("rig-00005");
    await page.getByLabel("Rig", { exact: true }).press("Enter");
    const wanted = async () => (await farm.api("GET", "/events?type=peerLabelled&peer=rig-00005&limit=200")).events.length;
    await soon("those that fit are shown", async () => (await lines.count()) === (await wanted()));
    const before = await wanted();
    await farm.api("PATCH", "/peers/rig-00005", { addTags: ["seen"] });
    await soon("the new one is shown", async () => (await lines.count()) === before + 1);
    await page.getByLabel("Text").fill("no event says this");
    await page.locator("#page", { hasText: "None of the events" }).waitFor();
    none(page.faults);
  });

  await check("the audit shows who changed what, and how to see that it is whole", async () => {
    await visit(page, farm, "/audit");
    await page.getByLabel("Text").fill("peers/rig-00005");
    await page.locator("#page tbody tr", { hasText: "PATCH" }).first().waitFor();
    await page.getByLabel("Show").selectOption("refused");
    await soon("only refused ones are shown", async () => (await page.locator("#page tbody tr td:nth-child(5)").allTextContents()).every((text) => /^[45]/.test(text)));
    await button(page, "Read again").click();
    await page.locator("#page code", { hasText: "miner-ctrl audit verify" }).waitFor();
    none(page.faults);
  });

  await check("the console shows the logs of several rigs, and takes one away", async () => {
    await visit(page, farm, "/console");
    const add = async (words) => {
      await page.getByLabel("Add rigs").fill(words);
      await page.getByLabel("Add rigs").press("Enter");
    };
    const chips = page.locator(".chips li");
    await add("name=rig-00001,rig-00002");
    await add("rig-00004");
    await soon("three are there", async () => (await chips.count()) === 3);
    await soon("each says something", async () => new Set(await page.locator(".log td.rig").allTextContents()).size === 3);
    await page.getByRole("button", { name: "Take rig-00002 away" }).click();
    await soon("its lines are gone", async () => !(await page.locator(".log td.rig").allTextContents()).includes("rig-00002"));
    expect(new URL(page.url()).searchParams.get("rigs") === "rig-00001,rig-00004", "the address has others");
    await button(page, "Pause").click();
    const held = await page.locator(".log tbody tr").count();
    await page.waitForTimeout(5_000);
    expect((await page.locator(".log tbody tr").count()) === held, "lines come while it is paused");
    await add("state=mining");
    await page.locator("#page [role=status]", { hasText: "up to 6" }).waitFor();
    none(page.faults);
  });

  await check("the map is coloured three ways, shows some rigs, and opens one by keys", async () => {
    await visit(page, farm, "/map");
    for (const [words, by] of [["State", "state"], ["Last word", "age"], ["Hash rate", "rate"]]) {
      await page.locator(".tabs").getByRole("button", { name: words }).click();
      await page.waitForURL(`**/map?by=${by}`);
    }
    const selector = page.locator("#page input[type=search]");
    await selector.fill("group=shed-1");
    await selector.press("Enter");
    const { matched } = await farm.api("GET", "/table?select=group=shed-1&limit=1");
    await page.locator("#map-summary", { hasText: `${matched} rigs in 1 rack` }).waitFor();
    await page.locator(".map-racks tbody tr", { hasText: "north / shed-1" }).waitFor();
    await page.locator("canvas[role=application]").focus();
    await page.keyboard.press("ArrowRight");
    await page.locator(".map-tip", { hasText: "rig-" }).waitFor();
    await page.keyboard.press("Enter");
    await page.waitForURL("**/rigs/*");
    none(page.faults);
  });
}
