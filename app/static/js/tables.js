// The paper's tables of costs beside ours, one table at a time, and what the paper prints of other methods.

import { el, headOf, put } from "./dom.js";
import { links } from "./links.js";
import { scrollBox } from "./scrolled.js";
import { signed } from "./words.js";

/** @typedef {import("./types").PaperRow} PaperRow @typedef {import("./types").QuotedRow} QuotedRow */

/** @type {Record<number, string>} */
const TITLES = {
  1: "ViTs of AugReg",
  2: "ViTs of MAE, fine-tuned",
  3: "ViTs without class token",
  4: "DeiT-S, trained with pruning",
  5: "ConvNeXt",
  6: "Swin",
  7: "The proposals themselves",
  8: "VideoMAE on Kinetics-400",
  9: "The video proposals themselves",
};
const titleOf = (/** @type {number} */ number) => `Table ${number}: ${TITLES[number]}`;
const shown = (/** @type {number | null} */ value, /** @type {number} */ digits) => (value === null ? "–" : value.toFixed(digits));
const inPercent = (/** @type {number | null} */ value) => (value === null ? "–" : `${signed(value, 2)} %`);
/** @param {PaperRow} row */
const isReading = ({ printed_keep, keep, note }) => (printed_keep !== null && printed_keep !== keep) || note.includes("our reading");

/** @param {{table: string}} view @param {import("./types").Given["server"]} server */
export const paperTables = (view, server) => {
  const says = el("p", { class: "p-says", role: "alert" });
  const found = el("p", { class: "p-note" });
  const choice = el("select", { class: "p-select", id: "p-paper-table", onchange: () => choose(choice.value) });
  const [ours, others] = [el("div"), el("div")];
  const node = el(
    "section",
    { class: "p-costs-part p-paper" },
    el("h3", { class: "p-heading", text: "What the paper prints, and what is counted here" }),
    found,
    el("p", {}, el("label", { for: "p-paper-table", class: "p-field" }, el("span", { text: "Show" }), choice)),
    says,
    ours,
    others,
  );
  /** @type {{rows: PaperRow[], others: QuotedRow[], counted_with: string} | null} */
  let data = null;

  /** @param {string} table */
  function choose(table) {
    view.table = table;
    links.write();
    draw();
  }
  function draw() {
    /** @template {{table: number}} T @param {T[]} rows */
    const of = (rows) => (view.table === "all" ? rows : rows.filter((row) => String(row.table) === view.table));
    choice.value = view.table;
    ours.replaceChildren(costTable(of(data.rows)));
    const quoted = of(data.others);
    others.replaceChildren(...(quoted.length ? [otherTable(quoted)] : []));
  }

  (async () => {
    const told = await server.tables("");
    if (!told?.ok) return put(says, told?.text ?? "The server did not answer. Reload the page.");
    data = told;
    const tables = [...new Set(data.rows.map((row) => row.table))];
    choice.append(
      ...tables.map((number) => el("option", { value: number, text: titleOf(number) })),
      el("option", { value: "all", text: "All tables" }),
    );
    put(found, summary(data));
    draw();
  })();
  return node;
};

/** @param {{rows: PaperRow[], counted_with: string}} data */
function summary({ rows, counted_with }) {
  const off = (/** @type {PaperRow} */ row) => Math.abs(row.difference_percent);
  const near = rows.filter((row) => off(row) <= 0.5).length;
  const worst = rows.reduce((a, b) => (off(b) > off(a) ? b : a));
  return (
    "Mahmud et al., PaPr, ECCV 2024 (arXiv 2403.16020), in billions of multiply-accumulates, counted here with " +
    `${counted_with}. ${near} of the ${rows.length} figures differ by at most 0.5 %, the largest difference is ${inPercent(worst.difference_percent)} ` +
    `(${worst.backbone}, Table ${worst.table}). Where the printed setting does not give the printed figure, the row says “our reading”: the setting ` +
    "that does. Top-1 and images per second are the paper’s own, on its machine; neither is measured here."
  );
}

/** @param {PaperRow[]} rows */
function costTable(rows) {
  const columns = ["Model", "ConvNet", "Keep", "ToMe’s r", "Paper", "Ours", "Difference", "Top-1, %", "Images/s", "Remark"];
  const line = (/** @type {PaperRow} */ row) => {
    const reading = isReading(row);
    const merged = row.tome_r ? `${row.tome_r}${row.tome_layers === "second_half" ? ", second half" : ""}` : "–";
    const keep = row.keep < 1 ? `${row.keep}` : "–";
    const size = row.input === "224" ? row.backbone : `${row.backbone}, ${row.input.replace("x", " × ")}`;
    return el(
      "tr",
      reading ? { "data-reading": "yes" } : {},
      el("th", { scope: "row", text: size }),
      el("td", { text: row.proposal ?? "–" }),
      el("td", { text: reading && row.printed_keep !== null && row.printed_keep !== row.keep ? `${keep} (printed ${row.printed_keep})` : keep }),
      ...[merged, shown(row.paper_gmacs, 2), shown(row.gmacs, 3), inPercent(row.difference_percent), shown(row.paper_top1, 2), shown(row.paper_images_per_second, 0)].map(
        (text) => el("td", { text }),
      ),
      el("td", {}, reading ? el("strong", { class: "p-reading", text: "our reading" }) : null, el("span", { text: row.note.replace(/^our reading: /, "") })),
    );
  };
  return scrolled("The paper’s costs and ours", columns, rows, line);
}

/** @param {QuotedRow[]} rows */
function otherTable(rows) {
  const columns = ["Model", "Method", "Paper", "Top-1, %", "Images/s", "Remark"];
  const line = (/** @type {QuotedRow} */ row) =>
    el(
      "tr",
      {},
      el("th", { scope: "row", text: row.backbone }),
      ...[row.method, shown(row.paper_gmacs, 2), shown(row.paper_top1, 2), shown(row.paper_images_per_second, 0), row.note].map((text) => el("td", { text })),
    );
  const node = scrolled("Other methods, quoted from the paper", columns, rows, line);
  node.prepend(
    el("h4", { class: "p-heading", text: "Other methods in these tables" }),
    el("p", { class: "p-note", text: "Quoted from the paper as it prints them. They are not rebuilt here, so nothing stands beside their figures." }),
  );
  return node;
}

/**
 * A table in a box of its own that scrolls, a group of rows for each of the paper's tables.
 * @template {{table: number}} T
 * @param {string} label @param {string[]} columns @param {T[]} rows @param {(row: T) => Node} line
 */
function scrolled(label, columns, rows, line) {
  const numbers = [...new Set(rows.map((row) => row.table))];
  const bodies = numbers.map((number) =>
    el(
      "tbody",
      {},
      el("tr", {}, el("th", { scope: "rowgroup", colspan: columns.length, text: titleOf(number) })),
      ...rows.filter((row) => row.table === number).map(line),
    ),
  );
  const table = el("table", { class: "p-table p-quoted" }, headOf(columns), ...bodies);
  return el("div", { class: "p-quote" }, scrollBox(label, table));
}
