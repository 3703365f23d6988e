// How a picture comes in: a file chosen or dropped, pasted, taken with the camera, or one of the examples.
// The file is uploaded as it is and decoded on the server; what is shown is the crop that the models see.

import { ask } from "./ask.js";
import { controls } from "./controls.js";
import { button, el, put, reveal } from "./dom.js";
import { dropBox, exampleButtons, files, mark } from "./files.js";
import { pages } from "./pages.js";
import { place, say } from "./said.js";
import { store } from "./store.js";

/** @type {(() => void)[] | null} who waits for the intake */
let waiting = [];

export const intake = {
  /** @type {Record<string, (file: File) => void>} pages that take a dropped or pasted file themselves while they are open */
  taken: {},

  /** @type {import("./files.js").Example[]} */
  examples: [],
  /** Another picture. @type {(brought: import("./files.js").Brought) => void} */
  bring() {},
  /** Open the chooser of files. */
  choose() {},
  /** @type {(text: string) => void} */
  remark() {},

  /** Call f once the intake stands. @param {() => void} f */
  mounted(f) {
    if (waiting) waiting.push(f);
    else f();
  },
};

/** @param {import("./types").Given} given */
export function mountIntake({ element, props, upload }) {
  const root = element.querySelector(".papr-intake");
  const image = el("img", { alt: "" });
  const name = el("p", { class: "p-name" });
  const says = el("p", { class: "p-says", role: "alert" });
  place("picture", says);
  const remark = el("p", { class: "p-note", role: "status" });
  const complain = (/** @type {string} */ text) => say("picture", text);

  const { chooser, send, choose } = files({
    root,
    upload,
    what: "picture",
    // JPEG first and no HEIC, which cannot be read here: Safari then sends JPEG for it
    accept: "image/jpeg,image/png,image/webp,image/gif,image/avif,image/tiff,image/bmp",
    most: props.value.max_megabytes,
    say: (text) => say(text && "picture", text),
    // A new picture is asked about its own answer first.
    bring(picture) {
      intake.remark("");
      store.view.target = null;
      Object.assign(store.view, { fit: "crop", stretch: false });
      store.sync();
      ask.send(picture);
    },
  });
  Object.assign(intake, {
    remark: (/** @type {string} */ text) => put(remark, text),
    bring: choose,
    choose: () => chooser.click(),
    examples: props.value.examples,
  });

  async function paste() {
    try {
      for (const item of await navigator.clipboard.read()) {
        const type = item.types.find((t) => t.startsWith("image/"));
        if (type) return send(new File([await item.getType(type)], `pasted.${type.split("/")[1]}`, { type }));
      }
      complain("There is no picture on the clipboard.");
    } catch {
      complain("The browser did not give the clipboard. Press Ctrl+V instead.");
    }
  }

  const still = async () => (await import("./camera.js")).takePicture(complain, send);
  const ways = [button("paste", "Paste", paste), button("camera", "Camera", still)];
  const examples = el("div", { class: "p-examples", role: "group", "aria-label": "Examples" });
  examples.append(...exampleButtons(props.value.examples, "Example", (id) => choose({ picture: id })));
  const caption = el("p", { class: "p-note p-caption", role: "status" });
  const shape = shapes();
  root.append(dropBox("Picture", image, chooser, ways), name, shape.node, remark, says, examples, caption);
  takeFromWindow(root, send);

  waiting?.forEach((f) => requestAnimationFrame(f));
  waiting = null;

  store.onchange((what) => {
    if (what !== "answer") return;
    const { picture, grid } = store.answer;
    if (image.getAttribute("src") !== picture.src) image.src = picture.src;
    image.alt = `The picture as the models see it: ${picture.name}`;
    put(name, picture.name);
    shape.draw(picture);
    image.style.aspectRatio = `${grid[1]} / ${grid[0]}`;
    mark(examples.children, props.value.examples, picture.id, caption, props.value.captions);
  });
}

const MUCH = 0.3; // of a picture outside the crop

/** How the picture comes to the backbone's shape: offered where the crop leaves much of it out. */
function shapes() {
  const told = el("span");
  const buttons = Object.entries({ crop: "Crop", pad: "Pad", squash: "Squash" }).map(([fit, label]) =>
    button(null, label, () => controls({ fit }), { class: "p-button p-small", "data-fit": fit }),
  );
  const node = el("div", { class: "p-shape", role: "group", "aria-label": "How the picture comes to the model’s shape" }, told, ...buttons);
  node.hidden = true;
  /** @param {import("./types").Answer["picture"]} picture */
  const draw = ({ fit, lost }) => {
    reveal(node, fit !== "crop" || lost > MUCH);
    put(told, fit === "crop" ? `The crop leaves out ${Math.round(100 * lost)}\u00a0% of this picture.` : fit === "pad" ? "All of it, with grey around." : "All of it, squashed.");
    buttons.forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.fit === fit)));
  };
  return { node, draw };
}

// A file dropped anywhere on the page, or pasted with the keyboard.
/** @param {Element} root @param {(file: File) => void} send */
function takeFromWindow(root, send) {
  let depth = 0;
  const holdsFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
  window.addEventListener("dragenter", (event) => holdsFiles(event) && ++depth && root.classList.add("p-over"));
  window.addEventListener("dragleave", () => --depth <= 0 && ((depth = 0), root.classList.remove("p-over")));
  window.addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault());
  window.addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    depth = 0;
    root.classList.remove("p-over");
    (intake.taken[pages.open] ?? send)(event.dataTransfer.files[0]);
  });
  window.addEventListener("paste", (event) => {
    const given = [...(event.clipboardData?.files ?? [])];
    const take = intake.taken[pages.open];
    const file = take ? given[0] : given.find((f) => f.type.startsWith("image/"));
    if (file) (take ?? send)(file);
  });
}
