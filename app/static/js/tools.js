// The page's own small tools outside the stage: light and dark.

papr.theme = {
  start() {
    let wanted = null;
    try {
      wanted = localStorage.getItem("papr-theme");
    } catch {
      // a browser that keeps nothing: the system's own preference stands
    }
    if (wanted) document.body.classList.toggle("dark", wanted === "dark");
  },
  toggle() {
    const dark = document.body.classList.toggle("dark");
    try {
      localStorage.setItem("papr-theme", dark ? "dark" : "light");
    } catch {
      // as above
    }
  },
};

papr.header = (element) => {
  const button = element.querySelector(".p-theme");
  button.append(papr.icon("theme"));
  button.addEventListener("click", papr.theme.toggle);
};

// A place under a native control where one sentence can be said.
papr.note = {
  mount({ element, props }) {
    const { place } = props.value;
    const says = papr.el("p", { class: "p-says", role: "alert" });
    element.querySelector(".papr-place").append(says);
    papr.place(place, says);
    if (place === "models") element.querySelector(".papr-place").prepend(papr.modelNote());
  },
};

// Where the weights come from, and what the backbone knows.
papr.modelNote = () => {
  const list = papr.el("dl", { class: "p-models" });
  papr.onchange((what) => {
    if (what !== "answer") return;
    const { proposal, backbone } = papr.store.answer.models;
    const weights = ({ weights, sha256 }) => (sha256 ? `${weights} (sha256 ${sha256.slice(0, 8)})` : weights);
    const rows = [
      ["Weights of the proposal", weights(proposal)],
      ["Weights of the backbone", weights(backbone)],
      ["The backbone knows", `${backbone.classes} classes (${backbone.labels}); your object may be none of them`],
    ];
    list.replaceChildren(
      ...rows.map(([name, text]) => papr.el("div", {}, papr.el("dt", { text: name }), papr.el("dd", { text }))),
    );
  });
  return list;
};
