// The areas under a method's curves: its best patches first, and, where that was asked for, its worst first.

import { controls } from "./controls.js";
import { curvePoints } from "./counts.js";
import { el, put, reveal } from "./dom.js";
import { formatted, lineMethods, measured, methodOf, store, withUnit } from "./store.js";

/** @typedef {import("./types").Method} Method */

const NO_ORDER = "It has no order of patches, so there is no curve to take an area under.";

/** Which patches the curve goes over, in words. @param {import("./types").Answer} answer */
const span = ({ patches }) => `from ${Math.ceil(patches / 49)} to ${patches} patches`;

/** Both areas as [best first, worst first]; null where there is none. @param {Method} method */
const areasOf = ({ areas }) => areas && [areas[0], store.view.worst ? areas[1] : null];

/** Whether it ranks patches at all. @param {Method} method */
const ranks = ({ name, sizes }) => name !== "by-hand" && !sizes;

/** "Chance gets 56.2 % either way", as far as it is known. */
function byChance() {
  const random = methodOf("random")?.areas;
  return random ? `chance gets ${withUnit(random[0])} either way` : "";
}

/** On a card: "Area 61.2 / 33.5", and what that is. @param {Method} method @returns {{text: string, title: string}} */
export function areaOf(method) {
  if (!ranks(method)) return { text: "No area", title: NO_ORDER };
  const areas = areasOf(method);
  if (!areas) return { text: "Area …", title: "Once its whole curve is computed" };
  const [best, worst] = areas;
  const waits = store.view.worst && worst === null ? " / …" : "";
  const told = [
    `${measured()}, its mean ${span(store.answer)} kept: best patches first ${withUnit(best)} (high is good)`,
    worst === null ? "" : `worst first ${withUnit(worst)} (low is good)`,
    byChance(),
  ];
  return {
    text: `Area ${formatted(best)}${worst === null ? waits : ` / ${formatted(worst)}`}`,
    title: `${told.filter(Boolean).join("; ")}.`,
  };
}

/** Enlarged: a row a number. @param {Method} method @returns {[string, string][]} */
export function areaRows(method) {
  if (!ranks(method)) return [["Area under the curve", "none: it has no order of patches"]];
  const areas = areasOf(method);
  if (!areas) return [];
  const random = methodOf("random")?.areas;
  /** @type {[string, string][]} */
  const rows = [[`Mean ${span(store.answer)}, best first`, withUnit(areas[0])]];
  if (areas[1] !== null) rows.push(["The same, worst patches first (low is good)", withUnit(areas[1])]);
  if (random && method.name !== "random") rows.push(["The same by chance, either way", withUnit(random[0])]);
  return rows;
}

/** Under the curve: what an area is, and the way to the other one with its price. @param {HTMLElement} root */
export function aboutAreas(root) {
  const words = el("span");
  const toggle = el("button", { type: "button", class: "p-linked", onclick: () => controls({ worst: !store.view.worst }) });
  const price = el("span");
  const node = el("p", { class: "p-note p-about-areas" }, words, " ", toggle, price);
  root.append(node);
  return () => {
    const { answer, view } = store;
    reveal(node, lineMethods().some(ranks));
    const orders = view.worst ? "best patches first (high is good) / worst first (low is good)" : "best patches first";
    const chance = byChance();
    put(words, `Area on a card: the mean height of its curve ${span(answer)}, ${orders}${chance ? `; ${chance}` : ""}.`);
    put(toggle, view.worst ? "Best first only" : "Worst first too");
    toggle.setAttribute("aria-pressed", String(view.worst));
    put(price, view.worst ? "" : ` (${curvePoints(answer.patches)} more passes a method, about as long again as the curves)`);
  };
}
