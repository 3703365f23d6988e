// The stage: verdict, cards, curve, table and downloads, in one component that only this script draws.

const { el, store } = papr;

papr.stage = {
  mount({ element, props, trigger, watch, server }) {
    const root = element.querySelector(".papr-stage");
    const section = (name) => root.appendChild(el("section", { class: `p-section p-section-${name}` }));
    const [verdict, cards] = [section("verdict"), section("cards")];
    const results = section("results");
    const [curve, fewest] = ["curve", "fewest"].map((n) => results.appendChild(el("div", { class: `p-${n}-part` })));
    const end = section("downloads");

    Object.assign(store.view, props.value.view);
    papr.ask.connect({ trigger, server });
    const parts = [
      papr.verdict(verdict),
      papr.cardList(cards),
      papr.curve(curve),
      papr.fewest(fewest),
      papr.downloads(end),
      papr.drawDialog,
    ];

    // Several changes within one frame are drawn once; "answer" says the most and so wins.
    const order = ["answer", "methods", "hand", "points", "looks", "ratio", "status"];
    let pending = new Set();
    const draw = papr.eachFrame(() => {
      const what = pending.has("looks") && pending.has("ratio") ? "answer" : order.find((w) => pending.has(w));
      pending = new Set();
      parts.forEach((part) => part(what));
      root.classList.toggle("p-old", !store.fresh);
    });
    papr.onchange((what) => {
      if (what === "answer") papr.draw.load(store.answer.picture.src, () => papr.changed("answer"));
      pending.add(what);
      draw();
    });

    // The native controls follow the view through an event that runs in the browser only.
    papr.sync = () => trigger("sync");
    papr.pick = () => trigger("pick"); // the ratio alone: this one is called while something moves

    watch("value", () => papr.take(props.value.answer));
    new MutationObserver(() => papr.changed("looks")).observe(document.body, {
      attributes: true,
      attributeFilter: ["class"],
    });
    start(props.value);
  },
};

// What shipped is shown at once; what the link says is asked for on top of it, so a link that fails leaves a page.
function start({ view, answer, known }) {
  const link = papr.links.open(view, known);
  if (answer?.full) papr.take(answer);
  Object.assign(store.view, link.view);
  const have = answer?.methods?.map((method) => method.name) ?? [];
  if (!answer?.full || link.asks || store.view.methods.some((name) => !have.includes(name)))
    papr.ask.send({ picture: link.picture });
  else if (Object.keys(link.view).length) {
    papr.changed("answer");
    papr.ask.rest();
  }
  if (Object.keys(link.view).length) papr.sync();
  papr.links.follow();
  papr.intake.mounted(() => {
    if (link.own) papr.intake.remark("This link was made on a visitor’s own picture. A link never holds one: choose yours.");
    if (link.gone) papr.intake.remark("The example that this link names is no longer here. Choose another one.");
    if (link.page) papr.pages.go(link.page); // not before Compare stands: a tab that is left too early stays empty
  });
}

// Move the ratio from here: the curve, the dialog.
papr.setPercent = (percent) => {
  const value = Math.max(1, Math.min(100, Math.round(percent)));
  if (value === store.view.percent) return;
  papr.controls({ percent: value });
  papr.pick();
};

// What the visitor sets in the native controls, as {name: value}.
const ASKS = ["proposal", "backbone", "target", "explain"]; // change what is computed, at once
papr.controls = (change) => {
  const { view } = store;
  if ("percent" in change && !(change.percent > 0 && change.percent <= 100)) {
    papr.say("ratio", "The share of patches kept lies above 0 and at most at 100 %.");
    return;
  }
  papr.say("ratio", "");
  const changed = Object.keys(change).filter((name) => JSON.stringify(view[name]) !== JSON.stringify(change[name]));
  if (!changed.length) return;
  Object.assign(view, change);
  if (changed.includes("backbone") && view.target !== null) {
    view.target = null; // another model may have other classes
    papr.sync();
  }
  if (changed.some((name) => ASKS.includes(name))) papr.ask.send();
  else if (changed.includes("methods")) {
    papr.changed("methods");
    const have = store.answer?.methods.map((m) => m.name) ?? [];
    if (view.methods.some((name) => !have.includes(name))) papr.ask.send();
    else papr.ask.rest();
  } else if (changed.includes("percent")) {
    papr.changed("ratio");
    papr.ask.rest();
  } else papr.changed("looks");
};

// Downloads: papr_core writes the files.
papr.downloads = (root) => {
  const kinds = { png: "Figure (PNG)", pdf: "PDF", svg: "SVG", npz: "Maps (npz)", json: "Manifest (json)" };
  const { node, saved } = papr.saver(kinds, "save", (kind) => papr.ask.save(kind));
  papr.saved = saved;
  root.append(node);
  return () => papr.show(root, Boolean(store.answer));
};
