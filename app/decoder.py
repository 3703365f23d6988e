"""The process in which strangers' files are decoded: `python -m app.decoder`, started by decoding.py.

Orders come on its standard input and answers go to its standard output: messages of JSON, each behind its
length in four bytes; pixels follow as they are, RGB. It imports what decoding needs and no torch, has no
secrets in its environment, and limits itself to the memory and processor time of each order: beyond the one
an order fails, beyond the other the process ends.
"""

import ctypes
import json
import math
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

from PIL import Image

from papr_core.data.clips import read_clip
from papr_core.data.images import read_image
from papr_core.data.picture_limits import webp_size
from papr_core.errors import InvalidInput, UnreadableImage

from .decoding import bands

__all__ = ["main"]

WEBP = 14  # bytes that a pixel of a WebP takes; its decoder does not say where memory was missing
GROWN = 60_000_000  # bytes that a process may have gained after an order; beyond, a new one takes its place

# What the formats of this page begin with. Those that no browser shows (JPEG 2000, PPM, ICO) have decoders of
# their own, which nobody needs here.
KNOWN = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II", b"MM")
BRANDS = b"ftyp"  # of AVIF and HEIC, behind four bytes


def main() -> None:
    nice = int(sys.argv[1])
    orders, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    with suppress(AttributeError, OSError):
        os.nice(nice)
    with suppress(ImportError):
        import av

        av.logging.set_level(av.logging.PANIC)
    _limit_files()
    warnings.simplefilter("ignore")
    Image.init()
    first = _resident()
    _say(answers, {"ready": True})
    while (order := _hear(orders)) is not None:
        with _limits(order):
            _answer(order, orders, answers)
        if _resident() - first > GROWN:
            _trim()
        _say(answers, {"again": _resident() - first <= GROWN})
    os._exit(0)


def _answer(order: dict[str, Any], orders: BinaryIO, answers: BinaryIO) -> None:
    try:
        source = order["path"] if order["path"] is not None else orders.read(order["bytes"])
        if order["what"] == "picture":
            _check_kind(source, order)
            image = read_image(source, max_pixels=order["max_pixels"], stretch=order["stretch"])
            _say(answers, {"sizes": [image.size]})
            _send(answers, image)
        else:
            _clip(source, orders, answers)
    except InvalidInput as error:
        memory = any(map(_is_of_memory, _causes(error)))
        _say(answers, {"memory": True} if memory else {"error": type(error).__name__, "text": str(error)})
    except MemoryError:
        _say(answers, {"memory": True})
    except BrokenPipeError:
        os._exit(1)
    except Exception as error:
        _say(answers, {"failed": repr(error)[:500]})


def _clip(source: str | bytes, orders: BinaryIO, answers: BinaryIO) -> None:
    def pick(frames: int) -> Sequence[int]:
        _say(answers, {"pick": frames})
        return (_hear(orders) or {})["frames"]

    def progress(done: int, of: int) -> None:
        _say(answers, {"progress": [done, of]})

    clip = read_clip(source, pick, progress=progress)
    apart = {id(frame): frame for frame in clip.frames}  # a short clip has some of them twice
    places = {key: place for place, key in enumerate(apart)}
    told = {
        "sizes": [frame.size for frame in apart.values()],
        "shown": [places[id(frame)] for frame in clip.frames],
        "times": clip.times,
        "exact": clip.exact,
        "info": vars(clip.info),
    }
    _say(answers, told)
    for frame in apart.values():
        _send(answers, frame)


def _check_kind(source: str | bytes, order: dict[str, Any]) -> None:
    head = source[:30] if isinstance(source, bytes) else _head(source)
    if head and not head.startswith(KNOWN) and head[4:8] != BRANDS:
        raise UnreadableImage(
            "The file is not an image that this page reads (JPEG, PNG, WebP, GIF, AVIF, TIFF, BMP): save it"
            " as one of these."
        )
    pixels = math.prod(webp_size(head)) if head[8:12] == b"WEBP" else 0
    if order["memory"] < WEBP * pixels <= WEBP * order["max_pixels"]:
        raise MemoryError


def _head(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(30)
    except OSError:
        return b""  # said when it is read


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower()  # of a library


# Messages


def _say(answers: BinaryIO, told: dict[str, Any]) -> None:
    text = json.dumps(told).encode()
    answers.write(len(text).to_bytes(4, "big") + text)
    answers.flush()


def _hear(orders: BinaryIO) -> dict[str, Any] | None:
    """The next order; None at the end of the page."""
    head = orders.read(4)
    return json.loads(orders.read(int.from_bytes(head, "big"))) if len(head) == 4 else None


def _send(answers: BinaryIO, image: Image.Image) -> None:
    """The pixels whose number has been told: all of them, or the process ends, for they are waited for."""
    try:
        for box in bands(*image.size):
            answers.write(image.crop(box).tobytes())
        answers.flush()
    except MemoryError:
        os._exit(1)


# Limits


def _limit_files() -> None:
    """It writes none, and leaves no memory behind where it breaks down."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@contextmanager
def _limits(order: dict[str, Any]) -> Iterator[None]:
    """Of an order: bytes of memory beyond what the process has, seconds of processor time."""
    _limit_memory(order["memory"])
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, order["seconds"])  # whose signal ends the process
    try:
        yield
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, 0)
        _limit_memory(None)


def _limit_memory(more: int | None) -> None:
    with suppress(ImportError, OSError, ValueError):  # where the system has no such limit
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_AS)
        now = most if more is None else _statm(0) + more
        resource.setrlimit(resource.RLIMIT_AS, (now, most))


def _resident() -> int:
    try:
        return _statm(1)
    except OSError:
        return 0


def _statm(field: int) -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[field]) * os.sysconf("SC_PAGE_SIZE")


def _trim() -> None:
    with suppress(AttributeError, OSError, TypeError):  # where there is no glibc
        ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    main()
