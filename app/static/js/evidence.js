// What holds: the claims with what was found, and accuracy against keep ratio for every method, with its numbers.

const { el } = papr;

let titles = {}; // name of a method -> its title

papr.evidence = (root, { claims, sets, convnets }, named) => {
  titles = named;
  root.append(claimList(claims, sets), convnetsPart(convnets), ...sets.map(setOf));
};

// One backbone, several ConvNets (the paper's Table 7): a row each, by which pictures they are right on.
function convnetsPart({ backbone, n, keeps, subsets, methods, rows }) {
  const others = methods.filter((name) => name !== "papr");
  const body = el("tbody");
  const where = el("caption");
  const columns = ["Pictures", "ConvNet", "Parameters", "Right itself", ...methods.map((name) => titles[name]), ...others.map((name) => `PaPr less ${titles[name]}`)];
  const table = el("table", { class: "p-table" }, where, el("thead", {}, el("tr", {}, ...columns.map((text) => el("th", { scope: "col", text })))), body);
  const slider = papr.range("Keep ratio", { max: keeps.length - 1, value: 0, oninput: (i) => show(keeps[keeps.length - 1 - i]) });
  const range = ([value, low, high], write) => el("td", { text: `${write(value)} (${write(low)} to ${write(high)})` });

  function show(keep) {
    slider.input.setAttribute("aria-valuetext", `${Math.round(100 * keep)} %`);
    papr.put(where, `${backbone}, ${Math.round(100 * keep)} % of the patches kept: top-1 in %, with 95 % intervals`);
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
  slider.input.value = keeps.length - 1 - keeps.indexOf("0.4");
  show("0.4");
  return el(
    "section",
    { class: "p-set p-convnets", "aria-labelledby": "holds-convnets" },
    el("h3", { id: "holds-convnets", text: "Does the ConvNet’s size matter?" }),
    el("p", { class: "p-note", text: `${backbone} pruned by each of the ConvNets that come with this page, on the same ${n.toLocaleString("en")} photographs. PaPr asks a ConvNet where to look; CAM also needs what it takes the picture for.` }),
    slider,
    el("div", { class: "p-scroll", tabindex: 0, role: "region", "aria-label": "Numbers: ConvNets" }, table),
  );
}

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

// One evaluation: a chart a subset, all with one cursor, and the table of the ratio under it.
function setOf({ title, about, proposal_top1, keeps, subsets }) {
  const parts = Object.values(subsets).filter((one) => one.lines.length);
  const id = `holds-${title.replace(/\W+/g, "-")}`;
  const charts = parts.map((one) => {
    const chart = papr.chart(`${title}, ${one.title}: top-1 accuracy against keep ratio. The table below has the numbers.`, 220);
    chart.set({
      lines: one.lines.map(({ name, points }) => ({
        name,
        title: titles[name] ?? name,
        points: points.map(([keep, ...values]) => [keep, ...values.map((v) => v / 100)]).sort((a, b) => a[0] - b[0]),
      })),
      level: one.full ? one.full[0] / 100 : null,
      marks: true,
    });
    return { chart, node: el("figure", {}, el("figcaption", { text: `${one.title}, n = ${one.n.toLocaleString("en")}` }), chart) };
  });
  const body = el("tbody");
  const where = el("caption");
  const columns = ["Pictures", "Method", "Top-1, %", "95 % interval", "PaPr less it", "95 % interval"];
  const table = el("table", { class: "p-table" }, where, el("thead", {}, el("tr", {}, ...columns.map((text) => el("th", { scope: "col", text })))), body);
  const slider = papr.range("Keep ratio", { max: keeps.length - 1, value: 0, oninput: (i) => show(keeps[keeps.length - 1 - i]) });

  function show(keep) {
    charts.forEach(({ chart }) => chart.set({ cursor: keep }));
    slider.input.setAttribute("aria-valuetext", `${Math.round(100 * keep)} %`);
    papr.put(where, `${title}, ${Math.round(100 * keep)} % of the patches kept`);
    body.replaceChildren(...Object.values(subsets).flatMap((one) => rowsOf(one, keep)));
  }
  slider.input.value = Math.floor((keeps.length - 1) / 2);
  show(keeps[keeps.length - 1 - Number(slider.input.value)]);
  return el(
    "section",
    { class: "p-set", "aria-labelledby": id },
    el("h3", { id, text: title }),
    el("p", { class: "p-note", text: `${about}. ${proposal_top1 === null ? "" : `The ConvNet alone is right on ${proposal_top1.toFixed(1)} %.`}` }),
    el("div", { class: "p-charts" }, ...charts.map(({ node }) => node)),
    slider,
    el("div", { class: "p-scroll", tabindex: 0, role: "region", "aria-label": `Numbers: ${title}` }, table),
  );
}

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
    return [name, cells];
  });
  return rows
    .filter(Boolean)
    .map(([name, cells], i, all) =>
      el(
        "tr",
        {},
        i === 0 && el("th", { scope: "rowgroup", rowspan: all.length, text: `${title} (n = ${n.toLocaleString("en")})` }),
        el("th", { scope: "row" }, papr.swatch(name), el("span", { text: titles[name] ?? name })),
        ...cells.map((text) => el("td", { text })),
      ),
    );
}

const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)}`;
