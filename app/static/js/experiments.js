// Learn's three experiments: a question about the picture, a guess, then what was computed. Nothing is known before.

import { chart } from "./chart.js";
import { setPercent } from "./controls.js";
import { button, el, put, reveal } from "./dom.js";
import { draw } from "./draw.js";
import { slider } from "./range.js";
import { current, keptCount, labelOf, methodOf, pointAt, pointsOf, store } from "./store.js";
import { percent } from "./words.js";

/** @typedef {import("./types").Method} Method @typedef {import("./types").Lesson | null} Now */

const ready = (/** @type {Method[]} */ ...methods) => methods.every((m) => m?.complete);
const name = () => `“${labelOf(store.answer.full.index)}”`;
const down = (/** @type {Method} */ method) => `down to ${method.fewest} of ${store.answer.patches} patches`;

// CAM, or Grad-CAM for a ConvNet that CAM cannot read.
const cam = () => [methodOf("cam"), methodOf("grad-cam")].find((m) => m && !m.refused);

// ask(): the question; choices: what can be guessed; result(): {right: index of the true choice, text}, or null while it is
// being computed; methods(): those that are drawn; finding: what is said of many pictures.
/**
 * @typedef {{id: string, title: string, finding: string, choices: string[], methods: () => Method[], ask: (lesson: Now) => string, result: () => {right: number, text: string} | null}} Experiment
 * @type {Experiment[]}
 */
const EXPERIMENTS = [
  {
    id: "fail",
    title: "When does it fail?",
    finding: "reversed",
    methods: () => [methodOf("papr"), methodOf("reversed")],
    ask: () =>
      `PaPr reversed keeps the patches that PaPr would drop first. Patches are taken away one by one: which of the two loses ${name()} first?`,
    choices: ["PaPr", "PaPr reversed", "Both at the same count"],
    result() {
      const [ours, reversed] = [methodOf("papr"), methodOf("reversed")];
      if (!ready(ours, reversed)) return null;
      const right = ours.fewest > reversed.fewest ? 0 : ours.fewest < reversed.fewest ? 1 : 2;
      const text = `PaPr keeps ${name()} ${down(ours)}, its reverse ${down(reversed)}.`;
      const why =
        right === 0
          ? "Here PaPr fails: what the model needs lies where the ConvNet sees little."
          : right === 1
            ? "The order matters here: the patches that PaPr drops first say less."
            : "On this picture the order makes no difference to the answer.";
      return { right, text: `${text} ${why}` };
    },
  },
  {
    id: "chance",
    title: "Is it better than chance?",
    finding: "chance",
    methods: () => [methodOf("papr"), methodOf("random")],
    ask: () =>
      `Five times, ${keptCount()} patches are drawn at random. Does PaPr, with as many, leave more confidence on “${store.answer.target.label}”?`,
    choices: ["More than all five draws", "As much as some of them", "Less than all five draws"],
    result() {
      const [ours, random] = [methodOf("papr"), methodOf("random")].map((m) => m && pointAt(m, keptCount()));
      if (!ours?.exact || !random?.exact) return null;
      const { confidence } = ours.point;
      const { low, high } = random.point;
      const right = confidence > high ? 0 : confidence < low ? 2 : 1;
      const text = `With ${keptCount()} patches PaPr leaves ${percent(confidence)} %; the draws leave ${percent(low)} to ${percent(high)} %, ${percent(random.point.confidence)} % on average.`;
      const why =
        right === 0
          ? "Here the map is worth something at this ratio. Move the slider: with many patches, chance does nearly as well."
          : right === 1
            ? "At this ratio this picture does not tell PaPr from chance."
            : "Here chance does better: scattered patches show more of what the model needs.";
      return { right, text: `${text} ${why}` };
    },
  },
  {
    id: "right",
    title: "Does the ConvNet need to be right?",
    finding: "unsure",
    methods: () => [methodOf("papr"), cam()],
    ask(lesson) {
      const said = lesson
        ? `The ConvNet says “${lesson.answer.label}” (${percent(lesson.answer.confidence)} %)${lesson.answer.agrees ? ", as the large model does" : `, the large model ${name()}`}. `
        : "";
      return `${said}${cam()?.title ?? "CAM"} looks where the ConvNet sees its own answer; PaPr asks for no answer at all. Which of them keeps ${name()} with fewer patches?`;
    },
    choices: ["PaPr", "CAM", "Both with as many"],
    result() {
      const [ours, other] = [methodOf("papr"), cam()];
      if (!ready(ours, other)) return null;
      const right = ours.fewest < other.fewest ? 0 : ours.fewest > other.fewest ? 1 : 2;
      return {
        right,
        text: `PaPr keeps ${name()} ${down(ours)}, ${other.title} ${down(other)}. This is one picture; below are many, split by whether the ConvNet was right.`,
      };
    },
  },
];

/** @param {Element} root @param {{sets: import("./types").EvaluationSet[]}} evidence */
export const experiments = (root, { sets }) => {
  const parts = EXPERIMENTS.map((experiment) => card(experiment, sets));
  root.append(...parts.map((part) => part.node));
  /** @type {string | null} */
  let key = null;
  return (/** @type {Now} */ lesson) => {
    if (store.answer.key !== key) parts.forEach((part) => part.reset());
    key = store.answer.key;
    parts.forEach((part) => part.draw(lesson));
  };
};

/** @param {Experiment} experiment @param {import("./types").EvaluationSet[]} sets */
function card(experiment, sets) {
  const { id, title, choices } = experiment;
  /** @type {number | null} */
  let guess = null;
  const question = el("p");
  const buttons = choices.map((words, i) =>
    button(null, words, () => ((guess = i), store.changed("status")), { "aria-pressed": "false" }),
  );
  const verdict = el("p", { class: "p-found", role: "status" });
  const share = slider("Patches kept, %", { min: 1, max: 100, value: 40, oninput: setPercent });
  const pictures = [0, 1].map(() => {
    const [canvas, words] = [el("canvas", { role: "img" }), el("p", { class: "p-note" })];
    return { canvas, words, node: el("figure", {}, canvas, words) };
  });
  const drawing = chart(`${title} Confidence against patches kept, for the two methods.`);
  const many = el("p", { class: "p-note" });
  const answer = el("div", { class: "p-reveal" }, verdict, el("div", { class: "p-pair" }, ...pictures.map((p) => p.node), drawing), share, many);
  const node = el(
    "article",
    { class: "p-experiment", "data-slide": true, "aria-labelledby": `learn-${id}` },
    el("h3", { id: `learn-${id}`, text: title }),
    question,
    el("div", { class: "p-tools", role: "group", "aria-label": "Your guess" }, ...buttons),
    answer,
  );

  return {
    node,
    reset() {
      guess = null;
    },
    /** @param {Now} lesson */
    draw(lesson) {
      put(question, experiment.ask(lesson));
      reveal(answer, guess !== null);
      const result = guess === null ? null : experiment.result();
      buttons.forEach((button, i) => {
        button.setAttribute("aria-pressed", String(i === guess));
        button.dataset.state = result && i === result.right ? "right" : "";
      });
      if (guess === null) return;
      share.input.value = String(store.view.percent);
      put(verdict, result ? `${guess === result.right ? "Your guess was right." : `Not as you guessed: ${choices[result.right].toLowerCase().replace("papr", "PaPr")}.`} ${result.text}` : "Computing …");
      const methods = experiment.methods().filter((m) => m?.order);
      methods.forEach((method, i) => {
        const { patches, point } = current(method);
        draw.kept(pictures[i].canvas, patches);
        pictures[i].canvas.setAttribute("aria-label", `${method.title}: the ${patches.length} patches it keeps`);
        const drawn = method.draws > 1 ? ` (mean of ${method.draws}; one is shown)` : "";
        put(pictures[i].words, point ? `${method.title}: ${percent(point.confidence)} %${drawn}` : method.title);
      });
      drawing.set({
        lines: methods.map((m) => ({ name: m.name, title: m.title, points: line(m) })),
        level: store.answer.full.confidence,
        cursor: keptCount() / store.answer.patches,
      });
      const set = sets.find((one) => one.pair[0] === store.answer.models.proposal.name && one.pair[1] === store.answer.models.backbone.name);
      const found = (set ?? sets[0]).findings[experiment.finding];
      put(many, found ? `Over many pictures (${(set ?? sets[0]).title.replace(/^The/, "the")})${experiment.finding === "unsure" ? ", where the ConvNet is wrong" : ""}: ${found.text}` : "");
    },
  };
}

/** @param {Method} method */
function line(method) {
  const points = [...pointsOf(method)].sort((a, b) => a.k - b.k);
  return points.map((p) => [p.k / store.answer.patches, p.confidence, ...(method.draws > 1 ? [p.low, p.high] : [])]);
}
