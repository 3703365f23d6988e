// The tabs: which one is open. What is hidden has no size, so it is drawn when its tab is opened.

import { store } from "./store.js";

export const pages = {
  open: "Compare",

  /** Gradio has opened a tab. @param {string} title */
  opened(title) {
    pages.open = title;
    requestAnimationFrame(() => store.changed("looks"));
  },

  /** Open a tab from a script, by its title in any case; it may be about to appear. @param {string} title */
  go(title, tries = 100) {
    /** @type {NodeListOf<HTMLElement>} */
    const found = document.querySelectorAll('#pages [role="tab"]');
    const tabs = [...found];
    const tab = tabs.find((one) => one.textContent.trim().toLowerCase() === title.toLowerCase());
    if (tab) tab.click();
    else if (tries && !tabs.length) setTimeout(() => pages.go(title, tries - 1), 50);
  },
};
