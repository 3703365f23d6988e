// What the visitor sets on Compare, in the native controls or on the stage.

import { ask } from "./ask.js";
import { store } from "./store.js";

/** Move the ratio from here: the curve, the dialog. @param {number} percent  to a tenth */
export function setPercent(percent) {
  const value = Math.max(1, Math.min(100, Math.round(10 * percent) / 10));
  if (value === store.view.percent) return;
  controls({ percent: value });
  store.trigger("pick"); // the native slider follows; it alone: this is called while something moves
}

export const ASKS = ["proposal", "backbone", "target", "explain", "fit", "stretch", "classes"]; // change what is computed, at once
/** As {name: value}. @param {Partial<import("./types").View>} change */
export function controls(change) {
  const others = "classes" in change && change.classes !== store.view.classes; // there may be no such target among them
  const changed = store.set(others ? { target: null, ...change } : change);
  if (!changed.length) return;
  if (changed.some((name) => ASKS.includes(name)) || (changed.includes("worst") && store.view.worst)) ask.send();
  else if (changed.includes("worst")) store.changed("answer");
  else if (changed.includes("methods")) {
    store.changed("methods");
    const have = store.answer?.methods.map((m) => m.name) ?? [];
    if (store.view.methods.some((name) => !have.includes(name))) ask.send();
    else ask.rest();
  } else if (changed.includes("percent")) {
    store.changed("ratio");
    ask.rest();
  } else store.changed("looks");
}
