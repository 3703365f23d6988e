// From a map's numbers to colours: for the eye only.

import packed from "./colour_maps.js";

export const FINE = 8; // a map is smoothed to this many points a patch before it is coloured

/** @typedef {[number, number]} Range  from which value to which the colours go */

/** @param {number[]} values @returns {Range} */
export const rangeOf = (values) => [Math.min(...values), Math.max(...values)];

/** Which of the 256 colours a value has; the middle one where all values are the same. @param {number} value @param {Range} range */
export const level = (value, [low, high]) =>
  high > low ? Math.max(0, Math.min(255, Math.round((255 / (high - low)) * (value - low)))) : 128;

/** @type {Record<string, Uint8Array>} */
const decoded = {};
/** The colours of a map of this name, 256 x 3 bytes. @param {string} name */
export const colours = (name) =>
  (decoded[name] ??= Uint8Array.from(atob(packed[name] ?? packed.inferno), (c) => c.charCodeAt(0)));

/** @param {number} value @param {Range} range @param {string} palette */
export function colour(value, range, palette) {
  const [all, at] = [colours(palette), 3 * level(value, range)];
  return `rgb(${all[at]} ${all[at + 1]} ${all[at + 2]})`;
}

/** @type {WeakMap<number[], Float32Array>} */
const smoothed = new WeakMap();
/**
 * The H x W numbers, smoothed bilinearly to FINE times as many each way (patch centres keep their values).
 * @param {number[]} map @param {number} rows @param {number} columns
 */
export function smooth(map, rows, columns) {
  if (smoothed.has(map)) return smoothed.get(map);
  const [height, width] = [rows * FINE, columns * FINE];
  const values = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    const v = Math.min(rows - 1, Math.max(0, (y + 0.5) / FINE - 0.5));
    const [top, down] = [Math.floor(v), v % 1];
    const low = Math.min(rows - 1, top + 1);
    for (let x = 0; x < width; x++) {
      const u = Math.min(columns - 1, Math.max(0, (x + 0.5) / FINE - 0.5));
      const [left, right] = [Math.floor(u), u % 1];
      const next = Math.min(columns - 1, left + 1);
      const above = map[top * columns + left] * (1 - right) + map[top * columns + next] * right;
      const below = map[low * columns + left] * (1 - right) + map[low * columns + next] * right;
      values[y * width + x] = above * (1 - down) + below * down;
    }
  }
  smoothed.set(map, values);
  return values;
}

/** @param {number} i @param {number} count @param {number} length */
const edge = (i, count, length) => Math.round((i * length) / count);
/**
 * Cells edge to edge, row by row, on whole pixels.
 * @param {number[]} size  rows, columns @param {number} width @param {number} height
 * @param {(i: number, x: number, y: number, width: number, height: number) => void} f
 */
export function eachCell([rows, columns], width, height, f) {
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const [x, y] = [edge(column, columns, width), edge(row, rows, height)];
      f(row * columns + column, x, y, edge(column + 1, columns, width) - x, edge(row + 1, rows, height) - y);
    }
}
