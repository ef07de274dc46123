// Workers: which rigs a selector takes, which of them are ticked, and what is done to many at once.

import { readFile } from "node:fs/promises";
import { answer, button, check, closed, expect, none, soon, toast, visit } from "../check.mjs";

// These three are well, and no other test needs them.
const THREE = ["rig-00004", "rig-00005", "rig-00006"];

export async function workers(page, farm) {
  const tick = (name) => page.locator(`.virtual input[aria-label="Select ${name}"]`);
  const states = async () => (await farm.api("GET", `/table?select=name=${THREE.join(",")}&limit=20`)).rows.map(({ state }) => state);
  const all = (state) => soon(`all are ${state}`, async () => (await states()).every((one) => one === state));
  const bulk = async (verb) => {
    await page.locator(".bulk .verbs").getByRole("button", { name: verb, exact: true }).click();
    await answer(page, `${verb} 3 rigs`).click();
    await closed(page);
  };

  await check("ticked rigs are stopped after a dry run, and mine again by Undo", async () => {
    await visit(page, farm, "/workers");
    for (const name of THREE) await tick(name).click();
    await page.locator(".bulk", { hasText: "3 selected" }).waitFor();
    await page.locator(".bulk .verbs").getByRole("button", { name: "Stop", exact: true }).click();
    const go = answer(page, "Stop 3 rigs");
    await go.waitFor();
    expect((await page.locator("dialog[open] .names").first().textContent()) === THREE.join(", "), "it names other rigs");
    expect((await page.locator("dialog[open] .command").textContent()).includes(`miner-ctrl remote stop --select name=${THREE.join(",")}`), "it is another command");
    expect((await states()).every((one) => one !== "stopped"), "the dry run stopped them");
    await go.click();
    await all("stopped");
    await toast(page, "Stopped 3 rigs").getByRole("button", { name: "Undo" }).click();
    await all("mining");
    none(page.faults);
  });

  await check("ticked rigs are paused, resumed, stopped and started with a profile", async () => {
    await bulk("Pause");
    await all("paused");
    await bulk("Resume");
    await all("mining");
    await bulk("Stop");
    await all("stopped");
    await page.locator(".bulk .verbs").getByRole("button", { name: "Start", exact: true }).click();
    await page.locator("dialog[open] select").selectOption("rx");
    await answer(page, "Start 3 rigs").click();
    await closed(page);
    await all("mining");
    none(page.faults);
  });

  await check("what many did not do is said with its reason, and its rigs", async () => {
    await visit(page, farm, `/workers?select=${encodeURIComponent("name=rig-00004,rig-00005")}`);
    await page.locator('input[aria-label="Select all rigs that match"]').click();
    await page.locator(".bulk .verbs").getByRole("button", { name: "Reboot", exact: true }).click();
    await page.locator("dialog[open] label input").fill("2");
    await answer(page, "Reboot 2 rigs").click();
    await page.locator("dialog[open] li", { hasText: "rig-00004, rig-00005" }).waitFor();
    await answer(page, "Close").click();
    await closed(page);
    none(page.faults);
  });

  await check("rigs get labels together, and a selector finds them", async () => {
    await page.locator(".bulk .verbs").getByRole("button", { name: "Label", exact: true }).click();
    await page.locator("dialog[open]").getByLabel(/^Tags to add/).fill("chosen");
    await answer(page, "Label 2 rigs").click();
    await closed(page);
    const selector = page.locator("#selector");
    await selector.fill("tag=chosen");
    await selector.press("Enter");
    await page.locator("h1 small", { hasText: "2 of" }).waitFor();
    expect(new URL(page.url()).searchParams.get("select") === "tag=chosen", "the address has another selector");
    await selector.fill("colour=red");
    await selector.press("Enter");
    await soon("what is wrong is said", async () => (await page.locator("#selector-field [role=alert]").textContent()).length > 5);
    // The refusal is what was wanted, and the browser notes it.
    none(page.faults.filter((fault) => !fault.includes("status of 400")));
  });

  await check("a selector is completed by the arrow keys, and a state's button narrows it", async () => {
    await visit(page, farm, "/workers");
    await page.locator("#selector").pressSequentially("sta");
    await page.locator("#selector-list li").first().waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.locator("#selector-list li", { hasText: "online" }).waitFor();
    await page.keyboard.press("Escape");
    await page.locator("#selector").fill("");
    await page.locator("#selector").blur();
    await page.getByRole("group", { name: "Rigs by state" }).getByRole("button", { name: "offline" }).click();
    await page.waitForURL(/select=state%3Doffline/);
    await soon("only those are shown", async () => (await page.locator(".virtual tbody:not(.space) tr").count()) === (await farm.api("GET", "/table?select=state=offline&limit=200")).matched);
    none(page.faults);
  });

  await check("the CSV has the rigs that are selected, in their order", async () => {
    await visit(page, farm, "/workers?select=state%3Dmining&sort=-hashrate");
    const [saved] = await Promise.all([page.waitForEvent("download"), page.locator("a[download]", { hasText: "CSV" }).click()]);
    const lines = (await readFile(await saved.path(), "utf8")).trim().split(/\r?\n/);
    const { rows, matched } = await farm.api("GET", "/table?select=state=mining&sort=-hashrate&limit=1");
    expect(lines.length === matched + 1, `${lines.length} lines of ${matched} rigs`);
    expect(rows.length === 1 && lines[0].includes("name"), lines[0]);
    none(page.faults);
  });

  await check("columns are chosen and remembered; a head sorts", async () => {
    const heads = () => page.locator(".virtual thead th").allTextContents();
    await visit(page, farm, "/workers");
    await button(page, "Columns").click();
    await page.locator("dialog[open]").getByLabel("Score", { exact: true }).check();
    await page.locator("dialog[open]").getByLabel("Pool", { exact: true }).uncheck();
    await page.keyboard.press("Escape");
    await visit(page, farm, "/workers");
    expect((await heads()).includes("Score") && !(await heads()).includes("Pool"), (await heads()).join());
    await page.locator(".virtual thead button", { hasText: "Worker" }).click();
    await page.waitForURL(/sort=-name/);
    const last = (await farm.api("GET", "/table?sort=-name&limit=1")).rows[0].name;
    const first = () => page.locator(".virtual tbody:not(.space) tr a").first().textContent();
    await soon("the last is the first", async () => (await first()) === last);
    await page.locator(".virtual thead button", { hasText: "Efficiency" }).click();
    await page.waitForURL(/sort=-efficiency/);
    await page.locator(".virtual thead button", { hasText: "Efficiency" }).click();
    await page.waitForURL(/sort=efficiency/);
    await soon("the worst is the first", async () => (await first()) === (await farm.api("GET", "/table?sort=efficiency&limit=1")).rows[0].name);
    none(page.faults);
  });

  await check("rigs are ticked and opened by keys", async () => {
    await visit(page, farm, "/workers");
    for (const key of ["j", "x", "j", "x"]) await page.keyboard.press(key);
    await page.locator(".bulk", { hasText: "2 selected" }).waitFor();
    await page.keyboard.press("Escape");
    await page.locator(".bulk").waitFor({ state: "hidden" });
    await page.keyboard.press("Enter");
    await page.waitForURL("**/rigs/*");
    none(page.faults);
  });
}
