// Compare's questions to the server. There are three:
//   ask      everything quick (queued, streamed): a new picture, pair, target, or methods
//   finish   what is slow (Score-CAM, full curves), on a queue of its own; follows `ask` by itself
//   numbers  one direct call: the confidences at the ratio where the slider came to rest, or of patches chosen by hand,
//            but for those that this browser computes itself (here.js)
// A newer question makes the server drop the older one at its next step; so does Stop.

import { here } from "./here.js";
import { pages } from "./pages.js";
import { addPoints, cardMethods, current, lineMethods, pointAt, seenCount, store } from "./store.js";
import { debounce, held, onRelease } from "./timing.js";

/** @typedef {import("./types").Answer} Answer */

let direct = 0; // direct calls under way
/** @type {string | null} */
let complaint = null; // where the last direct call said what went wrong

const wanted = () => ask.wants[pages.open] ?? [];
/** @param {number[]} patches */
const sorted = (patches) => [...patches].sort((a, b) => a - b);

export const ask = {
  /** @type {Record<string, string[]>} methods that an open page needs beside those that Compare shows */
  wants: {},

  /** A whole question, as the server reads it, about the answer that is shown. */
  question(change = {}) {
    const { view, answer } = store;
    return store.numbered({
      picture: answer?.picture.id ?? null,
      name: answer?.picture.name ?? null,
      has: answer?.picture.crop ?? null,
      labels: answer?.models.backbone.labels ?? null,
      ...(answer && askedWith(answer)),
      keep_ratio: view.percent / 100,
      methods: view.methods,
      worst: view.worst,
      patches: /** @type {number[]} */ ([]),
      ...change,
    });
  },

  /** The same of what is set. */
  send(change = {}) {
    store.say(null);
    complaint = null;
    const { proposal, backbone, classes, target, explain, fit, stretch, methods } = store.view;
    const set = { proposal, backbone, classes, target, explain, fit, stretch, methods: [...new Set([...methods, ...wanted()])] };
    store.ask("ask", () => ask.question({ ...set, ...change }), "Computing");
  },

  stop() {
    store.stop();
    store.restore();
  },

  /** What was stopped, asked again. */
  goOn() {
    const { picture, upload, name, proposal, backbone, classes, target, explain, fit, stretch } = store.last;
    Object.assign(store.view, { proposal, backbone, classes, target, explain, fit, stretch });
    store.sync();
    ask.send({ picture, upload, name });
  },

  /** @param {string} kind @param {object} [paper]  what a figure for a paper is like (paper_figure.js) */
  save(kind, paper) {
    const { look, opacity, colours, scale, hand } = store.view;
    store.download({ ...ask.question({ patches: sorted(hand) }), kind, look, opacity, colours, scale, paper });
  },

  busy: () => direct > 0,

  // The ratio came to rest: compute what is not there yet, all methods in one request.
  rest: debounce(() => {
    if (!store.answer || !store.fresh || held()) return; // an answer under way ends in a rest of its own
    const shown = new Set([...lineMethods().map((m) => m.name), ...wanted()]);
    const methods = store.answer.methods
      .filter((m) => shown.has(m.name) && (m.order || m.sizes) && !here.takes(m) && !pointAt(m, seenCount(m))?.exact)
      .map((m) => m.name);
    if (methods.length) numbers({ methods });
    ask.hand();
  }, 180),

  hand: debounce(() => {
    if (!store.answer || !store.fresh) return; // as above
    const patches = sorted(store.view.hand);
    const method = cardMethods().find(({ name }) => name === "by-hand");
    if (method && patches.length && !here.takes(method) && !current(method).exact) numbers({ methods: ["by-hand"], patches });
  }, 300),
};
onRelease(() => ask.rest());
here.also = wanted;

/** @param {{methods: string[], patches?: number[]}} change */
async function numbers(change) {
  const key = store.answer.key;
  direct += 1;
  store.changed("status");
  const reply = await store.server.numbers(JSON.stringify(ask.question(change)));
  direct -= 1;
  if (complaint) store.say(complaint, "");
  complaint = null;
  if (!reply) complain("stage", "The server did not answer. Move the slider to ask again.");
  else if (!reply.ok && !reply.stopped) complain(reply.where, reply.text);
  else if (reply.ok) {
    // a stopped one: a newer question is under way
    addPoints(key, reply.points, reply.labels, change.patches);
    if (reply.again && store.fresh) ask.send(); // a slow map has gone from the server's memory
  }
  store.changed("status");
}

/** @param {string} where @param {string} text */
function complain(where, text) {
  complaint = where;
  store.say(where, text);
}

// --- taking answers ------------------------------------------------------------------------------------------------

store.whole = ({ full }) => Boolean(full);

store.next = ({ more, picture, full, working }) => {
  if (more) {
    const { has, labels } = ask.question(); // what the page has got meanwhile
    store.more("finish", { picture: picture.id, name: picture.name, upload: null, has, labels });
  } else if (full && !working) ask.rest();
};

/** What an answer was asked with. @param {Answer} answer */
const askedWith = ({ models, target, explain, picture }) => ({
  proposal: models.proposal.name,
  backbone: models.backbone.name,
  classes: models.backbone.typed ?? "",
  target: target?.chosen ? target.index : null,
  explain: explain.asked,
  fit: picture.fit,
  stretch: picture.stretch,
});

store.restore = () => {
  store.fresh = true;
  if (!store.answer) return;
  Object.assign(store.view, askedWith(store.answer));
  store.sync();
  ask.rest(); // what was set meanwhile
};

/**
 * What was known stays known: a curve in full is not taken back by an answer that begins anew. And a map that is
 * there already stays the same object, so what was made of it is not made again. Points that came beside it name classes too.
 * @param {Answer} before @param {Answer} answer
 */
export function keepKnown(before, answer) {
  answer.labels = { ...before.labels, ...answer.labels };
  answer.methods = answer.methods.map((method) => {
    const known = before.methods.find((m) => m.name === method.name);
    if (!known?.map || method.refused) return method;
    if (!method.map) return known;
    const points = [...new Map([...known.points, ...method.points].map((point) => [point[0], point])).values()];
    const areas = typeof method.areas?.[1] === "number" ? method.areas : (known.areas ?? method.areas);
    const more = known.complete ? { complete: true, fewest: known.fewest, areas } : {};
    return { ...method, ...more, points, map: known.map };
  });
}

store.show = (answer) => {
  const before = store.answer;
  answer.picture.src ??= before?.picture.src; // sent once for each crop
  if (before?.key === answer.key) keepKnown(before, answer);
  store.answer = answer;
  store.stopped = false;
  if (store.extra.key !== answer.key) store.extra = { key: answer.key, points: {} };
  const same = before?.picture.id === answer.picture.id && String(before.grid) === String(answer.grid);
  if (before && !same) store.view.hand = [];
  if (!store.fresh) ask.hand(); // the first of a new question's
  store.fresh = true;
  store.changed("answer");
};
