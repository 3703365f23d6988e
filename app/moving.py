"""A clip made on the spot: an object moves over a still ground, past a still thing of its texture.

It says where both are, so that one can count which patches a selector keeps. The ground is noise or a
photograph. The still thing is the object's own picture, cut into tiles that are shuffled: the same colours
and edges, and nothing to recognise. Or it is noise of the object's mean colour: as much texture as one likes,
and no edges of things.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["MovingClip", "moving_clip"]

_TILES = 8  # across the still thing


@dataclass(frozen=True, eq=False)
class MovingClip:
    """Frames, RGB and square. Object and still thing are discs of `radius` pixels; objects: the centre of the
    moving one, (x, y) in each frame; still: that of the other, where there is one."""

    frames: "tuple[Image.Image, ...]"
    objects: tuple[tuple[float, float], ...]
    still: tuple[float, float] | None
    radius: float


def moving_clip(
    picture: "Image.Image",
    *,
    frames: int = 36,
    side: int = 336,
    size: float = 0.46,
    contrast: float = 12,
    beside: str | None = "tiles",
    ground: "Image.Image | None" = None,
    feather: float = 0,
    seed: int = 0,
) -> MovingClip:
    """The middle of a picture, as a disc, goes from left to right over noise or over a photograph.

    side: of a frame, in pixels; size: of the disc, as a share of it, below a half; contrast: the ground's
    standard deviation, of 255; beside: what the still thing is, "tiles" of the picture or "noise". An odd
    seed puts the object below and the still thing above. Without a still thing (None) the object goes through
    the middle, and may be larger. ground: a photograph, whose middle is taken instead of the noise; feather:
    the share of the disc's radius, up to 1, over which its edge fades.
    """
    from PIL import Image, ImageOps

    rng = np.random.default_rng(seed)
    across = round(size * side)
    disc = _disc(across, feather)
    seen = np.asarray(ImageOps.fit(picture.convert("RGB"), (across, across)))
    above, below = round(0.03 * side), round(0.97 * side) - across
    top, other = (below, above) if seed % 2 else (above, below)
    if ground is None:
        ground = Image.fromarray(_noise_ground(rng, side, contrast))
    else:
        ground = ImageOps.fit(ground.convert("RGB"), (side, side))
    middle = (side - across) // 2
    if beside:
        thing = {"tiles": _shuffled, "noise": _noise}[beside](rng, seen)
        ground.paste(Image.fromarray(thing), (middle, other), disc)
    else:
        top = middle
    shown, objects = [], []
    for left in np.linspace(0.01 * side, 0.99 * side - across, frames).round().astype(int).tolist():
        frame = ground.copy()
        frame.paste(Image.fromarray(seen), (left, top), disc)
        shown.append(frame)
        objects.append((left + across / 2, top + across / 2))
    still = (middle + across / 2, other + across / 2) if beside else None
    return MovingClip(tuple(shown), tuple(objects), still, across / 2)


def _noise_ground(rng: np.random.Generator, side: int, contrast: float) -> np.ndarray:
    """Noise whose amplitude falls with its frequency, as that of natural surfaces does: (H, W, 3) uint8."""
    frequencies = np.fft.fftfreq(side)
    falling = 1 / (np.hypot(frequencies[:, None], frequencies) + 1 / side)
    layers = np.fft.ifft2(np.fft.fft2(rng.normal(size=(4, side, side))) * falling).real
    layers /= layers.std(axis=(1, 2), keepdims=True)
    shade = 0.7 * layers[:1] + 0.3 * layers[1:]  # grey, and a little of each colour
    return np.clip(np.array((128, 120, 105)) + contrast * shade.transpose(1, 2, 0), 0, 255).astype(np.uint8)


def _shuffled(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """The tiles of a picture (H, W, 3) in another order; a last strip that makes no tile stays."""
    tile = len(picture) // _TILES
    whole = tile * _TILES
    shape = (_TILES, tile, _TILES, tile, 3)
    tiles = picture[:whole, :whole].reshape(shape).transpose(0, 2, 1, 3, 4).reshape(-1, tile, tile, 3)
    mixed = tiles[rng.permutation(len(tiles))].reshape(_TILES, _TILES, tile, tile, 3)
    result = picture.copy()
    result[:whole, :whole] = mixed.transpose(0, 2, 1, 3, 4).reshape(whole, whole, 3)
    return result


def _noise(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Fine noise of strong contrast about a picture's mean colour: (H, W, 3) uint8."""
    grains = rng.normal(size=(*picture.shape[:2], 1)) + 0.3 * rng.normal(size=picture.shape)
    return np.clip(picture.mean(axis=(0, 1)) + 50 * grains, 0, 255).astype(np.uint8)


def _disc(across: int, feather: float) -> "Image.Image":
    """A white disc on black; its edge is smooth, or fades over this share of the radius."""
    from PIL import Image

    places = (np.arange(across) + 0.5) * (2 / across) - 1
    from_edge = (1 - np.hypot(places[:, None], places)) * (across / 2)  # in pixels, positive inside
    fading = max(1, feather * across / 2)
    return Image.fromarray(np.round(255 * np.clip((from_edge + 0.5) / fading, 0, 1)).astype(np.uint8))
