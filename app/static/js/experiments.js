// Learn's three experiments: a question about the picture, a guess, then what was computed. Nothing is known before.

const { el, store } = papr;

const find = (name) => store.answer.methods.find((m) => m.name === name);
const ready = (...methods) => methods.every((m) => m?.complete);
const name = () => `“${papr.label(store.answer.full.index)}”`;
const down = (method) => `down to ${method.fewest} of ${store.answer.patches} patches`;

// CAM, or Grad-CAM for a ConvNet that CAM cannot read.
const cam = () => [find("cam"), find("grad-cam")].find((m) => m && !m.refused);

// ask(): the question; choices: what can be guessed; result(): {right: index of the true choice, text}, or null while it is
// being computed; methods(): those that are drawn; finding: what is said of many pictures.
const experiments = [
  {
    id: "fail",
    title: "When does it fail?",
    finding: "reversed",
    methods: () => [find("papr"), find("reversed")],
    ask: () =>
      `PaPr reversed keeps the patches that PaPr would drop first. Patches are taken away one by one: which of the two loses ${name()} first?`,
    choices: ["PaPr", "PaPr reversed", "Both at the same count"],
    result() {
      const [ours, reversed] = [find("papr"), find("reversed")];
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
    methods: () => [find("papr"), find("random")],
    ask: () =>
      `Five times, ${papr.kept()} patches are drawn at random. Does PaPr, with as many, leave more confidence on “${store.answer.target.label}”?`,
    choices: ["More than all five draws", "As much as some of them", "Less than all five draws"],
    result() {
      const [ours, random] = [find("papr"), find("random")].map((m) => m && papr.pointAt(m, papr.kept()));
      if (!ours?.exact || !random?.exact) return null;
      const { confidence } = ours.point;
      const { low, high } = random.point;
      const right = confidence > high ? 0 : confidence < low ? 2 : 1;
      const text = `With ${papr.kept()} patches PaPr leaves ${papr.percent(confidence)} %; the draws leave ${papr.percent(low)} to ${papr.percent(high)} %, ${papr.percent(random.point.confidence)} % on average.`;
      const why =
        right === 0
          ? "Here the map is worth something at this ratio. Move the slider: with many patches, chance does as well."
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
    methods: () => [find("papr"), cam()],
    ask(lesson) {
      const said = lesson
        ? `The ConvNet says “${lesson.answer.label}” (${papr.percent(lesson.answer.confidence)} %)${lesson.answer.agrees ? ", as the large model does" : `, the large model ${name()}`}. `
        : "";
      return `${said}${cam()?.title ?? "CAM"} looks where the ConvNet sees its own answer; PaPr asks for no answer at all. Which of them keeps ${name()} with fewer patches?`;
    },
    choices: ["PaPr", "The activation map", "Both with as many"],
    result() {
      const [ours, other] = [find("papr"), cam()];
      if (!ready(ours, other)) return null;
      const right = ours.fewest < other.fewest ? 0 : ours.fewest > other.fewest ? 1 : 2;
      return {
        right,
        text: `PaPr keeps ${name()} ${down(ours)}, ${other.title} ${down(other)}. This is one picture; below are many, split by whether the ConvNet was right.`,
      };
    },
  },
];

papr.experiments = (root, { sets }) => {
  const parts = experiments.map((experiment) => card(experiment, sets));
  root.append(...parts.map((part) => part.node));
  let key = null;
  return (lesson) => {
    if (store.answer.key !== key) parts.forEach((part) => part.reset());
    key = store.answer.key;
    parts.forEach((part) => part.draw(lesson));
  };
};

function card(experiment, sets) {
  const { id, title, choices } = experiment;
  let guess = null;
  const question = el("p");
  const buttons = choices.map((words, i) =>
    papr.button(null, words, () => ((guess = i), papr.changed("status")), { "aria-pressed": "false" }),
  );
  const verdict = el("p", { class: "p-found", role: "status" });
  const slider = papr.range("Patches kept, %", { min: 1, max: 100, value: 40, oninput: papr.setPercent });
  const pictures = [0, 1].map(() => {
    const [canvas, words] = [el("canvas", { role: "img" }), el("p", { class: "p-note" })];
    return { canvas, words, node: el("figure", {}, canvas, words) };
  });
  const chart = papr.chart(`${title} Confidence against patches kept, for the two methods.`);
  const many = el("p", { class: "p-note" });
  const reveal = el("div", { class: "p-reveal" }, verdict, el("div", { class: "p-pair" }, ...pictures.map((p) => p.node), chart), slider, many);
  const node = el(
    "article",
    { class: "p-experiment", "aria-labelledby": `learn-${id}` },
    el("h3", { id: `learn-${id}`, text: title }),
    question,
    el("div", { class: "p-tools", role: "group", "aria-label": "Your guess" }, ...buttons),
    reveal,
  );

  return {
    node,
    reset: () => (guess = null),
    draw(lesson) {
      papr.put(question, experiment.ask(lesson));
      papr.show(reveal, guess !== null);
      const result = guess === null ? null : experiment.result();
      buttons.forEach((button, i) => {
        button.setAttribute("aria-pressed", String(i === guess));
        button.dataset.state = result && i === result.right ? "right" : "";
      });
      if (guess === null) return;
      slider.input.value = store.view.percent;
      papr.put(verdict, result ? `${guess === result.right ? "Your guess was right." : `Not as you guessed: ${choices[result.right].toLowerCase().replace("papr", "PaPr")}.`} ${result.text}` : "Computing …");
      const methods = experiment.methods().filter((m) => m?.order);
      methods.forEach((method, i) => {
        const { patches, point } = papr.now(method);
        papr.draw.kept(pictures[i].canvas, patches);
        pictures[i].canvas.setAttribute("aria-label", `${method.title}: the ${patches.length} patches it keeps`);
        const draw = method.draws > 1 ? ` (mean of ${method.draws}; one is shown)` : "";
        papr.put(pictures[i].words, point ? `${method.title}: ${papr.percent(point.confidence)} %${draw}` : method.title);
      });
      chart.set({
        lines: methods.map((m) => ({ name: m.name, title: m.title, points: line(m) })),
        level: store.answer.full.confidence,
        cursor: papr.kept() / store.answer.patches,
      });
      const set = sets.find((one) => one.pair[0] === store.answer.models.proposal.name && one.pair[1] === store.answer.models.backbone.name);
      const found = (set ?? sets[0]).findings[experiment.finding];
      papr.put(many, found ? `Over many pictures (${(set ?? sets[0]).title.replace(/^The/, "the")}): ${found.text}` : "");
    },
  };
}

function line(method) {
  const points = [...papr.points(method)].sort((a, b) => a.k - b.k);
  return points.map((p) => [p.k / store.answer.patches, p.confidence, ...(method.draws > 1 ? [p.low, p.high] : [])]);
}
