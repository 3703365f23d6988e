// A small chart: lines with bands over a share from 0 to 1, values from 0 to 1, and a cursor. Learn's experiments and
// evidence, and Cost, draw with it; the curve of Compare is its own.

const { el, svg } = papr;
const MARGIN = { left: 34, right: 12, top: 10, bottom: 24 };

// lines: [{name, title, points: [[x, y, low?, high?], ...], dashed?}]; level: a dotted line, or null.
papr.chart = (label, height = 200) => {
  const root = svg("svg", { class: "p-chart", role: "img", "aria-label": label });
  root.style.height = `${height}px`;
  const legend = el("ul", { class: "p-legend" });
  const node = el("div", { class: "p-charted" }, root, legend);
  let shown = { lines: [], level: null, cursor: null };
  let width = 0;

  new ResizeObserver(([{ contentRect }]) => {
    if (!contentRect.width || Math.abs(contentRect.width - width) < 1) return;
    width = contentRect.width;
    draw();
  }).observe(node);

  function draw() {
    if (!width) return;
    const { lines, level, cursor, marks } = shown;
    const x = (share) => MARGIN.left + share * (width - MARGIN.left - MARGIN.right);
    const y = (value) => height - MARGIN.bottom - value * (height - MARGIN.top - MARGIN.bottom);
    const path = (points) => points.map(([px, py]) => `${x(px).toFixed(1)},${y(py).toFixed(1)}`).join("L");
    root.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const parts = [];
    for (const share of [0, 0.25, 0.5, 0.75, 1])
      parts.push(
        svg("line", { class: "p-gridline", x1: x(0), x2: x(1), y1: y(share), y2: y(share) }),
        svg("text", { x: MARGIN.left - 8, y: y(share) + 4, "text-anchor": "end", text: `${100 * share}` }),
        svg("text", {
          x: x(share),
          y: height - 6,
          "text-anchor": share === 1 ? "end" : share ? "middle" : "start",
          text: `${100 * share} %`,
        }),
      );
    if (level !== null) parts.push(svg("line", { class: "p-full", x1: x(0), x2: x(1), y1: y(level), y2: y(level) }));
    for (const { name, points } of lines) {
      const banded = points.filter((p) => p.length > 2);
      if (banded.length > 1) {
        const around = [...banded.map((p) => [p[0], p[3]]), ...banded.map((p) => [p[0], p[2]]).reverse()];
        parts.push(svg("path", { class: `p-band ${papr.tint(name)}`, d: `M${path(around)}Z` }));
      }
      if (points.length) parts.push(svg("path", { class: `p-curve ${papr.tint(name)}`, d: `M${path(points)}` }));
      if (marks)
        for (const [px, py] of points)
          parts.push(svg("circle", { class: `p-dot ${papr.tint(name)}`, cx: x(px), cy: y(py), r: 2.5 }));
    }
    if (cursor !== null)
      parts.push(svg("line", { class: "p-cursor", x1: x(cursor), x2: x(cursor), y1: MARGIN.top, y2: y(0) }));
    root.replaceChildren(...parts);
    legend.replaceChildren(
      ...lines.map((line) => el("li", {}, papr.swatch(line.name), el("span", { text: line.title }))),
      ...(level === null
        ? []
        : [
            el(
              "li",
              {},
              el("span", { class: "p-dotted", "aria-hidden": "true" }),
              el("span", { text: `unpruned ${papr.percent(level)} %` }),
            ),
          ]),
    );
  }

  node.set = (change) => {
    shown = { ...shown, ...change };
    draw();
  };
  return node;
};
