// The table "fewest patches that keep the answer".

const { el, store } = papr;

papr.fewest = (root) => {
  const body = el("tbody");
  const table = el(
    "table",
    { class: "p-fewest" },
    el(
      "thead",
      { class: "p-hidden" },
      el("tr", {}, ...["Method", "", "Share", "Patches"].map((text) => el("th", { scope: "col", text: text || "Bar" }))),
    ),
    body,
  );
  const note = el("p", { class: "p-note" });
  root.append(el("h3", { class: "p-heading", text: "Fewest patches that keep the answer" }), table, note);

  return (what) => {
    const { answer } = store;
    if (!answer || (what !== "answer" && what !== "methods")) return;
    const worst = answer.patches + 1;
    const rank = (m) => m.fewest ?? (m.complete ? worst : worst + 1);
    const rows = papr.lines().filter((m) => !m.refused);
    rows.sort((a, b) => rank(a) - rank(b));
    body.replaceChildren(
      ...rows.map((method) => {
        const known = method.fewest !== null && method.fewest !== undefined;
        const share = known ? method.fewest / answer.patches : 0;
        const bar = el("div", { class: `p-amount ${papr.tint(method.name)}` });
        bar.style.width = `${100 * share}%`;
        return el(
          "tr",
          {},
          el("th", { scope: "row" }, papr.swatch(method.name), el("span", { text: method.title })),
          el("td", { class: "p-barcell" }, bar),
          el("td", { class: "p-strong", text: known ? `${Math.round(100 * share)} %` : method.complete ? "never" : "…" }),
          el("td", { text: known ? `${method.fewest}` : "" }),
        );
      }),
    );
    papr.put(
      note,
      `The smallest computed count from which “${papr.label(answer.full.index)}” stays on top up to all ${answer.patches} patches; ` +
        `for random, the median of five draws. One picture proves nothing about a method.`,
    );
  };
};
