// "Figure for a paper": what Compare shows as a figure of a given width, as a curve alone, or as a table of its numbers.

import { ask } from "./ask.js";
import { el, put, reveal } from "./dom.js";
import { store } from "./store.js";

const WIDTHS = { 8.25: "One column, 8.25 cm", 17.5: "Two columns, 17.5 cm", 0: "Another width" };
const FORMATS = { pdf: "PDF", svg: "SVG", png: "PNG, 300 dpi" };
/** How a picture came to the model's shape. @type {Record<string, string>} */
const SHAPED = { crop: "cropped", pad: "padded", squash: "squashed" };
const MOST = 6; // pictures in a figure (app/parts/save.py)

/** @type {Map<string, string>} id: name, of the pictures that were shown since the page was opened */
const seen = new Map();

/** @param {string} label @param {HTMLElement} control */
const labelled = (label, control) => el("label", { class: "p-asked" }, el("span", { text: label }), control);
/** @param {Record<string, string>} choices @param {string} chosen */
const choice = (choices, chosen) => {
  const node = el("select", {}, ...Object.entries(choices).map(([value, text]) => el("option", { value, text })));
  node.value = chosen;
  return node;
};
/** @param {number} min @param {number} max @param {number | string} step @param {number | string} value */
const number = (min, max, step, value) => el("input", { type: "number", min, max, step, value });
/** @param {string} text @param {boolean} checked */
const check = (text, checked) => {
  const input = el("input", { type: "checkbox", checked });
  return { input, node: el("label", { class: "p-check" }, input, el("span", { text })) };
};

/** What becomes of patches by hand, which are of one picture. */
const byHand = () => (store.view.methods.includes("by-hand") ? "; patches by hand are left out of a figure of several." : ".");

/** A fold with the choices and their downloads. @param {ReturnType<typeof import("./saver.js").saver>["more"]} more */
export function paperFigure(more) {
  const layout = choice({ columns: "In columns", rows: "In rows" }, "columns");
  const width = choice(WIDTHS, "17.5");
  const centimetres = number(3, 100, 0.05, 12);
  const other = labelled("Width, cm", centimetres);
  const text = number(4, 30, 0.5, 7);
  const second = number(1, 100, 1, "");
  const numbers = check("With numbers", true);
  const format = choice(FORMATS, "pdf");
  const pictures = el("fieldset", { class: "p-group" }, el("legend", { text: "Further pictures" }));
  const taken = pictures.appendChild(el("p", { class: "p-note" }));
  /** @type {Map<string, ReturnType<typeof check>>} */
  const boxes = new Map();

  const asked = () => ({
    layout: layout.value,
    width: Number(width.value) || centimetres.valueAsNumber || null,
    text: text.valueAsNumber || null,
    second: second.value ? second.valueAsNumber / 100 : null,
    numbers: numbers.input.checked,
    pictures: [...boxes]
      .filter(([id, { input }]) => input.checked && id !== store.answer.picture.id)
      .slice(0, MOST - 1)
      .map(([picture]) => ({ picture, name: seen.get(picture) })),
  });
  const send = (/** @type {string} */ kind) => ask.save(kind, asked());
  const drawn = (/** @type {string} */ kind) => send(`${kind}-${format.value}`);

  const showWidth = () => reveal(other, width.value === "0");
  width.addEventListener("change", showWidth);
  showWidth();
  const list = () => {
    const now = store.answer?.picture;
    if (!now) return;
    seen.set(now.id, now.name);
    for (const [id, name] of seen) {
      if (!boxes.has(id)) {
        boxes.set(id, check(name, false));
        pictures.append(boxes.get(id).node);
      }
      reveal(boxes.get(id).node, id !== now.id);
    }
    put(taken, `Each is ${SHAPED[now.fit]} as this picture is now${byHand()}`);
    reveal(pictures, seen.size > 1);
  };
  store.onchange((what) => (what === "answer" || what === "methods") && list());
  list();

  return el(
    "details",
    { class: "p-print" },
    el("summary", { text: "Figure for a paper" }),
    el(
      "div",
      { class: "p-fields" },
      labelled("Methods", layout),
      labelled("Width of the figure", width),
      other,
      labelled("Size of text, points", text),
      labelled("Second share of patches, %", second),
      labelled("Format", format),
      numbers.node,
    ),
    pictures,
    el(
      "div",
      { class: "p-downloads", role: "group", "aria-label": "For a paper" },
      ...more({ figure: "Figure", curve: "Curve alone" }, drawn),
      ...more({ "table-csv": "Numbers (CSV)", "table-tex": "Numbers (LaTeX)" }, send),
    ),
  );
}
