// Cost: what pruning is worth from file to answer, by batch and keep ratio: a heat map that ships, and one on request.

import { el, headOf, put, reveal } from "./dom.js";
import { measuring } from "./measuring.js";
import { scrollBox } from "./scrolled.js";
import { percent } from "./words.js";

/** @typedef {import("./types").SpeedMap} SpeedMap */

/**
 * @param {Pick<import("./types").Given, "trigger" | "server">} given
 * @param {() => Record<string, string | number>} question @param {() => string} nothing  why none can be made, or ""
 */
export function speedMapPart(given, question, nothing) {
  const [own, shipped] = ["own", "shipped"].map(shownMap);
  const work = measuring(given, {
    stream: "cost map",
    event: "speedmap",
    where: "map",
    title: "Make one for the models chosen here",
    label: "Progress of the speed map",
    stopped: "Stopped. Batches that were done stay.",
    question,
    nothing,
    doing: (done) => (done ? `Batch of ${2 ** done}` : "Batch of 1"),
    partly: own.draw,
    whole(/** @type {SpeedMap} */ found) {
      own.draw(found);
      return found.rest ? `Measured up to batches of ${found.batches.at(-1)}, as far as a minute went.` : "Measured.";
    },
  });
  const node = el(
    "section",
    { class: "p-costs-part p-worth" },
    el("h3", { class: "p-heading", text: "What it is worth, from file to answer" }),
    el("p", {
      class: "p-note",
      text:
        "How many times as fast the pruned way is as the plain one, reading the pictures and the ConvNet’s pass included, for so many pictures at once. " +
        "At 100 % nothing is pruned and the ConvNet looks all the same: what is below 1 there is the price of looking.",
    }),
    shipped.node,
    work.tools,
    el("p", { class: "p-note", text: "One of your own takes up to a minute: small batches first, larger ones as long as there is time. Whoever uses this machine meanwhile slows both ways. Reductions are not in it." }),
    work.says,
    own.node,
  );
  return { node, draw: work.draw, take: work.take, ship: shipped.draw };
}

/** @param {string} name */
function shownMap(name) {
  const caption = el("caption");
  const head = el("tr");
  const body = el("tbody");
  const heat = el("table", { class: "p-heat" }, caption, el("thead", {}, head), body);
  const says = el("p", { class: "p-worth-says" });
  const numbers = el("tbody");
  const columns = ["Batch", "Plain, images/s", "The ConvNet’s pass, of the backbone’s", "Reading, of the plain way’s"];
  const table = el("table", { class: "p-table" }, headOf(columns), numbers);
  const note = el("p", { class: "p-note" });
  const key = el("p", { class: "p-note p-heat-key" }, el("i", { "aria-hidden": "true" }), "break-even: where the number is bold the pruned way was faster in three rounds of four");
  const node = el(
    "div",
    { class: "p-worth-map", "data-map": name },
    el("div", { class: "p-worth-parts" }, el("div", { class: "p-heat-part" }, heat, key), el("div", { class: "p-worth-words" }, says, el("details", { class: "p-numbers-fold" }, el("summary", { text: "What the time goes into" }), scrollBox("What the time goes into, by batch", table)), note)),
  );
  node.hidden = true;

  /** @param {SpeedMap} found */
  function draw(found) {
    const { titles, keep, batches, speedup, speedup_low: low, speedup_high: high } = found;
    put(caption, `${titles.backbone}, pruned by ${titles.proposal}: times as fast, by patches kept`);
    head.replaceChildren(el("th", { scope: "col" }, el("span", { text: "Pictures at once" })), ...keep.map((ratio) => el("th", { scope: "col", text: `${Math.round(100 * ratio)} %` })));
    const far = Math.max(0.1, ...speedup.flat().map((value) => Math.abs(Math.log2(value))));
    body.replaceChildren(
      ...batches.map((batch, i) => el("tr", {}, el("th", { scope: "row", text: batch }), ...speedup[i].map((value, j) => cell(low, i, j, value, high[i][j], far)))),
    );
    put(says, found.says.join(" "));
    numbers.replaceChildren(
      ...batches.map((batch, i) =>
        el(
          "tr",
          {},
          el("th", { scope: "row", text: batch }),
          ...[found.plain_images_per_second[i].toFixed(1), `${percent(found.looking[i], 0)} %`, `${percent(found.reading[i], 0)} %`].map((text) => el("td", { text })),
        ),
      ),
    );
    put(note, madeOf(found));
    reveal(node, true);
  }
  return { node, draw };
}

/** Where the break-even line runs around a cell that gains. @param {number[][]} low  the lower ends @param {number} i @param {number} j */
export const edges = (low, i, j) =>
  low[i][j] <= 1
    ? []
    : Object.entries({ top: [i - 1, j], bottom: [i + 1, j], left: [i, j - 1], right: [i, j + 1] })
        .filter(([, [row, column]]) => low[row]?.[column] <= 1)
        .map(([side]) => side);

/** @param {number[][]} low @param {number} i @param {number} j @param {number} value @param {number} high @param {number} far */
function cell(low, i, j, value, high, far) {
  const strength = Math.round((44 * Math.abs(Math.log2(value))) / far);
  return el("td", {
    "data-gains": low[i][j] > 1 ? "yes" : "no",
    "data-edges": edges(low, i, j).join(" ") || null,
    style: `--strength: ${strength}%`,
    title: `The middle half of the rounds: ${low[i][j].toFixed(2)} to ${high.toFixed(2)}`,
    text: value.toFixed(2),
  });
}

/** What made a map. @param {SpeedMap} found */
function madeOf(found) {
  const { rounds, dtype, threads, machine, torch, day, load, rest } = found;
  const shared = load === null || load < 0.5 ? "" : `; other work shared the machine (load ${load.toFixed(1)} before)`;
  const more = rest ? ` For larger batches ${rest}.` : "";
  const few = Math.min(...rounds);
  const most = Math.max(...rounds);
  return (
    `Medians of ${few === most ? few : `${few} to ${most}`} interleaved rounds, ${dtype}, random weights (speed does not depend on them), ${threads} ${threads === 1 ? "thread" : "threads"} of ${machine}, ` +
    `torch ${torch}, ${day}${shared}.${more}`
  );
}
