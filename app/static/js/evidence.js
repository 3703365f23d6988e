// What holds: differences with their intervals, then the claims with what was found; the numbers, and accuracy against
// keep ratio for every method, stand behind folds.

import { chart } from "./chart.js";
import { el, headOf, put, swatch } from "./dom.js";
import { forest } from "./forest.js";
import { slider } from "./range.js";
import { scrollBox } from "./scrolled.js";
import { signed } from "./words.js";

/** @type {Record<string, string>} */
let titles = {}; // name of a method -> its title

/** @typedef {import("./types").EvaluationSet} EvaluationSet @typedef {{key: string, claim: string, paper: string}} Claim */

/**
 * @param {Element} root @param {{claims: Claim[], sets: EvaluationSet[], convnets: import("./types").ConvNets, meaning: string}} found
 * @param {Record<string, string>} named
 */
export const evidence = (root, { claims, sets, convnets, meaning }, named) => {
  titles = named;
  root.append(...sets.map(setOf), convnetsPart(convnets), budgetPart(meaning), claimList(claims, sets));
};

/** What is there for who wants it. @param {string} summary @param {...Node} content */
const fold = (summary, ...content) => el("details", { class: "p-numbers-fold" }, el("summary", { text: summary }), ...content);

/** The axis that holds these intervals, [difference, low, high] each, and zero. @param {number[][]} intervals @returns {[number, number]} */
const endsOf = (intervals) => [
  Math.floor(Math.min(0, ...intervals.map(([, low]) => low))) - 1,
  Math.ceil(Math.max(0, ...intervals.map(([, , high]) => high))) + 1,
];

/** One backbone, several ConvNets (the paper's Table 7): a row each. @param {import("./types").ConvNets} found */
function convnetsPart({ backbone, n, keeps, subsets, methods, rows }) {
  const others = methods.filter((name) => name !== "papr");
  const body = el("tbody");
  const where = el("caption");
  const columns = ["Pictures", "ConvNet", "Parameters", "Right itself", ...methods.map((name) => titles[name]), ...others.map((name) => `PaPr less ${titles[name]}`)];
  const table = el("table", { class: "p-table" }, where, headOf(columns), body);
  const ratio = slider("Keep ratio", { max: keeps.length - 1, value: keeps.length - 1 - keeps.indexOf("0.4"), oninput: (i) => show(keeps[keeps.length - 1 - i]) });
  const plots = others.map((name) => {
    const ends = endsOf(rows.flatMap((row) => Object.values(row.subsets).flatMap(({ less }) => Object.values(less[name]))));
    return { name, plot: forest(`PaPr less ${titles[name]}, by ConvNet`, ends) };
  });
  /** @param {number[]} values @param {(value: number) => string} write */
  const range = ([value, low, high], write) => el("td", { text: `${write(value)} (${write(low)} to ${write(high)})` });

  /** @param {string} keep */
  function show(keep) {
    const share = Math.round(100 * Number(keep));
    ratio.input.setAttribute("aria-valuetext", `${share} %`);
    put(where, `${backbone}, ${share} % of the patches kept: top-1 in %, with 95 % intervals`);
    for (const { name, plot } of plots)
      plot.set(
        `PaPr less ${titles[name]}, ${share} % of the patches kept`,
        Object.entries(subsets).map(([subset, title]) => ({
          title,
          rows: rows.filter((row) => row.subsets[subset]).map((row) => ({ title: row.title, value: row.subsets[subset].less[name][keep] })),
        })),
      );
    body.replaceChildren(
      ...Object.entries(subsets).flatMap(([subset, title]) => {
        const known = rows.filter((row) => row.subsets[subset]);
        return known.map((row, i) => {
          const { n: count, top1, less } = row.subsets[subset];
          return el(
            "tr",
            {},
            i === 0 && el("th", { scope: "rowgroup", rowspan: known.length, text: title }),
            el("th", { scope: "row", text: subset === "all" ? row.title : `${row.title} (n = ${count.toLocaleString("en")})` }),
            el("td", { text: `${(row.parameters / 1e6).toFixed(1)} M` }),
            el("td", { text: row.right === null ? "other classes" : `${row.right.toFixed(1)} %` }),
            ...methods.map((name) => range(top1[name][keep], (value) => value.toFixed(1))),
            ...others.map((name) => range(less[name][keep], signed)),
          );
        });
      }),
    );
  }
  show("0.4");
  return el(
    "section",
    { class: "p-set p-convnets", "data-slide": true, "aria-labelledby": "holds-convnets" },
    el("h3", { id: "holds-convnets", text: "Does the ConvNet’s size matter?" }),
    el("p", { class: "p-note", text: `${backbone} pruned by each of the ConvNets that come with this page, on the same ${n.toLocaleString("en")} photographs. PaPr asks a ConvNet where to look; CAM also needs what it takes the picture for.` }),
    el("div", { class: "p-forests" }, ...plots.map(({ plot }) => plot)),
    ratio,
    fold("The numbers", scrollBox("Numbers: ConvNets", table)),
  );
}

/** @param {string} meaning */
const budgetPart = (meaning) =>
  el(
    "section",
    { class: "p-set", "data-slide": true, "aria-labelledby": "holds-budget" },
    el("h3", { id: "holds-budget", text: "What else could the budget have bought?" }),
    el("p", { text: meaning }),
  );

/** @param {Claim[]} claims @param {EvaluationSet[]} sets */
function claimList(claims, sets) {
  return el(
    "ol",
    { class: "p-claims", "data-slide": true },
    ...claims.map(({ key, claim, paper }) =>
      el(
        "li",
        {},
        el("div", {}, el("h3", { text: claim }), el("p", { class: "p-note", text: paper })),
        el(
          "dl",
          {},
          ...sets.map(({ title, findings }) => {
            const found = findings[key];
            return el(
              "div",
              {},
              el("dt", { text: title }),
              el(
                "dd",
                {},
                ...(found?.state
                  ? [el("strong", { class: "p-state", text: found.state }), fold("How much", el("p", { text: found.text }))]
                  : [el("span", { text: found ? found.text : "Not measured on this pair." })]),
              ),
            );
          }),
        ),
      ),
    ),
  );
}

/** One evaluation: a chart a subset, all with one cursor, and the table of the ratio under it. @param {EvaluationSet} set */
function setOf({ title, about, proposal_top1, keeps, subsets }) {
  const parts = Object.values(subsets).filter((one) => one.lines.length);
  const id = `holds-${title.replace(/\W+/g, "-")}`;
  const charts = parts.map((one) => {
    const drawing = chart(`${title}, ${one.title}: top-1 accuracy against keep ratio. The table below has the numbers.`, 220);
    drawing.set({
      lines: one.lines.map(({ name, points }) => ({
        name,
        title: titles[name] ?? name,
        points: points.map(([keep, ...values]) => [keep, ...values.map((v) => v / 100)]).sort((a, b) => a[0] - b[0]),
      })),
      level: one.full ? one.full[0] / 100 : null,
      marks: true,
    });
    return { drawing, node: el("figure", {}, el("figcaption", { text: `${one.title}, n = ${one.n.toLocaleString("en")}` }), drawing) };
  });
  const body = el("tbody");
  const where = el("caption");
  const columns = ["Pictures", "Method", "Top-1, %", "95 % interval", "PaPr less it", "95 % interval"];
  const table = el("table", { class: "p-table" }, where, headOf(columns), body);
  const ratio = slider("Keep ratio", { max: keeps.length - 1, value: 0, oninput: (i) => show(keeps[keeps.length - 1 - i]) });
  const all = Object.values(subsets);
  // PaPr against its own reverse is far ahead: its line ends in an arrow, so that the others can be told apart
  const near = all.flatMap(({ differences }) => Object.entries(differences).flatMap(([name, rows]) => (name === "reversed" ? [] : rows.map((row) => row.slice(1)))));
  const plot = forest(`${title}: PaPr less another method, top-1 in points`, endsOf(near));

  /** @param {number} keep */
  function show(keep) {
    charts.forEach(({ drawing }) => drawing.set({ cursor: keep }));
    ratio.input.setAttribute("aria-valuetext", `${Math.round(100 * keep)} %`);
    put(where, `${title}, ${Math.round(100 * keep)} % of the patches kept`);
    plot.set(
      `PaPr less …, ${Math.round(100 * keep)} % of the patches kept: pictures answered rightly, in points of 100`,
      all.map(({ title: which, n, differences }) => ({
        title: `${which}, n = ${n.toLocaleString("en")}`,
        rows: Object.entries(differences).flatMap(([name, rows]) =>
          rows.filter(([at]) => at === keep).map(([, ...value]) => ({ title: titles[name] ?? name, value })),
        ),
      })),
    );
    body.replaceChildren(...Object.values(subsets).flatMap((one) => rowsOf(one, keep)));
  }
  const first = keeps.includes(0.4) ? 0.4 : keeps[0]; // as on Compare
  ratio.input.value = String(keeps.length - 1 - keeps.indexOf(first));
  show(first);
  return el(
    "section",
    { class: "p-set", "data-slide": true, "aria-labelledby": id },
    el("h3", { id, text: title }),
    el("p", { class: "p-note", text: `${about}. ${proposal_top1 === null ? "" : `The ConvNet alone is right on ${proposal_top1.toFixed(1)} %.`}` }),
    plot,
    ratio,
    fold("Accuracy at every ratio, and the numbers", el("div", { class: "p-charts" }, ...charts.map(({ node }) => node)), scrollBox(`Numbers: ${title}`, table)),
  );
}

/** @param {import("./types").Subset} subset @param {number} keep @returns {HTMLElement[]} */
function rowsOf({ title, n, lines, differences }, keep) {
  const names = lines.length ? lines.map(({ name }) => name) : Object.keys(differences);
  const rows = names.map((name) => {
    const point = lines.find((line) => line.name === name)?.points.find(([at]) => at === keep);
    const less = differences[name]?.find(([at]) => at === keep);
    if (!point && !less) return null;
    const cells = [
      point ? point[1].toFixed(1) : "",
      point ? `${point[2].toFixed(1)} to ${point[3].toFixed(1)}` : "",
      less ? signed(less[1]) : "",
      less ? `${signed(less[2])} to ${signed(less[3])}` : "",
    ];
    return { name, cells };
  });
  return rows
    .filter((row) => row !== null)
    .map(({ name, cells }, i, all) =>
      el(
        "tr",
        {},
        i === 0 && el("th", { scope: "rowgroup", rowspan: all.length, text: `${title} (n = ${n.toLocaleString("en")})` }),
        el("th", { scope: "row" }, swatch(name), el("span", { text: titles[name] ?? name })),
        ...cells.map((text) => el("td", { text })),
      ),
    );
}
