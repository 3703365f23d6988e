// Beside the page: ONNX Runtime with the exported networks (papr_core.export.export_parts), one call at a time. Started
// by runtime.js, which says what is sent and what comes back.

const scope = /** @type {any} */ (globalThis);
const GZIP = [0x1f, 0x8b]; // how such a file begins

/** @type {any} */
let ort = null;
/** @type {Record<string, any>} */
const sessions = {};

if (scope.WorkerGlobalScope) scope.addEventListener("message", (/** @type {MessageEvent} */ { data }) => answer(data));

/** @param {{id: number, start?: {address: string, networks: string[]}, network?: string, inputs?: Inputs}} asked */
async function answer({ id, start, network, inputs }) {
  try {
    if (start) {
      await begin(start.address, start.networks);
      scope.postMessage({ id, outputs: {} });
      return;
    }
    const began = performance.now();
    const found = await sessions[network].run(tensors(inputs));
    const outputs = Object.fromEntries(Object.entries(found).map(([name, value]) => [name, value.data]));
    scope.postMessage({ id, outputs, ms: performance.now() - began });
  } catch (error) {
    scope.postMessage({ id, error: String(error) });
  }
}

/** @param {string} address @param {string[]} networks */
async function begin(address, networks) {
  const at = (/** @type {string} */ name) => new URL(name, address).href;
  const files = await Promise.all(["ort.wasm", ...networks.map((name) => `${name}.onnx`)].map((name) => whole(at(`${name}.gz`))));
  ort = await import(at("ort.js"));
  ort.env.wasm.numThreads = 1; // more of them need a page that is isolated from all others
  ort.env.wasm.wasmBinary = files[0];
  for (const [i, name] of networks.entries())
    sessions[name] = await ort.InferenceSession.create(new Uint8Array(files[i + 1]), { executionProviders: ["wasm"] });
}

/**
 * A packed file, unpacked here: so it is small on any server, and what is on its way can be told. A server that says of
 * such files that they are packed has them unpacked by the browser already.
 * @param {string} address
 */
async function whole(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${response.status} for ${address}`);
  const parts = [];
  const reader = response.body.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    parts.push(next.value);
    scope.postMessage({ fetched: next.value.length });
  }
  const file = new Blob(parts);
  const head = new Uint8Array(await file.slice(0, GZIP.length).arrayBuffer());
  if (GZIP.some((byte, i) => head[i] !== byte)) return file.arrayBuffer();
  return new Response(file.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/** @typedef {{crop: {bytes: Uint8Array, size: [number, number]}, [name: string]: any}} Inputs  the others: whole numbers */

/** @param {Inputs} inputs */
function tensors({ crop, ...others }) {
  const whole = Object.entries(others).map(([name, numbers]) => [
    name,
    new ort.Tensor("int64", BigInt64Array.from(numbers, BigInt), name === "kept" ? [1, numbers.length] : [numbers.length]),
  ]);
  return { crop: new ort.Tensor("uint8", crop.bytes, [1, ...crop.size, 3]), ...Object.fromEntries(whole) };
}
