"""Reading pictures defensively, and bringing them to a model's size and scale.

The limits are checked before a picture is decoded. Cropping follows timm's evaluation transform pixel by
pixel.
"""

import contextlib
import io
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from papr_core.errors import InvalidInput, UnreadableImage

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["FITS", "View", "fit_image", "image_tensor", "read_image"]

FITS = ("crop", "pad", "squash")

# Formats whose readers stay inside Pillow (EPS, for one, would start another program).
_FORMATS = (
    "JPEG",
    "MPO",
    "PNG",
    "GIF",
    "WEBP",
    "AVIF",
    "BMP",
    "DIB",
    "TIFF",
    "PPM",
    "ICO",
    "JPEG2000",
    "HEIF",
)
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_PADDING = (128, 128, 128)


def read_image(
    source: "bytes | str | os.PathLike | Image.Image | np.ndarray",
    *,
    max_bytes: int = 50_000_000,
    max_pixels: int = 100_000_000,
) -> "Image.Image":
    """An upright RGB picture from a file's bytes, a path, a PIL image or an array (H, W[, 1, 3 or 4]).

    Of an animation the first frame; transparency lies over white; 16-bit grey is scaled to eight bits.

    >>> import numpy, papr_core
    >>> papr_core.read_image(numpy.zeros((48, 64, 4), numpy.uint8)).getpixel((0, 0))
    (255, 255, 255)
    >>> papr_core.read_image(b"no picture")
    Traceback (most recent call last):
    papr_core.errors.UnreadableImage: ...

    Raises:
        UnreadableImage: in one sentence, what is wrong with it; sizes are checked before anything is decoded.
    """
    from PIL import Image

    if isinstance(source, np.ndarray):
        source = _from_array(source)
    ours = not isinstance(source, Image.Image)
    image = _open(_bytes_of(source, max_bytes), max_pixels) if ours else source
    _check_pixels(image, max_pixels)
    return _decode(image, ours)


def fit_image(
    image: "Image.Image",
    size: Sequence[int],
    *,
    fit: str = "crop",
    crop_pct: float = 1.0,
    interpolation: str = "bicubic",
) -> "Image.Image":
    """A picture of exactly `size` (height, width).

    crop: resized so that the centre `crop_pct` of it fills the size, then centre-cropped (timm's rule for
    evaluation); pad: all of it, with grey around; squash: all of it, each side stretched on its own.

    Raises:
        InvalidInput: an unknown `fit`.
    """
    from PIL import Image

    if fit not in FITS:
        raise InvalidInput(f"A picture can be fitted by {', '.join(FITS)}, not by {fit!r}.")
    height, width = size
    resample = getattr(Image.Resampling, interpolation.upper(), Image.Resampling.BICUBIC)
    if fit == "squash":
        return image.resize((width, height), resample)
    if fit == "pad":
        ratio = min(width / image.width, height / image.height)
        inner = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
        canvas = Image.new("RGB", (width, height), _PADDING)
        canvas.paste(image.resize(inner, resample), ((width - inner[0]) // 2, (height - inner[1]) // 2))
        return canvas
    return _crop(image, height, width, crop_pct, resample)


def image_tensor(image: "Image.Image") -> Tensor:
    """An RGB picture as (1, 3, H, W), float32, 0 to 1."""
    array = np.array(image.convert("RGB"), dtype=np.uint8)  # (H, W, 3), a copy
    return torch.from_numpy(array).permute(2, 0, 1).unsqueeze(0).float().div_(255)


@dataclass(frozen=True)
class View:
    """How one model wants its pictures: size, crop, interpolation, mean and standard deviation."""

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop_pct: float = 1.0
    interpolation: str = "bicubic"

    @classmethod
    def of(cls, config: dict, size: Sequence[int]) -> "View":
        """From a timm `pretrained_cfg` and the size (height, width) that the model really has."""
        return cls(
            size=(int(size[0]), int(size[1])),
            mean=tuple(config["mean"]),
            std=tuple(config["std"]),
            crop_pct=min(max(float(config.get("crop_pct") or 1.0), 0.1), 1.0),
            interpolation=config.get("interpolation") or "bicubic",
        )

    def fit(self, image: "Image.Image", fit: str = "crop", *, times: int = 1) -> "Image.Image":
        """The model's own crop of a picture; the same crop so many times as large, for the eye."""
        size = (times * self.size[0], times * self.size[1])
        return fit_image(image, size, fit=fit, crop_pct=self.crop_pct, interpolation=self.interpolation)

    def tensor(self, crop: "Image.Image", size: Sequence[int] | None = None) -> Tensor:
        """A crop resized to the model's size (or another) and normalised: (1, 3, h, w)."""
        height, width = size or self.size
        if crop.size != (width, height):
            crop = fit_image(crop, (height, width), fit="squash", interpolation=self.interpolation)
        return self.normalise(image_tensor(crop))

    def normalise(self, images: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in 0..1, brought to the model's mean and standard deviation."""
        mean, std = (images.new_tensor(values).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return (images - mean) / std


def _crop(image: "Image.Image", height: int, width: int, crop_pct: float, resample: int) -> "Image.Image":
    scaled = (math.floor(height / crop_pct), math.floor(width / crop_pct))
    if scaled[0] == scaled[1]:  # torchvision's Resize of the shorter side
        short, long = sorted(image.size)
        stretched = int(scaled[0] * long / short)
        full = (scaled[0], stretched) if image.width <= image.height else (stretched, scaled[0])
    else:  # timm's ResizeKeepRatio: the side that is relatively shorter meets its target
        ratio = min(image.height / scaled[0], image.width / scaled[1])
        full = (round(image.width / ratio), round(image.height / ratio))
    if full[0] * full[1] > 1 << 23:  # a thread of a picture: never stretch what the crop throws away
        ratio = min(image.height / scaled[0], image.width / scaled[1])
        across, down = width * ratio, height * ratio
        left, top = (image.width - across) / 2, (image.height - down) / 2
        return image.resize((width, height), resample, box=(left, top, left + across, top + down))
    left, top = int(round((full[0] - width) / 2.0)), int(round((full[1] - height) / 2.0))
    return image.resize(full, resample).crop((left, top, left + width, top + height))


def _bytes_of(source: object, max_bytes: int) -> bytes:
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        _check_bytes(len(data), max_bytes)
        return data
    if not isinstance(source, (str, os.PathLike)):
        raise UnreadableImage(f"An image is a file, its bytes or an array, not {type(source).__name__}.")
    path = Path(source)
    try:
        if not path.is_file():
            raise UnreadableImage(f"There is no file {path.name!r}.")
        _check_bytes(path.stat().st_size, max_bytes)
        return path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, UnreadableImage):
            raise
        raise UnreadableImage(f"The file {path.name!r} cannot be opened ({error}).") from error


def _check_bytes(size: int, max_bytes: int) -> None:
    if size == 0:
        raise UnreadableImage("The file is empty: it has zero bytes.")
    if size > max_bytes:
        raise UnreadableImage(
            f"The file has {size / 1e6:.1f} MB, over the limit of {max_bytes / 1e6:.0f} MB: save it smaller."
        )


def _open(data: bytes, max_pixels: int) -> "Image.Image":
    from PIL import Image

    Image.init()
    formats = [name for name in _FORMATS if name in Image.OPEN]
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except Image.DecompressionBombError as error:
        raise UnreadableImage(
            f"The image is far over {max_pixels / 1e6:.0f} megapixels: save it smaller."
        ) from error
    except Exception as error:  # Pillow's readers raise a dozen kinds
        if data[4:8] == b"ftyp" and data[8:12] in _HEIC:
            raise UnreadableImage("HEIC pictures cannot be read here: save it as JPEG or PNG.") from error
        raise UnreadableImage(
            "The file is not an image that can be read here (JPEG, PNG, GIF, WebP, AVIF, TIFF, BMP and kin)."
        ) from error


def _check_pixels(image: "Image.Image", max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise UnreadableImage(
            f"The image has {image.width} x {image.height} pixels,"
            f" over the limit of {max_pixels / 1e6:.0f} megapixels: save it smaller."
        )
    if not image.width or not image.height:
        raise UnreadableImage("The image has no pixels.")


def _decode(image: "Image.Image", ours: bool) -> "Image.Image":
    """The first frame, upright, as RGB; a picture that is ours alone may be turned in its place."""
    from PIL import ImageOps

    try:
        image.load()
    except Exception as error:  # broken data shows itself in a dozen ways
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise UnreadableImage(f"The image is damaged or cut off: {reason}.") from error
    with contextlib.suppress(Exception):  # a broken EXIF block is no reason to refuse the picture
        image = ImageOps.exif_transpose(image, in_place=ours) or image
    try:
        return _rgb(image)
    except Exception as error:
        raise UnreadableImage(
            f"An image of mode {image.mode} cannot be shown in colours ({error})."
        ) from error


def _rgb(image: "Image.Image") -> "Image.Image":
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return _eight_bits(image)
    if not image.has_transparency_data:
        return image.convert("RGB")  # a copy, of RGB too
    from PIL import Image

    over = Image.new("RGB", image.size)
    for top, band in _bands(image):
        band = band.convert("RGBA")
        over.paste(
            Image.alpha_composite(Image.new("RGBA", band.size, "white"), band).convert("RGB"), (0, top)
        )
    return over


def _eight_bits(image: "Image.Image") -> "Image.Image":
    """Grey of more than eight bits, scaled from the range of its kind, or else from its own."""
    from PIL import Image

    def values() -> Iterator[tuple[int, np.ndarray]]:
        for top, band in _bands(image):
            yield top, np.nan_to_num(np.asarray(band).astype(np.float64))

    low = min(float(part.min()) for _, part in values())
    high = max(float(part.max()) for _, part in values())
    tops = (1.0, 255.0, 65535.0) if image.mode == "F" else (65535.0,)
    full = next((top for top in tops if high <= top), None)
    if low < 0 or full is None:
        full = max(high - low, 1e-12)
    else:
        low = 0.0
    grey = Image.new("L", image.size)
    for top, part in values():
        grey.paste(Image.fromarray(np.round((part - low) / full * 255).astype(np.uint8)), (0, top))
    return grey.convert("RGB")


def _bands(image: "Image.Image", pixels: int = 1 << 22) -> "Iterator[tuple[int, Image.Image]]":
    """A picture in bands from top to bottom, each with its first row: what is computed on a whole large one
    would take several times its own memory."""
    rows = max(1, pixels // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _from_array(array: np.ndarray) -> "Image.Image":
    from PIL import Image

    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise UnreadableImage(f"An image array is (H, W), (H, W, 3) or (H, W, 4), not {array.shape}.")
    if array.dtype == np.uint16:
        array = np.round(array / 257).astype(np.uint8)
    elif array.dtype.kind == "f" and array.min() >= 0 and array.max() <= 1:  # NaN is neither
        array = np.round(array * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise UnreadableImage("An image array holds uint8, uint16, or floats from 0 to 1.")
    return Image.fromarray(np.ascontiguousarray(array))
