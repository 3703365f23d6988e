// Against Pillow the browser test holds it to the last bit; here what can be seen by eye.
import assert from "node:assert/strict";
import test from "node:test";
import { cropOf, resized } from "../../app/static/js/resize.js";

test("the shorter side meets its size, and the middle is cut out; halves go to the even number", () => {
  assert.deepEqual(cropOf({ width: 640, height: 480 }, 224, 0.9), { across: 330, down: 248, left: 53, top: 12 });
  assert.deepEqual(cropOf({ width: 331, height: 248 }, 224, 0.9), { across: 331, down: 248, left: 54, top: 12 });
  assert.equal(cropOf({ width: 329, height: 248 }, 224, 0.9).left, 52);
  assert.equal(cropOf({ width: 5, height: 50_000 }, 224, 0.9), null);
});

test("one colour stays what it is, and the same size changes nothing", () => {
  const plain = { data: new Array(9 * 7 * 4).fill(0).map((_, i) => [10, 200, 255, 255][i % 4]), width: 9, height: 7, channels: 4 };
  const bytes = resized(plain, 4, { across: 5, down: 4, left: 0, top: 0 });
  assert.deepEqual([...bytes.slice(0, 6)], [10, 200, 255, 10, 200, 255]);
  const data = Array.from({ length: 27 }, (_, i) => (i * 37) % 256);
  assert.deepEqual([...resized({ data, width: 3, height: 3, channels: 3 }, 3, { across: 3, down: 3, left: 0, top: 0 })], data);
});
