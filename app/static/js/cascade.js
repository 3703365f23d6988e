// Cost: the ConvNet answers where it is sure, the ViT the rest; accuracy, share and cost over the threshold, as shipped.

import { chart } from "./chart.js";
import { el, headOf, put, swatch } from "./dom.js";
import { slider } from "./range.js";
import { scrollBox } from "./scrolled.js";
import { gmacs, listed, percent } from "./words.js";

/** @typedef {import("./types").Cascades} Cascades */

const SIDE = { top1: 2, low: 3, high: 4 }; // places in a point: [t, answered early, top-1, its ends, GMACs]

/** @param {Cascades} found */
export function cascadePart({ n, thens, convnets }) {
  const pictures = listed(n.map((one) => one.toLocaleString("en")));
  const choice = el("select", { class: "p-select", id: "p-cascade-then", onchange: draw }, ...thens.map(([key, title]) => el("option", { value: key, text: title })));
  const charts = {
    top1: chart("Accuracy over the threshold. The table below has the numbers.", 190),
    answered: chart("Share of pictures that the ConvNet answers, over the threshold. The table below has the numbers.", 190),
    gmacs: chart("Multiply-accumulates over the threshold, of the whole ViT’s. The table below has the numbers.", 190),
  };
  /** @type {Record<string, string>} */
  const titles = { top1: "Right, %, over t", answered: "Answered by the ConvNet, %, over t", gmacs: "Multiply-accumulates, % of the ViT’s, over t" };
  const says = el("ul", { class: "p-cascade-says" });
  const body = el("tbody");
  const where = el("caption");
  const columns = ["ConvNet", "Answered early", "Right", "95 % interval", "GMACs a picture"];
  const table = el("table", { class: "p-table" }, where, headOf(columns), body);
  const steps = convnets[0].thens[thens[0][0]].curve.map(([t]) => t);
  let at = steps.indexOf(convnets[0].thens[thens[0][0]].chosen);
  const ratio = slider("t", { max: steps.length - 1, value: at, oninput: (i) => show(i) });
  const node = el(
    "section",
    { class: "p-costs-part p-cascade" },
    el("h3", { class: "p-heading", text: "Where the ConvNet is sure, need the ViT look at all?" }),
    el("p", {
      class: "p-note",
      text:
        `A cascade: the ConvNet has looked anyway, so where its own answer has a probability of at least t it answers, and the ViT the rest. ${pictures} photographs that no model here was trained on (Caltech-101). ` +
        "The t in the sentences was chosen for accuracy on one half of them, and what is said of it is of the other half; the curves are of all.",
    }),
    says,
    el("p", {}, el("label", { for: "p-cascade-then", class: "p-field" }, el("span", { text: "The rest is answered by" }), choice)),
    el("div", { class: "p-charts" }, ...Object.entries(charts).map(([name, drawing]) => el("figure", {}, el("figcaption", { text: titles[name] }), drawing))),
    ratio,
    scrollBox("Cascades at one threshold", table),
  );

  /** @param {(point: number[], full: number) => number[]} pick */
  const lines = (pick) =>
    convnets.flatMap(({ title, thens: parts }, i) => {
      const part = parts[choice.value];
      return part ? [{ name: `convnet-${i}`, title, points: part.curve.map((point) => [point[0], ...pick(point, part.full)]) }] : [];
    });

  function draw() {
    const shown = convnets.filter(({ thens: parts }) => parts[choice.value]);
    const [first] = shown;
    const dearest = Math.max(1.1, ...lines((point, full) => [point[5] / full]).flatMap(({ points }) => points.map(([, share]) => share)));
    charts.top1.set({ lines: lines((point) => [point[SIDE.top1] / 100]), level: first.thens[choice.value].alone / 100, levelled: "never the ConvNet" });
    charts.answered.set({ lines: lines((point) => [point[1] / 100]) });
    charts.gmacs.set({ lines: lines((point, full) => [point[5] / full]), level: first.thens[choice.value].gmacs / first.thens[choice.value].full, levelled: "never the ConvNet", most: 0.4 * Math.ceil(dearest / 0.4) });
    says.replaceChildren(...shown.map(({ thens: parts }) => el("li", { text: parts[choice.value].says })));
    show(at);
  }

  /** @param {number} i */
  function show(i) {
    at = i;
    const t = steps[i];
    Object.values(charts).forEach((drawing) => drawing.set({ cursor: t }));
    ratio.input.setAttribute("aria-valuetext", `${Math.round(100 * t)} %`);
    put(where, t === 1 ? "The ConvNet never answers" : `The ConvNet answers where it is at least ${Math.round(100 * t)} % sure`);
    body.replaceChildren(
      ...convnets.flatMap(({ title, thens: parts }, c) => {
        const part = parts[choice.value];
        if (!part) return [];
        const point = part.curve[i];
        const cells = [`${point[1].toFixed(1)} %`, `${point[SIDE.top1].toFixed(1)} %`, `${point[SIDE.low].toFixed(1)} to ${point[SIDE.high].toFixed(1)}`, `${gmacs(point[5])} (${percent(point[5] / part.full, 0)} % of the whole ViT’s)`];
        return [el("tr", {}, el("th", { scope: "row" }, swatch(`convnet-${c}`), title), ...cells.map((text) => el("td", { text })))];
      }),
    );
  }
  draw();
  return node;
}
