// Making and changing nodes. All text reaches the page as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Record<string, any>} Attributes  `text`, listeners as `onclick`, else attributes; null, undefined, false: none */

/**
 * el("button", {class: "quiet", text: name, onclick: f}, child, ...)
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes} [attributes]
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

/**
 * The same for drawings.
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes} [attributes]
 * @param {...Node} children
 * @returns {SVGElementTagNameMap[T]}
 */
export const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/**
 * @template {Element} T
 * @param {T} node
 * @param {Attributes} attributes
 * @param {(Node | string | null | undefined | false)[]} children
 */
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(.../** @type {(Node | string)[]} */ (children.filter(Boolean)));
  return node;
}

/** The head of a table: what stands over each column. @param {string[]} columns @param {Attributes} [attributes] */
export const headOf = (columns, attributes) =>
  el("thead", attributes, el("tr", {}, ...columns.map((text) => el("th", { scope: "col", text }))));

// Write only what changed: a redraw while the slider moves then touches little of the page.
/** @param {Node} node @param {string} text */
export const put = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};
/** @param {HTMLElement} node @param {boolean} visible */
export const reveal = (node, visible) => {
  if (node.hidden === visible) node.hidden = !visible;
};

const PATHS = {
  kept: "M3 8.5l3.2 3.2L13 5",
  lost: "M4 4l8 8M12 4l-8 8",
  wait: "M8 4.5V8l2.4 1.6M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0z",
  upload: "M8 10.5V3M5 5.8L8 2.8l3 3M3 10.5V13h10v-2.5",
  paste: "M6 2.8h4v2H6zM6 3.6H3.8v9.6h8.4V3.6H10",
  camera: "M2.5 5h2.3l1-1.6h4.4l1 1.6h2.3v7.6h-11zM8 10.8a2.1 2.1 0 1 0 0-4.2 2.1 2.1 0 0 0 0 4.2z",
  live: "M8 9.4a1.4 1.4 0 1 0 0-2.8 1.4 1.4 0 0 0 0 2.8zM4.6 4.6a4.8 4.8 0 0 0 0 6.8M11.4 4.6a4.8 4.8 0 0 1 0 6.8M2.6 2.6a7.6 7.6 0 0 0 0 10.8M13.4 2.6a7.6 7.6 0 0 1 0 10.8",
  enlarge: "M9.5 3H13v3.5M6.5 13H3V9.5M13 3L9 7M3 13l4-4",
  play: "M5 3.5l7.5 4.5L5 12.5z",
  stop: "M4.5 4.5h7v7h-7z",
  theme: "M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0zM8 4v8M8 4.5a3.5 3.5 0 0 1 0 7",
};

/** @param {keyof typeof PATHS} name */
export const icon = (name) =>
  svg(
    "svg",
    { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true", class: `p-icon p-icon-${name}` },
    svg("path", { d: PATHS[name], fill: "none" }),
  );

/** @param {keyof typeof PATHS | null} sign @param {string} label @param {((event: MouseEvent) => void) | null} onclick @param {Attributes} [extra] */
export const button = (sign, label, onclick, extra = {}) =>
  el("button", { type: "button", class: "p-button", onclick, ...extra }, sign && icon(sign), el("span", { text: label }));

// The class that gives a method its colour: grad-cam++ -> "p-m p-grad-campp".
/** @param {string} name */
export const tint = (name) => `p-m p-${name.replaceAll("+", "p")}`;

/** @param {string} name */
export const swatch = (name) => el("span", { class: `p-swatch ${tint(name)}`, "aria-hidden": "true" });

export const dark = () => document.body.classList.contains("dark");

/**
 * A node for each name stands in `parent`, in this order: made where it is new, gone with its name.
 * @template {{node: Element}} T
 * @param {Map<string, T>} made @param {Element} parent @param {string[]} names @param {(name: string, i: number) => T} make
 */
export function inOrder(made, parent, names, make) {
  for (const [name, { node }] of made)
    if (!names.includes(name)) {
      node.remove();
      made.delete(name);
    }
  names.forEach((name, i) => {
    if (!made.has(name)) made.set(name, make(name, i));
    const { node } = made.get(name);
    if (parent.children[i] !== node) parent.insertBefore(node, parent.children[i] ?? null);
  });
}
