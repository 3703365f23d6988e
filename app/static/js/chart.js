// A small chart: lines with bands over a share from 0 to 1, values from 0 to 1, and a cursor. Learn's experiments and
// evidence, and Cost, draw with it; the curve of Compare is its own.

import { axes } from "./axes.js";
import { el, svg, swatch, tint } from "./dom.js";
import { percent } from "./words.js";

/**
 * level: a dotted line, of what `levelled` says; most: the value at the top.
 * @typedef {{lines: import("./types").Line[], level: number | null, cursor: number | null, marks?: boolean, levelled?: string, most?: number}} Shown
 */

/** @param {string} label */
export const chart = (label, height = 200) => {
  const root = svg("svg", { class: "p-chart", role: "img", "aria-label": label });
  root.style.height = `${height}px`;
  const legend = el("ul", { class: "p-legend" });
  const node = el("div", { class: "p-charted" }, root, legend);
  /** @type {Shown} */
  let shown = { lines: [], level: null, cursor: null };
  let width = 0;

  new ResizeObserver(([{ contentRect }]) => {
    if (!contentRect.width || Math.abs(contentRect.width - width) < 1) return;
    width = contentRect.width;
    draw();
  }).observe(node);

  function draw() {
    if (!width) return;
    const { lines, level, cursor, marks, levelled = "unpruned", most } = shown;
    const { x, y, ...scale } = axes(width, height, most);
    const path = (/** @type {number[][]} */ points) => points.map(([px, py]) => `${x(px).toFixed(1)},${y(py).toFixed(1)}`).join("L");
    root.setAttribute("viewBox", `0 0 ${width} ${height}`);
    /** @type {SVGElement[]} */
    const parts = scale.frame(level);
    for (const { name, points } of lines) {
      const banded = points.filter((p) => p.length > 2);
      if (banded.length > 1) {
        const around = [...banded.map((p) => [p[0], p[3]]), ...banded.map((p) => [p[0], p[2]]).reverse()];
        parts.push(svg("path", { class: `p-band ${tint(name)}`, d: `M${path(around)}Z` }));
      }
      if (points.length) parts.push(svg("path", { class: `p-curve ${tint(name)}`, d: `M${path(points)}` }));
      if (marks)
        for (const [px, py] of points)
          parts.push(svg("circle", { class: `p-dot ${tint(name)}`, cx: x(px), cy: y(py), r: 2.5 }));
    }
    if (cursor !== null) parts.push(svg("line", { class: "p-cursor", ...scale.cursor(cursor) }));
    root.replaceChildren(...parts);
    legend.replaceChildren(
      ...lines.map((line) => el("li", {}, swatch(line.name), el("span", { text: line.title }))),
      ...(level === null
        ? []
        : [
            el(
              "li",
              {},
              el("span", { class: "p-dotted", "aria-hidden": "true" }),
              el("span", { text: `${levelled} ${percent(level)} %` }),
            ),
          ]),
    );
  }

  const set = (/** @type {Partial<Shown>} */ change) => {
    shown = { ...shown, ...change };
    draw();
  };
  return Object.assign(node, { set });
};
