// What Compare and Video have alike: a question to a pair of models about a picture or a clip, what is set for it, and what
// of its answer acts in the browser.

import { numKept } from "./counts.js";
import { say } from "./said.js";
import { chosen, Stream } from "./stream.js";

/** @typedef {import("./types").Told & {patches: number, prefix: number}} Counted */
/** @typedef {{percent: number, proposal: string, backbone: string, target: number | null, [name: string]: any}} Settings */
/** @typedef {"proposal" | "backbone"} Role */

/** @type {Role[]} */
export const ROLES = ["proposal", "backbone"];

/**
 * @template {Counted} [Answer=any] @template {Settings} [View=any]
 * @extends {Stream<Answer>}
 */
export class Asked extends Stream {
  /** What the visitor has set. @type {View} */
  view = /** @type {any} */ ({});

  /** places: what the names of its places on the page begin with. @param {string} [name] @param {string} [places] */
  constructor(name = "", places = "") {
    super(name);
    this.places = places;
  }

  /** The native controls follow the view through an event that runs in the browser only. */
  sync() {
    this.trigger("sync");
  }

  /** where: null takes away what was said. @param {string | null} where @param {string} [text] */
  say(where, text) {
    say(where, text, this.places);
  }

  /** How many patches stay. */
  count() {
    const { patches, prefix } = this.answer;
    return numKept(patches, prefix, this.view.percent / 100);
  }

  /**
   * What the visitor sets, as {name: value}: the names that have changed, those of models that follow among them; none
   * where it cannot be.
   * @param {Partial<View>} change @returns {string[]}
   */
  set(change) {
    const { view } = this;
    const ratio = Number(change.percent ?? view.percent);
    const fine = ratio > 0 && ratio <= 100;
    this.say("ratio", fine ? "" : "The share of patches kept lies above 0 and at most at 100 %.");
    if (!fine) return [];
    const before = { ...view };
    const differs = (/** @type {string} */ name) => JSON.stringify(view[name]) !== JSON.stringify(before[name]);
    Object.assign(view, change);
    for (const role of ROLES) if (role in change && differs(role)) this.follow(role);
    if (differs("backbone")) /** @type {Settings} */ (view).target = null; // another model may have other classes
    ROLES.filter(differs).forEach((role) => chosen.add(view[role]));
    if (Object.keys(view).some((name) => differs(name) && !(name in change))) this.sync();
    return Object.keys(view).filter(differs);
  }

  /** A model was set: what has to change with it. @type {(role: Role) => void} */
  follow() {}

  /** A payload of the server. @param {Answer | null} given */
  told(given) {
    const now = this.take(given);
    if (!now) return;
    if (now.error) {
      this.say(now.error.where, now.error.text);
      this.restore();
    }
    if (this.whole(now)) this.show(now);
    else this.changed("status"); // what stood on the screen stays
    this.next(now);
  }

  /** Whether a payload holds something to show. @type {(now: Answer) => boolean} */
  whole() {
    return true;
  }
  /** @param {Answer} now */
  show(now) {
    this.answer = now;
    this.changed("answer");
  }
  /** A question failed, or was stopped: what stood there stands, and the controls say again what it was asked with. */
  restore() {
    this.fresh = true;
  }
  /** What follows a payload. @type {(now: Answer) => void} */
  next() {}
}
