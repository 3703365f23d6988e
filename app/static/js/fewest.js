// The table beside the curve: fewest patches that keep the answer; without a classifier, the cosines at this ratio.

import { setPercent } from "./controls.js";
import { el, put, swatch, tint } from "./dom.js";
import { percentFor } from "./counts.js";
import { current, formatted, isCosine, keptCount, labelOf, lineMethods, store } from "./store.js";

/** @param {HTMLElement} root */
export const fewest = (root) => {
  const title = el("h3", { class: "p-heading" });
  const head = ["Method", "Bar", "Share", "Patches"].map((text) => el("th", { scope: "col", text }));
  const body = el("tbody");
  const table = el("table", { class: "p-fewest" }, el("thead", { class: "p-hidden" }, el("tr", {}, ...head)), body);
  const note = el("p", { class: "p-note" });
  root.append(title, table, note);

  return (/** @type {string} */ what) => {
    const { answer } = store;
    if (!answer || what === "looks" || what === "status" || what === "pointed") return;
    if (!isCosine() && what !== "answer" && what !== "methods") return;
    const told = isCosine() ? cosines() : counted(answer);
    put(title, told.title);
    put(head[2], told.heads[0]);
    put(head[3], told.heads[1]);
    put(note, told.note);
    body.replaceChildren(
      ...told.rows.map(({ method, share, strong, quiet, snap }) => {
        const bar = el("div", { class: `p-amount ${tint(method.name)}` });
        bar.style.width = `${100 * share}%`;
        return el(
          "tr",
          {},
          el("th", { scope: "row" }, swatch(method.name), el("span", { text: method.title })),
          el("td", { class: "p-barcell" }, bar),
          el("td", { class: "p-strong" }, snap ?? strong),
          el("td", { text: quiet }),
        );
      }),
    );
  };
};

const shown = () => lineMethods().filter((m) => !m.refused);

/** @param {import("./types").Answer} answer */
function counted(answer) {
  const worst = answer.patches + 1;
  const rank = (/** @type {import("./types").Method} */ m) => m.fewest ?? (m.complete ? worst : worst + 1);
  const rows = shown()
    .sort((a, b) => rank(a) - rank(b))
    .map((method) => {
      const known = method.fewest !== null && method.fewest !== undefined;
      const share = known ? method.fewest / answer.patches : 0;
      const strong = known ? `${Math.round(100 * share)} %` : method.complete ? "never" : "…";
      const snap = known && el("button", { type: "button", class: "p-linked", text: strong, title: `Keep ${method.fewest} patches`, "aria-label": `${strong}: keep ${method.fewest} patches, the fewest with which ${method.title} keeps the answer`, onclick: () => setPercent(percentFor(method.fewest, answer)) });
      return { method, share, strong, quiet: known ? `${method.fewest}` : "", snap: snap || null };
    });
  return {
    title: "Fewest patches that keep the answer",
    heads: ["Share", "Patches"],
    rows,
    note:
      `The smallest computed count from which “${labelOf(answer.full.index)}” stays on top up to all ${answer.patches} patches; ` +
      `for random, the median of five draws. One picture proves nothing about a method.`,
  };
}

function cosines() {
  const rows = shown()
    .map((method) => ({ method, ...current(method) }))
    .sort((a, b) => (b.point?.confidence ?? -2) - (a.point?.confidence ?? -2))
    .map(({ method, point, exact }) => ({
      method,
      share: Math.max(0, point?.confidence ?? 0),
      strong: point ? formatted(point.confidence) : "…",
      quiet: point && !exact ? `at k = ${point.k}` : "",
      snap: /** @type {HTMLElement | null} */ (null),
    }));
  return {
    title: `Cosine to the unpruned embedding, ${keptCount()} patches kept`,
    heads: ["Cosine", "Where"],
    rows,
    note: "There is no answer to keep, so no fewest patches either; for random, the mean of five draws. One picture proves nothing about a method.",
  };
}
