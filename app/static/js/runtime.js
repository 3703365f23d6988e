// The exported networks, run in this browser: ONNX Runtime in a worker, so that the page stays quick meanwhile.

/** @typedef {import("./types").Runtime} Runtime @typedef {import("./types").Crop} Crop */

/**
 * Fetch and open networks of a folder (app/runtime.py says what lies there).
 * @param {string} folder  its address, with a slash at the end @param {("proposal" | "backbone")[]} networks
 * @param {(bytes: number) => void} fetched  so many more have come
 * @returns {Promise<Runtime>}
 */
export async function openRuntime(folder, networks, fetched) {
  const worker = new Worker(new URL("./runtime_worker.js", import.meta.url), { type: "module" });
  /** @type {Map<number, {done: (found: any) => void, failed: (error: Error) => void}>} */
  const waiting = new Map();
  let asked = 0;
  worker.addEventListener("message", ({ data }) => {
    if (data.fetched) return fetched(data.fetched);
    const { done, failed } = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error) failed(new Error(data.error));
    else done(data);
  });
  const fail = (/** @type {string} */ why) => {
    for (const { failed } of waiting.values()) failed(new Error(why));
    waiting.clear();
  };
  worker.addEventListener("error", () => fail("The worker could not be started."));
  const call = (/** @type {object} */ what) =>
    new Promise((done, failed) => {
      waiting.set((asked += 1), { done, failed });
      worker.postMessage({ id: asked, ...what });
    });

  try {
    await call({ start: { address: new URL(folder, document.baseURI).href, networks } });
  } catch (error) {
    worker.terminate();
    throw error;
  }
  return {
    async sees(crop, kept) {
      const { outputs, ms } = await call({ network: "backbone", inputs: { crop, kept } });
      return { logits: outputs.logits, ms };
    },
    async looks(crop, explained) {
      const { outputs, ms } = await call({ network: "proposal", inputs: { crop, explained: [explained] } });
      return { ...outputs, ms };
    },
    close() {
      fail("It was turned off.");
      worker.terminate();
    },
  };
}
