// Elements without a framework: `h` makes them, `morph` makes one that is shown equal to a new one.
// Text only ever becomes text, never markup: names and log lines come from rigs and are hostile.

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "path", "polyline", "line", "rect", "circle", "g"]);

// h("td", { class: "num", title: exact, onclick: open }, "12.5", h("small", {}, "kH/s"))
// A property of null, undefined or false is left out, true is an empty attribute, on… is a listener.
// Children: elements, texts, numbers, arrays of these; null, undefined and false are left out.
export function h(tag, props = {}, ...children) {
  const node = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) {
      node[name] = value;
      (node.heard ??= []).push(name);
    } else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  append(node, children);
  // A select has its options only now.
  if (tag === "select" && props?.value !== undefined) node.value = props.value;
  return node;
}

function append(node, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(node, child);
    else if (child !== null && child !== undefined && child !== false) node.append(child);
  }
}

// Puts these in the place of what a node holds.
export function fill(node, ...children) {
  const made = document.createDocumentFragment();
  append(made, children);
  node.replaceChildren(made);
}

// Makes what `node` holds equal to `children` and touches only what differs: nothing flashes, a
// selection stays, nothing moves under the pointer. What somebody types into is left as it is.
export function show(node, ...children) {
  const next = document.createElement("div");
  append(next, children);
  become(node, next);
}

function morph(now, next) {
  if (now === next) return;
  if (now.nodeType !== next.nodeType || now.nodeName !== next.nodeName || key(now) !== key(next)) {
    now.replaceWith(next);
    return;
  }
  if (now.nodeType === Node.TEXT_NODE) {
    if (now.data !== next.data) now.data = next.data;
    return;
  }
  for (const { name } of [...now.attributes]) if (!next.hasAttribute(name)) now.removeAttribute(name);
  for (const { name, value } of next.attributes) if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  for (const name of now.heard ?? []) now[name] = null;
  for (const name of next.heard ?? []) now[name] = next[name];
  now.heard = next.heard;
  if (now.hasAttribute("data-kept")) return;
  become(now, next);
}

function become(now, next) {
  const fresh = [...next.childNodes];
  const kept = new Map();
  for (const child of now.childNodes) if (key(child)) kept.set(key(child), child);
  let at = now.firstChild;
  for (const child of fresh) {
    const same = key(child) ? kept.get(key(child)) : at && !key(at) ? at : null;
    if (!same) {
      now.insertBefore(child, at);
      continue;
    }
    if (same !== at) now.insertBefore(same, at);
    at = same.nextSibling;
    morph(same, child);
  }
  while (at) {
    const after = at.nextSibling;
    at.remove();
    at = after;
  }
}

function key(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.id || node.getAttribute("data-key") : null;
}
