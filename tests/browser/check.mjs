// What every test of the page does: one line for each check, going to a page, and waiting for the controller.

let passed = 0;
const failures = [];

export async function check(name, work) {
  try {
    await work();
    passed += 1;
    console.log(`ok    ${name}`);
  } catch (error) {
    failures.push(name);
    console.log(`FAIL  ${name}: ${error.message}`);
  }
}

// Says how many passed and failed; gives the exit code.
export function result() {
  console.log(`test result: ${failures.length === 0 ? "ok" : "FAILED"}. ${passed} passed; ${failures.length} failed`);
  return failures.length === 0 ? 0 : 1;
}

export function expect(is, what) {
  if (!is) throw new Error(what);
}

export const none = (faults) => expect(faults.length === 0, faults.join("; "));

// Goes to a page by its address and waits until it shows something.
export async function visit(page, farm, address) {
  page.faults.length = 0;
  await page.goto(new URL(address, farm.page).href);
  await page.waitForSelector("#page .page :is(h1, h2)", { state: "attached", timeout: 15_000 });
  await page.waitForSelector("#totals .states");
  await page.waitForTimeout(600);
}

// Asks until the answer is something; what it is once it is. `what` says what was waited for in vain.
export async function soon(what, ask, seconds = 15) {
  const end = performance.now() + seconds * 1_000;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (performance.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

// A button of the page, and of the dialog that is open, by the words that it begins with.
const begins = (words) => new RegExp(`^\\s*${words.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}`);
export const button = (page, words) => page.locator("#page button", { hasText: begins(words) }).first();
export const answer = (page, words) => page.locator("dialog[open] button", { hasText: begins(words) }).last();

// Waits until no dialog is left: what was asked for is done, and what it held is out of the page. That is
// a moment after it closed, for the browser tells of a closing by an event.
export const closed = (page) => page.waitForFunction(() => !document.querySelector("dialog"), null, { timeout: 20_000 });

// A line at the edge that begins so.
export const toast = (page, words) => page.locator("#toasts .toast", { hasText: begins(words) }).last();
