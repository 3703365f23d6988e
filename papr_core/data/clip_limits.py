"""What a clip's file says of itself, looked at before FFmpeg is: are its tables made to be dear?

FFmpeg believes what a container claims, and makes an index of eighty million frames for a file of 656 bytes.
Here the boxes, chunks and elements that hold such tables are walked and nothing is decoded; a file that is no
clip of these kinds passes, for FFmpeg says better what it is.
"""

import io
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NoReturn

import numpy as np

from papr_core.errors import UnreadableClip

__all__ = ["CODECS", "FFMPEG_OPTIONS", "MOST_FRAMES", "MOST_PACKETS", "PICTURE", "check_clip"]

PICTURE = "The file is a picture, not a clip: it can be compared as a picture."
MOST_FRAMES = 2_000_000  # of the pictures; nine hours at 60 a second
MOST_PACKETS = 4_000_000  # of all tracks together
_STREAMS = 100
_PARTS = 400_000  # boxes, chunks or elements on the way through a file
_DEEPEST = 20  # boxes within one another; five are needed
_EDITS = 8_000_000  # entries that an edit list makes of an index
_STREAM_BYTES = 1 << 23  # in which a second picture of a stream begins
_INDEX_BYTES = 1 << 24  # of a Matroska table

# The codecs that clips come in. What decodes single pictures is Pillow's work.
CODECS = (
    "h264", "hevc", "vvc", "av1", "libdav1d", "vp8", "vp9", "libvpx", "libvpx-vp9", "mpeg4", "mpeg2video",
    "mpeg1video", "mjpeg", "mjpegb", "gif", "apng", "theora", "prores", "dnxhd", "cfhd", "h261", "h263",
    "h263i", "h263p", "flv", "msmpeg4v1", "msmpeg4v2", "msmpeg4", "wmv1", "wmv2", "wmv3", "vc1", "png",
    "rawvideo", "v210", "v308", "v408", "ffv1", "huffyuv", "ffvhuff", "utvideo", "magicyuv", "vp3",
    "vp6", "vp6f", "vp6a", "dvvideo", "cinepak", "svq1", "svq3", "qtrle", "rpza",
)  # fmt: skip
FFMPEG_OPTIONS = {"codec_whitelist": ",".join(CODECS), "max_streams": str(_STREAMS)}

_PNG = b"\x89PNG\r\n\x1a\n"
_MATROSKA = b"\x1a\x45\xdf\xa3"
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"moof", b"styp", b"sidx", b"uuid")
_INSIDE = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf")
_SEGMENT = 0x18538067
# cues, tags, chapters, tracks, and the list of these
_TABLES = (0x1C53BB6B, 0x1254C367, 0x1043A770, 0x1654AE6B, 0x114D9B74)


def check_clip(file: Any) -> None:
    """Raises UnreadableClip where a file is a picture, or would cost far more than what it shows. file: open
    for reading and seeking; it stands at the start again afterwards."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(1 << 16)
    try:
        if _is_picture(head) and not _is_stream(file, head):
            raise UnreadableClip(PICTURE)
        with suppress(struct.error, IndexError, OverflowError):  # it ends early
            if head[4:8] in _BOXES:
                _boxes(file, size)
            elif head[:4] == b"RIFF" and head[8:11] == b"AVI":
                _avi(file, size)
            elif head[:4] == _MATROSKA:
                _matroska(file, size)
    finally:
        file.seek(0)


def _is_picture(head: bytes) -> bool:
    if head[:8] == _PNG:  # its animation is announced before the first pixels
        return b"acTL" not in head.partition(b"IDAT")[0]
    return (
        head[:3] == b"\xff\xd8\xff"
        or head[:2] == b"BM"
        or head[:4] in (b"II*\0", b"MM\0*", b"\xff\x4f\xff\x51", b"\0\0\1\0")
        or head[4:8] in (b"jP  ", b"JXL ")
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
    )


def _is_stream(file: Any, head: bytes) -> bool:
    """Whether JPEG pictures follow one another as a bare stream of frames does; a camera's file of several
    pictures says that it is one (MPF)."""
    if head[:3] != b"\xff\xd8\xff" or b"MPF\0" in head:
        return False
    file.seek(0)
    return b"\xff\xd9\xff\xd8\xff" in file.read(_STREAM_BYTES)


def _too_many() -> NoReturn:
    raise UnreadableClip("The clip has millions of frames, or says so: cut it shorter.")


def _strange(what: str) -> NoReturn:
    raise UnreadableClip(f"The clip has {what}: save it anew as MP4 with H.264.")


# MP4 and MOV


class _Track:
    """What one track's tables claim."""

    def __init__(self) -> None:
        self.samples = self.edits = self.chunks = 0
        self.size = 0  # of each sample, where all are alike
        self.plain = False  # sound without frames, which FFmpeg takes a thousand samples at once
        self.sound = False
        self.runs: np.ndarray | None = None  # (first chunk, samples in a chunk, description), one a run


def _boxes(file: Any, size: int) -> None:
    fragments, tracks, track = 0, [], _Track()
    for kind, at, length in _walk(file, 0, size, [0]):
        file.seek(at)
        if kind == b"trak":
            track = _Track()
            tracks.append(track)
        elif kind == b"cmov":
            _strange("a packed table")
        elif kind == b"hdlr":
            track.sound = file.read(12)[8:12] == b"soun"
        elif kind == b"elst":
            track.edits = _count(file.read(8), 4)
        elif kind == b"stsz":
            head = file.read(12)
            track.size, track.samples = struct.unpack_from(">II", head, 4)
            if not track.size and track.samples * 4 > length:
                _too_many()
        elif kind == b"stz2":
            track.samples = _count(file.read(12), 8)
        elif kind in (b"stts", b"ctts"):
            pairs = _table(file, length, 2)
            track.plain |= kind == b"stts" and track.sound and pairs[:, 1].tolist() == [1]
            if not track.plain and pairs[:, 0].sum() > MOST_FRAMES:
                _too_many()
        elif kind in (b"stco", b"co64"):
            track.chunks = _count(file.read(8), 4)
            if track.chunks * 4 > length:
                _too_many()
        elif kind == b"stsc":
            track.runs = _table(file, length, 3)
        elif kind == b"trun":
            flags, samples = struct.unpack(">II", file.read(8))
            fragments += samples
            fields = (flags >> 8 & 0xF).bit_count()
            if samples * 4 * fields > length or fragments > MOST_PACKETS:
                _too_many()
    entries = [_entries(track, size) for track in tracks]
    if len(tracks) > _STREAMS:
        _strange(f"{len(tracks)} tracks")
    if sum(entries) + fragments > MOST_PACKETS or max(entries, default=0) > MOST_FRAMES:
        _too_many()
    if any(track.edits > 1 and track.edits * count > _EDITS for track, count in zip(tracks, entries)):
        _strange(f"{max(track.edits for track in tracks):,} edits")


def _entries(track: _Track, size: int) -> int:
    """Of the index that FFmpeg makes of a track."""
    if track.size * track.samples > 2 * size:
        _too_many()
    if not track.plain:
        return track.samples
    if track.runs is None or not len(track.runs):
        return track.chunks
    firsts = np.minimum(np.maximum.accumulate(track.runs[:, 0]), track.chunks + 1)
    chunks = np.diff(np.append(firsts, track.chunks + 1))
    return int((chunks * -(-track.runs[:, 1] // 1024)).sum())


def _walk(file: Any, at: int, end: int, seen: list[int], depth: int = 0) -> Iterator[tuple[bytes, int, int]]:
    """(kind, where its content begins, how long that is) of each box, those inside after it."""
    while at + 8 <= end:
        seen[0] += 1
        if seen[0] > _PARTS:
            _strange("hundreds of thousands of parts")
        file.seek(at)
        length, kind = struct.unpack(">I4s", file.read(8))
        head = 8
        if length == 1:
            (length,), head = struct.unpack(">Q", file.read(8)), 16
        elif length == 0:
            length = end - at
        if length < head:
            return
        inside = min(at + length, end)
        yield kind, at + head, inside - at - head
        if kind in _INSIDE:
            if depth >= _DEEPEST:
                _strange("parts within parts within parts")
            yield from _walk(file, at + head, inside, seen, depth + 1)
        at += length


def _count(head: bytes, at: int) -> int:
    return struct.unpack_from(">I", head, at)[0]


def _table(file: Any, length: int, columns: int) -> np.ndarray:
    """The rows that are there: (n, columns), int64."""
    rows = min(_count(file.read(8), 4), max(0, length - 8) // (4 * columns))
    if rows > MOST_FRAMES:
        _too_many()
    data = file.read(4 * columns * rows)
    rows = len(data) // (4 * columns)
    return np.frombuffer(data, ">u4", rows * columns).reshape(rows, columns).astype(np.int64)


# AVI


def _avi(file: Any, size: int) -> None:
    """The index has sixteen bytes for each packet of each track; without one, packets are counted as they
    are read."""
    at, indexed, parts = 12, 0, 0
    while at + 8 <= size:
        parts += 1
        if parts > _PARTS:
            _strange("hundreds of thousands of parts")
        file.seek(at)
        kind, length = struct.unpack("<4sI", file.read(8))
        if kind == b"RIFF":  # the next part of a long clip
            at += 12
            continue
        if kind == b"idx1":
            indexed += length // 16
            if indexed > MOST_PACKETS:
                _too_many()
        at += 8 + length + length % 2


# Matroska and WebM


def _matroska(file: Any, size: int) -> None:
    at, parts, tables = 0, 0, 0
    while at < size:
        parts += 1
        if parts > _PARTS:
            _strange("hundreds of thousands of parts")
        file.seek(at)
        head = file.read(12)
        kind, used = _number(head, keep=True)
        length, more = _number(head[used:])
        at += used + more
        if kind == _SEGMENT:
            continue  # its children come next
        if length == (1 << 7 * more) - 1:  # of unknown length, as a live recording's
            return
        if kind in _TABLES:
            tables += length
            if tables > _INDEX_BYTES:
                _strange("a table of many megabytes")
        at += length


def _number(data: bytes, keep: bool = False) -> tuple[int, int]:
    """A number of variable length, and how many bytes it takes; keep: with the bit that says so."""
    used = 9 - data[0].bit_length()
    if used > 8:
        raise IndexError
    value = int.from_bytes(data[:used], "big")
    return (value if keep else value - (1 << 7 * used)), used
