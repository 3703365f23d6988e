// The picture that a page is about, and the ways to another one: Compare's picture, shown and changed from here.

import { button, el, put } from "./dom.js";
import { exampleButtons, press } from "./files.js";
import { intake } from "./intake.js";
import { place } from "./said.js";
import { store } from "./store.js";

/**
 * @param {Element} root @param {string[]} places  whose sentences are said here
 * @param {(answer: import("./types").Answer) => string} about  the words beside the name
 */
export const pictureBar = (root, places, about) => {
  const image = el("img", { alt: "" });
  const name = el("p", { class: "p-name" });
  const says = el("p", { class: "p-says", role: "alert" });
  const working = el("p", { class: "p-note", role: "status" });
  places.forEach((where) => place(where, says));
  const examples = exampleButtons(intake.examples, "Example", (picture) => intake.bring({ picture }));
  root.append(
    el("div", { class: "p-picture-bar" }, image, el("div", {}, name, el("div", { class: "p-tools" }, button("upload", "Another picture", () => intake.choose()), ...examples), working)),
    says,
  );
  return () => {
    const { picture } = store.answer;
    if (image.getAttribute("src") !== picture.src) image.src = picture.src;
    image.alt = `The picture as the models see it: ${picture.name}`;
    put(name, `${picture.name}, seen by ${about(store.answer)}`);
    put(working, store.working ? `${store.working} …` : "");
    press(examples, picture.id);
  };
};
