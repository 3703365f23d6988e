// Lines and tints over a card's picture: the edge of what is kept, who keeps what, and the patch that is pointed at.

import { el, put, reveal, svg, tint } from "./dom.js";
import { pointed } from "./pointed.js";
import { methodOf, store } from "./store.js";

/** @param {string} name  of the method */
export function overlay(name) {
  const edge = svg("path", { class: `p-edge ${tint(name)}`, fill: "none" });
  const ours = svg("path", { class: `p-only ${tint("papr")}` });
  const theirs = svg("path", { class: `p-only ${tint(name)}` });
  const here = svg("rect", { class: "p-here", width: 1, height: 1, fill: "none" });
  const drawing = svg("svg", { class: "p-over-picture", preserveAspectRatio: "none", "aria-hidden": "true" }, ours, theirs, edge, here);
  const rank = el("span", { class: "p-rank", "aria-hidden": "true" });
  const overlap = el("span", { class: "p-overlap" });

  /** @param {number[] | null} patches @param {boolean} kept  whether the picture shows what is kept */
  function draw(patches, kept) {
    const [rows, columns] = store.answer.grid;
    drawing.setAttribute("viewBox", `0 0 ${columns} ${rows}`);
    const apart = kept && store.view.show === "difference" && name !== "papr" ? difference(patches) : null;
    ours.setAttribute("d", apart ? cells(apart.first, columns) : "");
    theirs.setAttribute("d", apart ? cells(apart.second, columns) : "");
    edge.setAttribute("d", kept && !apart ? outline(patches ?? [], rows, columns) : "");
    reveal(overlap, Boolean(apart));
    if (apart) put(overlap, `IoU ${apart.iou.toFixed(2)}`);
    point();
  }

  function point() {
    const { patch } = pointed;
    const columns = store.answer.grid[1];
    here.style.display = patch === null ? "none" : "";
    if (patch !== null) {
      here.setAttribute("x", String(patch % columns));
      here.setAttribute("y", String(Math.floor(patch / columns)));
    }
    const place = pointed.rank(name);
    reveal(rank, place !== null);
    if (place !== null) put(rank, `rank ${place} of ${store.answer.patches}`);
  }
  return { nodes: [drawing, rank, overlap], draw, point };
}

/**
 * PaPr's patches against another's: those of one alone, and the overlap (intersection over union).
 * @param {number[] | null} patches
 */
function difference(patches) {
  const reference = methodOf("papr")?.order?.slice(0, patches?.length ?? 0);
  return reference && patches ? apart(reference, patches) : null;
}

/** @param {number[]} ours @param {number[]} theirs */
export function apart(ours, theirs) {
  const [a, b] = [new Set(ours), new Set(theirs)];
  const [first, second] = [ours.filter((patch) => !b.has(patch)), theirs.filter((patch) => !a.has(patch))];
  const both = ours.length - first.length;
  const union = both + first.length + second.length;
  return { first, second, iou: union ? both / union : 1 };
}

/** @param {number[]} patches @param {number} columns */
const cells = (patches, columns) => patches.map((p) => `M${p % columns} ${Math.floor(p / columns)}h1v1h-1z`).join("");

/**
 * The edge around a set of patches, as a path on the grid.
 * @param {number[]} patches @param {number} rows @param {number} columns
 */
export function outline(patches, rows, columns) {
  const inside = new Uint8Array(rows * columns);
  for (const patch of patches) inside[patch] = 1;
  let path = "";
  for (const patch of patches) {
    const [x, y] = [patch % columns, Math.floor(patch / columns)];
    if (!y || !inside[patch - columns]) path += `M${x} ${y}h1`;
    if (y === rows - 1 || !inside[patch + columns]) path += `M${x} ${y + 1}h1`;
    if (!x || !inside[patch - 1]) path += `M${x} ${y}v1`;
    if (x === columns - 1 || !inside[patch + 1]) path += `M${x + 1} ${y}v1`;
  }
  return path;
}
