// The picture that a page is about, and the ways to another one: Compare's picture, shown and changed from here.

const { el, store } = papr;

// places: whose sentences are said here; about(answer): the words beside the name.
papr.pictureBar = (root, places, about) => {
  const image = el("img", { alt: "" });
  const name = el("p", { class: "p-name" });
  const says = el("p", { class: "p-says", role: "alert" });
  const working = el("p", { class: "p-note", role: "status" });
  places.forEach((place) => papr.place(place, says));
  const examples = papr.intake.examples.map((example) =>
    el(
      "button",
      { type: "button", class: "p-example", "aria-label": `Example: ${example.title}. ${example.caption}`, title: `${example.title}. ${example.caption}`, "data-example": example.id, onclick: () => papr.intake.bring({ picture: example.id }) },
      el("img", { src: example.src, alt: "" }),
    ),
  );
  root.append(
    el("div", { class: "p-picture-bar" }, image, el("div", {}, name, el("div", { class: "p-tools" }, papr.button("upload", "Another picture", () => papr.intake.choose()), ...examples), working)),
    says,
  );
  return () => {
    const { picture } = store.answer;
    if (image.getAttribute("src") !== picture.src) image.src = picture.src;
    image.alt = `The picture as the models see it: ${picture.name}`;
    papr.put(name, `${picture.name}, seen by ${about(store.answer)}`);
    papr.put(working, store.working ? `${store.working} …` : "");
    for (const button of examples) button.setAttribute("aria-pressed", String(button.dataset.example === picture.id));
  };
};
