// Under the lists of models: where their weights come from, and what the backbone knows.

import { el } from "./dom.js";

/** @typedef {import("./types").Model} Model */

/** @param {import("./stream.js").Stream} stream  whose answers name the models */
export function modelNote(stream) {
  const list = el("dl", { class: "p-models" });
  stream.onchange((what) => what === "answer" && list.replaceChildren(...modelRows(stream.answer.models).map(term)));
  return list;
}

/** @param {{proposal: Model, backbone: Model}} models @returns {[string, string][]} */
export function modelRows({ proposal, backbone }) {
  /** @param {Model} model */
  const weights = ({ weights, sha256 }) => (sha256 ? `${weights} (sha256 ${sha256.slice(0, 8)})` : weights);
  const knows = `${backbone.classes} classes (${backbone.label_set}); your object may be none of them`;
  return [
    ["Weights of the proposal", weights(proposal)],
    ["Weights of the backbone", weights(backbone)],
    ["The backbone knows", backbone.classes ? knows : "no classes: it has no classifier"],
  ];
}

/** A term and what is said of it, in a `dl`. @param {[string, string]} told */
export const term = ([name, text]) => el("div", {}, el("dt", { text: name }), el("dd", { text }));
