// A card, large: the same pictures and numbers, with the ratio under the finger. Esc closes; arrow keys left and right go
// to the card before and after, but for those on the slider.

const { el, store } = papr;

let current = null;
let parts = null;

function build() {
  const title = el("h2", { id: "p-dialog-title" });
  const about = el("p", { class: "p-note" });
  const map = el("canvas", { role: "img", "aria-label": "The map over the picture" });
  const kept = el("canvas", { role: "img", "aria-label": "The kept patches" });
  const scale = el("div", { class: "p-scale" });
  const bar = el("canvas", { width: 256, height: 1, "aria-hidden": "true" });
  const [low, high] = [el("span"), el("span")];
  scale.append(low, bar, high);
  const mapFigure = el("figure", {}, el("div", { class: "p-picture" }, map), scale);
  const caption = el("figcaption");
  const numbers = papr.numbers(3);
  const facts = el("dl", { class: "p-foot" });
  const slider = el("input", { type: "range", min: 1, max: 100, step: 1, "aria-label": "Patches kept, %" });
  slider.addEventListener("input", () => papr.setPercent(Number(slider.value)));
  const node = el(
    "dialog",
    { class: "p-dialog papr", "aria-labelledby": "p-dialog-title" },
    el(
      "header",
      {},
      title,
      papr.button(null, "Previous", () => step(-1), { class: "p-button p-small" }),
      papr.button(null, "Next", () => step(1), { class: "p-button p-small" }),
      papr.button("lost", "Close", () => node.close(), { class: "p-button p-small", autofocus: true }),
    ),
    about,
    el("div", { class: "p-wide" }, mapFigure, el("figure", {}, el("div", { class: "p-picture" }, kept), caption)),
    el("label", { class: "p-ratio" }, el("span", { text: "Patches kept" }), slider),
    el("div", { class: "p-wide" }, numbers.node, facts),
  );
  node.addEventListener("click", (event) => event.target === node && node.close()); // outside
  node.addEventListener("keydown", ({ key, target }) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (by && target !== slider) step(by);
  });
  node.addEventListener("close", () => (current = null));
  document.body.append(node);
  return { node, title, about, map, mapFigure, kept, bar, low, high, caption, numbers, facts, slider };
}

function step(by) {
  const names = papr.cards().filter((m) => !m.refused).map((m) => m.name);
  current = names[(names.indexOf(current) + by + names.length) % names.length];
  papr.drawDialog("answer");
}

papr.enlarge = (name) => {
  parts ??= build();
  current = name;
  parts.node.showModal(); // before it is drawn, so that the pictures have a size
  papr.drawDialog("answer");
};

papr.drawDialog = (what) => {
  const method = current && store.answer.methods.find((m) => m.name === current);
  if (!method || what === "status") return;
  const { answer, view } = store;
  const now = papr.now(method);
  papr.put(parts.title, method.title);
  papr.put(parts.about, method.about ?? "");
  papr.show(parts.mapFigure, Boolean(method.map));
  if (method.map) {
    papr.draw.map(parts.map, method);
    const range = papr.draw.range(method);
    papr.put(parts.low, range[0].toPrecision(3));
    papr.put(parts.high, range[1].toPrecision(3));
    const at = parts.bar.getContext("2d");
    const colours = papr.colours(view.colours);
    const image = at.createImageData(256, 1);
    for (let i = 0; i < 256; i++) image.data.set([colours[3 * i], colours[3 * i + 1], colours[3 * i + 2], 255], 4 * i);
    at.putImageData(image, 0, 0);
  }
  papr.draw.kept(parts.kept, now.patches);
  papr.put(parts.caption, `${now.k} of ${answer.patches} patches kept, the others dropped`);
  parts.slider.value = view.percent;
  parts.slider.disabled = method.name === "by-hand";
  parts.numbers.draw(method);
  const rows = [];
  if (method.explains) rows.push(["Explains", `“${method.explains}”`]);
  if (method.low !== undefined) rows.push(["Map values", `${method.low.toPrecision(3)} to ${method.high.toPrecision(3)}`]);
  const papers = answer.methods.find((m) => m.name === "papr")?.order?.slice(0, now.k);
  if (papers && now.patches && method.name !== "papr") {
    const set = new Set(papers);
    const both = now.patches.filter((p) => set.has(p)).length;
    rows.push(["Patches that PaPr keeps too", `${both} of ${now.k}`]);
  }
  rows.push(["The backbone sees", `${answer.models.backbone.size.join(" × ")} pixels`]);
  if (method.seconds) rows.push(["Time for the map", papr.milliseconds(method.seconds)]);
  parts.facts.replaceChildren(...rows.map(([name, text]) => el("div", {}, el("dt", { text: name }), el("dd", { text }))));
};
