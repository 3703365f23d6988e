// One card a method: whether it keeps the answer, its map, the patches it keeps, and the confidence that is left.

import { ask } from "./ask.js";
import { enlarge } from "./dialog.js";
import { button, el, icon, inOrder, put, reveal, swatch } from "./dom.js";
import { draw } from "./draw.js";
import { handGrid } from "./hand.js";
import { term } from "./models.js";
import { badge, numbers } from "./numbers.js";
import { cardMethods, current, stateOf, store, withUnit } from "./store.js";
import { milliseconds } from "./words.js";

const DROPPED = "Dropped patches are removed from the model’s input, not painted over: the model never sees them.";
const BY_STAGE =
  "This model keeps its grid: where a patch is dropped, norm and MLP do not run, but convolutions or attention windows run everywhere and still see it.";

/** @param {HTMLElement} root */
export const cardList = (root) => {
  const brief = el("ul", { class: "p-brief", "aria-label": "In short" }); // phones: one line a method
  const list = el("div", { class: "p-cards" });
  const note = el("p", { class: "p-note" });
  root.append(brief, list, note);
  /** @type {Map<string, ReturnType<typeof makeCard>>} */
  const cards = new Map();
  /** @type {Map<string, ReturnType<typeof makeLine>>} */
  const lines = new Map();

  return (/** @type {string} */ what) => {
    if (!store.answer) return;
    const methods = cardMethods();
    const names = methods.map(({ name }) => name);
    inOrder(cards, list, names, (_, i) => makeCard(methods[i]));
    inOrder(lines, brief, names, (_, i) => makeLine(methods[i]));
    for (const method of methods) {
      cards.get(method.name).draw(method, what);
      lines.get(method.name).draw(method);
    }
    reveal(note, methods.length > 0);
    put(note, store.answer.by_stage ? BY_STAGE : DROPPED);
  };
};

/** @typedef {import("./types").Method} Method */

/** @param {Method} method */
function makeLine({ name, title }) {
  const value = el("span", { class: "p-value" });
  const mark = badge();
  const node = el("li", {}, swatch(name), el("span", { class: "p-name", text: title }), value, mark);
  return {
    node,
    /** @param {Method} method */
    draw(method) {
      const now = current(method);
      put(value, now.point ? withUnit(now.point.confidence) : "");
      mark.set(stateOf(now));
    },
  };
}

/** @param {Method} of */
function makeCard({ name, title: words }) {
  const mark = badge();
  const id = `p-card-${name}`;
  const title = el("h3", { id, text: words });
  const map = el("canvas", { role: "img", "aria-label": `${words}: its map over the picture` });
  const kept = el("canvas", { role: "img" });
  const hand = name === "by-hand" ? handGrid() : null;
  const named = { "aria-label": `Enlarge ${words}`, onclick: () => enlarge(name) };
  const large = el("button", { type: "button", class: "p-enlarge", title: "Enlarge", ...named }, icon("enlarge"));
  hand?.tools.append(button(null, "Enlarge", null, { class: "p-button p-small", ...named })); // not over the grid
  const pictures = el(
    "div",
    { class: "p-pictures" },
    hand ? null : el("div", { class: "p-picture" }, map),
    el("div", { class: "p-picture" }, kept, hand ? hand.node : large),
    hand?.tools,
  );
  const waiting = el("p", { class: "p-waiting" });
  const figures = numbers(3);
  const foot = el("dl", { class: "p-foot" });
  const body = el("div", { class: "p-body" }, pictures, waiting, figures.node, foot);
  const node = el(
    "article",
    { class: "p-card", "aria-labelledby": id, "data-method": name },
    el("header", {}, swatch(name), title, mark),
    body,
  );

  return {
    node,
    /** @param {Method} method @param {string} what */
    draw(method, what) {
      const now = current(method);
      const refused = Boolean(method.refused);
      const state = stateOf(now);
      node.dataset.state = refused ? "refused" : state;
      mark.set(state);
      reveal(mark, !refused);
      reveal(pictures, !refused);
      reveal(figures.node, !refused);
      const waits = refused ? method.refused : now.point ? "" : waitsFor(method);
      put(waiting, waits);
      reveal(waiting, Boolean(waits));
      if (refused) return;
      if (what !== "status") {
        if (!hand) draw.map(map, method);
        draw.kept(kept, now.patches);
        hand?.draw();
        kept.setAttribute("aria-label", `${method.title}: the ${now.k} patches it keeps`);
      }
      figures.draw(method);
      if (what === "answer") footer(foot, method);
    },
  };
}

/** @param {Method} method */
function waitsFor(method) {
  if (method.name === "by-hand" && !store.view.hand.length)
    return "Click or paint the patches to keep. With the keyboard: arrow keys, then Space.";
  if (store.stopped) return "Stopped.";
  return method.waiting ?? (store.working || ask.busy() ? "Computing …" : "Waiting …");
}

/** @param {HTMLElement} foot @param {Method} method */
function footer(foot, method) {
  /** @type {[string, string][]} */
  const rows = [];
  if (method.kind === "papr" || method.kind === "cam")
    rows.push(["Explains", method.explains ? `“${method.explains}”` : "no class"]);
  if (method.constant) rows.push(["Map", "constant: it ranks nothing"]);
  if (method.kind === "control") rows.push(["Control", "not in the paper"]);
  if (method.seconds !== null && method.seconds !== undefined && method.kind !== "control")
    rows.push(["Time for the map", milliseconds(method.seconds)]);
  foot.replaceChildren(...rows.map(term));
  reveal(foot, rows.length > 0);
}

