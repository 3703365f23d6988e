"""Animated WebP and AVIF as clips: FFmpeg reads their first frame alone, Pillow reads them all."""

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from papr_core.data.images import read_image
from papr_core.errors import UnreadableClip, UnreadableImage

if TYPE_CHECKING:
    from _typeshed import SupportsRead
    from PIL import Image

__all__ = ["animated_kind", "read_animated"]

_MOST_PIXELS = 1_250_000_000  # of all frames: each is made from the one before


def animated_kind(head: bytes) -> str | None:
    """ "WEBP" or "AVIF" for the first bytes (32 do) of an animated one; None for everything else."""
    if head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) > 20 and head[20] & 2:
        return "WEBP"
    return "AVIF" if head[4:12] == b"ftypavis" else None


def read_animated(
    file: "SupportsRead[bytes]",
    kind: str,
    pick: Callable[[int], Sequence[int]],
    *,
    short_side: int,
    max_pixels: int,
    step: Callable[[int, int], None],
) -> "tuple[list[Image.Image], list[float], tuple[int, int], float, int]":
    """The chosen frames, upright RGB and no larger than asked; the second that each shows; the size, the
    length in seconds and the number of frames of the whole.

    Raises:
        UnreadableClip: damaged, too large or too long.
    """
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(file.read()), formats=[kind])
        frames, pixels = getattr(image, "n_frames", 1), image.width * image.height
        if pixels > max_pixels or pixels * frames > _MOST_PIXELS:
            raise UnreadableClip(
                f"The animated picture has {frames} frames of {image.width} x {image.height} pixels, too many"
                " to read: save it as MP4 with H.264."
            )
        wanted = list(pick(frames))
        found, seconds = {}, [0.0]
        for i in range(frames):
            step(i, frames)
            image.seek(i)
            image.load()
            seconds.append(seconds[-1] + image.info.get("duration", 100) / 1000)
            if i in wanted:
                picture = read_image(image.copy(), max_pixels=max_pixels)
                scale = min(1.0, short_side / min(picture.size), 4 * short_side / max(picture.size))
                width, height = (max(1, round(side * scale)) for side in picture.size)
                found[i] = picture if scale == 1 else picture.resize((width, height), Image.Resampling.BOX)
    except UnreadableClip:
        raise
    except UnreadableImage as error:
        raise UnreadableClip(str(error)) from error
    except (OSError, ValueError, EOFError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableClip(f"The animated picture is damaged or cut off ({error}).") from error
    return [found[i] for i in wanted], [seconds[i] for i in wanted], image.size, seconds[-1], frames
