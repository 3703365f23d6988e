// Learn: joins the words of learn.html with the pictures, and keeps in step with Compare's answer.

const { el, store } = papr;

papr.wants.Learn = ["cam", "reversed"]; // for the experiments (app/parts/lesson.py: WANTS)

papr.learn = {
  mount({ element, props, server }) {
    const part = (name) => element.querySelector(`[data-part="${name}"]`);
    const drawn = [...element.querySelectorAll("[data-step]")].map((step) => papr.steps[step.dataset.step](step.querySelector(".p-display")));
    const bar = pictureBar(part("picture"));
    drawn.push(papr.experiments(part("experiments"), props.value.evidence));
    papr.evidence(part("evidence"), props.value.evidence);

    let lesson = props.value.lesson;
    let asked = null; // the lesson that was asked for last
    const key = () => {
      const { picture, models } = store.answer;
      return `${picture.crop} ${models.proposal.name} ${models.proposal.sha256 ?? ""}`;
    };

    async function fetch(wanted) {
      asked = wanted;
      const reply = await server.features(JSON.stringify(papr.ask.question()));
      if (reply?.stopped) asked = null; // a newer question is under way
      else if (!reply?.ok) papr.say("learn", reply?.text ?? "The server did not answer. Open the page again.");
      else if (reply.key === wanted) lesson = reply;
      draw();
    }

    // What the experiments need may be missing where Compare did not ask for it.
    let completed = null;
    function complete() {
      const lacking = papr.wants.Learn.some((name) => {
        const method = store.answer.methods.find((m) => m.name === name);
        return !method || (!method.refused && !method.order);
      });
      if (!lacking || store.working || !store.fresh || completed === store.answer.key) return;
      completed = store.answer.key;
      papr.ask.send();
    }

    const fill = (name, text) => element.querySelectorAll(`[data-fill="${name}"]`).forEach((node) => papr.put(node, text));
    const draw = papr.eachFrame(() => {
      if (papr.pages.open !== "Learn" || !store.answer || !papr.draw.picture) return;
      const wanted = key();
      if (lesson?.key !== wanted && asked !== wanted && store.fresh) fetch(wanted);
      complete();
      const now = lesson?.key === wanted ? lesson : null;
      if (now) {
        fill("channels", String(now.channels));
        fill("coarse", now.size.join(" × "));
      }
      fill("grid", store.answer.grid.join(" × "));
      bar();
      drawn.forEach((f) => f(now));
      element.firstElementChild.classList.toggle("p-old", !store.fresh);
    });
    papr.onchange(draw);
    draw();
  },
};

// The picture that all is about, and the ways to another one.
function pictureBar(root) {
  const image = el("img", { alt: "" });
  const name = el("p", { class: "p-name" });
  const says = el("p", { class: "p-says", role: "alert" });
  const working = el("p", { class: "p-note", role: "status" });
  papr.place("learn", says);
  const examples = papr.intake.examples.map((example) =>
    el(
      "button",
      { type: "button", class: "p-example", "aria-label": `Example: ${example.title}`, title: example.title, "data-example": example.id, onclick: () => papr.intake.bring({ picture: example.id }) },
      el("img", { src: example.src, alt: "" }),
    ),
  );
  root.append(
    el("div", { class: "p-picture-bar" }, image, el("div", {}, name, el("div", { class: "p-tools" }, papr.button("upload", "Another picture", () => papr.intake.choose()), ...examples), working)),
    says,
  );
  return () => {
    const { picture, models } = store.answer;
    if (image.getAttribute("src") !== picture.src) image.src = picture.src;
    image.alt = `The picture as the models see it: ${picture.name}`;
    papr.put(name, `${picture.name}, seen by ${models.proposal.title} and ${models.backbone.title}`);
    papr.put(working, store.working ? `${store.working} …` : "");
    for (const button of examples) button.setAttribute("aria-pressed", String(button.dataset.example === picture.id));
  };
}
