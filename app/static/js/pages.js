// The tabs: which one is open. What is hidden has no size, so it is drawn when its tab is opened.

papr.pages = {
  open: "Compare",

  // Gradio has opened a tab.
  opened(title) {
    papr.pages.open = title;
    requestAnimationFrame(() => papr.changed("looks"));
  },

  // Open a tab from a script, by its title in any case; it may be about to appear.
  go(title, tries = 100) {
    const tabs = [...document.querySelectorAll('#pages [role="tab"]')];
    const tab = tabs.find((one) => one.textContent.trim().toLowerCase() === title.toLowerCase());
    if (tab) tab.click();
    else if (tries && !tabs.length) setTimeout(() => papr.pages.go(title, tries - 1), 50);
  },
};
