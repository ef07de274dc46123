// What must not look like now: figures of a controller that does not answer, and times by a browser's clock
// that is wrong.

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
  await check("a browser whose clock is two hours off shows the same ages and times", async () => {
    await page.clock.install({ time: Date.now() + 7_200_000 });
    await visit(page, farm, "/events");
    const { events } = await farm.api("GET", "/events?limit=1");
    const [time] = /\d\d:\d\d:\d\d/.exec(new Date(events[0].at).toLocaleTimeString("en-GB"));
    await page.locator("#page time", { hasText: time }).first().waitFor();
    await visit(page, farm, "/workers");
    const fresh = await page.locator("#totals .fresh").textContent();
    expect(/as of \d+ s$/.test(fresh), fresh);
    expect(await page.locator("#lost").isHidden(), "the controller is said to be lost");
    none(page.faults);
  });
  await page.context().close();
}
