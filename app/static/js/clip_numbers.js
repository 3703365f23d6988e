// What stands around the clips: the verdict, the classes with and without, what is saved, downloads.

import { clip } from "./clip.js";
import { el, put, reveal } from "./dom.js";
import { answerList } from "./numbers.js";
import { headline } from "./sentence.js";
import { besides, onTarget } from "./verdict.js";
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

// Of a target that the visitor chose, headline and badges say whether it is first, as on Compare.
const chosen = () => (clip.answer.target.chosen ? clip.answer.target.label : undefined);
/** @param {import("./types").ClipPart["answer"]} answer */
const stateOf = (answer) => (answer ? ((chosen() ? answer.first : answer.kept) ? "kept" : "lost") : "wait");
/** Both methods, as far as they have come. @param {ClipAnswer} told */
const found = (told) => [told, told.beside].flatMap((part) => (part?.method && part.answer ? [{ title: part.method.title, point: part.answer }] : []));

/** @param {ClipAnswer} told @returns {import("./sentence.js").Parts} */
function verdict(told) {
  const { full, method, answer, beside } = told;
  if (!full) return [[false, "Looking at the clip …"]];
  if (!answer) return [[false, `The full model sees “${full.label}”.`]];
  const share = clip.exact() ? "" : `${Math.round((100 * answer.count) / clip.answer.patches)} % of the patches`;
  if (chosen()) {
    const [first, others] = [true, false].map((yes) => found(told).filter(({ point }) => point.first === yes));
    return [[false, share && `With ${share}, `], ...onTarget(`“${chosen()}”`, first, others)];
  }
  const other = beside?.method && beside.answer;
  const and = /** @type {import("./sentence.js").Parts} */ (
    other ? [[false, answer.kept === other.kept ? ", and so does " : ", "], [true, beside.method.title], [false, answer.kept === other.kept ? "." : other.kept ? " keeps it." : " loses it."]] : [[false, "."]]
  );
  return [[true, method?.title ?? ""], [false, ` ${answer.kept ? "keeps" : "loses"} “${full.label}”${share && ` with ${share}`}`], ...and];
}

// "1,254 of 6,272 patches kept … 32 of 150 frames, from 0.08 to 4.92 s."
/** @param {ClipAnswer} answer */
function reason(answer) {
  const { patches, times, clip: file, method, models, grid, full, target } = answer;
  const kept = clip.count();
  const what = grid[0] === times.length ? "patches" : "tubelets";
  const over = what === "patches" ? "the best of all frames together" : "the best of the whole clip";
  const sampled = `${times.length} of ${number(file.frames)} frames are seen, from ${times[0].toFixed(2)} to ${times[times.length - 1].toFixed(2)} s`;
  return [
    method ? `${number(kept)} of ${number(patches)} ${what} kept (${Math.round((100 * kept) / patches)} %), ${over}; the others are dropped.` : "",
    `${sampled}, by ${models.proposal.title} and ${models.backbone.title}.`,
    full && target.chosen ? besides(target.label, `${percent(full.confidence)}\u00a0%`, full.index === target.index ? null : full.label, found(answer).filter(({ point }) => point.kept).map(({ title }) => title)) : "",
  ].filter(Boolean);
}

/** @param {HTMLElement} root */
export const clipNumbers = (root) => {
  const [all, some, others] = [answerList(5), answerList(5), answerList(5)];
  const facts = el("dl", { class: "p-saved" });
  root.append(el("h3", { class: "p-heading", text: "What the backbone says" }), el("div", { class: "p-answers" }, all.node, some.node, others.node), facts);
  others.node.hidden = true;
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
    all.draw(`All ${number(patches)}`, full.top, full.label, null, chosen());
    const title = pruned ? `${number(pruned.count)} of them` : prunedSoFar ? `Kept patches, ${prunedSoFar.frames} frames so far` : "Kept patches";
    some.draw(title, (pruned ?? prunedSoFar)?.top ?? [], full.label, stateOf(pruned), chosen());
    const { beside } = answer;
    reveal(others.node, Boolean(beside));
    if (beside) {
      const { method: other, answer: theirs, so_far } = beside;
      const name = other?.title ?? "";
      others.draw(theirs ? `${name}: ${number(theirs.count)} of them` : name, (theirs ?? so_far?.pruned)?.top ?? [], full.label, stateOf(theirs), chosen());
      if (pruned) some.draw(`${method.title}: ${title}`, pruned.top, full.label, stateOf(pruned), chosen());
    }
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
    confidence.set(`${percent(pruned.confidence)} %`, `${spread}${percent(full.confidence)} % with all patches${beside?.answer ? `, ${percent(beside.answer.confidence)} % by ${beside.method.title}` : ""}${near}`);
  };
};
