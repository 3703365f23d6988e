// The two pictures of a card, drawn here from the crop and the method's numbers.

const store = papr.store;
const FINE = 8; // the map is smoothed to this many points a patch before it is coloured

papr.draw = { picture: null };

const surface = (width, height) => Object.assign(document.createElement("canvas"), { width, height });

// --- the crop, and how dropped patches look ------------------------------------------------------------------------

let source = null;
papr.draw.load = (src, then) => {
  if (src === source) return;
  source = src;
  const image = new Image();
  image.onload = () => {
    if (src !== source) return; // a newer picture came meanwhile
    papr.draw.picture = image;
    then();
  };
  image.src = src;
};

const grounds = new WeakMap(); // picture -> the same with all patches dropped, by look and size
function ground(picture, look, dark, width, height) {
  if (!grounds.has(picture)) grounds.set(picture, new Map());
  const made = grounds.get(picture);
  const name = `${look} ${dark} ${width} ${height}`;
  if (!made.has(name)) made.set(name, looks[look](picture, width, height, dark));
  return made.get(name);
}

const looks = {
  dim(picture, width, height, dark) {
    const canvas = surface(width, height);
    const at = canvas.getContext("2d");
    at.drawImage(picture, 0, 0, width, height);
    at.globalCompositeOperation = "saturation";
    at.fillStyle = "#808080";
    at.fillRect(0, 0, width, height);
    at.globalCompositeOperation = "source-over";
    at.globalAlpha = dark ? 0.86 : 0.84;
    at.fillStyle = dark ? "#22242a" : "#ecece9";
    at.fillRect(0, 0, width, height);
    return canvas;
  },
  white: (picture, width, height) => plain(width, height, "#fff"),
  black: (picture, width, height) => plain(width, height, "#000"),
  blur(picture, width, height) {
    const small = surface(26, Math.round((26 * height) / width));
    small.getContext("2d").drawImage(picture, 0, 0, small.width, small.height);
    const canvas = surface(width, height);
    const at = canvas.getContext("2d");
    at.imageSmoothingQuality = "high";
    at.drawImage(small, 0, 0, width, height);
    return canvas;
  },
};

function plain(width, height, colour) {
  const canvas = surface(width, height);
  const at = canvas.getContext("2d");
  at.fillStyle = colour;
  at.fillRect(0, 0, width, height);
  return canvas;
}

// Whether a canvas shows just this already; else it is about to.
const shown = new WeakMap();
function stands(canvas, what) {
  const before = shown.get(canvas);
  shown.set(canvas, what);
  return Boolean(before) && before.length === what.length && before.every((part, i) => part === what[i]);
}

// --- kept patches ---------------------------------------------------------------------------------------------------

// As many canvas pixels a patch as the screen shows: whole ones, so that patches have sharp edges.
function size(canvas) {
  const [rows, columns] = store.answer.grid;
  const wide = (canvas.clientWidth || 220) * window.devicePixelRatio;
  const cell = Math.max(8, Math.min(64, Math.ceil(wide / columns)));
  return { rows, columns, cell, width: columns * cell, height: rows * cell };
}

function surfaceOf(canvas, width, height) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const at = canvas.getContext("2d");
  at.globalAlpha = 1; // the same canvas may have shown a map
  return at;
}

window.addEventListener("resize", papr.debounce(() => papr.changed("looks"), 200));

// A picture with all its patches dropped but these. cell: canvas pixels a patch.
papr.draw.mask = (canvas, picture, patches, { rows, columns, cell, look, dark }) => {
  const [width, height] = [columns * cell, rows * cell];
  if (!picture || stands(canvas, [picture, cell, look, dark, String(patches)])) return;
  const at = surfaceOf(canvas, width, height);
  at.drawImage(ground(picture, look, dark, width, height), 0, 0);
  at.save();
  at.beginPath();
  for (const patch of patches ?? [])
    at.rect((patch % columns) * cell, Math.floor(patch / columns) * cell, cell, cell);
  at.clip();
  at.drawImage(picture, 0, 0, width, height);
  at.restore();
};

papr.draw.kept = (canvas, patches) =>
  papr.draw.mask(canvas, papr.draw.picture, patches, { ...size(canvas), look: store.view.look, dark: papr.dark() });

// --- maps -----------------------------------------------------------------------------------------------------------

// The H x W numbers, smoothed bilinearly (patch centres keep their values): for the eye only.
const smoothed = new WeakMap();
function smooth(map, rows, columns) {
  if (smoothed.has(map)) return smoothed.get(map);
  const [height, width] = [rows * FINE, columns * FINE];
  const values = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    const v = Math.min(rows - 1, Math.max(0, (y + 0.5) / FINE - 0.5));
    const [top, down] = [Math.floor(v), v % 1];
    const low = Math.min(rows - 1, top + 1);
    for (let x = 0; x < width; x++) {
      const u = Math.min(columns - 1, Math.max(0, (x + 0.5) / FINE - 0.5));
      const [left, right] = [Math.floor(u), u % 1];
      const next = Math.min(columns - 1, left + 1);
      const above = map[top * columns + left] * (1 - right) + map[top * columns + next] * right;
      const below = map[low * columns + left] * (1 - right) + map[low * columns + next] * right;
      values[y * width + x] = above * (1 - down) + below * down;
    }
  }
  smoothed.set(map, values);
  return values;
}

// From which value to which the colours go: each map by itself, all maps together, or 0 to 1 as the values are.
papr.draw.range = (method) => {
  if (store.view.scale === "raw") return [0, 1];
  const maps = store.view.scale === "shared" ? papr.cards().filter((m) => m.map) : [method];
  return [Math.min(...maps.map((m) => m.low)), Math.max(...maps.map((m) => m.high))];
};

papr.draw.map = (canvas, method, range = method.map && papr.draw.range(method)) => {
  const { opacity, colours } = store.view;
  papr.draw.over(canvas, papr.draw.picture, method.map, { ...size(canvas), range, opacity, colours });
};

// A picture with a map over it (none yet: the picture alone). range: from which value to which the colours go.
papr.draw.over = (canvas, picture, map, { rows, columns, cell, range, opacity, colours: palette }) => {
  const [width, height] = [columns * cell, rows * cell];
  const [low, high] = map ? range : [0, 0];
  if (!picture || stands(canvas, [picture, cell, map, opacity, palette, low, high])) return;
  const at = surfaceOf(canvas, width, height);
  at.drawImage(picture, 0, 0, width, height);
  if (!map) return;
  const values = smooth(map, rows, columns);
  const colours = papr.colours(palette);
  const fine = surface(columns * FINE, rows * FINE);
  const image = new ImageData(fine.width, fine.height);
  const stretch = high > low ? 255 / (high - low) : 0;
  for (let i = 0; i < values.length; i++) {
    const step = high > low ? Math.max(0, Math.min(255, Math.round((values[i] - low) * stretch))) : 128;
    image.data[4 * i] = colours[3 * step];
    image.data[4 * i + 1] = colours[3 * step + 1];
    image.data[4 * i + 2] = colours[3 * step + 2];
    image.data[4 * i + 3] = 255;
  }
  fine.getContext("2d").putImageData(image, 0, 0);
  at.globalAlpha = opacity;
  at.imageSmoothingQuality = "high";
  at.drawImage(fine, 0, 0, width, height);
};

// Colour maps come with the page as 256 x 3 bytes in base64 (static/colour_maps.json).
const decoded = {};
papr.colours = (name) =>
  (decoded[name] ??= Uint8Array.from(atob(papr.colourMaps[name] ?? papr.colourMaps.inferno), (c) => c.charCodeAt(0)));
