// Cards, curve and what stands beside and below them, drawn anew as what they show changes.

import { cardList } from "./cards.js";
import { curve } from "./curve.js";
import { drawDialog } from "./dialog.js";
import { el } from "./dom.js";
import { draw } from "./draw.js";
import { store } from "./store.js";
import { debounce, watchHolding } from "./timing.js";

/** @typedef {(what: string) => void} Part */

/**
 * @param {Element} root
 * @param {(beside: HTMLElement, below: HTMLElement) => Part[]} [more]  what else stands beside the curve and below all
 */
export function screen(root, more = () => []) {
  /** @param {string} name */
  const section = (name) => root.appendChild(el("section", { class: `p-section p-section-${name}` }));
  const [cards, results, end] = ["cards", "results", "downloads"].map(section);
  const [chart, table] = ["curve", "fewest"].map((n) => results.appendChild(el("div", { class: `p-${n}-part` })));
  const parts = [cardList(cards, end), curve(chart), ...more(table, end), drawDialog];
  store.onchange((what) => {
    if (what === "answer") draw.load(store.answer.picture.src, () => store.changed("answer"));
  });
  store.draws(root, parts, ["answer", "methods", "hand", "points", "looks", "ratio", "pointed", "status"]);
  const looks = () => store.changed("looks"); // light or dark, another size
  new MutationObserver(looks).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  window.addEventListener("resize", debounce(looks, 200));
  watchHolding();
}
