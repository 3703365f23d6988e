"""What transformers' preprocessor_config.json says of a model's pictures, as a `View`."""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from papr_core.data.images import View
from papr_core.errors import InvalidInput

__all__ = ["checked_size", "mean_and_std", "read_json", "size_in", "view_of"]


def read_json(path: Path | None) -> dict[str, Any]:
    """An object in a file; empty where there is no such file, or something else in it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path is not None else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def view_of(
    settings: dict[str, Any],
    size: tuple[int, int],
    name: str,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> View:
    """How a model wants its pictures of this size (height, width). settings: its preprocessor_config.json.

    Raises:
        InvalidInput: a mean without a standard deviation, or not three numbers each.
    """
    own_mean, own_std = _moments(settings)
    mean, std = mean_and_std(own_mean, own_std, name, mean, std)
    whole, crop = settings.get("size"), size_in(settings)
    if isinstance(whole, int):  # an older form; CLIP's means the shorter side
        of_clip = "CLIP" in str(
            settings.get("image_processor_type") or settings.get("feature_extractor_type")
        )
        whole = {"shortest_edge": whole} if of_clip else {"height": whole, "width": whole}
    whole = whole if isinstance(whole, dict) else {}
    around = whole.get("shortest_edge") or whole.get("height")
    share = crop[0] / around if crop and around else 1.0
    squashed = settings.get("do_resize", True) and {"height", "width"} <= whole.keys()
    return View(
        size,
        mean,
        std,
        crop_pct=min(max(share, 0.1), 1.0),
        interpolation=_KINDS.get(settings.get("resample"), "bicubic"),
        crop_mode="squash" if squashed else "center",
    )


_KINDS: dict[Any, str] = dict(enumerate(("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")))


def _moments(settings: dict[str, Any]) -> tuple[Any, Any]:
    """Mean and standard deviation of pictures from 0 to 1, whatever they are brought to before."""
    mean, std = settings.get("image_mean"), settings.get("image_std")
    if settings.get("do_normalize") is False:
        mean, std = (0.0,) * 3, (1.0,) * 3
    times = 255.0
    if settings.get("do_rescale", True):
        times *= settings.get("rescale_factor") or 1 / 255
    if mean is None or std is None or abs(times - 1) < 1e-3:
        return mean, std
    return [value / times for value in mean], [value / times for value in std]


def size_in(settings: dict[str, Any]) -> tuple[int, int] | None:
    """The size (height, width) of the pictures that a preprocessor gives."""
    crop = settings.get("crop_size") if settings.get("do_center_crop", True) else None
    for found in (crop, settings.get("size")):
        if isinstance(found, int):
            return found, found
        if isinstance(found, dict) and {"height", "width"} <= found.keys():
            return int(found["height"]), int(found["width"])
    return None


def mean_and_std(
    own_mean: Any, own_std: Any, name: str, mean: Sequence[float] | None, std: Sequence[float] | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Of a model's images: the caller's, else the model's own, else 0.5 with a warning.

    Raises:
        InvalidInput: one without the other, or not three numbers each.
    """
    if (mean is None) != (std is None):
        raise InvalidInput("Mean and standard deviation of the images go together: give both, or neither.")
    mean, std = (own_mean, own_std) if mean is None else (mean, std)
    if mean is None or std is None:
        warnings.warn(
            f"Nothing says which mean and standard deviation the images of {name} have: 0.5 is taken;"
            " give mean= and std= if that is wrong.",
            stacklevel=4,
        )
        mean = std = (0.5, 0.5, 0.5)
    said = f"Mean and standard deviation are three numbers each, the latter above 0, not {mean}, {std}."
    try:
        mean, std = tuple(map(float, mean)), tuple(map(float, std))
    except (TypeError, ValueError):
        raise InvalidInput(said) from None
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
        raise InvalidInput(said)
    if max(*mean, *std) > 2:
        raise InvalidInput(
            f"Mean and standard deviation are of pictures from 0 to 1, not {mean}, {std}: divide by 255."
        )
    return mean, std


def checked_size(size: int | Sequence[int]) -> tuple[int, int]:
    """Pixels, or (height, width), as (height, width). Raises InvalidInput."""
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise InvalidInput(f"An image size is one or two whole numbers from 1 up, not {size!r}.")
    return sides
