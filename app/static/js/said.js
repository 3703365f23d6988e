// One sentence where the eye is: places by name, each on every page that shows what it is about.

import { el, put } from "./dom.js";

/** @type {Record<string, Node[]>} */
const places = {};
/** @type {Record<string, string>} what stands in each: a page that is opened later says it too */
const said = {};

/** @param {string} name @param {Node} node */
export function place(name, node) {
  (places[name] ??= []).push(node);
  if (said[name]) write(node, said[name]);
}

// of a page that asks (asked.js)
const PLACES = ["picture", "clip", "ratio", "method", "target", "explain", "models", "classes", "stage", "save"];

/** Say one sentence there; a second line is for the owner of the page, behind a fold. @param {Node} node @param {string} text */
export function write(node, text) {
  const [sentence, owner] = text.split("\n");
  if (!owner) return put(node, sentence);
  if (node instanceof Element)
    node.replaceChildren(sentence, el("details", {}, el("summary", { text: "For the owner of this page" }), owner));
}

/**
 * where: null takes away what the page said. page: what the names of its places begin with.
 * @param {string | null} where @param {string} [text] @param {string} [page]
 */
export const say = (where, text = "", page = "") => {
  if (where === null) PLACES.forEach((name) => say(name, "", page));
  else {
    const name = `${page}${page + where in places ? where : "stage"}`;
    said[name] = text;
    places[name].forEach((node) => write(node, text));
  }
};
