// A file that the visitor brings: chosen, dropped, pasted or recorded; checked here, uploaded, then asked about.

import { button, el, put } from "./dom.js";

/** @typedef {{picture?: string | null, upload?: string | null, name?: string | null}} Brought */

/**
 * A hidden chooser of files; send(file): a file, however it came, is checked, uploaded and brought; choose(brought): what
 * needs no upload is brought. Of a file that is on its way when something else comes nothing more is heard.
 * @param {{
 *   root: Element, upload: import("./types").Given["upload"], what: "picture" | "clip", accept: string, most: number,
 *   say: (text: string | null) => void, bring: (brought: Brought) => void, sending?: Node, advice?: string,
 * }} how  most: megabytes; say(null) takes away what was said; sending: where it says how much is on its way
 */
export function files({ root, upload, what, accept, most, say, bring, sending, advice = "" }) {
  const chooser = el("input", { type: "file", accept, class: "p-hidden", tabindex: -1, "aria-label": `Choose a ${what}` });
  chooser.addEventListener("change", () => {
    send(chooser.files[0]);
    chooser.value = "";
  });
  let newest = 0;
  /** @param {string} text */
  const waits = (text) => {
    root.classList.toggle("p-sending", Boolean(text));
    if (sending) put(sending, text);
  };
  /** @param {Brought} brought */
  function choose(brought) {
    newest += 1;
    waits("");
    bring(brought);
  }
  /** @param {File} [file] */
  async function send(file) {
    if (!file) return;
    say(null);
    const size = file.size / 1e6;
    if (size > most) return say(`This file has ${Math.ceil(size)} MB; at most ${most} MB can be read.${advice}`);
    if (!size) return say(`This file is empty. Choose a ${what}.`);
    const mine = (newest += 1);
    waits(`Sending ${size.toFixed(1)} MB …`);
    const sent = await upload(file).catch(() => /** @type {{path: string}} */ (null));
    if (mine !== newest) return;
    if (sent) return choose({ picture: null, upload: sent.path, name: file.name });
    waits("");
    say("The upload did not succeed. Try again.");
  }
  return { chooser, send, choose };
}

/** @typedef {{id: string, title: string, caption: string, credit: string, src: string}} Example */

/** A button each. @param {Example[]} examples @param {string} word @param {(id: string) => void} choose */
export const exampleButtons = (examples, word, choose) =>
  examples.map(({ id, title, caption, credit, src }) =>
    el(
      "button",
      { type: "button", class: "p-example", "aria-label": `${word}: ${title}. ${caption}`, title: `${title}. ${caption}. (${credit})`, "data-example": id, onclick: () => choose(id) },
      el("img", { src, alt: "" }),
    ),
  );

/** Which of the buttons is pressed. @param {Iterable<Element>} buttons @param {string} [id] */
export function press(buttons, id) {
  for (const one of buttons)
    if (one instanceof HTMLElement) one.setAttribute("aria-pressed", String(one.dataset.example === id));
}

/**
 * Which of the examples is shown: its button is pressed, its caption stands in the line; of no example it says nothing.
 * @param {Iterable<Element>} buttons @param {Example[]} examples @param {string | undefined} id @param {Node} line
 * @param {string} about  what the captions hold for
 */
export function mark(buttons, examples, id, line, about = "") {
  press(buttons, id);
  const chosen = examples.find((example) => example.id === id);
  put(line, chosen ? `${chosen.caption}${about}.` : "");
}

/**
 * Where the file is shown, beside the ways to bring another.
 * @param {"Picture" | "Clip"} what @param {Element} shown @param {HTMLElement} chooser @param {HTMLButtonElement[]} ways
 */
export const dropBox = (what, shown, chooser, ways) =>
  el(
    "div",
    { class: "p-drop", role: "group", "aria-label": what },
    el("div", { class: "p-shown" }, shown),
    el(
      "div",
      { class: "p-ways" },
      button("upload", "Upload", () => chooser.click()),
      ...ways,
      el("p", { class: "p-note", text: `or drop a ${what.toLowerCase()} here` }),
    ),
    chooser,
  );
