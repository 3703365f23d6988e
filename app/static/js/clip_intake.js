// How a clip comes in: a file chosen, dropped or pasted, recorded with the camera, or one of the examples; and the way
// to the webcam's live view.

import { record } from "./camera.js";
import { clip } from "./clip.js";
import { button, el, put } from "./dom.js";
import { dropBox, exampleButtons, files, mark } from "./files.js";
import { intake } from "./intake.js";
import { parameters } from "./links.js";
import { place } from "./said.js";

const ACCEPT = "video/*,.mkv,.avi,.gif,.webm,.mov,.m4v,.ts,.mpg,.flv,.wmv,.ogv";

/** @param {import("./types").Given} given */
export function mountClipIntake({ element, props, upload }) {
  const named = parameters().get("clip"); // before the address follows what is shown
  const root = element.querySelector(".papr-intake");
  const poster = el("canvas", { role: "img", "aria-label": "The clip’s first frame" });
  const name = el("p", { class: "p-name" });
  const says = el("p", { class: "p-says", role: "alert" });
  place("clip-clip", says);
  const sending = el("p", { class: "p-note", role: "status" });
  const { chooser, send, choose } = files({
    root,
    upload,
    what: "clip",
    accept: ACCEPT,
    most: props.value.max_megabytes,
    say: (text) => clip.say(text && "clip", text),
    bring: (brought) => clip.bring(brought),
    sending,
    advice: " Cut it shorter.",
  });
  intake.taken.Video = send;

  const examples = el("div", { class: "p-examples", role: "group", "aria-label": "Example clips" });
  const caption = el("p", { class: "p-note p-caption", role: "status" });
  /** @type {import("./files.js").Example[]} */
  let known = []; // once they have come
  const pressed = () => mark(examples.children, known, clip.answer?.clip.id, caption);
  clip.examples = (given) => {
    const late = "The examples are late; they are asked for again …";
    if (!given) return examples.replaceChildren(el("p", { class: "p-note", text: late }));
    known = given;
    examples.replaceChildren(...exampleButtons(given, "Example clip", (id) => choose({ picture: id, name: null })));
    pressed();
    if (named && !given.some(({ id }) => id === named)) put(sending, "The clip that this link names is no longer here. Choose another one.");
  };

  const recording = button("camera", "Record", () => {
    clip.say(null);
    record((text) => clip.say("clip", text), send);
  });
  const live = button("live", "Live", () => clip.startLive(live));
  root.append(dropBox("Clip", poster, chooser, [recording, live]), name, sending, says, examples, caption);

  clip.onchange((what) => {
    if (what !== "answer" && what !== "media") return;
    put(name, clip.answer.clip.name);
    pressed();
    const image = clip.picture(0);
    if (!image) return;
    Object.assign(poster, { width: image.naturalWidth, height: image.naturalHeight });
    poster.getContext("2d").drawImage(image, 0, 0);
  });
}
