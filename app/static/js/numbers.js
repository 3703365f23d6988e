// Whether the answer was kept, and the confidence that is left: on a card, in its enlarged view, and elsewhere.

import { areaOf } from "./areas.js";
import { el, icon, put, reveal } from "./dom.js";
import { chosen, current, formatted, isCosine, labelOf, measured, stateOf, store, withUnit } from "./store.js";
import { percent } from "./words.js";

/** @type {Record<string, string>} */
const WORDS = { kept: "Kept", lost: "Lost", wait: "…" };
/** Of a target that the visitor chose. @type {Record<string, string>} */
const ON_TARGET = { kept: "First", lost: "Not first", wait: "…" };

// The word, the icon and the tint that say kept or lost; `state` is kept, lost or wait; near, where there is no answer to
// keep, says nothing.
export const badge = () => {
  const icons = { kept: icon("kept"), lost: icon("lost"), wait: icon("wait") };
  const word = el("span");
  const node = el("span", { class: "p-badge" }, ...Object.values(icons), word);
  /** @param {string} state @param {string} [name]  of a chosen target, which it speaks of */
  const set = (state, name) => {
    for (const [name, sign] of Object.entries(icons)) sign.style.display = name === state ? "" : "none";
    put(word, (name ? ON_TARGET : WORDS)[state] ?? "");
    node.title = name && state === "kept" ? `“${name}” is the top answer` : name && state === "lost" ? `“${name}” is not the top answer` : "";
    node.dataset.state = state;
  };
  return Object.assign(node, { set });
};

// What stands under the pictures: used by the card and by its enlarged view.
/** @param {number} count  of classes */
export const numbers = (count) => {
  const title = el("span", { class: "p-about" });
  const where = el("span", { class: "p-where" });
  const value = el("span", { class: "p-big" });
  const unit = el("span", { class: "p-unit", text: " %" });
  const change = el("span", { class: "p-change" });
  const area = el("span", { class: "p-area" });
  const bar = el("div", { class: "p-bar", role: "meter", "aria-valuemin": 0, "aria-valuemax": 100 });
  const filled = el("div", { class: "p-filled" });
  const spread = el("div", { class: "p-spread" });
  const tick = el("div", { class: "p-tick", title: "Unpruned: what the model says of the whole picture" });
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
    el("div", { class: "p-line p-main" }, el("span", {}, value, unit), change, area),
    bar,
    top,
  );

  /** @param {import("./types").Method} method */
  function draw(method) {
    const { answer } = store;
    const now = current(method);
    const { point, exact } = now;
    put(title, measured());
    put(where, point && !exact ? `at k = ${point.k}` : "");
    where.title = point && !exact ? "The nearest computed number; the one for this ratio is computed when the slider rests" : "";
    node.dataset.exact = exact ? "yes" : "no";
    put(value, point ? formatted(point.confidence) : "–");
    reveal(unit, Boolean(point) && !isCosine());
    reveal(top, !isCosine());
    const gone = point ? point.confidence - answer.full.confidence : 0;
    const sign = gone < 0 ? "−" : "+";
    const draws = point && method.draws > 1;
    put(
      change,
      draws
        ? `mean of ${method.draws}: ${formatted(point.low)}–${formatted(point.high)}`
        : point
          ? `${sign}${formatted(Math.abs(gone))}${isCosine() ? "" : " points"}`
          : "",
    );
    const under = areaOf(method);
    put(area, under.text);
    area.title = under.title;
    change.title = draws ? "Mean and range of the draws" : "Less or more than unpruned";
    filled.style.width = point ? `${100 * Math.max(0, point.confidence)}%` : "0";
    spread.style.left = draws ? `${100 * Math.max(0, point.low)}%` : "0";
    spread.style.width = draws ? `${100 * (point.high - point.low)}%` : "0";
    tick.style.left = `${100 * answer.full.confidence}%`;
    bar.dataset.state = stateOf(now);
    bar.setAttribute("aria-label", `${method.title}: ${measured()}`);
    bar.setAttribute("aria-valuenow", point ? percent(Math.max(0, point.confidence)) : "0");
    bar.setAttribute("aria-valuetext", point ? withUnit(point.confidence) : "not computed yet");
    rows.forEach((row, i) => {
      const [index, p] = point?.top[i] ?? [null, null];
      put(row.label, index === null ? "" : labelOf(index));
      row.label.title = row.label.textContent;
      put(row.share, p === null ? "" : percent(p));
      row.node.classList.toggle("p-answer", index === (chosen() ? answer.target.index : answer.full.index));
    });
  }
  return { node, draw };
};

// The most probable classes with a bar each; `draw` takes a title, [[label, probability], ...], the full model's
// answer, and whether it was kept or lost (null: neither); target: one that was chosen stands in the answer's place.
/** @param {number} count @param {"h3" | "h4"} [heading]  of the title */
export const answerList = (count, heading = "h4") => {
  const title = el(heading);
  const mark = badge();
  const rows = Array.from({ length: count }, () => {
    const [label, share, bar] = [el("span", { class: "p-label" }), el("span", { class: "p-share" }), el("div", { class: "p-filled" })];
    return { label, share, bar, node: el("li", {}, label, share, el("div", { class: "p-bar" }, bar)) };
  });
  const node = el("div", { class: "p-answer-list" }, el("header", {}, title, mark), el("ol", {}, ...rows.map((row) => row.node)));
  return {
    node,
    /** @param {string} words @param {[string, number][]} top @param {string} answer @param {string | null} state @param {string} [target] */
    draw(words, top, answer, state, target) {
      put(title, words);
      reveal(mark, Boolean(state));
      if (state) mark.set(state, target);
      rows.forEach((row, i) => {
        const [label, p] = top[i] ?? ["", 0];
        put(row.label, label);
        row.label.title = label;
        put(row.share, label && `${percent(p)} %`);
        row.bar.style.width = `${100 * p}%`;
        row.node.classList.toggle("p-answer", label !== "" && label === (target ?? answer));
      });
    },
  };
};
