// What the page knows: the answer from the server, and what the visitor has set.
//
// answer   the last payload (see app/parts/view.py): picture, grid, models, target, and for each method its map,
//          the order of its patches and its computed points
// view     what acts here in the browser without a request: ratio, looks, which methods are shown
// extra    points computed after the answer came (the ratio at rest, patches chosen by hand)

const store = (papr.store = {
  answer: null,
  view: { hand: [] },
  working: null, // a sentence while the server works, else null
  progress: null, // [done, of] of that work
  stopped: false,
  fresh: true, // the answer on the screen belongs to the newest question
  extra: { key: null, points: {} },
});

const listeners = [];
papr.onchange = (f) => {
  listeners.push(f);
  if (store.answer) f("answer"); // whoever comes late is told what there is
};
// what: "answer" | "points" | "ratio" | "methods" | "looks" | "hand" | "status"
papr.changed = (what) => listeners.forEach((f) => f(what));

// How many patches stay (decision 1): floor(z (N + P)), at least 1, at most N.
papr.numKept = (patches, prefix, ratio) =>
  Math.min(patches, Math.max(1, Math.floor(ratio * (patches + prefix) + 1e-6)));

papr.kept = () => papr.numKept(store.answer.patches, store.answer.prefix, store.view.percent / 100);

// The methods that have a card, in the order of the server's table, and those drawn as curves: the same, and random,
// the baseline that a reader needs.
papr.cards = () => store.answer.methods.filter((m) => store.view.methods.includes(m.name));
papr.lines = () =>
  store.answer.methods.filter(
    (m) => m.name !== "by-hand" && (m.name === "random" || store.view.methods.includes(m.name)),
  );

papr.label = (index) => store.answer.labels[index] ?? `class ${index}`;

// A backbone without a classifier has no answer and no target: what stands where a confidence is named is the cosine
// between the pruned and the full embedding.
papr.cosine = () => store.answer.measure === "cosine";
papr.number = (value) => (papr.cosine() ? value.toFixed(3) : papr.percent(value));
papr.unit = () => (papr.cosine() ? "" : " %");
papr.shown = (value) => `${papr.number(value)}${papr.unit()}`;
papr.measured = () => (papr.cosine() ? "Cosine to the unpruned embedding" : `Confidence on “${store.answer.target.label}”`);

// A point is {k, confidence, low, high, kept, top: [[class index, probability], ...], ratio}; kept is null without an
// answer. ratio: which a ConvNeXt or Swin took stage by stage; null of a point by count, as those of a curve are.
const unpack = ([k, confidence, low, high, kept, top, ratio = null]) => ({ k, confidence, low, high, kept: kept === null ? null : Boolean(kept), top, ratio });

const unpacked = new WeakMap();
papr.points = (method) => {
  if (!method.points) return [];
  if (!unpacked.has(method.points)) unpacked.set(method.points, method.points.map(unpack));
  const points = unpacked.get(method.points);
  const more = store.extra.points[method.name];
  return more ? [...points, ...more] : points;
};

// The point computed for the ratio that is set, or else the nearest one: {point, exact}. Nothing is ever interpolated.
papr.pointAt = (method, k) => {
  const ratio = store.view.percent / 100;
  let best = null;
  for (const point of papr.points(method)) {
    if (point.k === k && (!store.answer.by_stage || point.ratio === ratio)) return { point, exact: true };
    if (!best || Math.abs(point.k - k) < Math.abs(best.k - k)) best = point;
  }
  return best && { point: best, exact: false };
};

// What a card shows now: the count of patches, which ones, and the number that belongs to them.
papr.now = (method) => {
  if (method.name !== "by-hand") {
    const k = papr.kept();
    return { k, patches: method.order?.slice(0, k) ?? null, ...papr.pointAt(method, k) };
  }
  const patches = store.view.hand;
  const [point] = store.extra.points["by-hand"] ?? [];
  const exact = point?.patches === String(patches);
  return { k: patches.length, patches, point: exact ? point : null, exact };
};

// --- taking answers ------------------------------------------------------------------------------------------------

papr.take = (given) => {
  if (!given || given.seq < papr.ask.seq) return; // the answer to an older question
  const answer = JSON.parse(JSON.stringify(given)); // Gradio's own copy stays as it is
  store.working = answer.working ?? null;
  store.progress = answer.progress ?? null;
  if (answer.error) {
    papr.say(answer.error.where, answer.error.text);
    papr.restore();
  }
  if (answer.full) show(answer);
  else papr.changed("status"); // what stood on the screen stays
  if (answer.more) papr.ask.finish(answer.picture);
  else if (answer.full && !answer.working) papr.ask.rest();
};

// What an answer was asked with.
papr.askedWith = ({ models, target, explain }) => ({
  proposal: models.proposal.name,
  backbone: models.backbone.name,
  target: target?.chosen ? target.index : null,
  explain: explain.mode,
});

// A question failed, or was stopped: the old answer stands, and the controls say again what it was asked with.
papr.restore = () => {
  store.fresh = true;
  if (!store.answer) return;
  Object.assign(store.view, papr.askedWith(store.answer));
  papr.sync();
  papr.ask.rest(); // what was set meanwhile
};

// What was known stays known: a curve in full is not taken back by an answer that begins anew. And a map that is
// there already stays the same object, so what was made of it is not made again.
function keepKnown(before, answer) {
  answer.methods = answer.methods.map((method) => {
    const known = before.methods.find((m) => m.name === method.name);
    if (!known?.map || method.refused) return method;
    if (!method.map) return known;
    const points = [...new Map([...known.points, ...method.points].map((point) => [point[0], point])).values()];
    const more = known.complete ? { complete: true, fewest: known.fewest } : {};
    return { ...method, ...more, points, map: known.map };
  });
}

function show(answer) {
  const before = store.answer;
  answer.picture.src ??= before?.picture.src; // sent once for each crop
  if (before?.key === answer.key) keepKnown(before, answer);
  store.answer = answer;
  store.stopped = false;
  if (store.extra.key !== answer.key) store.extra = { key: answer.key, points: {} };
  const same = before?.picture.id === answer.picture.id && String(before.grid) === String(answer.grid);
  if (before && !same) store.view.hand = [];
  if (!store.fresh) papr.ask.hand(); // the first of a new question's
  store.fresh = true;
  papr.changed("answer");
}

papr.addPoints = (key, points, labels, patches) => {
  if (!store.answer || key !== store.answer.key) return;
  Object.assign(store.answer.labels, labels);
  for (const [name, point] of Object.entries(points)) {
    const value = unpack(point);
    if (name === "by-hand") store.extra.points[name] = [{ ...value, patches: String(patches) }];
    else (store.extra.points[name] ??= []).push(value);
  }
  papr.changed("points");
};

// --- one sentence where the eye is ---------------------------------------------------------------------------------

const places = {}; // name -> where it is said: a picture's on every page that shows it
papr.place = (name, node) => (places[name] ??= []).push(node);
const OURS = ["picture", "ratio", "target", "explain", "models", "stage", "save"]; // Compare's
papr.say = (where, text, otherwise = "stage") => {
  if (where === null) OURS.forEach((name) => papr.say(name, ""));
  else (places[where] ?? places[otherwise]).forEach((node) => papr.put(node, text));
};
