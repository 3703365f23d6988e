import assert from "node:assert/strict";
import test from "node:test";
import { colour, colours, eachCell, FINE, level, rangeOf, smooth } from "../../app/static/js/maps.js";

test("which of the 256 colours a value has", () => {
  assert.deepEqual([0, 0.5, 1, -3, 9].map((value) => level(value, [0, 1])), [0, 128, 255, 0, 255]);
  assert.equal(level(2, [2, 2]), 128); // a constant map
});

test("colour maps are 256 x 3 bytes; an unknown name gives inferno", () => {
  assert.equal(colours("viridis").length, 768);
  assert.equal(colour(1, [0, 1], "gray"), "rgb(255 255 255)");
  assert.deepEqual(colours("nothing"), colours("inferno"));
});

test("a smoothed map keeps a constant, lies within its range, and runs evenly between patch centres", () => {
  assert.deepEqual(new Set(smooth([3, 3, 3, 3, 3, 3], 2, 3)), new Set([3]));
  const values = smooth([0, 1], 1, 2);
  assert.equal(values.length, 2 * FINE * FINE);
  const row = [...values.slice(0, 2 * FINE)];
  assert.deepEqual(row, [...row].sort((a, b) => a - b));
  assert.deepEqual([row[0], row[2 * FINE - 1]], [0, 1]);
  assert.ok(row.every((value, i) => Math.abs(value + row[2 * FINE - 1 - i] - 1) < 1e-6)); // symmetric
});

test("the same map is smoothed once", () => {
  const map = [1, 2, 3, 4];
  assert.equal(smooth(map, 2, 2), smooth(map, 2, 2));
});

test("cells lie edge to edge on whole pixels and cover all", () => {
  let area = 0;
  const seen = [];
  eachCell([3, 7], 100, 50, (i, x, y, w, h) => {
    assert.ok([x, y, w, h].every(Number.isInteger));
    seen.push(i);
    area += w * h;
  });
  assert.deepEqual(seen, [...Array(21).keys()]);
  assert.equal(area, 5000);
});

test("the range of values", () => assert.deepEqual(rangeOf([2, -1, 5]), [-1, 5]));
