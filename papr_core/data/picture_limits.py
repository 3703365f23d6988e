"""What a picture's file says of itself, looked at before a decoder is: is it small, and made to be dear?

A hundred bytes can claim a tile of two thousand megapixels, thousands of scans over all of a picture, or a
table that is read again for each of its entries. Decoders believe it. Here the structure is walked, nothing
is decoded, and what no camera and no program writes is refused. It takes milliseconds, of a large file too.
"""

import math
import re
import struct
from collections.abc import Iterator

from papr_core.errors import UnreadableImage

__all__ = ["check_exif", "check_picture", "webp_size"]

_SCANS = 100  # of a progressive JPEG; encoders write three to twelve
_SCANNED = 1_600_000_000  # pixels times scans, beyond sixteen scans
_SEGMENTS = 5_000  # markers of a JPEG, chunks of a PNG or WebP beside the pixels, blocks of a GIF
_CHUNKS = 100_000  # of a PNG, those with pixels among them
_JUNK = 1 << 16  # bytes between markers
_EXIF = 1 << 20  # bytes of a JPEG's EXIF data, whose segments Pillow puts together one by one
_ITEMS = 2_000  # of an AVIF, the cells of a grid among them; a camera's picture has some two hundred
_TILE = 1 << 22  # pixels of a tile that may be larger than its picture
_TILES = 200_000
_ICON = 1 << 22  # pixels of an icon
_BY_HAND = 1 << 22  # pixels that Pillow decodes in Python, each by itself
_CELLS = 200_000  # precincts of a JPEG 2000, and tiles
_BLOCKS = 2_000_000  # its code blocks

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
# Bytes of a TIFF's kinds of values, in their order from 1 on; the letters of whole numbers among them.
_BYTES = (1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 1, 1, 8, 8, 8)
_WHOLE = {3: "H", 4: "I", 13: "I", 16: "Q"}
_INSIDE = (0x8769, 0x8825, 0xA005)  # tags that point at a directory: EXIF, GPS, interoperability


def check_picture(data: bytes, max_pixels: int) -> None:
    """Raises UnreadableImage where a file would cost far more than the picture that it says it is; a broken
    one passes, for the decoder says better what is wrong with it."""
    try:
        _check(data, max_pixels)
    except (struct.error, IndexError):  # it ends early
        return


def check_exif(block: bytes) -> None:
    """The same of a picture's EXIF data, with or without its head."""
    _directory(block.removeprefix(b"Exif\0\0"))


def _check(data: bytes, max_pixels: int) -> None:
    if data[:2] == b"\xff\xd8":
        _jpeg(data)
    elif data[:8] == _PNG:
        _png(data)
    elif data[:4] in _TIFF:
        _tiff(data)
    elif data[:4] == b"GIF8":
        _gif(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        _webp(data, max_pixels)
    elif data[4:8] == b"ftyp":
        _avif(data)
    elif data[:4] == b"\xff\x4f\xff\x51" or data[4:8] == b"jP  ":
        _jpeg2000(data, max_pixels)
    elif data[:4] == b"\0\0\1\0":
        _icon(data)
    elif data[:2] == b"BM":
        _bitmap(data)
    elif data[:1] == b"P" and data[1:2].isdigit():
        _netpbm(data)


def _dear(what: str) -> UnreadableImage:
    return UnreadableImage(f"The file has {what}, far more than a picture needs: save it as JPEG or PNG.")


def _jpeg(data: bytes) -> None:
    at, segments, scans, junk, pixels, exif = 2, 0, 0, 0, 0, b""
    while found := _MARKER.search(data, at):
        marker = data[found.start() + 1]
        if not scans:
            junk += found.start() - at
        at = found.end()
        if marker == 0xD9:  # the end; what follows is another picture, or a clip
            break
        segments += 1
        if segments > _SEGMENTS or junk > _JUNK:
            raise _dear("thousands of parts")
        if marker in (0x01, 0xD8):  # these have no length
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            pixels = math.prod(struct.unpack_from(">HH", data, at + 3))
        elif marker == 0xDA:
            scans += 1
            if scans > _SCANS or (scans > 16 and scans * pixels > _SCANNED):
                raise _dear(f"{scans} scans and more")
        elif marker == 0xE1 and data[at + 2 : at + 8] == b"Exif\0\0":
            exif += data[at + 8 - 6 * bool(exif) : at + length]
            if len(exif) > _EXIF:
                raise _dear("megabytes of EXIF data")
        elif marker == 0xE2 and data[at + 2 : at + 6] == b"MPF\0":
            _directory(data[at + 6 : at + length])
        at += max(length, 2)
    _directory(exif)


def _png(data: bytes) -> None:
    at, chunks, others = 8, 0, 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        chunks += 1
        others += kind not in (b"IDAT", b"fdAT", b"fcTL")
        if chunks > _CHUNKS or others > _SEGMENTS:
            raise _dear("thousands of parts")
        if kind == b"IEND":
            return
        at += 12 + length


def _gif(data: bytes) -> None:
    at, blocks = 13, 0
    if data[10] & 0x80:
        at += 3 << (data[10] & 7) + 1
    while data[at] == 0x21:  # up to the first frame, which is the one that is read
        at += 2
        while size := data[at]:
            at += 1 + size
            blocks += 1
            if blocks > _SEGMENTS:
                raise _dear("thousands of parts")
        at += 1


def _webp(data: bytes, max_pixels: int) -> None:
    at, chunks = 12, 0
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        chunks += 1
        if chunks > _SEGMENTS:
            raise _dear("thousands of parts")
        if kind == b"VP8X":  # two buffers of the canvas are made before anybody asks how large it is
            across, down = webp_size(data, at)
            if across * down > max_pixels:
                raise UnreadableImage(
                    f"The image has {across} x {down} pixels, over the limit of {max_pixels / 1e6:.0f}"
                    f" megapixels: save it smaller."
                )
        at += 8 + length + length % 2


def webp_size(data: bytes, at: int = 12) -> tuple[int, int]:
    """How wide and high a chunk of a WebP says that it is, the first one if no other is meant; 0, 0 where it
    does not."""
    kind, numbers = data[at : at + 4], data[at + 8 : at + 18]
    if len(numbers) == 10 and kind == b"VP8X":
        return 1 + int.from_bytes(numbers[4:7], "little"), 1 + int.from_bytes(numbers[7:], "little")
    if len(numbers) == 10 and kind == b"VP8L":
        both = int.from_bytes(numbers[1:5], "little")
        return 1 + (both & 0x3FFF), 1 + (both >> 14 & 0x3FFF)
    if len(numbers) == 10 and kind == b"VP8 ":
        across, down = struct.unpack_from("<2H", numbers, 6)
        return across & 0x3FFF, down & 0x3FFF
    return 0, 0


def _avif(data: bytes) -> None:
    """Of HEIC too. Each item is looked up among all."""
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"iinf":
            (items,) = struct.unpack_from(">I" if data[at + 8] else ">H", data, at + 12)
            if items > _ITEMS:
                raise _dear(f"{items:,} items")
            return
        if kind == b"meta":  # the list of items is inside
            at += 12
        elif length < 8:
            return
        else:
            at += length


def _tiff(data: bytes) -> None:
    tags = _directory(data)
    width, height = tags.get(256, 0), tags.get(257, 0)
    if not width or not height:
        return
    across, down = tags.get(322, width), tags.get(323, min(tags.get(278, height), height))
    if across * down > max(_TILE, 4 * width * height):
        raise _dear(f"a tile of {across} x {down} pixels")
    tiles = math.ceil(width / max(across, 1)) * math.ceil(height / max(down, 1))
    if tiles * max(1, tags.get(277, 1)) > _TILES:
        raise _dear(f"{tiles:,} tiles")


def _directory(data: bytes, at: int | None = None, depth: int = 0) -> dict[int, int]:
    """The first value of each whole-number tag. Raises UnreadableImage where the tags together are longer
    than the file: many that point at the same bytes, which are read for each of them."""
    order = _TIFF.get(data[:4])
    if order is None:
        return {}
    big = data[2:4] in (b"+\0", b"\0+")
    place, number, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
    try:
        if at is None:
            (at,) = struct.unpack_from(order + place, data, 8 if big else 4)
        (count,) = struct.unpack_from(order + number, data, at)
    except struct.error:
        return {}
    at += struct.calcsize(number)
    count = min(count, (len(data) - at) // entry)
    if count > _SEGMENTS:
        raise _dear(f"{count:,} tags")
    values, total, room = {}, 0, struct.calcsize(place)
    for i in range(count):
        tag, kind, many = struct.unpack_from(f"{order}HH{place}", data, at + i * entry)
        size = many * (_BYTES[kind - 1] if 1 <= kind <= len(_BYTES) else 1)
        total += min(size, len(data)) if size > room else 0
        if total > 2 * len(data) + _JUNK:
            raise _dear("tags of many times its own size")
        if many > _TILES and tag in (273, 279, 324, 325):  # where tiles and strips are, and how long
            raise _dear(f"{many:,} strips")
        if kind in _WHOLE and size <= room:
            (values[tag],) = struct.unpack_from(order + _WHOLE[kind], data, at + (i + 1) * entry - room)
    if depth < 2:
        for tag in _INSIDE:
            if tag in values:
                _directory(data, values[tag], depth + 1)
    return values


def _jpeg2000(data: bytes, max_pixels: int) -> None:
    start = data.find(b"\xff\x4f\xff\x51")
    if start < 0:
        return
    right, bottom, left, top, across, down = struct.unpack_from(">6I", data, start + 8)
    (components,) = struct.unpack_from(">H", data, start + 40)
    width, height = right - left, bottom - top
    if width * height > max_pixels:
        return  # refused for its pixels
    tiles = math.ceil(width / max(1, across)) * math.ceil(height / max(1, down))
    if tiles * components > _CELLS:
        raise _dear(f"{tiles:,} tiles")
    for coding in _codings(data, start + 2):
        if len(coding) < 5:
            return
        levels, wide, high, _, _, *sizes = coding
        sizes = sizes or [0xFF] * (levels + 1)
        precincts = 0
        for level, size in enumerate(sizes[: levels + 1]):
            shrunk = levels - level
            precincts += math.ceil(width / (1 << shrunk + (size & 15))) * math.ceil(
                height / (1 << shrunk + (size >> 4))
            )
        blocks = width * height // (1 << wide + high + 4)
        if precincts * components * tiles > _CELLS or blocks * components > _BLOCKS:
            raise _dear("thousands of parts")


def _codings(data: bytes, at: int) -> Iterator[bytes]:
    """How each tile or component of a JPEG 2000 is parted: levels, code blocks (2), style, transform, sizes
    of precincts."""
    part = end = 0
    for _ in range(_CELLS):
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == 0xFF90:  # a part of a tile
            (size,) = struct.unpack_from(">I", data, at + 6)
            part, end = at, at + size if size else len(data)
        if marker == 0xFF52:
            yield data[at + 9 : at + 2 + length]
        elif marker == 0xFF53:
            yield data[at + 6 : at + 2 + length]
        if marker == 0xFF93:  # its data: on to the next part
            if end <= part:
                return
            at = end
        else:
            at += 2 + length


def _icon(data: bytes) -> None:
    (count,) = struct.unpack_from("<H", data, 4)
    for i in range(min(count, _SEGMENTS)):
        (at,) = struct.unpack_from("<I", data, 6 + 16 * i + 12)
        if data[at : at + 8] == _PNG:
            across, down = struct.unpack_from(">II", data, at + 16)
        else:
            across, down = map(abs, struct.unpack_from("<ii", data, at + 4))
        if across * down > _ICON:
            raise _dear(f"an icon of {across} x {down} pixels")


def _bitmap(data: bytes) -> None:
    across, down = struct.unpack_from("<ii", data, 18)
    (packing,) = struct.unpack_from("<I", data, 30)
    if packing in (1, 2) and max(abs(across * down), len(data)) > _BY_HAND:  # run lengths
        raise UnreadableImage("A packed BMP as large as this is not read here: save it as PNG.")


def _netpbm(data: bytes) -> None:
    words = re.sub(rb"#[^\n]*", b"", data[:4096]).split(None, 4)
    sizes = [int(word) for word in words[1:4] if word.isdigit() and len(word) < 9]
    if len(sizes) < 2:
        return
    plain = words[0] in (b"P1", b"P2", b"P3")
    odd = words[0] in (b"P5", b"P6") and len(sizes) == 3 and sizes[2] not in (255, 65535)
    if (plain or odd) and (sizes[0] * sizes[1] > _BY_HAND or (plain and len(data) > 4 * _BY_HAND)):
        raise UnreadableImage("A PPM of this kind, as large as this, is not read here: save it as PNG.")
