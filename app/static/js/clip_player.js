// The clip beside its masked self, in step; under them the timeline of kept patches and the strip of frames.
//
// Both play as the server wrote them. While the masks on the screen are not those of the written clip (the slider
// moves, or the clip is still being written) they are drawn over it, frame by frame.

import { clip } from "./clip.js";
import { button, el, put, reveal, svg } from "./dom.js";
import { draw } from "./draw.js";
import { pages } from "./pages.js";

/** @typedef {{video: HTMLVideoElement, canvas: HTMLCanvasElement, caption: HTMLElement, screen: HTMLElement, node: HTMLElement}} Pane */

const state = { frame: 0, playing: false, wanted: true };
const count = () => clip.answer?.times.length ?? 0;
const seconds = (/** @type {number} */ value) => `${value.toFixed(2)} s`;

const frameNow = () => Math.min(state.frame, Math.max(0, count() - 1));

// "Frame 3 of 32, 0.41 s: 75 of 196 patches kept"
/** @param {number} frame */
const words = (frame) => {
  const { times, grid } = clip.answer;
  const kept = clip.kept(frame);
  const about = kept ? `: ${kept.length} of ${grid[1] * grid[2]} patches kept` : "";
  return `Frame ${frame + 1} of ${times.length}, ${seconds(times[frame])}${about}`;
};

// A frame with its kept patches, or with its map over it: where that was chosen, and while no patches are.
const mapped = () => clip.view.show === "map" || !clip.answer.method;
/** @param {HTMLCanvasElement} canvas @param {number} frame @param {number} cell */
const drawn = (canvas, frame, cell, plain = false) => {
  const [, rows, columns] = clip.answer.grid;
  const [picture, { look, opacity, colours }] = [clip.picture(frame), clip.view];
  if (plain || mapped()) draw.over(canvas, picture, plain ? null : clip.map(frame), { rows, columns, cell, range: [0, 255], opacity, colours });
  else draw.mask(canvas, picture, clip.kept(frame), { rows, columns, cell, look, dark: false });
};
const ready = () => Boolean(clip.picture(0));
const shown = () => Math.min(frameNow(), clip.media.images.length - 1); // the last that has come

/** @param {HTMLElement} root */
export const players = (root) => {
  state.wanted = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  const panes = ["Sampled frames", "Kept patches"].map((title, i) => {
    const video = el("video", { muted: true, playsinline: true, loop: true, preload: "auto", tabindex: -1, "aria-label": i ? "The masked clip" : "The clip" });
    video.muted = true;
    const canvas = el("canvas", { role: "img", "aria-label": title });
    const caption = el("figcaption", { text: title });
    const screen = el("div", { class: "p-screen" }, video, canvas);
    return { video, canvas, caption, screen, node: el("figure", { class: "p-pane" }, screen, caption) };
  });
  const [original, masked] = panes;
  const play = button(null, "Play", () => (state.playing ? clip.player.pause() : clip.player.play()), { class: "p-button p-play" });
  const says = el("p", { class: "p-at" });
  const map = button(null, "Map", () => clip.controls({ show: clip.view.show === "map" ? "kept" : "map" }), { title: "The map over the frames, in place of the kept patches" });
  root.append(el("div", { class: "p-panes" }, original.node, masked.node), el("div", { class: "p-transport" }, play, map, says));

  const at = (/** @type {number} */ frame) => (frame + 0.5) / clip.answer.fps;
  const shownFrame = () => Math.min(count() - 1, Math.floor(original.video.currentTime * clip.answer.fps + 0.02));

  function follow() {
    if (!state.playing) return;
    const frame = shownFrame();
    if (frame !== state.frame) {
      state.frame = frame;
      clip.changed("frame");
    }
    const apart = masked.video.currentTime - original.video.currentTime;
    if (masked.video.src && masked.video.readyState > 1) {
      if (Math.abs(apart) > 0.5 / clip.answer.fps) masked.video.currentTime = original.video.currentTime;
      else masked.video.playbackRate = Math.min(1.1, Math.max(0.9, 1 - apart));
    }
    requestAnimationFrame(follow);
  }

  clip.player = {
    state,
    panes,
    rewind() {
      clip.player.pause(true);
      state.frame = 0;
    },
    play() {
      state.wanted = true;
      if (state.playing || !original.video.src || pages.open !== "Video" || clip.live) return;
      state.playing = true;
      original.video.play().catch(() => clip.player.pause(true));
      masked.video.src && masked.video.play().catch(() => {});
      requestAnimationFrame(follow);
      clip.changed("frame");
    },
    pause(wanted = false) {
      state.wanted = wanted && state.wanted;
      if (!state.playing) return;
      state.playing = false;
      panes.forEach(({ video }) => video.pause());
      clip.changed("frame");
    },
    show(frame) {
      clip.player.pause();
      state.wanted = false;
      state.frame = Math.max(0, Math.min(count() - 1, frame));
      seek();
      clip.changed("frame");
    },
  };

  function seek() {
    for (const { video } of panes) if (video.src && Math.abs(video.currentTime - at(state.frame)) > 0.2 / clip.answer.fps) video.currentTime = at(state.frame);
  }

  /** @param {HTMLVideoElement} video @param {string | null} url */
  function source(video, url) {
    const now = video.getAttribute("src") ?? null;
    if (now === url) return;
    if (!url) {
      video.removeAttribute("src");
      return video.load();
    }
    video.src = url;
    video.currentTime = state.playing && video !== original.video ? original.video.currentTime : at(state.frame);
    if (state.playing) video.play().catch(() => {});
  }
  for (const { video } of panes)
    for (const event of ["loadeddata", "seeked"]) video.addEventListener(event, () => clip.changed("frame"));

  return (/** @type {string} */ what) => {
    reveal(root, Boolean(clip.answer) && !clip.live);
    if (!ready() || clip.live) {
      if (!clip.answer || clip.live || clip.media?.key !== clip.answer.footage) clip.player.pause(true);
      for (const { video, canvas } of panes) {
        if (!clip.live) source(video, null);
        canvas.style.visibility = "visible";
        if (!clip.live) canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
      }
      put(says, "");
      play.disabled = map.disabled = true;
      return;
    }
    if (pages.open !== "Video") return clip.player.pause(true);
    const url = clip.maskedUrl();
    source(original.video, clip.media.url);
    if (url || !masked.video.src || !clip.media.url) source(masked.video, url);
    if (what === "media") seek();
    if (state.wanted && !state.playing) clip.player.play();
    const frame = shown();
    const [, rows, columns] = clip.answer.grid;
    const cell = Math.max(8, Math.round(clip.picture(0).naturalWidth / columns));
    const covered = (/** @type {Pane} */ pane, /** @type {boolean} */ exact) => {
      const hidden = exact && pane.video.readyState > 1 && !(pane.video.seeking && !state.playing);
      pane.canvas.style.visibility = hidden ? "hidden" : "visible";
      pane.screen.style.aspectRatio = `${columns} / ${rows}`;
      return !hidden;
    };
    if (covered(original, true)) drawn(original.canvas, frame, cell, true);
    if (covered(masked, Boolean(url) && !mapped())) drawn(masked.canvas, frame, cell);
    const seen = !mapped() ? "Kept patches" : clip.map(frame) ? "Map" : "Not looked at yet";
    put(masked.caption, seen === "Map" && !clip.answer.method ? "Map; patches are chosen when all frames have one" : seen);
    masked.canvas.setAttribute("aria-label", `${seen}. ${words(frame)}`);
    play.disabled = !clip.media.url;
    map.disabled = !clip.answer.method;
    map.setAttribute("aria-pressed", String(clip.view.show === "map"));
    put(play.lastChild, state.playing ? "Pause" : "Play");
    put(says, words(frame));
  };
};

/** @param {HTMLElement} root */
export const frames = (root) => {
  const title = el("h3", { class: "p-heading", text: "Kept patches in each frame" });
  const chart = svg("svg", { class: "p-chart p-timeline", role: "img" });
  const key = el("p", { class: "p-note" });
  const strip = el("div", { class: "p-strip", role: "listbox", "aria-label": "Sampled frames", "aria-orientation": "horizontal" });
  root.append(title, chart, key, strip);
  const HEIGHT = 110;
  const [LEFT, RIGHT, TOP, BOTTOM] = [34, 4, 8, 22];
  let width = 0;
  /** @type {SVGRectElement[]} */
  let bars = [];
  /** @type {SVGLineElement | null} an even share of the patches */
  let even = null;

  new ResizeObserver(([{ contentRect }]) => {
    if (!contentRect.width || Math.abs(contentRect.width - width) < 1) return;
    width = contentRect.width;
    clip.changed("looks");
  }).observe(root);

  const most = () => clip.patchesOfFrame();
  const step = () => (width - LEFT - RIGHT) / count();
  const y = (/** @type {number} */ value) => HEIGHT - BOTTOM - (value / most()) * (HEIGHT - TOP - BOTTOM);

  function drawChart() {
    if (!width) return;
    const { times } = clip.answer;
    chart.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const parts = [];
    for (const value of [0, most()])
      parts.push(
        svg("line", { class: "p-gridline", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
        svg("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end", text: `${value}` }),
      );
    const every = Math.ceil(times.length / Math.max(2, Math.floor(width / 90)));
    times.forEach((when, i) => {
      if (i % every === 0) parts.push(svg("text", { x: LEFT + (i + 0.5) * step(), y: HEIGHT - 6, "text-anchor": "middle", text: seconds(when) }));
    });
    bars = times.map((_, i) => svg("rect", { class: "p-frame-bar", x: LEFT + i * step() + 0.5, width: Math.max(1, step() - 1.5) }));
    even = svg("line", { class: "p-full", x1: LEFT, x2: width - RIGHT });
    chart.replaceChildren(...parts, ...bars, even);
  }

  function drawBars() {
    const [seen, chosen] = [clip.seen(), Boolean(clip.answer.method)];
    const counts = bars.map((bar, i) => {
      const kept = clip.kept(i)?.length ?? 0;
      const high = chosen ? kept : i < seen ? most() : 0; // seen, and no patches chosen: pale, at full height
      bar.classList.toggle("p-seen", !chosen);
      bar.setAttribute("y", String(y(high)));
      bar.setAttribute("height", String(HEIGHT - BOTTOM - y(high)));
      return kept;
    });
    const share = clip.count() / clip.answer.grid[0];
    for (const name of ["y1", "y2"]) even?.setAttribute(name, String(y(share)));
    if (!chosen) {
      const words = `The ConvNet has seen ${seen} of ${count()} frames; which patches stay is known when it has seen all.`;
      chart.setAttribute("aria-label", words);
      return put(key, words);
    }
    const range = `${Math.min(...counts)} to ${Math.max(...counts)}`;
    chart.setAttribute("aria-label", `Kept patches in each frame, from ${range} of ${most()}. The list of frames says the same.`);
    put(key, `${range} of ${most()} patches a frame; dotted: an even share. Click a frame to see it large.`);
  }

  function mark() {
    const now = frameNow();
    bars.forEach((bar, i) => bar.classList.toggle("p-now", i === now));
    const options = /** @type {HTMLElement[]} */ ([...strip.children]);
    options.forEach((option, i) => {
      const selected = String(i === now);
      if (option.getAttribute("aria-selected") !== selected) option.setAttribute("aria-selected", selected);
    });
    // where the Tab key enters the strip; it does not run along with the clip
    if (!state.playing || !options.some((option) => option.tabIndex === 0))
      options.forEach((option, i) => (option.tabIndex = i === now ? 0 : -1));
  }

  chart.addEventListener("click", ({ clientX }) => {
    if (!clip.answer) return;
    const place = ((clientX - chart.getBoundingClientRect().left) * width) / chart.clientWidth;
    clip.player.show(Math.floor((place - LEFT) / step()));
  });
  strip.addEventListener("click", (event) => {
    const option = event.target instanceof Element && event.target.closest("[role=option]");
    if (option) clip.player.show([...strip.children].indexOf(option));
  });
  strip.addEventListener("keydown", (event) => {
    const at = frameNow();
    const to = { ArrowLeft: at - 1, ArrowUp: at - 1, ArrowRight: at + 1, ArrowDown: at + 1, PageUp: at - 8, PageDown: at + 8, Home: 0, End: count() - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    clip.player.show(to);
    /** @type {HTMLElement} */ (strip.children[frameNow()]).focus();
  });

  return (/** @type {string} */ what) => {
    reveal(root, Boolean(clip.answer) && !clip.live);
    if (!clip.answer || clip.live || pages.open !== "Video") return;
    if (["answer", "media", "looks"].includes(what)) {
      while (strip.children.length > count()) strip.lastChild.remove();
      while (strip.children.length < count())
        strip.append(el("button", { type: "button", role: "option", tabindex: -1 }, el("canvas", { "aria-hidden": "true" })));
      drawChart();
    }
    if (what !== "frame" && what !== "status") {
      drawBars();
      const [, , columns] = clip.answer.grid;
      const cell = Math.max(3, Math.ceil((80 * Math.min(2, window.devicePixelRatio)) / columns));
      /** @type {HTMLElement[]} */ ([...strip.children]).forEach((option, i) => {
        option.setAttribute("aria-label", words(i));
        option.title = words(i);
        if (clip.picture(i)) drawn(/** @type {HTMLCanvasElement} */ (option.firstChild), i, cell);
      });
    }
    mark();
  };
};
