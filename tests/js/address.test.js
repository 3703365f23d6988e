import assert from "node:assert/strict";
import test from "node:test";
import { among, patchesOf, patchesText, read, several, share, whole, words, write } from "../../app/static/js/address.js";

const FIELDS = {
  keep: ["percent", whole(1, 100)],
  methods: ["methods", several(["papr", "cam"])],
  opacity: ["opacity", share],
  look: ["look", among(["dim", "black"])],
  proposal: ["proposal", words],
};
const parsed = (text) => read(new URLSearchParams(text), FIELDS);

test("an address is read", () => {
  assert.deepEqual(parsed("keep=33&methods=cam,papr&opacity=0.25&look=black&proposal=x3d_s"), {
    percent: 33,
    methods: ["cam", "papr"],
    opacity: 0.25,
    look: "black",
    proposal: "x3d_s",
  });
  assert.deepEqual(parsed("methods="), { methods: [] });
  assert.deepEqual(parsed("methods=cam,nothing"), { methods: ["cam"] });
});

test("what is not understood is left out", () => {
  const wrong = ["keep=0", "keep=101", "keep=4.5", "keep=1e2", "keep=", "keep=-3", "methods=nothing", "opacity=1.5", "opacity=.5", "look=Dim", "proposal=", `proposal=${"x".repeat(201)}`, "other=1"];
  for (const text of wrong) assert.deepEqual(parsed(text), {}, text);
});

test("only what differs from the plain view is written", () => {
  const given = new URLSearchParams("keep=50&look=black&else=1");
  write(given, "keep", 40, 40);
  write(given, "look", null, "dim");
  write(given, "methods", ["papr", "cam"], ["papr"]);
  assert.equal(String(given), "else=1&methods=papr%2Ccam");
});

test("what is written is read again", () => {
  const given = new URLSearchParams();
  const view = { percent: 7, methods: ["cam"], opacity: 0.5, look: "dim", proposal: "a/b c" };
  for (const [parameter, [name]] of Object.entries(FIELDS)) write(given, parameter, view[name], undefined);
  assert.deepEqual(parsed(String(given)), view);
});

test("patches of a grid are written as bits, and read again", () => {
  for (const [patches, grid, text] of [
    [[0, 3, 4, 5], [2, 3], "2x3-9c"],
    [[7], [2, 4], "2x4-01"],
    [[0], [14, 14], "14x14-8"],
  ]) {
    assert.equal(patchesText(patches, grid), text);
    assert.deepEqual(patchesOf(text), { grid, patches });
  }
  for (const text of ["", "2x3-", "2x3-g", "2x3-9c1", "x3-8", "2x3-0", "-8", "2x3"]) assert.equal(patchesOf(text), null, text);
});
