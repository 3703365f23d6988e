// Video: what is known of the clip, what the visitor has set, and the questions to the server.
//
// answer   the last payload; what is known of the same frames stays known
// media    the sampled frames as pictures, as far as they have come, and as a clip: fetched once for each clip and crop
// written  the masked clips as the server wrote them, the method’s and the second’s, and what they show; any other masks
//          are drawn here
//
// Its changes: "answer" | "media" | "ratio" | "frame" | "live" | "looks" | "status"

import { Asked, ROLES } from "./asked.js";
import { keptByTime } from "./counts.js";
import { dark } from "./dom.js";
import { address, forget, loaded } from "./media.js";
import { debounce, held, onRelease } from "./timing.js";

/** @typedef {import("./types").ClipAnswer} ClipAnswer @typedef {import("./types").ClipPart} ClipPart @typedef {import("./files.js").Brought} Brought */
/** @typedef {import("./asked.js").Role} Role */

const ASKS = ["proposal", "backbone", "method", "beside", "target", "explain"];

/** @param {ClipAnswer | null} a @param {ClipAnswer} b */
export const sameFrames = (a, b) =>
  a?.footage === b.footage && ROLES.every((role) => a.models[role].name === b.models[role].name);

/**
 * What was known of the same frames stays known; an order that is there already stays the same object, so what was made
 * of it is not made again. second: the name of the method beside, where one was asked for.
 * @param {ClipAnswer | null} before @param {ClipAnswer} now @param {string} [second]
 */
export function keepKnown(before, now, second) {
  if (!sameFrames(before, now)) return;
  now.full ??= before.full;
  now.target ??= before.target;
  now.method ??= before.method;
  const aim = now.target?.index === before.target?.index; // an answer's numbers are about the target
  if (aim && second && before.beside?.method?.name === second) now.beside ??= before.beside; // until its own has come
  const parts = [before, before.beside].filter((part) => part?.method);
  for (const part of [now, now.beside]) {
    const known = parts.find(({ method }) => method.id === part?.method?.id);
    if (!known || known === part) continue;
    const { order, map, low, high } = known.method;
    if (order) part.method = { ...part.method, order, map, low, high };
    if (aim) part.answer ??= known.answer;
    part.notes ??= known.notes;
  }
}

/** @extends {Asked<ClipAnswer, import("./types").ClipView>} */
class Clip extends Asked {
  /** @type {{key: string, images: HTMLImageElement[], url: string | null} | null} */
  media = null;
  /** @type {({of: string, url: string} | null)[]} */
  written = [null, null];
  live = false; // the webcam is shown instead of a clip
  /** @type {Record<string, any>} what may be set: {clips, methods, looks, colours, labels} */
  known = {};
  /** @type {{ofClips: string[], partners: Record<string, Record<Role, string>>} | null} */
  models = null; // which look at clips, and what goes with them
  /** @type {import("./types").Player | null} */
  player = null;
  /** Draw the examples; none: they are late. @type {(given?: import("./files.js").Example[]) => void} */
  examples = () => {};
  /** Show the webcam; the button that was pressed has the focus again afterwards. @type {(button: HTMLElement) => void} */
  startLive = () => {};
  /** Masked pictures a second. */
  liveRate = () => 0;
  /** @type {{question: import("./types").Question, answer: ClipAnswer} | null} the last that was answered in full */
  settled = null;

  // --- what is kept -------------------------------------------------------------------------------------------------

  /** What one method makes of the clip: the first (0), or the one beside it (1), where there is one. @param {number} which @returns {ClipPart | undefined} */
  part(which) {
    return which ? this.answer?.beside : (this.answer ?? undefined);
  }

  /** All there are. @returns {ClipPart[]} */
  parts() {
    return [this.part(0), this.part(1)].filter(Boolean);
  }

  /** @type {WeakMap<number[], {count: number, times: number[][]}>} by order */
  #each = new WeakMap();
  /** The patches that a sampled frame keeps, counted row by row in it; null before there is an order. @param {number} frame @param {number} [which] */
  kept(frame, which = 0) {
    const order = this.part(which)?.method?.order;
    if (!order) return null;
    const count = this.count();
    if (this.#each.get(order)?.count !== count)
      this.#each.set(order, { count, times: keptByTime(order, count, this.answer.grid) });
    return this.#each.get(order).times[this.#time(frame)];
  }

  /** @type {WeakMap<number[], number[][]>} by map */
  #maps = new WeakMap();
  /**
   * The map of a sampled frame, 0 to 255 over the whole clip, and of those seen so far while the ConvNet works; null
   * where there is none (yet).
   * @param {number} frame @param {number} [which]
   */
  map(frame, which = 0) {
    const whole = this.part(which)?.method?.map ?? (which ? null : this.answer?.early?.map);
    if (!whole) return null;
    const per = this.patchesOfFrame();
    const each = (/** @type {any} */ _, /** @type {number} */ i) => whole.slice(i * per, (i + 1) * per);
    if (!this.#maps.has(whole)) this.#maps.set(whole, Array.from({ length: whole.length / per }, each));
    return this.#maps.get(whole)[this.#time(frame)] ?? null;
  }

  patchesOfFrame() {
    return this.answer.grid[1] * this.answer.grid[2];
  }

  /** The frames of a tubelet share it. @param {number} frame */
  #time(frame) {
    return Math.floor((frame * this.answer.grid[0]) / this.answer.times.length);
  }

  /** Frames that the ConvNet has seen. */
  seen() {
    const { method, early, times } = this.answer;
    return method ? times.length : early ? early.map.length / this.patchesOfFrame() : 0;
  }

  /** The picture of a frame, null until it has come. @param {number} frame */
  picture(frame) {
    return this.media && this.media.key === this.answer?.footage ? (this.media.images[frame] ?? null) : null;
  }

  /** Whether the numbers belong to what is set now. */
  exact(which = 0) {
    return this.part(which)?.answer?.count === this.count();
  }

  /** The written masked clip, null unless it shows what is set now. */
  maskedUrl(which = 0) {
    const [method, written] = [this.part(which)?.method, this.written[which]];
    return method && written?.of === `${method.id} ${this.count()} ${this.view.look} ${dark()}` ? written.url : null;
  }

  // --- questions ----------------------------------------------------------------------------------------------------

  /** Which clip: the one on the screen. */
  #shown() {
    return { picture: this.answer?.clip.id ?? this.view.clip, upload: /** @type {string} */ (null), name: this.answer?.clip.name ?? null };
  }
  /** The one that the last question was about. */
  #asked() {
    return { picture: this.last.picture, upload: this.last.upload, name: this.last.name };
  }

  question(change = {}) {
    const { view, answer, known } = this;
    return this.numbered({
      ...(this.working ? this.#asked() : this.#shown()),
      has: this.parts().map(({ method }) => method?.id).join(" "),
      labels: answer?.models.backbone.labels ?? known.labels,
      proposal: view.proposal,
      backbone: view.backbone,
      keep_ratio: view.percent / 100,
      methods: [...new Set([view.method, view.beside])].filter(Boolean),
      target: view.target,
      explain: view.explain,
      look: view.look,
      night: dark(),
      patches: /** @type {number[]} */ ([]),
      ...change,
    });
  }

  /**
   * @param {object} [change]  another clip
   * @param {boolean} [only]  the ratio or the look alone, so that what stands on the screen still holds
   */
  send(change = {}, only = false) {
    this.say(null);
    this.ask("ask", () => this.question(change), "Waiting for a place in the queue", only && this.fresh);
  }

  /** What was stopped is asked again, with what is set now. */
  goOn() {
    this.send(this.#asked());
  }

  /** @param {string} kind */
  save(kind) {
    this.download(this.question({ ...this.#shown(), kind }));
  }

  /** Another clip is asked about its own answer first. An error of it leaves the old one where it is. @param {Brought} brought */
  bring(brought) {
    this.view.target = null;
    this.sync();
    this.send({ upload: null, ...brought });
  }

  /** The ratio came to rest: one question, for the numbers there and the clip. */
  rest = debounce(() => {
    if (!this.answer?.method?.order || !this.fresh || this.live || held() || this.parts().every((_, which) => this.maskedUrl(which))) return;
    const { last, view } = this;
    if (!(last && this.working && last.keep_ratio === view.percent / 100 && last.look === view.look && last.night === dark())) this.send({}, true);
  }, 180);

  // --- answers ------------------------------------------------------------------------------------------------------

  /** @param {ClipAnswer} now */
  whole({ clip }) {
    return Boolean(clip);
  }

  next() {
    if (!this.working) this.rest(); // what was set meanwhile
  }

  /** @param {ClipAnswer} now */
  show(now) {
    const mapped = Boolean(now.method);
    keepKnown(this.answer, now, this.last.methods[1]);
    const other = this.answer?.clip.id !== now.clip.id;
    this.answer = now;
    Object.assign(this.last, this.#shown()); // its file need not be read again
    if (other) this.player?.rewind();
    this.parts().forEach((part, which) => {
      if (!part.masked) return;
      const of = `${part.method.id} ${part.answer.count} ${this.last.look} ${this.last.night}`;
      if (this.written[which]?.of !== of) {
        forget(this.written[which]?.url);
        this.written[which] = { of, url: address(part.masked) };
      }
      part.masked = null;
    });
    if (!this.working) this.settled = { question: this.last, answer: now };
    this.fresh ||= mapped || !this.working;
    this.stopped = false;
    this.#fetch(now.footage);
    this.changed("answer");
  }

  restore() {
    this.fresh = true;
    if (!this.settled) return;
    const { proposal, backbone, methods, target, explain, look } = this.settled.question;
    Object.assign(this.view, { proposal, backbone, method: methods[0], beside: methods[1] ?? "", target, explain, look });
    this.sync();
    if (this.answer === this.settled.answer) return;
    this.answer = this.settled.answer;
    this.#fetch(this.answer.footage);
    this.changed("answer");
  }

  /** @type {string | null} */
  #coming = null;
  /**
   * Some frames at once, so that they appear while others are on their way; then the clip that is written of them.
   * @param {string} key
   */
  async #fetch(key) {
    if (this.#coming === key) return;
    this.#coming = key;
    while (this.answer.footage === key) {
      if (this.media?.key !== key) {
        forget(this.media?.url);
        this.media = { key, images: [], url: null };
      }
      const { media, seq } = this;
      const start = media.images.length;
      const all = start === this.answer.times.length;
      if (all && media.url) break;
      // of what is on the screen, whatever is being asked for meanwhile; they are the same for every method
      const { proposal, backbone } = this.answer.models;
      const which = { ...this.#shown(), proposal: proposal.name, backbone: backbone.name, methods: ["papr"], has: "" };
      const part = all ? { kind: "original" } : { start };
      const reply = await this.server.frames(JSON.stringify(this.question({ ...which, ...part })));
      if (this.answer.footage !== key) break; // a newer clip came meanwhile
      if (!reply?.ok) {
        if (reply?.stopped || seq !== this.seq) continue;
        this.say(reply?.where, reply?.text ?? "The server did not answer. Choose the clip again.");
        break;
      }
      if (reply.footage !== key) break;
      if (all) media.url = address(reply.clip);
      else media.images.push(...(await Promise.all(reply.frames.map(loaded))));
      this.changed("media");
    }
    if (this.#coming === key) this.#coming = null;
  }

  // --- what the visitor sets ----------------------------------------------------------------------------------------

  /** As {name: value}. @param {Partial<import("./types").ClipView>} change */
  controls(change) {
    const changed = this.set(change);
    if (!changed.length) return;
    if (this.live) return this.changed("ratio");
    if (changed.some((name) => ASKS.includes(name))) this.send();
    else {
      this.changed(changed.includes("percent") ? "ratio" : "looks");
      this.rest();
    }
  }

  /** A model of clips and one of pictures do not go together: the other one follows. @param {Role} role */
  follow(role) {
    if (!this.models) return;
    const other = ROLES.find((one) => one !== role);
    const { ofClips, partners } = this.models;
    const kind = (/** @type {string} */ name) => (ofClips.includes(name) ? "clips" : "pictures");
    if (kind(this.view[role]) !== kind(this.view[other])) this.view[other] = partners[kind(this.view[role])][other];
  }
}

export const clip = new Clip("clips", "clip-");
onRelease(() => clip.rest());
