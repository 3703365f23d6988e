import assert from "node:assert/strict";
import test from "node:test";
import "./setup.js";
import { textOf } from "../../app/static/js/sentence.js";
import { store } from "../../app/static/js/store.js";
import { keepers, nearest } from "../../app/static/js/verdict.js";

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
