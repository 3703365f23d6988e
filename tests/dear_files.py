"""Small files made to be dear, each in a few lines: for the tests and benchmarks/fuzz.py."""

import io
import struct
import zlib
from fractions import Fraction

import numpy as np
from PIL import Image

__all__ = ["clips", "growing", "pictures"]


def pictures() -> dict[str, bytes]:
    """What decoders would work on for long, or fill the memory with; all must be refused."""
    return {
        "a JPEG 2000 of millions of precincts": _jpeg2000(),
        "a TIFF with a tile of 46,000 squared": _tiff([(256, 10), (257, 10), (322, 46_000), (323, 46_000)]),
        "a TIFF of a million tiles": _tiff([(256, 7000), (257, 7000), (322, 4), (323, 4)]),
        "a TIFF whose tags share their bytes": _shared_tags(),
        "a JPEG whose EXIF tags share their bytes": _jpeg_with(b"Exif\0\0" + _shared_tags(4000)[:60_000]),
        "a progressive JPEG of a thousand scans": _scans(1000, 5000),
        "a progressive JPEG of forty scans and 49 megapixels": _scans(40, 7000),
        "a JPEG of a hundred thousand parts": b"\xff\xd8" + b"\xff\xe5\0\2" * 100_000 + _jpeg()[2:],
        "a JPEG of megabytes of EXIF data": b"\xff\xd8"
        + (b"\xff\xe1\xea\x68Exif\0\0" + bytes(60_000)) * 800
        + _jpeg()[2:],
        "an AVIF of sixty thousand items": _items(60_000),
        "a JPEG behind a megabyte of nothing": b"\xff\xd8" + bytes(1 << 20) + _jpeg()[2:],
        "an ICO of 81 megapixels": _icon(),
        "a GIF whose comment has thousands of blocks": _comment(),
        "a PNG of a hundred thousand parts": _chunks(100_001),
        "a WebP with a canvas of 16,383 squared": _canvas(),
        "a BMP of 16 megapixels in runs": _runs(),
        "a PPM that is decoded number by number": b"P5 7000 7000 100\n" + bytes(1000),
        "a PNG of 100 megapixels": _png(10_000),
    }


def clips() -> dict[str, bytes]:
    """The same, for FFmpeg."""
    many = struct.pack(">4xI", 1) + struct.pack(">II", 80_000_000, 1)
    return {
        "an MP4 of 80 million frames": _mp4(stts=many, stsz=struct.pack(">4xII", 1, 80_000_000)),
        "an MP4 of 80 million frames without sizes": _mp4(
            stts=many, stsz=struct.pack(">4xII", 0, 80_000_000)
        ),
        "an MP4 whose times are 80 million": _mp4(stts=many, stsz=struct.pack(">4xII", 1, 1)),
        "an MP4 with a fragment of two thousand million": _mp4(trun=struct.pack(">III", 0, 1 << 31, 0)),
        "an MP4 whose table is packed": _box(b"ftyp", b"isom") + _box(b"moov", _box(b"cmov", bytes(64))),
        "an MP4 of half a million parts": _box(b"ftyp", b"isom") + _box(b"free", b"") * 500_000,
        "an MP4 of boxes within boxes": _box(b"ftyp", b"isom") + _nested(2000),
        "an AVI whose index is four million long": _avi(4_000_001),
        "a Matroska with a table of 17 megabytes": _matroska(17_000_000),
        "a JPEG 2000 among the clips": _jpeg2000(),
    }


# Pictures


def _jpeg() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(stream, "JPEG")
    return stream.getvalue()


def _jpeg_with(application: bytes) -> bytes:
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", 2 + len(application)) + application + _jpeg()[2:]


def _scans(count: int, side: int) -> bytes:
    table = b"\xff\xdb\0\x43\0" + bytes([16]) * 64
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, side, side, 1) + b"\1\x11\0"
    codes = b"\xff\xc4\0\x14\0\1" + bytes(16)
    scan = b"\xff\xda\0\x08\1\1\0\0\0\1" + bytes(500)
    return b"\xff\xd8" + table + frame + codes + scan * count + b"\xff\xd9"


def _jpeg2000(side: int = 3000) -> bytes:
    sizes = struct.pack(">8I", side, side, 0, 0, side, side, 0, 0)
    size = b"\xff\x51" + struct.pack(">HH", 41, 0) + sizes + struct.pack(">H3B", 1, 7, 1, 1)
    coding = b"\xff\x52" + struct.pack(">HBBHB", 18, 1, 0, 1, 0) + bytes([5, 0, 0, 0, 1]) + b"\x11" * 6
    steps = b"\xff\x5c\0\x13\x40" + bytes([0x40, 0x48, 0x48, 0x50] * 4)
    tile = b"\xff\x90" + struct.pack(">HHIBB", 10, 0, 0, 0, 1) + b"\xff\x93" + b"\x80" * 8
    return b"\xff\x4f" + size + coding + steps + tile + b"\xff\xd9"


def _tiff(tags: list[tuple[int, int]], more: bytes = b"", count: int = 0) -> bytes:
    plain = {258: 8, 259: 8, 262: 1, 277: 1, 324: 8, 325: 100}
    entries = sorted({**plain, **dict(tags)}.items())
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries) + count) + body + more + bytes(200)


def _shared_tags(count: int = 4900) -> bytes:
    entries = b"".join(struct.pack("<HHII", 40_000 + i, 1, 60_000, 8) for i in range(count))
    return _tiff([(256, 10), (257, 10)], entries, count)


def _png(side: int) -> bytes:
    stream = io.BytesIO()
    Image.new("1", (side, side)).save(stream, "PNG")
    return stream.getvalue()


def _icon() -> bytes:
    inside = _png(9000)
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 1, len(inside), 22) + inside


def _comment() -> bytes:
    stream = io.BytesIO()
    Image.new("P", (8, 8)).save(stream, "GIF")
    data = stream.getvalue()
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    return data[:at] + b"!\xfe" + (b"\xff" + bytes(255)) * 40_000 + b"\0" + data[at:]


def _chunks(count: int) -> bytes:
    whole = _png(64)
    part = struct.pack(">I4s", 0, b"prVt")
    return whole[:33] + (part + struct.pack(">I", zlib.crc32(part[4:]))) * count + whole[33:]


def _canvas() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(stream, "WEBP", lossless=True)
    inside = stream.getvalue()[12:]
    wide = struct.pack("<4sII", b"VP8X", 10, 0x02) + b"\xfe\x3f\0" * 2
    return b"RIFF" + struct.pack("<I", 4 + len(wide) + len(inside)) + b"WEBP" + wide + inside


def _runs() -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, 4200, 4200, 1, 8, 1, 0, 2835, 2835, 256, 0) + bytes(1024)
    body = b"\1\0" * 100_000
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(body), 0, 0, 14 + len(head)) + head + body


def _items(count: int) -> bytes:
    """An AVIF that says it has so many pictures, and lists them."""
    items = b"".join(_box(b"infe", struct.pack(">IHH4sB", 2 << 24, i, 0, b"av01", 0)) for i in range(count))
    first = _box(b"pitm", struct.pack(">IH", 0, 0))
    kind = _box(b"hdlr", struct.pack(">8x4s13x", b"pict"))
    listed = _box(b"iinf", struct.pack(">IH", 0, count), items)
    return _box(b"ftyp", b"avif", bytes(4), b"avifmif1") + _box(b"meta", bytes(4), kind, first, listed)


# Clips


def _nested(depth: int) -> bytes:
    inside = b""
    for _ in range(depth):
        inside = _box(b"moov", inside)
    return inside


def _box(kind: bytes, *inside: bytes) -> bytes:
    content = b"".join(inside)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _mp4(stts: bytes = bytes(8), stsz: bytes = bytes(12), trun: bytes = b"") -> bytes:
    scale = struct.pack(">16xII", 1000, 1000)
    entry = struct.pack(">6xH16xHHIIIH32xHh", 1, 64, 64, 72 << 16, 72 << 16, 0, 1, 24, -1)
    chunks = struct.pack(">4xIIII", 1, 1, 80_000_000, 1)
    table = _box(
        b"stbl",
        _box(b"stsd", struct.pack(">4xI", 1), _box(b"raw ", entry)),
        _box(b"stts", stts),
        _box(b"stsc", chunks),
        _box(b"stsz", stsz),
        _box(b"stco", struct.pack(">4xII", 1, 600)),
    )
    media = _box(b"minf", _box(b"vmhd", bytes(12)), table)
    kind = _box(b"hdlr", struct.pack(">8x4s13x", b"vide"))
    timed = _box(b"mdia", _box(b"mdhd", scale[4:] + bytes(4)), kind, media)
    track = _box(b"trak", _box(b"tkhd", bytes(84)), timed)
    more = _box(b"moof", _box(b"traf", _box(b"tfhd", bytes(8)), _box(b"trun", trun))) if trun else b""
    whole = _box(b"ftyp", b"isom", bytes(4)) + _box(b"moov", _box(b"mvhd", bytes(100)), track)
    return whole + more + _box(b"mdat", bytes(64))


def _avi(entries: int) -> bytes:
    index = b"idx1" + struct.pack("<I", 16 * entries) + bytes(16 * entries)
    return b"RIFF" + struct.pack("<I", 4 + len(index)) + b"AVI " + index


def _matroska(table: int) -> bytes:
    head = b"\x1a\x45\xdf\xa3\x84\x42\x82\x81\x77" + b"\x18\x53\x80\x67\1" + b"\xff" * 7
    return head + b"\x1c\x53\xbb\x6b\1" + struct.pack(">Q", table)[1:]


def growing(side: int = 16_383) -> bytes:
    """An IVF of VP8 whose first frame has 64 squared pixels, and whose others say that they have more."""
    import av

    context = av.CodecContext.create("libvpx", "w")
    context.width = context.height = 64
    context.pix_fmt, context.time_base = "yuv420p", Fraction(1, 10)
    context.gop_size = 1
    packets = []
    for i in range(6):
        frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 40 * i, np.uint8), format="rgb24")
        frame.pts = i
        packets += [bytes(packet) for packet in context.encode(frame.reformat(format="yuv420p"))]
    packets += [bytes(packet) for packet in context.encode()]
    sizes = struct.pack("<HH", side, side)
    later = [packet[:6] + sizes + packet[10:] if i else packet for i, packet in enumerate(packets)]
    head = struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, b"VP80", 64, 64, 10, 1, len(later), 0)
    return head + b"".join(struct.pack("<IQ", len(one), i) + one for i, one in enumerate(later))
