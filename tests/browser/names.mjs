// The longest names that the controller takes, of the widest letters and without a place to break: no page
// grows wider than its window.

import { button, check, closed, expect, none, visit } from "./check.mjs";
import { logIn } from "./farm.mjs";
import { startMiner } from "./miner.mjs";

const WIDE = "W".repeat(64);
const WIDTHS = [360, 768, 1440, 2560];

// By how many px the page, its bar or a dialog is wider than there is room, once it is laid out.
async function tooWide(page) {
  return page.evaluate(async () => {
    for (let frames = 0; frames < 3; frames += 1) await new Promise(requestAnimationFrame);
    const nodes = [...document.querySelectorAll("html, #page, #totals, dialog[open], dialog[open] .body")];
    return Math.max(...nodes.map((node) => node.scrollWidth - node.clientWidth));
  });
}

export async function names(browser, farm, addresses) {
  await farm.api("POST", "/profiles", { name: WIDE, pools: [{ url: `${"w".repeat(60)}.example:3333`, user: WIDE }], comment: WIDE.repeat(3) });
  await farm.api("POST", "/tokens", { label: WIDE, group: WIDE, namePattern: WIDE });
  await farm.api("POST", "/api-tokens", { label: WIDE, scope: "read" });
  const { id } = await farm.api("PATCH", "/peers/rig-00000", { name: WIDE, group: WIDE, site: WIDE, addTags: [WIDE] });
  await farm.api("POST", "/bulk", { ids: [id], action: { type: "start", profileId: WIDE }, confirmPayout: WIDE.slice(-6) });
  const profile = (await farm.api("GET", "/profiles")).find(({ name }) => name === WIDE);
  const { token } = await farm.api("POST", "/tokens", { approve: false });
  const { listen } = await farm.api("GET", "/node/info");
  const miner = await startMiner(WIDE, ["--controller", listen, "--token-file", "-"], { input: token, until: "dialling" });
  const page = await logIn(browser, farm);
  for (const address of [...addresses, `/rigs/${id}`, `/profiles/${profile.id}`, `/console?rigs=${id}`, `/workers?select=${encodeURIComponent(`name=${WIDE}`)}`]) {
    await check(`the longest names: ${address.slice(0, 40)} scrolls sideways at no width`, async () => {
      await visit(page, farm, address);
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 800 });
        expect((await tooWide(page)) <= 0, `${await tooWide(page)} px too wide at ${width}`);
      }
      none(page.faults);
    });
  }
  await check("the longest names: no dialog scrolls sideways on a phone", async () => {
    await page.setViewportSize({ width: 360, height: 800 });
    const dialogs = [[`/rigs/${id}`, ["Start", "Stop", "Label", "Power off", "Remove"]], ["/nodes", ["Approve", "Deny", "Revoke", "Add Peer"]], [`/profiles/${profile.id}`, ["Roll out", "Delete"]], ["/settings", ["Revoke"]]];
    for (const [address, verbs] of dialogs) {
      await visit(page, farm, address);
      for (const verb of verbs) {
        await button(page, verb).click();
        await page.waitForTimeout(250);
        expect((await tooWide(page)) <= 0, `${verb} on ${address.slice(0, 20)} is ${await tooWide(page)} px too wide`);
        await page.keyboard.press("Escape");
        await closed(page);
      }
    }
    none(page.faults);
  });
  await miner.stop();
  await page.context().close();
}
