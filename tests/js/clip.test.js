import assert from "node:assert/strict";
import test from "node:test";
import "./setup.js";
import { place } from "../../app/static/js/said.js";
import { chosen } from "../../app/static/js/stream.js";
import { clip, keepKnown, sameFrames } from "../../app/static/js/clip.js";

const models = { proposal: { name: "p" }, backbone: { name: "b" } };
const answer = (more = {}) => ({ footage: "f", models, times: [0, 1, 2, 3], grid: [2, 2, 2], patches: 8, prefix: 0, ...more });

test("a model that the visitor takes from a list is chosen, and one that a link names is not", () => {
  Object.assign(clip.view, { percent: 50, proposal: "linked", backbone: "b" });
  clip.connect({ trigger: () => {}, server: { newest: async () => {} } });
  place("clip-ratio", { textContent: "" });
  clip.live = true; // the camera is on: nothing is asked
  clip.controls({ backbone: "taken" });
  assert.deepEqual([...chosen], ["taken"]);
  clip.live = false;
  chosen.clear();
});

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

test("the order of a method is known by its id, in whichever place it stands", () => {
  const first = { id: "m", name: "papr", order: [1], map: [1], low: 0, high: 1 };
  const second = { id: "n", name: "cam", order: [2], map: [2], low: 0, high: 1 };
  const before = answer({ method: first, answer: { count: 1 }, beside: { method: second, answer: { count: 2 } } });
  const swapped = answer({ method: { id: "n", name: "cam", order: null, map: null }, beside: { method: { id: "m", name: "papr", order: null, map: null } } });
  keepKnown(before, swapped, "papr");
  assert.deepEqual([swapped.method.order, swapped.beside.method.order], [[2], [1]]);
  assert.deepEqual([swapped.answer, swapped.beside.answer], [{ count: 2 }, { count: 1 }]);
  const late = answer({ method: { id: "m", name: "papr", order: null, map: null } });
  keepKnown(before, late, "cam");
  assert.equal(late.beside, before.beside); // it stays until its own has come
  const aimed = answer({ target: { index: 3 }, method: { id: "m", name: "papr", order: null, map: null } });
  keepKnown({ ...before, target: { index: 2 } }, aimed, "cam"); // what was known is about another target
  assert.deepEqual([aimed.method.order, aimed.answer, aimed.beside], [[1], undefined, undefined]);
  const alone = answer({ method: { id: "m", name: "papr", order: null, map: null } });
  keepKnown(before, alone);
  assert.equal(alone.beside, undefined);
});
