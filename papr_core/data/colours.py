"""Colours as they are meant, in sRGB: embedded profiles of pictures, and pictures and clips of high dynamic
range or wide gamut.

Written from ITU-R BT.2100-2 (HLG and PQ), BT.2408-7 (reference white of 203 cd/m2), BT.2020-2, IEC
61966-2-1 and the PNG specification (gAMA, cHRM).
"""

import contextlib
import io
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from PIL import Image

__all__ = [
    "COLOURS",
    "HLG",
    "PQ",
    "WIDE",
    "as_coded",
    "as_meant",
    "as_measured",
    "bands",
    "bitmap_profile",
    "coding_of",
    "in_srgb",
]

COLOURS = ("srgb", "timm")  # converted to sRGB; left as they are stored, as timm does

# numbers of ITU-T H.273
PQ, HLG = 16, 18
_POWERS = {4: 2.2, 5: 2.8, 8: 1.0}
_BT2020, _P3_DCI, _P3 = 9, 11, 12
_UNSAID = 2
_P3_TO_BT709 = ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0197, -0.0786, 1.0979))
_TO_BT709 = {  # linear light, by primaries; rows give red, green and blue
    _BT2020: ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)),
    _P3: _P3_TO_BT709,
    _P3_DCI: _P3_TO_BT709,
}
WIDE = frozenset(_TO_BT709)
_REFERENCE = 203.0  # cd/m2 of what is white in an SDR picture
_PEAK = 1000.0 / _REFERENCE  # of reference white: where highlights end
_KNEE = 0.8  # of reference white: up to there nothing is changed, above it highlights are rolled off
_STEPS = 4096


# Pictures


def as_meant(image: "Image.Image", profile: bytes) -> "Image.Image | None":
    """A picture with an embedded profile as RGB (or RGBA) in sRGB; None where its colours are sRGB's
    already, or the profile cannot be used."""
    from PIL import Image, ImageCms

    with contextlib.suppress(Exception):  # a broken profile is as none
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space == "GRAY" and image.mode in ("LA", "La"):
            grey, alpha = image.convert("LA").split()
            found = as_meant(grey, profile)
            return None if found is None else Image.merge("RGBA", (*found.split(), alpha))
        keyed = "transparency" in image.info and space != "GRAY"  # a colour that stands for nothing
        if keyed or image.mode in ("P", "PA", "LA", "RGBa", "La"):
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        mode = {"GRAY": "L", "CMYK": "CMYK", "LAB": "LAB"}.get(space, image.mode)
        if space == "GRAY" and image.mode != "L" or space == "RGB" and image.mode not in ("RGB", "RGBA"):
            return None
        into = "RGBA" if mode == "RGBA" else "RGB"
        intent = ImageCms.Intent(ImageCms.getDefaultIntent(source))
        change = ImageCms.buildTransform(source, _srgb(), mode, into, renderingIntent=intent)
        if mode in ("RGB", "RGBA"):
            probe = Image.fromarray(_PROBE).convert(mode)
            moved = np.asarray(ImageCms.applyTransform(probe, change), dtype=int)
            if abs(moved - np.asarray(probe, dtype=int)).max() <= 2:  # sRGB by whatever name
                return None
        return ImageCms.applyTransform(image, change)
    return None


def coding_of(data: bytes) -> tuple[int, int] | None:
    """(transfer, primaries) by H.273, where a file says them without a profile: PNG's cICP, nclx of AVIF and
    HEIF; None where they say none."""
    found = None
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        at = 8
        while data[at + 4 : at + 8] not in (b"cICP", b"IDAT", b""):
            at += 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"cICP" and len(data) > at + 9:
            found = data[at + 9], data[at + 8]
    elif data[4:8] == b"ftyp" and (at := data.find(b"colrnclx", 0, 1 << 16)) >= 0 and len(data) > at + 11:
        found = data[at + 11], data[at + 9]  # two bytes each
    return found if found and found != (_UNSAID, _UNSAID) else None


def bitmap_profile(data: bytes) -> bytes | None:
    """The profile that a BMP has inside (of its fifth version), or None."""
    if len(data) < 138 or data[14:18] != b"\x7c\0\0\0" or data[70:74] != b"DEBM":
        return None
    start, length = (int.from_bytes(data[at : at + 4], "little") for at in (126, 130))
    return data[14 + start : 14 + start + length]


def bands(image: "Image.Image", pixels: int = 1 << 22) -> "Iterator[tuple[int, Image.Image]]":
    """A picture in bands from top to bottom, each with its first row: what is computed on a whole large one
    would take several times its own memory."""
    rows = max(1, pixels // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def as_coded(image: "Image.Image", transfer: int, primaries: int) -> "Image.Image":
    """A picture in wide or high-dynamic-range coding as RGB (or RGBA) in sRGB; as it is in any other. The
    codes of BT.709 are taken for sRGB's, as in clips: a frame that was saved looks as it did."""
    if transfer not in (HLG, PQ, *_POWERS) and primaries not in WIDE:
        return image
    return _by_bands(image, lambda codes: in_srgb(codes.astype(np.uint16) * 257, transfer, primaries))


def as_measured(image: "Image.Image", told: "Mapping[Any, Any]") -> "Image.Image":
    """A picture whose PNG says its gamma, and perhaps its primaries, in numbers (told: as Pillow's `info`) as
    RGB (or RGBA) in sRGB; as it is where that is nothing else. Primaries alone say nothing to browsers."""
    gamma, corners = told.get("gamma"), told.get("chromaticity")
    if not gamma or "srgb" in told:
        return image
    to_srgb = np.eye(3)
    if corners is not None:
        try:
            to_srgb = np.linalg.inv(_to_xyz(*_SRGB_CORNERS)) @ _to_xyz(*corners)
        except (np.linalg.LinAlgError, ZeroDivisionError):  # they span no colours
            return image
    moved = abs(to_srgb - np.eye(3)).max() > 0.005
    if not moved and abs(gamma * 2.2 - 1) < 0.05:  # PNG's 0.45455 is what sRGB is called there
        return image
    light = (np.linspace(0, 1, 256) ** (1 / gamma)).astype(np.float32)
    return _by_bands(image, lambda codes: _encoded(light[codes] @ to_srgb.T.astype(np.float32)))


def _by_bands(image: "Image.Image", change: "Callable[[np.ndarray], np.ndarray]") -> "Image.Image":
    """change: of (H, W, 3) uint8."""
    from PIL import Image

    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    image = image.convert("RGB")
    found = Image.new("RGB", image.size)
    for top, band in bands(image, 1 << 20):
        found.paste(Image.fromarray(change(np.asarray(band))), (0, top))
    if alpha is not None:
        found.putalpha(alpha)
    return found


# x and y of white, red, green and blue
_SRGB_CORNERS = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
_BRADFORD = np.array(((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296)))


def _to_xyz(*corners: float) -> np.ndarray:
    """Linear light of primaries (x and y of white, red, green, blue) to XYZ, white moved to that of sRGB."""
    white, *primaries = (np.array((x / y, 1, (1 - x - y) / y)) for x, y in zip(corners[::2], corners[1::2]))
    columns = np.stack(primaries, axis=1)
    columns = columns * np.linalg.solve(columns, white)
    x, y = _SRGB_CORNERS[:2]
    cones = (_BRADFORD @ (np.array((x, y, 1 - x - y)) / y)) / (_BRADFORD @ white)
    return np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD @ columns


@cache
def _srgb() -> Any:
    from PIL import ImageCms

    return ImageCms.createProfile("sRGB")


_PROBE = np.stack(np.meshgrid(*[np.array([0, 60, 128, 200, 255], np.uint8)] * 3), axis=-1).reshape(25, 5, 3)


# Clips


def in_srgb(codes: np.ndarray, transfer: int, primaries: int) -> np.ndarray:
    """A frame of 16 bits a channel (H, W, 3) uint16 in wide or high-dynamic-range coding, as sRGB (H, W, 3)
    uint8.

    transfer, primaries: numbers of H.273. Up to 0.8 of reference white brightness stays; above it
    everything up to 1000 cd/m2 is rolled off, by the brightest channel, so that hues stay. What lies
    outside of sRGB's gamut is moved to its edge.
    """
    light = _decoding(transfer)[codes >> 4]  # (H, W, 3)
    if primaries in _TO_BT709:
        light = light @ np.array(_TO_BT709[primaries], np.float32).T
    if transfer in (HLG, PQ):
        brightest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
        light *= _rolled_off(brightest) / brightest
    return _encoded(light)


def _encoded(light: np.ndarray) -> np.ndarray:
    return _encoding()[(np.clip(light, 0, 1) * _FINE).astype(np.int32)]


def _rolled_off(light: np.ndarray) -> np.ndarray:
    """Reference white is 1: the same up to the knee, then ever flatter to 1 at the peak."""
    above = np.clip((light - _KNEE) / (_PEAK - _KNEE), 0, 1)
    return np.where(light <= _KNEE, light, _KNEE + (1 - _KNEE) * (1 - (1 - above) ** _SLOPE))


_SLOPE = (_PEAK - _KNEE) / (1 - _KNEE)  # so that the curve has no corner at the knee


@cache
def _decoding(transfer: int) -> np.ndarray:
    """Of 12 bits of code to linear light, reference white 1.

    HLG gives the scene's light; which curve a display adds depends on how bright it is (BT.2100, note 5f),
    and is none for the 300 to 400 cd/m2 of a usual one.
    """
    code = np.linspace(0, 1, _STEPS)
    if transfer == PQ:  # BT.2100 table 4
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        root = code ** (1 / m2)
        light = 10_000 / _REFERENCE * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    elif transfer == HLG:  # BT.2100 table 5
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
        light = light / ((np.exp((0.75 - c) / a) + b) / 12)  # BT.2408: reference white has the code 0.75
    elif transfer in _POWERS:
        light = code ** _POWERS[transfer]
    else:  # browsers show other clips' codes as sRGB's
        light = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


_FINE = 65535


@cache
def _encoding() -> np.ndarray:
    light = np.linspace(0, 1, _FINE + 1)
    code = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(255 * code).astype(np.uint8)
