// Learn: joins the words of learn.html with the pictures, and keeps in step with Compare's answer.

import { ask } from "./ask.js";
import { el, put, reveal } from "./dom.js";
import { draw } from "./draw.js";
import { evidence } from "./evidence.js";
import { experiments } from "./experiments.js";
import { pages } from "./pages.js";
import { pictureBar } from "./picture_bar.js";
import { presentation } from "./present.js";
import { say } from "./said.js";
import { measure } from "./saving.js";
import { steps } from "./steps.js";
import { isCosine, methodOf, store } from "./store.js";
import { eachFrame } from "./timing.js";

// Where the backbone on Compare is not what the steps speak of, a sentence each.
function differences() {
  const { title } = store.answer.models.backbone;
  return [
    isCosine() && `${title} has no classifier. The last step and the experiments need one; choose another backbone on Compare for them.`,
    store.answer.by_stage && `${title} is no plain ViT: it drops no tokens, but leaves norm and MLP out where a patch is dropped, so step 5 shows a ViT’s way.`,
  ].filter(Boolean);
}

/** @param {import("./types").Given} given */
export function mountLearn({ element, props, server }) {
  ask.wants.Learn = props.value.wants; // for the experiments
  const part = (/** @type {string} */ name) => element.querySelector(`[data-part="${name}"]`);
  // Each part with whether it needs a backbone with classes.
  const drawn = [.../** @type {NodeListOf<HTMLElement>} */ (element.querySelectorAll("[data-step]"))].map((section) => {
    const name = section.dataset.step;
    return { section, classes: name === "answer", draw: steps[name](section.querySelector(".p-display")) };
  });
  const bar = pictureBar(part("picture"), ["picture", "models", "learn"], ({ models }) => `${models.proposal.title} and ${models.backbone.title}`);
  const guesses = part("experiments");
  drawn.push({ section: guesses.closest("section"), classes: true, draw: experiments(guesses, props.value.evidence) });
  const unlike = el("p", { class: "p-note", role: "status" });
  part("picture").append(unlike);
  evidence(part("evidence"), props.value.evidence, props.value.titles);
  part("present").append(presentation(element.querySelector(".papr-learn")));

  /** @type {import("./types").Lesson | null} */
  let lesson = props.value.lesson;
  /** @type {string | null} */
  let asked = null; // the lesson that was asked for last
  const key = () => {
    const { picture, models } = store.answer;
    return `${picture.crop} ${models.proposal.name} ${models.proposal.sha256 ?? ""}`;
  };

  /** @param {string} wanted */
  async function fetch(wanted) {
    asked = wanted;
    const reply = await server.features(JSON.stringify(ask.question()));
    if (reply?.stopped) asked = null; // a newer question is under way
    else if (!reply?.ok) say("learn", reply?.text ?? "The server did not answer. Open the page again.");
    else if (reply.key === wanted) {
      lesson = reply;
      say("learn", "");
    }
    redraw();
  }

  // What the experiments need may be missing where Compare did not ask for it.
  /** @type {string | null} */
  let completed = null;
  function complete() {
    const lacking = ask.wants.Learn.some((name) => {
      const method = methodOf(name);
      return !method || (!method.refused && !method.order);
    });
    if (!lacking || store.working || !store.fresh || completed === store.answer.key) return;
    completed = store.answer.key;
    ask.send();
  }

  const fill = (/** @type {string} */ name, /** @type {string} */ text) => element.querySelectorAll(`[data-fill="${name}"]`).forEach((node) => put(node, text));
  const redraw = eachFrame(() => {
    if (pages.open !== "Learn" || !store.answer || !draw.picture) return;
    const wanted = key();
    if (lesson?.key !== wanted && asked !== wanted && store.fresh) fetch(wanted);
    complete();
    measure();
    const now = lesson?.key === wanted ? lesson : null;
    if (now) {
      fill("channels", String(now.channels));
      fill("coarse", now.size.join(" × "));
    }
    fill("grid", store.answer.grid.join(" × "));
    bar();
    put(unlike, differences().join(" "));
    for (const { section, classes, draw } of drawn) {
      reveal(section, !(classes && isCosine()));
      if (!section.hidden) draw(now);
    }
    element.firstElementChild.classList.toggle("p-old", !store.fresh);
  });
  store.onchange(redraw);
  document.fonts.addEventListener("loadingdone", redraw); // numbers drawn before their font has come are drawn again
  redraw();
}
