// The footer: what happens to pictures, the version, and the API with calls to copy.

import { el, headOf } from "./dom.js";
import { code, sheet } from "./sheet.js";

/** @typedef {{name: string, about: string, inputs: {name: string, type: string, default?: string, about: string}[], outputs: {name: string, about: string}[]}} Endpoint */
/** @typedef {{version: string, endpoints: Endpoint[], python: string, shell: string}} Told */

/** @param {import("./types").Given} given */
export function mountFooter({ element, props }) {
  element.querySelector(".papr-footer").append(
    el("p", {
      text:
        "A picture or clip that you bring is used to answer you and is shown to nobody else. Its file and what is made of it are " +
        "deleted here within 70 minutes; what stays in memory gives way to newer ones.",
    }),
    el("button", { type: "button", class: "p-linked", text: "API", onclick: () => open(props.value) }),
    el("span", { text: `papr ${props.value.version}` }),
  );
}

/** @type {HTMLDialogElement | null} */
let dialog = null;

/** @param {Told} told */
function open(told) {
  dialog ??= build(told);
  dialog.showModal();
}

/** @param {Told} told */
function build({ endpoints, python, shell }) {
  const address = `${window.location.origin}${window.location.pathname}`.replace(/\/$/, "");
  const filled = (/** @type {string} */ text) => text.replaceAll("ADDRESS", address).replaceAll("PICTURE", "photo.jpg").replaceAll("CLIP", "clip.mp4");
  return sheet(
    "p-api-title",
    "Call this page from a program",
    el(
      "div",
      { class: "p-api" },
      el("h3", { text: "Python (pip install gradio_client)" }),
      code(filled(python)),
      el("h3", { text: "curl" }),
      code(filled(shell)),
      ...endpoints.flatMap(described).filter(Boolean),
    ),
  );
}

/** @param {Endpoint} endpoint */
function described({ name, about, inputs, outputs }) {
  const table = (/** @type {string} */ caption, /** @type {string[]} */ head, /** @type {string[][]} */ rows) =>
    el(
      "div",
      { class: "p-scroll", tabindex: 0, role: "region", "aria-label": `/${name}: ${caption}` },
      el(
        "table",
        { class: "p-table" },
        el("caption", { text: caption }),
        headOf(head),
        el("tbody", {}, ...rows.map(([first, ...others]) => el("tr", {}, el("th", { scope: "row", text: first }), ...others.map((text) => el("td", { text }))))),
      ),
    );
  return [
    el("h3", { text: `/${name}` }),
    el("p", { text: about }),
    inputs.length && table("Inputs", ["Name", "Type", "Default", ""], inputs.map((one) => [one.name, one.type, one.default ?? "required", one.about])),
    table("Output", ["Name", ""], outputs.map((one) => [one.name, one.about])),
  ];
}
