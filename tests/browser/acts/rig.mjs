// The page of one rig: every command that it offers, and what it asks the rig.

import { answer, button, check, closed, expect, none, soon, toast, visit } from "../check.mjs";

const NAME = "rig-00001";
const peer = (farm) => farm.api("GET", `/peers/${NAME}`);

export async function rig(page, farm) {
  const does = (state) => soon(`it is ${state}`, async () => (await peer(farm)).activity?.state === state);
  const command = async (verb) => {
    await page.locator(".rig-verbs").getByRole("button", { name: verb, exact: true }).click();
    await answer(page, `${verb} ${NAME}`).click();
    await closed(page);
  };

  await check("a rig is stopped from its page, and mines again by Undo", async () => {
    await visit(page, farm, `/rigs/${NAME}`);
    await command("Stop");
    await does("stopped");
    await toast(page, `Stopped ${NAME}`).getByRole("button", { name: "Undo" }).click();
    await does("mining");
    none(page.faults);
  });

  await check("a rig is paused, resumed, stopped, started with a profile, and restarted", async () => {
    await command("Pause");
    await does("paused");
    await command("Resume");
    await does("mining");
    await command("Stop");
    await does("stopped");
    await page.locator(".rig-verbs").getByRole("button", { name: "Start", exact: true }).click();
    await page.locator("dialog[open] select").selectOption("rx");
    await answer(page, `Start ${NAME}`).click();
    await closed(page);
    await does("mining");
    expect((await peer(farm)).desired.profile === "rx", "it mines with something else");
    await command("Restart");
    await soon("the order is done", async () => (await farm.api("GET", `/orders?peer=${NAME}&limit=8`)).some(({ order, status }) => order === "restart" && status === "done"));
    none(page.faults);
  });

  await check("ping, locate and wake are one press each, and say what came of it", async () => {
    for (const verb of ["Ping", "Locate", "Wake"]) {
      await page.locator(".rig-verbs").getByRole("button", { name: verb, exact: true }).click();
      await toast(page, `${verb} ${NAME}: `).waitFor();
    }
    none(page.faults);
  });

  await check("what a rig refuses is said with its reason, and what is grave has to be typed", async () => {
    for (const verb of ["Reboot", "Power off"]) {
      await page.locator(".rig-verbs").getByRole("button", { name: verb, exact: true }).click();
      const go = answer(page, `${verb} ${NAME}`);
      await go.waitFor();
      if (verb === "Power off") {
        expect(await go.isDisabled(), "it is switched off without a word");
        await page.locator("dialog[open] input").fill(NAME);
      }
      await go.click();
      const why = page.locator("dialog[open] li", { hasText: NAME });
      await why.waitFor();
      expect((await why.textContent()).length > NAME.length + 5, "it gives no reason");
      await answer(page, "Close").click();
      await closed(page);
    }
    none(page.faults);
  });

  await check("a rig's labels are edited, and are as they were by Undo", async () => {
    const before = await peer(farm);
    await page.locator(".rig-verbs").getByRole("button", { name: "Label", exact: true }).click();
    const box = page.locator("dialog[open]");
    await box.getByLabel("Group", { exact: true }).fill("attic");
    await box.getByLabel("no site").check();
    await box.getByLabel(/^Tags to add/).fill("loud warm");
    await answer(page, `Label ${NAME}`).click();
    await closed(page);
    const after = await peer(farm);
    expect(after.group === "attic" && after.site === null && after.tags.includes("loud") && after.tags.includes("warm"), JSON.stringify(after));
    await page.locator(".rig-head .tag", { hasText: "group attic" }).waitFor();
    await toast(page, `Labelled ${NAME}`).getByRole("button", { name: "Undo" }).click();
    await soon("the labels are back", async () => {
      const { group, site, tags } = await peer(farm);
      return group === before.group && site === before.site && tags.join() === before.tags.join();
    });
    none(page.faults);
  });

  await check("a rig says what is wrong with it; its charts and its log show what is chosen", async () => {
    await visit(page, farm, "/rigs/rig-00002");
    await button(page, "Ask what is wrong with it").click();
    await page.locator("#page li", { hasText: "huge-pages" }).waitFor();
    await button(page, "24h").click();
    await page.waitForURL("**since=24h");
    await page.locator(".log tbody tr").first().waitFor();
    await page.getByLabel("Least serious level that is shown").selectOption("error");
    const levels = () => page.locator(".log tbody tr:visible td:nth-child(2)").allTextContents();
    await soon("only errors are shown", async () => {
      const all = await levels();
      return all.length > 0 && all.every((level) => level === "error");
    });
    await page.getByLabel("Show lines that hold this text").fill("no line has this");
    await soon("no line is shown", async () => (await levels()).length === 0);
    const [saved] = await Promise.all([page.waitForEvent("download"), page.locator(".log-tools").getByRole("button", { name: "Download" }).click()]);
    expect(saved.suggestedFilename().startsWith("rig-00002-"), saved.suggestedFilename());
    none(page.faults);
  });

  await check("markup from a rig stays text", async () => {
    await visit(page, farm, "/rigs/rig-00002");
    const images = await page.evaluate(() => document.querySelectorAll("#page img").length);
    expect(images === 0, "an image came from a rig's text");
    expect((await page.textContent("#page")).includes("onerror"), "the text is not shown");
  });

  await check("a rig is removed from its page once its name is typed", async () => {
    const { id } = await farm.api("GET", "/peers/rig-00009");
    await visit(page, farm, "/rigs/rig-00009");
    await page.locator(".rig-verbs").getByRole("button", { name: "Remove", exact: true }).click();
    await page.locator("dialog[open] input:not([type=checkbox])").fill("rig-00009");
    await answer(page, "Remove rig-00009").click();
    await closed(page);
    expect(JSON.stringify(await farm.api("GET", "/removed")).includes(id), "it is not removed");
    await page.locator("#page [role=status]", { hasText: "rig-00009" }).first().waitFor();
    none(page.faults.filter((fault) => !fault.includes("status of 404")));
  });
}
