// Pictures and clips that come as data addresses.

/** The picture, once it can be drawn. @param {string} src @returns {Promise<HTMLImageElement>} */
export const loaded = (src) =>
  new Promise((done) => {
    const image = new Image();
    image.onload = image.onerror = () => done(image);
    image.src = src;
  });

/** A data address as one that a <video> can seek in. @param {string} data */
export function address(data) {
  const [head, body] = data.split(",");
  const bytes = Uint8Array.from(atob(body), (c) => c.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type: head.match(/:(.*?);/)[1] }));
}

/** A clip that is shown no more; its <video> may still be reading it. @param {string | null} [url] */
export function forget(url) {
  if (url) setTimeout(() => URL.revokeObjectURL(url), 30_000);
}
