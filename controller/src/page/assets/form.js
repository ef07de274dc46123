// Fields of forms, and errors of the API at the field that they are about.

import { h } from "./dom.js";

let made = 0;

// A labelled input; `name` is the API's name of the field, by which its errors find it.
export function field(name, label, input, note = null) {
  made += 1;
  const id = `field-${made}`;
  input.id = id;
  input.name = name;
  input.setAttribute("aria-describedby", `${id}-error`);
  return h("div", { class: "field", "data-field": name }, h("label", { for: id }, label), input, note && h("small", {}, note), h("p", { class: "error", id: `${id}-error`, role: "alert", hidden: true }));
}

// Where an error stands that is about no field.
export const failure = () => h("p", { class: "error whole", role: "alert", hidden: true });

export function clearErrors(form) {
  for (const line of form.querySelectorAll(".error")) line.hidden = true;
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
}

// Shows this error and no other: at its field, or where `failure` stands if it has none there.
export function showError(form, error) {
  clearErrors(form);
  if (error.name === "AbortError") return;
  const line = error.line ?? error.message;
  const wanted = error.field ?? "";
  const fields = [...form.querySelectorAll("[data-field]")];
  // `windows[1]` is a line of `windows`; `pools` is shown at the first pool.
  const at = fields.find((one) => one.dataset.field === wanted) ?? fields.find((one) => wanted && (wanted.startsWith(`${one.dataset.field}[`) || one.dataset.field.startsWith(`${wanted}[`)));
  const said = at ? at.querySelector(".error") : form.querySelector(".error.whole");
  said.textContent = line;
  said.hidden = false;
  const input = at?.querySelector("input, select, textarea");
  input?.setAttribute("aria-invalid", "true");
  (input ?? said).scrollIntoView({ block: "nearest" });
  input?.focus();
}
