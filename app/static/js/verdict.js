// Compare's verdict, and what it rests on.

import { ask } from "./ask.js";
import { headline } from "./sentence.js";
import { cardMethods, current, formatted, isCosine, keptCount, labelOf, store } from "./store.js";
import { inWords, listed, percent, percentOf } from "./words.js";

/** @param {HTMLElement} root */
export function verdict(root) {
  const head = headline(root, "stage", [ask.stop, ask.goOn]);
  return (/** @type {string} */ what) => {
    const { answer } = store;
    head.work(store);
    if (!answer || what === "looks") return;
    const found = cardMethods()
      .map((method) => ({ title: method.title, point: current(method).point }))
      .filter(({ point }) => point);
    head.write(isCosine() ? nearest(found) : keepers(`“${labelOf(answer.full.index)}”`, found), reason(answer));
    if (what !== "status" && !store.working) head.speak();
  };
}

/** @typedef {{title: string, point: import("./types").Point}[]} Found */

/**
 * "PaPr and Grad-CAM keep “lion”, CAM and Score-CAM lose it."
 * @param {string} name @param {Found} found
 * @returns {import("./sentence.js").Parts}
 */
export function keepers(name, found) {
  const keep = found.filter(({ point }) => point.kept).map(({ title }) => title);
  const lose = found.filter(({ point }) => !point.kept).map(({ title }) => title);
  if (!found.length) return [[false, `The full model sees ${name}.`]];
  if (!lose.length && keep.length > 2) return [[true, `All ${inWords(keep.length)}`], [false, ` keep ${name}.`]];
  if (!keep.length && lose.length > 2) return [[true, `None of the ${inWords(lose.length)}`], [false, ` keeps ${name}.`]];
  /** @type {import("./sentence.js").Parts} */
  const parts = [];
  if (keep.length) parts.push([true, listed(keep)], [false, ` ${keep.length > 1 ? "keep" : "keeps"} ${name}`]);
  if (keep.length && lose.length) parts.push([false, ", "]);
  if (lose.length)
    parts.push([true, listed(lose)], [false, ` ${lose.length > 1 ? "lose" : "loses"} ${keep.length ? "it" : name}`]);
  return [...parts, [false, "."]];
}

/**
 * Without a classifier: "PaPr stays nearest to the unpruned embedding, at a cosine of 0.931; CAM 0.902."
 * @param {Found} found
 * @returns {import("./sentence.js").Parts}
 */
export function nearest(found) {
  if (!found.length) return [[false, "How near do the pruned embeddings stay to the unpruned one?"]];
  const [first, ...others] = [...found].sort((a, b) => b.point.confidence - a.point.confidence);
  const rest = others.map(({ title, point }) => `${title} ${formatted(point.confidence)}`);
  return [
    [true, first.title],
    [false, ` ${rest.length ? "stays nearest to" : "stays near"} the unpruned embedding, at a cosine of `],
    [true, formatted(first.point.confidence)],
    [false, rest.length ? `; ${listed(rest)}.` : "."],
  ];
}

/**
 * What holds over many pictures for this pair, at the measured ratio that is nearest: "Over 1,000 pictures, 40 % kept, the
 * answer is right on 56.5 % with PaPr, 53.5 % with CAM and 47.7 % by chance." Nothing for a pair that was not measured.
 */
export const overMany = {
  /** @type {{proposal: string, backbone: string, n: number, top1: Record<string, Record<string, number>>}[]} */
  found: [],
  /** @param {string} proposal @param {string} backbone @param {number} ratio */
  sentence(proposal, backbone, ratio) {
    const one = overMany.found.find((each) => each.proposal === proposal && each.backbone === backbone);
    if (!one) return "";
    const [keep] = Object.keys(one.top1).sort((a, b) => Math.abs(Number(a) - ratio) - Math.abs(Number(b) - ratio));
    const right = (/** @type {string} */ method) => `${one.top1[keep][method].toFixed(1)}\u00a0%`;
    return `Over ${one.n.toLocaleString("en")} pictures, ${Math.round(100 * Number(keep))}\u00a0% kept, the answer is right on ${right("papr")} with PaPr, ${right("cam")} with CAM and ${right("random")} by chance.`;
  },
};

/** "78 of 196 patches kept (40 %). Unpruned: lion 92.2 %, …" @param {import("./types").Answer} answer */
function reason(answer) {
  const k = keptCount();
  const kept = `${k} of ${answer.patches} patches kept (${percentOf(k, answer.patches)} %), the others dropped.`;
  const unpruned = answer.full.top.slice(0, 3).map(([i, p]) => `${labelOf(i)} ${percent(p)}\u00a0%`);
  const measure = isCosine()
    ? `${answer.models.backbone.title} has no classifier, so there is no class and no target: each number is the cosine between the pruned and the full embedding.`
    : `Unpruned: ${unpruned.join(", ")}.`;
  const { proposal, backbone } = answer.models;
  const many = overMany.sentence(proposal.name, backbone.name, store.view.percent / 100);
  return [kept, measure, many, ...answer.notes].filter(Boolean).join(" ");
}
