import assert from "node:assert/strict";
import test from "node:test";
import "./setup.js";
import { roomFor } from "../../app/static/js/axes.js";
import { numKept, percentFor } from "../../app/static/js/counts.js";
import { apart, outline } from "../../app/static/js/overlay.js";
import { firstLost } from "../../app/static/js/play.js";
import { store } from "../../app/static/js/store.js";

test("a ratio for every count of patches", () => {
  for (const [patches, prefix] of [[196, 1], [100, 0], [144, 5], [576, 1]])
    for (let k = 1; k <= patches; k++) assert.equal(numKept(patches, prefix, percentFor(k, { patches, prefix }) / 100), k);
});

test("the edge of a set of patches", () => {
  assert.equal(outline([], 2, 2), "");
  assert.equal(outline([0], 2, 2), "M0 0h1M0 1h1M0 0v1M1 0v1");
  assert.equal(outline([0, 1, 2, 3], 2, 2).match(/[hv]1/g).length, 8); // the border alone
});

test("the overlap of two sets", () => {
  assert.deepEqual(apart([1, 2, 3], [2, 3, 4]), { first: [1], second: [4], iou: 0.5 });
  assert.equal(apart([], []).iou, 1);
});

test("where the answer is lost first", () => {
  store.answer = { target: { index: 1, chosen: false } };
  const points = [[1, false], [5, true], [9, false], [12, true]].map(([k, kept]) => ({ k, kept, top: [] }));
  assert.equal(firstLost(points).k, 9);
  assert.equal(firstLost(points.slice(0, 1)), null); // nothing to lose
  assert.equal(firstLost([points[3]]), null);
  store.answer.target.chosen = true; // then it is the target's first place
  assert.equal(firstLost([{ k: 2, top: [[0, 0.9]] }, { k: 3, top: [[1, 0.9]] }]).k, 2);
});

test("an axis has room for what it shows", () => {
  assert.equal(roomFor(0.003), 0.01);
  assert.equal(roomFor(0.15), 0.2);
  assert.equal(roomFor(0.41), 1);
});
