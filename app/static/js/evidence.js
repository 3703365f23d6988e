// What holds: the claims with what was found, and accuracy against keep ratio for every method, with its numbers.

import { chart } from "./chart.js";
import { el, put, swatch } from "./dom.js";
import { slider } from "./range.js";
import { signed } from "./words.js";

/** @type {Record<string, string>} */
let titles = {}; // name of a method -> its title

/** @typedef {import("./types").EvaluationSet} EvaluationSet @typedef {{key: string, claim: string, paper: string}} Claim */

/**
 * @param {Element} root @param {{claims: Claim[], sets: EvaluationSet[], convnets: import("./types").ConvNets}} found
 * @param {Record<string, string>} named
 */
export const evidence = (root, { claims, sets, convnets }, named) => {
  titles = named;
  root.append(claimList(claims, sets), convnetsPart(convnets), ...sets.map(setOf));
};

/** One backbone, several ConvNets (the paper's Table 7): a row each. @param {import("./types").ConvNets} found */
function convnetsPart({ backbone, n, keeps, subsets, methods, rows }) {
  const others = methods.filter((name) => name !== "papr");
  const body = el("tbody");
  const where = el("caption");
  const columns = ["Pictures", "ConvNet", "Parameters", "Right itself", ...methods.map((name) => titles[name]), ...others.map((name) => `PaPr less ${titles[name]}`)];
  const table = el("table", { class: "p-table" }, where, el("thead", {}, el("tr", {}, ...columns.map((text) => el("th", { scope: "col", text })))), body);
  const ratio = slider("Keep ratio", { max: keeps.length - 1, value: keeps.length - 1 - keeps.indexOf("0.4"), oninput: (i) => show(keeps[keeps.length - 1 - i]) });
  /** @param {number[]} values @param {(value: number) => string} write */
  const range = ([value, low, high], write) => el("td", { text: `${write(value)} (${write(low)} to ${write(high)})` });

  /** @param {string} keep */
  function show(keep) {
    const share = Math.round(100 * Number(keep));
    ratio.input.setAttribute("aria-valuetext", `${share} %`);
    put(where, `${backbone}, ${share} % of the patches kept: top-1 in %, with 95 % intervals`);
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
    { class: "p-set p-convnets", "aria-labelledby": "holds-convnets" },
    el("h3", { id: "holds-convnets", text: "Does the ConvNet’s size matter?" }),
    el("p", { class: "p-note", text: `${backbone} pruned by each of the ConvNets that come with this page, on the same ${n.toLocaleString("en")} photographs. PaPr asks a ConvNet where to look; CAM also needs what it takes the picture for.` }),
    ratio,
    el("div", { class: "p-scroll", tabindex: 0, role: "region", "aria-label": "Numbers: ConvNets" }, table),
  );
}

/** @param {Claim[]} claims @param {EvaluationSet[]} sets */
function claimList(claims, sets) {
  return el(
    "ol",
    { class: "p-claims" },
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
                found?.state && el("strong", { class: "p-state", text: found.state }),
                el("span", { text: found ? found.text : "Not measured on this pair." }),
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
  const table = el("table", { class: "p-table" }, where, el("thead", {}, el("tr", {}, ...columns.map((text) => el("th", { scope: "col", text })))), body);
  const ratio = slider("Keep ratio", { max: keeps.length - 1, value: 0, oninput: (i) => show(keeps[keeps.length - 1 - i]) });

  /** @param {number} keep */
  function show(keep) {
    charts.forEach(({ drawing }) => drawing.set({ cursor: keep }));
    ratio.input.setAttribute("aria-valuetext", `${Math.round(100 * keep)} %`);
    put(where, `${title}, ${Math.round(100 * keep)} % of the patches kept`);
    body.replaceChildren(...Object.values(subsets).flatMap((one) => rowsOf(one, keep)));
  }
  ratio.input.value = String(Math.floor((keeps.length - 1) / 2));
  show(keeps[keeps.length - 1 - Number(ratio.input.value)]);
  return el(
    "section",
    { class: "p-set", "aria-labelledby": id },
    el("h3", { id, text: title }),
    el("p", { class: "p-note", text: `${about}. ${proposal_top1 === null ? "" : `The ConvNet alone is right on ${proposal_top1.toFixed(1)} %.`}` }),
    el("div", { class: "p-charts" }, ...charts.map(({ node }) => node)),
    ratio,
    el("div", { class: "p-scroll", tabindex: 0, role: "region", "aria-label": `Numbers: ${title}` }, table),
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
