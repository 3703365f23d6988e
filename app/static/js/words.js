// Numbers and lists in words. Nothing here knows the page.

/** 0.4237 -> "42.4" @param {number} share @param {number} [digits] */
export const percent = (share, digits = 1) => (100 * share).toFixed(digits);

/** ["a", "b", "c"] -> "a, b and c" @param {string[]} names */
export const listed = (names) =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;

/** 0.0042 -> "4.2 ms", 1.23 -> "1.2 s" @param {number | null} [seconds] */
export const milliseconds = (seconds) => {
  if (seconds === null || seconds === undefined) return "";
  if (seconds >= 1) return `${seconds.toFixed(1)} s`;
  return `${(1000 * seconds).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
};

/** 17.5812 -> "17.58", 0.2744 -> "0.274" @param {number} value */
export const gmacs = (value) => value.toFixed(value < 10 ? 3 : 2);

/** -1.25 -> "−1.3" @param {number} value @param {number} [digits] */
export const signed = (value, digits = 1) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;

/** 4 -> "four" @param {number} n */
export const inWords = (n) =>
  ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"][n] ?? `${n}`;

/** How much of n k is: 78 of 196 -> "40", 3 of 196 -> "1.5" @param {number} k @param {number} n */
export const percentOf = (k, n) => {
  const share = (100 * k) / n;
  return share < 10 ? share.toFixed(1) : String(Math.round(share));
};

/** 470072 -> "0.5" @param {number} n */
export const inMillions = (n) => (n / 1e6).toFixed(n < 1e7 ? 1 : 0);
