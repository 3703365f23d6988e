// Learn's seven steps: each a picture that can be moved. `lesson` holds the ConvNet's features (app/parts/lesson.py); all
// else comes from Compare's answer, and the keep ratio is the one of Compare.

import * as cells from "./cells.js";
import { setPercent } from "./controls.js";
import { dark, el, put, svg } from "./dom.js";
import { draw } from "./draw.js";
import { eachCell, rangeOf } from "./maps.js";
import { answerList } from "./numbers.js";
import { slider } from "./range.js";
import { savings, spending } from "./saving.js";
import { keptCount, labelOf, methodOf, pointAt, store } from "./store.js";
import { gmacs, percent } from "./words.js";

const ratio = () => slider("Patches kept, %", { min: 1, max: 100, value: 40, oninput: setPercent });
const canvas = (/** @type {string} */ label) => el("canvas", { role: "img", "aria-label": label });
const caption = () => el("p", { class: "p-note p-caption", role: "status" });
const figure = (/** @type {Node[]} */ ...parts) => el("div", { class: "p-show" }, ...parts);
const papers = () => methodOf("papr");
const aspect = () => store.answer.grid[1] / store.answer.grid[0];
const times = (/** @type {[number, number]} */ [rows, columns]) => `${rows} × ${columns}`;

/** @typedef {import("./types").Lesson | null} Now  null until the features are here */

/** Each takes where it draws, and gives draw(lesson). @type {Record<string, (root: Element) => (now: Now) => void>} */
export const steps = {
  features(root) {
    let [channel, step] = [0, 0];
    /** @type {Now} */
    let lesson = null;
    const one = canvas("One channel of the ConvNet’s features, over the picture");
    const mean = canvas("The mean of the first channels, over the picture");
    const [which, many] = [caption(), caption()];
    const channels = slider("Channel", { max: 23, value: 0, oninput: (v) => ((channel = v), redraw()) });
    const counts = slider("Channels in the mean", { max: 1, value: 0, oninput: (v) => ((step = v), redraw()) });
    root.append(figure(one, channels, which), figure(mean, counts, many));

    function redraw() {
      if (!lesson || !draw.picture) return;
      cells.drawMap(cells.open(one, aspect()), lesson.maps[channel], lesson.size);
      cells.drawMap(cells.open(mean, aspect()), lesson.means[step], lesson.size);
      put(which, `Channel ${lesson.shown[channel] + 1} of ${lesson.channels}, of the ${lesson.shown.length} that vary most`);
      const n = lesson.steps[step];
      put(many, n === lesson.channels ? `The mean of all ${n} channels: this is PaPr’s map` : `The mean of the first ${n} of ${lesson.channels} channels`);
    }
    return (now) => {
      if (now && now !== lesson) {
        channel = 0;
        step = now.steps.findIndex((n) => n >= 4);
        Object.assign(channels.input, { max: now.shown.length - 1, value: channel });
        counts.input.max = String(now.steps.length - 1);
        counts.input.value = String(step);
      }
      lesson = now;
      redraw();
    };
  },

  mean(root) {
    let place = 0;
    /** @type {Now} */
    let lesson = null;
    const map = canvas("PaPr’s map, a number a place");
    const spread = svg("svg", { class: "p-spread-chart", viewBox: "0 0 300 150", role: "img" });
    const says = caption();
    const places = slider("Place", { max: 1, value: 0, oninput: (v) => ((place = v), redraw()) });
    map.addEventListener("click", (event) => {
      if (!lesson) return;
      const [rows, columns] = lesson.size;
      const box = map.getBoundingClientRect();
      const column = Math.min(columns - 1, Math.floor((columns * (event.clientX - box.left)) / box.width));
      const row = Math.min(rows - 1, Math.floor((rows * (event.clientY - box.top)) / box.height));
      places.input.value = String(place = row * columns + column);
      redraw();
    });
    root.append(figure(map, places), figure(spread, says));

    function redraw() {
      if (!lesson || !draw.picture) return;
      const values = lesson.means[lesson.means.length - 1];
      const surface = cells.open(map, aspect());
      cells.drawMap(surface, values, lesson.size);
      const { at, width, height, scale } = surface;
      let chosen = [0, 0, 0, 0];
      eachCell(lesson.size, width, height, (i, x, y, w, h) => {
        const size = Math.min(13 * scale, w / 3.2);
        if (size > 6 * scale) cells.text(at, values[i].toFixed(2), x + w / 2, y + h / 2, size, { weight: i === place ? 600 : 500 });
        if (i === place) chosen = [x, y, w, h];
      });
      const [x, y, w, h] = chosen;
      cells.frame(at, x, y, w, h, 2 * scale);
      drawSpread(spread, lesson.quantiles[place], values[place]);
      const [row, column] = [Math.floor(place / lesson.size[1]), place % lesson.size[1]];
      const shown = lesson.quantiles[place];
      put(
        says,
        `Row ${row + 1}, column ${column + 1}: ${lesson.channels} values from ${number(shown[0])} to ${number(shown[shown.length - 1])}, ` +
          `and their mean, ${number(values[place])}`,
      );
    }
    return (now) => {
      if (now && now !== lesson) {
        const values = now.means[now.means.length - 1];
        place = values.indexOf(Math.max(...values));
        places.input.max = String(values.length - 1);
        places.input.value = String(place);
      }
      lesson = now;
      redraw();
    };
  },

  stretch(root) {
    let line = 50;
    /** @type {Now} */
    let lesson = null;
    const picture = canvas("Left of the line the ConvNet’s map, right of it each patch’s significance");
    const says = caption();
    const divider = slider("The line", { max: 100, value: line, oninput: (v) => ((line = v), redraw()) });
    picture.addEventListener("pointerdown", (event) => {
      if (event.isPrimary && event.button === 0) {
        picture.setPointerCapture(event.pointerId);
        pull(event);
      }
    });
    picture.addEventListener("pointermove", (event) => picture.hasPointerCapture(event.pointerId) && pull(event));
    root.append(figure(picture, divider, says));

    /** The line comes to the pointer. @param {PointerEvent} event */
    function pull({ clientX }) {
      const { left, width } = picture.getBoundingClientRect();
      line = Math.max(0, Math.min(100, Math.round((100 * (clientX - left)) / width)));
      divider.input.value = String(line);
      redraw();
    }

    function redraw() {
      const ranked = papers();
      if (!lesson || !ranked?.map || !draw.picture) return;
      const surface = cells.open(picture, aspect());
      const { at, width, height, scale } = surface;
      const x = Math.round((line * width) / 100);
      const range = rangeOf([...ranked.map, ...lesson.means[lesson.means.length - 1]]);
      cells.drawMap(surface, lesson.means[lesson.means.length - 1], lesson.size, { range, clip: [0, 0, x, height] });
      cells.drawMap(surface, ranked.map, store.answer.grid, { range, clip: [x, 0, width - x, height] });
      at.fillStyle = "#fff";
      at.fillRect(x - scale, 0, 2 * scale, height);
      at.beginPath(); // a knob, for it can be pulled
      at.arc(Math.max(13 * scale, Math.min(width - 13 * scale, x)), height / 2, 13 * scale, 0, 2 * Math.PI);
      at.fill();
      cells.text(at, "↔", Math.max(13 * scale, Math.min(width - 13 * scale, x)), height / 2, 16 * scale, { ink: "#17181a" });
      put(says, `Left ${times(lesson.size)} values, right ${times(store.answer.grid)} patches`);
    }
    return (now) => {
      lesson = now;
      redraw();
    };
  },

  rank(root) {
    const picture = canvas("The patches with their ranks; those that stay are filled in");
    const says = caption();
    const share = ratio();
    root.append(figure(picture, share, says));
    return () => {
      const order = papers()?.order;
      if (!order || !draw.picture) return;
      const k = keptCount();
      share.input.value = String(store.view.percent);
      /** @type {number[]} */
      const rank = [];
      order.forEach((patch, i) => (rank[patch] = i + 1));
      const surface = cells.open(picture, aspect());
      const { at, width, height, scale } = surface;
      at.drawImage(draw.picture, 0, 0, width, height);
      const accent = getComputedStyle(document.body).getPropertyValue("--p-accent");
      eachCell(store.answer.grid, width, height, (i, x, y, w, h) => {
        const kept = rank[i] <= k;
        at.globalAlpha = kept ? 0.62 : 0.72;
        at.fillStyle = kept ? accent : dark() ? "#16181c" : "#f4f4f1";
        at.fillRect(x, y, w - scale, h - scale);
        at.globalAlpha = 1;
        const size = Math.min(12 * scale, w / 2.3);
        if (size < 6 * scale) return;
        const quiet = { weight: 400, ink: dark() ? "#c9ccd3" : "#4a4d54" };
        cells.text(at, rank[i], x + w / 2, y + h / 2, size, kept ? {} : quiet);
      });
      put(says, `z = ${store.view.percent} %: the ${k} most significant of ${store.answer.patches} patches stay`);
    };
  },

  drop(root) {
    const picture = canvas("The picture without the dropped patches");
    const before = canvas("The sequence of tokens before: one a patch");
    const after = canvas("The sequence of tokens after: the kept patches only");
    const [long, short, says] = [caption(), caption(), caption()];
    const share = ratio();
    root.append(figure(picture, share, says), figure(long, before, short, after));
    return () => {
      const order = papers()?.order;
      if (!order || !draw.picture) return;
      const { patches, prefix } = store.answer;
      const k = keptCount();
      share.input.value = String(store.view.percent);
      const kept = order.slice(0, k).sort((a, b) => a - b);
      draw.kept(picture, kept);
      tokens(before, [...Array(patches).keys()]);
      tokens(after, kept);
      const extra = prefix ? `, ${prefix} of them the model’s own` : "";
      put(long, `Before: ${patches + prefix} tokens${extra}`);
      put(short, `After: ${k + prefix} tokens`);
      const part = ((k + prefix) / (patches + prefix)) ** 2;
      put(says, `${((k + prefix) ** 2).toLocaleString("en")} comparisons in each attention instead of ${((patches + prefix) ** 2).toLocaleString("en")} (${percent(part)} %)`);
    };
  },

  answer(root) {
    const share = ratio();
    const [all, some] = [answerList(3), answerList(3)];
    const says = caption();
    root.append(el("div", { class: "p-answers" }, all.node, some.node), share, says);
    return () => {
      const method = papers();
      if (!method?.order) return;
      const { answer } = store;
      const k = keptCount();
      share.input.value = String(store.view.percent);
      const found = pointAt(method, k);
      const best = labelOf(answer.full.index);
      const named = (/** @type {[number, number][]} */ top) =>
        top.map(([index, p]) => /** @type {[string, number]} */ ([labelOf(index), p]));
      all.draw(`All ${answer.patches} patches`, named(answer.full.top), best, null);
      some.draw(`${k} patches`, named(found?.point.top ?? []), best, found && (found.point.kept ? "kept" : "lost"));
      const near = found && !found.exact ? ` These numbers are those at ${found.point.k} patches; the ones for ${k} are computed when the slider rests.` : "";
      put(
        says,
        found
          ? `Confidence on “${answer.target.label}”: ${percent(answer.full.confidence)} % with all patches, ${percent(found.point.confidence)} % with ${found.point.k}.${near}`
          : "Computing …",
      );
    };
  },

  saved(root) {
    const share = ratio();
    const bars = ["All patches", "The ConvNet", "The kept patches"].map((name) => {
      const [filled, value] = [el("div", { class: "p-filled" }), el("span", { class: "p-where" })];
      const node = el("li", {}, el("span", { class: "p-label", text: name }), value, el("div", { class: "p-bar" }, filled));
      return { node, filled, value };
    });
    const says = el("p", { class: "p-found", role: "status" });
    root.append(el("ol", { class: "p-cost-bars", "aria-label": "Billions of multiply-accumulates" }, ...bars.map((bar) => bar.node)), share, says);
    return () => {
      share.input.value = String(store.view.percent);
      const spent = spending();
      if (!spent) return put(says, "The costs are counted when the models have answered …");
      [spent.full, spent.proposal, spent.pruned].forEach((value, i) => {
        bars[i].filled.style.width = `${Math.min(100, (100 * value) / spent.full)}%`;
        put(bars[i].value, `${gmacs(value)} billion`);
      });
      const measured = spent.times ? "" : " How fast it is here is measured when the slider rests.";
      put(says, `${savings()}${measured}`);
    };
  },
};

const number = (/** @type {number} */ value) => (Math.abs(value) < 0.005 ? "0.00" : value.toFixed(2));

/** The sorted values at a place as a line, and their mean across it. @param {SVGSVGElement} root @param {number[]} quantiles @param {number} mean */
function drawSpread(root, quantiles, mean) {
  const [low, high] = [Math.min(0, quantiles[0]), Math.max(...quantiles)];
  const x = (/** @type {number} */ i) => 40 + (i * 250) / (quantiles.length - 1);
  const y = (/** @type {number} */ value) => 120 - (105 * (value - low)) / (high - low || 1);
  const text = (/** @type {string} */ words, /** @type {object} */ at) => svg("text", { ...at, text: words });
  root.setAttribute("aria-label", `The channels’ values at this place, sorted, from ${number(quantiles[0])} to ${number(high)}; their mean is ${number(mean)}.`);
  root.replaceChildren(
    svg("line", { class: "p-gridline", x1: 40, x2: 290, y1: y(0), y2: y(0) }),
    svg("path", { class: "p-curve p-papr", d: `M${quantiles.map((value, i) => `${x(i)},${y(value)}`).join("L")}` }),
    svg("line", { class: "p-full", x1: 40, x2: 290, y1: y(mean), y2: y(mean) }),
    text(number(high), { x: 34, y: y(high) + 4, "text-anchor": "end" }),
    text("0", { x: 34, y: y(0) + 4, "text-anchor": "end" }),
    text("mean", { x: 44, y: y(mean) - 5 }),
    text("the channels, from low to high", { x: 165, y: 143, "text-anchor": "middle" }),
  );
}

/** Tokens as they stand in the sequence: each patch's own pixels; the model's own tokens are plain squares. @param {HTMLCanvasElement} node @param {number[]} patches */
function tokens(node, patches) {
  const { grid, patches: all, prefix } = store.answer;
  const [rows, columns] = grid;
  const count = all + prefix;
  const across = Math.max(16, Math.ceil(Math.sqrt(count * 3)));
  const down = Math.ceil((patches.length + prefix) / across);
  const { at, width, height, scale } = cells.open(node, across / down);
  const { picture } = draw;
  const [w, h] = [picture.naturalWidth / columns, picture.naturalHeight / rows];
  const accent = getComputedStyle(document.body).getPropertyValue("--p-accent");
  eachCell([down, across], width, height, (i, x, y, side, tall) => {
    const patch = patches[i - prefix];
    if (i < prefix) {
      at.fillStyle = accent;
      at.fillRect(x, y, side - scale, tall - scale);
    } else if (patch !== undefined)
      at.drawImage(picture, (patch % columns) * w, Math.floor(patch / columns) * h, w, h, x, y, side - scale, tall - scale);
  });
}
