// The camera: a still of it for Compare, a recording for Video.

import { button, el, put } from "./dom.js";

/** A place for a sentence of what the camera is for. @typedef {(text: string) => void} Say */

let asking = false;
/**
 * The camera's stream, or null where the browser gives none (it is said), or while it is being asked for.
 * @param {Say} say @param {"picture" | "clip"} what @param {MediaTrackConstraints} [more]
 */
export async function camera(say, what, more = {}) {
  if (asking) return null;
  if (!navigator.mediaDevices) {
    say(`A camera needs HTTPS: browsers give none to a page on plain http. Upload a ${what}, or open the page by https.`);
    return null;
  }
  asking = true;
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", ...more } });
  } catch {
    say(`The browser gave no camera. Allow it, or upload a ${what}.`);
    return null;
  } finally {
    asking = false;
  }
}

/**
 * A dialog with the camera's picture; closed, the camera is off.
 * @param {MediaStream} stream @param {string} label @param {HTMLButtonElement} take @param {Node[]} [told]
 */
function viewfinder(stream, label, take, told = []) {
  const video = el("video", { autoplay: true, playsinline: true, muted: true, "aria-label": "Camera" });
  video.muted = true;
  video.srcObject = stream;
  const tools = el("div", { class: "p-tools" }, take, button("lost", "Cancel", () => dialog.close()));
  const dialog = el("dialog", { class: "p-dialog papr p-camera", "aria-label": label }, video, ...told, tools);
  dialog.addEventListener("close", () => {
    stream.getTracks().forEach((track) => track.stop());
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
  return { dialog, video };
}

/** A still. @param {Say} say @param {(file: File) => void} send */
export async function takePicture(say, send) {
  const stream = await camera(say, "picture");
  if (!stream) return;
  const take = button("camera", "Take the picture", () => {
    const still = document.createElement("canvas");
    Object.assign(still, { width: video.videoWidth, height: video.videoHeight });
    still.getContext("2d").drawImage(video, 0, 0);
    still.toBlob((blob) => blob && send(new File([blob], "camera.jpg", { type: "image/jpeg" })), "image/jpeg", 0.95);
    dialog.close();
  });
  const { dialog, video } = viewfinder(stream, "Camera", take);
}

const LONGEST = 10; // seconds of a recording

/** @param {Say} say @param {(file: File) => void} send */
export async function record(say, send) {
  const stream = await camera(say, "clip", { width: { ideal: 640 } });
  if (!stream) return;
  /** @type {MediaRecorder | null} */
  let recorder = null;
  /** @type {ReturnType<typeof setInterval>} */
  let timer;
  /** @type {Blob[]} */
  const pieces = [];
  const told = el("p", { class: "p-note", role: "status", text: `Up to ${LONGEST} seconds.` });
  const toggle = button("camera", "Start recording", () => (recorder ? recorder.stop() : start()));
  const { dialog } = viewfinder(stream, "Record a clip", toggle, [told]);

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
    put(toggle.lastChild, "Stop and use it");
    const begun = performance.now();
    timer = setInterval(() => {
      const gone = (performance.now() - begun) / 1000;
      put(told, `Recording, ${gone.toFixed(0)} of ${LONGEST} seconds`);
      if (gone >= LONGEST && recorder.state === "recording") recorder.stop();
    }, 200);
  }
  dialog.addEventListener("close", () => {
    clearInterval(timer);
    if (recorder?.state === "recording") recorder.stop();
  });
}
