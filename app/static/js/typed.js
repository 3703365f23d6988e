// The classes of a backbone that reads texts, CLIP or SigLIP: what the visitor types. Where there is none, nothing shows.

import { controls } from "./controls.js";
import { button, el, reveal } from "./dom.js";
import { store } from "./store.js";

export function typedClasses() {
  const field = el("textarea", { id: "p-typed", rows: 3, maxlength: 4000, placeholder: "a photo of a mug; a photo of a bowl" });
  const node = el(
    "form",
    { class: "p-typed" },
    el("label", { for: "p-typed", text: "Classes, divided by semicolons" }),
    field,
    el("p", { class: "p-note", text: "This backbone reads texts: the number is the softmax over the cosines between the picture and each of them. Without any it is the cosine to the unpruned embedding." }),
    el("div", { class: "p-tools" }, el("button", { type: "submit", class: "p-button p-small", text: "Use these classes" }), button(null, "None", () => use(""), { class: "p-button p-small" })),
  );
  /** @param {string} classes */
  const use = (classes) => controls({ classes });
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    use(field.value.trim());
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    node.requestSubmit();
  });
  let shown = "";
  store.onchange((what) => {
    if (what !== "answer") return;
    const { typed } = store.answer.models.backbone;
    reveal(node, typed !== undefined);
    if (typed === undefined || typed === shown) return;
    field.value = shown = typed; // what the answer was asked with; what is being typed meanwhile stays
  });
  reveal(node, store.answer?.models.backbone.typed !== undefined);
  return node;
}
