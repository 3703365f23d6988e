// The address bar holds what is set, so that a link opens the same view, and Back and Forward go through tabs and what was
// asked on Compare. Only what differs from the view on arrival is written, and never a visitor's own picture: a link then
// says only that there was one.

import { among, patchesOf, patchesText, read, percentage, several, share, whole, words, write, written } from "./address.js";
import { ask } from "./ask.js";
import { ASKS } from "./controls.js";
import { pages } from "./pages.js";
import { store } from "./store.js";
import { debounce, held, onRelease } from "./timing.js";

const STEPS = ["proposal", "backbone", "target", "explain", "fit", "stretch", "classes", "methods"]; // beside tab and picture
const OWN = "own"; // stands for a picture that is not an example

/** @typedef {{pictures: string[], methods: string[], looks: string[], colours: string[], scales: string[]}} Known */

/** @type {Partial<import("./types").View>} */
let arrival = null; // the view that needs no words
/** @type {Known} */
let known = null; // what may be set
let quiet = true; // until the link has been read
let step = ""; // what Back goes back from
/** @type {({picture: string} & ReturnType<typeof patchesOf>) | null} */
let byHand = null; // patches in the address, until the answer that they belong to is here
let returning = false; // Back or Forward was pressed, and what it leads to is on its way
/** @type {{view: Record<string, any>, plain: Record<string, any>, fields: import("./address.js").Fields}[]} */
const joined = []; // pages that have a part of the address of their own

/** What the address says now. */
export const parameters = () => new URL(window.location.href).searchParams;

const yes = (/** @type {string} */ text) => /** @type {Record<string, boolean>} */ ({ true: true, false: false })[text];

/** @returns {import("./address.js").Fields} */
const fields = () => ({
  keep: ["percent", percentage],
  proposal: ["proposal", words],
  backbone: ["backbone", words],
  methods: ["methods", several(known.methods)],
  target: ["target", whole(0, 999_999)],
  explain: ["explain", among(["auto", "proposal", "target"])],
  fit: ["fit", among(["crop", "pad", "squash"])],
  stretch: ["stretch", yes],
  worst: ["worst", yes],
  classes: ["classes", (text) => (text.length <= 5000 ? text : undefined)],
  show: ["show", among(["kept", "map", "difference"])],
  look: ["look", among(known.looks)],
  opacity: ["opacity", share],
  colours: ["colours", among(known.colours)],
  scale: ["scale", among(known.scales)],
});

export const links = {
  /**
   * Take the link's view over the one on arrival. Gives whether the server has to be asked, and about which picture;
     * own: the link was made on a visitor's own picture; gone: it names an example that is not here; unknown: what else it names
     * that is not here.
   * @param {Partial<import("./types").View> & {picture?: string}} view @param {Known} allowed
   */
  open(view, allowed) {
    [arrival, known] = [{ ...view }, allowed];
    const given = parameters();
    const linked = read(given, fields());
    const picture = known.pictures.includes(given.get("picture")) ? given.get("picture") : view.picture;
    readByHand(picture);
    const changed = Object.keys(linked).filter((name) => written(linked[name]) !== written(view[name]));
    return {
      picture,
      page: given.get("tab"),
      own: given.get("picture") === OWN,
      gone: ![null, OWN, picture].includes(given.get("picture")),
      view: Object.fromEntries(changed.map((name) => [name, linked[name]])),
      asks: picture !== view.picture || changed.some((name) => name === "worst" || ASKS.includes(name)),
      unknown: (given.get("methods") ?? "").split(",").filter((name) => name && !known.methods.includes(name)).map((name) => `a method “${name.slice(0, 40)}”`).join(" and "),
    };
  },

  /**
   * The link has been read; from now on the address follows, and `back` brings what Back or Forward leads to. remark: says
   * what of the address cannot be shown.
   * @param {(to: {view: Partial<import("./types").View>, picture: string, name: string | null, page: string}) => void} back
   * @param {(text: string) => void} remark
   */
  follow(back, remark) {
    quiet = false;
    store.onchange((what) => what === "answer" && takeByHand(remark));
    store.onchange(links.write);
    onRelease(links.write);
    window.addEventListener("popstate", ({ state }) => {
      if (!store.answer?.picture) return;
      const given = parameters();
      const { picture, ...plain } = arrival;
      returning = true;
      readByHand(state?.picture ?? given.get("picture") ?? picture);
      back({ view: { ...plain, ...read(given, fields()) }, picture: state?.picture ?? given.get("picture") ?? picture, name: state?.name ?? null, page: given.get("tab") ?? "compare" });
    });
  },

  /**
   * A page's own part of the address: its view takes what the link says. plain: the view that needs no words.
   * @param {object} view @param {object} plain @param {import("./address.js").Fields} fields
   */
  join(view, plain, fields) {
    Object.assign(view, read(parameters(), fields));
    joined.push({ view, plain, fields });
    links.write();
  },

  write: debounce(() => {
    if (quiet || held() || !store.answer?.picture || !store.fresh) return; // what is set may belong to another picture, on its way
    const url = new URL(window.location.href);
    for (const { view, plain, fields: its } of [{ view: store.view, plain: arrival, fields: fields() }, ...joined])
      for (const [parameter, [name]] of Object.entries(its)) write(url.searchParams, parameter, view[name], plain[name]);
    const { id } = store.answer.picture;
    write(url.searchParams, "picture", known.pictures.includes(id) ? id : OWN, arrival.picture);
    const { hand, methods } = store.view;
    const chosen = methods.includes("by-hand") && hand.length && known.pictures.includes(id); // another's own picture is not there
    write(url.searchParams, "hand", chosen ? patchesText(hand, store.answer.grid) : "", "");
    write(url.searchParams, "tab", pages.open.toLowerCase(), "compare");
    if (returning && store.working) return;
    const now = [pages.open, id, ...STEPS.map((name) => written(store.view[name]))].join(" ");
    const state = { ...history.state, picture: id, name: store.answer.picture.name };
    if (step && step !== now && !returning) history.pushState(state, "", url);
    else history.replaceState(state, "", url);
    [step, returning] = [now, false];
  }, 250),
};

/** @param {string} picture  that they are of */
function readByHand(picture) {
  const read = patchesOf(parameters().get("hand") ?? "");
  byHand = read && { picture, ...read };
}

/** @param {(text: string) => void} remark */
function takeByHand(remark) {
  const { answer, fresh, view } = store;
  if (!fresh || byHand?.picture !== answer.picture?.id) return;
  const { grid, patches } = byHand;
  byHand = null;
  const sides = (/** @type {number[]} */ [rows, columns]) => `${rows} × ${columns}`;
  if (String(grid) !== String(answer.grid))
    return remark(`The link’s patches by hand are of a grid of ${sides(grid)}; here it is ${sides(answer.grid)}, so they are left out.`);
  view.hand = patches;
  store.changed("hand");
  ask.hand();
}
