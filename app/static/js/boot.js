// In the head as it is, before all else. Gradio mounts its components when it likes, and the modules come when they have
// been fetched: whatever Gradio calls waits for `papr.ready`. MAIN is the address of main.js.

window.papr = {};
papr.ready = import(new URL(MAIN, document.baseURI).href).then((page) => Object.assign(papr, page));
try {
  const wanted = localStorage.getItem("papr-theme");
  if (wanted) document.body.classList.toggle("dark", wanted === "dark");
} catch {
  // a browser that keeps nothing: the system's own preference stands
}
