// Cost: what a configuration saves, in one direct call a change, its speed on this machine, measured on request, and what
// was measured before.

import { among, whole, words } from "./address.js";
import { cascadePart } from "./cascade.js";
import { el, headOf, put } from "./dom.js";
import { links } from "./links.js";
import { say } from "./said.js";
import { headline } from "./sentence.js";
import { speedPart } from "./speed.js";
import { speedMapPart } from "./speed_map.js";
import { store } from "./store.js";
import { paperTables } from "./tables.js";
import { oneAtATime } from "./timing.js";
import { gmacs, listed, percent } from "./words.js";

/** @typedef {import("./types").Cost} Cost */

export const costs = {
  /** @type {{backbone: string, proposal: string, percent: number, table: string, [word: string]: string | number} | null} */
  view: null,
  /** @type {Record<string, number | string[]>} the words of a reduction: their choices, or the most of a number */
  reduction: {},
  /** @type {Cost | null} the last answer */
  found: null,
  /** @type {(change: object) => void} */
  set() {},
  question() {
    const { backbone, proposal, percent: share } = costs.view;
    const said = Object.keys(costs.reduction).map((word) => [word, costs.view[word]]);
    return { backbone, proposal, keep: share / 100, ...Object.fromEntries(said) };
  },
  nothingPruned() {
    const amounts = Object.keys(costs.reduction).filter((word) => !Array.isArray(costs.reduction[word]));
    return costs.view.percent === 100 && !amounts.some((word) => costs.view[word]);
  },
};

/** @param {import("./types").Given} given */
export function mountCosts({ element, props, trigger, watch, server }) {
  const root = element.querySelector(".papr-costs");
  const { view: plain, reduction } = props.value;
  costs.reduction = reduction;
  const said = Object.entries(costs.reduction).map(([word, values]) => [word.replaceAll("_", "-"), [word, Array.isArray(values) ? among(values) : whole(0, values)]]);
  const { backbone, proposal, percent: share } = store.view; // what Compare shows, until something else is chosen
  const view = (costs.view = { ...plain, backbone, proposal, percent: share });
  links.join(view, plain, {
    "cost-backbone": ["backbone", words],
    "cost-proposal": ["proposal", (text) => (text === "" ? "" : words(text))],
    "cost-keep": ["percent", whole(1, 100)],
    ...Object.fromEntries(said),
    table: ["table", among(["all", ..."123456789"])],
  });
  const counts = countsPart();
  const speed = speedPart({ trigger, server }, costs.question, costs.nothingPruned);
  const worth = speedMapPart({ trigger, server }, costs.question, () => (view.proposal ? "" : "No ConvNet looks: choose one first"));
  const cascades = el("div", { class: "p-costs-part" });
  cascades.hidden = true;
  root.append(counts.node, speed.node, worth.node, cascades, paperTables(view, server));
  (async () => {
    const shipped = await server.shipped("");
    if (!shipped?.ok) return say("map", shipped?.text ?? "The server did not answer. Reload the page.");
    worth.ship(shipped.map);
    if (shipped.cascades) cascades.replaceWith(cascadePart(shipped.cascades));
  })();

  const ask = oneAtATime(async () => {
    const reply = await server.costs(JSON.stringify(costs.question()));
    say("cost", reply?.ok ? "" : (reply?.text ?? "The server did not answer. Move a slider to ask again."));
    if (reply?.ok) costs.found = reply;
    counts.draw(costs.found, Boolean(reply?.ok));
    speed.draw();
    worth.draw();
  });
  costs.set = (change) => {
    Object.assign(view, change);
    links.write();
    ask();
  };
  watch("value", () => {
    speed.take(props.value.measured);
    worth.take(props.value.mapped);
  });
  if (JSON.stringify(view) !== JSON.stringify(plain)) trigger("sync");
  ask();
}

/** 0.25 -> "25.0 % less" @param {number} share */
export const less = (share) => `${percent(Math.abs(share))}\u00a0% ${share < 0 ? "more" : "less"}`;

// What each part costs, as bars and in numbers.
function countsPart() {
  const node = el("section", { class: "p-costs-part" });
  const head = headline(node, null);
  head.write([[false, "Counting …"]], "");
  const rows = ["full", "proposal", "alone", "pruned"].map((name) => {
    const label = el("th", { scope: "row" });
    const bar = el("div", { class: `p-amount p-amount-${name}` });
    const [value, share] = [el("td", { class: "p-strong" }), el("td")];
    return { name, label, bar, value, share, node: el("tr", { "data-cost": name }, label, el("td", { class: "p-barcell" }, bar), value, share) };
  });
  const table = el(
    "table",
    { class: "p-fewest p-counts" },
    el("caption", { class: "p-hidden", text: "Billions of multiply-accumulates a picture" }),
    headOf(["What runs", "Bar", "GMACs", "Of the full backbone"], { class: "p-hidden" }),
    el("tbody", {}, ...rows.map((row) => row.node)),
  );
  node.append(table);

  /** @param {Cost | null} found @param {boolean} current */
  function draw(found, current) {
    node.classList.toggle("p-stale", !current);
    if (!found) return;
    const { gmacs_full: full, gmacs_backbone: alone, gmacs_proposal: looking, gmacs_pruned: pruned } = found;
    const parts = [];
    if (found.keep < 1) parts.push(`${Math.round(100 * found.keep)} % of its patches`);
    if (found.reduction) parts.push(found.reduction);
    const what = parts.length ? `${found.title} with ${listed(parts)}` : `${found.title}, nothing pruned,`;
    const saved = pruned === full ? "" : `, ${less(1 - pruned / full)}`;
    const notes = [
      `${found.kept} of ${found.patches} patches kept.`,
      found.about,
      "GMACs are billions of multiply-accumulates a picture, counted from the models’ own operators without running them: what the paper calls GFLOPs.",
    ];
    const costly = `${gmacs(pruned)} of ${gmacs(full)} GMACs${saved}`;
    head.write([[false, `${what} costs `], [true, costly], [false, "."]], notes.filter(Boolean).join(" "));
    /** @type {Record<string, number>} */
    const values = { full, proposal: looking, alone, pruned };
    /** @type {Record<string, string>} */
    const titles = {
      full: "The full backbone",
      proposal: looking ? "One pass of the ConvNet, without its classifier" : "No ConvNet looks",
      alone: "The backbone, pruned",
      pruned: "Together",
    };
    const most = Math.max(full, pruned);
    for (const { name, label, bar, value, share } of rows) {
      put(label, titles[name]);
      bar.style.width = `${(100 * values[name]) / most}%`;
      bar.style.marginLeft = name === "alone" ? `${(100 * looking) / most}%` : "0";
      put(value, gmacs(values[name]));
      put(share, `${percent(values[name] / full)} %`);
    }
    head.speak();
  }
  return { node, draw };
}
