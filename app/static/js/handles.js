// Beside the slider: play, and what a card shows.

import { button, el, icon, put } from "./dom.js";
import { play } from "./play.js";
import { store } from "./store.js";

/** @type {[string, string, string][]} */
const SHOWS = [
  ["kept", "Kept", "What each method keeps"],
  ["map", "Map", "Each method’s map over the picture"],
  ["difference", "Difference", "PaPr less each other method"],
];

/** @param {import("./types").Given} given */
export function mountHandles({ element }) {
  const root = element.querySelector(".papr-handles");
  const run = button("play", "Play", play.toggle, { class: "p-button p-small p-play" });
  const words = run.querySelector("span");
  const choices = SHOWS.map(([name, label, title]) =>
    el("button", { type: "button", class: "p-choice", role: "radio", title, "data-show": name, text: label, onclick: () => show(name) }),
  );
  const group = el("div", { class: "p-choices", role: "radiogroup", "aria-label": "A card shows" }, ...choices);
  const fold = el("button", { type: "button", class: "p-button p-small p-fold", "aria-expanded": "false", "aria-controls": "choices", text: "Methods and target" });
  fold.addEventListener("click", () => {
    const open = document.querySelector("#choices").classList.toggle("p-open");
    fold.setAttribute("aria-expanded", String(open));
  });
  group.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const at = SHOWS.findIndex(([name]) => name === store.view.show);
    const to = (at + by + SHOWS.length) % SHOWS.length;
    show(SHOWS[to][0]);
    choices[to].focus();
  });
  root.append(run, group, fold);

  store.onchange(() => {
    choices.forEach((one) => {
      const on = one.dataset.show === store.view.show;
      one.setAttribute("aria-checked", String(on));
      one.tabIndex = on ? 0 : -1;
    });
    if (run.dataset.running === String(play.running)) return;
    run.dataset.running = String(play.running);
    put(words, play.running ? "Stop" : "Play");
    run.querySelector("svg").replaceWith(icon(play.running ? "stop" : "play"));
  });
}

/** @param {string} name */
export function show(name) {
  if (store.view.show === name) return;
  store.view.show = name;
  store.changed("looks");
}
