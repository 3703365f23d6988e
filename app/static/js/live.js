// Live: the webcam, masked. One picture at a time goes to the server; the mask that comes back is drawn on the very
// picture that it belongs to, beside what all patches say. The ratio acts here, between two answers too.

import { camera } from "./camera.js";
import { clip } from "./clip.js";
import { numKept } from "./counts.js";
import { button, dark, el, put, reveal } from "./dom.js";
import { draw } from "./draw.js";
import { answerList } from "./numbers.js";
import { pages } from "./pages.js";
import { place } from "./said.js";
import { milliseconds } from "./words.js";

const SIDE = 224; // pixels of what is sent, a square: it is squashed to the models' size
const WINDOW = 2000; // milliseconds over which the rate is taken
/** @param {number} wait */
const pause = (wait) => new Promise((done) => setTimeout(done, wait));

/** @param {HTMLElement} root */
export function liveView(root) {
  const sentence = el("h2", { class: "p-verdict" }, el("span"), el("strong"));
  const basis = el("p", { class: "p-basis" });
  const says = el("p", { class: "p-says", role: "alert" });
  place("clip-live", says);
  const spoken = el("p", { class: "p-hidden", role: "status" });
  const panes = ["All patches", "Kept patches"].map((title) => {
    const canvas = el("canvas", { role: "img", "aria-label": title });
    const list = answerList(3, "h3");
    return { canvas, list, node: el("figure", { class: "p-pane" }, el("div", { class: "p-screen" }, canvas), list.node) };
  });
  const end = button("stop", "Stop the camera", () => stop());
  root.append(sentence, basis, says, el("div", { class: "p-transport" }, end), el("div", { class: "p-panes" }, ...panes.map(({ node }) => node)), spoken);
  root.hidden = true;

  const video = el("video", { playsinline: true });
  video.muted = true;
  /** @type {{shot: HTMLCanvasElement, reply: import("./types").Live} | null} */
  let now = null; // {shot, reply}: a picture, and what was said about it
  /** @type {HTMLElement} */
  let from = null; // the button that started it
  /** @type {() => void} */
  let back = null; // what goes on when it ends
  /** @type {number[]} */
  let times = [];

  clip.startLive = async (pressed) => {
    if (clip.live) return;
    clip.say(null);
    const stream = await camera((text) => clip.say("clip", text), "clip", { width: { ideal: 640 } });
    if (!stream) return;
    from = pressed;
    back = clip.working ? () => clip.goOn() : () => clip.send();
    if (clip.working) clip.stop();
    clip.live = true;
    [now, times] = [null, []];
    video.srcObject = stream;
    video.play().catch(() => {}); // nothing is waited for in between, or the camera could stay on
    put(spoken, "The webcam is on.");
    clip.changed("looks");
    root.hidden = false; // what is hidden takes no focus
    end.focus({ preventScroll: true });
    requestAnimationFrame(() => {
      // what it takes the place of has gone
      if (panes[1].canvas.getBoundingClientRect().bottom > window.innerHeight) root.scrollIntoView();
    });
    run(stream);
  };

  function stop() {
    clip.live = false;
    /** @type {MediaStream | null} */ (video.srcObject)?.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
    put(spoken, "The webcam is off.");
    clip.changed("looks");
    from.focus();
    back(); // what was set meanwhile counts
  }

  /** @param {MediaStream} stream */
  async function run(stream) {
    while (clip.live && video.srcObject === stream) {
      if (pages.open !== "Video" || document.hidden || !video.videoWidth) {
        await pause(200);
        continue;
      }
      const shot = square();
      const frame = shot.toDataURL("image/jpeg", 0.8).split(",")[1];
      const reply = await clip.server.live(JSON.stringify(clip.question({ frame, has: "", name: null, picture: null })));
      if (!clip.live) return;
      put(says, reply?.ok ? "" : (reply?.text ?? "The server did not answer."));
      if (!reply?.ok) {
        await pause(1000);
        continue;
      }
      now = { shot, reply };
      times.push(performance.now());
      times = times.filter((when) => when > times[times.length - 1] - WINDOW);
      clip.changed("live");
    }
  }

  // The middle of the webcam's picture. A canvas of its own each time: what is drawn of it later belongs to it.
  function square() {
    const side = Math.min(video.videoWidth, video.videoHeight);
    const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    canvas.getContext("2d").drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, SIDE, SIDE);
    return canvas;
  }

  // Masked pictures a second, over the last two seconds.
  clip.liveRate = () => (times.length < 2 ? 0 : (1000 * (times.length - 1)) / (times[times.length - 1] - times[0]));

  return () => {
    reveal(root, clip.live);
    root.closest("#video")?.classList.toggle("p-live", clip.live);
    if (!clip.live) return;
    if (!now) {
      put(sentence.firstChild, "The camera starts …");
      put(sentence.lastChild, "");
      return put(basis, "");
    }
    const { shot, reply } = now;
    const [rows, columns] = reply.grid;
    const patches = rows * columns;
    const kept = numKept(patches, reply.prefix, clip.view.percent / 100);
    const cell = Math.max(8, Math.ceil((Math.min(480, panes[0].canvas.clientWidth || 320) * devicePixelRatio) / columns));
    const grid = { rows, columns, cell, look: clip.view.look, dark: dark() };
    draw.mask(panes[0].canvas, shot, reply.order, grid);
    draw.mask(panes[1].canvas, shot, reply.order.slice(0, kept), grid);
    const [[label]] = reply.full;
    const same = reply.top[0][0] === label;
    panes[0].list.draw(`All ${patches} patches`, reply.full, label, null);
    panes[1].list.draw(`${kept} patches`, reply.top, label, same ? "kept" : "lost");
    put(sentence.firstChild, same ? `Both say “${label}”.` : `All patches say “${label}”, `);
    put(sentence.lastChild, same ? "" : `the kept ones “${reply.top[0][0]}”.`);
    put(
      basis,
      `${kept} of ${patches} patches kept. ${milliseconds(reply.seconds)} for ConvNet and kept patches, ${milliseconds(reply.fullSeconds)} for all patches; ${clip.liveRate().toFixed(1)} pictures a second. Nothing is stored.`,
    );
  };
}
