// Counts of patches, as papr_core counts them.

/**
 * How many patches stay (decision 1): floor(z (N + P)), at least 1, at most N.
 * @param {number} patches @param {number} prefix @param {number} ratio
 */
export const numKept = (patches, prefix, ratio) =>
  Math.min(patches, Math.max(1, Math.floor(ratio * (patches + prefix) + 1e-6)));

/** How many passes a full curve takes, all patches not among them (scene.py). @param {number} patches */
export const curvePoints = (patches) => new Set(Array.from({ length: 49 }, (_, i) => Math.ceil((patches * (i + 1)) / 49))).size - 1;

/**
 * The least keep ratio, in tenths of a percent, at which so many patches stay.
 * @param {number} k @param {{patches: number, prefix: number}} of
 */
export function percentFor(k, { patches, prefix }) {
  let tenths = Math.max(1, Math.ceil((1000 * k) / (patches + prefix)) - 1);
  while (tenths < 1000 && numKept(patches, prefix, tenths / 1000) < k) tenths += 1;
  return tenths / 10;
}

/**
 * Of several orders, at k patches: the share of all patches on which all decide alike, and of k that all keep
 * (as agreement.py: both are held to tests/data/agreements.json).
 * @param {number[][]} orders @param {number} k @param {number} patches
 */
export function agreement(orders, k, patches) {
  const votes = new Array(patches).fill(0);
  for (const order of orders) for (const patch of order.slice(0, k)) votes[patch] += 1;
  const common = votes.filter((n) => n === orders.length).length;
  return { alike: (common + votes.filter((n) => n === 0).length) / patches, kept: common / k };
}

/**
 * What chance alone would give: each of n keeps k of all patches at random.
 * @param {number} n @param {number} k @param {number} patches
 */
export const byChance = (n, k, patches) => ({
  alike: (k / patches) ** n + (1 - k / patches) ** n,
  kept: (k / patches) ** (n - 1),
});

/**
 * The patches that each time of a clip keeps, of the first `count` of an order over the whole clip.
 * @param {number[]} order @param {number} count @param {number[]} grid  [times, rows, columns]
 */
export function keptByTime(order, count, [times, rows, columns]) {
  const [per, each] = [rows * columns, Array.from({ length: times }, () => /** @type {number[]} */ ([]))];
  for (let i = 0; i < count; i++) each[Math.floor(order[i] / per)].push(order[i] % per);
  return each;
}
