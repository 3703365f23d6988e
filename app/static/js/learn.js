// Learn: joins the words of learn.html with the pictures, and keeps in step with Compare's answer.

const { el, store } = papr;

// Where the backbone on Compare is not what the steps speak of, a sentence each.
function differences() {
  const { title } = store.answer.models.backbone;
  return [
    papr.cosine() && `${title} has no classifier. The last step and the experiments need one; choose another backbone on Compare for them.`,
    store.answer.by_stage && `${title} is no plain ViT: it drops no tokens, but leaves norm and MLP out where a patch is dropped, so step 5 shows a ViT’s way.`,
  ].filter(Boolean);
}

papr.learn = {
  mount({ element, props, server }) {
    papr.wants.Learn = props.value.wants; // for the experiments
    const part = (name) => element.querySelector(`[data-part="${name}"]`);
    // Each part with whether it needs a backbone with classes.
    const drawn = [...element.querySelectorAll("[data-step]")].map((section) => {
      const name = section.dataset.step;
      return { section, classes: name === "answer", draw: papr.steps[name](section.querySelector(".p-display")) };
    });
    const bar = papr.pictureBar(part("picture"), ["picture", "learn"], ({ models }) => `${models.proposal.title} and ${models.backbone.title}`);
    const experiments = part("experiments");
    drawn.push({ section: experiments.closest("section"), classes: true, draw: papr.experiments(experiments, props.value.evidence) });
    const unlike = el("p", { class: "p-note", role: "status" });
    part("picture").append(unlike);
    papr.evidence(part("evidence"), props.value.evidence, props.value.titles);

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
      else if (reply.key === wanted) {
        lesson = reply;
        papr.say("learn", "");
      }
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
      papr.put(unlike, differences().join(" "));
      for (const { section, classes, draw } of drawn) {
        papr.show(section, !(classes && papr.cosine()));
        if (!section.hidden) draw(now);
      }
      element.firstElementChild.classList.toggle("p-old", !store.fresh);
    });
    papr.onchange(draw);
    draw();
  },
};
