// The break-even line of a speed map.

import assert from "node:assert/strict";
import { test } from "node:test";

import { edges } from "../../app/static/js/speed_map.js";

test("the line runs between cells that gain and cells that do not, never along the rim", () => {
  const low = [
    [0.9, 0.8, 0.7],
    [1.5, 0.9, 0.8],
    [1.8, 1.2, 0.9],
  ];
  const found = low.map((row, i) => row.map((_, j) => edges(low, i, j).join(" ")));
  assert.deepEqual(found, [
    ["", "", ""],
    ["top right", "", ""],
    ["", "top right", ""],
  ]);
});
