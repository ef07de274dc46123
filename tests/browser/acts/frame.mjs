// The frame around the pages: keys, search, and the end of a session.

import { check, visit } from "../check.mjs";

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

export async function leaving(page) {
  await check("logging out ends the session", async () => {
    await page.locator("#logout").click();
    await page.waitForSelector("text=miner-ctrl login");
  });
}
