// Proposals: the picture on Compare as several ConvNets see it, a row each: map, and masks at two keep ratios. Masks and
// shares are made here from the order of the patches, so the sliders ask nothing.

const { el, store } = papr;
const { whole } = papr.links;
const UNTRAINED = "untrained:";
const WHERE = { embedded: "embedded", local: "in the owner’s folder", cached: "on this machine" };

let link = null; // {trigger, server} of the stage
let plain = null;
let seq = 0;
let rows = new Map(); // name -> row, all of one key
let key = null; // of the picture and grid that they belong to
let requested = ""; // what was asked for last
let working = null;
let stopped = false;
let redraw = () => {};

const view = () => papr.proposals.view;
const visitor = () => `${papr.ask.visitor} proposals`;
const wanted = () => [...view().convnets, ...(view().untrained ? view().convnets.map((name) => UNTRAINED + name) : [])];
const ratios = () => [view().high, view().low];
const count = (percent) => papr.numKept(store.answer.patches, store.answer.prefix, percent / 100);

papr.proposals = {
  view: null,

  mount({ element, props, trigger, watch, server }) {
    link = { trigger, server };
    open(props.value.view);
    const root = element.querySelector(".papr-looks");
    const head = el("div");
    const bar = papr.pictureBar(head, ["picture"], ({ models }) => `the ConvNets; the patches are those of ${models.backbone.title}`);
    const verdict = verdictPart();
    const list = el("div", { class: "p-rows" });
    const end = papr.saver({ png: "Figure (PNG)", pdf: "PDF", svg: "SVG" }, "proposals-save", save);
    papr.proposals.saved = end.saved;
    root.append(verdict.node, head, list, end.node);
    const cards = new Map();

    redraw = papr.eachFrame(() => {
      if (papr.pages.open !== "Proposals" || !store.answer || !papr.draw.picture) return;
      ask();
      bar();
      const names = wanted();
      for (const [name, card] of cards)
        if (!names.includes(name)) {
          card.node.remove();
          cards.delete(name);
        }
      names.forEach((name, i) => {
        if (!cards.has(name)) cards.set(name, rowCard(name));
        const card = cards.get(name);
        if (list.children[i] !== card.node) list.insertBefore(card.node, list.children[i] ?? null);
        card.draw(rows.get(name));
      });
      verdict.draw();
      root.classList.toggle("p-old", !store.fresh);
    });
    papr.onchange(redraw);
    watch("value", () => take(props.value.looks));
    if (ratios().join() !== [plain.high, plain.low].join()) trigger("sync");
    redraw();
  },

  // The list of ConvNets, in the rail.
  async list({ element, server }) {
    const root = element.querySelector(".papr-convnets");
    const says = el("p", { class: "p-says", role: "alert" });
    papr.place("proposals", says);
    root.append(el("h2", { class: "p-heading", text: "ConvNets" }), says);
    const offer = await server.offer("");
    if (!offer?.ok) return papr.say("proposals", offer?.text ?? "The server did not answer. Reload the page.");
    const here = offer.convnets.filter(({ where }) => where in WHERE);
    const away = offer.convnets.filter(({ where }) => where === "download");
    const refused = offer.convnets.filter(({ where }) => where === "refused");
    const boxes = new Map();
    const box = (name, title, about) => {
      const input = el("input", { type: "checkbox", onchange: () => choose(name, input.checked) });
      boxes.set(name, input);
      return el("label", { class: "p-check" }, input, el("span", { text: title }), el("span", { class: "p-note", text: about }));
    };
    const group = (title, ...parts) => el("fieldset", { class: "p-group" }, el("legend", { text: title }), ...parts);
    root.append(group("On this machine", ...here.map(({ name, title, where }) => box(name, title, WHERE[where]))));
    if (away.length) {
      const size = ({ megabytes }) => (megabytes ? `downloads ${Math.round(megabytes)} MB` : "to be downloaded");
      root.append(group("Downloaded when chosen", ...away.map((one) => box(one.name, one.title, size(one)))));
    }
    if (refused.length)
      root.append(
        group(
          "Not on this machine",
          el("p", { class: "p-note", text: `${papr.list(refused.map(({ title }) => title))}. This page fetches nothing; its owner can put weights into the folder of --weights-dir.` }),
        ),
      );
    const twin = el("input", { type: "checkbox", onchange: () => papr.proposals.set({ untrained: twin.checked }) });
    root.append(
      group(
        "Control, not in the paper",
        el("label", { class: "p-check" }, twin, el("span", { text: "Each also untrained" }), el("span", { class: "p-note", text: "random weights" })),
      ),
    );
    papr.proposals.boxes = () => {
      boxes.forEach((input, name) => (input.checked = view().convnets.includes(name)));
      twin.checked = view().untrained;
    };
    papr.proposals.order = [...boxes.keys()];
    papr.proposals.titles = new Map(offer.convnets.map(({ name, title }) => [name, title]));
    if (view()) papr.proposals.boxes();
  },

  boxes() {},
  order: [],
  titles: new Map(),

  set(change) {
    Object.assign(view(), change);
    papr.proposals.boxes();
    papr.links.write();
    redraw();
  },
};

function open(shown) {
  plain = shown;
  papr.proposals.view = { ...shown };
  const names = (text) => {
    const found = text.split(",").filter((name) => name && name.length <= 200 && !name.includes(":"));
    return found.length && found.length <= 12 ? found : undefined;
  };
  papr.links.join(view(), plain, {
    convnets: ["convnets", names],
    untrained: ["untrained", (text) => ({ true: true, false: false })[text]],
    "keep-high": ["high", whole(1, 100)],
    "keep-low": ["low", whole(1, 100)],
  });
  papr.proposals.boxes();
}

function choose(name, chosen) {
  const now = view().convnets.filter((other) => other !== name);
  if (!chosen && !now.length) {
    papr.say("proposals", "Keep at least one ConvNet.");
    return papr.proposals.boxes();
  }
  papr.say("proposals", "");
  const order = papr.proposals.order;
  const next = chosen ? [...now, name].sort((a, b) => order.indexOf(a) - order.indexOf(b)) : now;
  stopped = false;
  papr.proposals.set({ convnets: next });
}

// --- asking ---------------------------------------------------------------------------------------------------------

const about = () => ({ picture: store.answer.picture.id, backbone: store.answer.models.backbone.name });

const question = (convnets) => ({ visitor: visitor(), seq, name: store.answer.picture.name, convnets, ...about() });

// Ask for the rows that are missing, once.
function ask() {
  if (!store.fresh) return;
  const now = JSON.stringify(about());
  if (now !== key) {
    [key, rows, stopped, requested] = [now, new Map(), false, ""];
  }
  const missing = wanted().filter((name) => !rows.has(name));
  const asks = JSON.stringify(missing);
  if (!missing.length || stopped || asks === requested) return;
  requested = asks;
  papr.say("proposals", "");
  seq += 1;
  link.server.newest(JSON.stringify({ visitor: visitor(), seq }));
  working = "Looking";
  link.trigger("look", question(missing));
}

function stop() {
  seq += 1;
  link.server.newest(JSON.stringify({ visitor: visitor(), seq }));
  [working, stopped, requested] = [null, true, ""];
  redraw();
}

function take(told) {
  if (!told || told.seq < seq) return;
  working = told.working ?? null;
  if (told.error) {
    papr.say(told.error.where, told.error.text);
    stopped = true; // not asked again until something changes
  } else if (JSON.stringify({ picture: told.picture, backbone: told.backbone }) === key) {
    // a row that is there already stays the same object, so what was made of it is not made again
    for (const row of told.rows) if (!rows.has(row.name)) rows.set(row.name, JSON.parse(JSON.stringify(row)));
    requested = JSON.stringify(wanted().filter((name) => !rows.has(name)));
    if (told.more) link.trigger("fetch", question(JSON.parse(requested)));
  }
  redraw();
}

function save(kind) {
  link.trigger("save", { ...question(wanted().filter((name) => rows.get(name)?.order)), keep: ratios().map((percent) => percent / 100), kind });
}

// --- where they agree -----------------------------------------------------------------------------------------------

// Of rows, at k patches: the share of all patches on which all decide alike, and of k that all keep (agreement.py).
papr.agreement = (orders, k, patches) => {
  const votes = new Array(patches).fill(0);
  for (const order of orders) for (const patch of order.slice(0, k)) votes[patch] += 1;
  const common = votes.filter((n) => n === orders.length).length;
  return { alike: (common + votes.filter((n) => n === 0).length) / patches, kept: common / k };
};

// What chance alone would give: each of n keeps k of all patches at random.
papr.byChance = (n, k, patches) => ({ alike: (k / patches) ** n + (1 - k / patches) ** n, kept: (k / patches) ** (n - 1) });

const COUNTS = ["No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten"];

// "Four ConvNets, from 0.5 to 4.7 million parameters,"
function whoAgrees() {
  const sizes = view().convnets.map((name) => rows.get(name)).filter((row) => row?.order).map((row) => row.parameters);
  const millions = (count) => (count / 1e6).toFixed(1);
  const ends = [...new Set([Math.min(...sizes), Math.max(...sizes)].map(millions))];
  const how = ends.length > 1 ? `from ${ends.join(" to ")}` : `of ${ends[0]}`;
  return `${COUNTS[sizes.length] ?? sizes.length} ConvNets, ${how} million parameters,`;
}

const ordersOf = (names) => names.map((name) => rows.get(name)?.order).filter(Boolean);

function verdictPart() {
  const sentence = el("h2", { class: "p-verdict" });
  const basis = el("p", { class: "p-basis" });
  const doing = el("span");
  const halt = papr.button("stop", "Stop", stop, { class: "p-button p-small" });
  const goOn = papr.button(null, "Continue", () => ((stopped = false), redraw()), { class: "p-button p-small" });
  const line = el("p", { class: "p-working" }, el("progress", { max: 1, "aria-label": "Progress" }), doing, halt, goOn);
  const spoken = el("p", { class: "p-hidden", role: "status" });
  const speak = papr.debounce(() => papr.put(spoken, `${sentence.textContent} ${basis.textContent}`), 700);
  const node = el("section", { class: "p-section-verdict" }, sentence, basis, line, spoken);
  const percent = (share) => `${papr.percent(share, 0)}\u00a0%`;

  function draw() {
    const busy = Boolean(working);
    line.style.visibility = busy || stopped ? "visible" : "hidden";
    papr.show(line.querySelector("progress"), busy);
    papr.show(halt, busy);
    papr.show(goOn, stopped);
    papr.put(doing, busy ? `${working} …` : stopped ? "Stopped. What was computed stays." : "");
    const { patches } = store.answer;
    const trained = ordersOf(view().convnets);
    const twins = ordersOf(view().convnets.map((name) => UNTRAINED + name));
    const each = ratios().map((percent) => ({ percent, k: count(percent) }));
    const parts = [];
    const notes = [];
    if (trained.length > 1) {
      const shares = each.map(({ percent: p, k }) => `${percent(papr.agreement(trained, k, patches).kept)} of the same patches at ${p}\u00a0%`);
      parts.push([false, `${whoAgrees()} keep `], [true, papr.list(shares)], [false, "."]);
      const alike = each.map(({ k }) => percent(papr.agreement(trained, k, patches).alike));
      const chance = each.map(({ k }) => papr.byChance(trained.length, k, patches));
      notes.push(
        `By chance it would be ${papr.list(chance.map((c) => percent(c.kept)))}. They decide alike on ${papr.list(alike)} of all patches; by chance on ${papr.list(chance.map((c) => percent(c.alike)))}.`,
      );
    } else if (trained.length && twins.length) {
      const share = each.map(({ percent: p, k }) => `${percent(papr.agreement([trained[0], twins[0]], k, patches).kept)} at ${p}\u00a0%`);
      parts.push([false, "Untrained, this ConvNet keeps "], [true, papr.list(share)], [false, " of the same patches."]);
      notes.push(
        `By chance it would be ${papr.list(each.map(({ k }) => percent(papr.byChance(2, k, patches).kept)))}: what goes beyond comes from how the network is built, not from what it has learned. Choose a second ConvNet to see where two agree.`,
      );
    } else if (trained.length) parts.push([false, "Choose a second ConvNet to see where two agree."]);
    const text = parts.map(([, words]) => words).join("");
    if (sentence.textContent !== text) sentence.replaceChildren(...parts.map(([strong, words]) => el(strong ? "strong" : "span", { text: words })));
    notes.push(`${papr.list(each.map(({ k }) => String(k)))} of ${patches} patches kept.`);
    const grid = store.answer.by_stage ? store.answer.notes.slice(0, 1) : []; // how its patches are taken
    papr.put(basis, [...notes, ...grid].join(" "));
    if (!busy) speak();
  }
  return { node, draw };
}

// --- a row ----------------------------------------------------------------------------------------------------------

function rowCard(name) {
  const id = `p-look-${name.replace(/\W+/g, "-")}`;
  const title = el("h3", { id });
  const facts = el("dl", { class: "p-foot" });
  const waiting = el("p", { class: "p-waiting" });
  const [map, ...masks] = ["map", "high", "low"].map(() => el("canvas", { role: "img" }));
  const picture = el("img", { alt: "The picture" });
  const captions = ["Picture", "Map"].map((text) => el("figcaption", { text })).concat([el("figcaption"), el("figcaption")]);
  const figures = [picture, map, ...masks].map((one, i) => el("figure", {}, one, captions[i]));
  const shown = el("div", { class: "p-columns" }, ...figures);
  const node = el("article", { class: "p-row", "aria-labelledby": id, "data-convnet": name }, el("div", { class: "p-row-words" }, title, waiting, facts), shown);

  function draw(row) {
    const control = name.startsWith(UNTRAINED);
    const plain = name.replace(UNTRAINED, "");
    papr.put(title, (row?.order && row.title) || (papr.proposals.titles.get(plain) ?? plain));
    papr.put(waiting, row?.refused ?? (row ? "" : stopped ? "Stopped." : `${working ?? "Looking"} …`));
    papr.show(waiting, !row?.order);
    papr.show(shown, Boolean(row?.order));
    papr.show(facts, Boolean(row?.order));
    if (!row?.order) return;
    if (picture.getAttribute("src") !== store.answer.picture.src) picture.src = store.answer.picture.src;
    papr.draw.map(map, row, [row.low, row.high]);
    map.setAttribute("aria-label", `${row.title}: its map over the picture`);
    ratios().forEach((percent, i) => {
      const k = count(percent);
      papr.draw.kept(masks[i], row.order.slice(0, k));
      masks[i].setAttribute("aria-label", `${row.title}: the ${k} patches that it keeps at ${percent} %`);
      papr.put(captions[2 + i], `${percent} % kept`);
    });
    const first = view().convnets[0];
    const others = rows.get(first)?.order;
    const together = ratios().map((percent) => papr.percent(papr.agreement([others ?? [], row.order], count(percent), store.answer.patches).kept, 0));
    const lines = [
      ["GMACs", papr.gmacs(row.gmacs)],
      ["Sees", `${row.size.join(" × ")} px`],
      ["Weights", control ? "random: a control" : row.sha256 ? `${row.weights} (${row.sha256.slice(0, 8)})` : row.weights],
      control ? null : ["Says", `“${row.label}”, ${papr.percent(row.confidence)} %`],
      name === first || !others ? null : ["Shared with the first", together.map((share) => `${share}\u00a0%`).join(", ")],
      row.low === row.high ? ["Map", "constant: it ranks nothing"] : null,
    ].filter(Boolean);
    const text = JSON.stringify(lines);
    if (facts.dataset.text === text) return;
    facts.dataset.text = text;
    facts.replaceChildren(...lines.map(([term, words]) => el("div", {}, el("dt", { text: term }), el("dd", { text: words, title: words }))));
  }
  return { node, draw };
}
