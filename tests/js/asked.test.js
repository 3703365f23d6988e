import assert from "node:assert/strict";
import test from "node:test";
import "./setup.js";
import { Asked } from "../../app/static/js/asked.js";
import { place } from "../../app/static/js/said.js";
import { chosen } from "../../app/static/js/stream.js";

const says = Object.fromEntries(["ratio", "stage"].map((name) => [name, { textContent: "" }]));
for (const [name, node] of Object.entries(says)) place(`asked-${name}`, node);

class Page extends Asked {
  did = [];
  follow(role) {
    if (role === "backbone") this.view.proposal = "its partner";
  }
  whole({ full }) {
    return Boolean(full);
  }
  restore() {
    this.did.push("restored");
  }
  next() {
    this.did.push("next");
  }
}

function opened(view) {
  const page = new Page("asked", "asked-");
  page.connect({ trigger: (event) => page.did.push(event), server: { newest: async () => {} } });
  page.onchange((what) => page.did.push(what));
  Object.assign(page.view, { percent: 40, proposal: "p", backbone: "b", target: 3 }, view);
  return page;
}

test("what is set is told by name, and what follows from it, of which the controls hear", () => {
  const page = opened();
  assert.deepEqual([page.set({ percent: 40 }), page.set({ percent: 30, methods: ["papr"] }), page.did], [[], ["percent", "methods"], []]);
  assert.deepEqual(page.set({ methods: ["papr"] }), []); // the same list
  assert.deepEqual(page.set({ backbone: "c" }).sort(), ["backbone", "proposal", "target"]);
  assert.deepEqual([page.view.target, page.did, [...chosen]], [null, ["sync"], ["its partner", "c"]]);
  chosen.clear();
});

test("a ratio that is none is refused where it was set", () => {
  const page = opened();
  assert.deepEqual([page.set({ percent: 0 }), page.view.percent], [[], 40]);
  assert.match(says.ratio.textContent, /above 0/);
  page.set({ percent: 40 });
  assert.equal(says.ratio.textContent, "");
});

test("how many patches stay", () => {
  const page = opened();
  page.answer = { patches: 196, prefix: 1 };
  assert.equal(page.count(), 78);
});

test("a payload is shown, or says how far the work is; an error leaves what stood there", () => {
  const page = opened();
  page.told({ seq: -1, full: {} });
  assert.deepEqual(page.did.splice(0), []);
  page.told({ seq: 0, working: "Looking" });
  assert.deepEqual([page.answer, page.working, page.did.splice(0)], [null, "Looking", ["status", "next"]]);
  page.told({ seq: 0, full: { index: 1 } });
  assert.deepEqual([page.answer.full, page.did.splice(0)], [{ index: 1 }, ["answer", "next"]]);
  page.told({ seq: 0, error: { where: "nowhere", text: "No." } });
  assert.deepEqual([page.answer.full, says.stage.textContent, page.did], [{ index: 1 }, "No.", ["restored", "status", "next"]]);
  page.say(null);
  assert.equal(says.stage.textContent, "");
});
