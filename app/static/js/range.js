// A slider of the page's own.

import { el } from "./dom.js";

/**
 * With a name before it.
 * @param {string} label
 * @param {{max: number, value: number, oninput: (value: number) => void, min?: number}} how
 */
export function slider(label, { max, value, oninput, min = 0 }) {
  const input = el("input", { type: "range", min, max, step: 1, "aria-label": label });
  input.value = String(value);
  input.addEventListener("input", () => oninput(Number(input.value)));
  const node = el("label", { class: "p-ratio" }, el("span", { text: label }), input);
  return Object.assign(node, { input });
}
