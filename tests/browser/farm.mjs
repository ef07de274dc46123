// A farm of simulated rigs, a browser that is logged in, and what it must never do.

import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const ROOT = new URL("../../", import.meta.url);

// Starts `example farm` with so many rigs: {page, token, login, pid, api(), invite(), hold(), goOn(), stop()}; the
// process is the controller's.
export async function startFarm(rigs, { well = false } = {}) {
  const program = process.env.FARM_PROGRAM ?? new URL("target/debug/examples/farm", ROOT).pathname;
  const child = spawn(program, ["--json", "--rigs", String(rigs), ...(well ? ["--well"] : [])], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  const first = await new Promise((resolve, reject) => {
    lines.once("line", resolve);
    child.once("exit", (code) => reject(new Error(`the farm ended with ${code}`)));
  });
  const farm = JSON.parse(first);
  // Asks the API as the owner's own program does.
  farm.api = async (method, path, body) => {
    const response = await fetch(`${farm.page}api/v1/mining${path}`, {
      method,
      headers: { authorization: `Bearer ${farm.token}`, "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  };
  farm.invite = async (scope = "admin") => (await farm.api("POST", "/logins", { scope })).url;
  // The controller neither answers nor ends until it may go on.
  farm.hold = () => process.kill(farm.pid, "SIGSTOP");
  farm.goOn = () => process.kill(farm.pid, "SIGCONT");
  farm.stop = () =>
    new Promise((resolve) => {
      child.once("exit", resolve);
      child.stdin.end();
    });
  return farm;
}

export function launch() {
  const quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: quiet });
}

// A page that is logged in. `faults` collects what must stay empty: errors of the console, requests that
// leave the origin, answers that failed. PAGE_ASSETS=DIR serves style and scripts from a folder instead
// of the program, for who works on them.
export async function logIn(browser, farm, { width = 1440, height = 900, scheme = "light", scope = "admin", reducedMotion = "no-preference" } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion });
  const page = await context.newPage();
  page.faults = [];
  // A farm without a recovery key says so by 404, which Chromium notes as an error.
  const isAnswer = (message) => message.location().url.endsWith("/node/recovery") && message.text().includes("404");
  page.on("console", (message) => message.type() === "error" && !isAnswer(message) && page.faults.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => page.faults.push(`error: ${error.stack ?? error.message}`));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(farm.page) && !url.startsWith("data:") && !url.startsWith("blob:")) page.faults.push(`left the origin: ${url}`);
  });
  const folder = process.env.PAGE_ASSETS;
  if (folder) {
    await context.route(/\/assets\/[0-9a-f]+\/.+/, async (route) => {
      const name = new URL(route.request().url()).pathname.split("/").slice(3).join("/");
      const kind = name.endsWith(".css") ? "text/css" : "text/javascript";
      try {
        await route.fulfill({ body: await readFile(`${folder}/${name}`), contentType: `${kind}; charset=utf-8` });
      } catch {
        await route.fulfill({ status: 404, body: `no ${name}` });
      }
    });
  }
  await page.goto(await farm.invite(scope));
  await page.waitForSelector("#totals .states");
  return page;
}
