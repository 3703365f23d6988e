// Proposals: the picture on Compare as several ConvNets see it, a row each: map, and masks at two keep ratios. Masks and
// shares are made here from the order of the patches, so the sliders ask nothing.

import { whole } from "./address.js";
import { agreement, byChance, numKept } from "./counts.js";
import { el, inOrder, put, reveal } from "./dom.js";
import { draw } from "./draw.js";
import { links } from "./links.js";
import { term } from "./models.js";
import { pages } from "./pages.js";
import { pictureBar } from "./picture_bar.js";
import { place, say, write } from "./said.js";
import { saver } from "./saver.js";
import { headline } from "./sentence.js";
import { store } from "./store.js";
import { chosen, Stream } from "./stream.js";
import { eachFrame } from "./timing.js";
import { gmacs, inWords, listed, percent } from "./words.js";

/** @typedef {import("./types").Look} Look @typedef {import("./types").Given} Given */
/** @typedef {{convnets: string[], untrained: boolean, high: number, low: number}} Shown */
/** @typedef {{name: string, title: string, where: string, megabytes?: number}} Offered */

const UNTRAINED = "untrained:";
/** @type {Record<string, string>} */
const WHERE = { embedded: "embedded", local: "in the owner’s folder", cached: "on this machine" };

/** @type {Map<string, Look>} */
let rows = new Map(); // by name, all of one key
/** @type {string | null} */
let key = null; // of the picture and grid that they belong to
let requested = ""; // what was asked for last
let redraw = () => {};

class Proposals extends Stream {
  /** @type {Shown | null} */
  view = null;
  /** The names of the list in the rail, in its order, and their titles. @type {string[]} */
  order = [];
  /** @type {Map<string, string>} */
  titles = new Map();
  /** Tick the list's boxes as it is set. */
  boxes = () => {};

  /** @param {Partial<Shown>} change */
  set(change) {
    Object.assign(this.view, change);
    this.boxes();
    links.write();
    redraw();
  }
}

export const proposals = new Proposals("proposals");

const wanted = () => {
  const { convnets, untrained } = proposals.view;
  return [...convnets, ...(untrained ? convnets.map((name) => UNTRAINED + name) : [])];
};
const missing = () => wanted().filter((name) => !rows.has(name));
const ratios = () => [proposals.view.high, proposals.view.low];
const count = (/** @type {number} */ percent) => numKept(store.answer.patches, store.answer.prefix, percent / 100);

/** @param {Given} given */
export function mountProposals({ element, props, trigger, watch, server }) {
  proposals.connect({ trigger, server });
  const plain = props.value.view;
  open(plain);
  const root = element.querySelector(".papr-looks");
  const head = el("div");
  const bar = pictureBar(head, ["picture", "models"], ({ models }) => `the ConvNets; the patches are those of ${models.backbone.title}`);
  const above = el("section", { class: "p-section-verdict" });
  const verdict = verdictOf(headline(above, null, [stop, goOn]));
  const list = el("div", { class: "p-rows" });
  const end = saver({ png: "Figure (PNG)", pdf: "PDF", svg: "SVG" }, "proposals-save", save);
  proposals.saved = end.saved;
  root.append(above, head, list, end.node);
  /** @type {Map<string, ReturnType<typeof rowCard>>} */
  const cards = new Map();

  redraw = eachFrame(() => {
    if (pages.open !== "Proposals" || !store.answer || !draw.picture) return;
    ask();
    bar();
    inOrder(cards, list, wanted(), rowCard);
    for (const [name, card] of cards) card.show(rows.get(name));
    verdict();
    root.classList.toggle("p-old", !store.fresh);
  });
  store.onchange(redraw);
  watch("value", () => take(props.value.looks));
  if (ratios().join() !== [plain.high, plain.low].join()) trigger("sync");
  redraw();
}

/** The list of ConvNets, in the rail. @param {Given} given */
export async function mountConvnets({ element, server }) {
  const root = element.querySelector(".papr-convnets");
  const says = el("p", { class: "p-says", role: "alert" });
  place("proposals", says);
  root.append(el("h2", { class: "p-heading", text: "ConvNets" }), says);
  const offer = await server.offer("");
  if (!offer?.ok) return say("proposals", offer?.text ?? "The server did not answer. Reload the page.");
  /** @type {Offered[]} */
  const convnets = offer.convnets;
  const here = convnets.filter(({ where }) => where in WHERE);
  const away = convnets.filter(({ where }) => where === "download");
  const refused = convnets.filter(({ where }) => where === "refused");
  /** @type {Map<string, HTMLInputElement>} */
  const boxes = new Map();
  /** @param {HTMLInputElement} input @param {string} title @param {string} about */
  const check = (input, title, about) =>
    el("label", { class: "p-check" }, input, el("span", { text: title }), el("span", { class: "p-note", text: about }));
  /** @param {string} name @param {string} title @param {string} about */
  const box = (name, title, about) => {
    const input = el("input", { type: "checkbox", onchange: () => choose(name, input.checked) });
    boxes.set(name, input);
    return check(input, title, about);
  };
  /** @param {string} title @param {...Node} parts */
  const group = (title, ...parts) => {
    root.append(el("fieldset", { class: "p-group" }, el("legend", { text: title }), ...parts));
  };
  group("On this machine", ...here.map(({ name, title, where }) => box(name, title, WHERE[where])));
  if (away.length) {
    const size = (/** @type {Offered} */ { megabytes }) => (megabytes ? `downloads ${Math.round(megabytes)} MB` : "to be downloaded");
    group("Downloaded when chosen", ...away.map((one) => box(one.name, one.title, size(one))));
  }
  if (refused.length) {
    const text = `${listed(refused.map(({ title }) => title))}. This page fetches nothing; its owner can put weights into the folder of --weights-dir.`;
    group("Not on this machine", el("p", { class: "p-note", text }));
  }
  const twin = el("input", { type: "checkbox", onchange: () => proposals.set({ untrained: twin.checked }) });
  group("Control, not in the paper", check(twin, "Each also untrained", "random weights"));
  proposals.boxes = () => {
    boxes.forEach((input, name) => (input.checked = proposals.view.convnets.includes(name)));
    twin.checked = proposals.view.untrained;
  };
  proposals.order = [...boxes.keys()];
  proposals.titles = new Map(convnets.map(({ name, title }) => [name, title]));
  if (proposals.view) proposals.boxes();
}

/** @param {Shown} plain */
function open(plain) {
  proposals.view = { ...plain };
  const names = (/** @type {string} */ text) => {
    const found = text.split(",").filter((name) => name && name.length <= 200 && !name.includes(":"));
    return found.length && found.length <= 12 ? found : undefined;
  };
  links.join(proposals.view, plain, {
    convnets: ["convnets", names],
    untrained: ["untrained", (text) => /** @type {Record<string, boolean>} */ ({ true: true, false: false })[text]],
    "keep-high": ["high", whole(1, 100)],
    "keep-low": ["low", whole(1, 100)],
  });
  proposals.boxes();
}

/** @param {string} name @param {boolean} ticked */
function choose(name, ticked) {
  const now = proposals.view.convnets.filter((other) => other !== name);
  if (!ticked && !now.length) {
    say("proposals", "Keep at least one ConvNet.");
    return proposals.boxes();
  }
  say("proposals", "");
  const { order } = proposals;
  const next = ticked ? [...now, name].sort((a, b) => order.indexOf(a) - order.indexOf(b)) : now;
  proposals.stopped = false;
  if (ticked) {
    chosen.add(name);
    if (rows.get(name)?.refused) rows.delete(name); // a link named it, and it had to be downloaded
  }
  proposals.set({ convnets: next });
}

// --- asking ---------------------------------------------------------------------------------------------------------

const about = () => ({ picture: store.answer.picture.id, backbone: store.answer.models.backbone.name });

/** @param {string[]} convnets */
const question = (convnets) => ({ name: store.answer.picture.name, convnets, ...about() });

// Ask for the rows that are missing, once.
function ask() {
  if (!store.fresh) return;
  const now = JSON.stringify(about());
  if (now !== key) {
    [key, rows, requested] = [now, new Map(), ""];
    proposals.stopped = false;
  }
  const asks = JSON.stringify(missing());
  if (asks === "[]" || proposals.stopped || asks === requested) return;
  requested = asks;
  say("proposals", "");
  proposals.ask("look", () => question(missing()), "Looking");
}

function stop() {
  requested = "";
  proposals.stop();
  redraw();
}

function goOn() {
  proposals.stopped = false;
  redraw();
}

/** @param {import("./types").Looks | null} given */
function take(given) {
  const told = proposals.take(given);
  if (!told) return;
  if (told.error) {
    say(told.error.where, told.error.text);
    proposals.stopped = true; // not asked again until something changes
  } else if (JSON.stringify({ picture: told.picture, backbone: told.backbone }) === key) {
    // a row that is there already stays the same object, so what was made of it is not made again
    for (const row of told.rows) if (!rows.has(row.name)) rows.set(row.name, row);
    requested = JSON.stringify(missing());
    if (told.more) proposals.more("fetch", question(missing()));
  }
  redraw();
}

/** @param {string} kind */
function save(kind) {
  const found = wanted().filter((name) => rows.get(name)?.order);
  const keep = ratios().map((percent) => percent / 100);
  const { look, opacity, colours } = store.view;
  proposals.download(proposals.numbered({ ...question(found), keep, kind, look, opacity, colours }));
}

// --- where they agree -----------------------------------------------------------------------------------------------

const ordersOf = (/** @type {string[]} */ names) => names.map((name) => rows.get(name)?.order).filter(Boolean);

/** "Four ConvNets, from 0.5 to 4.7 million parameters,". @param {string[]} names */
function whoAgrees(names) {
  const sizes = names.map((name) => rows.get(name)).filter((row) => row?.order).map((row) => row.parameters);
  const ends = [...new Set([Math.min(...sizes), Math.max(...sizes)].map((count) => (count / 1e6).toFixed(1)))];
  const word = inWords(sizes.length);
  return `${word[0].toUpperCase()}${word.slice(1)} ConvNets, ${ends.length > 1 ? `from ${ends.join(" to ")}` : `of ${ends[0]}`} million parameters,`;
}

/** @param {ReturnType<typeof headline>} head */
function verdictOf(head) {
  const whole = (/** @type {number} */ share) => `${percent(share, 0)}\u00a0%`;
  return () => {
    head.work(proposals);
    const { patches, by_stage, notes } = store.answer;
    const { convnets } = proposals.view;
    const trained = ordersOf(convnets);
    const twins = ordersOf(convnets.map((name) => UNTRAINED + name));
    const each = ratios().map((percent) => ({ percent, k: count(percent) }));
    /** @type {import("./sentence.js").Parts} */
    const parts = [];
    /** @type {string[]} */
    const basis = [];
    if (trained.length > 1) {
      const shares = each.map(({ percent: p, k }) => `${whole(agreement(trained, k, patches).kept)} of the same patches at ${p}\u00a0%`);
      parts.push([false, `${whoAgrees(convnets)} keep `], [true, listed(shares)], [false, "."]);
      const alike = each.map(({ k }) => whole(agreement(trained, k, patches).alike));
      const chance = each.map(({ k }) => byChance(trained.length, k, patches));
      basis.push(
        `By chance it would be ${listed(chance.map((c) => whole(c.kept)))}. They decide alike on ${listed(alike)} of all patches; by chance on ${listed(chance.map((c) => whole(c.alike)))}.`,
      );
    } else if (trained.length && twins.length) {
      const share = each.map(({ percent: p, k }) => `${whole(agreement([trained[0], twins[0]], k, patches).kept)} at ${p}\u00a0%`);
      parts.push([false, "Untrained, this ConvNet keeps "], [true, listed(share)], [false, " of the same patches."]);
      basis.push(
        `By chance it would be ${listed(each.map(({ k }) => whole(byChance(2, k, patches).kept)))}: what goes beyond comes from how the network is built, not from what it has learned. Choose a second ConvNet to see where two agree.`,
      );
    } else if (trained.length) parts.push([false, "Choose a second ConvNet to see where two agree."]);
    basis.push(`${listed(each.map(({ k }) => String(k)))} of ${patches} patches kept.`);
    if (by_stage) basis.push(...notes.slice(0, 1)); // how its patches are taken
    head.write(parts, basis.join(" "));
    if (!proposals.working) head.speak();
  };
}

// --- a row ----------------------------------------------------------------------------------------------------------

/** @param {string} name */
function rowCard(name) {
  const id = `p-look-${name.replace(/\W+/g, "-")}`;
  const title = el("h3", { id });
  const facts = el("dl", { class: "p-foot" });
  const waiting = el("p", { class: "p-waiting" });
  const [map, ...masks] = ["map", "high", "low"].map(() => el("canvas", { role: "img" }));
  const picture = el("img", { alt: "The picture" });
  const captions = ["Picture", "Map", "", ""].map((text) => el("figcaption", { text }));
  const figures = [picture, map, ...masks].map((one, i) => el("figure", {}, one, captions[i]));
  const shown = el("div", { class: "p-columns" }, ...figures);
  const words = el("div", { class: "p-row-words" }, title, waiting, facts);
  const node = el("article", { class: "p-row", "aria-labelledby": id, "data-convnet": name }, words, shown);

  let refused = "";

  /** @param {Look} [row] */
  function show(row) {
    const plain = name.replace(UNTRAINED, "");
    const { stopped, working } = proposals;
    put(title, (row?.order && row.title) || (proposals.titles.get(plain) ?? plain));
    const why = row?.refused ?? "";
    if (why !== refused) write(waiting, why); // once: its fold may be open
    refused = why;
    if (!why) put(waiting, row ? "" : stopped ? "Stopped." : `${working ?? "Looking"} …`);
    reveal(waiting, !row?.order);
    reveal(shown, Boolean(row?.order));
    reveal(facts, Boolean(row?.order));
    if (!row?.order) return;
    if (picture.getAttribute("src") !== store.answer.picture.src) picture.src = store.answer.picture.src;
    draw.map(map, row, [row.low, row.high]);
    map.setAttribute("aria-label", `${row.title}: its map over the picture`);
    ratios().forEach((percent, i) => {
      const k = count(percent);
      draw.kept(masks[i], row.order.slice(0, k));
      masks[i].setAttribute("aria-label", `${row.title}: the ${k} patches that it keeps at ${percent} %`);
      put(captions[2 + i], `${percent} % kept`);
    });
    const lines = factsOf(name, row);
    const text = JSON.stringify(lines);
    if (facts.dataset.text === text) return;
    facts.dataset.text = text;
    facts.replaceChildren(...lines.map(term));
    for (const one of facts.querySelectorAll("dd")) one.title = one.textContent;
  }
  return { node, show };
}

/** @param {string} name @param {Look} row @returns {[string, string][]} */
function factsOf(name, row) {
  const control = name.startsWith(UNTRAINED);
  const first = proposals.view.convnets[0];
  const others = rows.get(first)?.order;
  const { patches } = store.answer;
  const shared = ratios().map((p) => `${percent(agreement([others ?? [], row.order], count(p), patches).kept, 0)}\u00a0%`);
  const weights = row.sha256 ? `${row.weights} (${row.sha256.slice(0, 8)})` : row.weights;
  /** @type {[string, string][]} */
  const lines = [
    ["GMACs", gmacs(row.gmacs)],
    ["Sees", `${row.size.join(" × ")} px`],
    ["Weights", control ? "random: a control" : weights],
  ];
  if (!control) lines.push(["Says", `“${row.label}”, ${percent(row.confidence)} %`]);
  if (name !== first && others) lines.push(["Shared with the first", shared.join(", ")]);
  if (row.low === row.high) lines.push(["Map", "constant: it ranks nothing"]);
  return lines;
}
