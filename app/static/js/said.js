// One sentence where the eye is: places by name, each on every page that shows what it is about.

import { put } from "./dom.js";

/** @type {Record<string, Node[]>} */
const places = {};

/** @param {string} name @param {Node} node */
export function place(name, node) {
  (places[name] ??= []).push(node);
}

const OURS = ["picture", "ratio", "target", "explain", "models", "stage", "save"]; // Compare's

/** where: null takes away what Compare said. @param {string | null} where @param {string} [text] @param {string} [otherwise] */
export const say = (where, text = "", otherwise = "stage") => {
  if (where === null) OURS.forEach((name) => say(name, ""));
  else (places[where] ?? places[otherwise]).forEach((node) => put(node, text));
};
