// How a clip comes in: a file chosen, dropped or pasted, recorded with the camera, or one of the examples; and the way
// to the webcam's live view.

const { el, clip } = papr;
const named = new URL(window.location).searchParams.get("clip"); // before the address follows what is shown

clip.intake = ({ element, props, upload }) => {
  const root = element.querySelector(".papr-intake");
  const poster = el("canvas", { role: "img", "aria-label": "The clip’s first frame" });
  const name = el("p", { class: "p-name" });
  const says = el("p", { class: "p-says", role: "alert" });
  papr.place("clip-clip", says);
  const sending = el("p", { class: "p-note", role: "status" });
  const { chooser, send, choose } = papr.intake.files({
    root,
    upload,
    what: "clip",
    accept: "video/*,.mkv,.avi,.gif,.webm,.mov,.m4v,.ts,.mpg,.flv,.wmv,.ogv",
    most: props.value.max_megabytes,
    say: (text) => clip.say(text && "clip", text),
    bring: clip.bring,
    sending,
    advice: " Cut it shorter.",
  });
  papr.intake.taken.Video = send;

  const examples = el("div", { class: "p-examples", role: "group", "aria-label": "Example clips" });
  let known = []; // once they have come
  clip.examples = (given) => {
    if (!given) return examples.replaceChildren(el("p", { class: "p-note", text: "The examples are late; they are asked for again …" }));
    known = given;
    examples.replaceChildren(...papr.intake.buttons(given, "Example clip", (id) => choose({ picture: id, name: null })));
    pressed();
    if (named && !given.some(({ id }) => id === named)) papr.put(sending, "The clip that this link names is no longer here. Choose another one.");
  };
  const caption = el("p", { class: "p-note p-caption", role: "status" });
  const pressed = () => papr.intake.mark(examples.children, known, clip.answer?.clip.id, caption, "");

  const live = papr.button("live", "Live", () => clip.startLive(live));
  root.append(
    el(
      "div",
      { class: "p-drop", role: "group", "aria-label": "Clip" },
      el("div", { class: "p-shown" }, poster),
      el(
        "div",
        { class: "p-ways" },
        papr.button("upload", "Upload", () => chooser.click()),
        papr.button("camera", "Record", () => record(send)),
        live,
        el("p", { class: "p-note", text: "or drop a clip here" }),
      ),
      chooser,
    ),
    name,
    sending,
    says,
    examples,
    caption,
  );

  clip.onchange((what) => {
    if (what !== "answer" && what !== "media") return;
    papr.put(name, clip.answer.clip.name);
    pressed();
    const image = clip.picture(0);
    if (!image) return;
    Object.assign(poster, { width: image.naturalWidth, height: image.naturalHeight });
    poster.getContext("2d").drawImage(image, 0, 0);
  });
};

// The camera, or null where the browser gives none (`where` says so), or while it is being asked for.
let asking = false;
clip.camera = async (where) => {
  if (asking) return null;
  asking = true;
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 640 } } });
  } catch {
    clip.say(where, "The browser gave no camera. Allow it, or upload a clip.");
    return null;
  } finally {
    asking = false;
  }
};

const LONGEST = 10; // seconds of a recording

async function record(send) {
  clip.say(null);
  const stream = await clip.camera("clip");
  if (!stream) return;
  const video = el("video", { autoplay: true, playsinline: true, "aria-label": "Camera" });
  video.muted = true;
  video.srcObject = stream;
  let recorder = null;
  let timer = null;
  const pieces = [];
  const told = el("p", { class: "p-note", role: "status", text: `Up to ${LONGEST} seconds.` });
  const toggle = papr.button("camera", "Start recording", () => (recorder ? recorder.stop() : start()));
  const dialog = el("dialog", { class: "p-dialog papr p-camera", "aria-label": "Record a clip" }, video, told, el("div", { class: "p-tools" }, toggle, papr.button("lost", "Cancel", () => dialog.close())));

  function start() {
    recorder = new MediaRecorder(stream);
    recorder.addEventListener("dataavailable", ({ data }) => data.size && pieces.push(data));
    recorder.addEventListener("stop", () => {
      const cancelled = !dialog.open;
      dialog.close();
      const type = recorder.mimeType.split(";")[0] || "video/webm";
      if (!cancelled) send(new File(pieces, `recording.${type.split("/")[1]}`, { type }));
    });
    recorder.start(250);
    papr.put(toggle.lastChild, "Stop and use it");
    const begun = performance.now();
    timer = setInterval(() => {
      const gone = (performance.now() - begun) / 1000;
      papr.put(told, `Recording, ${gone.toFixed(0)} of ${LONGEST} seconds`);
      if (gone >= LONGEST && recorder.state === "recording") recorder.stop();
    }, 200);
  }
  dialog.addEventListener("close", () => {
    clearInterval(timer);
    if (recorder?.state === "recording") recorder.stop();
    stream.getTracks().forEach((track) => track.stop());
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
}
