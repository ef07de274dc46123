// A controller that does not answer: the page says so, and shows no figure as if it were of now.

import { check, expect, none, visit } from "./check.mjs";
import { logIn } from "./farm.mjs";

export async function lost(browser, farm) {
  const page = await logIn(browser, farm);
  await check("a controller that is silent is said in a banner, which goes when it is back", async () => {
    await visit(page, farm, "/workers");
    const banner = page.locator("#lost");
    expect(await banner.isHidden(), "the banner is there while the controller answers");
    // Figures are faint and grey while nobody stands behind them.
    const looks = () => page.evaluate(() => ["#bar", "main"].map((words) => getComputedStyle(document.querySelector(words)).opacity).join());
    expect((await looks()) === "1,1", "figures are faint while the controller answers");
    await farm.hold();
    try {
      // A request is waited for for 8 s.
      await banner.waitFor({ state: "visible", timeout: 20_000 });
      expect((await banner.textContent()).includes("No answer from the controller since"), await banner.textContent());
      expect((await looks()).split(",").every((opacity) => Number(opacity) < 0.6), `figures look as they did: ${await looks()}`);
    } finally {
      await farm.goOn();
    }
    await banner.waitFor({ state: "hidden", timeout: 20_000 });
    expect((await looks()) === "1,1", "figures are still faint");
    none(page.faults);
  });
  await page.context().close();
}
