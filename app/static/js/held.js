// Whether a slider is held down: then it is not at rest, however long it stands still.

let down = false;
/** @type {(() => void)[]} */
const released = [];

export const held = () => down;
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
