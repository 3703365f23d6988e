// The tabs: which one is open. What is hidden has no size, so it is drawn when its tab is opened.

papr.pages = {
  open: "Compare",

  // Gradio has opened a tab.
  opened(title) {
    papr.pages.open = title;
    requestAnimationFrame(() => papr.changed("looks"));
  },

  // Open a tab from a script.
  go(title) {
    const tabs = [...document.querySelectorAll('#pages [role="tab"]')];
    tabs.find((tab) => tab.textContent.trim() === title)?.click();
  },
};
