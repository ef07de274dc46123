// Profiles and rollouts: made by the form, changed after a look, brought to rigs, taken back, deleted.

import { answer, button, check, closed, expect, none, soon, visit } from "../check.mjs";

const find = (farm, id) => farm.api("GET", `/profiles/${id}`);

export async function profiles(page, farm) {
  await check("an error of the API stands at its field", async () => {
    await visit(page, farm, "/profiles");
    await button(page, "New profile").click();
    const form = page.locator("dialog[open] form");
    await form.getByLabel("Name", { exact: true }).fill("refused");
    await form.getByLabel("Address, host:port").fill("pool.example:3333");
    await form.getByLabel(/^Login/).fill(`4${"A".repeat(94)}`);
    await form.locator("button[type=submit]").click();
    const error = form.locator('[data-field="pools[0].user"] .error');
    await error.waitFor({ state: "visible" });
    expect((await error.textContent()).length > 10, "it says nothing");
    expect((await form.getByLabel(/^Login/).getAttribute("aria-invalid")) === "true", "the field is not marked");
    await page.keyboard.press("Escape");
  });

  await check("a profile is made by the form, with two pools, hours and a part of the threads", async () => {
    await visit(page, farm, "/profiles");
    await button(page, "New profile").click();
    const form = page.locator("dialog[open] form");
    await form.getByLabel("Name", { exact: true }).fill("clicked");
    await form.getByLabel("Address, host:port").fill("second.example:3333");
    await form.getByLabel(/^Login/).fill("farm");
    await form.getByRole("button", { name: "Add a pool" }).click();
    const first = form.locator("fieldset").nth(1);
    await first.getByLabel("Address, host:port").fill("first.example:443");
    await first.getByLabel("TLS").check();
    await first.getByLabel(/^Login/).fill("farm");
    await first.getByLabel("Password").fill("secret-word");
    await first.getByRole("button", { name: "Pool: up" }).click();
    await form.getByLabel("Threads", { exact: true }).selectOption("percent");
    await form.getByLabel("Number or percent of threads").fill("75");
    await form.getByLabel("Mode").selectOption("light");
    await form.getByLabel(/^Hours/).fill("mon-fri 22:00-06:00\nsat 00:00-24:00");
    await form.getByLabel("Why this version is made").fill("for the tests");
    expect(!(await form.locator(".command").textContent()).includes("secret-word"), "the command shows the password");
    await answer(page, "Make the profile").click();
    await page.waitForURL("**/profiles/clicked");
    const made = await find(farm, "clicked");
    expect(made.pools.map(({ url, tls }) => `${url} ${tls}`).join() === "first.example:443 true,second.example:3333 false", JSON.stringify(made.pools));
    expect(made.pools[0].hasPass && made.threadsPercent === 75 && made.mode === "light" && made.hours.windows.length === 2 && made.comment === "for the tests", JSON.stringify(made));
    none(page.faults);
  });

  await check("a change is looked at, saved, and compared; an older version is brought back", async () => {
    await visit(page, farm, "/profiles/clicked");
    const form = page.locator("#editor form");
    await form.getByLabel("Threads", { exact: true }).selectOption("auto");
    await form.getByLabel("Why this version is made").fill("all of them");
    await button(page, "Preview the change").click();
    await page.locator("dialog[open] td", { hasText: "75" }).first().waitFor();
    expect((await find(farm, "clicked")).version === 1, "looking at it saved it");
    await answer(page, "Save version 2").click();
    const saved = await soon("version 2", async () => {
      const now = await find(farm, "clicked");
      return now.version === 2 && now;
    });
    expect(saved.threadsPercent === null && saved.pools[0].hasPass, JSON.stringify(saved));
    await button(page, "Compare two versions").click();
    await page.locator("dialog[open] th", { hasText: /threads/i }).first().waitFor();
    await page.keyboard.press("Escape");
    await closed(page);
    await button(page, "Bring back").click();
    await answer(page, "Make version 3").click();
    const back = await soon("version 3", async () => {
      const now = await find(farm, "clicked");
      return now.version === 3 && now;
    });
    expect(back.threadsPercent === 75 && back.restores === 1, JSON.stringify(back));
    none(page.faults);
  });

  await check("who changes what somebody else has changed meanwhile hears of it, and loses nothing", async () => {
    await visit(page, farm, "/profiles/clicked");
    const form = page.locator("#editor form");
    await form.getByLabel("Mode").selectOption("fast");
    const { pools } = await find(farm, "clicked");
    const same = pools.map(({ url, tls, user }) => ({ url, tls, user }));
    await farm.api("PUT", "/profiles/clicked", { version: 3, pools: same, coin: null, threads: null, threadsPercent: 50, mode: "light", pages: "auto", nice: 0, windows: [], comment: "meanwhile" });
    await page.locator("#page", { hasText: "The form has version 3" }).waitFor();
    expect((await form.getByLabel("Mode").inputValue()) === "fast", "what was typed is gone");
    await button(page, "Load version 4").click();
    expect((await form.getByLabel("Mode").inputValue()) === "light", "version 4 is not in the form");
    none(page.faults);
  });

  await rollouts(page, farm);

  await check("a profile is deleted once its name is typed", async () => {
    await visit(page, farm, "/profiles/clicked");
    await button(page, "Delete").click();
    const go = answer(page, "Delete the profile");
    expect(await go.isDisabled(), "it is deleted without a word");
    await page.locator("dialog[open] input").fill("clicked");
    await go.click();
    await page.waitForURL("**/profiles");
    const left = await farm.api("GET", "/profiles");
    expect(left.every(({ id }) => id !== "clicked"), "it is still there");
    none(page.faults);
  });
}

async function rollouts(page, farm) {
  // The rollout that the page shows; the same once it has this status.
  const shown = () => farm.api("GET", new URL(page.url()).pathname);
  const became = (status) =>
    soon(`it is ${status}`, async () => {
      const one = await shown();
      return one.status === status && one;
    });
  const press = async (verb) => {
    await button(page, `${verb}…`).click();
    await answer(page, `${verb} the rollout`).click();
    await closed(page);
  };
  const start = async () => {
    await visit(page, farm, "/profiles/rx");
    await button(page, "Roll out").click();
    const form = page.locator("dialog[open] form");
    await form.getByLabel(/^Rigs, by a selector/).fill("name=rig-00004,rig-00005,rig-00006");
    await form.getByLabel(/^Rigs, by a selector/).blur();
    await form.locator("[role=status]", { hasText: "3 rigs" }).waitFor();
    await form.getByLabel(/^Stages/).fill("1, 100%");
    await form.getByLabel("Watch each stage").fill("1");
    await answer(page, "Start the rollout").click();
    await page.waitForURL("**/rollouts/*");
  };

  await check("a rollout is started, paused, resumed, and aborted", async () => {
    const { pools } = await find(farm, "rx");
    await farm.api("PUT", "/profiles/rx", { version: 1, pools: pools.map(({ url, tls, user }) => ({ url, tls, user })), threads: null, threadsPercent: null, coin: null, mode: "auto", pages: "auto", nice: 5, windows: [], comment: "nicer" });
    await start();
    const begun = await became("running");
    expect(begun.rigs === 3 && begun.stages.length === 2 && begun.version === 2, JSON.stringify(begun));
    await press("Pause");
    await became("paused");
    await press("Resume");
    await became("running");
    await press("Abort");
    await became("aborted");
    none(page.faults);
  });

  await check("a rollout is rolled back: its rigs have what they had", async () => {
    await start();
    await soon("a rig has the version", async () => (await shown()).applied > 0);
    await press("Roll back");
    const { members } = await became("rolledBack");
    expect(members.some(({ outcome }) => outcome === "toldBack") && members.every(({ outcome }) => outcome !== "applied"), JSON.stringify(members));
    none(page.faults);
  });
}
