// What Compare knows: its answer from the server, and what the visitor has set.
//
// answer   the last payload: picture, grid, models, target, and for each method its map, the order of its patches and
//          its computed points
// view     what acts here in the browser without a request: ratio, looks, which methods are shown
// extra    points computed after the answer came (the ratio at rest, patches chosen by hand)
//
// Its changes: "answer" | "points" | "ratio" | "methods" | "looks" | "hand" | "pointed" | "status"

import { Asked } from "./asked.js";
import { percent } from "./words.js";

/** @typedef {import("./types").Method} Method @typedef {import("./types").Point} Point @typedef {import("./types").Answer} Answer */

/** @extends {Asked<Answer, import("./types").View>} */
class Store extends Asked {
  /** @type {{key: string | null, points: Record<string, (Point & {patches?: string})[]>}} */
  extra = { key: null, points: {} };

  /** @param {import("./asked.js").Role} role */
  follow(role) {
    if (role === "backbone") this.view.classes = ""; // the next one may read no texts
  }
}

export const store = new Store();
store.view.hand = [];

export const keptCount = () => store.count();

/** @param {Pick<Method, "sizes">} method */
const sizeFor = ({ sizes }) => sizes?.find(([rows, columns]) => rows * columns >= keptCount()) ?? null;

/** What the whole picture is made to, in words. @param {[number, number]} size */
export function sizeOf([rows, columns]) {
  const { grid, models } = store.answer;
  const pixels = [rows, columns].map((side, i) => Math.round((side * models.backbone.size[i]) / grid[i]));
  return `all of it, at ${pixels.join(" × ")} pixels: ${rows * columns} patches`;
}

/** How many patches the model sees of a method at this ratio. @param {Pick<Method, "sizes">} method */
export const seenCount = (method) => sizeFor(method)?.reduce((rows, columns) => rows * columns) ?? keptCount();

// The methods that have a card, in the order of the server's table, and those drawn as curves: the same, and random,
// the baseline that a reader needs.
export const cardMethods = () => store.answer.methods.filter((m) => store.view.methods.includes(m.name));
export const lineMethods = () =>
  store.answer.methods.filter(
    (m) => m.name !== "by-hand" && (m.name === "random" || store.view.methods.includes(m.name)),
  );

/** @param {string} name */
export const methodOf = (name) => store.answer.methods.find((m) => m.name === name);

/** @param {number} index */
export const labelOf = (index) => store.answer.labels[index] ?? `class ${index}`;

// A backbone without a classifier has no answer and no target: what stands where a confidence is named is the cosine
// between the pruned and the full embedding.
export const isCosine = () => store.answer.measure === "cosine";
/** @param {number} value */
export const formatted = (value) => (isCosine() ? value.toFixed(3) : percent(value));
/** @param {number} value */
export const withUnit = (value) => `${formatted(value)}${isCosine() ? "" : " %"}`;
export const measured = () =>
  isCosine() ? "Cosine to the unpruned embedding" : `Confidence on “${store.answer.target.label}”`;

/** @param {import("./types").PackedPoint} packed @returns {Point} */
export const unpack = ([k, confidence, low, high, kept, top, ratio = null]) => ({
  k,
  confidence,
  low,
  high,
  kept: kept === null ? null : Boolean(kept),
  top,
  ratio,
});

/** @type {WeakMap<import("./types").PackedPoint[], Point[]>} */
const unpacked = new WeakMap();
/** All that are computed of a method. @param {Pick<Method, "name" | "points">} method @returns {Point[]} */
export function pointsOf(method) {
  if (!method.points) return [];
  if (!unpacked.has(method.points)) unpacked.set(method.points, method.points.map(unpack));
  const points = unpacked.get(method.points);
  const more = store.extra.points[method.name];
  return more ? [...points, ...more] : points;
}

/**
 * The point computed for the ratio that is set, or else the nearest one. Nothing is ever interpolated.
 * @param {Pick<Method, "name" | "points">} method @param {number} k
 */
export function pointAt(method, k) {
  const ratio = store.view.percent / 100;
  /** @type {Point | null} */
  let best = null;
  for (const point of pointsOf(method)) {
    if (point.k === k && (!store.answer.by_stage || point.ratio === ratio)) return { point, exact: true };
    if (!best || Math.abs(point.k - k) < Math.abs(best.k - k)) best = point;
  }
  return best && { point: best, exact: false };
}

/**
 * What a card shows now: the count of patches, which ones, and the number that belongs to them; or, of the method that
 * makes the whole picture smaller, its rows and columns.
 * @param {Method} method
 * @returns {{k: number, patches: number[] | null, size?: [number, number] | null, point?: Point | null, exact?: boolean}}
 */
export function current(method) {
  if (method.name !== "by-hand") {
    const k = seenCount(method);
    const size = sizeFor(method);
    return { k, patches: method.order?.slice(0, k) ?? null, size, ...pointAt(method, k) };
  }
  const patches = store.view.hand;
  const [point] = store.extra.points["by-hand"] ?? [];
  const exact = point?.patches === String(patches);
  return { k: patches.length, patches, point: exact ? point : null, exact };
}

// What is kept: the full model's answer, or, where the visitor chose a target, the first place for it.
export const chosen = () => Boolean(store.answer.target?.chosen);
/** @param {Pick<Point, "kept" | "top">} point  @returns {boolean | null} null where there is no answer to keep */
export const keeps = (point) => (chosen() ? point.top[0]?.[0] === store.answer.target.index : point.kept);

/**
 * kept, lost or wait; near, where there is no answer to keep, says nothing.
 * @param {{point?: Point | null}} now
 */
export function stateOf({ point }) {
  const kept = point ? keeps(point) : undefined;
  return kept === undefined ? "wait" : kept === null ? "near" : kept ? "kept" : "lost";
}

/** The shown method that this one equals by construction, but for negative values. @param {Method} method */
export const sameAs = ({ like }) => (like && store.view.methods.includes(like) ? methodOf(like) : null);

/**
 * Points computed after the answer of this key came. patches: of `by-hand`.
 * @param {string} key @param {Record<string, import("./types").PackedPoint>} points
 * @param {Record<number, string>} labels @param {number[]} [patches]
 */
export function addPoints(key, points, labels, patches) {
  if (!store.answer || key !== store.answer.key) return;
  Object.assign(store.answer.labels, labels);
  for (const [name, point] of Object.entries(points)) {
    const value = unpack(point);
    if (name === "by-hand") store.extra.points[name] = [{ ...value, patches: String(patches) }];
    else (store.extra.points[name] ??= []).push(value);
  }
  store.changed("points");
}
