// How a picture comes in: a file chosen or dropped, pasted, taken with the camera, or one of the examples.
// The file is uploaded as it is and decoded on the server; what is shown is the crop that the models see.

const { el, store } = papr;

let waiting = [];

papr.intake = {
  // Pages that take a dropped or pasted file themselves while they are open: title -> f(file).
  taken: {},

  // A hidden chooser of files; send(file): a file, however it came, is checked, uploaded and brought; choose(given): what
  // needs no upload is brought. Of a file that is on its way when something else comes nothing more is heard.
  // what: "picture" or "clip"; say(text): null takes away what was said; sending: where it says how much is on its way.
  files({ root, upload, what, accept, most, say, bring, sending = null, advice = "" }) {
    const chooser = el("input", { type: "file", accept, class: "p-hidden", tabindex: -1, "aria-label": `Choose a ${what}` });
    chooser.addEventListener("change", () => {
      send(chooser.files[0]);
      chooser.value = "";
    });
    let newest = 0;
    const waits = (text) => {
      root.classList.toggle("p-sending", Boolean(text));
      if (sending) papr.put(sending, text);
    };
    function choose(given) {
      newest += 1;
      waits("");
      bring(given);
    }
    async function send(file) {
      if (!file) return;
      say(null);
      const size = file.size / 1e6;
      if (size > most) return say(`This file has ${Math.ceil(size)} MB; at most ${most} MB can be read.${advice}`);
      if (!size) return say(`This file is empty. Choose a ${what}.`);
      const mine = (newest += 1);
      waits(`Sending ${size.toFixed(1)} MB …`);
      const sent = await upload(file).catch(() => null);
      if (mine !== newest) return;
      if (sent) return choose({ picture: null, upload: sent.path, name: file.name });
      waits("");
      say("The upload did not succeed. Try again.");
    }
    return { chooser, send, choose };
  },

  // A button an example: {id, title, caption, credit, src}.
  buttons: (examples, word, choose) =>
    examples.map(({ id, title, caption, credit, src }) =>
      el(
        "button",
        { type: "button", class: "p-example", "aria-label": `${word}: ${title}. ${caption}`, title: `${title}. ${caption}. (${credit})`, "data-example": id, onclick: () => choose(id) },
        el("img", { src, alt: "" }),
      ),
    ),

  // Which example is the one with this id, among the buttons and in the line below them; of no example it says nothing.
  // about: what the caption holds for.
  mark(buttons, examples, id, line, about) {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.example === id));
    const chosen = examples.find((example) => example.id === id);
    papr.put(line, chosen ? `${chosen.caption}${about}.` : "");
  },

  // Call f once the intake stands.
  mounted: (f) => (waiting ? waiting.push(f) : f()),

  mount({ element, props, upload }) {
    const root = element.querySelector(".papr-intake");
    const image = el("img", { alt: "" });
    const name = el("p", { class: "p-name" });
    const says = el("p", { class: "p-says", role: "alert" });
    papr.place("picture", says);
    const remark = el("p", { class: "p-note", role: "status" });
    papr.intake.remark = (text) => papr.put(remark, text);

    const { chooser, send, choose } = papr.intake.files({
      root,
      upload,
      what: "picture",
      // JPEG first and no HEIC, which cannot be read here: Safari then sends JPEG for it
      accept: "image/jpeg,image/png,image/webp,image/gif,image/avif,image/tiff,image/bmp",
      most: props.value.max_megabytes,
      say: (text) => papr.say(text && "picture", text),
      // A new picture is asked about its own answer first.
      bring(picture) {
        papr.intake.remark("");
        store.view.target = null;
        papr.sync();
        papr.ask.send(picture);
      },
    });

    async function paste() {
      try {
        for (const item of await navigator.clipboard.read()) {
          const type = item.types.find((t) => t.startsWith("image/"));
          if (type) return send(new File([await item.getType(type)], `pasted.${type.split("/")[1]}`, { type }));
        }
        papr.say("picture", "There is no picture on the clipboard.");
      } catch {
        papr.say("picture", "The browser did not give the clipboard. Press Ctrl+V instead.");
      }
    }

    const box = el(
      "div",
      { class: "p-drop", role: "group", "aria-label": "Picture" },
      el("div", { class: "p-shown" }, image),
      el(
        "div",
        { class: "p-ways" },
        papr.button("upload", "Upload", () => chooser.click()),
        papr.button("paste", "Paste", paste),
        papr.button("camera", "Camera", () => camera(send)),
        el("p", { class: "p-note", text: "or drop a picture here" }),
      ),
      chooser,
    );

    const examples = el("div", { class: "p-examples", role: "group", "aria-label": "Examples" });
    examples.append(...papr.intake.buttons(props.value.examples, "Example", (id) => choose({ picture: id })));
    const caption = el("p", { class: "p-note p-caption", role: "status" });
    root.append(box, name, remark, says, examples, caption);

    // dropped anywhere on the page, or pasted with the keyboard
    let depth = 0;
    const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
    window.addEventListener("dragenter", (event) => holdsFiles(event) && ++depth && root.classList.add("p-over"));
    window.addEventListener("dragleave", () => --depth <= 0 && ((depth = 0), root.classList.remove("p-over")));
    window.addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault());
    window.addEventListener("drop", (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      depth = 0;
      root.classList.remove("p-over");
      (papr.intake.taken[papr.pages.open] ?? send)(event.dataTransfer.files[0]);
    });
    Object.assign(papr.intake, { bring: choose, choose: () => chooser.click(), examples: props.value.examples });
    window.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      const take = papr.intake.taken[papr.pages.open];
      const file = take ? files[0] : files.find((f) => f.type.startsWith("image/"));
      if (file) (take ?? send)(file);
    });

    waiting?.forEach((f) => requestAnimationFrame(f));
    waiting = null;

    papr.onchange((what) => {
      if (what !== "answer") return;
      const { picture, grid } = store.answer;
      if (image.getAttribute("src") !== picture.src) image.src = picture.src;
      image.alt = `The picture as the models see it: ${picture.name}`;
      papr.put(name, picture.name);
      image.style.aspectRatio = `${grid[1]} / ${grid[0]}`;
      papr.intake.mark(examples.children, props.value.examples, picture.id, caption, props.value.captions);
    });
  },
};

// A still from the camera.
async function camera(send) {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    papr.say("picture", "The browser gave no camera. Allow it, or upload a picture.");
    return;
  }
  const video = el("video", { autoplay: true, playsinline: true, muted: true, "aria-label": "Camera" });
  video.muted = true;
  video.srcObject = stream;
  const take = papr.button("camera", "Take the picture", () => {
    const still = document.createElement("canvas");
    Object.assign(still, { width: video.videoWidth, height: video.videoHeight });
    still.getContext("2d").drawImage(video, 0, 0);
    still.toBlob((blob) => blob && send(new File([blob], "camera.jpg", { type: "image/jpeg" })), "image/jpeg", 0.95);
    dialog.close();
  });
  const dialog = el(
    "dialog",
    { class: "p-dialog papr p-camera", "aria-label": "Camera" },
    video,
    el("div", { class: "p-tools" }, take, papr.button("lost", "Cancel", () => dialog.close())),
  );
  dialog.addEventListener("close", () => {
    stream.getTracks().forEach((track) => track.stop());
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
}
