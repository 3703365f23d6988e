// One card a method: whether it keeps the answer, the patches it keeps or its map, and the confidence that is left.

import { ask } from "./ask.js";
import { enlarge } from "./dialog.js";
import { button, el, icon, inOrder, put, reveal, swatch } from "./dom.js";
import { draw } from "./draw.js";
import { handGrid } from "./hand.js";
import { badge, numbers } from "./numbers.js";
import { overlay } from "./overlay.js";
import { pointed } from "./pointed.js";
import { cardMethods, chosen, current, keptCount, sameAs, sizeOf, stateOf, store } from "./store.js";
import { debounce } from "./timing.js";
import { listed, milliseconds } from "./words.js";

const DROPPED = "Dropped patches are removed from the model’s input, not painted over: the model never sees them.";
const BY_STAGE =
  "This model keeps its grid: where a patch is dropped, norm and MLP do not run, but convolutions or attention windows run everywhere and still see it.";

/** @typedef {import("./types").Method} Method */

/** @param {HTMLElement} root @param {HTMLElement} below  where it is said what dropping means */
export const cardList = (root, below) => {
  const list = el("div", { class: "p-cards" });
  const note = below.appendChild(el("p", { class: "p-note" }));
  const spoken = el("p", { class: "p-hidden", "aria-live": "polite" });
  root.append(list, spoken);
  /** @type {Map<string, ReturnType<typeof makeCard>>} */
  const cards = new Map();
  const speak = debounce(() => put(spoken, patchInWords()), 300);

  return (/** @type {string} */ what) => {
    if (!store.answer) return;
    const methods = cardMethods();
    if (what === "pointed") {
      for (const card of cards.values()) card.point();
      return speak();
    }
    const chooses = cards.size > 0 && !cards.has("by-hand");
    inOrder(cards, list, methods.map(({ name }) => name), (_, i) => makeCard(methods[i]));
    for (const method of methods) cards.get(method.name).draw(method, what);
    list.dataset.cards = String(Math.min(4, methods.length));
    if (chooses && what === "methods" && cards.has("by-hand"))
      cards.get("by-hand").node.scrollIntoView({ block: "center", inline: "center" });
    reveal(note, methods.length > 0);
    put(note, store.answer.by_stage ? BY_STAGE : DROPPED);
  };
};

/** "Row 3, column 5: rank 12 with PaPr, 150 with CAM." */
function patchInWords() {
  const { patch } = pointed;
  if (patch === null || !store.answer) return "";
  const columns = store.answer.grid[1];
  const ranks = cardMethods()
    .filter(({ name }) => pointed.rank(name) !== null)
    .map(({ name, title }) => `${pointed.rank(name)} with ${title}`);
  return `Row ${Math.floor(patch / columns) + 1}, column ${(patch % columns) + 1}: rank ${listed(ranks)}.`;
}

/** @param {Method} of */
function makeCard({ name, title: words }) {
  const mark = badge();
  const id = `p-card-${name}`;
  const title = el("h3", { id, text: words });
  const count = el("span", { class: "p-tally" });
  const canvas = el("canvas", { role: "img" });
  const hand = name === "by-hand" ? handGrid() : null;
  const over = overlay(name);
  const named = { "aria-label": `Enlarge ${words}`, onclick: () => enlarge(name) };
  const large = el("button", { type: "button", class: "p-enlarge", title: "Enlarge", ...named }, icon("enlarge"));
  hand?.tools.append(button(null, "Enlarge", null, { class: "p-button p-small", ...named })); // not over the grid
  const picture = el("div", { class: "p-picture", role: "group", "aria-label": `${words}: its patches; arrow keys move over them` }, canvas, ...over.nodes, hand ? hand.node : large);
  if (!hand) picture.tabIndex = 0;
  pointed.watch(picture);
  const waiting = el("p", { class: "p-waiting" });
  const figures = numbers(3);
  const foot = el("p", { class: "p-aside" });
  const body = el("div", { class: "p-body" }, hand?.tools, waiting, figures.node, foot);
  const node = el(
    "article",
    { class: "p-card", "aria-labelledby": id, "data-method": name },
    el("header", {}, swatch(name), title, count, mark),
    picture,
    body,
  );

  return {
    node,
    point: over.point,
    /** @param {Method} method @param {string} what */
    draw(method, what) {
      const now = current(method);
      const refused = Boolean(method.refused);
      const state = stateOf(now);
      node.dataset.state = refused ? "refused" : state;
      mark.set(state, chosen() ? store.answer.target.label : undefined);
      put(count, hand ? `${now.k} of ${store.answer.patches}` : "");
      if (hand && !now.k) mark.set("none");
      reveal(mark, !refused);
      reveal(picture, !refused);
      reveal(figures.node, !refused);
      const waits = refused ? method.refused : now.point ? "" : waitsFor(method);
      put(waiting, waits);
      reveal(waiting, Boolean(waits));
      if (refused) return reveal(foot, false);
      if (what !== "status") {
        const map = store.view.show === "map" && !hand && Boolean(method.map);
        if (map) draw.map(canvas, method);
        else if (now.size) draw.smaller(canvas, now.size);
        else draw.kept(canvas, now.patches);
        over.draw(now.patches, !map && !now.size);
        hand?.draw();
        const kept = now.size ? sizeOf(now.size) : `the ${now.k} patches it keeps`;
        canvas.setAttribute("aria-label", `${method.title}: ${map ? "its map over the picture" : kept}`);
      }
      figures.draw(method);
      const text = about(method);
      put(foot, text);
      foot.title = text;
      reveal(foot, Boolean(text));
    },
  };
}

/** @param {Method} method */
function waitsFor(method) {
  if (method.name === "by-hand")
    return store.view.hand.length ? "Computing …" : "Click or paint the patches to keep. With the keyboard: arrow keys, then Space.";
  if (store.stopped) return "Stopped.";
  return method.waiting ?? (store.working ? `${store.working} …` : ask.busy() ? "Computing …" : "Waiting …");
}

/** What a reader must know of a card, in a line. @param {Method} method */
function about(method) {
  const same = sameAs(method);
  const { size } = current(method);
  const said = [
    same && `${same.title} by construction: one linear layer follows the pooling; only negatives are cut`,
    method.constant && "its map is constant: it ranks nothing",
    method.explains && !same && `explains “${method.explains}”${store.answer.explain.mode === "target" ? ", the target" : ""}`,
    method.draws > 1 && `the number is the mean of ${method.draws} draws; mask and answers are those of draw 1`,
    method.kind === "control" && "a control, not in the paper",
    method.kind === "oracle" && "an oracle: it costs a full pass of the backbone",
    method.kind === "library" && "computed by pytorch-grad-cam",
    size && `the model sees ${sizeOf(size)}`,
    method.name === "by-hand" && current(method).k !== keptCount() && current(method).k > 0 && `not as many as the others’ ${keptCount()}`,
    method.seconds && method.kind !== "control" && milliseconds(method.seconds),
  ].filter(Boolean);
  const text = said.join("; ");
  return text && text[0].toUpperCase() + text.slice(1);
}
