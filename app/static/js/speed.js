// Cost: how many images a second, plain and pruned, measured on request.

import { button, el, put, reveal } from "./dom.js";
import { place, say } from "./said.js";
import { Stream } from "./stream.js";
import { percent } from "./words.js";

/** @typedef {Record<string, string | number>} Asked */
/** @typedef {import("./types").Measured} Measured */

/** @type {Record<string, string>} */
const MEASURED = { backbone: "Backbone alone", pair: "With the ConvNet’s pass", "end to end": "From JPEG file to answer" };

/** @param {Pick<import("./types").Given, "trigger" | "server">} given @param {() => Asked} question @param {() => boolean} nothingPruned */
export function speedPart(given, question, nothingPruned) {
  const stream = new Stream("cost");
  stream.connect(given);
  /** @type {{asked: Asked, found: Measured} | null} */
  let result = null;
  /** @type {Asked | null} while it is measured */
  let asked = null;
  const says = el("p", { class: "p-says", role: "alert" });
  place("speed", says);
  const start = button(null, "Measure images per second", measure);
  const stop = button("stop", "Stop", end, { class: "p-button p-small" });
  const bar = el("progress", { max: 1, "aria-label": "Progress of the measurement" });
  const doing = el("span");
  const working = el("p", { class: "p-working" }, bar, doing, stop);
  const status = el("p", { class: "p-note", role: "status" });
  const body = el("tbody");
  const columns = ["Measured", "Plain, images/s", "Pruned, images/s", "Speed-up", "Middle half", "By the counts"];
  const table = el(
    "div",
    { class: "p-scroll", tabindex: 0, role: "region", "aria-label": "Images per second, measured here" },
    el("table", { class: "p-table" }, el("thead", {}, el("tr", {}, ...columns.map((text) => el("th", { scope: "col", text })))), body),
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
    el("div", { class: "p-tools" }, start, working, status),
    says,
    table,
    note,
  );

  function measure() {
    asked = question();
    say("speed", "");
    put(status, "");
    progress("Waiting for the machine", null);
    stream.ask("measure", () => asked, "Waiting for the machine");
    draw();
  }
  function end() {
    stream.stop();
    asked = null;
    put(status, "Stopped.");
    draw();
  }
  /** @param {string} text @param {number | null} share */
  function progress(text, share) {
    put(doing, `${text} …`);
    if (share === null) bar.removeAttribute("value");
    else bar.value = share;
  }
  /** @param {import("./types").Told & {found?: Measured} | null} payload */
  function take(payload) {
    const told = asked && stream.take(payload);
    if (!told) return;
    if (told.progress) {
      const [done, of] = told.progress;
      progress(done ? `${done} of ${of} rounds` : "Warming up", done ? done / of : null);
      return;
    }
    if (told.error) say("speed", told.error.text);
    if (told.found) {
      result = { asked, found: told.found };
      const first = told.found.rows[0];
      put(status, `Measured: ${images(first.plain_images_per_second)} images a second plain, ${images(first.pruned_images_per_second)} pruned.`);
    }
    asked = null;
    draw();
  }

  function draw() {
    const nothing = nothingPruned();
    start.disabled = Boolean(asked) || nothing;
    start.title = nothing ? "Nothing is pruned: move a slider first" : "";
    reveal(working, Boolean(asked));
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
  return { node, draw, take };
}

const images = (/** @type {number} */ value) => value.toFixed(value < 100 ? 1 : 0);
