import assert from "node:assert/strict";
import test from "node:test";
import "./setup.js";
import { textOf } from "../../app/static/js/sentence.js";
import { store } from "../../app/static/js/store.js";
import { keepers, nearest, overMany } from "../../app/static/js/verdict.js";

const found = (text) => text.split(" ").filter(Boolean).map((one) => ({ title: one.slice(1), point: { kept: one[0] === "+" } }));
const said = (text) => textOf(keepers("“lion”", found(text)));

test("the verdict names who keeps the answer and who loses it", () => {
  assert.equal(said(""), "The full model sees “lion”.");
  assert.equal(said("+PaPr"), "PaPr keeps “lion”.");
  assert.equal(said("-PaPr"), "PaPr loses “lion”.");
  assert.equal(said("+PaPr +CAM"), "PaPr and CAM keep “lion”.");
  assert.equal(said("+PaPr -CAM"), "PaPr keeps “lion”, CAM loses it.");
  assert.equal(said("+PaPr -CAM +Score -Grad"), "PaPr and Score keep “lion”, CAM and Grad lose it.");
  assert.equal(said("+A +B +C"), "All three keep “lion”.");
  assert.equal(said("-A -B -C -D"), "None of the four keeps “lion”.");
});

test("without a classifier, who stays nearest", () => {
  store.answer = { measure: "cosine" };
  const told = [{ title: "CAM", point: { confidence: 0.902 } }, { title: "PaPr", point: { confidence: 0.931 } }];
  assert.equal(textOf(nearest(told)), "PaPr stays nearest to the unpruned embedding, at a cosine of 0.931; CAM 0.902.");
  assert.equal(textOf(nearest(told.slice(0, 1))), "CAM stays near the unpruned embedding, at a cosine of 0.902.");
  assert.equal(textOf(nearest([])), "How near do the pruned embeddings stay to the unpruned one?");
});

test("what holds over many pictures is said at the measured ratio that is nearest, and of a measured pair alone", () => {
  const top1 = { 0.5: { papr: 62.74, cam: 62.9, random: 59.7 }, 0.4: { papr: 56.5, cam: 53.5, random: 47.7 } };
  overMany.found = [{ proposal: "p", backbone: "b", n: 1000, top1 }];
  assert.match(overMany.sentence("p", "b", 0.43), /^Over 1,000 pictures, 40\u00a0% kept, .* 56\.5\u00a0% with PaPr, 53\.5\u00a0% with CAM and 47\.7\u00a0% by chance\.$/);
  assert.match(overMany.sentence("p", "b", 1), /50\u00a0% kept, .* 62\.7\u00a0% with PaPr/);
  assert.equal(overMany.sentence("p", "other", 0.4), "");
});
