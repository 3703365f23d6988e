// From a model's logits to a point of a curve, packed as the server packs it (app/parts/view.py, `point`).

const TOP = 3; // classes that are named
const rounded = (/** @type {number} */ value) => Math.round(1e6 * value) / 1e6;

/** Softmax. @param {ArrayLike<number>} logits */
export function odds(logits) {
  const values = Float64Array.from(logits);
  const most = values.reduce((a, b) => Math.max(a, b));
  const sum = values.reduce((all, value, i) => all + (values[i] = Math.exp(value - most)), 0);
  return values.map((value) => value / sum);
}

/** The most probable classes, of equal ones the lower index first. @param {Float64Array} shares @returns {[number, number][]} */
export const best = (shares) =>
  Array.from(shares.keys())
    .sort((a, b) => shares[b] - shares[a])
    .slice(0, TOP)
    .map((index) => [index, rounded(shares[index])]);

/** Patches of a map, the most significant first; of equal ones the lower index (decision 3). @param {ArrayLike<number>} map */
export const ranking = (map) => Array.from({ length: map.length }, (_, i) => i).sort((a, b) => map[b] - map[a]);

/**
 * Mean and range of the draws' confidences in the target, the rest of the first draw.
 * @param {number} k @param {Float64Array[]} draws  each its probabilities @param {number} target @param {number} answer
 * @returns {import("./types").PackedPoint}
 */
export function packed(k, draws, target, answer) {
  const values = draws.map((shares) => shares[target]);
  const mean = values.reduce((a, b) => a + b) / values.length;
  const top = best(draws[0]);
  return [k, rounded(mean), rounded(Math.min(...values)), rounded(Math.max(...values)), Number(top[0][0] === answer), top];
}
