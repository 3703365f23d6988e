import assert from "node:assert/strict";
import test from "node:test";
import { gmacs, inWords, listed, milliseconds, percent, percentOf, signed } from "../../app/static/js/words.js";

test("numbers and lists in words", () => {
  assert.equal(percent(0.4237), "42.4");
  assert.equal(percent(0.4237, 0), "42");
  assert.equal(listed([]), "");
  assert.equal(listed(["a"]), "a");
  assert.equal(listed(["a", "b", "c"]), "a, b and c");
  assert.deepEqual([0.0042, 0.042, 1.23, null, undefined].map((s) => milliseconds(s)), ["4.2 ms", "42 ms", "1.2 s", "", ""]);
  assert.deepEqual([17.5812, 0.2744].map(gmacs), ["17.58", "0.274"]);
  assert.deepEqual([signed(-1.25), signed(0.5), signed(-0.126, 2)], ["−1.3", "+0.5", "−0.13"]);
  assert.deepEqual([inWords(4), inWords(11)], ["four", "11"]);
  assert.deepEqual([percentOf(78, 196), percentOf(3, 196)], ["40", "1.5"]);
});
