// Compare's stage: cards, curve, table and downloads, in one component that only this script draws.

import { ask } from "./ask.js";
import { ASKS } from "./controls.js";
import { el } from "./dom.js";
import { fewest } from "./fewest.js";
import { intake } from "./intake.js";
import { links } from "./links.js";
import { pages } from "./pages.js";
import { paperFigure } from "./paper_figure.js";
import { runHere } from "./run_here.js";
import { downloads } from "./saver.js";
import { measure } from "./saving.js";
import { screen } from "./screen.js";
import { store } from "./store.js";

const KINDS = { png: "Figure (PNG)", pdf: "PDF", svg: "SVG", npz: "Maps (npz)", json: "Manifest (json)" };

/** @param {import("./types").Given} given */
export function mountStage({ element, props, trigger, watch, server }) {
  const root = element.querySelector(".papr-stage");
  Object.assign(store.view, props.value.view);
  store.connect({ trigger, server });
  screen(root, (beside, below) => {
    const saver = downloads(below, store, KINDS, "save", ask.save, () => Boolean(store.answer), paperFigure);
    below.append(el("p", { class: "p-note p-on-dark", text: "Figures are drawn on white, as paper is, whatever the page’s colours." }));
    return [fewest(beside), saver];
  });
  store.onchange(measure);

  runHere.offer(props.value.runtime ?? null);
  watch("value", () => store.told(props.value.answer));
  // Where the rail is longer, the cards stay in sight beside it; their lower end is not cut off for that (page.css).
  const main = /** @type {HTMLElement} */ (root.closest("#main"));
  if (main) new ResizeObserver(() => main.style.setProperty("--p-tall", `${main.offsetHeight}px`)).observe(main);
  start(props.value);
}

// What shipped is shown at once; what the link says is asked for on top of it, so a link that fails leaves a page.
/** @param {{view: any, answer: import("./types").Answer | null, known: any}} shipped */
function start({ view, answer, known }) {
  const link = links.open(view, known);
  if (answer?.full) store.told(answer);
  Object.assign(store.view, link.view);
  const have = answer?.methods?.map((method) => method.name) ?? [];
  if (!answer?.full || link.asks || store.view.methods.some((name) => !have.includes(name)))
    ask.send({ picture: link.picture });
  else if (Object.keys(link.view).length) {
    store.changed("answer");
    ask.rest();
  }
  if (Object.keys(link.view).length) store.sync();
  links.follow(({ view: before, picture, name, page }) => {
    const { answer, view } = store;
    const lacks = before.methods.some((name) => !answer.methods.some((method) => method.name === name));
    const asks = picture !== answer.picture.id || lacks || ASKS.some((name) => before[name] !== view[name]) || (before.worst && !view.worst);
    Object.assign(store.view, before);
    store.sync();
    pages.go(page);
    if (asks) ask.send({ picture, name });
    else {
      store.changed("answer");
      ask.rest();
    }
  }, (text) => intake.mounted(() => intake.remark(text)));
  intake.mounted(() => {
    if (link.own) intake.remark("This link was made on a visitor’s own picture. A link never holds one: choose yours.");
    if (link.unknown) intake.remark(`The link names ${link.unknown}, which this page does not know. The rest of it is shown.`);
    if (link.gone) intake.remark("The example that this link names is no longer here. Choose another one.");
    if (link.page) pages.go(link.page); // not before Compare stands: a tab that is left too early stays empty
  });
}
