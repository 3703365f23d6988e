// Patches chosen by hand: click, paint, or arrow keys and Space, on a grid that lies over the picture.

import { ask } from "./ask.js";
import { button, el } from "./dom.js";
import { keptCount, methodOf, store } from "./store.js";

export const handGrid = () => {
  const node = el("div", { class: "p-grid", role: "grid", "aria-multiselectable": "true", "aria-label": "Patches to keep" });
  /** @type {HTMLElement[]} */
  let cells = [];
  let shape = "";
  let focused = 0;
  /** @type {boolean | null} */
  let painting = null; // true: adding, false: removing, null: not painting

  /** @param {[number, number]} grid */
  function build([rows, columns]) {
    shape = `${rows} ${columns}`;
    cells = [];
    node.style.gridTemplateColumns = `repeat(${columns}, 1fr)`;
    node.replaceChildren(
      ...Array.from({ length: rows }, (_, r) => {
        const row = el("div", { role: "row" });
        for (let c = 0; c < columns; c++) {
          const cell = el("div", { role: "gridcell", tabindex: -1, "data-patch": r * columns + c });
          cell.setAttribute("aria-label", `row ${r + 1}, column ${c + 1}`);
          cells.push(cell);
          row.append(cell);
        }
        return row;
      }),
    );
    cells[0].tabIndex = 0;
    focused = 0;
  }

  /** @param {number} patch @param {boolean} chosen */
  function set(patch, chosen) {
    const hand = store.view.hand;
    if (hand.includes(patch) === chosen) return;
    store.view.hand = chosen ? [...hand, patch].sort((a, b) => a - b) : hand.filter((p) => p !== patch);
    store.changed("hand");
    ask.hand();
  }
  const patchOf = (/** @type {EventTarget | null} */ target) => {
    const cell = target instanceof Element && /** @type {HTMLElement} */ (target.closest("[data-patch]"));
    return cell && node.contains(cell) ? Number(cell.dataset.patch) : null;
  };

  node.addEventListener("pointerdown", (event) => {
    const patch = patchOf(event.target);
    if (patch === null || event.button) return;
    event.preventDefault();
    painting = !store.view.hand.includes(patch);
    set(patch, painting);
    focus(patch);
  });
  node.addEventListener("pointermove", (event) => {
    if (painting === null) return;
    const patch = patchOf(document.elementFromPoint(event.clientX, event.clientY)); // touch stays on its first cell
    if (patch !== null) set(patch, painting);
  });
  for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, () => (painting = null));

  /** @param {number} patch */
  function focus(patch) {
    cells[focused].tabIndex = -1;
    focused = patch;
    cells[focused].tabIndex = 0;
    cells[focused].focus({ preventScroll: true });
  }
  node.addEventListener("keydown", (event) => {
    const [rows, columns] = store.answer.grid;
    const [row, column] = [Math.floor(focused / columns), focused % columns];
    /** @type {Record<string, number>} */
    const moves = {
      ArrowLeft: column > 0 ? -1 : 0,
      ArrowRight: column < columns - 1 ? 1 : 0,
      ArrowUp: row > 0 ? -columns : 0,
      ArrowDown: row < rows - 1 ? columns : 0,
    };
    if (event.key in moves) focus(focused + moves[event.key]);
    else if (event.key === " " || event.key === "Enter") set(focused, !store.view.hand.includes(focused));
    else return;
    event.preventDefault();
  });

  /** @param {number[]} patches */
  function start(patches) {
    store.view.hand = patches;
    store.changed("hand");
    ask.hand();
  }
  const papers = () => methodOf("papr")?.order?.slice(0, keptCount()) ?? [];
  const tools = el(
    "div",
    { class: "p-tools" },
    button(null, "Start from PaPr", () => start([...papers()].sort((a, b) => a - b)), { class: "p-button p-small" }),
    button(null, "Invert", () => start(cells.map((_, i) => i).filter((i) => !store.view.hand.includes(i))), {
      class: "p-button p-small",
    }),
    button(null, "Clear", () => start([]), { class: "p-button p-small" }),
  );

  return {
    node,
    tools,
    draw() {
      if (shape !== store.answer.grid.join(" ")) build(store.answer.grid);
      const chosen = new Set(store.view.hand);
      cells.forEach((cell, i) => {
        const value = String(chosen.has(i));
        if (cell.getAttribute("aria-selected") !== value) cell.setAttribute("aria-selected", value);
      });
    },
  };
};
