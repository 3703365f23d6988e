import assert from "node:assert/strict";
import test from "node:test";
import "./setup.js";
import { clip, keepKnown, sameFrames } from "../../app/static/js/clip.js";

const models = { proposal: { name: "p" }, backbone: { name: "b" } };
const answer = (more = {}) => ({ footage: "f", models, times: [0, 1, 2, 3], grid: [2, 2, 2], patches: 8, prefix: 0, ...more });

test("the frames of a tubelet share its kept patches and its map", () => {
  clip.view.percent = 50;
  clip.answer = answer({ method: { order: [5, 0, 7, 2, 1, 3, 4, 6], map: [0, 1, 2, 3, 4, 5, 6, 7], id: "m" } });
  assert.deepEqual([0, 1, 2, 3].map((frame) => clip.kept(frame)), [[0, 2], [0, 2], [1, 3], [1, 3]]);
  assert.deepEqual([clip.map(1), clip.map(2)], [[0, 1, 2, 3], [4, 5, 6, 7]]);
  assert.equal(clip.seen(), 4);
});

test("while the ConvNet looks, the frames that it has seen have a map and no kept patches", () => {
  clip.answer = answer({ grid: [4, 2, 2], early: { map: [1, 2, 3, 4, 5, 6, 7, 8] } });
  assert.deepEqual([clip.kept(0), clip.map(1), clip.map(2), clip.seen()], [null, [5, 6, 7, 8], null, 2]);
});

test("what was known of the same frames and map stays known", () => {
  const method = { id: "m", order: [1], map: [1], low: 0, high: 1 };
  const before = answer({ full: { label: "x" }, target: {}, method, answer: { count: 1 }, notes: ["n"] });
  const now = answer({ method: { id: "m", order: null, map: null } });
  keepKnown(before, now);
  assert.equal(now.method.order, method.order);
  assert.deepEqual([now.full, now.answer, now.notes], [before.full, before.answer, before.notes]);
  const other = answer({ method: { id: "other", order: [2], map: [2] } });
  keepKnown(before, other);
  assert.deepEqual([other.full, other.answer, other.method.order], [before.full, undefined, [2]]);
});

test("other models or another clip are other frames", () => {
  const backbone = { name: "c" };
  for (const other of [answer({ footage: "g" }), answer({ models: { ...models, backbone } }), null]) {
    assert.ok(!sameFrames(other, answer()));
    const now = answer();
    keepKnown(other && { ...other, full: {} }, now);
    assert.equal(now.full, undefined);
  }
});
