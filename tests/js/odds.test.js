import assert from "node:assert/strict";
import test from "node:test";
import { best, odds, packed, ranking } from "../../app/static/js/odds.js";

test("softmax, whatever the size of the logits", () => {
  assert.deepEqual([...odds([0, 0])], [0.5, 0.5]);
  assert.deepEqual([...odds([1000, 1000, -1000])].map((p) => Math.round(100 * p)), [50, 50, 0]);
  assert.ok(Math.abs(odds([0, Math.log(3)])[1] - 0.75) < 1e-12);
});

test("of equal values the lower index comes first", () => {
  assert.deepEqual(best(Float64Array.of(0.1, 0.3, 0.3, 0.3, 0)), [[1, 0.3], [2, 0.3], [3, 0.3]]);
  assert.deepEqual(ranking([1, 5, 5, 0, 5]), [1, 2, 4, 0, 3]);
  assert.deepEqual(ranking(new Float32Array(4)), [0, 1, 2, 3]);
});

test("a point is the mean and the range of its draws, and the first one's answers", () => {
  const draws = [Float64Array.of(0.2, 0.7, 0.1), Float64Array.of(0.6, 0.3, 0.1)];
  assert.deepEqual(packed(7, draws, 0, 1), [7, 0.4, 0.2, 0.6, 1, [[1, 0.7], [0, 0.2], [2, 0.1]]]);
  assert.equal(packed(7, draws.reverse(), 0, 1)[4], 0);
});
