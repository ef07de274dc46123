// The frame around the pages: keys, search, and the end of a session.

import { check, closed, expect, none, soon, visit } from "../check.mjs";

export async function moving(page, farm) {
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
}

export async function frame(page, farm) {
  await check("the dashboard's figures lead to the rigs that they are of", async () => {
    await visit(page, farm, "/");
    await page.getByRole("button", { name: "24h" }).first().click();
    await page.getByRole("tab", { name: "Group" }).click();
    await page.locator("#page a", { hasText: "shed-1" }).first().click();
    await page.waitForURL(/\/workers\?select=group/);
    await page.locator("#totals .states a").last().click();
    await page.waitForURL(/select=state%3Doffline/);
    const { matched } = await farm.api("GET", "/table?select=state=offline&limit=1");
    await page.locator("h1 small", { hasText: `${matched} of` }).waitFor();
    none(page.faults);
  });
  await check("the theme changes and is remembered, and keys are explained", async () => {
    await visit(page, farm, "/");
    const ground = () => page.evaluate(() => [document.documentElement.dataset.theme, getComputedStyle(document.body).backgroundColor].join(" "));
    for (const theme of ["light", "dark"]) {
      await page.locator("#theme").click();
      expect((await ground()).startsWith(theme), await ground());
    }
    const dark = await ground();
    await visit(page, farm, "/");
    expect((await ground()) === dark, "it is forgotten");
    await page.locator("#theme").click();
    await page.keyboard.press("?");
    await page.locator("dialog[open] kbd").first().waitFor();
    await page.keyboard.press("Escape");
    await closed(page);
    none(page.faults);
  });
  await check("on a phone, the menu leads to what has no room", async () => {
    await page.setViewportSize({ width: 360, height: 780 });
    await visit(page, farm, "/workers");
    await page.locator("#menu").click();
    await page.locator("#side a", { hasText: "Settings" }).click();
    await page.waitForURL("**/settings");
    await soon("the menu is shut", () => page.evaluate(() => !document.body.classList.contains("menu")));
    await page.setViewportSize({ width: 1440, height: 900 });
    none(page.faults);
  });
}

export async function leaving(page) {
  await check("logging out ends the session", async () => {
    await page.locator("#logout").click();
    await page.waitForSelector("text=miner-ctrl login");
  });
}
