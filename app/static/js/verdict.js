// One sentence that carries the verdict, and under it what it rests on.

const { el, store } = papr;

papr.verdict = (root) => {
  const sentence = el("h2", { class: "p-verdict" });
  const basis = el("p", { class: "p-basis" });
  const working = papr.workingLine(
    () => papr.ask.stop(),
    () => papr.ask.goOn(),
  );
  const spoken = el("p", { class: "p-hidden", role: "status" });
  const says = el("p", { class: "p-says", role: "alert" });
  papr.place("stage", says);
  root.append(sentence, basis, says, working.node, spoken);

  const speak = papr.debounce(() => papr.put(spoken, `${sentence.textContent} ${basis.textContent}`), 700);

  return (what) => {
    const { answer } = store;
    working.draw(store);
    if (!answer || what === "looks") return;
    write(sentence, answer);
    papr.put(basis, reason(answer));
    if (what !== "status" && !store.working) speak();
  };
};

// What the server is doing, how far it is, and the way to stop it; `draw` takes {working, progress, stopped}.
papr.workingLine = (stop, goOn) => {
  const doing = el("span");
  const bar = el("progress", { max: 1, "aria-label": "Progress" });
  const end = papr.button("stop", "Stop", stop, { class: "p-button p-small" });
  const more = papr.button(null, "Continue", goOn, { class: "p-button p-small" });
  const node = el("p", { class: "p-working" }, bar, doing, end, more);
  return {
    node,
    draw({ working, progress, stopped }) {
      node.style.visibility = working || stopped ? "visible" : "hidden"; // its line stays, so nothing jumps
      papr.show(bar, Boolean(working));
      papr.show(end, Boolean(working));
      papr.show(more, stopped);
      papr.put(doing, stopped ? "Stopped. What was computed stays." : working ? `${working} …` : "");
      if (progress) bar.value = progress[0] / progress[1];
      else bar.removeAttribute("value");
    },
  };
};

// "PaPr and Grad-CAM keep “lion”, CAM and Score-CAM lose it."
function write(sentence, answer) {
  if (papr.cosine()) return set(sentence, nearest());
  const name = `“${papr.label(answer.full.index)}”`;
  const groups = { keep: [], lose: [] };
  for (const method of papr.cards()) {
    const { point } = papr.now(method);
    if (point) groups[point.kept ? "keep" : "lose"].push(method.title);
  }
  const parts = [];
  const { keep, lose } = groups;
  if (!keep.length && !lose.length) parts.push([false, `The full model sees ${name}.`]);
  else if (!lose.length && keep.length > 2) parts.push([true, `All ${number(keep.length)}`], [false, ` keep ${name}.`]);
  else if (!keep.length && lose.length > 2)
    parts.push([true, `None of the ${number(lose.length)}`], [false, ` keeps ${name}.`]);
  else {
    if (keep.length) parts.push([true, papr.list(keep)], [false, ` ${keep.length > 1 ? "keep" : "keeps"} ${name}`]);
    if (keep.length && lose.length) parts.push([false, ", "]);
    if (lose.length)
      parts.push(
        [true, papr.list(lose)],
        [false, ` ${lose.length > 1 ? "lose" : "loses"} ${keep.length ? "it" : name}`],
      );
    parts.push([false, "."]);
  }
  set(sentence, parts);
}

function set(sentence, parts) {
  if (sentence.textContent === parts.map(([, text]) => text).join("")) return;
  sentence.replaceChildren(...parts.map(([strong, text]) => el(strong ? "strong" : "span", { text })));
}

// Without a classifier: "PaPr stays nearest to the unpruned embedding, at a cosine of 0.931; CAM 0.902."
function nearest() {
  const found = papr.cards().map((method) => ({ method, ...papr.now(method) })).filter(({ point }) => point);
  if (!found.length) return [[false, "How near do the pruned embeddings stay to the unpruned one?"]];
  found.sort((a, b) => b.point.confidence - a.point.confidence);
  const [first, ...others] = found.map(({ method, point }) => [method.title, papr.number(point.confidence)]);
  const rest = others.map(([title, value]) => `${title} ${value}`);
  const how = rest.length ? "stays nearest to" : "stays near";
  return [
    [true, first[0]],
    [false, ` ${how} the unpruned embedding, at a cosine of `],
    [true, first[1]],
    [false, rest.length ? `; ${papr.list(rest)}.` : "."],
  ];
}

const number = (n) => ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"][n] ?? `${n}`;

// "78 of 196 patches kept (40 %). Unpruned: lion 92.2 %, …"
function reason(answer) {
  const k = papr.kept();
  const lines = [`${k} of ${answer.patches} patches kept (${percentOf(k, answer.patches)} %), the others dropped.`];
  const unpruned = answer.full.top.slice(0, 3).map(([i, p]) => `${papr.label(i)} ${papr.percent(p)}\u00a0%`);
  if (papr.cosine())
    lines.push(
      `${answer.models.backbone.title} has no classifier, so there is no class and no target: each number is the cosine between the pruned and the full embedding.`,
    );
  else lines.push(`Unpruned: ${unpruned.join(", ")}.`);
  return [...lines, ...answer.notes].join(" ");
}

const percentOf = (k, n) => {
  const share = (100 * k) / n;
  return share < 10 ? share.toFixed(1) : String(Math.round(share));
};
