// The patch under the pointer or the keyboard's: the same in all cards, with its rank in each.

import { methodOf, store } from "./store.js";

/** @type {WeakMap<number[], number[]>} */
const ranks = new WeakMap();
/** The place of a patch in an order, from 1. @param {number[]} order @param {number} patch */
function rankIn(order, patch) {
  if (!ranks.has(order)) {
    /** @type {number[]} */
    const places = [];
    order.forEach((one, i) => (places[one] = i + 1));
    ranks.set(order, places);
  }
  return ranks.get(order)[patch];
}

export const pointed = {
  /** @type {number | null} */
  patch: null,

  /** @param {number | null} patch */
  set(patch) {
    if (patch === pointed.patch) return;
    pointed.patch = patch;
    store.changed("pointed");
  },

  /** Its rank in a method's order, or null. @param {string} name */
  rank(name) {
    const order = methodOf(name)?.order;
    return order && pointed.patch !== null && pointed.patch < order.length ? rankIn(order, pointed.patch) : null;
  },

  /** By a key on a grid; whether the key was one that moves. @param {string} key */
  move(key) {
    const [rows, columns] = store.answer.grid;
    const at = pointed.patch ?? Math.floor(rows / 2) * columns + Math.floor(columns / 2);
    const [row, column] = [Math.floor(at / columns), at % columns];
    /** @type {Record<string, [number, number]>} */
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    if (!(key in moves)) return false;
    const [r, c] = [row + moves[key][0], column + moves[key][1]];
    if (pointed.patch === null) pointed.set(at);
    else if (r >= 0 && r < rows && c >= 0 && c < columns) pointed.set(r * columns + c);
    return true;
  },

  /** A picture whose patches can be pointed at. @param {HTMLElement} node */
  watch(node) {
    node.addEventListener("pointermove", ({ clientX, clientY }) => {
      if (!store.answer) return;
      const box = node.getBoundingClientRect();
      const [rows, columns] = store.answer.grid;
      const [x, y] = [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
      pointed.set(x < 0 || y < 0 || x >= 1 || y >= 1 ? null : Math.floor(y * rows) * columns + Math.floor(x * columns));
    });
    node.addEventListener("pointerleave", () => pointed.set(null));
    node.addEventListener("blur", () => pointed.set(null));
    node.addEventListener("keydown", (event) => {
      if (event.target === node && pointed.move(event.key)) event.preventDefault();
    });
  },
};
