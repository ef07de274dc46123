// Nodes: who may come in, by which token, and who has to go.

import { answer, button, check, closed, expect, none, soon, visit } from "../check.mjs";
import { startFarm } from "../farm.mjs";
import { startMiner } from "../miner.mjs";

// Rigs that dial the farm with a token that admits nobody at once, and wait.
async function waiting(farm, names, work) {
  const { token } = await farm.api("POST", "/tokens", { uses: names.length, expiresSecs: 3_600, approve: false });
  const { listen } = await farm.api("GET", "/node/info");
  const miners = [];
  try {
    for (const name of names) miners.push(await startMiner(name, ["--controller", listen, "--token-file", "-"], { input: token, until: "dialling" }));
    await soon("the rigs wait", async () => (await farm.api("GET", "/pending")).length === names.length);
    await work();
  } finally {
    for (const miner of miners) await miner.stop();
  }
}

const peer = async (farm, name) => (await farm.api("GET", "/peers?limit=100")).find((one) => one.name === name);

export async function nodes(page, farm) {
  await waiting(farm, ["comes-in", "stays-out"], async () => {
    const row = (name) => page.locator(".pending tr", { hasText: name });
    await check("a rig that waits is approved under another name", async () => {
      await visit(page, farm, "/nodes");
      await row("comes-in").getByRole("button", { name: "Approve" }).click();
      await page.locator("dialog[open]").getByLabel("Name").fill("came-in");
      const command = await page.locator("dialog[open] .command").textContent();
      expect(command.includes("--name came-in"), command);
      await answer(page, "Approve the rig").click();
      await soon("the rig is registered", () => peer(farm, "came-in"));
      await row("comes-in").waitFor({ state: "detached" });
      none(page.faults);
    });
    await check("a rig that waits is refused", async () => {
      await row("stays-out").getByRole("button", { name: "Deny" }).click();
      await answer(page, "Deny the rig").click();
      await soon("nobody waits", async () => (await farm.api("GET", "/pending")).length === 0);
      await page.locator(".pending", { hasText: "No rig waits" }).waitFor();
      const removed = await farm.api("GET", "/removed");
      expect(JSON.stringify(removed).includes("stays-out"), `refused are ${JSON.stringify(removed)}`);
      none(page.faults);
    });
  });

  await check("rigs that boot over the network are shown while there are some", async () => {
    const panel = page.locator("section.boots");
    await visit(page, farm, "/nodes");
    expect(!(await panel.isVisible()), "a table without boots");
    const mac = "52:54:00:12:34:56";
    await farm.api("POST", "/boots", { boots: [{ mac, step: "loading", file: "x64.efi", bytes: 4, size: 10 }] });
    await panel.locator("tr", { hasText: mac }).locator("td", { hasText: "x64.efi 40 %" }).waitFor();
    none(page.faults);
  });

  const miner = await startMiner("paired", ["--listen", "127.0.0.1:0"], { until: "pairing code" });
  try {
    await check("a rig is added by its pairing code", async () => {
      await visit(page, farm, "/nodes");
      await button(page, "Add Peer").click();
      const form = page.locator("dialog[open] form");
      await form.getByLabel("Address").fill(miner.facts.listening);
      await form.getByLabel("Pairing code").fill(miner.facts["pairing code"]);
      const command = await form.locator(".command").textContent();
      expect(!command.includes(miner.facts["pairing code"]), "the command shows the secret");
      await answer(page, "Add the rig").click();
      await closed(page);
      const added = await soon("the rig has a link", async () => {
        const one = await peer(farm, "paired");
        return one?.connected && one;
      });
      expect(added.trust === "pairing", `it is trusted by ${added.trust}`);
      none(page.faults);
    });
    await check("a rig makes a new key once its name is typed, and its page follows it", async () => {
      const before = await peer(farm, "paired");
      await visit(page, farm, `/rigs/${before.id}`);
      await button(page, "New key").click();
      await page.locator("dialog[open] input").fill("paired");
      await answer(page, "New key for paired").click();
      await closed(page);
      const after = await soon("it has another key", async () => {
        const one = await peer(farm, "paired");
        return one.fingerprint !== before.fingerprint && one;
      });
      await page.waitForURL(`**/rigs/${after.id}`);
      // What was asked by the old ID meanwhile is not found.
      none(page.faults.filter((fault) => !/status of (404|500)/.test(fault)));
    });
    await managers(page, farm, miner);
    await check("a rig is removed once its name is typed", async () => {
      const { id } = await peer(farm, "paired");
      await visit(page, farm, "/nodes");
      await page.locator('button[aria-label="Remove paired"]').click();
      const go = answer(page, "Remove paired");
      await go.waitFor();
      expect(await go.isDisabled(), "it is removed without a word");
      await page.locator("dialog[open] input:not([type=checkbox])").fill("paired");
      await go.click();
      await closed(page);
      expect(!(await peer(farm, "paired")), "it is still there");
      expect(JSON.stringify(await farm.api("GET", "/removed")).includes(id), "its key is not refused");
      none(page.faults);
    });
  } finally {
    await miner.stop();
  }

  await check("statistics and ping are one press away", async () => {
    await visit(page, farm, "/nodes");
    await page.locator('button[aria-label="View stats of rig-00001"]').click();
    await page.locator("dialog[open] table").waitFor();
    await page.keyboard.press("Escape");
    await page.locator('button[aria-label="Ping rig-00001"]').click();
    await page.locator("#toasts .toast", { hasText: "Ping rig-00001" }).waitFor();
    none(page.faults);
  });

  await check("a token is made as the form says, shown once as text and as QR, and revoked", async () => {
    await visit(page, farm, "/nodes");
    await button(page, "Make a token").click();
    const form = page.locator("dialog[open] form");
    await form.getByLabel("What to call it").fill("hall");
    await form.getByLabel("How many rigs").fill("7");
    await form.getByLabel("Group that rigs get").fill("shed-9");
    await form.getByLabel("Admit rigs at once").uncheck();
    await answer(page, "Make the token").click();
    await page.locator("dialog[open] svg").waitFor();
    const text = await page.locator("dialog[open] code").first().textContent();
    expect(text.startsWith("ENR1-"), `it shows ${text}`);
    await answer(page, "Done").click();
    await closed(page);
    expect(!(await page.content()).includes(text), "the token is still in the page");
    const find = async () => (await farm.api("GET", "/tokens")).find(({ label }) => label === "hall");
    const made = await find();
    expect(made.uses === 7 && made.group === "shed-9" && made.approve === false, JSON.stringify(made));
    const row = page.locator(".tokens tr", { hasText: "hall" });
    await row.getByRole("button", { name: "Revoke" }).click();
    await answer(page, "Revoke the token").click();
    await soon("it is suspended", async () => (await find()).state === "suspended");
    await row.getByRole("button", { name: "Delete" }).click();
    await answer(page, "Revoke the token").click();
    await soon("it is gone", async () => !(await find()));
    await row.waitFor({ state: "detached" });
    none(page.faults);
  });
}

// Two other controllers manage the same rig: one is taken out, the other is handed the rig.
async function managers(page, farm, miner) {
  const others = await Promise.all([startFarm(0), startFarm(0)]);
  const list = async () => (await farm.api("GET", "/remote/paired/managers")).managers;
  const press = async (id, verb, sure) => {
    const row = page.locator("#page tr", { has: page.locator("th", { hasText: id }) });
    await row.getByRole("button", { name: verb }).click();
    await page.locator("dialog[open] input").fill("paired");
    await answer(page, sure).click();
    await closed(page);
  };
  try {
    await check("another manager of a rig is revoked, and one is handed the rig", async () => {
      const ids = [];
      for (const other of others) {
        ids.push((await other.api("GET", "/node/info")).identity.id);
        await other.api("POST", "/peers", { address: miner.facts.listening, pairingCode: miner.pair() });
      }
      await visit(page, farm, "/rigs/paired");
      await button(page, "Ask whom it obeys").click();
      await press(ids[0], "Revoke", "Revoke");
      await soon("it obeys two", async () => (await list()).length === 2);
      await press(ids[1], "Hand over to it", "Hand over");
      const now = await soon("the other one decides", async () => {
        const all = await list();
        return all[0].id === ids[1] && all;
      });
      expect(now[1].thisController, JSON.stringify(now));
      none(page.faults);
    });
  } finally {
    for (const other of others) await other.stop();
  }
}
