// Pictures made of cells: a map of any size over the crop, ranks on patches, tokens in a row. Learn draws with these.

import { context, draw } from "./draw.js";
import { colour, eachCell, rangeOf } from "./maps.js";
import { store } from "./store.js";

/** @typedef {CanvasRenderingContext2D} Context @typedef {{at: Context, width: number, height: number, scale: number}} Surface */

/** Make a canvas as sharp as the screen, `aspect` times as wide as high. @param {HTMLCanvasElement} canvas @param {number} aspect @returns {Surface} */
export function open(canvas, aspect) {
  const scale = Math.min(3, window.devicePixelRatio || 1);
  const width = Math.max(160, Math.round((canvas.clientWidth || 320) * scale));
  const height = Math.round(width / aspect);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const at = context(canvas);
  at.clearRect(0, 0, width, height);
  return { at, width, height, scale };
}

/**
 * A map over the picture, a cell a value, in the colours of Compare. clip: the rectangle that is drawn.
 * @param {Surface} surface @param {number[]} values @param {number[]} size  rows, columns
 * @param {{range?: import("./maps.js").Range, clip?: [number, number, number, number]}} [how]
 */
export function drawMap({ at, width, height }, values, size, { range = rangeOf(values), clip } = {}) {
  at.save();
  if (clip) {
    at.beginPath();
    at.rect(...clip);
    at.clip();
  }
  at.globalAlpha = 1;
  at.drawImage(draw.picture, 0, 0, width, height);
  at.globalAlpha = store.view.opacity;
  eachCell(size, width, height, (i, x, y, w, h) => {
    at.fillStyle = colour(values[i], range, store.view.colours);
    at.fillRect(x, y, w, h);
  });
  at.restore();
}

/**
 * Words around a point: white and readable on any ground, or in a quiet ink of one's own.
 * @param {Context} at @param {string | number} words @param {number} x @param {number} y @param {number} size
 * @param {{weight?: number, ink?: string}} [how]
 */
export function text(at, words, x, y, size, { weight = 600, ink } = {}) {
  at.font = `${weight} ${size}px "Inter UI", system-ui, sans-serif`;
  at.textAlign = "center";
  at.textBaseline = "middle";
  if (!ink) {
    at.lineJoin = "round";
    at.lineWidth = size / 4;
    at.strokeStyle = "rgb(0 0 0 / 75%)";
    at.strokeText(String(words), x, y);
  }
  at.fillStyle = ink ?? "#fff";
  at.fillText(String(words), x, y);
}

/** @param {Context} at @param {number} x @param {number} y @param {number} w @param {number} h @param {number} width */
export function frame(at, x, y, w, h, width) {
  for (const [ink, line] of /** @type {const} */ ([["#000", width * 2], ["#fff", width]])) {
    at.strokeStyle = ink;
    at.lineWidth = line;
    at.strokeRect(x, y, w, h);
  }
}
