// In the static folder: what the server does on the page, done by the exported networks in this browser. A question comes
// in, an answer goes out, each as on the page (app/parts/view.py); the numbers are here.js's.

import { cropFrom } from "./brought.js";
import { here } from "./here.js";
import { best, odds, ranking } from "./odds.js";
import { store } from "./store.js";

/** @typedef {import("./types").Site} Site @typedef {import("./types").Question} Question */

/** @type {Map<string, {name: string, file: File}>} what the visitor has brought, by the path that it is asked by */
const files = new Map();

/** Stands for the upload to a server: the file stays here. @param {File} file */
export async function keep(file) {
  const path = `own ${files.size + 1}`;
  files.set(path, { name: file.name, file });
  return { path };
}

/** Bytes of a file of the folder. @param {string} address */
async function bytesOf(address) {
  const response = await fetch(new URL(address, document.baseURI));
  if (!response.ok) throw new Error("The picture could not be fetched. Choose it again.");
  return new Uint8Array(await response.arrayBuffer());
}

/** @type {Map<string, {id: string, name: string, bytes: Uint8Array, src: string}>} */
const pictures = new Map();
/** The picture that a question is about: its model's crop, and what is shown. @param {Site} site @param {Question} question */
async function pictureOf(site, { upload, picture }) {
  const id = upload ?? picture;
  if (!pictures.has(id)) {
    const own = files.get(id);
    const example = site.examples.find((one) => one.id === id);
    if (own) pictures.set(id, { id, name: own.name, ...(await cropFrom(own.file, site.models.backbone.size[0], site.crop_pct)) });
    else if (example) pictures.set(id, { id, name: example.title, bytes: await bytesOf(example.crop), src: example.shown });
    else throw new Error("This picture is not here. Choose another one.");
  }
  return pictures.get(id);
}

/** @template T @param {T} method @param {Float32Array} significance */
const withMap = (method, significance) => {
  const map = Array.from(significance);
  const [low, high] = [Math.min(...map), Math.max(...map)];
  return { ...method, low, high, map, order: ranking(map), constant: low === high };
};

/**
 * The whole answer to a question; null where a newer one has come meanwhile.
 * @param {Site} site @param {import("./types").Runtime} runtime @param {Question} question
 * @returns {Promise<import("./types").Answer | null>}
 */
export async function answerTo(site, runtime, question) {
  const { id, name, bytes, src } = await pictureOf(site, question);
  if (question.seq !== store.seq) return null;
  const { patches, grid, prefix, models, saving } = site;
  const crop = { crop: id, bytes, size: models.backbone.size, orders: site.orders };
  here.take(crop);
  const whole = await here.shares(Array.from({ length: patches }, (_, i) => i));
  if (question.seq !== store.seq) return null;
  const top = best(whole);
  const chosen = question.target !== null;
  const target = chosen ? question.target : top[0][0];
  const asked = question.explain;
  const wanted = asked === "target" || (asked === "auto" && chosen) ? target : -1; // both know the same classes
  const { logits, significance } = await runtime.looks(crop, wanted);
  if (question.seq !== store.seq) return null;
  const own = best(odds(logits))[0];
  const explained = wanted < 0 ? own[0] : wanted;
  const map = (/** @type {number} */ i) => significance.slice(i * patches, (i + 1) * patches);
  const methods = site.methods.map(({ made, explains, ...method }) => ({
    ...(made ? withMap(method, map(made[0]).map((value) => made[1] * value)) : method),
    ...(explains && { explains: here.labels[explained] }),
    points: /** @type {import("./types").PackedPoint[]} */ ([]),
    complete: false,
    fewest: /** @type {number | null} */ (null),
    seconds: /** @type {number | null} */ (null),
    refused: /** @type {string | null} */ (null),
    waiting: /** @type {string | null} */ (null),
  }));
  return {
    seq: question.seq,
    key: `${id} ${target} ${explained}`,
    working: null,
    progress: null,
    more: false,
    picture: { id, name, crop: id, src, fit: "crop", stretch: false, lost: 0 },
    grid,
    patches,
    prefix,
    models,
    by_stage: false,
    measure: "confidence",
    target: { index: target, label: here.labels[target], chosen },
    explain: { mode: wanted < 0 ? "proposal" : "target", index: explained, label: here.labels[explained], asked },
    looks: { label: here.labels[own[0]], confidence: own[1], agrees: own[0] === top[0][0] },
    saving,
    labels: Object.fromEntries([...top.map(([index]) => index), target].map((index) => [index, here.labels[index]])),
    full: { index: top[0][0], confidence: whole[target], top },
    methods,
    notes: [],
  };
}
