// A card, large: the same pictures and numbers, with the ratio under the finger. Esc closes; arrow keys left and right go
// to the card before and after, but for those on the slider.

import { areaRows } from "./areas.js";
import { setPercent } from "./controls.js";
import { button, el, put, reveal } from "./dom.js";
import { context, draw } from "./draw.js";
import { colours } from "./maps.js";
import { term } from "./models.js";
import { handGrid } from "./hand.js";
import { numbers } from "./numbers.js";
import { cardMethods, current, methodOf, sizeOf, store } from "./store.js";
import { milliseconds } from "./words.js";

/** @type {string | null} the method that is shown */
let open = null;
/** @type {ReturnType<typeof build>} */
let parts = null;

function build() {
  const title = el("h2", { id: "p-dialog-title" });
  const about = el("p", { class: "p-note" });
  const map = el("canvas", { role: "img", "aria-label": "The map over the picture" });
  const kept = el("canvas", { role: "img", "aria-label": "The kept patches" });
  const hand = handGrid();
  const scale = el("div", { class: "p-scale" });
  const bar = el("canvas", { width: 256, height: 1, "aria-hidden": "true" });
  const [low, high] = [el("span"), el("span")];
  scale.append(low, bar, high);
  const mapFigure = el("figure", {}, el("div", { class: "p-picture" }, map), scale);
  const caption = el("figcaption");
  const figures = numbers(3);
  const facts = el("dl", { class: "p-foot" });
  const slider = el("input", { type: "range", min: 1, max: 100, step: 1, "aria-label": "Patches kept, %" });
  slider.addEventListener("input", () => setPercent(Number(slider.value)));
  const node = el(
    "dialog",
    { class: "p-dialog papr", "aria-labelledby": "p-dialog-title" },
    el(
      "header",
      {},
      title,
      button(null, "Previous", () => step(-1), { class: "p-button p-small" }),
      button(null, "Next", () => step(1), { class: "p-button p-small" }),
      button("lost", "Close", () => node.close(), { class: "p-button p-small", autofocus: true }),
    ),
    about,
    el("div", { class: "p-wide" }, mapFigure, el("figure", {}, el("div", { class: "p-picture" }, kept, hand.node), hand.tools, caption)),
    el("label", { class: "p-ratio" }, el("span", { text: "Patches kept" }), slider),
    el("div", { class: "p-wide" }, figures.node, facts),
  );
  node.addEventListener("click", (event) => event.target === node && node.close()); // outside
  node.addEventListener("keydown", ({ key, target }) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (by && target !== slider && !(target instanceof Element && target.closest(".p-grid"))) step(by);
  });
  node.addEventListener("close", () => (open = null));
  document.body.append(node);
  return { node, title, about, map, mapFigure, kept, hand, bar, low, high, caption, figures, facts, slider };
}

/** @param {number} by */
function step(by) {
  const names = cardMethods().filter((m) => !m.refused).map((m) => m.name);
  open = names[(names.indexOf(open) + by + names.length) % names.length];
  drawDialog("answer");
}

/** @param {string} name */
export const enlarge = (name) => {
  parts ??= build();
  open = name;
  parts.node.showModal(); // before it is drawn, so that the pictures have a size
  drawDialog("answer");
};

/** @param {string} what */
export const drawDialog = (what) => {
  const method = open && methodOf(open);
  if (!method || what === "status" || what === "pointed") return;
  const { answer, view } = store;
  const now = current(method);
  put(parts.title, method.title);
  put(parts.about, method.about ?? "");
  reveal(parts.mapFigure, Boolean(method.map));
  if (method.map) {
    draw.map(parts.map, method);
    const range = draw.range(method);
    put(parts.low, range[0].toPrecision(3));
    put(parts.high, range[1].toPrecision(3));
    const at = context(parts.bar);
    const all = colours(view.colours);
    const image = at.createImageData(256, 1);
    for (let i = 0; i < 256; i++) image.data.set([all[3 * i], all[3 * i + 1], all[3 * i + 2], 255], 4 * i);
    at.putImageData(image, 0, 0);
  }
  if (now.size) draw.smaller(parts.kept, now.size);
  else draw.kept(parts.kept, now.patches);
  const chosen = method.name === "by-hand";
  reveal(parts.hand.node, chosen);
  reveal(parts.hand.tools, chosen);
  if (chosen) parts.hand.draw();
  put(parts.caption, now.size ? sizeOf(now.size) : `${now.k} of ${answer.patches} patches kept, the others dropped`);
  parts.slider.value = String(view.percent);
  reveal(/** @type {HTMLElement} */ (parts.slider.parentElement), !chosen);
  parts.figures.draw(method);
  /** @type {[string, string][]} */
  const rows = [];
  if (method.explains) rows.push(["Explains", `“${method.explains}”`]);
  if (method.low !== undefined) rows.push(["Map values", `${method.low.toPrecision(3)} to ${method.high.toPrecision(3)}`]);
  const papers = methodOf("papr")?.order?.slice(0, now.k);
  if (papers && now.patches && method.name !== "papr") {
    const set = new Set(papers);
    const both = now.patches.filter((p) => set.has(p)).length;
    rows.push(["Patches that PaPr keeps too", `${both} of ${now.k}`]);
  }
  rows.push(...areaRows(method));
  if (!now.size) rows.push(["The backbone sees", `${answer.models.backbone.size.join(" × ")} pixels`]);
  if (method.seconds) rows.push(["Time for the map", milliseconds(method.seconds)]);
  parts.facts.replaceChildren(...rows.map(term));
};
