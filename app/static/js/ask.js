// Questions to the server. There are three:
//   ask      everything quick (queued, streamed): a new picture, pair, target, or methods
//   finish   what is slow (Score-CAM, full curves), on a queue of its own; follows `ask` by itself
//   numbers  one direct call: the confidences at the ratio where the slider came to rest, or of patches chosen by hand
// A newer question makes the server drop the older one at its next step; so does Stop.

const store = papr.store;
const visitor = Array.from(crypto.getRandomValues(new Uint32Array(3)), (n) => n.toString(36)).join("");
let link = null; // {trigger, server} of the stage
let last = null; // the last question
let direct = 0; // direct calls under way
let complaint = null; // where the last direct call said what went wrong

// Methods that an open page needs beside those that Compare shows: its name -> their names.
papr.wants = {};
const wanted = () => papr.wants[papr.pages.open] ?? [];

papr.ask = {
  seq: 0,
  visitor,

  connect(stage) {
    link = stage;
  },

  // A whole question, as the server reads it, about the answer that is shown.
  question(change = {}) {
    const { view, answer } = store;
    return {
      visitor,
      seq: papr.ask.seq,
      picture: answer?.picture.id ?? null,
      name: answer?.picture.name ?? null,
      has: answer?.picture.crop ?? null,
      labels: answer?.models.backbone.labels ?? null,
      ...(answer && papr.askedWith(answer)),
      keep_ratio: view.percent / 100,
      methods: view.methods,
      patches: [],
      ...change,
    };
  },

  // The same of what is set.
  send(change = {}) {
    newest();
    const { proposal, backbone, target, explain, methods } = store.view;
    last = papr.ask.question({ proposal, backbone, target, explain, methods: [...new Set([...methods, ...wanted()])], ...change });
    papr.say(null);
    complaint = null;
    Object.assign(store, { working: "Computing", progress: null, stopped: false, fresh: false });
    papr.changed("status");
    link.trigger("ask", last);
  },

  finish(picture) {
    const { has, labels } = papr.ask.question(); // what the page has got meanwhile
    last = { ...last, picture: picture.id, name: picture.name, upload: null, has, labels };
    link.trigger("finish", last);
  },

  stop() {
    newest();
    Object.assign(store, { working: null, stopped: true });
    papr.restore();
    papr.changed("status");
  },

  // What was stopped, asked again.
  goOn() {
    const { picture, upload, name, proposal, backbone, target, explain } = last;
    Object.assign(store.view, { proposal, backbone, target, explain });
    papr.sync();
    papr.ask.send({ picture, upload, name });
  },

  save(kind) {
    link.trigger("save", { ...papr.ask.question({ patches: sorted(store.view.hand) }), kind });
  },

  busy: () => direct > 0,
};

function newest() {
  papr.ask.seq += 1; // answers to older questions are no longer taken
  link.server.newest(JSON.stringify({ visitor, seq: papr.ask.seq }));
}

const sorted = (patches) => [...patches].sort((a, b) => a - b);

async function numbers(change) {
  const key = store.answer.key;
  direct += 1;
  papr.changed("status");
  const reply = await link.server.numbers(JSON.stringify(papr.ask.question(change)));
  direct -= 1;
  if (complaint) papr.say(complaint, "");
  complaint = null;
  if (!reply) complain("stage", "The server did not answer. Move the slider to ask again.");
  else if (reply.stopped); // a newer question is under way
  else if (!reply.ok) complain(reply.where, reply.text);
  else {
    papr.addPoints(key, reply.points, reply.labels, change.patches);
    if (reply.again && store.fresh) papr.ask.send(); // a slow map has gone from the server's memory
  }
  papr.changed("status");
}

function complain(where, text) {
  complaint = where;
  papr.say(where, text);
}

// The ratio came to rest: compute what is not there yet, all methods in one request. While a slider is held down it
// is not at rest, however long it stands still.
let held = false;
papr.held = () => held;
papr.onrelease = (f) => released.push(f);
const released = [() => papr.ask.rest()];
window.addEventListener("pointerdown", ({ target }) => (held = Boolean(target.closest?.("input[type=range], .p-frame"))), true);
for (const end of ["pointerup", "pointercancel"])
  window.addEventListener(end, () => {
    const was = held;
    held = false;
    if (was) released.forEach((f) => f());
  });
papr.ask.rest = papr.debounce(() => {
  if (!store.answer || !store.fresh || held) return; // an answer under way ends in a rest of its own
  const k = papr.kept();
  const shown = new Set([...papr.lines().map((m) => m.name), ...wanted()]);
  const methods = store.answer.methods
    .filter((m) => shown.has(m.name) && m.order && !papr.pointAt(m, k)?.exact)
    .map((m) => m.name);
  if (methods.length) numbers({ methods });
  papr.ask.hand();
}, 180);

papr.ask.hand = papr.debounce(() => {
  if (!store.answer || !store.fresh) return; // as above
  const patches = sorted(store.view.hand);
  const method = papr.cards().find(({ name }) => name === "by-hand");
  if (method && patches.length && !papr.now(method).exact) numbers({ methods: ["by-hand"], patches });
}, 300);
