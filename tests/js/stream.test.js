import assert from "node:assert/strict";
import test from "node:test";
import "./setup.js";
import { chosen, Stream } from "../../app/static/js/stream.js";

function opened(name) {
  const stream = new Stream(name);
  const sent = [];
  stream.connect({
    trigger: (event, data) => sent.push([event, data]),
    server: { newest: async (told) => void sent.push(["newest", JSON.parse(told)]) },
  });
  return { stream, sent };
}

test("each question has a number of its own, which the server is told first", () => {
  const { stream, sent } = opened("clips");
  stream.ask("ask", () => stream.numbered({ keep: 0.4 }), "Computing");
  stream.ask("ask", () => stream.numbered({ keep: 0.3 }), "Computing");
  const { visitor } = stream;
  assert.match(visitor, /^[0-9a-z]+ clips$/);
  assert.deepEqual(sent, [
    ["newest", { visitor, seq: 1 }],
    ["ask", { visitor, seq: 1, chosen: [], keep: 0.4 }],
    ["newest", { visitor, seq: 2 }],
    ["ask", { visitor, seq: 2, chosen: [], keep: 0.3 }],
  ]);
  assert.deepEqual([stream.working, stream.stopped, stream.fresh], ["Computing", false, false]);
});

test("a question says which models the visitor has chosen from a list", () => {
  const { stream } = opened("");
  chosen.add("resnet18");
  assert.deepEqual(stream.numbered({}).chosen, ["resnet18"]);
  chosen.clear();
});

test("the streams of one page are one visitor's, and counted apart", () => {
  const [one, other] = [opened("").stream, opened("cost").stream];
  assert.equal(`${one.visitor} cost`, other.visitor);
  one.newest();
  assert.deepEqual([one.seq, other.seq], [1, 0]);
});

test("only answers to the newest question are taken, as copies", () => {
  const { stream } = opened("");
  stream.ask("ask", () => ({}), "Computing");
  stream.ask("ask", () => ({}), "Computing");
  assert.equal(stream.take(null), null);
  assert.equal(stream.take({ seq: 1, working: "Looking" }), null);
  assert.equal(stream.working, "Computing");
  const given = { seq: 2, working: "Looking", progress: [1, 4], rows: [1] };
  const told = stream.take(given);
  assert.deepEqual(told, given);
  assert.notEqual(told.rows, given.rows);
  assert.deepEqual([stream.working, stream.progress], ["Looking", [1, 4]]);
  stream.take({ seq: 2 });
  assert.deepEqual([stream.working, stream.progress], [null, null]); // the stream has ended
});

test("what is on its way when Stop is pressed is not taken", () => {
  const { stream, sent } = opened("");
  stream.ask("ask", () => ({}), "Computing");
  stream.stop();
  assert.deepEqual(sent.at(-2), ["newest", { visitor: stream.visitor, seq: 2 }]);
  assert.equal(stream.take({ seq: 1, full: {} }), null);
  assert.deepEqual([stream.working, stream.stopped, stream.fresh], [null, true, true]);
});

test("a file has numbers of its own: a later question does not end it, Stop does", () => {
  const { stream, sent } = opened("");
  const visitor = `${stream.visitor} files`;
  stream.download(stream.numbered({ kind: "json" }));
  assert.deepEqual(sent.at(-1), ["save", { visitor, seq: 0, chosen: [], kind: "json" }]);
  stream.ask("ask", () => ({}), "Computing");
  assert.ok(sent.every(([event, told]) => event !== "newest" || told.visitor !== visitor));
  stream.stop();
  assert.deepEqual(sent.at(-1), ["newest", { visitor, seq: 1 }]);
  stream.download({ kind: "json" });
  assert.equal(sent.at(-1)[1].seq, 1);
});

test("the rest of a question has its number", () => {
  const { stream, sent } = opened("");
  stream.ask("ask", () => ({ picture: null, upload: "x" }), "Computing");
  stream.more("finish", { picture: "id", upload: null });
  assert.deepEqual(sent.at(-1), ["finish", { visitor: stream.visitor, seq: 1, chosen: [], picture: "id", upload: null }]);
});

test("whoever comes late is told what there is", () => {
  const { stream } = opened("");
  const told = [];
  stream.onchange((what) => told.push(what));
  assert.deepEqual(told, []);
  stream.answer = { seq: 1 };
  stream.onchange((what) => told.push(`late ${what}`));
  stream.changed("looks");
  assert.deepEqual(told, ["late answer", "looks", "late looks"]);
});

test("changes of one frame are drawn once, as the one that says the most", () => {
  const { stream } = opened("");
  const frames = [];
  globalThis.requestAnimationFrame = (f) => frames.push(f);
  const [drawn, classes] = [[], []];
  const root = { classList: { toggle: (...values) => classes.push(values) } };
  stream.draws(root, [(what) => drawn.push(what)], ["answer", "points", "looks", "ratio", "status"]);
  const during = (...changes) => {
    changes.forEach((what) => stream.changed(what));
    frames.splice(0).forEach((f) => f());
    return drawn.splice(0);
  };
  assert.deepEqual(during("status", "points", "ratio"), ["points"]);
  assert.deepEqual(during("ratio", "looks"), ["answer"]);
  assert.deepEqual(during("status"), ["status"]);
  assert.deepEqual(classes.at(-1), ["p-old", false]);
});
