import assert from "node:assert/strict";
import test from "node:test";
import { axes } from "../../app/static/js/axes.js";

test("a share becomes a pixel and back", () => {
  const { x, share } = axes(600, 200);
  for (const value of [0, 0.25, 0.4, 1]) assert.ok(Math.abs(share(x(value)) - value) < 1e-12);
  assert.ok(x(0) > 0 && x(1) < 600);
});

test("values go up, and none goes below the line of zero", () => {
  const { y } = axes(600, 200);
  assert.ok(y(1) < y(0.5) && y(0.5) < y(0));
  assert.equal(y(-0.2), y(0));
  const { y1, y2, x1, x2 } = axes(600, 200).cursor(0.5);
  assert.ok(x1 === x2 && y1 < y2 && y2 === y(0));
});
