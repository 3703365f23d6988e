// A forest plot: differences with their 95 % intervals, a line each, around zero.

import { el, put } from "./dom.js";
import { signed } from "./words.js";

/**
 * @typedef {{title: string, value: number[]}} Row  value: [difference, low, high], in points
 * @typedef {{title: string, rows: Row[]}} Group
 */

/** A round step that divides a range of points into a few. @param {number} range */
const stepOf = (range) => [1, 2, 5, 10, 20, 50].find((step) => range / step <= 6) ?? 100;

/**
 * Give the groups with set(); all are drawn between `low` and `high` points, and what reaches further ends at the edge
 * with an arrow.
 * @param {string} label @param {[number, number]} ends
 */
export function forest(label, [low, high]) {
  const caption = el("figcaption");
  const list = el("div", { class: "p-forest-rows" });
  const node = el("figure", { class: "p-forest", "aria-label": label }, caption, list);
  const step = stepOf(high - low);
  const at = (/** @type {number} */ value) => (100 * (Math.max(low, Math.min(high, value)) - low)) / (high - low);
  const place = (/** @type {number} */ value) => `left: ${at(value).toFixed(2)}%`;
  /** @type {number[]} */
  const ticks = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) ticks.push(tick);
  const grid = () => ticks.map((tick) => el("i", { class: tick === 0 ? "p-zero" : "p-tick-line", style: place(tick) }));

  /** @param {Row} row */
  function line({ title, value }) {
    const [middle, from, to] = value;
    const clear = from > 0 ? "ahead" : to < 0 ? "behind" : "open";
    const range = el("b", { class: "p-range", style: `${place(from)}; width: ${(at(to) - at(from)).toFixed(2)}%` });
    const dot = middle > high || middle < low ? null : el("b", { class: "p-middle", style: place(middle) });
    const beyond = to > high ? "right" : from < low ? "left" : null;
    const track = el("span", { class: "p-track", "aria-hidden": "true", "data-beyond": beyond }, ...grid(), range, dot);
    const words = `${signed(middle)} (${signed(from)} to ${signed(to)})`;
    return el("li", { class: "p-forest-row", "data-clear": clear }, el("span", { class: "p-label", text: title }), track, el("span", { class: "p-points", text: words }));
  }

  const axis = el(
    "div",
    { class: "p-forest-row p-forest-axis", "aria-hidden": "true" },
    el("span", { class: "p-label" }),
    el("span", { class: "p-track" }, ...ticks.map((tick) => el("span", { class: "p-tick-text", style: place(tick), text: tick ? signed(tick, 0) : "0" }))),
    el("span", { class: "p-points", text: "points, 95 %" }),
  );

  /** @param {string} words @param {Group[]} groups */
  function set(words, groups) {
    put(caption, words);
    list.replaceChildren(
      ...groups.flatMap(({ title, rows }) => [el("h4", { text: title }), el("ul", {}, ...rows.map(line))]),
      axis,
    );
  }
  return Object.assign(node, { set });
}
