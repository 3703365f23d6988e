import assert from "node:assert/strict";
import test from "node:test";
import { debounce, eachFrame, oneAtATime } from "../../app/static/js/timing.js";

const pause = (wait) => new Promise((done) => setTimeout(done, wait));

test("debounce calls once, after the last wish, with its values", async () => {
  const told = [];
  const f = debounce((value) => told.push(value), 20);
  f(1);
  f(2);
  f(3);
  assert.deepEqual(told, []);
  await pause(200);
  assert.deepEqual(told, [3]);
});

test("eachFrame calls once a frame, and again in the next", () => {
  const frames = [];
  globalThis.requestAnimationFrame = (f) => frames.push(f);
  let calls = 0;
  const f = eachFrame(() => (calls += 1));
  f();
  f();
  assert.equal(frames.length, 1);
  frames.pop()();
  f();
  frames.pop()();
  assert.equal(calls, 2);
});

test("oneAtATime never runs two at once, and ends with what was asked last", async () => {
  let [asked, running] = [0, 0];
  const answered = [];
  const ask = oneAtATime(async () => {
    assert.equal((running += 1), 1);
    const mine = asked;
    await pause(5);
    answered.push(mine);
    running -= 1;
  });
  asked = 1;
  const all = ask();
  for (asked = 2; asked < 9; asked++) ask();
  await all;
  assert.deepEqual(answered, [1, 9]);
});
