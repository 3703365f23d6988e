// Pictures made of cells: a map of any size over the crop, ranks on patches, tokens in a row. Learn draws with these.

const store = papr.store;

papr.cells = {};

// Make a canvas as sharp as the screen, `aspect` times as wide as high; gives {at, width, height, scale}.
papr.cells.open = (canvas, aspect) => {
  const scale = Math.min(3, window.devicePixelRatio || 1);
  const width = Math.max(160, Math.round((canvas.clientWidth || 320) * scale));
  const height = Math.round(width / aspect);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const at = canvas.getContext("2d");
  at.clearRect(0, 0, width, height);
  return { at, width, height, scale };
};

papr.cells.range = (values) => [Math.min(...values), Math.max(...values)];

// The value's colour, as the colour map on Compare has it.
papr.cells.colour = (value, [low, high]) => {
  const colours = papr.colours(store.view.colours);
  const step = high > low ? Math.max(0, Math.min(255, Math.round((255 * (value - low)) / (high - low)))) : 128;
  return `rgb(${colours[3 * step]} ${colours[3 * step + 1]} ${colours[3 * step + 2]})`;
};

// Cells edge to edge, row by row, on whole pixels.
const edge = (i, count, length) => Math.round((i * length) / count);
papr.cells.each = ([rows, columns], width, height, f) => {
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const [x, y] = [edge(column, columns, width), edge(row, rows, height)];
      f(row * columns + column, x, y, edge(column + 1, columns, width) - x, edge(row + 1, rows, height) - y);
    }
};

// A map over the picture, a cell a value.
papr.cells.map = (surface, values, size, { range = papr.cells.range(values), opacity = store.view.opacity, clip } = {}) => {
  const { at, width, height } = surface;
  at.save();
  if (clip) {
    at.beginPath();
    at.rect(...clip);
    at.clip();
  }
  at.globalAlpha = 1;
  at.drawImage(papr.draw.picture, 0, 0, width, height);
  at.globalAlpha = opacity;
  papr.cells.each(size, width, height, (i, x, y, w, h) => {
    at.fillStyle = papr.cells.colour(values[i], range);
    at.fillRect(x, y, w, h);
  });
  at.restore();
};

// White text that can be read on any ground.
papr.cells.text = (at, words, x, y, size, strong = true) => {
  at.font = `${strong ? 600 : 500} ${size}px "Inter UI", system-ui, sans-serif`;
  at.textAlign = "center";
  at.textBaseline = "middle";
  at.lineJoin = "round";
  at.lineWidth = size / 4;
  at.strokeStyle = "rgb(0 0 0 / 75%)";
  at.strokeText(words, x, y);
  at.fillStyle = "#fff";
  at.fillText(words, x, y);
};

papr.cells.frame = (at, x, y, w, h, width) => {
  for (const [colour, line] of [["#000", width * 2], ["#fff", width]]) {
    at.strokeStyle = colour;
    at.lineWidth = line;
    at.strokeRect(x, y, w, h);
  }
};
