// The first steps, from an empty farm to a rig that is told to mine.

import { answer, button, check, closed, expect, none, soon, visit } from "../check.mjs";
import { logIn } from "../farm.mjs";
import { startMiner } from "../miner.mjs";

export async function wizard(browser, farm) {
  const page = await logIn(browser, farm);
  const step = (number) => page.locator(".step", { hasText: `${number}. ` });
  let miner = null;
  await check("first steps: the first profile is made", async () => {
    await visit(page, farm, "/start");
    for (const number of [1, 2, 3]) await step(number).locator("h2", { hasText: "to do" }).waitFor();
    await button(page, "Make a profile").click();
    const form = page.locator("dialog[open] form");
    await form.getByLabel("Name", { exact: true }).fill("first");
    await form.getByLabel("Address, host:port").fill("127.0.0.1:1");
    await form.getByLabel(/^Login/).fill("farm");
    await form.getByRole("button", { name: "Check this pool" }).click();
    await form.locator(".pool-check", { hasText: "the pool does not answer" }).waitFor();
    await answer(page, "Make the profile").click();
    await closed(page);
    await step(1).locator("h2", { hasText: "done" }).waitFor();
    expect((await farm.api("GET", "/profiles")).length === 1, "there is no profile");
    expect(new URL(page.url()).pathname === "/start", "it leads away from the steps");
    none(page.faults);
  });
  await check("first steps: a rig comes by the token that is shown", async () => {
    await button(page, "Make a token").click();
    await answer(page, "Make the token").click();
    await page.locator("dialog[open] svg").waitFor();
    const [token, command] = await page.locator("dialog[open] .copyable code").allTextContents();
    expect(command.startsWith("miner node serve --controller") && command.endsWith("--token-file -"), command);
    await answer(page, "Done").click();
    await closed(page);
    const { listen } = await farm.api("GET", "/node/info");
    miner = await startMiner("first-rig", ["--controller", listen, "--token-file", "-", "--light", "--threads", "1"], { input: token, until: "dialling" });
    await step(2).locator("p", { hasText: "1 registered, 1 with a link" }).waitFor();
    none(page.faults);
  });
  await check("first steps: all rigs are told to start, and take it", async () => {
    await button(page, "Start all rigs").click();
    await answer(page, "Start first-rig").click();
    await closed(page);
    const rig = await soon("it has taken it", async () => {
      const one = await farm.api("GET", "/peers/first-rig");
      return one.desired.status === "applied" && one;
    });
    expect(rig.desired.profile === "first", JSON.stringify(rig.desired));
    // Nothing listens where the pool should be: the steps say that it does not go on by itself.
    await step(3).locator("p", { hasText: "1 told to mine and not mining" }).waitFor();
    await step(3).getByRole("link", { name: "see why" }).click();
    await page.locator("#page .state", { hasText: "no pool" }).first().waitFor();
    none(page.faults);
  });
  await miner?.stop();
  await page.context().close();
}
