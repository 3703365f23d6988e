// The head of a stage: one sentence that carries the verdict, under it what it rests on, and what the server is doing.

import { button, el, put, reveal } from "./dom.js";
import { place } from "./said.js";
import { debounce } from "./timing.js";

/** @typedef {[boolean, string][]} Parts  of a sentence: strong or not, and the words */

/** What parts say. @param {Parts} parts */
export const textOf = (parts) => parts.map(([, text]) => text).join("");

/**
 * @param {HTMLElement} root
 * @param {string | null} where  the place where mistakes are said here, if any
 * @param {(() => void)[]} [stopAndGoOn]  of a stage that streams
 */
export function headline(root, where, stopAndGoOn) {
  const sentence = el("h2", { class: "p-verdict" });
  const basis = el("p", { class: "p-basis" });
  const says = where && el("p", { class: "p-says", role: "alert" });
  if (where) place(where, says);
  const working = stopAndGoOn && workingLine(stopAndGoOn[0], stopAndGoOn[1]);
  const spoken = el("p", { class: "p-hidden", role: "status" });
  root.append(...[sentence, basis, says, working?.node, spoken].filter((node) => node));
  return {
    /** @param {Parts} parts @param {string} rests */
    write(parts, rests) {
      if (sentence.textContent !== textOf(parts))
        sentence.replaceChildren(...parts.map(([strong, text]) => el(strong ? "strong" : "span", { text })));
      put(basis, rests);
    },
    /** @param {import("./stream.js").Stream} stream */
    work: (stream) => working.draw(stream),
    /** Say it aloud, once it stands. */
    speak: debounce(() => put(spoken, `${sentence.textContent} ${basis.textContent}`), 700),
  };
}

/**
 * What the server is doing, how far it is, and the way to stop it.
 * @param {() => void} stop @param {() => void} goOn
 */
function workingLine(stop, goOn) {
  const doing = el("span");
  const bar = el("progress", { max: 1, "aria-label": "Progress" });
  const end = button("stop", "Stop", stop, { class: "p-button p-small" });
  const more = button(null, "Continue", goOn, { class: "p-button p-small" });
  const node = el("p", { class: "p-working" }, bar, doing, end, more);
  return {
    node,
    /** @param {import("./stream.js").Stream} stream */
    draw({ working, progress, stopped }) {
      node.style.visibility = working || stopped ? "visible" : "hidden"; // its line stays, so nothing jumps
      reveal(bar, Boolean(working));
      reveal(end, Boolean(working));
      reveal(more, stopped);
      put(doing, stopped ? "Stopped. What was computed stays." : working ? `${working} …` : "");
      if (progress) bar.value = progress[0] / progress[1];
      else bar.removeAttribute("value");
    },
  };
}
