// What stands around the clips: the verdict, the classes with and without, what is saved, downloads.

const { el, clip } = papr;

const number = (value) => value.toLocaleString("en-US");
const short = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));

clip.verdict = (root) => {
  const sentence = el("h2", { class: "p-verdict" });
  const basis = el("p", { class: "p-basis" });
  const says = el("p", { class: "p-says", role: "alert" });
  const working = papr.workingLine(clip.stop, clip.goOn);
  const spoken = el("p", { class: "p-hidden", role: "status" });
  papr.place("clip-stage", says);
  root.append(sentence, basis, says, working.node, spoken);
  const speak = papr.debounce(() => papr.put(spoken, `${sentence.textContent} ${basis.textContent}`), 700);
  sentence.append(el("strong"), el("span"));

  return (what) => {
    papr.show(root, !clip.live);
    working.draw(clip);
    const { answer } = clip;
    const [who, does] = sentence.children;
    if (!answer) {
      papr.put(does, clip.working ? "Looking at the clip …" : "Choose a clip.");
      return;
    }
    const { method, full } = answer;
    papr.put(who, method && answer.answer ? method.title : "");
    if (!full) papr.put(does, "Looking at the clip …");
    else if (!answer.answer) papr.put(does, `The full model sees “${full.label}”.`);
    else papr.put(does, ` ${answer.answer.kept ? "keeps" : "loses"} “${full.label}”${clip.exact() ? "" : ` with ${share(answer.answer.count)}`}.`);
    papr.put(basis, [...reason(answer), ...(answer.notes ?? [])].join(" "));
    if (what !== "status" && what !== "frame" && !clip.working) speak();
  };
};

const share = (count) => `${Math.round((100 * count) / clip.answer.patches)} % of the patches`;

// "1,254 of 6,272 patches kept … 32 of 150 frames, from 0.08 to 4.92 s."
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

clip.numbers = (root) => {
  const [all, some] = [papr.answerList(5), papr.answerList(5)];
  const facts = el("dl", { class: "p-saved" });
  root.append(el("h3", { class: "p-heading", text: "What the backbone says" }), el("div", { class: "p-answers" }, all.node, some.node), facts);
  const tiles = ["Patches dropped", "Multiply-accumulates saved", "Time", "Confidence"].map((name) => {
    const [value, note] = [el("span", { class: "p-big" }), el("span", { class: "p-note" })];
    const term = el("dt", { text: name });
    facts.append(el("div", {}, term, el("dd", {}, value, note)));
    return { set: (big, small) => (papr.put(value, big), papr.put(note, small)), term };
  });

  return (what) => {
    const { answer } = clip;
    const { full: fullSoFar, pruned: prunedSoFar } = answer?.so_far ?? {};
    papr.show(root, Boolean(answer?.full ?? fullSoFar) && !clip.live);
    papr.show(facts, Boolean(answer?.full));
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
    papr.put(confidence.term, `Confidence on “${target.label}”`);
    if (!pruned) return tiles.slice(1).forEach((tile) => tile.set("…", ""));
    const near = exact ? "" : `, at ${number(pruned.count)} patches`;
    const saved = 1 - pruned.gmacs / full.gmacs;
    papr.put(macs.term, saved < 0 ? "Multiply-accumulates added" : "Multiply-accumulates saved");
    const looks = ["random", "center"].includes(method.name) ? "no ConvNet needed" : "ConvNet included";
    macs.set(`${Math.round(100 * Math.abs(saved))} %`, `${short(pruned.gmacs)} instead of ${short(full.gmacs)} billion, ${looks}${near}`);
    time.set(papr.milliseconds(pruned.seconds), `map and kept patches${method.draws > 1 ? `, ${method.draws} draws` : ""}; all patches ${papr.milliseconds(full.seconds)}${near}`);
    const spread = method.draws > 1 ? `mean of ${method.draws}, ${papr.percent(pruned.low)} to ${papr.percent(pruned.high)}; ` : "";
    confidence.set(`${papr.percent(pruned.confidence)} %`, `${spread}${papr.percent(full.confidence)} % with all patches${near}`);
  };
};

clip.downloads = (root) => {
  const kinds = { masked: "Masked clip (MP4)", original: "Frames (MP4)", png: "Figure (PNG)", json: "Numbers (json)" };
  const { node, saved } = papr.saver(kinds, "clip-save", clip.save);
  clip.saved = saved;
  root.append(node);
  return () => papr.show(root, Boolean(clip.answer?.answer) && !clip.live);
};

// Where the weights come from, and what the backbone knows: under the two lists in the rail.
clip.modelNote = () => {
  const list = el("dl", { class: "p-models" });
  clip.onchange((what) => {
    if (what !== "answer") return;
    papr.modelRows(list, clip.answer.models);
  });
  return list;
};
