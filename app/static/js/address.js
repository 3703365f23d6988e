// Values in an address: from text, what is not understood being left out, and back. Fields are {parameter: [name in the
// view, from text]}.

/** @typedef {(text: string) => any} Parse  undefined: not understood @typedef {Record<string, [string, Parse]>} Fields */

/** @param {string[]} names @returns {Parse} */
export const among = (names) => (text) => (names.includes(text) ? text : undefined);

/** @param {number} low @param {number} high @returns {Parse} */
export const whole = (low, high) => (text) => {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : NaN;
  return value >= low && value <= high ? value : undefined;
};

/** From 1 to 100, to a tenth. @type {Parse} */
export const percentage = (text) => {
  const value = /^\d{1,3}(\.\d)?$/.test(text) ? Number(text) : NaN;
  return value >= 1 && value <= 100 ? value : undefined;
};

/** @type {Parse} */
export const words = (text) => (text && text.length <= 200 ? text : undefined);

/** @type {Parse} */
export const share = (text) => (/^(0(\.\d+)?|1)$/.test(text) ? Number(text) : undefined);

/** Those of a list that are known; none is a list too. @param {string[]} known @returns {Parse} */
export const several = (known) => (text) => {
  const names = text.split(",").filter((name) => known.includes(name));
  return names.length || text === "" ? names : undefined;
};

/** @param {any} value */
export const written = (value) => (Array.isArray(value) ? value.join(",") : String(value));

/** What the parameters say. @param {URLSearchParams} given @param {Fields} fields @returns {Record<string, any>} */
export function read(given, fields) {
  /** @type {Record<string, any>} */
  const view = {};
  for (const [parameter, [name, parse]] of Object.entries(fields)) {
    const value = given.has(parameter) ? parse(given.get(parameter)) : undefined;
    if (value !== undefined) view[name] = value;
  }
  return view;
}

/**
 * Set a parameter; nothing, and the plain value, need no words.
 * @param {URLSearchParams} given @param {string} parameter @param {any} value @param {any} plain
 */
export function write(given, parameter, value, plain) {
  if (value === null || value === undefined || written(value) === written(plain)) given.delete(parameter);
  else given.set(parameter, written(value));
}

/** Patches of a grid: "2x3-9c" has the bits 100111, row by row. @param {number[]} patches @param {[number, number]} grid */
export function patchesText(patches, [rows, columns]) {
  const digits = Array(Math.ceil((rows * columns) / 4)).fill(0);
  for (const patch of patches) digits[patch >> 2] |= 8 >> (patch & 3);
  return `${rows}x${columns}-${digits.map((digit) => digit.toString(16)).join("").replace(/0+$/, "")}`;
}

/** The same back, null where it is none. @param {string} text @returns {{grid: [number, number], patches: number[]} | null} */
export function patchesOf(text) {
  const [, rows, columns, digits] = /^(\d{1,3})x(\d{1,3})-([0-9a-f]+)$/.exec(text) ?? [];
  const bits = [...(digits ?? "")].flatMap((digit) => [8, 4, 2, 1].map((bit) => parseInt(digit, 16) & bit));
  const patches = bits.flatMap((bit, patch) => (bit ? [patch] : []));
  return patches.length && patches.at(-1) < Number(rows) * Number(columns) ? { grid: [Number(rows), Number(columns)], patches } : null;
}
