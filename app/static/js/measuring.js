// Something that is measured on this machine on request: its button, how far it is, Stop, and the sentence at its end.

import { button, el, put, reveal } from "./dom.js";
import { place, say } from "./said.js";
import { Stream } from "./stream.js";

/**
 * @template {object} Question @template Found
 * @typedef {object} Measuring
 * @property {string} stream  its questions are counted under this name
 * @property {string} event  Gradio's
 * @property {string} where  what goes wrong is said in the place of this name
 * @property {string} title  of the button that starts it
 * @property {string} label  of the bar
 * @property {string} stopped  what is said then
 * @property {() => Question} question
 * @property {() => string} nothing  why there is nothing to measure, or ""
 * @property {(done: number, of: number) => string} doing
 * @property {(soFar: Found) => void} [partly]
 * @property {(found: Found, asked: Question) => string} whole  takes what was found, and gives the sentence
 */

/**
 * @template {object} Question @template Found
 * @param {Pick<import("./types").Given, "trigger" | "server">} given @param {Measuring<Question, Found>} about
 */
export function measuring(given, about) {
  const stream = new Stream(about.stream);
  stream.connect(given);
  /** @type {Question | null} while it is measured */
  let asked = null;
  const says = el("p", { class: "p-says", role: "alert" });
  place(about.where, says);
  const start = button(null, about.title, begin);
  const stop = button("stop", "Stop", end, { class: "p-button p-small" });
  const bar = el("progress", { max: 1, "aria-label": about.label });
  const doing = el("span");
  const working = el("p", { class: "p-working" }, bar, doing, stop);
  const status = el("p", { class: "p-note", role: "status" });

  function begin() {
    const question = (asked = about.question());
    say(about.where, "");
    put(status, "");
    progress("Waiting for the machine", null);
    stream.ask(about.event, () => question, "Waiting for the machine");
    draw();
  }
  function end() {
    stream.stop();
    asked = null;
    put(status, about.stopped);
    draw();
  }
  /** @param {string} text @param {number | null} share */
  function progress(text, share) {
    put(doing, `${text} …`);
    if (share === null) bar.removeAttribute("value");
    else bar.value = share;
  }
  /**
   * A payload of the server; whether there is something new to draw.
   * @param {import("./types").Told & {so_far?: Found, found?: Found} | null} payload
   */
  function take(payload) {
    const told = asked && stream.take(payload);
    if (!told) return false;
    if (told.so_far) about.partly(told.so_far);
    if (told.progress) {
      const [done, of] = told.progress;
      progress(about.doing(done, of), done ? done / of : null);
      return false;
    }
    if (told.error) say(about.where, told.error.text);
    if (told.found) put(status, about.whole(told.found, asked));
    asked = null;
    draw();
    return true;
  }
  function draw() {
    const why = about.nothing();
    start.disabled = Boolean(asked) || Boolean(why);
    start.title = why;
    reveal(working, Boolean(asked));
  }
  draw();
  return { tools: el("div", { class: "p-tools" }, start, working, status), says, draw, take };
}
