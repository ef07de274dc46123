// A text as a QR code: dark on white in both themes, with the quiet zone of four modules that readers need.

import { h } from "./dom.js";
import { encode } from "./vendor/uqr.js";

const QUIET_ZONE = 4;

export function qrCode(text, what) {
  const { data, size } = encode(text, { ecc: "M", border: QUIET_ZONE });
  let path = "";
  data.forEach((row, y) => row.forEach((dark, x) => dark && (path += `M${x} ${y}h1v1h-1z`)));
  return h(
    "svg",
    { class: "qr", viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": `QR code of ${what}`, "shape-rendering": "crispEdges" },
    h("rect", { width: size, height: size, fill: "#fff" }),
    h("path", { d: path, fill: "#000" }),
  );
}
