// Dialogs, toasts and texts to copy. Nothing dangerous happens without a dialog that says what will
// happen to whom, and nothing fails in silence.

import { fill, h } from "./dom.js";

// Opens a dialog and gives a promise of what it was closed with; Esc closes it with null.
//   build(close) makes what it holds.
export function dialog(title, build, { wide = false } = {}) {
  return new Promise((resolve) => {
    let answer = null;
    const before = document.activeElement;
    const box = h("dialog", { class: wide ? "wide" : null, "aria-labelledby": "dialog-title" });
    const close = (value = null) => {
      answer = value;
      box.close();
    };
    const shut = h("button", { class: "plain close", type: "button", "aria-label": "Close", onclick: () => close() }, "✕");
    fill(box, h("header", {}, h("h2", { id: "dialog-title" }, title), shut), h("div", { class: "body" }, build(close)));
    box.addEventListener("close", () => {
      box.remove();
      before?.focus?.();
      resolve(answer);
    });
    document.body.append(box);
    box.showModal();
    box.querySelector("[autofocus], input, select, textarea, button.primary")?.focus();
  });
}

// Asks before something happens: `lines` say what, to whom; `typed` must be typed first where it is dangerous.
export function confirm({ title, lines = [], verb, typed = null, tone = "primary", command = null }) {
  return dialog(title, (close) => {
    const go = h("button", { class: tone, type: "submit", disabled: typed !== null }, verb);
    const word =
      typed !== null &&
      h("label", {}, "Type ", h("b", {}, typed), " to go on", h("input", { autocomplete: "off", oninput: (event) => (go.disabled = event.target.value.trim() !== typed) }));
    const submit = (event) => {
      event.preventDefault();
      if (!go.disabled) close(true);
    };
    const cancel = h("button", { type: "button", onclick: () => close(null) }, "Cancel");
    return h("form", { onsubmit: submit }, lines.map((line) => (line instanceof Node ? line : h("p", {}, line))), word, command && asCommand(command), h("p", { class: "buttons" }, cancel, go));
  });
}

// A line at the edge that goes by itself; one with something to do stays longer.
export function toast(text, { tone = "", verb = null, run = null } = {}) {
  const shelf = document.getElementById("toasts");
  const line = h("div", { class: `toast ${tone}`, role: tone === "red" ? "alert" : "status" }, h("span", {}, text));
  const away = () => line.remove();
  if (verb) {
    const act = () => {
      away();
      run();
    };
    line.append(h("button", { class: "plain", type: "button", onclick: act }, verb));
  }
  line.append(h("button", { class: "plain", type: "button", "aria-label": "Dismiss", onclick: away }, "✕"));
  shelf.append(line);
  // A dozen lines say no more than three.
  while (shelf.children.length > 4) shelf.firstChild.remove();
  setTimeout(away, tone === "red" || verb ? 12_000 : 5_000);
}

// Says what went wrong, as the controller said it.
export function failed(doing, error) {
  if (error.name === "AbortError") return;
  toast(`${doing}: ${error.line ?? error.message}`, { tone: "red" });
}

// A text with a button that copies it.
export function copyable(text, label = "Copy") {
  const button = h("button", { class: "plain copy", type: "button", title: label, "aria-label": label }, "copy");
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
    } catch {
      // Without a secure origin there is no clipboard: the text is selected instead.
      getSelection().selectAllChildren(code);
      button.textContent = "selected";
    }
    setTimeout(() => (button.textContent = "copy"), 1_500);
  };
  const code = h("code", {}, text);
  return h("span", { class: "copyable" }, code, button);
}

// The command that does the same.
export function asCommand(text) {
  return h("p", { class: "command" }, h("small", {}, "The same by command: "), copyable(text, "Copy the command"));
}

// A word for a shell: bare if nothing in it means something there.
export function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
