// Above the cards on Compare: what PaPr is, who keeps the answer, and what it saves.

import { ask } from "./ask.js";
import { button, el, put } from "./dom.js";
import { savings } from "./saving.js";
import { headline } from "./sentence.js";
import { copied } from "./sheet.js";
import { store } from "./store.js";
import { overMany, verdict } from "./verdict.js";
import { inMillions, percent } from "./words.js";

const IDEA = "A tiny ConvNet looks first and says where to look; the large model then sees only those patches.";

/** @param {import("./types").Given} given */
export function mountOpening({ element, props }) {
  const root = element.querySelector(".papr-opening");
  overMany.found = props.value.many;
  const [looks, saves] = [el("span"), el("span", { title: "Multiply-accumulates and time of the ConvNet and of what it leaves of the large model, against the large model on the whole picture; the time is one picture’s, measured on this server" })];
  root.append(el("p", { class: "p-idea" }, el("strong", { text: IDEA }), " ", looks, " ", saves));
  const section = root.appendChild(el("section", { class: "p-section-verdict" }));
  const head = headline(section, "stage", [ask.stop, ask.goOn]);
  const copy = button(null, "Copy", () => copied(copy.querySelector("span"), overMany.command(store.answer)), { class: "p-linked p-copy", hidden: true });
  const many = section.appendChild(el("p", { class: "p-many" }, el("span"), copy));
  const parts = [
    () => store.answer && put(looks, whatItIs(store.answer)),
    () => store.answer && put(saves, savings()),
    verdict(head),
    () => {
      if (!store.answer) return;
      put(many.firstChild, overMany.sentence(store.answer, store.view.percent / 100));
      copy.hidden = !overMany.command(store.answer);
    },
  ];
  store.draws(root, parts, ["answer", "methods", "hand", "points", "looks", "ratio", "status"]);
}

/** "It has 0.5 million parameters and takes this for “platypus” (17.2 %); the large model says “cougar”." @param {import("./types").Answer} answer */
function whatItIs({ models, looks, full, labels }) {
  const size = `It has ${inMillions(models.proposal.parameters)} million parameters`;
  if (full.index === null) return `${size}.`;
  const says = `${size} and takes this for “${looks.label}” (${percent(looks.confidence)}\u00a0%)`;
  const large = `the large model says “${labels[full.index]}”`;
  if (looks.agrees === null) return `${says}; it knows no class of the large model’s answer, “${labels[full.index]}”.`;
  return looks.agrees ? `${says}, as the large model does.` : `${says}; ${large}.`;
}
