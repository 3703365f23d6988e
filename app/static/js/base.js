// Helpers that every other file uses. All text reaches the page as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

// el("button", {class: "quiet", text: name, onclick: f}, child, ...)
papr.el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
papr.svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter(Boolean));
  return node;
}

// Write only what changed: a redraw while the slider moves then touches little of the page.
papr.put = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};
papr.show = (node, visible) => {
  if (node.hidden === visible) node.hidden = !visible;
};

const PATHS = {
  kept: "M3 8.5l3.2 3.2L13 5",
  lost: "M4 4l8 8M12 4l-8 8",
  wait: "M8 4.5V8l2.4 1.6M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0z",
  upload: "M8 10.5V3M5 5.8L8 2.8l3 3M3 10.5V13h10v-2.5",
  paste: "M6 2.8h4v2H6zM6 3.6H3.8v9.6h8.4V3.6H10",
  camera: "M2.5 5h2.3l1-1.6h4.4l1 1.6h2.3v7.6h-11zM8 10.8a2.1 2.1 0 1 0 0-4.2 2.1 2.1 0 0 0 0 4.2z",
  live: "M8 9.4a1.4 1.4 0 1 0 0-2.8 1.4 1.4 0 0 0 0 2.8zM4.6 4.6a4.8 4.8 0 0 0 0 6.8M11.4 4.6a4.8 4.8 0 0 1 0 6.8M2.6 2.6a7.6 7.6 0 0 0 0 10.8M13.4 2.6a7.6 7.6 0 0 1 0 10.8",
  enlarge: "M9.5 3H13v3.5M6.5 13H3V9.5M13 3L9 7M3 13l4-4",
  stop: "M4.5 4.5h7v7h-7z",
  theme: "M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0zM8 4v8M8 4.5a3.5 3.5 0 0 1 0 7",
};

papr.icon = (name) =>
  papr.svg(
    "svg",
    { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true", class: `p-icon p-icon-${name}` },
    papr.svg("path", { d: PATHS[name], fill: "none" }),
  );

papr.button = (icon, label, onclick, extra = {}) =>
  papr.el("button", { type: "button", class: "p-button", onclick, ...extra }, icon && papr.icon(icon), papr.el("span", { text: label }));

// 0.4237 -> "42.4"
papr.percent = (share, digits = 1) => (100 * share).toFixed(digits);

papr.list = (names) =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;

papr.milliseconds = (seconds) => {
  if (seconds === null || seconds === undefined) return "";
  if (seconds >= 1) return `${seconds.toFixed(1)} s`;
  return `${(1000 * seconds).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
};

// Call f once, `wait` milliseconds after the last call.
papr.debounce = (f, wait) => {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => f(...values), wait);
  };
};

// Call f at most once a frame, with whatever is true then.
papr.eachFrame = (f) => {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      f();
    });
  };
};

// The class that gives a method its colour: grad-cam++ -> "p-grad-campp".
papr.tint = (name) => `p-m p-${name.replaceAll("+", "p")}`;

papr.dark = () => document.body.classList.contains("dark");
