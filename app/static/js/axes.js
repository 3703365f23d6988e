// The frame of every chart: a share from 0 to 1 across, a value from 0 to 1 (or less far) up, lines and numbers at the
// quarters.

import { svg } from "./dom.js";

const MARGIN = { left: 34, right: 12, top: 10, bottom: 24 };

// x and y to pixels, share back from a pixel; frame(level, plain): the parts to draw, with a dotted line at `level` or
// null; plain: values are written as they are, not in percent.
/** @param {number} width @param {number} height @param {number} [most]  the value at the top */
export const axes = (width, height, most = 1) => {
  const inner = width - MARGIN.left - MARGIN.right;
  const x = (/** @type {number} */ share) => MARGIN.left + share * inner;
  const y = (/** @type {number} */ value) => height - MARGIN.bottom - (Math.max(0, value) / most) * (height - MARGIN.top - MARGIN.bottom);
  /** @param {number} value @param {string} name */
  const across = (value, name) => svg("line", { class: name, x1: x(0), x2: x(1), y1: y(value), y2: y(value) });
  /** @param {number} share @param {boolean} plain */
  const quarter = (share, plain) => [
    across(share * most, "p-gridline"),
    svg("text", { x: MARGIN.left - 8, y: y(share * most) + 4, "text-anchor": "end", text: Number((share * most * (plain ? 1 : 100)).toPrecision(3)) }),
    svg("text", {
      x: x(share),
      y: height - 6,
      "text-anchor": share === 1 ? "end" : share ? "middle" : "start",
      text: `${100 * share} %`,
    }),
  ];
  return {
    x,
    y,
    share: (/** @type {number} */ pixel) => (pixel - MARGIN.left) / inner,
    /** @param {number | null} level */
    frame: (level, plain = false) => [
      ...[0, 0.25, 0.5, 0.75, 1].flatMap((share) => quarter(share, plain)),
      ...(level === null ? [] : [across(level, "p-full")]),
    ],
    cursor: (/** @type {number} */ share) => ({ x1: x(share), x2: x(share), y1: MARGIN.top, y2: y(0) }),
  };
};

/** Where an axis ends that shows values up to this one. @param {number} value */
export const roomFor = (value) => [0.01, 0.02, 0.04, 0.1, 0.2, 0.4].find((most) => value <= most) ?? 1;
