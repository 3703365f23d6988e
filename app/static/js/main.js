// The entry: what it exports becomes the global `papr` (boot.js). Gradio's snippets in app/pages and app/parts call the
// mounts and controls; a page's state is there for whoever looks from outside (tests, a console).

export { ask } from "./ask.js";
export { controls, setPercent } from "./controls.js";
export { numKept } from "./counts.js";
export { dark } from "./dom.js";
export { draw } from "./draw.js";
export { mountFooter } from "./footer.js";
export { here } from "./here.js";
export { mountIntake } from "./intake.js";
export { pages } from "./pages.js";
export { say } from "./said.js";
export { mountHandles } from "./handles.js";
export { mountOpening } from "./opening.js";
export { mountStage } from "./stage.js";
export { cardMethods as cards, current as now, keptCount as kept, lineMethods as lines, pointAt, store } from "./store.js";
export { mountHeader, mountNote } from "./tools.js";

// The pages behind the other tabs are fetched when Gradio first mounts one, so that Compare need not wait for them; then
// `papr` holds what they export too.

/** @typedef {import("./types").Given} Given */
/** @template {object} T @param {T} page */
const joined = (page) => Object.assign(papr, page) && page;
export const loadProposals = () => import("./proposals.js").then(joined);
export const loadVideo = () => import("./video.js").then(joined);
export const loadCosts = () => import("./costs.js").then(joined);
export const loadLearn = () => import("./learn.js").then(joined);

export const mountConvnets = (/** @type {Given} */ given) => loadProposals().then((page) => page.mountConvnets(given));
export const mountProposals = (/** @type {Given} */ given) => loadProposals().then((page) => page.mountProposals(given));
export const mountClipIntake = (/** @type {Given} */ given) => loadVideo().then((page) => page.mountClipIntake(given));
export const mountClip = (/** @type {Given} */ given) => loadVideo().then((page) => page.mountClip(given));
export const mountCosts = (/** @type {Given} */ given) => loadCosts().then((page) => page.mountCosts(given));
export const mountLearn = (/** @type {Given} */ given) => loadLearn().then((page) => page.mountLearn(given));
