// The points of what is on the screen, computed in this browser: one pass at a time, what the slider shows now before
// all else. A moved slider never queues: after each pass it is looked at anew what is missing.

import { odds, packed } from "./odds.js";
import { addPoints, cardMethods, current, lineMethods, pointAt, pointsOf, seenCount, store } from "./store.js";
import { oneAtATime } from "./timing.js";

/** @typedef {import("./types").Method} Method @typedef {{method: Method, k: number, sets: number[][]}} Job  sets: patches, a draw each */

/** @type {Map<string, Float64Array>} what the backbone said of patches of this crop: equal ones run once */
const known = new Map();
const MOST = 4000; // of them

/** @type {import("./types").Picture | null} */
let picture = null;
/** @type {import("./types").Runtime | null} */
let runtime = null;

export const here = {
  /** Short names of all classes, by index. @type {string[]} */
  labels: [],
  /** Where lines stand that are computed when nothing else is to do: coarse ones first; fine ones only of methods of one draw.
   * @type {{coarse: number[], fine: number[]}} */
  curve: { coarse: [], fine: [] },
  /** Methods that open pages need beside those that are shown. @type {() => string[]} */
  also: () => [],
  /** Of the last pass: milliseconds, and how many patches it saw. @type {{ms: number, k: number} | null} */
  pass: null,
  /** @type {(error: unknown) => void} */
  failed() {},

  /** @param {import("./types").Runtime | null} opened  null: no more */
  use(opened) {
    runtime?.close();
    runtime = opened;
    known.clear();
    here.pass = null;
    work();
  },

  /** The picture that is run here. @param {import("./types").Picture | null} brought */
  take(brought) {
    picture = brought;
    known.clear();
    work();
  },

  /** Whether numbers are computed here: the backbone is open, and its crop of the answer's picture is there. */
  on: () => Boolean(runtime) && Boolean(picture) && picture.crop === store.answer?.picture.crop,

  /** Whether a method's numbers are. @param {Method} method */
  takes: (method) => here.on() && (method.name === "by-hand" || Boolean(ordersOf(method))),

  /** What the backbone says of these patches of the picture, ascending. @param {number[]} patches */
  async shares(patches) {
    const [mine, name] = [picture, String(patches)];
    if (!known.has(name)) {
      const { logits, ms } = await runtime.sees(mine, patches);
      here.pass = { ms, k: patches.length };
      if (mine !== picture) return odds(logits);
      if (known.size >= MOST) known.clear();
      known.set(name, odds(logits));
    }
    return known.get(name);
  },
};

/** Each draw's patches, the most significant first; null where they are not here. @param {Method} method @returns {number[][] | null} */
const ordersOf = ({ name, order, draws }) => (draws > 1 ? (picture.orders[name] ?? null) : order ? [order] : null);

const ascending = (/** @type {number[]} */ patches) => [...patches].sort((a, b) => a - b);

/** @param {Method} method @param {number} k @returns {Job} */
const job = (method, k) => ({ method, k, sets: ordersOf(method).map((order) => ascending(order.slice(0, k))) });

/** What is to be computed first, or null. @returns {Job | null} */
function next() {
  if (!store.answer?.full || !store.fresh || !here.on()) return null;
  const names = new Set([...cardMethods(), ...lineMethods()].map((method) => method.name).concat(here.also()));
  const methods = [...names].map((name) => store.answer.methods.find((method) => method.name === name)).filter((method) => method && here.takes(method));
  for (const method of methods) {
    const { hand } = store.view;
    if (method.name !== "by-hand") {
      if (!pointAt(method, seenCount(method))?.exact) return job(method, seenCount(method));
    } else if (hand.length && !current(method).exact) return { method, k: hand.length, sets: [ascending(hand)] };
  }
  const lines = methods.filter(({ name }) => name !== "by-hand");
  const single = lines.filter(({ draws }) => draws === 1);
  for (const [counts, drawn] of /** @type {[number[], Method[]][]} */ ([[here.curve.coarse, lines], [here.curve.fine, single]]))
    for (const k of counts)
      for (const method of drawn) if (!pointsOf(method).some((point) => point.k === k)) return job(method, k);
  return null;
}

/** Whether something else has become more urgent. @param {Job} doing */
function outdated({ method, k, sets }) {
  const now = next();
  return now?.method !== method || now.k !== k || String(now.sets[0]) !== String(sets[0]);
}

const work = oneAtATime(async () => {
  try {
    for (let doing = next(); doing; doing = next()) await compute(doing);
  } catch (error) {
    if (runtime) here.failed(error);
  }
});

/** @param {Job} doing */
async function compute(doing) {
  const { method, k, sets } = doing;
  const { key, target, full } = store.answer; // a point of an answer that has gone meanwhile is not taken
  const draws = [];
  for (const patches of sets) {
    if (draws.length && outdated(doing)) return;
    draws.push(await here.shares(patches));
  }
  const point = packed(k, draws, target.index, full.index);
  const labels = Object.fromEntries([...new Set(point[5].map(([index]) => index))].map((index) => [index, here.labels[index]]));
  addPoints(key, { [method.name]: point }, labels, method.name === "by-hand" ? sets[0] : undefined);
}

const DRAWN = ["status", "looks", "pointed", "points"]; // nothing new is missing after these
store.onchange((what) => {
  if (!DRAWN.includes(what)) work();
});
