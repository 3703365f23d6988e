// A picture brought to a model's size as Pillow does it: bicubic, antialiased, in whole numbers, then the middle cut out
// (papr_core.data.images). Written from how Pillow's resampling is described and checked against it to the last bit.

const BITS = 22; // of a weight
const MOST = 1 << 23; // pixels of a resized picture, of which only the middle is used

/** @typedef {{data: ArrayLike<number>, width: number, height: number, channels: number}} Pixels  row by row */

/** Round to the nearest whole number, halves to the even one, as Python does. @param {number} value */
const rounded = (value) => {
  const low = Math.floor(value);
  const over = value - low;
  return over < 0.5 || (over === 0.5 && low % 2 === 0) ? low : low + 1;
};

/** @param {number} x */
function bicubic(x) {
  const [a, far] = [-0.5, Math.abs(x)];
  if (far < 1) return ((a + 2) * far - (a + 3)) * far * far + 1;
  return far < 2 ? (((far - 5) * far + 8) * far - 4) * a : 0;
}

/**
 * Of places `from` to `from + count` of a line that is resized from `size` to `to`: where each begins to read, and its weights.
 * @param {number} size @param {number} to @param {number} from @param {number} count
 */
function weights(size, to, from, count) {
  const scale = size / to;
  const wide = Math.max(1, scale);
  return Array.from({ length: count }, (_, i) => {
    const middle = (from + i + 0.5) * scale;
    const start = Math.max(0, Math.floor(middle - 2 * wide + 0.5));
    const end = Math.min(size, Math.floor(middle + 2 * wide + 0.5));
    const values = Array.from({ length: end - start }, (_, j) => bicubic((j + start - middle + 0.5) / wide));
    const sum = values.reduce((a, b) => a + b, 0);
    return { start, values: Float64Array.from(values, (value) => Math.round((value / sum) * 2 ** BITS)) };
  });
}

const byte = (/** @type {number} */ sum) => Math.max(0, Math.min(255, Math.floor((sum + 2 ** (BITS - 1)) / 2 ** BITS)));

/**
 * Where a crop lies: the size that all of the picture is resized to, and the crop's corner in it; null of a picture so long
 * and thin that it is not resized whole.
 * @param {{width: number, height: number}} picture @param {number} side  of the square crop @param {number} share  of the shorter side
 */
export function cropOf({ width, height }, side, share) {
  const short = Math.floor(side / share);
  const long = Math.floor((short * Math.max(width, height)) / Math.min(width, height));
  const [across, down] = width <= height ? [short, long] : [long, short];
  if (across * down > MOST) return null;
  return { across, down, left: rounded((across - side) / 2), top: rounded((down - side) / 2) };
}

/**
 * The crop's bytes, RGB, row by row.
 * @param {Pixels} picture @param {number} side @param {{across: number, down: number, left: number, top: number}} at
 */
export function resized({ data, width, height, channels }, side, { across, down, left, top }) {
  const [columns, rows] = [weights(width, across, left, side), weights(height, down, top, side)];
  const first = rows[0].start;
  const last = rows[side - 1].start + rows[side - 1].values.length;
  const between = new Uint8Array((last - first) * side * 3);
  for (let y = first, to = 0; y < last; y++)
    for (const { start, values } of columns) {
      let [red, green, blue] = [0, 0, 0];
      for (let i = 0, at = (y * width + start) * channels; i < values.length; i++, at += channels) {
        red += values[i] * data[at];
        green += values[i] * data[at + 1];
        blue += values[i] * data[at + 2];
      }
      between[to++] = byte(red);
      between[to++] = byte(green);
      between[to++] = byte(blue);
    }
  const bytes = new Uint8Array(side * side * 3);
  const line = side * 3;
  rows.forEach(({ start, values }, row) => {
    for (let x = 0; x < line; x++) {
      let sum = 0;
      for (let i = 0; i < values.length; i++) sum += values[i] * between[(start - first + i) * line + x];
      bytes[row * line + x] = byte(sum);
    }
  });
  return bytes;
}
