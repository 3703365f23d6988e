import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import "./setup.js";
import { textOf } from "../../app/static/js/sentence.js";
import { store } from "../../app/static/js/store.js";
import { besides, cascade, keepers, nearest, onTarget, overMany } from "../../app/static/js/verdict.js";

test("the verdict names who keeps the answer and who loses it, as the library does", () => {
  const cases = JSON.parse(readFileSync(new URL("../data/verdicts.json", import.meta.url), "utf8"));
  for (const { kept, lost, says } of cases) {
    const found = [...kept, ...lost].map((title) => ({ title, point: { kept: kept.includes(title) } }));
    assert.equal(textOf(keepers("“lion”", found)), says);
  }
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
  const pair = (proposal, backbone, classes = 10) => ({ models: { proposal: { name: proposal }, backbone: { name: backbone, classes } } });
  assert.match(overMany.sentence(pair("p", "b"), 0.43), /^Over 1,000 pictures, 40\u00a0% kept, .* 56\.5\u00a0% with PaPr, 53\.5\u00a0% with CAM and 47\.7\u00a0% by chance\.$/);
  assert.match(overMany.sentence(pair("p", "b"), 1), /50\u00a0% kept \(the nearest that was measured\), .* 62\.7\u00a0% with PaPr/);
  assert.equal(overMany.command(pair("p", "b")), null);
  assert.equal(overMany.sentence(pair("p", "c"), 0.4), "Not measured over many pictures: python -m papr_core evaluate FOLDER --proposal p --backbone c");
  assert.equal(overMany.sentence(pair("p", "c", 0), 0.4), "");
});

test("of a chosen target, who puts it first", () => {
  const of = (...told) => told.map(([title, confidence]) => ({ title, point: { confidence } }));
  assert.equal(textOf(onTarget("“cat”", of(["PaPr", 0.621]), of(["CAM", 0.08]))), "PaPr (62.1\u00a0%) puts “cat” first, CAM (8.0\u00a0%) does not.");
  assert.equal(textOf(onTarget("“cat”", [], of(["PaPr", 0.2], ["CAM", 0.1]))), "PaPr (20.0\u00a0%) and CAM (10.0\u00a0%) do not put “cat” first.");
  assert.equal(textOf(onTarget("“cat”", of(["PaPr", 0.6]), [])), "PaPr (60.0\u00a0%) puts “cat” first.");
});

test("a cascade asks the large model only where the ConvNet is not sure", () => {
  const models = { proposal: { labels: "a" }, backbone: { labels: "a" } };
  const said = (confidence, of = models) => cascade({ looks: { label: "lion", confidence }, models: of });
  assert.equal(said(0.934), "The ConvNet alone says “lion” with 93.4\u00a0%: no large model needed at t = 0.9.");
  assert.match(said(0.9), /no large model needed/);
  assert.equal(said(0.89), "");
  assert.equal(said(0.99, { ...models, backbone: { labels: "b" } }), "");
});

test("beside a chosen target, what became of the model's own answer", () => {
  assert.equal(besides("cat", "4.3 %", "dog", ["PaPr", "CAM"]), "Unpruned, “cat” has 4.3 %; the model’s own answer is “dog”, which PaPr and CAM keep.");
  assert.equal(besides("cat", "4.3 %", "dog", []), "Unpruned, “cat” has 4.3 %; the model’s own answer is “dog”, which no method keeps.");
  assert.equal(besides("cat", "94.3 %", null, ["PaPr"]), "Unpruned, “cat” has 94.3 % and is the model’s own answer.");
});
