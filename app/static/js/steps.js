// Learn's six steps: each a picture that can be moved. `lesson` holds the ConvNet's features (app/parts/lesson.py); all
// else comes from Compare's answer, and the keep ratio is the one of Compare.

const { el, store } = papr;

// A slider with a name before it and, below the picture, words that say where it stands.
papr.range = (label, { max, value, oninput, min = 0 }) => {
  const input = el("input", { type: "range", min, max, step: 1, "aria-label": label });
  input.value = value;
  input.addEventListener("input", () => oninput(Number(input.value)));
  const node = el("label", { class: "p-ratio" }, el("span", { text: label }), input);
  node.input = input;
  return node;
};

const ratio = () => papr.range("Patches kept, %", { min: 1, max: 100, value: 40, oninput: papr.setPercent });
const canvas = (label) => el("canvas", { role: "img", "aria-label": label });
const caption = () => el("p", { class: "p-note p-caption", role: "status" });
const figure = (...parts) => el("div", { class: "p-show" }, ...parts);
const papers = () => store.answer.methods.find((m) => m.name === "papr");
const aspect = () => store.answer.grid[1] / store.answer.grid[0];
const times = ([rows, columns]) => `${rows} × ${columns}`;

// Each takes where it draws; gives draw(lesson): lesson is null until the features are here.
papr.steps = {
  features(root) {
    let [channel, step] = [0, 0];
    let lesson = null;
    const one = canvas("One channel of the ConvNet’s features, over the picture");
    const mean = canvas("The mean of the first channels, over the picture");
    const [which, many] = [caption(), caption()];
    const channels = papr.range("Channel", { max: 23, value: 0, oninput: (v) => ((channel = v), draw()) });
    const steps = papr.range("Channels in the mean", { max: 1, value: 0, oninput: (v) => ((step = v), draw()) });
    root.append(figure(one, channels, which), figure(mean, steps, many));

    function draw() {
      if (!lesson || !papr.draw.picture) return;
      papr.cells.map(papr.cells.open(one, aspect()), lesson.maps[channel], lesson.size);
      papr.cells.map(papr.cells.open(mean, aspect()), lesson.means[step], lesson.size);
      papr.put(which, `Channel ${lesson.shown[channel] + 1} of ${lesson.channels}, of the ${lesson.shown.length} that vary most`);
      const n = lesson.steps[step];
      papr.put(many, n === lesson.channels ? `The mean of all ${n} channels: this is PaPr’s map` : `The mean of the first ${n} of ${lesson.channels} channels`);
    }
    return (now) => {
      if (now && now !== lesson) {
        channel = 0;
        step = now.steps.findIndex((n) => n >= 4);
        Object.assign(channels.input, { max: now.shown.length - 1, value: channel });
        steps.input.max = now.steps.length - 1;
        steps.input.value = step;
      }
      lesson = now;
      draw();
    };
  },

  mean(root) {
    let [place, lesson] = [0, null];
    const map = canvas("PaPr’s map, a number a place");
    const spread = papr.svg("svg", { class: "p-spread-chart", viewBox: "0 0 300 150", role: "img" });
    const says = caption();
    const places = papr.range("Place", { max: 1, value: 0, oninput: (v) => ((place = v), draw()) });
    map.addEventListener("click", (event) => {
      if (!lesson) return;
      const [rows, columns] = lesson.size;
      const box = map.getBoundingClientRect();
      const column = Math.min(columns - 1, Math.floor((columns * (event.clientX - box.left)) / box.width));
      const row = Math.min(rows - 1, Math.floor((rows * (event.clientY - box.top)) / box.height));
      places.input.value = place = row * columns + column;
      draw();
    });
    root.append(figure(map, places), figure(spread, says));

    function draw() {
      if (!lesson || !papr.draw.picture) return;
      const values = lesson.means[lesson.means.length - 1];
      const surface = papr.cells.open(map, aspect());
      papr.cells.map(surface, values, lesson.size);
      const { at, width, height, scale } = surface;
      papr.cells.each(lesson.size, width, height, (i, x, y, w, h) => {
        const size = Math.min(13 * scale, w / 3.2);
        if (size > 6 * scale) papr.cells.text(at, values[i].toFixed(2), x + w / 2, y + h / 2, size, i === place);
        if (i === place) surface.chosen = [x, y, w, h];
      });
      papr.cells.frame(at, ...surface.chosen, 2 * scale);
      drawSpread(spread, lesson.quantiles[place], values[place]);
      const [row, column] = [Math.floor(place / lesson.size[1]), place % lesson.size[1]];
      const shown = lesson.quantiles[place];
      papr.put(
        says,
        `Row ${row + 1}, column ${column + 1}: ${lesson.channels} values from ${number(shown[0])} to ${number(shown[shown.length - 1])}, ` +
          `and their mean, ${number(values[place])}`,
      );
    }
    return (now) => {
      if (now && now !== lesson) {
        const values = now.means[now.means.length - 1];
        place = values.indexOf(Math.max(...values));
        places.input.max = values.length - 1;
        places.input.value = place;
      }
      lesson = now;
      draw();
    };
  },

  stretch(root) {
    let [line, lesson] = [50, null];
    const picture = canvas("Left of the line the ConvNet’s map, right of it each patch’s significance");
    const says = caption();
    const slider = papr.range("The line", { max: 100, value: line, oninput: (v) => ((line = v), draw()) });
    root.append(figure(picture, slider, says));

    function draw() {
      const papr_ = papers();
      if (!lesson || !papr_?.map || !papr.draw.picture) return;
      const surface = papr.cells.open(picture, aspect());
      const { at, width, height, scale } = surface;
      const x = Math.round((line * width) / 100);
      const range = papr.cells.range([...papr_.map, ...lesson.means[lesson.means.length - 1]]);
      papr.cells.map(surface, lesson.means[lesson.means.length - 1], lesson.size, { range, clip: [0, 0, x, height] });
      papr.cells.map(surface, papr_.map, store.answer.grid, { range, clip: [x, 0, width - x, height] });
      at.fillStyle = "#fff";
      at.fillRect(x - scale, 0, 2 * scale, height);
      papr.put(says, `Left ${times(lesson.size)} values, right ${times(store.answer.grid)} patches`);
    }
    return (now) => {
      lesson = now;
      draw();
    };
  },

  rank(root) {
    const picture = canvas("The patches with their ranks; those that stay are filled in");
    const says = caption();
    const slider = ratio();
    root.append(figure(picture, slider, says));
    return () => {
      const order = papers()?.order;
      if (!order || !papr.draw.picture) return;
      const k = papr.kept();
      slider.input.value = store.view.percent;
      const rank = [];
      order.forEach((patch, i) => (rank[patch] = i + 1));
      const surface = papr.cells.open(picture, aspect());
      const { at, width, height, scale } = surface;
      at.drawImage(papr.draw.picture, 0, 0, width, height);
      const accent = getComputedStyle(document.body).getPropertyValue("--p-accent");
      papr.cells.each(store.answer.grid, width, height, (i, x, y, w, h) => {
        const kept = rank[i] <= k;
        at.globalAlpha = kept ? 0.62 : 0.72;
        at.fillStyle = kept ? accent : papr.dark() ? "#16181c" : "#f4f4f1";
        at.fillRect(x, y, w - scale, h - scale);
        at.globalAlpha = 1;
        const size = Math.min(12 * scale, w / 2.3);
        if (size < 6 * scale) return;
        if (kept) papr.cells.text(at, rank[i], x + w / 2, y + h / 2, size);
        else {
          at.font = `400 ${size}px "Inter UI", system-ui, sans-serif`;
          at.textAlign = "center";
          at.textBaseline = "middle";
          at.fillStyle = papr.dark() ? "#c9ccd3" : "#4a4d54";
          at.fillText(rank[i], x + w / 2, y + h / 2);
        }
      });
      papr.put(says, `z = ${store.view.percent} %: the ${k} most significant of ${store.answer.patches} patches stay`);
    };
  },

  drop(root) {
    const picture = canvas("The picture without the dropped patches");
    const before = canvas("The sequence of tokens before: one a patch");
    const after = canvas("The sequence of tokens after: the kept patches only");
    const [long, short, says] = [caption(), caption(), caption()];
    const slider = ratio();
    root.append(figure(picture, slider, says), figure(long, before, short, after));
    return () => {
      const order = papers()?.order;
      if (!order || !papr.draw.picture) return;
      const { patches, prefix } = store.answer;
      const k = papr.kept();
      slider.input.value = store.view.percent;
      const kept = order.slice(0, k).sort((a, b) => a - b);
      papr.draw.kept(picture, kept);
      tokens(before, [...Array(patches).keys()]);
      tokens(after, kept);
      const extra = prefix ? `, ${prefix} of them the model’s own` : "";
      papr.put(long, `Before: ${patches + prefix} tokens${extra}`);
      papr.put(short, `After: ${k + prefix} tokens`);
      const share = ((k + prefix) / (patches + prefix)) ** 2;
      papr.put(says, `${((k + prefix) ** 2).toLocaleString("en")} comparisons in each attention instead of ${((patches + prefix) ** 2).toLocaleString("en")} (${papr.percent(share)} %)`);
    };
  },

  answer(root) {
    const slider = ratio();
    const [all, some] = [papr.answerList(3), papr.answerList(3)];
    const says = caption();
    root.append(el("div", { class: "p-answers" }, all.node, some.node), slider, says);
    return () => {
      const method = papers();
      if (!method?.order) return;
      const { answer } = store;
      const k = papr.kept();
      slider.input.value = store.view.percent;
      const found = papr.pointAt(method, k);
      const best = papr.label(answer.full.index);
      const named = (top) => top.map(([index, p]) => [papr.label(index), p]);
      all.draw(`All ${answer.patches} patches`, named(answer.full.top), best, null);
      some.draw(`${k} patches`, named(found?.point.top ?? []), best, found && (found.point.kept ? "kept" : "lost"));
      const near = found && !found.exact ? ` These numbers are those at ${found.point.k} patches; the ones for ${k} are computed when the slider rests.` : "";
      papr.put(
        says,
        found
          ? `Confidence on “${answer.target.label}”: ${papr.percent(answer.full.confidence)} % with all patches, ${papr.percent(found.point.confidence)} % with ${found.point.k}.${near}`
          : "Computing …",
      );
    };
  },
};

const number = (value) => (Math.abs(value) < 0.005 ? "0.00" : value.toFixed(2));

// The sorted values at a place as a line, and their mean across it.
function drawSpread(root, quantiles, mean) {
  const [low, high] = [Math.min(0, quantiles[0]), Math.max(...quantiles)];
  const x = (i) => 40 + (i * 250) / (quantiles.length - 1);
  const y = (value) => 120 - (105 * (value - low)) / (high - low || 1);
  const text = (words, at) => papr.svg("text", { ...at, text: words });
  root.setAttribute("aria-label", `The channels’ values at this place, sorted, from ${number(quantiles[0])} to ${number(high)}; their mean is ${number(mean)}.`);
  root.replaceChildren(
    papr.svg("line", { class: "p-gridline", x1: 40, x2: 290, y1: y(0), y2: y(0) }),
    papr.svg("path", { class: "p-curve p-papr", d: `M${quantiles.map((value, i) => `${x(i)},${y(value)}`).join("L")}` }),
    papr.svg("line", { class: "p-full", x1: 40, x2: 290, y1: y(mean), y2: y(mean) }),
    text(number(high), { x: 34, y: y(high) + 4, "text-anchor": "end" }),
    text("0", { x: 34, y: y(0) + 4, "text-anchor": "end" }),
    text("mean", { x: 44, y: y(mean) - 5 }),
    text("the channels, from low to high", { x: 165, y: 143, "text-anchor": "middle" }),
  );
}

// Tokens as they stand in the sequence: each patch's own pixels; the model's own tokens are plain squares.
function tokens(node, patches) {
  const { grid, patches: all, prefix } = store.answer;
  const [rows, columns] = grid;
  const count = all + prefix;
  const across = Math.max(16, Math.ceil(Math.sqrt(count * 3)));
  const down = Math.ceil((patches.length + prefix) / across);
  const { at, width, height, scale } = papr.cells.open(node, across / down);
  const picture = papr.draw.picture;
  const [w, h] = [picture.naturalWidth / columns, picture.naturalHeight / rows];
  const accent = getComputedStyle(document.body).getPropertyValue("--p-accent");
  papr.cells.each([down, across], width, height, (i, x, y, side, tall) => {
    const patch = patches[i - prefix];
    if (i < prefix) {
      at.fillStyle = accent;
      at.fillRect(x, y, side - scale, tall - scale);
    } else if (patch !== undefined)
      at.drawImage(picture, (patch % columns) * w, Math.floor(patch / columns) * h, w, h, x, y, side - scale, tall - scale);
  });
}
