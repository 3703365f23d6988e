// The two pictures of a card, drawn here from the crop and the method's numbers.

import { dark } from "./dom.js";
import { colours, FINE, level, smooth } from "./maps.js";
import { cardMethods, store } from "./store.js";

/** @typedef {HTMLImageElement | HTMLCanvasElement} Picture @typedef {import("./types").Method} Method */
/** @typedef {{rows: number, columns: number, cell: number}} Grid  cell: canvas pixels a patch */

/** @param {number} width @param {number} height */
const surface = (width, height) => Object.assign(document.createElement("canvas"), { width, height });

/** @param {HTMLCanvasElement} canvas */
export const context = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

// --- how dropped patches look --------------------------------------------------------------------------------------

/** @type {WeakMap<Picture, Map<string, HTMLCanvasElement>>} the same with all patches dropped, by look and size */
const grounds = new WeakMap();
/** @param {Picture} picture @param {string} look @param {boolean} night @param {number} width @param {number} height */
function ground(picture, look, night, width, height) {
  if (!grounds.has(picture)) grounds.set(picture, new Map());
  const made = grounds.get(picture);
  const name = `${look} ${night} ${width} ${height}`;
  if (!made.has(name)) {
    const canvas = surface(width, height);
    looks[look](context(canvas), picture, width, height, night);
    made.set(name, canvas);
  }
  return made.get(name);
}

const WHOLE = "whole"; // nothing dropped
/** @type {Record<string, (at: CanvasRenderingContext2D, picture: Picture, width: number, height: number, night: boolean) => void>} */
const looks = {
  dim(at, picture, width, height, night) {
    at.drawImage(picture, 0, 0, width, height);
    at.globalCompositeOperation = "saturation";
    plain(at, width, height, "#808080");
    at.globalCompositeOperation = "source-over";
    at.globalAlpha = night ? 0.86 : 0.84;
    plain(at, width, height, night ? "#22242a" : "#ecece9");
  },
  [WHOLE]: (at, picture, width, height) => at.drawImage(picture, 0, 0, width, height),
  white: (at, picture, width, height) => plain(at, width, height, "#fff"),
  black: (at, picture, width, height) => plain(at, width, height, "#000"),
  blur(at, picture, width, height) {
    const small = surface(26, Math.round((26 * height) / width));
    context(small).drawImage(picture, 0, 0, small.width, small.height);
    at.imageSmoothingQuality = "high";
    at.drawImage(small, 0, 0, width, height);
  },
};

/** @param {CanvasRenderingContext2D} at @param {number} width @param {number} height @param {string} colour */
function plain(at, width, height, colour) {
  at.fillStyle = colour;
  at.fillRect(0, 0, width, height);
}

// --- canvases -------------------------------------------------------------------------------------------------------

/** @type {WeakMap<HTMLCanvasElement, any[]>} */
const shown = new WeakMap();
/** Whether a canvas shows just this already; else it is about to. @param {HTMLCanvasElement} canvas @param {any[]} what */
function stands(canvas, what) {
  const before = shown.get(canvas);
  shown.set(canvas, what);
  return Boolean(before) && before.length === what.length && before.every((part, i) => part === what[i]);
}

/** @type {WeakMap<HTMLCanvasElement, number[]>} the patches that a mask shows */
const masked = new WeakMap();

/** As many canvas pixels a patch as the screen shows: whole ones, so that patches have sharp edges. @param {HTMLCanvasElement} canvas */
function gridOf(canvas) {
  const [rows, columns] = store.answer.grid;
  const wide = (canvas.clientWidth || 220) * window.devicePixelRatio;
  return { rows, columns, cell: Math.max(8, Math.min(64, Math.ceil(wide / columns))) };
}

/** @param {HTMLCanvasElement} canvas @param {number} width @param {number} height */
function surfaceOf(canvas, width, height) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const at = context(canvas);
  at.globalAlpha = 1; // the same canvas may have shown a map
  return at;
}

/** @type {string | null} */
let source = null;

export const draw = {
  /** @type {HTMLImageElement | null} the crop on Compare */
  picture: null,

  /** @param {string} src @param {() => void} then */
  load(src, then) {
    if (src === source) return;
    source = src;
    const image = new Image();
    image.onload = () => {
      if (src !== source) return; // a newer picture came meanwhile
      draw.picture = image;
      then();
    };
    image.src = src;
  },

  /**
   * A picture with all its patches dropped but these.
   * @param {HTMLCanvasElement} canvas @param {Picture | null} picture @param {number[] | null} patches
   * @param {Grid & {look: string, dark: boolean}} how
   */
  mask(canvas, picture, patches, { rows, columns, cell, look, dark: night }) {
    const [width, height] = [columns * cell, rows * cell];
    if (!picture) return;
    const before = shown.get(canvas);
    if (stands(canvas, [picture, cell, look, night, String(patches)])) return;
    const [whole, dropped] = [ground(picture, WHOLE, night, width, height), ground(picture, look, night, width, height)];
    const at = surfaceOf(canvas, width, height);
    const put = (/** @type {HTMLCanvasElement} */ from, /** @type {number} */ patch) => {
      const [x, y] = [(patch % columns) * cell, Math.floor(patch / columns) * cell];
      at.drawImage(from, x, y, cell, cell, x, y, cell, cell);
    };
    // A moved slider changes few patches: only those are drawn anew.
    const moved = before?.length === 5 && before.slice(0, 4).every((part, i) => part === [picture, cell, look, night][i]);
    const old = new Set(moved ? masked.get(canvas) : []);
    if (!moved) at.drawImage(dropped, 0, 0);
    for (const patch of patches ?? []) if (!old.delete(patch)) put(whole, patch);
    for (const patch of old) put(dropped, patch);
    masked.set(canvas, patches ?? []);
  },

  /** The same of the crop, as it is set. @param {HTMLCanvasElement} canvas @param {number[] | null} patches */
  kept: (canvas, patches) =>
    draw.mask(canvas, draw.picture, patches, { ...gridOf(canvas), look: store.view.look, dark: dark() }),

  /** The crop with no more pixels than the model gets of it. @param {HTMLCanvasElement} canvas @param {[number, number]} size */
  smaller(canvas, [rows, columns]) {
    const { rows: all, columns: across, cell } = gridOf(canvas);
    const { picture } = draw;
    if (!picture || stands(canvas, [picture, cell, rows, columns])) return;
    const [height, width] = store.answer.models.backbone.size;
    const small = surface(Math.round((width * columns) / across), Math.round((height * rows) / all));
    context(small).imageSmoothingQuality = "high";
    context(small).drawImage(picture, 0, 0, small.width, small.height);
    const at = surfaceOf(canvas, across * cell, all * cell);
    at.save();
    at.imageSmoothingEnabled = false;
    at.drawImage(small, 0, 0, canvas.width, canvas.height);
    at.restore();
  },

  /**
   * From which value to which the colours go: each map by itself, all maps together, or 0 to 1 as the values are.
   * @param {import("./types").Ranked} method @returns {import("./maps.js").Range}
   */
  range(method) {
    if (store.view.scale === "raw") return [0, 1];
    const maps = store.view.scale === "shared" ? cardMethods().filter((m) => m.map) : [method];
    return [Math.min(...maps.map((m) => m.low)), Math.max(...maps.map((m) => m.high))];
  },

  /** The crop with a method's map over it. @param {HTMLCanvasElement} canvas @param {import("./types").Ranked} method @param {import("./maps.js").Range} [range] */
  map(canvas, method, range = method.map && draw.range(method)) {
    const { opacity, colours: palette } = store.view;
    draw.over(canvas, draw.picture, method.map, { ...gridOf(canvas), range, opacity, colours: palette });
  },

  /**
   * A picture with a map over it (none yet: the picture alone).
   * @param {HTMLCanvasElement} canvas @param {Picture | null} picture @param {number[] | null} map
   * @param {Grid & {range: import("./maps.js").Range, opacity: number, colours: string}} how
   */
  over(canvas, picture, map, { rows, columns, cell, range, opacity, colours: palette }) {
    const [width, height] = [columns * cell, rows * cell];
    if (!picture || stands(canvas, [picture, cell, map, opacity, palette, ...(map ? range : [])])) return;
    const at = surfaceOf(canvas, width, height);
    at.drawImage(picture, 0, 0, width, height);
    if (!map) return;
    const [values, all] = [smooth(map, rows, columns), colours(palette)];
    const fine = surface(columns * FINE, rows * FINE);
    const image = new ImageData(fine.width, fine.height);
    for (let i = 0; i < values.length; i++) {
      const step = 3 * level(values[i], range);
      image.data[4 * i] = all[step];
      image.data[4 * i + 1] = all[step + 1];
      image.data[4 * i + 2] = all[step + 2];
      image.data[4 * i + 3] = 255;
    }
    context(fine).putImageData(image, 0, 0);
    at.globalAlpha = opacity;
    at.imageSmoothingQuality = "high";
    at.drawImage(fine, 0, 0, width, height);
  },
};
