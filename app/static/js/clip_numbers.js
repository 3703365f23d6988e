// What stands around the clips: the verdict, the classes with and without, what is saved, downloads.

import { clip } from "./clip.js";
import { el, put, reveal } from "./dom.js";
import { answerList } from "./numbers.js";
import { headline } from "./sentence.js";
import { milliseconds, percent } from "./words.js";

const number = (/** @type {number} */ value) => value.toLocaleString("en-US");
const short = (/** @type {number} */ value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));

/** @typedef {import("./types").ClipAnswer} ClipAnswer */

/** @param {HTMLElement} root */
export function clipVerdict(root) {
  const head = headline(root, "clip-stage", [() => clip.stop(), () => clip.goOn()]);
  return (/** @type {string} */ what) => {
    reveal(root, !clip.live);
    head.work(clip);
    const { answer } = clip;
    if (!answer) return head.write([[false, clip.working ? "Looking at the clip …" : "Choose a clip."]], "");
    head.write(verdict(answer), [...reason(answer), ...(answer.notes ?? [])].join(" "));
    if (what !== "status" && what !== "frame" && !clip.working) head.speak();
  };
}

/** @param {ClipAnswer} answer @returns {import("./sentence.js").Parts} */
function verdict({ full, method, answer }) {
  if (!full) return [[false, "Looking at the clip …"]];
  if (!answer) return [[false, `The full model sees “${full.label}”.`]];
  const share = clip.exact() ? "" : ` with ${Math.round((100 * answer.count) / clip.answer.patches)} % of the patches`;
  return [[true, method?.title ?? ""], [false, ` ${answer.kept ? "keeps" : "loses"} “${full.label}”${share}.`]];
}

// "1,254 of 6,272 patches kept … 32 of 150 frames, from 0.08 to 4.92 s."
/** @param {ClipAnswer} answer */
function reason({ patches, times, clip: file, method, models, grid }) {
  const kept = clip.count();
  const what = grid[0] === times.length ? "patches" : "tubelets";
  const over = what === "patches" ? "the best of all frames together" : "the best of the whole clip";
  const sampled = `${times.length} of ${number(file.frames)} frames are seen, from ${times[0].toFixed(2)} to ${times[times.length - 1].toFixed(2)} s`;
  return [
    method ? `${number(kept)} of ${number(patches)} ${what} kept (${Math.round((100 * kept) / patches)} %), ${over}; the others are dropped.` : "",
    `${sampled}, by ${models.proposal.title} and ${models.backbone.title}.`,
  ].filter(Boolean);
}

/** @param {HTMLElement} root */
export const clipNumbers = (root) => {
  const [all, some] = [answerList(5), answerList(5)];
  const facts = el("dl", { class: "p-saved" });
  root.append(el("h3", { class: "p-heading", text: "What the backbone says" }), el("div", { class: "p-answers" }, all.node, some.node), facts);
  const tiles = ["Patches dropped", "Multiply-accumulates saved", "Time", "Confidence"].map((name) => {
    const [value, note] = [el("span", { class: "p-big" }), el("span", { class: "p-note" })];
    const term = el("dt", { text: name });
    facts.append(el("div", {}, term, el("dd", {}, value, note)));
    return { set: (/** @type {string} */ big, /** @type {string} */ small) => (put(value, big), put(note, small)), term };
  });

  return (/** @type {string} */ what) => {
    const { answer } = clip;
    const { full: fullSoFar, pruned: prunedSoFar } = answer?.so_far ?? {};
    reveal(root, Boolean(answer?.full ?? fullSoFar) && !clip.live);
    reveal(facts, Boolean(answer?.full));
    if (what === "frame" || !answer) return;
    const { full, target, method, answer: pruned, patches } = answer;
    if (!full && fullSoFar) {
      all.draw(`All ${number(patches)}, the first ${fullSoFar.frames} frames`, fullSoFar.top, "", null);
      some.draw("Kept patches", [], "", "wait");
    }
    if (!full) return;
    const exact = clip.exact();
    root.dataset.exact = exact ? "yes" : "no";
    all.draw(`All ${number(patches)}`, full.top, full.label, null);
    const title = pruned ? `${number(pruned.count)} of them` : prunedSoFar ? `Kept patches, ${prunedSoFar.frames} frames so far` : "Kept patches";
    some.draw(title, (pruned ?? prunedSoFar)?.top ?? [], full.label, pruned ? (pruned.kept ? "kept" : "lost") : "wait");
    const [dropped, macs, time, confidence] = tiles;
    const gone = patches - clip.count();
    dropped.set(`${Math.round((100 * gone) / patches)} %`, `${number(gone)} of ${number(patches)}`);
    put(confidence.term, `Confidence on “${target.label}”`);
    if (!pruned) return tiles.slice(1).forEach((tile) => tile.set("…", ""));
    const near = exact ? "" : `, at ${number(pruned.count)} patches`;
    const saved = 1 - pruned.gmacs / full.gmacs;
    put(macs.term, saved < 0 ? "Multiply-accumulates added" : "Multiply-accumulates saved");
    const looks = ["random", "center"].includes(method.name) ? "no ConvNet needed" : "ConvNet included";
    macs.set(`${Math.round(100 * Math.abs(saved))} %`, `${short(pruned.gmacs)} instead of ${short(full.gmacs)} billion, ${looks}${near}`);
    time.set(milliseconds(pruned.seconds), `map and kept patches${method.draws > 1 ? `, ${method.draws} draws` : ""}; all patches ${milliseconds(full.seconds)}${near}`);
    const spread = method.draws > 1 ? `mean of ${method.draws}, ${percent(pruned.low)} to ${percent(pruned.high)}; ` : "";
    confidence.set(`${percent(pruned.confidence)} %`, `${spread}${percent(full.confidence)} % with all patches${near}`);
  };
};
