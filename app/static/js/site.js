// The entry of the static folder (app/static_folder.py): Compare's core without a server. What it exports is there for
// whoever looks from outside, as on the page.

import { ask } from "./ask.js";
import { controls } from "./controls.js";
import { el, put } from "./dom.js";
import { mountHandles } from "./handles.js";
import { here } from "./here.js";
import { mountIntake } from "./intake.js";
import { answerTo, keep } from "./local.js";
import { mountOpening } from "./opening.js";
import { openRuntime } from "./runtime.js";
import { place } from "./said.js";
import { screen } from "./screen.js";
import { pointsOf, store } from "./store.js";
import { mountTheme } from "./theme.js";

export { ask, controls, here, store };
export { draw } from "./draw.js";
export { cardMethods as cards, current as now, keptCount as kept, lineMethods as lines } from "./store.js";

/** @typedef {import("./types").Site} Site @typedef {import("./types").Given} Given */

/** @param {string} id */
const part = (id) => document.getElementById(id);
const given = (/** @type {string} */ id, value = {}) =>
  /** @type {Given} */ (/** @type {unknown} */ ({ element: part(id), props: { value }, upload: keep }));

/** @param {string} address @returns {Promise<any>} */
async function json(address) {
  const response = await fetch(new URL(address, document.baseURI));
  if (!response.ok) throw new Error(`${response.status} for ${address}`);
  return response.json();
}

/** Everything, in its order: what is there at once, then the networks, then the first example. */
export async function open() {
  mountTheme(document.querySelector(".p-theme"));
  const says = part("fetching");
  try {
    /** @type {[Site, string[]]} */
    const [site, labels] = await Promise.all([json("site.json"), json("runtime/labels.json")]);
    here.labels = labels;
    Object.assign(store.view, site.view);
    lay(site);
    let fetched = 0;
    const all = Object.values(site.bytes).reduce((a, b) => a + b);
    const opened = openRuntime("runtime/", ["proposal", "backbone"], (more) => {
      fetched += more;
      put(says, fetched < all ? `Fetching the models: ${(fetched / 1e6).toFixed(0)} of ${(all / 1e6).toFixed(0)} MB …` : "Starting the models …");
    });
    begin(site, opened);
    here.use(await opened);
    put(says, "");
  } catch {
    put(says, "The models could not be fetched, or this browser cannot run them (it needs WebAssembly and module workers). Reload the page to try again.");
  }
}

/** @param {Site} site */
function lay(site) {
  mountOpening(given("opening", { many: site.many }));
  mountHandles(given("handles"));
  screen(part("stage").querySelector(".papr-stage"));
  for (const name of ["ratio", "target", "explain", "models"]) place(name, part("ratio-says"));
  mountRatio();
  mountChoices(site);
  mountIntake(given("intake", { examples: site.examples, captions: ` (${store.view.percent}\u00a0% kept; of PaPr, CAM, Grad-CAM and Score-CAM)`, max_megabytes: 100 }));
}

/** Whoever asks before the networks are there waits for them. @param {Site} site @param {Promise<import("./types").Runtime>} opened */
function begin(site, opened) {
  here.failed = () => store.say("stage", "This browser could not compute it. Reload the page to try again.");
  here.curve = site.curve;
  const server = { newest: async () => true, numbers: async () => ({ ok: true, points: {}, labels: {} }) };
  store.connect({ trigger: (event, question) => events[event]?.(question), server });
  /** @type {Record<string, (question: any) => void>} what Gradio's component does on the page */
  const events = {
    async ask(question) {
      try {
        const runtime = await opened.catch(() => /** @type {import("./types").Runtime} */ (null)); // which `open` says
        if (runtime && question.seq === store.seq) store.told(await answerTo(site, runtime, question));
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        if (question.seq === store.seq) store.told(/** @type {any} */ ({ seq: question.seq, error: { where: "picture", text } }));
      }
    },
    pick: follow,
    sync: follow,
  };
  const timed = part("timed");
  store.onchange((what) => {
    if (what === "points") whole(site);
    if (what === "points" && here.pass) put(timed, `The last pass of the large model took ${Math.round(here.pass.ms)} ms for ${here.pass.k} patches, here.`);
  });
  ask.send({ picture: site.examples[0].id });
}

/** Which curves are there in full. @param {Site} site */
function whole({ curve: { coarse, fine } }) {
  for (const method of store.answer.methods.filter(({ order }) => order)) {
    const there = new Set(pointsOf(method).map(({ k }) => k));
    method.complete = (method.draws > 1 ? coarse : [...coarse, ...fine]).every((k) => there.has(k));
  }
}

// --- the controls, native ones ----------------------------------------------------------------------------------------

const ratio = () => /** @type {HTMLInputElement} */ (part("percent"));
const target = () => /** @type {HTMLSelectElement} */ (part("target"));
const boxes = () => /** @type {HTMLInputElement[]} */ ([...part("methods").querySelectorAll("input")]);

/** The controls show what the view says. */
function follow() {
  ratio().value = String(store.view.percent);
  put(part("percent-now"), `${Math.round(10 * store.view.percent) / 10}\u00a0%`);
  target().value = String(store.view.target ?? "");
  for (const box of boxes()) box.checked = store.view.methods.includes(box.value);
}

function mountRatio() {
  ratio().addEventListener("input", () => {
    controls({ percent: Number(ratio().value) });
    follow();
  });
}

/** @param {Site} site */
function mountChoices(site) {
  const choose = () => controls({ methods: boxes().filter((box) => box.checked).map((box) => box.value) });
  part("methods").append(
    ...site.methods.map(({ name, title, about }) =>
      el("label", { title: about }, el("input", { type: "checkbox", value: name, onchange: choose }), el("span", { text: title })),
    ),
  );
  const classes = here.labels.map((label, index) => el("option", { value: String(index), text: label }));
  target().append(el("option", { value: "", text: "The model’s own answer" }), ...classes);
  target().addEventListener("change", () => controls({ target: target().value === "" ? null : Number(target().value) }));
  follow();
}
