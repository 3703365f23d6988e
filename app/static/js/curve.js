// Confidence against patches kept, for all methods; the cursor can be dragged, and moved with the arrow keys.

import { aboutAreas } from "./areas.js";
import { axes, roomFor } from "./axes.js";
import { setPercent } from "./controls.js";
import { el, put, svg, swatch, tint } from "./dom.js";
import { play } from "./play.js";
import { current, isCosine, keptCount, lineMethods, measured, pointsOf, sameAs, store, withUnit } from "./store.js";


/** @param {HTMLElement} root */
export const curve = (root) => {
  const title = el("h3", { class: "p-heading" });
  const chart = svg("svg", { class: "p-chart" });
  const legend = el("ul", { class: "p-legend" });
  const waiting = el("p", { class: "p-note" });
  const handle = el("div", {
    class: "p-handle",
    role: "slider",
    tabindex: 0,
    "aria-label": "Patches kept, on the curve",
    "aria-valuemin": 1,
    "aria-valuemax": 100,
  });
  const frame = el("div", { class: "p-frame" }, chart, handle);
  root.append(title, frame, legend, waiting);
  const areas = aboutAreas(root);

  let [width, height] = [600, 176];
  let scale = axes(width, height);

  const ground = svg("g", { class: "p-axes" });
  const lines = svg("g");
  const cursor = svg("line", { class: "p-cursor" });
  const [dots, marks] = [svg("g"), svg("g")];
  chart.append(ground, lines, marks, cursor, dots);
  chart.setAttribute("role", "img");

  new ResizeObserver(([{ contentRect }]) => {
    if (!contentRect.width || Math.abs(contentRect.width - width) < 1) return;
    width = contentRect.width;
    height = chart.clientHeight || height; // as the style has it for this window
    draw("answer");
  }).observe(frame);

  /** @param {import("./types").Answer} answer */
  function drawAxes({ full }) {
    const highest = Math.max(full.confidence, ...lineMethods().flatMap((method) => pointsOf(method).map((point) => point.high)));
    scale = axes(width, height, isCosine() ? 1 : roomFor(highest));
    chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
    ground.replaceChildren(...scale.frame(full.confidence, isCosine()));
  }

  /** @param {import("./types").Answer} answer */
  function drawLines({ patches }) {
    lines.replaceChildren(
      ...lineMethods().flatMap((method) => {
        const points = [...pointsOf(method)].sort((a, b) => a.k - b.k);
        if (!points.length) return [];
        const path = (/** @type {(p: import("./types").Point) => number} */ pick) => points.map((p) => `${scale.x(p.k / patches).toFixed(1)},${scale.y(pick(p)).toFixed(1)}`);
        const parts = [];
        if (method.draws > 1) {
          const around = [...path((p) => p.high), ...path((p) => p.low).reverse()];
          parts.push(svg("path", { class: `p-band ${tint(method.name)}`, d: `M${around.join("L")}Z` }));
        }
        const under = sameAs(method); // its line lies under this one: dashes show both
        parts.push(svg("path", { class: `p-curve ${tint(method.name)}${under ? " p-dashed" : ""}`, d: `M${path((p) => p.confidence).join("L")}` }));
        return parts;
      }),
    );
    const items = lineMethods().map((m) => el("li", {}, swatch(m.name), el("span", { text: legendText(m) })));
    const full = el("li", {}, el("span", { class: "p-dotted", "aria-hidden": "true" }));
    full.append(el("span", { text: isCosine() ? "unpruned 1" : `unpruned ${withUnit(store.answer.full.confidence)}` }));
    const marked = Object.keys(play.lost()).length > 0 && el("li", {}, el("span", { text: "×", "aria-hidden": "true" }), el("span", { text: "lost here" }));
    legend.replaceChildren(...items, full, ...(marked ? [marked] : []));
  }

  /** @param {import("./types").Answer} answer */
  function drawCursor({ patches }) {
    const kept = keptCount() / patches;
    for (const [name, value] of Object.entries(scale.cursor(kept))) cursor.setAttribute(name, String(value));
    const now = store.answer.methods
      .filter((m) => store.view.methods.includes(m.name) || m.name === "random")
      .map((method) => ({ method, ...current(method) }))
      .filter(({ point }) => point);
    dots.replaceChildren(
      ...now.map(({ method, point, exact }) =>
        svg("circle", {
          class: `p-dot ${tint(method.name)}${exact ? "" : " p-near"}`,
          cx: scale.x(point.k / patches),
          cy: scale.y(point.confidence),
          r: 4,
        }),
      ),
    );
    marks.replaceChildren(
      ...Object.entries(play.lost()).map(([name, point]) => {
        const [x, y] = [scale.x(point.k / patches), scale.y(point.confidence)];
        const title = svg("title", { text: `${store.answer.methods.find((m) => m.name === name).title} has lost it at ${point.k} patches` });
        return svg("path", { class: `p-lost-here ${tint(name)}`, d: `M${x - 5} ${y - 5}l10 10M${x + 5} ${y - 5}l-10 10` }, title);
      }),
    );
    handle.style.left = `${(100 * scale.x(kept)) / width}%`;
    handle.setAttribute("aria-valuenow", String(store.view.percent));
    const spoken = now.map(({ method, point }) => `${method.title} ${withUnit(point.confidence)}`);
    handle.setAttribute("aria-valuetext", `${store.view.percent} %: ${spoken.join(", ")}`);
  }

  /** @param {string} what */
  function draw(what) {
    const { answer } = store;
    if (!answer || what === "looks" || what === "status" || what === "pointed") return;
    put(title, `${measured()} by patches kept`);
    chart.setAttribute("aria-label", `${title.textContent}. The table beside it says the same in numbers.`);
    if (what !== "ratio") {
      drawAxes(answer);
      drawLines(answer);
      areas();
    }
    drawCursor(answer);
    const rough = lineMethods().some((m) => (m.order || m.sizes) && !m.complete);
    chart.dataset.lost = Object.keys(play.lost()).join(" ");
    put(waiting, rough ? "The curves are still coarse." : "");
  }

  const drag = (/** @type {PointerEvent} */ event) => {
    setPercent(Math.round(100 * scale.share(event.clientX - frame.getBoundingClientRect().left)));
  };
  let dragging = false;
  frame.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    dragging = true;
    frame.setPointerCapture(event.pointerId);
    handle.focus({ preventScroll: true });
    event.preventDefault();
    drag(event);
  });
  frame.addEventListener("pointermove", (event) => dragging && drag(event));
  for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, () => (dragging = false));
  handle.addEventListener("keydown", (event) => {
    const at = store.view.percent;
    const to = {
      ArrowLeft: at - 1,
      ArrowDown: at - 1,
      ArrowRight: at + 1,
      ArrowUp: at + 1,
      PageDown: at - 10,
      PageUp: at + 10,
      Home: 1,
      End: 100,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    setPercent(to);
  });
  return draw;
};

/** @param {import("./types").Method} method */
const legendText = (method) => (method.draws > 1 ? `${method.title} (mean and range of ${method.draws})` : method.title);
