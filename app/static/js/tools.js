// The page's own small tools outside the stage: light and dark, notes, downloads.

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
  const changes = { childList: true, subtree: true, attributeFilter: ["class"] };
  new MutationObserver(papr.eachFrame(sayOpen)).observe(document.body, changes);
};

// Whether an accordion is open, which its button does not say by itself; one of another tab comes later.
function sayOpen() {
  for (const button of document.querySelectorAll("button.label-wrap")) {
    const open = String(button.classList.contains("open"));
    if (button.getAttribute("aria-expanded") !== open) button.setAttribute("aria-expanded", open);
  }
}

// A place under a native control where one sentence can be said.
papr.note = {
  mount({ element, props }) {
    const { place } = props.value;
    const says = papr.el("p", { class: "p-says", role: "alert" });
    element.querySelector(".papr-place").append(says);
    papr.place(place, says);
    const above = { models: papr.modelNote, "clip-models": papr.clip.modelNote }[place];
    if (above) element.querySelector(".papr-place").prepend(above());
  },
};

// Where the weights come from, and what the backbone knows.
papr.modelRows = (list, { proposal, backbone }) => {
  const weights = ({ weights, sha256 }) => (sha256 ? `${weights} (sha256 ${sha256.slice(0, 8)})` : weights);
  const rows = [
    ["Weights of the proposal", weights(proposal)],
    ["Weights of the backbone", weights(backbone)],
    [
      "The backbone knows",
      backbone.classes ? `${backbone.classes} classes (${backbone.label_set}); your object may be none of them` : "no classes: it has no classifier",
    ],
  ];
  list.replaceChildren(
    ...rows.map(([name, text]) => papr.el("div", {}, papr.el("dt", { text: name }), papr.el("dd", { text }))),
  );
};
papr.modelNote = () => {
  const list = papr.el("dl", { class: "p-models" });
  papr.onchange((what) => what === "answer" && papr.modelRows(list, papr.store.answer.models));
  return list;
};

// Buttons that bring a file each, {kind: label}; send(kind) asks for one, place is where a failure is said. Gives
// {node, saved}: saved(file, failure) is called when the file is ready, or a sentence says why it is not.
papr.saver = (kinds, place, send) => {
  const buttons = Object.entries(kinds).map(([kind, label]) =>
    papr.button(null, label, () => save(kind), { class: "p-button p-small", "data-save": kind }),
  );
  const says = papr.el("p", { class: "p-says", role: "alert" });
  papr.place(place, says);
  const preparing = papr.el("p", { class: "p-note", role: "status" });
  const group = papr.el("div", { class: "p-downloads", role: "group", "aria-label": "Downloads" }, ...buttons, preparing);

  function save(kind) {
    papr.say(place, "");
    papr.put(preparing, "Preparing …");
    buttons.forEach((button) => (button.disabled = true));
    send(kind);
  }
  function saved(file, failure) {
    papr.put(preparing, "");
    buttons.forEach((button) => (button.disabled = false));
    if (failure) papr.say(place, failure.text);
    if (!file) return;
    const link = papr.el("a", { href: file.url, download: file.orig_name });
    document.body.append(link);
    link.click();
    link.remove();
  }
  return { node: papr.el("div", { class: "p-saver" }, group, says), saved };
};
