// Light or dark: the button, and what the visitor chose last.

import { icon } from "./dom.js";

const KEPT = "papr-theme"; // boot.js reads it

/** @param {Element} button */
export function mountTheme(button) {
  button.append(icon("theme"));
  button.addEventListener("click", () => {
    const dark = document.body.classList.toggle("dark");
    try {
      localStorage.setItem(KEPT, dark ? "dark" : "light");
    } catch {
      // a browser that keeps nothing
    }
  });
}
