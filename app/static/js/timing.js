// When a function is called: once after the last wish, once a frame, one call at a time; and when a slider is at rest.

/**
 * Call f once, `wait` milliseconds after the last call.
 * @template {any[]} T
 * @param {(...values: T) => void} f
 * @param {number} wait
 */
export function debounce(f, wait) {
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  return (/** @type {T} */ ...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => f(...values), wait);
  };
}

/** Call f at most once a frame, with whatever is true then. @param {() => void} f */
export function eachFrame(f) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      f();
    });
  };
}

/** One call at a time, then one more for all who asked meanwhile: nothing queues. @param {() => Promise<void>} call */
export function oneAtATime(call) {
  let [busy, again] = [false, false];
  return async () => {
    again = true;
    if (busy) return;
    busy = true;
    while (again) {
      again = false;
      await call();
    }
    busy = false;
  };
}

// --- a slider that is held down is not at rest, however long it stands still; nor is one that moves by itself -----------

let [down, moving] = [false, false];
/** @type {(() => void)[]} */
const released = [];

export const held = () => down || moving;
/** @param {boolean} itself  whether the slider moves by itself now */
export const moves = (itself) => (moving = itself);
/** @param {() => void} f */
export function onRelease(f) {
  released.push(f);
}

/** Watch the pointer. */
export function watchHolding() {
  window.addEventListener(
    "pointerdown",
    ({ target }) => (down = target instanceof Element && Boolean(target.closest("input[type=range], .p-frame"))),
    true,
  );
  for (const end of ["pointerup", "pointercancel"])
    window.addEventListener(end, () => {
      const was = down;
      down = false;
      if (was) released.forEach((f) => f());
    });
}
