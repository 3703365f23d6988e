import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { agreement, byChance, keptByTime, numKept } from "../../app/static/js/counts.js";

test("how many patches stay: floor(z (N + P)), from 1 to N", () => {
  assert.equal(numKept(196, 1, 0.4), 78);
  assert.equal(numKept(196, 1, 1), 196); // 197 tokens, 196 of them patches
  assert.equal(numKept(196, 1, 0.001), 1);
  assert.equal(numKept(100, 0, 0.29), 29); // 0.29 * 100 is a little less than 29 in binary
});

test("where several orders agree, as the library says", () => {
  const cases = JSON.parse(readFileSync(new URL("../data/agreements.json", import.meta.url), "utf8"));
  for (const { orders, k, ...shares } of cases) assert.deepEqual(agreement(orders, k, orders[0].length), shares);
});

test("what chance gives", () => {
  assert.deepEqual(byChance(2, 5, 10), { alike: 0.5, kept: 0.5 });
  assert.equal(byChance(1, 3, 10).kept, 1);
});

test("the patches that each time of a clip keeps", () => {
  const order = [5, 0, 7, 2, 1, 3, 4, 6]; // 2 times of 2 x 2 patches
  assert.deepEqual(keptByTime(order, 4, [2, 2, 2]), [[0, 2], [1, 3]]);
  assert.deepEqual(keptByTime(order, 0, [2, 2, 2]), [[], []]);
});
