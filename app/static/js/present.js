// Learn as a talk: one part at a time, large, over the whole screen; arrow keys, or the buttons, go through it.

import { button, el, put, reveal } from "./dom.js";
import { store } from "./store.js";

const FORTH = ["ArrowRight", "ArrowDown", "PageDown", " "];
const BACK = ["ArrowLeft", "ArrowUp", "PageUp"];
/** What does something of its own with an arrow key; and with the space bar. */
const BUSY = "input, select, [role=region], [role=slider]";
const SIZES = [1, 0.92, 0.84, 0.76, 0.7]; // of a slide's type
const PRESSED = "summary, button, a";

/** The button that starts it; `root` holds the parts, each marked data-slide. @param {HTMLElement} root */
export function presentation(root) {
  /** @type {HTMLElement | null} the part that is shown, null outside a talk */
  let shown = null;
  const start = button("enlarge", "Present", () => begin(), { title: "Full screen, one part at a time; the arrow keys go on and back" });
  const where = el("span", { class: "p-note", role: "status" });
  const [back, next] = [button(null, "Back", () => go(-1)), button(null, "Next", () => go(1))];
  const bar = el("div", { class: "p-talk", role: "toolbar", "aria-label": "Presentation" }, back, where, next, button("lost", "End", end));
  reveal(bar, false);
  root.append(bar);

  /** Those that have something to show now. */
  const slides = () =>
    [.../** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-slide]"))].filter((one) => !one.closest("[hidden]"));

  function begin() {
    const all = slides();
    const inSight = all.find((one) => one.getBoundingClientRect().bottom > 120);
    root.classList.add("p-present");
    reveal(bar, true);
    root.requestFullscreen?.().catch(() => {}); // where it is not allowed the window is filled
    document.addEventListener("keydown", keys);
    show(inSight ?? all[0]);
  }

  function end() {
    if (!shown) return;
    const last = shown;
    shown = null;
    root.classList.remove("p-present");
    root.style.removeProperty("--p-fit");
    reveal(bar, false);
    document.removeEventListener("keydown", keys);
    last.classList.remove("p-on");
    if (document.fullscreenElement) document.exitFullscreen();
    store.changed("looks"); // another size
    last.scrollIntoView();
    start.focus({ preventScroll: true });
  }

  /** @param {HTMLElement} slide */
  function show(slide) {
    shown?.classList.remove("p-on");
    shown = slide;
    slide.classList.add("p-on");
    slide.tabIndex = -1;
    slide.focus();
    root.scrollTop = 0;
    fit();
    store.changed("looks");
    requestAnimationFrame(() => requestAnimationFrame(fit)); // once its pictures are drawn
  }

  /** As large as it can be and still fit, down to a size that the last row can read. */
  function fit() {
    if (!shown) return;
    for (const size of SIZES) {
      root.style.setProperty("--p-fit", String(size));
      if (!left()) break;
    }
    tell();
  }

  /** How far the slide goes on below, in pixels. */
  const left = () => Math.max(0, root.scrollHeight - root.clientHeight - root.scrollTop - 2);

  function tell() {
    if (!shown) return;
    const all = slides();
    const at = all.indexOf(shown);
    put(where, `${at + 1} of ${all.length}${left() ? ", goes on below" : ""}`);
    back.disabled = at === 0 && !root.scrollTop;
    next.disabled = at === all.length - 1 && !left();
  }
  root.addEventListener("scroll", tell);

  /** On or back: within a slide that is longer than the screen first. @param {number} by */
  function go(by) {
    if (by > 0 ? left() : root.scrollTop) {
      root.scrollTop += by * 0.8 * root.clientHeight;
      return tell();
    }
    const all = slides();
    const to = all[all.indexOf(shown) + by];
    if (to) show(to);
  }

  /** @param {KeyboardEvent} event */
  function keys(event) {
    const by = FORTH.includes(event.key) ? 1 : BACK.includes(event.key) ? -1 : 0;
    if (event.key === "Escape") return end();
    const at = event.target instanceof Element ? event.target : root;
    const busy = (at.closest(BUSY) && !event.key.startsWith("Page")) || (event.key === " " && at.closest(PRESSED));
    if (!by || busy) return;
    event.preventDefault();
    go(by);
  }

  function grown() {
    store.changed("looks");
    requestAnimationFrame(() => requestAnimationFrame(fit));
  }
  document.addEventListener("fullscreenchange", () => (document.fullscreenElement === root ? grown() : end()));
  window.addEventListener("resize", () => shown && fit());
  return start;
}
