// A session that may look: it sees every page, and nothing that it can press asks for a change.

import { button, check, expect, none, visit } from "./check.mjs";
import { logIn } from "./farm.mjs";

export async function display(browser, farm, addresses) {
  const page = await logIn(browser, farm, { scope: "read" });
  let asked = [];
  page.on("request", (request) => request.method() !== "GET" && asked.push(`${request.method()} ${request.url()}`));
  for (const address of addresses) {
    await check(`a session that may look: nothing on ${address} asks for a change`, async () => {
      await visit(page, farm, address);
      asked = [];
      none(page.faults);
      // A row that is ticked offers what is done to many.
      const tick = page.locator("#page tbody input[type=checkbox]").first();
      if (await tick.count()) await tick.click();
      // Of rows that offer the same, one stands for all.
      const seen = new Set();
      for (let at = 0; ; at += 1) {
        const one = page.locator("#page button:visible").nth(at);
        if ((await one.count()) === 0) break;
        const words = (await one.textContent()).replace(/\d+/g, "");
        if (seen.has(words) || (await one.isDisabled())) continue;
        seen.add(words);
        await one.click({ timeout: 2_000 });
        const go = page.locator("dialog[open] :is(button.primary, button.danger):enabled");
        if (await go.count()) await go.last().click();
        await page.keyboard.press("Escape");
        if (new URL(page.url()).pathname !== address) await visit(page, farm, address);
      }
      none(page.faults);
      expect(asked.length === 0, asked.join(", "));
    });
  }
  await check("a session that may look: the API refuses what the page does not offer", async () => {
    const status = await page.evaluate(async () => {
      const answer = await fetch("/api/v1/mining/remote/rig-00001/stop", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" });
      return answer.status;
    });
    expect(status === 403, `the API answered ${status}`);
  });
  await page.context().close();
  await check("a session that may operate adds rigs and makes no tokens, and is told why", async () => {
    const other = await logIn(browser, farm, { scope: "operate" });
    await visit(other, farm, "/nodes");
    expect(await button(other, "Add Peer").isEnabled(), "it may add no rig");
    const make = button(other, "Make a token");
    expect((await make.isDisabled()) && (await make.getAttribute("title")).includes("miner-ctrl login --scope admin"), "it may make tokens, or is not told why not");
    none(other.faults);
    await other.context().close();
  });
}
