// Cost: how many images a second, plain and pruned, measured on request.

import { el, headOf, put, reveal } from "./dom.js";
import { measuring } from "./measuring.js";
import { scrollBox } from "./scrolled.js";
import { percent } from "./words.js";

/** @typedef {Record<string, string | number>} Asked */
/** @typedef {import("./types").Measured} Measured */

/** @type {Record<string, string>} */
const MEASURED = { backbone: "Backbone alone", pair: "With the ConvNet’s pass", "end to end": "From JPEG file to answer" };

/** @param {Pick<import("./types").Given, "trigger" | "server">} given @param {() => Asked} question @param {() => boolean} nothingPruned */
export function speedPart(given, question, nothingPruned) {
  /** @type {{asked: Asked, found: Measured} | null} */
  let result = null;
  const work = measuring(given, {
    stream: "cost",
    event: "measure",
    where: "speed",
    title: "Measure images per second",
    label: "Progress of the measurement",
    stopped: "Stopped.",
    question,
    nothing: () => (nothingPruned() ? "Nothing is pruned: move a slider first" : ""),
    doing: (done, of) => (done ? `${done} of ${of} rounds` : "Warming up"),
    whole(/** @type {Measured} */ found, asked) {
      result = { asked, found };
      const first = found.rows[0];
      return `Measured: ${images(first.plain_images_per_second)} images a second plain, ${images(first.pruned_images_per_second)} pruned.`;
    },
  });
  const body = el("tbody");
  const columns = ["Measured", "Plain, images/s", "Pruned, images/s", "Speed-up", "Middle half", "By the counts"];
  const table = scrollBox(
    "Images per second, measured here",
    el("table", { class: "p-table" }, headOf(columns), body),
  );
  const note = el("p", { class: "p-note" });
  const node = el(
    "section",
    { class: "p-costs-part p-speed" },
    el("h3", { class: "p-heading", text: "Images per second on this machine" }),
    el("p", {
      class: "p-note",
      text:
        "Plain and pruned run in turn, in an order drawn anew each round, with random weights: speed does not depend on them, " +
        "and nothing is downloaded. It takes up to a minute; whoever uses this machine meanwhile slows both.",
    }),
    work.tools,
    work.says,
    table,
    note,
  );

  function draw() {
    work.draw();
    reveal(table, Boolean(result));
    reveal(note, Boolean(result));
    if (!result) return;
    const { found } = result;
    body.replaceChildren(
      ...found.rows.map((row) =>
        el(
          "tr",
          { "data-measured": row.measured },
          el("th", { scope: "row", text: MEASURED[row.measured] }),
          ...[
            images(row.plain_images_per_second),
            images(row.pruned_images_per_second),
            `${row.speedup.toFixed(2)} ×`,
            `${row.speedup_low.toFixed(2)} to ${row.speedup_high.toFixed(2)}`,
            row.promised === null ? "–" : `${row.promised.toFixed(2)} ×`,
          ].map((text) => el("td", { text })),
        ),
      ),
    );
    const [row] = found.rows;
    const reduced = found.reduction ? `, ${found.reduction}` : "";
    const old = JSON.stringify(result.asked) !== JSON.stringify(question()) ? "Of an earlier choice: " : "";
    const share = found.pixel_share === null ? "" : ` Its pixel operators take ${percent(found.pixel_share)} % of the plain model’s time; only they are pruned.`;
    put(
      note,
      `${old}${found.backbone} at ${Math.round(100 * row.keep)} %${reduced}, ${found.proposal ?? "no ConvNet"}, batch ${found.batch_size}, ` +
        `medians of ${row.n} rounds, ${found.dtype}, ${found.threads} ${found.threads === 1 ? "thread" : "threads"} of ${found.machine}, torch ${found.torch}.${share}`,
    );
  }
  draw();
  /** @param {Parameters<typeof work.take>[0]} payload */
  const take = (payload) => work.take(payload) && draw();
  return { node, draw, take };
}

const images = (/** @type {number} */ value) => value.toFixed(value < 100 ? 1 : 0);
