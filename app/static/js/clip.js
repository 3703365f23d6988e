// Video: what is known of the clip, what the visitor has set, and the questions to the server.
//
// answer   the last payload (app/parts/clip_view.py); what is known of the same frames stays known
// media    the sampled frames as pictures, as far as they have come, and as a clip: fetched once for each clip and crop
// masked   the masked clip as the server wrote it, and what it shows; any other masks are drawn here

const { el } = papr;

const visitor = `${papr.ask.visitor} clips`;
const PLACES = ["clip", "ratio", "method", "target", "explain", "models", "stage", "save"];
let link = null; // {trigger, server} of the stage
let last = null; // the last question
let models = null; // which models look at clips, and what goes with them

const clip = (papr.clip = {
  view: {},
  answer: null,
  media: null,
  masked: null,
  working: null,
  progress: null,
  stopped: false,
  fresh: true, // the answer on the screen belongs to the newest question
  seq: 0,
  live: false, // the webcam is shown instead of a clip
});

const listeners = [];
clip.onchange = (f) => listeners.push(f);
// what: "answer" | "media" | "ratio" | "frame" | "live" | "looks" | "status"
clip.changed = (what) => {
  listeners.forEach((f) => f(what));
  if (what !== "frame" && what !== "live") papr.links.write();
};

clip.say = (where, text) => {
  for (const place of where === null ? PLACES : [where]) papr.say(`clip-${place}`, text ?? "", "clip-stage");
};

// --- what is kept ---------------------------------------------------------------------------------------------------

clip.count = () => {
  const { patches, prefix } = clip.answer;
  return papr.numKept(patches, prefix, clip.view.percent / 100);
};

// The patches that each sampled frame keeps now, counted row by row in it; null before there is an order.
let each = { order: null, count: 0, times: [] };
clip.kept = (frame) => {
  const { answer } = clip;
  if (!answer?.method?.order) return null;
  const [times, rows, columns] = answer.grid;
  const [order, count] = [answer.method.order, clip.count()];
  if (each.order !== order || each.count !== count) {
    each = { order, count, times: Array.from({ length: times }, () => []) };
    const per = rows * columns;
    for (let i = 0; i < count; i++) each.times[Math.floor(order[i] / per)].push(order[i] % per);
  }
  return each.times[Math.floor((frame * times) / answer.times.length)]; // the frames of a tubelet share it
};

// The map of each sampled frame, 0 to 255 over the whole clip, and of those seen so far while the ConvNet works; null
// where there is none (yet).
let maps = { of: null, each: [] };
clip.map = (frame) => {
  const { answer } = clip;
  const whole = answer?.method?.map ?? answer?.early?.map;
  if (!whole) return null;
  const [times, rows, columns] = answer.grid;
  const per = rows * columns;
  if (maps.of !== whole) maps = { of: whole, each: Array.from({ length: whole.length / per }, (_, i) => whole.slice(i * per, (i + 1) * per)) };
  return maps.each[Math.floor((frame * times) / answer.times.length)] ?? null;
};

// Frames that the ConvNet has seen.
clip.seen = () => {
  const { answer } = clip;
  if (answer.method) return answer.times.length;
  return answer.early ? answer.early.map.length / (answer.grid[1] * answer.grid[2]) : 0;
};

// The picture of a frame, null until it has come.
clip.picture = (frame) => (clip.media && clip.media.key === clip.answer?.footage ? (clip.media.images[frame] ?? null) : null);

// Whether the numbers, or the masked clip, belong to what is set now.
clip.exact = () => clip.answer?.answer?.count === clip.count();
const shows = () => `${clip.answer.method.id} ${clip.count()} ${clip.view.look}`;
clip.maskedUrl = () => (clip.answer?.method && clip.masked?.of === shows() ? clip.masked.url : null);

// --- questions ------------------------------------------------------------------------------------------------------

// Which clip: the one on the screen, or the one that the last question was about.
const shown = () => ({ picture: clip.answer?.clip.id ?? clip.view.clip, upload: null, name: clip.answer?.clip.name ?? null });
const asked = () => ({ picture: last.picture, upload: last.upload, name: last.name });

clip.question = (change = {}) => {
  const { view, answer, known } = clip;
  return {
    visitor,
    seq: clip.seq,
    ...(clip.working ? asked() : shown()),
    has: answer?.method?.id ?? "",
    labels: answer?.models.backbone.labels ?? known.labels,
    proposal: view.proposal,
    backbone: view.backbone,
    keep_ratio: view.percent / 100,
    methods: [view.method],
    target: view.target,
    explain: view.explain,
    look: view.look,
    patches: [],
    ...change,
  };
};

function newest() {
  clip.seq += 1; // answers to older questions are no longer taken
  link.server.newest(JSON.stringify({ visitor, seq: clip.seq }));
}

// change: another clip; only: the ratio or the look alone, so that what stands on the screen still holds.
clip.send = (change = {}, only = false) => {
  newest();
  last = clip.question(change);
  Object.assign(clip, { working: "Waiting for a place in the queue", progress: null, stopped: false, fresh: only && clip.fresh });
  clip.changed("status");
  link.trigger("ask", last);
};

clip.stop = () => {
  newest();
  Object.assign(clip, { working: null, stopped: true, fresh: true });
  clip.changed("status");
};

// What was stopped is asked again, with what is set now.
clip.goOn = () => clip.send(asked());

clip.save = (kind) => link.trigger("save", clip.question({ ...shown(), kind }));

// The ratio came to rest: one question, for the numbers there and the clip.
clip.rest = papr.debounce(() => {
  if (!clip.answer?.method?.order || !clip.fresh || clip.live || papr.held() || clip.maskedUrl()) return;
  const same = last && clip.working && last.keep_ratio === clip.view.percent / 100 && last.look === clip.view.look;
  if (!same) clip.send({}, true);
}, 180);
papr.onrelease(() => clip.rest());

// --- answers --------------------------------------------------------------------------------------------------------

function take(given) {
  if (!given || given.seq < clip.seq || !last) return; // of an older question, or of one that was stopped
  const now = JSON.parse(JSON.stringify(given)); // Gradio's own copy stays as it is
  Object.assign(clip, { working: now.working ?? null, progress: now.progress ?? null });
  clip.say(null);
  if (now.error) {
    clip.say(now.error.where, now.error.text);
    restore();
  }
  if (now.clip) show(now);
  else clip.changed("status");
  if (!clip.working) clip.rest(); // what was set meanwhile
}

const sameFrames = (a, b) =>
  a && a.footage === b.footage && ["proposal", "backbone"].every((role) => a.models[role].name === b.models[role].name);

function show(now) {
  const before = sameFrames(clip.answer, now) ? clip.answer : null;
  const mapped = Boolean(now.method);
  now.full ??= before?.full;
  now.target ??= before?.target;
  now.method ??= before?.method;
  if (before?.method && before.method.id === now.method?.id) {
    // an order that is there already stays the same object, so what was made of it is not made again
    const { order, map, low, high } = before.method;
    if (order) Object.assign(now.method, { order, map, low, high });
    now.answer ??= before.answer;
    now.notes ??= before.notes;
  }
  const other = clip.answer?.clip.id !== now.clip.id;
  clip.answer = now;
  Object.assign(last, shown()); // its file need not be read again
  if (other) clip.player?.rewind();
  if (now.masked) {
    forget(clip.masked?.url);
    clip.masked = { of: `${now.method.id} ${now.answer.count} ${last.look}`, url: address(now.masked) };
    now.masked = null;
  }
  if (!clip.working) settled = { question: last, answer: now };
  clip.fresh ||= mapped || !clip.working;
  clip.stopped = false;
  fetchFrames(now.footage);
  clip.changed("answer");
}

// A question failed: what stood there stands, and the controls say again what it was asked with.
let settled = null; // the last question that was answered in full, and its answer
function restore() {
  clip.fresh = true;
  if (!settled) return;
  const { proposal, backbone, methods, target, explain, look } = settled.question;
  Object.assign(clip.view, { proposal, backbone, method: methods[0], target, explain, look });
  clip.sync();
  if (clip.answer === settled.answer) return;
  clip.answer = settled.answer;
  fetchFrames(clip.answer.footage);
  clip.changed("answer");
}

// Some frames at once, so that they appear while others are on their way; then the clip that is written of them.
let coming = null;
async function fetchFrames(key) {
  if (coming === key) return;
  coming = key;
  while (clip.answer.footage === key) {
    if (clip.media?.key !== key) {
      forget(clip.media?.url);
      clip.media = { key, images: [], url: null };
    }
    const { media, seq } = clip;
    const start = media.images.length;
    const all = start === clip.answer.times.length;
    if (all && media.url) break;
    // of what is on the screen, whatever is being asked for meanwhile; they are the same for every method
    const { proposal, backbone } = clip.answer.models;
    const which = { ...shown(), proposal: proposal.name, backbone: backbone.name, methods: ["papr"], has: "" };
    const part = all ? { kind: "original" } : { start };
    const reply = await link.server.frames(JSON.stringify(clip.question({ ...which, ...part })));
    if (clip.answer.footage !== key) break; // a newer clip came meanwhile
    if (!reply?.ok) {
      if (reply?.stopped || seq !== clip.seq) continue;
      clip.say(reply?.where, reply?.text ?? "The server did not answer. Choose the clip again.");
      break;
    }
    if (reply.footage !== key) break;
    if (all) media.url = address(reply.clip);
    else media.images.push(...(await Promise.all(reply.frames.map(loaded))));
    clip.changed("media");
  }
  if (coming === key) coming = null;
}

const loaded = (src) =>
  new Promise((done) => {
    const image = new Image();
    image.onload = image.onerror = () => done(image);
    image.src = src;
  });

// A clip that is shown no more; its <video> may still be reading it.
const forget = (url) => url && setTimeout(() => URL.revokeObjectURL(url), 30_000);

// A data address as one that a <video> can seek in.
function address(data) {
  const [head, body] = data.split(",");
  const bytes = Uint8Array.from(atob(body), (c) => c.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type: head.match(/:(.*?);/)[1] }));
}

// --- what the visitor sets ------------------------------------------------------------------------------------------

const ASKS = ["proposal", "backbone", "method", "target", "explain"];
clip.controls = (change) => {
  const { view } = clip;
  const changed = Object.keys(change).filter((name) => view[name] !== change[name]);
  if (!changed.length) return;
  if (changed.includes("percent") && !(change.percent > 0 && change.percent <= 100)) {
    clip.say("ratio", "The share of patches kept lies above 0 and at most at 100 %.");
    return;
  }
  clip.say("ratio", "");
  Object.assign(view, change);
  if (changed.includes("backbone")) view.target = null; // another model may have other classes
  for (const [role, other] of [["proposal", "backbone"], ["backbone", "proposal"]])
    if (changed.includes(role)) partner(role, other);
  if (changed.some((name) => ["proposal", "backbone"].includes(name))) clip.sync();
  if (clip.live) return clip.changed("ratio");
  if (changed.some((name) => ASKS.includes(name))) clip.send();
  else {
    clip.changed(changed.includes("percent") ? "ratio" : "looks");
    clip.rest();
  }
};

// A model of clips and one of pictures do not go together: the other one follows.
function partner(role, other) {
  if (!models) return;
  const kind = (name) => (models.ofClips.includes(name) ? "clips" : "pictures");
  if (kind(clip.view[role]) !== kind(clip.view[other])) clip.view[other] = models.partners[kind(clip.view[role])][other];
}

// Another clip is asked about its own answer first. An error of it leaves the old one where it is.
clip.bring = (change) => {
  clip.view.target = null;
  clip.sync();
  clip.send({ upload: null, ...change });
};

// --- the stage ------------------------------------------------------------------------------------------------------

clip.mount = ({ element, props, trigger, watch, server }) => {
  const root = element.querySelector(".papr-stage");
  const section = (name) => root.appendChild(el("section", { class: `p-section p-section-${name}` }));
  link = { trigger, server };
  clip.known = props.value.known;
  clip.sync = () => trigger("sync");
  clip.server = server;

  const plain = props.value.view;
  Object.assign(clip.view, plain);
  const { among, whole, words } = papr.links;
  papr.links.join(clip.view, plain, {
    clip: ["clip", among(clip.known.clips)],
    "clip-keep": ["percent", whole(1, 100)],
    "clip-method": ["method", among(clip.known.methods)],
    "clip-proposal": ["proposal", words],
    "clip-backbone": ["backbone", words],
    "clip-target": ["target", whole(0, 999_999)],
    "clip-explain": ["explain", among(["proposal", "target"])],
    "clip-look": ["look", among(clip.known.looks)],
    "clip-show": ["show", among(["kept", "map"])],
    "clip-colours": ["colours", among(clip.known.colours)],
  });
  const linked = Object.keys(plain).some((name) => clip.view[name] !== plain[name]);

  const parts = [
    clip.verdict(section("verdict")),
    clip.players(section("players")),
    clip.frames(section("frames")),
    clip.numbers(section("numbers")),
    clip.downloads(section("downloads")),
    clip.liveView(section("live")),
  ];
  // Several changes within one frame are drawn once; "answer" says the most and so wins.
  const order = ["answer", "media", "looks", "ratio", "frame", "live", "status"];
  let pending = new Set();
  const draw = papr.eachFrame(() => {
    const what = order.find((w) => pending.has(w));
    pending = new Set();
    parts.forEach((part) => part(what));
    root.classList.toggle("p-old", !clip.fresh);
  });
  clip.onchange((what) => {
    pending.add(what);
    draw();
  });
  papr.onchange((what) => what === "looks" && clip.changed("looks")); // another tab, another size, light or dark
  watch("value", () => take(props.value.answer));

  async function arrive() {
    const told = await server.examples("");
    if (told?.ok) models = told;
    else setTimeout(arrive, 5000); // until then there is a word, and a pair is checked by the server alone
    clip.examples(told?.examples);
  }
  arrive();
  trigger("arrive");
  if (linked) clip.sync();
  clip.send();
};

// The clip in the address is an example or none: never a visitor's own.
clip.onchange((what) => {
  if (what !== "answer") return;
  const { id } = clip.answer.clip;
  clip.view.clip = clip.known.clips.includes(id) ? id : clip.known.clips[0];
});
