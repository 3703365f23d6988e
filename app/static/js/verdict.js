// Compare's verdict, and what it rests on.

import { chosen, cardMethods, current, formatted, isCosine, keeps, keptCount, labelOf, store, withUnit } from "./store.js";
import { inWords, listed, percent, percentOf } from "./words.js";

/** @typedef {{title: string, point: {confidence: number}}} Told @typedef {{title: string, point: import("./types").Point}[]} Found @typedef {import("./sentence.js").Parts} Parts */

/** @param {ReturnType<typeof import("./sentence.js").headline>} head */
export function verdict(head) {
  return (/** @type {string} */ what) => {
    const { answer } = store;
    head.work(store);
    if (!answer || what === "looks") return;
    const k = keptCount();
    const found = shownPoints();
    const alike = found.filter((one) => one.k === k); // patches by hand may be more or fewer: they stand apart
    const apart = found.filter((one) => one.k !== k);
    head.write([...sentence(answer, alike), ...apart.flatMap((one) => [/** @type {Parts[0]} */ ([false, ` ${aside(one)}`])])], reason(answer, apart));
    if (what !== "status" && !store.working) head.speak();
  };
}

/** What the cards show, as far as it is computed. */
const shownPoints = () =>
  cardMethods().flatMap((method) => {
    const { k, point } = current(method);
    return point ? [{ title: method.title, k, point }] : [];
  });

/** @param {import("./types").Answer} answer @param {Found} found */
function sentence(answer, found) {
  if (isCosine()) return nearest(found);
  if (!chosen()) return keepers(`“${labelOf(answer.full.index)}”`, found);
  const first = (/** @type {Found[0]} */ { point }) => keeps(point);
  return onTarget(`“${answer.target.label}”`, found.filter(first), found.filter((one) => !first(one)));
}

/** "By hand, with 78 patches, keeps it." @param {Found[0] & {k: number}} one */
function aside({ title, point, k }) {
  if (isCosine()) return `${title}, with ${k} patches: ${formatted(point.confidence)}.`;
  const what = chosen() ? (keeps(point) ? "puts it first" : "does not put it first") : keeps(point) ? "keeps it" : "loses it";
  return `${title}, with ${k} patches, ${what}.`;
}

/**
 * "PaPr and Grad-CAM keep “lion”, CAM and Score-CAM lose it."
 * @param {string} name @param {Found} found
 * @returns {Parts}
 */
export function keepers(name, found) {
  const keep = found.filter(({ point }) => point.kept).map(({ title }) => title);
  const lose = found.filter(({ point }) => !point.kept).map(({ title }) => title);
  if (!found.length) return [[false, `The full model sees ${name}.`]];
  if (!lose.length && keep.length > 2) return [[true, `All ${inWords(keep.length)}`], [false, ` keep ${name}.`]];
  if (!keep.length && lose.length > 2) return [[true, `None of the ${inWords(lose.length)}`], [false, ` keeps ${name}.`]];
  /** @type {Parts} */
  const parts = [];
  if (keep.length) parts.push([true, listed(keep)], [false, ` ${keep.length > 1 ? "keep" : "keeps"} ${name}`]);
  if (keep.length && lose.length) parts.push([false, ", "]);
  if (lose.length)
    parts.push([true, listed(lose)], [false, ` ${lose.length > 1 ? "lose" : "loses"} ${keep.length ? "it" : name}`]);
  return [...parts, [false, "."]];
}

/**
 * Of a target that the visitor chose: "PaPr (62.1 %) puts “tabby” first, CAM (8.0 %) does not."
 * @param {string} name @param {Told[]} first @param {Told[]} others
 * @returns {Parts}
 */
export function onTarget(name, first, others) {
  const told = (/** @type {Told[]} */ found) => listed(found.map(({ title, point }) => `${title} (${percent(point.confidence)}\u00a0%)`));
  if (!first.length && !others.length) return [[false, `How much of ${name} is left?`]];
  if (!first.length) return [[true, told(others)], [false, ` ${others.length > 1 ? "do" : "does"} not put ${name} first.`]];
  /** @type {Parts} */
  const parts = [[true, told(first)], [false, ` ${first.length > 1 ? "put" : "puts"} ${name} first`]];
  if (others.length) parts.push([false, ", "], [true, told(others)], [false, ` ${others.length > 1 ? "do" : "does"} not`]);
  return [...parts, [false, "."]];
}

/**
 * Without a classifier: "PaPr stays nearest to the unpruned embedding, at a cosine of 0.931; CAM 0.902."
 * @param {Found} found
 * @returns {Parts}
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

/** @typedef {Pick<import("./types").Answer, "models">} OfPair */

/** What holds over many pictures for a pair, as far as it was measured. */
export const overMany = {
  /** @type {{proposal: string, backbone: string, n: number, top1: Record<string, Record<string, number>>}[]} */
  found: [],

  /** @param {OfPair} answer */
  of: ({ models }) => overMany.found.find((one) => one.proposal === models.proposal.name && one.backbone === models.backbone.name),

  /**
   * At the measured ratio that is nearest: "Over 1,000 pictures, 40 % kept, the answer is right on 56.5 % with PaPr, 53.5 %
   * with CAM and 47.7 % by chance."
   * @param {OfPair} answer @param {number} ratio
   */
  sentence(answer, ratio) {
    const one = overMany.of(answer);
    if (!one) return answer.models.backbone.classes ? `Not measured over many pictures: ${overMany.command(answer)}` : "";
    const [keep] = Object.keys(one.top1).sort((a, b) => Math.abs(Number(a) - ratio) - Math.abs(Number(b) - ratio));
    const near = Math.abs(Number(keep) - ratio) > 0.05 ? " (the nearest that was measured)" : "";
    const right = (/** @type {string} */ method) => `${one.top1[keep][method].toFixed(1)}\u00a0%`;
    return `Over ${one.n.toLocaleString("en")} pictures, ${Math.round(100 * Number(keep))}\u00a0% kept${near}, the answer is right on ${right("papr")} with PaPr, ${right("cam")} with CAM and ${right("random")} by chance.`;
  },

  /** How a pair that was not measured is measured; null of one that was. @param {OfPair} answer */
  command(answer) {
    const { proposal, backbone } = answer.models;
    if (overMany.of(answer) || !backbone.classes) return null;
    return `python -m papr_core evaluate FOLDER --proposal ${proposal.name} --backbone ${backbone.name}`;
  },
};

const SURE = 0.9; // t, from which a cascade would not ask the backbone

/**
 * Where the ConvNet is so sure that a cascade would ask no one else, and both models name the same classes: "The ConvNet alone says “lion” with 93 %: no ViT
 * needed at t = 0.9."
 * @param {Pick<import("./types").Answer, "looks" | "models">} answer
 */
export function cascade({ looks, models: { proposal, backbone } }) {
  if (proposal.labels !== backbone.labels) return "";
  const said = `The ConvNet alone says “${looks.label}” with ${percent(looks.confidence)}\u00a0%`;
  return looks.confidence >= SURE ? `${said}: no large model needed at t = ${SURE}.` : "";
}

/**
 * "78 of 196 patches kept (40 %). Unpruned: lion 92.2 %, …"
 * @param {import("./types").Answer} answer @param {{title: string, k: number}[]} apart  methods with a count of their own
 */
function reason(answer, apart) {
  const k = keptCount();
  const others = apart.map((one) => `; ${one.title.toLowerCase()} ${one.k} (${percentOf(one.k, answer.patches)}\u00a0%)`).join("");
  const kept = `${k} of ${answer.patches} patches kept (${percentOf(k, answer.patches)}\u00a0%)${others}, ${k === answer.patches && !others ? "none" : "the others"} dropped.`;
  const unpruned = answer.full.top.slice(0, 3).map(([i, p]) => `${labelOf(i)} ${percent(p)}\u00a0%`);
  const measure = isCosine()
    ? `${answer.models.backbone.title} has no classifier, so there is no class and no target: each number is the cosine between the pruned and the full embedding.`
    : `Unpruned: ${unpruned.join(", ")}.`;
  const { full, target } = answer;
  const keep = () => shownPoints().filter(({ point }) => point.kept).map(({ title }) => title);
  const own = chosen() && besides(target.label, withUnit(full.confidence), full.index === target.index ? null : labelOf(full.index), keep());
  return [kept, measure, own, isCosine() ? "" : cascade(answer), ...answer.notes].filter(Boolean).join(" ");
}

/**
 * Beside a chosen target, what became of the full model's own answer.
 * @param {string} target @param {string} unpruned  its confidence then @param {string | null} own  where it is another class
 * @param {string[]} keep  titles
 */
export function besides(target, unpruned, own, keep) {
  const has = `Unpruned, “${target}” has ${unpruned}`;
  if (!own) return `${has} and is the model’s own answer.`;
  return `${has}; the model’s own answer is “${own}”, which ${keep.length ? `${listed(keep)} ${keep.length > 1 ? "keep" : "keeps"}` : "no method keeps"}.`;
}
