// Compare's stage: verdict, cards, curve, table and downloads, in one component that only this script draws.

import { ask, take } from "./ask.js";
import { cardList } from "./cards.js";
import { curve } from "./curve.js";
import { drawDialog } from "./dialog.js";
import { el } from "./dom.js";
import { draw } from "./draw.js";
import { fewest } from "./fewest.js";
import { intake } from "./intake.js";
import { links } from "./links.js";
import { pages } from "./pages.js";
import { downloads } from "./saver.js";
import { store } from "./store.js";
import { debounce, watchHolding } from "./timing.js";
import { overMany, verdict } from "./verdict.js";

const KINDS = { png: "Figure (PNG)", pdf: "PDF", svg: "SVG", npz: "Maps (npz)", json: "Manifest (json)" };

/** @param {import("./types").Given} given */
export function mountStage({ element, props, trigger, watch, server }) {
  const root = element.querySelector(".papr-stage");
  /** @param {string} name */
  const section = (name) => root.appendChild(el("section", { class: `p-section p-section-${name}` }));
  const [above, cards, results, end] = ["verdict", "cards", "results", "downloads"].map(section);
  const [chart, table] = ["curve", "fewest"].map((n) => results.appendChild(el("div", { class: `p-${n}-part` })));

  Object.assign(store.view, props.value.view);
  store.connect({ trigger, server });
  overMany.found = props.value.many;
  const saver = downloads(end, store, KINDS, "save", ask.save, () => Boolean(store.answer));
  const parts = [verdict(above), cardList(cards), curve(chart), fewest(table), saver, drawDialog];
  store.onchange((what) => {
    if (what === "answer") draw.load(store.answer.picture.src, () => store.changed("answer"));
  });
  store.draws(root, parts, ["answer", "methods", "hand", "points", "looks", "ratio", "status"]);

  watch("value", () => take(props.value.answer));
  const looks = () => store.changed("looks"); // light or dark, another size
  new MutationObserver(looks).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  window.addEventListener("resize", debounce(looks, 200));
  watchHolding();
  start(props.value);
}

// What shipped is shown at once; what the link says is asked for on top of it, so a link that fails leaves a page.
/** @param {{view: any, answer: import("./types").Answer | null, known: any}} shipped */
function start({ view, answer, known }) {
  const link = links.open(view, known);
  if (answer?.full) take(answer);
  Object.assign(store.view, link.view);
  const have = answer?.methods?.map((method) => method.name) ?? [];
  if (!answer?.full || link.asks || store.view.methods.some((name) => !have.includes(name)))
    ask.send({ picture: link.picture });
  else if (Object.keys(link.view).length) {
    store.changed("answer");
    ask.rest();
  }
  if (Object.keys(link.view).length) store.sync();
  links.follow();
  intake.mounted(() => {
    if (link.own) intake.remark("This link was made on a visitor’s own picture. A link never holds one: choose yours.");
    if (link.gone) intake.remark("The example that this link names is no longer here. Choose another one.");
    if (link.page) pages.go(link.page); // not before Compare stands: a tab that is left too early stays empty
  });
}
