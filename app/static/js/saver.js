// Downloads: buttons that bring a file each, which papr_core writes.

import { button, el, put, reveal } from "./dom.js";
import { place, say } from "./said.js";

/**
 * send(kind) asks for a file, `where` is where a failure is said; saved(file, failure) is called when it is ready, or a
 * sentence says why it is not.
 * @param {Record<string, string>} kinds  kind: label
 * @param {string} where @param {(kind: string) => void} send
 */
export function saver(kinds, where, send) {
  const buttons = Object.entries(kinds).map(([kind, label]) =>
    button(null, label, () => save(kind), { class: "p-button p-small", "data-save": kind }),
  );
  const says = el("p", { class: "p-says", role: "alert" });
  place(where, says);
  const preparing = el("p", { class: "p-note", role: "status" });
  const group = el("div", { class: "p-downloads", role: "group", "aria-label": "Downloads" }, ...buttons, preparing);

  /** @param {string} kind */
  function save(kind, by = send) {
    say(where, "");
    put(preparing, "Preparing …");
    buttons.forEach((one) => (one.disabled = true));
    by(kind);
  }
  /** @type {import("./types").Saved} */
  function saved(file, failure) {
    put(preparing, "");
    buttons.forEach((one) => (one.disabled = false));
    if (failure) say(where, failure.text);
    if (!file) return;
    const link = el("a", { href: file.url, download: file.orig_name });
    document.body.append(link);
    link.click();
    link.remove();
  }
  /**
   * More buttons of the same: while one file is prepared, all wait.
   * @param {Record<string, string>} kinds @param {(kind: string) => void} send
   */
  const more = (kinds, send) =>
    Object.entries(kinds).map(([kind, label]) => {
      const one = button(null, label, () => save(kind, send), { class: "p-button p-small", "data-save": kind });
      buttons.push(one);
      return one;
    });
  return { node: el("div", { class: "p-saver" }, group, says), saved, more };
}

/**
 * The same at the end of a stage, as long as `there` is true; Gradio calls its owner's `saved`.
 * @param {HTMLElement} root @param {{saved: import("./types").Saved}} owner @param {Record<string, string>} kinds
 * @param {string} where @param {(kind: string) => void} send @param {() => boolean} there
 * @param {(more: ReturnType<typeof saver>["more"]) => Node} [below]  makes what stands under the buttons
 */
export function downloads(root, owner, kinds, where, send, there, below) {
  const { node, saved, more } = saver(kinds, where, send);
  owner.saved = saved;
  root.append(node);
  if (below) node.append(below(more));
  return () => reveal(root, there());
}
