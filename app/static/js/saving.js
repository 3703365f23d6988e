// What the large model saves at the ratio that is set: multiply-accumulates, counted for every ratio beforehand, and
// time, measured by the server once the slider rests.

import { here } from "./here.js";
import { keptCount, store } from "./store.js";
import { pages } from "./pages.js";
import { debounce, held } from "./timing.js";
import { ask } from "./ask.js";

/** @type {Map<string, number>} how many times as fast, by pair and patches */
const measured = new Map();
const key = () => `${store.answer.models.proposal.sha256} ${store.answer.models.backbone.sha256} ${store.answer.models.backbone.name} ${keptCount()}`;

/**
 * Billions of multiply-accumulates of the full model, and of the ConvNet and the pruned one at the ratio that is set;
 * times: how many times as fast it was here, where it has been measured. Null where nothing is counted.
 */
export function spending() {
  const { saving } = store.answer;
  if (!saving) return null;
  const full = saving.pruned[saving.pruned.length - 1];
  const pruned = saving.pruned[Math.round((store.view.percent * saving.pruned.length) / 100) - 1];
  return { full, pruned, proposal: saving.proposal, times: measured.get(key()) ?? null };
}

/** "Keeping 40 % saves 59 % of the multiply-accumulates and is 1.9 times as fast here." */
export function savings() {
  const spent = spending();
  if (!spent) return "";
  const { full, pruned, proposal, times } = spent;
  const share = Math.round(100 * (1 - (pruned + proposal) / full));
  const time = times ? (times >= 1.05 ? ` and is ${times.toFixed(1)} times as fast` : times > 0.95 ? " and is no faster" : `, and takes ${(1 / times).toFixed(1)} times as long`) : "";
  const here = times ? " here" : "";
  const cost = share > 0 ? `saves ${share}\u00a0% of the multiply-accumulates` : "saves no multiply-accumulates: the ConvNet’s own outweigh them";
  return `Keeping ${shareOf()}\u00a0% ${cost}${time}${here}.`;
}

const shareOf = () => String(Math.round(10 * store.view.percent) / 10);

/** Ask how fast it is, when nothing else is under way. */
export const measure = debounce(async () => {
  if (!store.answer?.full || !store.fresh || store.working || held() || ask.busy() || here.on() || !["Compare", "Learn"].includes(pages.open)) return;
  const mine = key();
  if (measured.has(mine)) return;
  const reply = await store.server.speed?.(JSON.stringify(ask.question({ methods: [] })));
  if (!reply?.ok) return; // it is said nowhere: the page is whole without it
  measured.set(mine, reply.times);
  store.changed("points");
}, 900);
