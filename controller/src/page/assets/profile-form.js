// What the pages about profiles share: the form of one with its errors at its fields, the look at a pool,
// and the question for the end of a wallet before somebody else is paid.

import { needs, post } from "./api.js";
import { asCommand, dialog, quoted } from "./dialog.js";
import { fill, h } from "./dom.js";
import { clearErrors, failure, field, showError } from "./form.js";
import { count, milliseconds } from "./format.js";

// The API takes no more.
const MAX_POOLS = 3;
const MAX_WINDOWS = 8;
const COINS = ["monero", "monero-stagenet", "monero-testnet", "salvium", "wownero", "zephyr"];

// The beginning and the end of a long login, which tell two wallets apart.
export function middle(text, first = 8, last = 6) {
  const short = text.length <= first + last + 3 ? text : `${text.slice(0, first)}…${text.slice(-last)}`;
  return h("span", { class: "mono", title: text }, short);
}

export function threadsText({ threads, threadsPercent }) {
  if (threadsPercent) return `${threadsPercent} %`;
  return threads ? String(threads) : "as suits";
}

// A button that is disabled, and says why, without the scope.
export function scoped(scope, text, onclick, tone = null) {
  return h("button", { type: "button", class: tone, onclick, ...needs(scope) }, text);
}

export function choice(value, options) {
  return h("select", { value }, options.map(([name, text]) => h("option", { value: name }, text ?? name)));
}

// What a look at a pool came to, in sentences.
export function checkLines(found) {
  const work = [found.algorithm, found.height && `height ${count(found.height)}`, found.difficulty && `difficulty ${count(found.difficulty)}`].filter(Boolean).join(", ");
  const step = (good, text) => h("li", {}, h("span", { class: good === false ? "red" : null }, good === null ? "– " : good ? "✓ " : "✕ ", text));
  return h(
    "ul",
    { class: "checks" },
    step(found.reachable, found.reachable ? `the pool answers${Number.isFinite(found.connectMs) ? ` after ${milliseconds(found.connectMs)}` : ""}, ${found.tls ? "with TLS" : "without TLS"}` : "the pool does not answer"),
    step(found.reachable ? found.loggedIn : null, found.loggedIn ? "it takes the login" : "it was not logged in"),
    step(found.loggedIn ? found.job : null, found.job ? `it gives work${work ? `: ${work}` : ""}` : "no work was given"),
    step(found.walletValid ?? null, found.walletNote),
    found.error && h("li", { class: "red" }, found.error),
    found.note && h("li", { class: "amber" }, found.note),
  );
}

// A button that has the controller log in at a pool as a rig would; `body()` gives what to ask with.
export function poolCheck(body, signal) {
  const found = h("div", { role: "status" });
  const button = scoped("admin", "Check this pool", async () => {
    button.disabled = true;
    fill(found, h("p", { class: "quiet" }, "Asking the pool, up to 10 s…"));
    try {
      fill(found, checkLines(await post("/pools/check", body(), { signal, timeoutMs: 15_000 })));
    } catch (error) {
      fill(found, h("p", { class: "red" }, `Not checked: ${error.line ?? error.message}`));
    }
    button.disabled = false;
  });
  return h("div", { class: "pool-check" }, button, found);
}

// One pool. A password that is set is never known here: it is kept, replaced or removed.
function poolFields(pool, signal, coin, move) {
  const url = h("input", { value: pool.url ?? "", placeholder: "pool.example:3333", autocomplete: "off", spellcheck: "false" });
  const user = h("input", { class: "mono", value: pool.user ?? "", autocomplete: "off", spellcheck: "false" });
  const pass = h("input", { type: "password", autocomplete: "new-password", placeholder: pool.hasPass ? "the new password" : "none" });
  const fate = pool.hasPass ? choice("keep", [["keep", "Keep the one that is set"], ["replace", "Replace it"], ["remove", "Remove it"]]) : null;
  const isTyped = () => (fate?.value ?? "replace") === "replace";
  const ask = () => (pass.hidden = !isTyped());
  if (fate) fate.onchange = ask;
  ask();
  const tls = h("input", { type: "checkbox", checked: pool.tls });
  // Left out, a password is kept; an empty one removes it.
  const said = () => (fate?.value === "remove" ? { pass: "" } : isTyped() && pass.value ? { pass: pass.value } : {});
  const read = () => ({ url: url.value.trim(), tls: tls.checked, user: user.value.trim(), ...said() });
  const node = h(
    "fieldset",
    {},
    h("legend", {}),
    field("url", "Address, host:port", url),
    h("p", { class: "field" }, h("label", {}, tls, " TLS")),
    field("user", "Login: the wallet, with what the pool lets one append", user),
    field("pass", "Password", fate ?? pass, fate ? "It is kept while the address stays the same, and never shown." : "It is never shown again."),
    poolCheck(() => ({ ...read(), coin: coin() }), signal),
    h("p", { class: "buttons" }, [["↑", "up", -1], ["↓", "down", 1], ["Remove", "remove", 0]].map(([text, what, by]) => h("button", { type: "button", "data-move": what, "aria-label": `Pool: ${what}`, onclick: () => move(by) }, text))),
  );
  fate?.after(pass);
  pass.setAttribute("aria-label", "Password");
  return { node, read };
}

// The form of a profile, empty without one: {node, body(), error(problem), clear()}.
export function profileForm(profile, signal) {
  const given = profile ?? { pools: [{}], mode: "auto", pages: "auto", nice: 0, hours: { windows: [] } };
  const name = h("input", { autocomplete: "off", maxlength: 64 });
  const coin = h("input", { value: given.coin ?? "", list: "coins", placeholder: "monero, if it looks like one", autocomplete: "off" });
  const kind = choice(given.threadsPercent ? "percent" : given.threads ? "number" : "auto", [["auto", "as suits the rig"], ["number", "a number"], ["percent", "percent of those"]]);
  const threads = h("input", { type: "number", min: 1, max: 256, value: given.threadsPercent ?? given.threads ?? "", "aria-label": "Number or percent of threads" });
  const counts = () => (threads.hidden = kind.value === "auto");
  kind.onchange = counts;
  counts();
  const mode = choice(given.mode, [["auto"], ["fast"], ["light"]]);
  const pages = choice(given.pages, [["auto"], ["small"], ["huge2M"], ["huge1G"]]);
  const nice = h("input", { type: "number", min: 0, max: 19, value: given.nice });
  const windows = h("textarea", { rows: 2, spellcheck: "false", placeholder: "always" });
  windows.value = given.hours.windows.join("\n");
  const comment = h("input", { maxlength: 200, autocomplete: "off" });
  const list = h("div", {});
  const coinNow = () => coin.value.trim() || null;
  let pools = [];

  const place = () => {
    for (const [at, pool] of pools.entries()) {
      pool.node.querySelector("legend").textContent = at === 0 ? "Pool 1, first choice" : `Pool ${at + 1}, if those before it fail`;
      for (const input of pool.node.querySelectorAll("[data-field]")) input.dataset.field = `pools[${at}].${input.dataset.field.split(".").at(-1)}`;
      pool.node.querySelector("[data-move=up]").disabled = at === 0;
      pool.node.querySelector("[data-move=down]").disabled = at === pools.length - 1;
      pool.node.querySelector("[data-move=remove]").disabled = pools.length === 1;
    }
    more.disabled = pools.length >= MAX_POOLS;
    list.replaceChildren(...pools.map((pool) => pool.node));
  };
  const add = (given) => {
    const pool = poolFields(given, signal, coinNow, (by) => {
      const at = pools.indexOf(pool);
      pools.splice(at, 1);
      if (by !== 0) pools.splice(at + by, 0, pool);
      place();
    });
    pools.push(pool);
  };
  const more = h("button", { type: "button", onclick: () => (add({}), place()) }, "Add a pool");
  given.pools.forEach(add);
  place();

  const node = h(
    "div",
    { class: "profile-form" },
    !profile && field("name", "Name", name),
    list,
    h("p", {}, more),
    field("coin", "Coin that the wallets are addresses of", coin, "With a coin that is known here, a mistyped wallet is refused."),
    h("datalist", { id: "coins" }, COINS.map((one) => h("option", { value: one }))),
    h("div", { class: "three" }, field("threads", "Threads", h("select", {})), field("mode", "Mode", mode, "light: 256 MiB, several times slower"), field("pages", "Pages", pages), field("nice", "Gives way to other programs (nice 0 to 19)", nice)),
    field("windows", "Hours, a weekly window a line, in the controller's local time", windows, `Such as mon-fri 22:00-06:00; up to ${MAX_WINDOWS}; empty is always.`),
    field("comment", "Why this version is made", comment),
    failure(),
  );
  // The kind has the label, the number its own.
  const slot = node.querySelector("[data-field=threads] select");
  kind.id = slot.id;
  kind.setAttribute("aria-describedby", slot.getAttribute("aria-describedby"));
  slot.replaceWith(kind, threads);

  const number = (input) => (input.value === "" ? null : Number(input.value));
  return {
    node,
    body: () => ({
      ...(profile ? {} : { name: name.value.trim() }),
      pools: pools.map((pool) => pool.read()),
      coin: coinNow(),
      threads: kind.value === "number" ? number(threads) : null,
      threadsPercent: kind.value === "percent" ? number(threads) : null,
      mode: mode.value,
      pages: pages.value,
      nice: number(nice),
      windows: windows.value.split("\n").map((line) => line.trim()).filter(Boolean),
      comment: comment.value.trim() || null,
    }),
    error: (error) => showError(node, error),
    clear: () => clearErrors(node),
  };
}

// The command that makes or changes a profile so; passwords are read from files and named by a word.
export function profileCommand(verb, id, body) {
  const words = ["miner-ctrl profile", verb];
  if (verb === "edit") words.push(quoted(id));
  else words.push("--name", quoted(body.name || "NAME"));
  for (const pool of body.pools) {
    words.push("--pool", quoted(pool.tls && !pool.url.includes("//") ? `stratum+ssl://${pool.url}` : pool.url || "HOST:PORT"));
    words.push("--user", quoted(pool.user || "WALLET"));
    // To remove one, the file is empty.
    if (pool.pass !== undefined) words.push(pool.pass ? "--pass-file FILE" : "--pass-file /dev/null");
  }
  if (body.coin || verb === "edit") words.push("--coin", quoted(body.coin ?? "none"));
  if (body.threads || body.threadsPercent || verb === "edit") words.push("--threads", body.threadsPercent ? `${body.threadsPercent}%` : String(body.threads ?? "auto"));
  words.push("--mode", body.mode, "--pages", body.pages, "--nice", String(body.nice ?? 0));
  for (const window of body.windows) words.push("--hours", quoted(window));
  if (verb === "edit" && body.windows.length === 0) words.push("--hours always");
  if (body.comment) words.push("--comment", quoted(body.comment));
  return words.join(" ");
}

// Runs `work(confirmPayout)`; where the API says that somebody else would be paid, asks for the end of the
// wallet until it is right. Null if the person would rather not. Other errors are the caller's.
export async function withPayout(work, command = null) {
  try {
    return await work(null);
  } catch (error) {
    if (error.code !== "PAYOUT_UNCONFIRMED") throw error;
    return askPayout(error, work, command);
  }
}

async function askPayout(first, work, command) {
  let other = null;
  const answer = await dialog("Another wallet would be paid", (close) => {
    const word = h("input", { class: "mono", autocomplete: "off", spellcheck: "false", autofocus: true });
    const go = h("button", { class: "danger", type: "submit", disabled: true }, "Pay this wallet");
    // Several new wallets have an end each: how much there is to type is the controller's to say.
    word.oninput = () => (go.disabled = word.value.trim() === "");
    const form = h(
      "form",
      {},
      h("p", {}, `${first.message[0].toUpperCase()}${first.message.slice(1)}.`),
      h("p", {}, "Look the wallet up where you keep it, not on this page: whoever changed it here may have changed it on the way."),
      field("confirmPayout", "The end of the wallet", word, first.problem?.hint?.includes(" of each") ? "The last 6 characters of each, in this order, with commas between." : "Its last 6 characters."),
      failure(),
      command && asCommand(`${command} --confirm-payout END`),
      h("p", { class: "buttons" }, h("button", { type: "button", onclick: () => close(null) }, "Cancel"), go),
    );
    form.onsubmit = async (event) => {
      event.preventDefault();
      clearErrors(form);
      go.disabled = true;
      try {
        close(await work(word.value.trim()));
      } catch (error) {
        if (error.code === "PAYOUT_UNCONFIRMED") {
          error.problem = { ...error.problem, hint: undefined };
          error.message = "that is not the end of the new wallet, or of several not all of them in their order";
          error.field = "confirmPayout";
          showError(form, error);
        } else {
          other = error;
          close(null);
        }
      }
      go.disabled = false;
    };
    return form;
  });
  if (other) throw other;
  return answer;
}
