// A window over the page with something to read or to copy.

import { button, el, put } from "./dom.js";

/**
 * It opens with showModal(); outside, Esc and Close close it.
 * @param {string} id  of its title @param {string} title @param {...(Node | false)} children
 */
export function sheet(id, title, ...children) {
  const close = button("lost", "Close", () => node.close(), { class: "p-button p-small", autofocus: true });
  const node = el("dialog", { class: "p-dialog papr", "aria-labelledby": id }, el("header", {}, el("h2", { id, text: title }), close), ...children);
  node.addEventListener("click", (event) => event.target === node && node.close());
  document.body.append(node);
  return node;
}

/** A button's words say for two seconds what became of it. @param {HTMLElement} words @param {string} text */
export async function copied(words, text) {
  const before = words.textContent;
  try {
    await navigator.clipboard.writeText(text);
    put(words, "Copied");
  } catch {
    put(words, "Select and copy by hand");
  }
  setTimeout(() => put(words, before), 2000);
}

/** Text to copy. @param {string} text */
export function code(text) {
  const copy = button(null, "Copy", () => copied(copy.querySelector("span"), text), { class: "p-button p-small" });
  return el("div", { class: "p-code" }, el("pre", { tabindex: 0 }, el("code", { text })), copy);
}
