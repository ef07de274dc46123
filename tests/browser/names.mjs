// The longest names that the controller takes, of the widest letters and without a place to break: no page
// grows wider than its window.

import { check, expect, none, visit } from "./check.mjs";
import { logIn } from "./farm.mjs";

const WIDE = "W".repeat(64);
const WIDTHS = [360, 768, 1440, 2560];

export async function names(browser, farm, addresses) {
  await farm.api("POST", "/profiles", { name: WIDE, pools: [{ url: `${"w".repeat(60)}.example:3333`, user: WIDE }], comment: WIDE.repeat(3) });
  await farm.api("POST", "/tokens", { label: WIDE, group: WIDE, namePattern: WIDE });
  await farm.api("POST", "/api-tokens", { label: WIDE, scope: "read" });
  const { id } = await farm.api("PATCH", "/peers/rig-00000", { name: WIDE, group: WIDE, site: WIDE, addTags: [WIDE] });
  await farm.api("POST", "/bulk", { ids: [id], action: { type: "start", profileId: WIDE }, confirmPayout: WIDE.slice(-6) });
  const profile = (await farm.api("GET", "/profiles")).find(({ name }) => name === WIDE);
  const page = await logIn(browser, farm);
  for (const address of [...addresses, `/rigs/${id}`, `/profiles/${profile.id}`, `/console?rigs=${id}`, `/workers?select=${encodeURIComponent(`name=${WIDE}`)}`]) {
    await check(`the longest names: ${address.slice(0, 40)} scrolls sideways at no width`, async () => {
      await visit(page, farm, address);
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 800 });
        await page.waitForTimeout(250);
        const wide = await page.evaluate(() => Math.max(...["html", "#page", "#totals"].map((words) => document.querySelector(words)).map((node) => node.scrollWidth - node.clientWidth)));
        expect(wide <= 0, `${wide} px too wide at ${width}`);
      }
      none(page.faults);
    });
  }
  await page.context().close();
}
