// What Gradio mounts on Video.

export { clip } from "./clip.js";
export { mountClipIntake } from "./clip_intake.js";
export { mountClip } from "./clip_stage.js";
