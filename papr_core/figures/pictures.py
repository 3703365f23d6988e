"""A map over a picture, a picture with patches dropped, a picture as merged tokens: uint8 in, uint8 out."""

import math
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from papr_core.errors import InvalidInput
from papr_core.figures.display import LOOKS
from papr_core.figures.paper import DPI

__all__ = ["cell_pixels", "masked_image", "mosaic_image", "overlaid_image", "place", "resized"]


def overlaid_image(
    image: np.ndarray,
    significance: np.ndarray,
    *,
    colormap: str = "inferno",
    opacity: float = 0.6,
    ends: tuple[float, float] | None = None,
) -> np.ndarray:
    """A map (H', W') in colour over an image (H, W, 3) uint8: (H, W, 3) uint8. ends: from which value to
    which the colours go, by default the map's own; a map of one value has the middle colour."""
    low, high = ends or (float(significance.min()), float(significance.max()))
    size = (image.shape[1], image.shape[0])
    values = Image.fromarray(np.asarray(significance, dtype=np.float32))
    smooth = np.asarray(values.resize(size, Image.Resampling.BILINEAR))
    scaled = np.clip((smooth - low) / (high - low), 0, 1) if high > low else np.full_like(smooth, 0.5)
    color = matplotlib.colormaps[colormap](scaled)[..., :3] * 255
    return ((1 - opacity) * image + opacity * color + 0.5).astype(np.uint8)


def masked_image(
    image: np.ndarray,
    kept: np.ndarray | Sequence[int],
    grid: Sequence[int],
    *,
    look: str = "dim",
    night: bool = False,
) -> np.ndarray:
    """An image (H, W, 3) uint8 with every patch of the grid (rows, columns) that is not kept faded out.

    look: dim | white | black | blur. Raises InvalidInput for another. night: what is dimmed goes to dark.
    """
    rows, columns = grid
    mask: np.ndarray = np.zeros(rows * columns, dtype=bool)
    mask[np.asarray(kept, dtype=np.int64)] = True
    height, width = image.shape[:2]
    mask = mask.reshape(rows, columns)
    mask = mask[(np.arange(height) * rows // height)[:, None], np.arange(width) * columns // width]
    return np.where(mask[..., None], image, _dropped(image, look, night))


def mosaic_image(
    image: np.ndarray, groups: np.ndarray, grid: Sequence[int], *, look: str = "dim"
) -> np.ndarray:
    """An image (H, W, 3) uint8 as a model that merges tokens sees it: the patches (N,) of one group in their
    mean colour, with a line where another group begins; patches of group -1 are faded as pruned ones are."""
    rows, columns = grid
    height, width = image.shape[:2]
    below = (np.arange(height) * rows // height)[:, None]
    right = np.arange(width) * columns // width
    of_pixel = np.asarray(groups, dtype=np.int64).reshape(rows, columns)[below, right]  # (H, W)
    shifted = of_pixel - of_pixel.min()
    count = np.bincount(shifted.ravel())
    mean = np.stack([np.bincount(shifted.ravel(), image[..., c].ravel()) for c in range(3)], axis=-1)
    painted = (mean / np.maximum(count, 1)[:, None])[shifted].astype(np.uint8)
    edge = np.zeros((height, width), dtype=bool)
    edge[1:] |= of_pixel[1:] != of_pixel[:-1]
    edge[:, 1:] |= of_pixel[:, 1:] != of_pixel[:, :-1]
    painted[edge] = (painted[edge] * 0.45).astype(np.uint8)
    return np.where((of_pixel >= 0)[..., None], painted, _dropped(image, look))


def _dropped(image: np.ndarray, look: str, night: bool = False) -> np.ndarray:
    """All of it dropped, as draw.js draws it on light ground, or on dark."""
    if look == "dim":
        grey = image @ np.array([0.3, 0.59, 0.11])  # the luminosity of a canvas's "saturation"
        ground, share = ((34, 36, 42), 0.86) if night else ((236, 236, 233), 0.84)
        faded = (1 - share) * grey[..., None] + share * np.array(ground)
        return (faded + 0.5).astype(np.uint8)
    if look == "white":
        return np.full_like(image, 255)
    if look == "black":
        return np.zeros_like(image)
    if look == "blur":
        height, width = image.shape[:2]
        small = Image.fromarray(image).resize((26, max(1, round(26 * height / width))), Image.Resampling.BOX)
        return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
    raise InvalidInput(f"Dropped patches can look {', '.join(LOOKS)}, not {look!r}.")


# In a figure, pixel on pixel


def cell_pixels(inches: float, columns: int) -> int:
    """How many pixels wide a picture of a grid with so many columns is printed: whole ones for each patch, so
    that its edges are sharp, unless that would cost the picture more than a little of its size."""
    most = max(1, int(inches * DPI))
    whole = most // columns * columns
    return whole if whole > 0.94 * most else most


def resized(image: np.ndarray, width: int) -> np.ndarray:
    """A picture (H, W, 3) so many pixels wide."""
    size = (width, round(width * image.shape[0] / image.shape[1]))
    if size == (image.shape[1], image.shape[0]):
        return image
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def place(figure: Figure, picture: np.ndarray, left: float, top: float) -> None:
    """A picture (H, W, 3) at its size in print, its corner in inches from the figure's upper left one."""
    width, height = figure.get_size_inches()
    across, down = picture.shape[1] / DPI, picture.shape[0] / DPI
    left, bottom = round(left * DPI) / DPI, math.floor((height - top - down) * DPI) / DPI
    axes = figure.add_axes((left / width, bottom / height, across / width, down / height))
    axes.imshow(picture, aspect="auto")
    axes.set_axis_off()
