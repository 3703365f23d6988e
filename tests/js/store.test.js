import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import "./setup.js";
import { keepKnown } from "../../app/static/js/ask.js";
import { addPoints, cardMethods, current, formatted, keptCount, lineMethods, measured, pointAt, stateOf, store, withUnit } from "../../app/static/js/store.js";

// [k, confidence, low, high, kept, top, ratio?]
const point = (k, confidence = 0.5, kept = 1, ...ratio) => [k, confidence, confidence, confidence, kept, [[0, confidence]], ...ratio];
const method = (name, points, more = {}) => ({ name, title: name, order: [3, 1, 0, 2], map: [1, 2, 3, 4], points, ...more });

beforeEach(() => {
  store.answer = {
    key: "a", patches: 4, prefix: 0, by_stage: false, measure: "confidence", labels: {}, target: { label: "lion" },
    methods: [method("papr", [point(1, 0.2, 0), point(4, 0.9)]), method("random", []), method("cam", [point(2)]), { name: "by-hand" }],
  };
  store.view = { percent: 50, methods: ["cam", "papr", "by-hand"], hand: [] };
  store.extra = { key: "a", points: {} };
});

test("cards stand in the server's order; random has a line without a card, by-hand a card without a line", () => {
  assert.deepEqual(cardMethods().map((m) => m.name), ["papr", "cam", "by-hand"]);
  assert.deepEqual(lineMethods().map((m) => m.name), ["papr", "random", "cam"]);
});

test("a card shows the point of the ratio, or the nearest one and says so", () => {
  const [papr, random, cam] = store.answer.methods;
  assert.equal(keptCount(), 2);
  assert.deepEqual(current(cam), { k: 2, patches: [3, 1], point: pointAt(cam, 2).point, exact: true, size: null });
  const now = current(papr);
  assert.deepEqual([now.exact, now.point.k, stateOf(now)], [false, 1, "lost"]);
  assert.equal(stateOf(current(random)), "wait");
});

test("points that come later are found, those of another answer are not taken", () => {
  const [papr] = store.answer.methods;
  addPoints("b", { papr: point(2) }, { 0: "other" });
  assert.equal(current(papr).exact, false);
  addPoints("a", { papr: point(2, 0.7) }, { 0: "lion" });
  assert.deepEqual([current(papr).exact, current(papr).point.confidence, store.answer.labels[0]], [true, 0.7, "lion"]);
});

test("patches chosen by hand have the number of just these patches", () => {
  const hand = store.answer.methods[3];
  store.view.hand = [1, 2];
  addPoints("a", { "by-hand": point(2, 0.4) }, {}, [1, 2]);
  assert.equal(current(hand).exact, true);
  store.view.hand = [1, 3];
  assert.deepEqual([current(hand).exact, current(hand).point, current(hand).k], [false, null, 2]);
});

test("of a model that is pruned stage by stage the ratio must be the same, not the count alone", () => {
  store.answer.by_stage = true;
  assert.equal(pointAt(method("x", [point(2)]), 2).exact, false);
  assert.equal(pointAt(method("x", [point(2, 0.5, 1, 0.5)]), 2).exact, true);
});

test("numbers are confidences in percent, or cosines as they are", () => {
  assert.deepEqual([formatted(0.4237), withUnit(0.4237), measured()], ["42.4", "42.4 %", "Confidence on “lion”"]);
  store.answer.measure = "cosine";
  assert.deepEqual([formatted(0.93123), withUnit(0.93123)], ["0.931", "0.931"]);
  assert.equal(stateOf({ point: { kept: null } }), "near");
});

test("a curve in full is not taken back by an answer that begins anew", () => {
  const before = { labels: { 7: "only of a moved slider" }, methods: [method("papr", [point(1), point(2)], { complete: true, fewest: 1 }), method("cam", [point(1)])] };
  const refused = { name: "cam", refused: "no linear head" };
  const answer = { methods: [method("papr", [point(2), point(3)], { fewest: null }), refused], labels: { 0: "lion" } };
  keepKnown(before, answer);
  const [papr, cam] = answer.methods;
  assert.equal(papr.map, before.methods[0].map); // the same object: what was made of it is not made again
  assert.deepEqual([papr.points.map(([k]) => k), papr.complete, papr.fewest], [[1, 2, 3], true, 1]);
  assert.equal(cam, refused);
  assert.deepEqual(answer.labels, { 0: "lion", 7: "only of a moved slider" });
});
