// The clip beside its masked selves, one a method, in step; under them the timeline and the strip of frames.
//
// All play as the server wrote them. While the masks on the screen are not those of the written clip (the slider
// moves, or the clip is still being written) they are drawn over it, frame by frame.

import { clip } from "./clip.js";
import { button, dark, el, put, reveal, svg, swatch, tint } from "./dom.js";
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
  const [full, said, same] = clip.answer.answer?.frames?.[frame] ?? [null, null, true];
  const lost = same ? "" : `; all say “${full}”, ${said === null ? "none are seen" : `these “${said}”`}`;
  const about = kept ? `: ${kept.length} of ${grid[1] * grid[2]} patches kept${clip.exact() ? lost : ""}` : "";
  return `Frame ${frame + 1} of ${times.length}, ${seconds(times[frame])}${about}`;
};

// A frame with its kept patches, or with its map over it: where that was chosen, and while no patches are.
const mapped = () => clip.view.show === "map" || !clip.answer.method;
/** which: the method's, or null for the plain frame. @param {HTMLCanvasElement} canvas @param {number} frame @param {number} cell @param {number | null} which */
const drawn = (canvas, frame, cell, which) => {
  const [, rows, columns] = clip.answer.grid;
  const [picture, { look, opacity, colours }] = [clip.picture(frame), clip.view];
  if (which === null || mapped()) draw.over(canvas, picture, which === null ? null : clip.map(frame, which), { rows, columns, cell, range: [0, 255], opacity, colours });
  else draw.mask(canvas, picture, clip.kept(frame, which), { rows, columns, cell, look, dark: dark() });
};
const ready = () => Boolean(clip.picture(0));
const shown = () => Math.min(frameNow(), clip.media.images.length - 1); // the last that has come

/** @param {HTMLElement} root */
export const players = (root) => {
  state.wanted = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  const panes = ["Sampled frames", "Kept patches", "Kept patches of the other method"].map((title, i) => {
    const video = el("video", { muted: true, playsinline: true, loop: true, preload: "auto", tabindex: -1, "aria-label": i ? "The masked clip" : "The clip" });
    video.muted = true;
    const canvas = el("canvas", { role: "img", "aria-label": title });
    const caption = el("figcaption", { text: title });
    const screen = el("div", { class: "p-screen" }, video, canvas);
    return { video, canvas, caption, screen, node: el("figure", { class: "p-pane" }, screen, caption) };
  });
  const [original, ...masks] = panes;
  const two = () => Boolean(clip.answer?.beside);
  const play = button(null, "Play", () => (state.playing ? clip.player.pause() : clip.player.play()), { class: "p-button p-play" });
  const says = el("p", { class: "p-at" });
  const map = button(null, "Map", () => clip.controls({ show: clip.view.show === "map" ? "kept" : "map" }), { title: "The map over the frames, in place of the kept patches" });
  root.append(el("div", { class: "p-panes" }, ...panes.map(({ node }) => node)), el("div", { class: "p-transport" }, play, map, says));

  const at = (/** @type {number} */ frame) => (frame + 0.5) / clip.answer.fps;
  const shownFrame = () => Math.min(count() - 1, Math.floor(original.video.currentTime * clip.answer.fps + 0.02));

  function follow() {
    if (!state.playing) return;
    const frame = shownFrame();
    if (frame !== state.frame) {
      state.frame = frame;
      clip.changed("frame");
    }
    for (const { video } of masks) {
      if (!video.src || video.readyState < 2) continue;
      const apart = video.currentTime - original.video.currentTime;
      if (Math.abs(apart) > 0.5 / clip.answer.fps) video.currentTime = original.video.currentTime;
      else video.playbackRate = Math.min(1.1, Math.max(0.9, 1 - apart));
    }
    requestAnimationFrame(follow);
  }

  clip.player = {
    state,
    get panes() {
      return two() ? panes : panes.slice(0, 2);
    },
    rewind() {
      clip.player.pause(true);
      state.frame = 0;
    },
    play() {
      state.wanted = true;
      if (state.playing || !original.video.src || pages.open !== "Video" || clip.live) return;
      state.playing = true;
      original.video.play().catch(() => clip.player.pause(true));
      for (const { video } of masks) if (video.src) video.play().catch(() => {});
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
    source(original.video, clip.media.url);
    masks.forEach(({ video }, which) => {
      const url = clip.maskedUrl(which);
      if (url || !video.src || !clip.media.url || (which && !two())) source(video, url);
    });
    reveal(panes[2].node, two());
    panes[2].node.parentElement.classList.toggle("p-three", two());
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
    if (covered(original, true)) drawn(original.canvas, frame, cell, null);
    masks.forEach((masked, which) => {
      const part = clip.part(which);
      if (!part) return;
      if (covered(masked, Boolean(clip.maskedUrl(which)) && !mapped())) drawn(masked.canvas, frame, cell, which);
      const seen = !mapped() ? "Kept patches" : clip.map(frame, which) ? "Map" : "Not looked at yet";
      const named = two() && part.method ? `${part.method.title}: ${seen.toLowerCase()}` : seen;
      put(masked.caption, seen === "Map" && !part.method ? "Map; patches are chosen when all frames have one" : named);
      masked.canvas.setAttribute("aria-label", `${named}. ${words(frame)}`);
    });
    play.disabled = !clip.media.url;
    map.disabled = !clip.answer.method;
    map.setAttribute("aria-pressed", String(clip.view.show === "map"));
    put(play.lastChild, state.playing ? "Pause" : "Play");
    put(says, words(frame));
  };
};

/** @typedef {import("./types").ClipPart} ClipPart */

/**
 * "PaPr loses the answer in 3 of 32 frames: 0.41 to 0.57 s (“cougar” becomes “lynx”)."; a frame's answer is what all its
 * patches say.
 * @param {ClipPart} part
 */
export function whereLost({ method, answer }) {
  const { times } = clip.answer;
  if (!method || !answer) return "";
  if (!answer.frames) return `${method.title}: ${clip.answer.models.backbone.title} answers to the clip as a whole, not to each frame.`;
  /** @type {number[][]} runs of frames that are lost, one after the other */
  const runs = [];
  answer.frames.forEach(([, , same], i) => {
    if (same) return;
    const run = runs[runs.length - 1];
    if (run && run[run.length - 1] === i - 1) run.push(i);
    else runs.push([i]);
  });
  const count = runs.flat().length;
  if (!count) return `${method.title} keeps the answer in each of the ${times.length} frames.`;
  const told = runs.slice(0, MOST_RUNS).map((run) => {
    const [full, said] = answer.frames[run[0]];
    const when = run.length > 1 ? `${times[run[0]].toFixed(2)} to ${seconds(times[run[run.length - 1]])}` : seconds(times[run[0]]);
    const others = run.some((i) => answer.frames[i][1] !== said) ? " and others" : "";
    return `${when} (${said === null ? `nothing is left of “${full}”` : `“${full}” becomes “${said}”${others}`})`;
  });
  const more = runs.length > MOST_RUNS ? ` and ${runs.length - MOST_RUNS} more times` : "";
  return `${method.title} loses the answer in ${count} of ${times.length} frames: ${told.join(", ")}${more}.`;
}
const MOST_RUNS = 4;

/** @param {HTMLElement} root */
export const frames = (root) => {
  const title = el("h3", { class: "p-heading", text: "Kept patches in each frame" });
  const chart = svg("svg", { class: "p-chart p-timeline", role: "img" });
  const key = el("p", { class: "p-note" });
  const strip = el("div", { class: "p-strip", role: "listbox", "aria-label": "Sampled frames", "aria-orientation": "horizontal" });
  const losses = el("ul", { class: "p-losses" });
  root.append(title, chart, key, el("div", { role: "status", "aria-label": "Where the answer is lost" }, losses), strip);
  const HEIGHT = 126;
  const [LEFT, RIGHT, TOP, BOTTOM] = [34, 4, 8, 38]; // below: a row of marks a method, then the times
  let width = 0;
  /** @type {SVGRectElement[]} */
  let bars = [];
  /** @type {SVGLineElement | null} an even share of the patches */
  let even = null;
  const marks = svg("g", {});

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
    chart.replaceChildren(...parts, ...bars, even, marks);
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
    drawLost();
    const share = clip.count() / clip.answer.grid[0];
    for (const name of ["y1", "y2"]) even?.setAttribute(name, String(y(share)));
    if (!chosen) {
      const words = `The ConvNet has seen ${seen} of ${count()} frames; which patches stay is known when it has seen all.`;
      chart.setAttribute("aria-label", words);
      return put(key, words);
    }
    const range = `${Math.min(...counts)} to ${Math.max(...counts)}`;
    chart.setAttribute("aria-label", `Kept patches in each frame, from ${range} of ${most()}. The list of frames says the same.`);
    put(key, `${range} of ${most()} patches a frame${clip.answer.beside?.method ? `; line: ${clip.answer.beside.method.title}` : ""}; dotted: an even share. Click a frame to see it large.`);
  }

  // What the second method keeps as a line over the bars; a cross under each frame whose answer a method loses.
  function drawLost() {
    const parts = clip.parts();
    const lost = parts.flatMap(({ method, answer }, which) =>
      (answer?.frames ?? []).flatMap(([, , same], i) => {
        const [x, at, r] = [LEFT + (i + 0.5) * step(), HEIGHT - BOTTOM + 7 + 9 * which, Math.min(3, step() / 3)];
        return same ? [] : [svg("path", { class: `p-lost-here ${tint(method.name)}`, d: `M${x - r} ${at - r}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}` })];
      }),
    );
    const other = clip.answer.beside?.method;
    const steps = other?.order ? clip.answer.times.map((_, i) => `${LEFT + i * step()} ${y(clip.kept(i, 1).length)}H${LEFT + (i + 1) * step()}`) : [];
    if (steps.length) lost.push(svg("path", { class: `p-curve ${tint(other.name)}`, d: `M${steps.join("L")}` }));
    marks.replaceChildren(...lost);
    const near = (/** @type {ClipPart} */ { answer }) => (answer && answer.count !== clip.count() ? ` That is with ${answer.count.toLocaleString("en-US")} patches.` : "");
    const said = parts.map((part) => ({ name: part.method?.name, text: whereLost(part) && `${whereLost(part)}${near(part)}` })).filter(({ text }) => text);
    if (losses.textContent !== said.map(({ text }) => text).join(""))
      losses.replaceChildren(...said.map(({ name, text }) => el("li", {}, swatch(name), el("span", { text }))));
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
        if (clip.picture(i)) drawn(/** @type {HTMLCanvasElement} */ (option.firstChild), i, cell, 0);
      });
    }
    mark();
  };
};
