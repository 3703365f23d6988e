// The page's own small tools outside the stages: light and dark, open or closed, places for one sentence.

import { el, icon } from "./dom.js";
import { modelNote } from "./models.js";
import { place } from "./said.js";
import { store } from "./store.js";
import { eachFrame } from "./timing.js";

/** @param {import("./types").Given} given */
export function mountHeader({ element }) {
  const button = element.querySelector(".p-theme");
  button.append(icon("theme"));
  button.addEventListener("click", () => {
    const dark = document.body.classList.toggle("dark");
    try {
      localStorage.setItem("papr-theme", dark ? "dark" : "light"); // boot.js reads it
    } catch {
      // a browser that keeps nothing
    }
  });
  const changes = { childList: true, subtree: true, attributeFilter: ["class"] };
  new MutationObserver(eachFrame(sayOpen)).observe(document.body, changes);
}

// Whether an accordion is open, which its button does not say by itself; one of another tab comes later.
function sayOpen() {
  for (const button of document.querySelectorAll("button.label-wrap")) {
    const open = String(button.classList.contains("open"));
    if (button.getAttribute("aria-expanded") !== open) button.setAttribute("aria-expanded", open);
  }
}

/** Whose models are named above a place. @type {Record<string, () => Promise<import("./stream.js").Stream>>} */
const NAMED = { models: async () => store, "clip-models": async () => (await import("./clip.js")).clip };

/** A place under a native control where one sentence can be said. @param {import("./types").Given} given */
export async function mountNote({ element, props }) {
  const root = element.querySelector(".papr-place");
  const says = el("p", { class: "p-says", role: "alert" });
  root.append(says);
  place(props.value.place, says);
  const named = await NAMED[props.value.place]?.();
  if (named) root.prepend(modelNote(named));
}
