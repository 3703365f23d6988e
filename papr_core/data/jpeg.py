"""JPEG files that lack nothing but their end marker, which browsers show whole; and very large ones, read
smaller."""

import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["make_smaller", "opened", "with_its_end"]

_END = b"\xff\xd9"
# As good as any continuations, without a marker in them, and each beginning otherwise.
_MORE = tuple(
    bytes((first + 37 * i) % 251 for i in range(256)) for first in (0, 0x35, 0x55, 0xAA, 0xCC, 0xF0)
)
_PHOTOGRAPH = 25_000_000  # pixels that are decoded of one that is too large
_TIMES = 4  # so many times over the limit a photograph may be


def opened(data: bytes) -> "Image.Image":
    """A JPEG of any size, of which nothing is decoded yet; `Image.open` refuses the largest."""
    from PIL.JpegImagePlugin import JpegImageFile

    return JpegImageFile(io.BytesIO(data))


def make_smaller(image: "Image.Image", max_pixels: int) -> None:
    """Have an opened photograph above the limit decoded by 2, 4 or 8 a side: the decoder then makes no more
    than that. Not progressive ones, whose coefficients are all kept first, nor what is above four times the
    limit."""
    pixels = image.width * image.height
    if image.format not in ("JPEG", "MPO") or not max_pixels < pixels <= _TIMES * max_pixels:
        return
    if max_pixels < _PHOTOGRAPH or image.info.get("progressive"):
        return
    by = next(by for by in (2, 4, 8) if pixels <= by * by * _PHOTOGRAPH or by == 8)
    image.draft(None, (image.width // by, image.height // by))


def with_its_end(data: bytes) -> bytes | None:
    """The file with the end marker that it lacks; None where more than that is missing.

    A decoder that has all of the picture reads no further, whatever follows. So several continuations are
    decoded: they give the same picture only if nothing of it was missing.
    """
    from PIL import Image

    data = data.removesuffix(b"\xff")
    whole = None
    for continuation in (b"", *_MORE):
        try:
            with Image.open(io.BytesIO(data + continuation + _END), formats=["JPEG"]) as image:
                pixels = np.asarray(image)
        except MemoryError:  # which says nothing of the file
            raise
        except Exception:  # Pillow's readers raise a dozen kinds
            return None
        if whole is not None and not np.array_equal(whole, pixels):
            return None
        whole = pixels
    return data + _END
