// What is wider than its place: a box that scrolls sideways, and a word that it does while there is more to the right.

import { el, reveal } from "./dom.js";

/** @param {string} label  what is in it, for those who do not see it @param {Node} content */
export function scrollBox(label, content) {
  const box = el("div", { class: "p-scroll", tabindex: 0, role: "region", "aria-label": label }, content);
  const hint = el("p", { class: "p-more", "aria-hidden": "true", text: "More to the right: scroll sideways →" });
  hint.hidden = true;
  const look = () => reveal(hint, box.scrollLeft + box.clientWidth < box.scrollWidth - 8);
  box.addEventListener("scroll", look, { passive: true });
  const watcher = new ResizeObserver(look);
  watcher.observe(box);
  if (content instanceof Element) watcher.observe(content);
  return el("div", { class: "p-scrolled" }, hint, box);
}
