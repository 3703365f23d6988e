// The static folder’s first script, beside index.html: in a file of its own, so that the policy need allow none in the page.

import * as site from "./scripts/site.js";

Object.assign(window, { papr: site });
try {
  const wanted = localStorage.getItem("papr-theme");
  const dark = wanted ? wanted === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
  document.body.classList.toggle("dark", dark);
} catch {
  // a browser that keeps nothing
}
site.open();
