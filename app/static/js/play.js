// Play: the ratio goes from 100 to 5 % in eight seconds, and where each method loses the answer is marked and stays. It
// moves over what is computed; the server is asked nothing until it rests.

import { setPercent } from "./controls.js";
import { keeps, keptCount, lineMethods, pointsOf, store } from "./store.js";
import { moves } from "./timing.js";

const SECONDS = 8;
const [FROM, TO] = [100, 5];
const STEPS = [100, 75, 50, 40, 30, 20, 10, 5]; // for who wants no motion
const STAY = 1500; // milliseconds at the end, before the slider goes back
const still = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

/** @type {{key: string | null, at: Record<string, import("./types").Point>}} */
const lost = { key: null, at: {} };
let turn = 0;
let before = 40; // where the slider stood
let own = 0; // where it was put last

export const play = {
  running: false,

  toggle() {
    if (play.running) return end(before);
    if (!store.answer?.full) return;
    turn += 1;
    moves((play.running = true));
    document.addEventListener("input", taken, true);
    before = store.view.percent;
    lost.key = store.answer.key;
    lost.at = {};
    if (still()) hop(turn, 0);
    else sweep(turn, performance.now());
  },

  /** Where each method lost the answer, as far as it was played. @returns {Record<string, import("./types").Point>} */
  lost: () => (store.answer && lost.key === store.answer.key ? lost.at : {}),
};

/** @param {number} percent  where the slider stays */
function end(percent) {
  turn += 1;
  moves((play.running = false));
  document.removeEventListener("input", taken, true);
  setPercent(percent);
  store.changed("points");
}

// Who moves the slider meanwhile has it, and it stays there.
store.onchange((what) => {
  if (what === "ratio" && play.running && store.view.percent !== own) end(store.view.percent);
});

/** Gradio tells of its slider a moment late, and by then the sweep has written over what was set. @param {Event} event */
function taken({ target }) {
  if (target instanceof HTMLInputElement && target.closest("#ratio") && target.value) end(Number(target.value));
}

/** @param {number} mine @param {number} began */
function sweep(mine, began) {
  if (mine !== turn) return;
  const done = Math.min(1, (performance.now() - began) / (1000 * SECONDS));
  go(FROM + (TO - FROM) * done);
  if (done === 1) return stay(mine);
  requestAnimationFrame(() => sweep(mine, began));
}

/** @param {number} mine */
function stay(mine) {
  setTimeout(() => mine === turn && end(before), STAY);
}

/** @param {number} mine @param {number} i */
function hop(mine, i) {
  if (mine !== turn) return;
  go(STEPS[i]);
  if (i === STEPS.length - 1) return stay(mine);
  setTimeout(() => hop(mine, i + 1), (1000 * SECONDS) / STEPS.length);
}

/** @param {number} percent */
function go(percent) {
  own = Math.round(percent);
  setPercent(own);
  if (lost.key !== store.answer.key) return end(before); // another picture came
  const k = keptCount();
  for (const method of lineMethods()) {
    if (lost.at[method.name]) continue;
    const first = firstLost(pointsOf(method));
    if (first && first.k >= k) lost.at[method.name] = first;
  }
}

/**
 * Of the computed points, the one with the most patches at which the answer is lost.
 * @param {import("./types").Point[]} points
 */
export function firstLost(points) {
  const falling = [...points].sort((a, b) => b.k - a.k);
  const at = falling.find((point) => keeps(point) === false);
  return at && at !== falling[0] ? at : null; // lost from the start: there was nothing to lose
}
