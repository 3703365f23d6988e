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

from papr_core.data import jpeg
from papr_core.data.colours import (
    COLOURS,
    as_coded,
    as_meant,
    as_measured,
    bands,
    bitmap_profile,
    coding_of,
)
from papr_core.data.picture_limits import check_exif, check_picture
from papr_core.data.sources import not_a_file
from papr_core.data.which_frame import is_negative, show_the_picture
from papr_core.errors import InvalidInput, UnreadableImage

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

__all__ = [
    "EXTENSIONS",
    "FINEST",
    "FITS",
    "View",
    "fine_image",
    "fit_image",
    "image_tensor",
    "read_image",
    "resized",
]

FITS = ("crop", "pad", "squash")
FINEST = 896  # pixels of the longer side of a crop that is drawn and not computed with

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
# Names that pictures of these formats have.
EXTENSIONS = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo", ".png", ".apng", ".gif", ".webp", ".avif", ".avifs")
    + (".bmp", ".dib", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".ico", ".jp2", ".j2k")
    + (".j2c", ".jpc", ".jpf", ".jpx", ".heic", ".heif", ".hif")
)
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_PADDING = (128, 128, 128)


def read_image(
    source: "bytes | str | os.PathLike | Image.Image | np.ndarray",
    *,
    colour: str = "srgb",
    stretch: bool = False,
    max_bytes: int = 50_000_000,
    max_pixels: int = 100_000_000,
) -> "Image.Image":
    """An upright RGB picture from a file's bytes, a path, a PIL image or an array (H, W[, 1, 3 or 4]).

    Of an animation the first frame; transparency lies over white; 16-bit grey is scaled to eight bits, by
    what 16 bits can hold, or (stretch) from its own darkest and brightest value: 12 bits in 16 would be all
    but black. A JPEG above `max_pixels` is decoded smaller (by 2, 4 or 8 a side) where that can be done
    without decoding it whole.
    colour: "srgb" converts an embedded profile to sRGB, so that colours are those that are meant; "timm"
    ignores profiles, as timm does.

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
    if colour not in COLOURS:
        raise InvalidInput(f"Colours are read as {' or '.join(COLOURS)}, not as {colour!r}.")
    if isinstance(source, Image.Image):
        _check_pixels(source, max_pixels)
        return _decode(source, False, colour, stretch)
    data = _bytes_of(source, max_bytes)
    image = _checked(data, max_pixels)
    try:
        return _decode(image, True, colour, stretch, coding_of(data))
    except UnreadableImage:
        whole = jpeg.with_its_end(data) if image.format in ("JPEG", "MPO") else None
        if whole is None:
            raise
    return _decode(_checked(whole, max_pixels), True, colour, stretch)


def _checked(data: bytes, max_pixels: int) -> "Image.Image":
    """An opened file, at the picture that is meant, within the limits; nothing is decoded yet."""
    image = _open(data, max_pixels)
    show_the_picture(image, data)
    jpeg.make_smaller(image, max_pixels)
    _check_pixels(image, max_pixels)
    _complete(image, data)
    return image


def _complete(image: "Image.Image", data: bytes) -> None:
    """What the file says of its picture and Pillow leaves out, or leaves as it is counted in the file."""
    key, depth = image.info.get("transparency"), data[24:25]
    if image.format == "PNG" and image.mode == "L" and isinstance(key, int) and depth in (b"\2", b"\4"):
        image.info["transparency"] = key * (255 // ((1 << depth[0]) - 1))
    if profile := bitmap_profile(data) if image.format == "BMP" else None:
        image.info["icc_profile"] = profile


def fit_image(
    image: "Image.Image",
    size: Sequence[int],
    *,
    fit: str = "crop",
    crop_pct: float = 1.0,
    interpolation: str = "bicubic",
    crop_mode: str = "center",
    border: tuple[int, ...] = (0, 0, 0),
) -> "Image.Image":
    """A picture of exactly `size` (height, width).

    crop: timm's rule for evaluation by its `crop_mode`. center: resized so that the centre `crop_pct` of it
    fills the size, then centre-cropped; squash: each side resized on its own, then the same; border: the
    longer side resized to the size, `border` around. pad: all of it, with grey around; squash: all of it,
    each side stretched on its own.

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
    if crop_mode == "squash":
        scaled = (math.floor(width / crop_pct), math.floor(height / crop_pct))
        return _centre(image.resize(scaled, resample), height, width)
    if crop_mode == "border":
        ratio = max(image.height / math.floor(height / crop_pct), image.width / math.floor(width / crop_pct))
        full = (max(1, round(image.width / ratio)), max(1, round(image.height / ratio)))
        return _centre(image.resize(full, resample), height, width, border)
    return _crop(image, height, width, crop_pct, resample)


def fine_image(
    image: "Image.Image",
    size: Sequence[int],
    *,
    fit: str = "crop",
    crop_pct: float = 1.0,
    interpolation: str = "bicubic",
    grid: Sequence[int] = (1, 1),
    most: int = FINEST,
) -> "Image.Image":
    """What `fit_image` shows at `size` (height, width), at the picture's own resolution, for the eye.

    It is the same part of the picture, so a grid (rows, columns) over one lies over the other; its shape is
    that of `size`, each cell of the grid a whole number of pixels where `size` is a multiple of the grid. At
    most `most` pixels on the longer side; where the picture holds no more than `size` does, or `size` is as
    large as that, it is `fit_image`'s own.

    Raises:
        InvalidInput: an unknown `fit`.
    """
    from PIL import Image

    height, width = size
    plain = fit_image(image, size, fit=fit, crop_pct=crop_pct, interpolation=interpolation)
    if fit == "crop":
        shown = _cropped(image.size, height, width, crop_pct)[1]
    else:
        shown = (0.0, 0.0, float(image.width), float(image.height))
    wide, high = shown[2] - shown[0], shown[3] - shown[1]
    inner = min(width / wide, height / high) if fit == "pad" else None
    times = 1 / inner if inner else max(wide / width, high / height)
    times = min(times, most / max(height, width))
    cells = [grid[i] if size[i] % grid[i] == 0 else 1 for i in (0, 1)]
    fine_height, fine_width = (int(size[i] / cells[i] * times + 1e-6) * cells[i] for i in (0, 1))
    if fine_height <= height or fine_width <= width:
        return plain
    resample = getattr(Image.Resampling, interpolation.upper(), Image.Resampling.BICUBIC)
    if inner is None:
        return image.resize((fine_width, fine_height), resample, box=shown, reducing_gap=3)
    part = (max(1, round(image.width * inner)), max(1, round(image.height * inner)))
    left, top = (width - part[0]) // 2, (height - part[1]) // 2
    across, down = fine_width / width, fine_height / height
    box = (round(left * across), round(top * down))
    end = (round((left + part[0]) * across), round((top + part[1]) * down))
    canvas = Image.new("RGB", (fine_width, fine_height), _PADDING)
    canvas.paste(image.resize((end[0] - box[0], end[1] - box[1]), resample, reducing_gap=3), box)
    return canvas


def image_tensor(image: "Image.Image") -> "Tensor":
    """An RGB picture as (1, 3, H, W), float32, 0 to 1."""
    import torch  # here alone: what only reads pictures starts without it

    array = np.array(image.convert("RGB"), dtype=np.uint8)  # (H, W, 3), a copy
    return torch.from_numpy(array).permute(2, 0, 1).unsqueeze(0).float().div_(255)


def resized(pictures: "Tensor", size: Sequence[int], interpolation: str = "bicubic") -> "Tensor":
    """Pictures (B, 3, H, W) in 0..1 to (B, 3, *size) on their device, antialiased as Pillow does it."""
    if tuple(pictures.shape[2:]) == tuple(size):
        return pictures
    from torch.nn import functional as F

    mode = interpolation if interpolation in ("bilinear", "bicubic") else "bicubic"
    found = F.interpolate(pictures, size=tuple(size), mode=mode, align_corners=False, antialias=True)
    return found.clamp(0, 1)  # bicubic overshoots


@dataclass(frozen=True)
class View:
    """How one model wants its pictures: size, crop, interpolation, mean and standard deviation."""

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop_pct: float = 1.0
    interpolation: str = "bicubic"
    crop_mode: str = "center"

    @classmethod
    def of(cls, config: dict, size: Sequence[int]) -> "View":
        """From a timm `pretrained_cfg` and the size (height, width) that the model really has."""
        return cls(
            size=(int(size[0]), int(size[1])),
            mean=tuple(config["mean"]),
            std=tuple(config["std"]),
            crop_pct=min(max(float(config.get("crop_pct") or 1.0), 0.1), 2.0),
            interpolation=config.get("interpolation") or "bicubic",
            crop_mode=config.get("crop_mode") or "center",
        )

    def fit(self, image: "Image.Image", fit: str = "crop", *, times: int = 1) -> "Image.Image":
        """The model's own crop of a picture; the same crop so many times as large, for the eye."""
        size = (times * self.size[0], times * self.size[1])
        return fit_image(
            image,
            size,
            fit=fit,
            crop_pct=self.crop_pct,
            interpolation=self.interpolation,
            crop_mode=self.crop_mode,
            border=tuple(round(255 * value) for value in self.mean),
        )

    def lost(self, image: "Image.Image", fit: str = "crop") -> float:
        """The share of a picture's area, 0 to 1, that lies outside the crop."""
        if fit != "crop" or self.crop_mode == "border":
            return 0.0
        if self.crop_mode == "squash":
            return max(0.0, 1 - self.crop_pct**2)
        left, top, right, bottom = _cropped(image.size, *self.size, self.crop_pct)[1]
        return max(0.0, 1 - (right - left) * (bottom - top) / (image.width * image.height))

    def fine(
        self, image: "Image.Image", fit: str = "crop", *, grid: Sequence[int], most: int = FINEST
    ) -> "Image.Image":
        """The same crop at the picture's own resolution, for the eye (`fine_image`); `fit` itself where that
        shows more than the picture, or squashes it."""
        if fit == "crop" and (self.crop_mode != "center" or self.crop_pct > 1):
            return self.fit(image)
        return fine_image(
            image,
            self.size,
            fit=fit,
            crop_pct=self.crop_pct,
            interpolation=self.interpolation,
            grid=grid,
            most=most,
        )

    def tensor(self, crop: "Image.Image", size: Sequence[int] | None = None) -> "Tensor":
        """A crop resized to the model's size (or another) and normalised: (1, 3, h, w)."""
        height, width = size or self.size
        if crop.size != (width, height):
            crop = fit_image(crop, (height, width), fit="squash", interpolation=self.interpolation)
        return self.normalise(image_tensor(crop))

    def normalise(self, images: "Tensor") -> "Tensor":
        """Pictures (B, 3, H, W) in 0..1, brought to the model's mean and standard deviation."""
        mean, std = self._moments(images)
        return (images - mean) / std

    def denormalise(self, images: "Tensor") -> "Tensor":
        """The way back to 0..1."""
        mean, std = self._moments(images)
        return images * std + mean

    def _moments(self, images: "Tensor") -> "tuple[Tensor, Tensor]":
        mean, std = (images.new_tensor(values).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return mean, std


def _crop(image: "Image.Image", height: int, width: int, crop_pct: float, resample: int) -> "Image.Image":
    full, box = _cropped(image.size, height, width, crop_pct)
    if full is None:
        return image.resize((width, height), resample, box=box)
    return _centre(image.resize(full, resample), height, width)


def _cropped(
    source: tuple[int, int], height: int, width: int, crop_pct: float
) -> tuple[tuple[int, int] | None, tuple[float, float, float, float]]:
    """What a crop of a picture (width, height) goes through: the size to which all of it is resized first,
    None where that is too much, and the part of it (left, top, right, bottom) that the crop shows."""
    wide, high = source
    scaled = (math.floor(height / crop_pct), math.floor(width / crop_pct))
    if scaled[0] == scaled[1]:  # torchvision's Resize of the shorter side
        short, long = sorted(source)
        stretched = int(scaled[0] * long / short)
        full = (scaled[0], stretched) if wide <= high else (stretched, scaled[0])
    else:  # timm's ResizeKeepRatio: the side that is relatively shorter meets its target
        ratio = min(high / scaled[0], wide / scaled[1])
        full = (round(wide / ratio), round(high / ratio))
    if full[0] * full[1] > 1 << 23:  # a thread of a picture: never stretch what the crop throws away
        ratio = min(high / scaled[0], wide / scaled[1])
        across, down = width * ratio, height * ratio
        left, top = (wide - across) / 2, (high - down) / 2
        return None, (left, top, left + across, top + down)
    left, top = _corner(full, height, width)
    across, down = wide / full[0], high / full[1]
    ends = (min(wide, (left + width) * across), min(high, (top + height) * down))
    return full, (left * across, top * down, *ends)


def _corner(full: tuple[int, int], height: int, width: int) -> tuple[int, int]:
    return int(round((full[0] - width) / 2.0)), int(round((full[1] - height) / 2.0))


def _centre(
    image: "Image.Image", height: int, width: int, border: tuple[int, ...] = (0, 0, 0)
) -> "Image.Image":
    """The middle of a picture, with a border where it is smaller; which pixel is the middle, as timm says."""
    from PIL import Image

    across, down = max(width, image.width), max(height, image.height)
    if (across, down) != image.size:
        canvas = Image.new("RGB", (across, down), border)
        canvas.paste(image, ((across - image.width) // 2, (down - image.height) // 2))
        image = canvas
    left, top = int(round((across - width) / 2.0)), int(round((down - height) / 2.0))
    return image.crop((left, top, left + width, top + height))


def _bytes_of(source: object, max_bytes: int) -> bytes:
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        _check_bytes(len(data), max_bytes)
        return data
    if not isinstance(source, (str, os.PathLike)):
        raise UnreadableImage(f"An image is a file, its bytes or an array, not {type(source).__name__}.")
    path = Path(source)
    try:
        if said := not_a_file(source, "picture"):
            raise UnreadableImage(said)
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

    check_picture(data, max_pixels)
    Image.init()
    with contextlib.suppress(ImportError):  # an optional package
        from pillow_heif import register_heif_opener

        register_heif_opener()
    formats = [name for name in _FORMATS if name in Image.OPEN]
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except Image.DecompressionBombError as error:
        if data.startswith(b"\xff\xd8"):  # it may be decoded smaller
            return jpeg.opened(data)
        raise UnreadableImage(
            f"The image is far over {max_pixels / 1e6:.0f} megapixels: save it smaller."
        ) from error
    except Exception as error:  # Pillow's readers raise a dozen kinds
        if data[4:8] == b"ftyp" and data[8:12] in _HEIC:
            raise UnreadableImage(
                "HEIC pictures cannot be read here: save it as JPEG or PNG, or install pillow-heif."
            ) from error
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


def _decode(
    image: "Image.Image", ours: bool, colour: str, stretch: bool, coding: tuple[int, int] | None = None
) -> "Image.Image":
    """The first frame, upright, as RGB; a picture that is ours alone may be turned in its place. coding: as
    `coding_of` its file."""
    from PIL import Image, ImageOps

    try:
        image.load()
    except Exception as error:  # broken data shows itself in a dozen ways
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise UnreadableImage(f"The image is damaged or cut off: {reason}.") from error
    negative = is_negative(image)
    part = getattr(image, "dispose_extent", None) if image.format == "GIF" else None
    if part not in (None, (0, 0, *image.size)):  # the rest is nothing, not the first colour
        around = Image.new("RGBA", image.size)
        around.paste(image.crop(part).convert("RGBA"), part[:2])
        image = around
    with contextlib.suppress(Exception):  # a broken EXIF block is no reason to refuse the picture
        check_exif(image.info.get("exif", b""))
        image = ImageOps.exif_transpose(image, in_place=ours) or image  # type: ignore[call-overload]  # no bool
    told = image.info if colour == "srgb" else {}
    profile = told.get("icc_profile")
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        image = _eight_bits(image, stretch, negative)
    if colour == "srgb" and coding and (not profile or image.format == "PNG"):  # where it comes first
        image = as_coded(image, *coding)
    elif profile:
        image = as_meant(image, profile) or image
    else:
        image = as_measured(image, told)
    try:
        return _rgb(image, ours)
    except Exception as error:
        raise UnreadableImage(
            f"An image of mode {image.mode} cannot be shown in colours ({error})."
        ) from error


def _rgb(image: "Image.Image", ours: bool) -> "Image.Image":
    if ours and (image.format, image.mode) == ("JPEG", "RGB"):
        return image  # it is loaded and has let go of its file; a copy of a large photograph would be dear
    if not image.has_transparency_data:
        return image.convert("RGB")  # a copy, of RGB too
    from PIL import Image

    over = Image.new("RGB", image.size)
    for top, band in bands(image):
        band = band.convert("RGBA")
        over.paste(
            Image.alpha_composite(Image.new("RGBA", band.size, "white"), band).convert("RGB"), (0, top)
        )
    return over


def _eight_bits(image: "Image.Image", stretch: bool, negative: bool) -> "Image.Image":
    """Grey of more than eight bits, scaled from the range of its kind, or else (or to stretch it) from its
    own."""
    from PIL import Image

    def values() -> Iterator[tuple[int, np.ndarray]]:
        for top, band in bands(image):
            yield top, np.nan_to_num(np.asarray(band).astype(np.float64))

    low = min(float(part.min()) for _, part in values())
    high = max(float(part.max()) for _, part in values())
    tops = (1.0, 255.0, 65535.0) if image.mode == "F" else (65535.0,)
    full = next((top for top in tops if high <= top), None)
    key = image.info.get("transparency")  # the grey that stands for nothing
    if stretch or low < 0 or full is None:
        full = max(high - low, 1e-12)
    else:
        low = 0.0
    grey, alpha = Image.new("L", image.size), Image.new("L", image.size, 255)
    for top, part in values():
        share = (part - low) / full
        grey.paste(
            Image.fromarray(np.round((1 - share if negative else share) * 255).astype(np.uint8)), (0, top)
        )
        if isinstance(key, int):
            alpha.paste(Image.fromarray(np.where(part == key, 0, 255).astype(np.uint8)), (0, top))
    return Image.merge("LA", (grey, alpha)) if isinstance(key, int) else grey


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
