// "Run it here", under the lists of models: the backbone in this browser, so that the slider needs no server. Off at
// first, for it has to be fetched; not there at all where the page has nothing to fetch.

import { ask } from "./ask.js";
import { el, put, reveal } from "./dom.js";
import { here } from "./here.js";
import { openRuntime } from "./runtime.js";
import { cardMethods, store } from "./store.js";
import { listed } from "./words.js";

/** @typedef {import("./types").Exported} Exported */

/** @type {Exported | null} */
let exported = null;
/** @type {"off" | "loading" | "on"} */
let state = "off";
let fetched = 0; // bytes
let trouble = ""; // why it went off by itself
let turn = 0; // of the switch: what was begun before is let go
/** @type {string | null} the crop that is asked for */
let asked = null;

const NEEDED = ["ort.wasm.gz", "backbone.onnx.gz"];
const bytes = () => NEEDED.reduce((sum, name) => sum + exported.bytes[name], 0);
const megabytes = (/** @type {number} */ count) => (count / 1e6).toFixed(0);

const box = () => /** @type {HTMLInputElement} */ (root.querySelector("input"));
/** @type {HTMLElement} */
let root = null;
/** @type {HTMLElement} */
let line = null;

export const runHere = {
  /** Where the switch stands. */
  node() {
    const input = el("input", { type: "checkbox", onchange: () => set(box().checked) });
    line = el("span", { class: "p-note", role: "status" });
    root = el("div", { class: "p-run-here" }, el("label", {}, input, el("span", { text: "Run it here" })), line);
    draw();
    return root;
  },

  /** What this page has to fetch, or null. @param {Exported | null} told */
  offer(told) {
    exported = told;
    draw();
  },
};

here.failed = () => {
  set(false);
  trouble = "This browser could not run it; the server computes the numbers again.";
  draw();
};

/** @param {boolean} on */
async function set(on) {
  const mine = (turn += 1);
  [trouble, fetched] = ["", 0];
  state = on ? "loading" : "off";
  if (!on) {
    here.use(null);
    here.take(null);
    asked = null;
    ask.rest(); // what is missing is the server's again
    return draw();
  }
  draw();
  try {
    const [runtime, labels] = await Promise.all([openRuntime(exported.address, ["backbone"], tell), labelsOf(exported.address)]);
    if (mine !== turn) return runtime.close();
    here.labels = labels;
    state = "on";
    here.use(runtime);
    bring();
  } catch {
    if (mine !== turn) return;
    state = "off";
    trouble = "It could not be fetched, or this browser cannot run it. The server computes the numbers as before.";
  }
  draw();
}

/** @param {number} more */
function tell(more) {
  fetched += more;
  draw();
}

/** @param {string} folder @returns {Promise<string[]>} */
async function labelsOf(folder) {
  const response = await fetch(new URL(`${folder}labels.json`, document.baseURI));
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
}

/** Whether the backbone that is shown is the one that was exported. */
const fits = () => store.answer?.models.backbone.sha256 === exported.backbone.sha256;

/** The model's own crop of the picture that is shown, from the server: once a picture. */
async function bring() {
  const { answer } = store;
  if (state !== "on" || !answer?.full || !fits() || here.on() || asked === answer.picture.crop) return;
  const mine = turn;
  asked = answer.picture.crop;
  const reply = await store.server.crop(JSON.stringify(ask.question({ methods: [] })));
  if (mine !== turn) return;
  if (reply?.ok && reply.crop === asked)
    here.take({ crop: asked, bytes: Uint8Array.from(atob(reply.bytes), (c) => c.charCodeAt(0)), size: answer.models.backbone.size, orders: reply.orders });
  else if (!reply?.stopped) trouble = "The server did not give the picture’s crop, so it goes on computing the numbers of this one.";
  asked = null;
  draw();
}

/** What stands beside the switch. */
function said() {
  if (trouble) return trouble;
  if (state === "loading") return fetched < bytes() ? `Fetching ${megabytes(fetched)} of ${megabytes(bytes())} MB …` : "Starting …";
  if (store.answer?.full && !fits()) return `Only ${exported.backbone.title} was exported. With this backbone the server computes the numbers.`;
  if (state === "off") return `Fetches ${megabytes(bytes())} MB; then this browser computes the number of each step, and the server is asked no more.`;
  if (!here.pass) return "The numbers are computed in this browser.";
  const others = cardMethods().filter((method) => !method.refused && !here.takes(method));
  const rest = others.length && here.on() ? ` ${listed(others.map(({ title }) => title))}: the server.` : "";
  return `The numbers are computed in this browser: ${Math.round(here.pass.ms)} ms a pass of ${here.pass.k} patches.${rest}`;
}

function draw() {
  if (!root) return;
  reveal(root, Boolean(exported));
  if (!exported) return;
  box().checked = state !== "off";
  box().disabled = state === "off" && Boolean(store.answer?.full) && !fits();
  put(line, said());
}

store.onchange((what) => {
  if (!root || !exported || ["looks", "pointed", "ratio"].includes(what)) return;
  if (what === "answer") bring();
  draw();
});
