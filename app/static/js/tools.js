// The page's own small tools outside the stages: cite, link, light and dark, open or closed, places for one sentence.

import { el } from "./dom.js";
import { modelNote } from "./models.js";
import { runHere } from "./run_here.js";
import { place } from "./said.js";
import { code, copied, sheet } from "./sheet.js";
import { store } from "./store.js";
import { mountTheme } from "./theme.js";
import { typedClasses } from "./typed.js";
import { eachFrame } from "./timing.js";

const CITED = `@inproceedings{mahmud2024papr,
  title     = {{PaPr}: Training-Free One-Step Patch Pruning with Lightweight {ConvNets} for Faster Inference},
  author    = {Mahmud, Tanvir and Yaman, Burhaneddin and Liu, Chun-Hao and Marculescu, Diana},
  booktitle = {European Conference on Computer Vision (ECCV)},
  year      = {2024},
}`;

/** @type {HTMLDialogElement | null} */
let citing = null;
function cite() {
  citing ??= sheet(
    "p-cite-title",
    "Cite",
    el("div", { class: "p-api" }, el("p", { text: "The paper whose method this page shows. The page itself is an independent implementation, written from the paper." }), code(CITED)),
  );
  citing.showModal();
}

/** @param {import("./types").Given} given */
export function mountHeader({ element }) {
  const link = /** @type {HTMLElement} */ (element.querySelector(".p-link"));
  link.addEventListener("click", () => copied(link, window.location.href));
  element.querySelector(".p-cite").addEventListener("click", cite);
  mountTheme(element.querySelector(".p-theme"));
  // What stands in a list's field is selected, so that typing replaces it.
  document.addEventListener("focusin", ({ target }) => {
    if (target instanceof HTMLInputElement && target.role === "combobox") requestAnimationFrame(() => target.select());
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
  if (props.value.place === "classes") root.prepend(typedClasses());
  if (props.value.place === "models") root.append(runHere.node());
}
