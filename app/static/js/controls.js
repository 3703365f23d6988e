// What the visitor sets on Compare, in the native controls or on the stage.

import { ask } from "./ask.js";
import { say } from "./said.js";
import { store } from "./store.js";

/** Whether a keep ratio can be; the sentence where it is said. @param {object} change @param {(text: string) => void} tell */
export function isRatio(change, tell) {
  const fine = !("percent" in change) || (Number(change.percent) > 0 && Number(change.percent) <= 100);
  tell(fine ? "" : "The share of patches kept lies above 0 and at most at 100 %.");
  return fine;
}

/** Move the ratio from here: the curve, the dialog. @param {number} percent */
export function setPercent(percent) {
  const value = Math.max(1, Math.min(100, Math.round(percent)));
  if (value === store.view.percent) return;
  controls({ percent: value });
  store.trigger("pick"); // the native slider follows; it alone: this is called while something moves
}

const ASKS = ["proposal", "backbone", "target", "explain"]; // change what is computed, at once
/** As {name: value}. @param {Partial<import("./types").View>} change */
export function controls(change) {
  const { view } = store;
  if (!isRatio(change, (text) => say("ratio", text))) return;
  const changed = Object.keys(change).filter((name) => JSON.stringify(view[name]) !== JSON.stringify(change[name]));
  if (!changed.length) return;
  Object.assign(view, change);
  if (changed.includes("backbone") && view.target !== null) {
    view.target = null; // another model may have other classes
    store.sync();
  }
  if (changed.some((name) => ASKS.includes(name))) ask.send();
  else if (changed.includes("methods")) {
    store.changed("methods");
    const have = store.answer?.methods.map((m) => m.name) ?? [];
    if (view.methods.some((name) => !have.includes(name))) ask.send();
    else ask.rest();
  } else if (changed.includes("percent")) {
    store.changed("ratio");
    ask.rest();
  } else store.changed("looks");
}
