// One card a method: whether it keeps the answer, its map, the patches it keeps, and the confidence that is left.

const { el, store } = papr;

const DROPPED = "Dropped patches are removed from the model’s input, not painted over: the model never sees them.";
const BY_STAGE =
  "This model keeps its grid: where a patch is dropped, norm and MLP do not run, but convolutions or attention windows run everywhere and still see it.";

papr.kinds = { kept: "Kept", lost: "Lost", wait: "…" };

papr.cardList = (root) => {
  const brief = el("ul", { class: "p-brief", "aria-label": "In short" }); // phones: one line a method
  const list = el("div", { class: "p-cards" });
  const note = el("p", { class: "p-note" });
  root.append(brief, list, note);
  const cards = new Map();
  const lines = new Map();

  function keep(map, parent, make) {
    const methods = papr.cards();
    const names = methods.map((m) => m.name);
    for (const [name, card] of map)
      if (!names.includes(name)) {
        card.node.remove();
        map.delete(name);
      }
    methods.forEach((method, i) => {
      if (!map.has(method.name)) map.set(method.name, make(method));
      const { node } = map.get(method.name);
      if (parent.children[i] !== node) parent.insertBefore(node, parent.children[i] ?? null);
    });
  }

  return (what) => {
    if (!store.answer) return;
    keep(cards, list, makeCard);
    keep(lines, brief, makeLine);
    for (const method of papr.cards()) {
      cards.get(method.name).draw(method, what);
      lines.get(method.name).draw(method, what);
    }
    papr.show(note, papr.cards().length > 0);
    papr.put(note, store.answer.by_stage ? BY_STAGE : DROPPED);
  };
};

const swatch = (name) => el("span", { class: `p-swatch ${papr.tint(name)}`, "aria-hidden": "true" });
papr.swatch = swatch;

// The word, the icon and the tint that say kept or lost; `state` is kept, lost or wait; near, where there is no answer to
// keep, says nothing.
papr.badge = () => {
  const node = el("span", { class: "p-badge" });
  const icons = { kept: papr.icon("kept"), lost: papr.icon("lost"), wait: papr.icon("wait") };
  const word = el("span");
  node.append(...Object.values(icons), word);
  node.set = (state) => {
    for (const [name, icon] of Object.entries(icons)) icon.style.display = name === state ? "" : "none";
    papr.put(word, papr.kinds[state] ?? "");
    node.dataset.state = state;
  };
  return node;
};

papr.stateOf = ({ point }) => (point ? (point.kept === null ? "near" : point.kept ? "kept" : "lost") : "wait");

function makeLine(method) {
  const value = el("span", { class: "p-value" });
  const mark = papr.badge();
  const node = el("li", {}, swatch(method.name), el("span", { class: "p-name", text: method.title }), value, mark);
  return {
    node,
    draw(method) {
      const now = papr.now(method);
      papr.put(value, now.point ? papr.shown(now.point.confidence) : "");
      mark.set(papr.stateOf(now));
    },
  };
}

// What stands under the pictures: used by the card and by its enlarged view.
papr.numbers = (count) => {
  const title = el("span", { class: "p-about" });
  const where = el("span", { class: "p-where" });
  const value = el("span", { class: "p-big" });
  const unit = el("span", { class: "p-unit", text: " %" });
  const change = el("span", { class: "p-change" });
  const bar = el("div", { class: "p-bar", role: "meter", "aria-valuemin": 0, "aria-valuemax": 100 });
  const filled = el("div", { class: "p-filled" });
  const spread = el("div", { class: "p-spread" });
  const tick = el("div", { class: "p-tick", title: "Unpruned" });
  bar.append(filled, spread, tick);
  const rows = Array.from({ length: count }, () => {
    const label = el("span", { class: "p-label" });
    const share = el("span", { class: "p-share" });
    return { node: el("li", {}, label, share), label, share };
  });
  const top = el("ol", { class: "p-top" }, ...rows.map((row) => row.node));
  const node = el(
    "div",
    { class: "p-numbers" },
    el("div", { class: "p-line" }, title, where),
    el("div", { class: "p-line p-main" }, el("span", {}, value, unit), change),
    bar,
    top,
  );

  function draw(method) {
    const { answer } = store;
    const now = papr.now(method);
    const { point, exact } = now;
    papr.put(title, papr.measured());
    papr.put(where, point && !exact ? `at k = ${point.k}` : "");
    where.title = point && !exact ? "The nearest computed number; the one for this ratio is computed when the slider rests" : "";
    node.dataset.exact = exact ? "yes" : "no";
    papr.put(value, point ? papr.number(point.confidence) : "–");
    papr.show(unit, Boolean(point) && !papr.cosine());
    papr.show(top, !papr.cosine());
    const gone = point ? point.confidence - answer.full.confidence : 0;
    const sign = gone < 0 ? "−" : "+";
    const draws = point && method.draws > 1;
    papr.put(
      change,
      draws
        ? `mean of ${method.draws}: ${papr.number(point.low)}–${papr.number(point.high)}`
        : point
          ? `${sign}${papr.number(Math.abs(gone))} vs unpruned`
          : "",
    );
    filled.style.width = point ? `${100 * Math.max(0, point.confidence)}%` : "0";
    spread.style.left = draws ? `${100 * Math.max(0, point.low)}%` : "0";
    spread.style.width = draws ? `${100 * (point.high - point.low)}%` : "0";
    tick.style.left = `${100 * answer.full.confidence}%`;
    bar.dataset.state = papr.stateOf(now);
    bar.setAttribute("aria-label", `${method.title}: ${papr.measured()}`);
    bar.setAttribute("aria-valuenow", point ? papr.percent(Math.max(0, point.confidence)) : "0");
    bar.setAttribute("aria-valuetext", point ? papr.shown(point.confidence) : "not computed yet");
    rows.forEach((row, i) => {
      const [index, p] = point?.top[i] ?? [null, null];
      papr.put(row.label, index === null ? "" : papr.label(index));
      row.label.title = row.label.textContent;
      papr.put(row.share, p === null ? "" : papr.percent(p));
      row.node.classList.toggle("p-answer", index === answer.full.index);
    });
  }
  return { node, draw };
};

function makeCard(method) {
  const mark = papr.badge();
  const id = `p-card-${method.name}`;
  const title = el("h3", { id, text: method.title });
  const map = el("canvas", { role: "img", "aria-label": `${method.title}: its map over the picture` });
  const kept = el("canvas", { role: "img" });
  const hand = method.name === "by-hand" ? papr.handGrid() : null;
  const named = { "aria-label": `Enlarge ${method.title}`, onclick: () => papr.enlarge(method.name) };
  const enlarge = el("button", { type: "button", class: "p-enlarge", title: "Enlarge", ...named }, papr.icon("enlarge"));
  hand?.tools.append(papr.button(null, "Enlarge", null, { class: "p-button p-small", ...named })); // not over the grid
  const pictures = el(
    "div",
    { class: "p-pictures" },
    hand ? null : el("div", { class: "p-picture" }, map),
    el("div", { class: "p-picture" }, kept, hand ? hand.node : enlarge),
    hand?.tools,
  );
  const waiting = el("p", { class: "p-waiting" });
  const numbers = papr.numbers(3);
  const foot = el("dl", { class: "p-foot" });
  const body = el("div", { class: "p-body" }, pictures, waiting, numbers.node, foot);
  const node = el(
    "article",
    { class: "p-card", "aria-labelledby": id, "data-method": method.name },
    el("header", {}, swatch(method.name), title, mark),
    body,
  );

  return {
    node,
    draw(method, what) {
      const now = papr.now(method);
      const refused = Boolean(method.refused);
      const state = papr.stateOf(now);
      node.dataset.state = refused ? "refused" : state;
      mark.set(state);
      papr.show(mark, !refused);
      papr.show(pictures, !refused);
      papr.show(numbers.node, !refused);
      const waits = refused ? method.refused : now.point ? "" : waitsFor(method);
      papr.put(waiting, waits);
      papr.show(waiting, Boolean(waits));
      if (refused) return;
      if (what !== "status") {
        if (!hand) papr.draw.map(map, method);
        papr.draw.kept(kept, now.patches);
        hand?.draw();
        kept.setAttribute("aria-label", `${method.title}: the ${now.k} patches it keeps`);
      }
      numbers.draw(method);
      if (what === "answer") footer(foot, method);
    },
  };
}

function waitsFor(method) {
  if (method.name === "by-hand" && !store.view.hand.length)
    return "Click or paint the patches to keep. With the keyboard: arrow keys, then Space.";
  if (store.stopped) return "Stopped.";
  return method.waiting ?? (store.working || papr.ask.busy() ? "Computing …" : "Waiting …");
}

function footer(foot, method) {
  const rows = [];
  if (method.kind === "papr" || method.kind === "cam")
    rows.push(["Explains", method.explains ? `“${method.explains}”` : "no class"]);
  if (method.constant) rows.push(["Map", "constant: it ranks nothing"]);
  if (method.kind === "control") rows.push(["Control", "not in the paper"]);
  if (method.seconds !== null && method.seconds !== undefined && method.kind !== "control")
    rows.push(["Time for the map", papr.milliseconds(method.seconds)]);
  foot.replaceChildren(...rows.map(([name, text]) => el("div", {}, el("dt", { text: name }), el("dd", { text }))));
  papr.show(foot, rows.length > 0);
}

// The most probable classes with a bar each; `draw` takes a title, [[label, probability], ...], the full model's
// answer, and whether it was kept or lost (null: neither).
papr.answerList = (count) => {
  const title = el("h4");
  const mark = papr.badge();
  const rows = Array.from({ length: count }, () => {
    const [label, share, bar] = [el("span", { class: "p-label" }), el("span", { class: "p-share" }), el("div", { class: "p-filled" })];
    return { label, share, bar, node: el("li", {}, label, share, el("div", { class: "p-bar" }, bar)) };
  });
  const node = el("div", { class: "p-answer-list" }, el("header", {}, title, mark), el("ol", {}, ...rows.map((row) => row.node)));
  return {
    node,
    draw(words, top, answer, state) {
      papr.put(title, words);
      papr.show(mark, Boolean(state));
      if (state) mark.set(state);
      rows.forEach((row, i) => {
        const [label, p] = top[i] ?? ["", 0];
        papr.put(row.label, label);
        row.label.title = label;
        papr.put(row.share, label && `${papr.percent(p)} %`);
        row.bar.style.width = `${100 * p}%`;
        row.node.classList.toggle("p-answer", label !== "" && label === answer);
      });
    },
  };
};
