// A visitor's own picture where there is no server: decoded by the browser, cut and resized here.

import { context } from "./draw.js";
import { cropOf, resized } from "./resize.js";

const FINEST = 896; // pixels of the crop for the eye
const MOST = 60e6; // pixels that are read

/** @param {number} width @param {number} height */
const surface = (width, height) => Object.assign(document.createElement("canvas"), { width, height });

/**
 * The model's crop and the same for the eye. Throws an Error with a sentence.
 * @param {File} file @param {number} side @param {number} share  of the shorter side that the crop shows
 */
export async function cropFrom(file, side, share) {
  const image = await createImageBitmap(file).catch(() => {
    throw new Error("This browser cannot read the file as a picture. Choose a JPEG, PNG or WebP.");
  });
  const { width, height } = image;
  if (width * height > MOST) throw new Error(`This picture has ${Math.round((width * height) / 1e6)} million pixels; at most ${MOST / 1e6} can be read here.`);
  const at = cropOf(image, side, share);
  if (!at) throw new Error("This picture is too long and thin. Cut a part out of it first.");
  if (altered()) throw new Error("This browser alters the pixels that a page reads, against fingerprinting, so your own picture cannot be read here. The examples can be seen.");
  const all = context(surface(width, height));
  all.fillStyle = "#fff"; // transparency lies over white
  all.fillRect(0, 0, width, height);
  all.drawImage(image, 0, 0);
  const { data } = all.getImageData(0, 0, width, height);
  const bytes = resized({ data, width, height, channels: 4 }, side, at);
  const wide = (side * width) / at.across; // of the crop, in the picture's own pixels
  const high = (side * height) / at.down;
  const shown = Math.round(Math.min(FINEST, Math.max(side, wide)));
  const fine = surface(shown, shown);
  context(fine).imageSmoothingQuality = "high";
  context(fine).drawImage(all.canvas, (at.left * width) / at.across, (at.top * height) / at.down, wide, high, 0, 0, shown, shown);
  return { bytes, src: fine.toDataURL("image/jpeg", 0.9) };
}

/** Whether what is read of a canvas is not what was written. */
function altered() {
  const at = context(surface(32, 32));
  const written = at.createImageData(32, 32);
  for (let i = 0; i < written.data.length; i++) written.data[i] = i % 4 === 3 ? 255 : (i * 37) % 256;
  at.putImageData(written, 0, 0);
  return at.getImageData(0, 0, 32, 32).data.some((value, i) => value !== written.data[i]);
}
