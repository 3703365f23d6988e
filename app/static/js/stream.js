// A question to the server and what comes back: each has a number, the newest counts, Stop ends it. What a page knows of
// its question stands here, and whoever draws it is told of a change.

import { eachFrame } from "./timing.js";

const VISITOR = Array.from(crypto.getRandomValues(new Uint32Array(3)), (n) => n.toString(36)).join("");

/** Models that the visitor has chosen from a list: these alone are downloaded, and none that a link names. @type {Set<string>} */
export const chosen = new Set();

/**
 * @template {import("./types").Told} [Answer=any]
 */
export class Stream {
  /** @param {string} [name]  each name's questions are counted apart */
  constructor(name = "") {
    this.visitor = `${VISITOR} ${name}`.trim();
    this.seq = 0;
    this.stops = 0;
    /** @type {import("./types").Question | null} */
    this.last = null;
    /** @type {Answer | null} */
    this.answer = null;
    /** @type {string | null} a sentence while the server works */
    this.working = null;
    /** @type {[number, number] | null} done, of */
    this.progress = null;
    this.stopped = false;
    this.fresh = true; // the answer on the screen belongs to the newest question
    /** @type {((what: string) => void)[]} */
    this.listeners = [];
  }

  /** The component of Gradio's that carries questions and answers. @param {Pick<import("./types").Given, "trigger" | "server">} given */
  connect({ trigger, server }) {
    Object.assign(this, { trigger, server });
  }
  /** @type {import("./types").Given["trigger"]} */
  trigger() {}
  /** @type {import("./types").Given["server"]} */
  server = {};
  /** What a file that was asked for is given to. @type {import("./types").Saved} */
  saved = () => {};

  /** Whoever comes late is told what there is. @param {(what: string) => void} f */
  onchange(f) {
    this.listeners.push(f);
    if (this.answer) f("answer");
  }

  /** @param {string} what */
  changed(what) {
    this.listeners.forEach((f) => f(what));
  }

  /**
   * Several changes within one frame are drawn once, as the one that says the most: the first in `order`.
   * @param {Element} root @param {((what: string) => void)[]} parts @param {string[]} order
   */
  draws(root, parts, order) {
    /** @type {Set<string>} */
    let pending = new Set();
    const draw = eachFrame(() => {
      const both = pending.has("looks") && pending.has("ratio"); // neither draws all that the other does
      const what = both ? "answer" : order.find((one) => pending.has(one));
      pending = new Set();
      parts.forEach((part) => part(what));
      root.classList.toggle("p-old", !this.fresh);
    });
    this.onchange((what) => {
      pending.add(what);
      draw();
    });
  }

  /** A number of its own for what is asked next: answers to older questions are no longer taken, nor worked on. */
  newest() {
    this.seq += 1;
    this.server.newest(JSON.stringify({ visitor: this.visitor, seq: this.seq }));
  }

  /** Whose files these are, so that no later question ends one that is being written; Stop does. */
  #files() {
    return { visitor: `${this.visitor} files`, seq: this.stops };
  }

  /** Ask for a file. @param {object} question */
  download(question) {
    this.trigger("save", { ...question, ...this.#files() });
  }

  /** @template {object} Q @param {Q} question */
  numbered(question) {
    return { visitor: this.visitor, seq: this.seq, chosen: [...chosen], ...question };
  }

  /**
   * @param {string} event  Gradio's
   * @param {() => object} question  made when it has its number
   * @param {string} working @param {boolean} [fresh]
   */
  ask(event, question, working, fresh = false) {
    this.newest();
    this.last = this.numbered(question());
    Object.assign(this, { working, progress: null, stopped: false, fresh });
    this.changed("status");
    this.trigger(event, this.last);
  }

  /** The rest of the last question, from another queue. @param {string} event @param {object} [change] */
  more(event, change = {}) {
    this.last = { ...this.last, ...change };
    this.trigger(event, this.last);
  }

  stop() {
    this.newest();
    this.stops += 1;
    this.server.newest(JSON.stringify(this.#files()));
    Object.assign(this, { working: null, progress: null, stopped: true, fresh: true });
    this.changed("status");
  }

  /**
   * A payload of the server, or null where it answers an older question. Gradio's own copy stays as it is.
   * @template {import("./types").Told} T
   * @param {T | null} given @returns {T | null}
   */
  take(given) {
    if (!given || given.seq < this.seq) return null;
    /** @type {T} */
    const told = JSON.parse(JSON.stringify(given));
    Object.assign(this, { working: told.working ?? null, progress: told.progress ?? null });
    return told;
  }
}
