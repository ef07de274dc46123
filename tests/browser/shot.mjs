// Looks at pages: `node shot.mjs OUT RIGS WIDTH SCHEME ADDRESS…` writes a picture of each.

import { launch, logIn, startFarm } from "./farm.mjs";

const [out, rigs, width, scheme, ...addresses] = process.argv.slice(2);
const farm = await startFarm(Number(rigs));
const browser = await launch();
const page = await logIn(browser, farm, { width: Number(width), height: Number(width) < 500 ? 780 : 900, scheme });
for (const [at, address] of addresses.entries()) {
  await page.goto(new URL(address, farm.page).href);
  await page.waitForTimeout(Number(process.env.WAIT ?? 2_500));
  const name = `${out}/${address.replaceAll(/[^a-z0-9]+/gi, "_") || "_"}-${width}-${scheme}-${at}.png`;
  await page.screenshot({ path: name });
  console.log(name);
}
for (const fault of page.faults) console.log(fault);
await browser.close();
await farm.stop();
