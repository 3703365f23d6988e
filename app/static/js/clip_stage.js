// Video's stage: verdict, clips, frames, numbers and downloads, in one component that only this script draws.

import { among, whole, words } from "./address.js";
import { clip } from "./clip.js";
import { clipNumbers, clipVerdict } from "./clip_numbers.js";
import { frames, players } from "./clip_player.js";
import { el } from "./dom.js";
import { links } from "./links.js";
import { liveView } from "./live.js";
import { pages } from "./pages.js";
import { downloads } from "./saver.js";
import { store } from "./store.js";

const KINDS = { masked: "Masked clip (MP4)", original: "Frames (MP4)", png: "Figure (PNG)", json: "Numbers (json)" };

/** @param {import("./types").Given} given */
export function mountClip({ element, props, trigger, watch, server }) {
  const root = element.querySelector(".papr-stage");
  /** @param {string} name */
  const section = (name) => root.appendChild(el("section", { class: `p-section p-section-${name}` }));
  clip.connect({ trigger, server });
  const { known, view: plain } = props.value;
  clip.known = known;
  Object.assign(clip.view, plain);
  links.join(clip.view, plain, {
    clip: ["clip", among(known.clips)],
    "clip-keep": ["percent", whole(1, 100)],
    "clip-method": ["method", among(known.methods)],
    "clip-beside": ["beside", among(known.methods)],
    "clip-proposal": ["proposal", words],
    "clip-backbone": ["backbone", words],
    "clip-target": ["target", whole(0, 999_999)],
    "clip-explain": ["explain", among(["auto", "proposal", "target"])],
    "clip-look": ["look", among(known.looks)],
    "clip-show": ["show", among(["kept", "map"])],
    "clip-colours": ["colours", among(known.colours)],
  });
  const linked = Object.keys(plain).some((name) => clip.view[name] !== plain[name]);

  const [verdict, panes, strip, numbers] = ["verdict", "players", "frames", "numbers"].map(section);
  const there = () => Boolean(clip.answer?.answer) && !clip.live;
  const saver = downloads(section("downloads"), clip, KINDS, "clip-save", (kind) => clip.save(kind), there);
  const parts = [clipVerdict(verdict), players(panes), frames(strip), clipNumbers(numbers), saver, liveView(section("live"))];
  clip.draws(root, parts, ["answer", "media", "looks", "ratio", "frame", "live", "status"]);
  clip.onchange((what) => {
    // the clip in the address is an example or none: never a visitor's own
    if (what === "answer") clip.view.clip = known.clips.includes(clip.answer.clip.id) ? clip.answer.clip.id : known.clips[0];
    if (what !== "frame" && what !== "live") links.write();
  });
  store.onchange((what) => {
    if (what !== "looks") return; // another tab, another size, light or dark
    clip.changed("looks");
    if (pages.open === "Video") clip.rest(); // the masked clip is written for light or for dark
  });
  watch("value", () => clip.last && clip.told(props.value.answer)); // nothing was asked before

  async function arrive() {
    const told = await server.examples("");
    if (told?.ok) clip.models = told;
    else setTimeout(arrive, 5000); // until then there is a word, and a pair is checked by the server alone
    clip.examples(told?.examples);
  }
  arrive();
  trigger("arrive");
  if (linked) clip.sync();
  clip.send();
}
