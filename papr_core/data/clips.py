"""Reading clips defensively and writing clips that every browser plays.

A clip is probed first: its packets are walked without decoding any, which tells the time of every frame.
Then the frames asked for are decoded and no others, but for those on the way from a keyframe. Where that way
is too long (ten minutes of 1080p), frames near keyframes stand in, so that time and memory stay bounded.
"""

import io
import itertools
import os
import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from papr_core.data.animated import animated_kind, read_animated
from papr_core.data.clip_limits import CODECS, FFMPEG_OPTIONS, MOST_FRAMES, MOST_PACKETS, PICTURE, check_clip
from papr_core.data.colours import HLG, PQ, WIDE, in_srgb
from papr_core.data.sources import not_a_file
from papr_core.errors import InvalidInput, UnreadableClip

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Clip", "ClipInfo", "Pick", "evenly", "read_clip", "strided", "write_clip"]

Pick = Callable[[int], Sequence[int]]  # how many frames there are -> the frames wanted, ascending

# Readers that stay inside the file they are given: a playlist would make FFmpeg open what it names.
_CLIPS = ("mov", "matroska", "avi", "gif", "apng", "mpegts", "mpeg", "flv", "asf", "ogg", "ivf")
# Bare streams, which say nothing of times: their frames are counted.
_BARE = ("h264", "hevc", "m4v", "mpegvideo", "mjpeg", "yuv4mpegpipe", "obu")
_SOUNDS = ("wav", "mp3", "aac", "flac", "aiff", "amr")
_STILL_BRANDS = ("avif", "mif1", "heic", "heix", "msf1")
_KINDS = "MP4, MOV, WebM, MKV, AVI, GIF and kin"
_CONVERT = "save it as MP4 with H.264"

_DECODED_PIXELS = 1_250_000_000  # in all: 600 frames of 1080p, two to three seconds on two cores
_DECODED_FRAMES = 64  # but at least so many, however large
_GROWN = 4  # times as much, where later frames are larger than the first
_INFLATED = 1 << 30  # bytes of packets, beyond eight times those of the file


@dataclass(frozen=True)
class ClipInfo:
    """What a file says of its clip: codec, upright size in pixels, seconds, and how many frames it has."""

    codec: str
    width: int
    height: int
    seconds: float
    frames: int


@dataclass(frozen=True, eq=False)
class Clip:
    """The sampled frames of a clip, upright RGB pictures, and the second that each one shows.

    exact: they are the frames asked for; else ones near them that are quicker to reach.
    """

    frames: "tuple[Image.Image, ...]"
    times: tuple[float, ...]
    info: ClipInfo
    exact: bool = True

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def fps(self) -> float:
        """How fast its frames are written: as the clip plays, but never slower than four a second."""
        return min(60.0, max(4.0, len(self) / max(self.info.seconds, 1e-3)))


def evenly(count: int, part: int = 0, parts: int = 1) -> Pick:
    """`count` frames from the middles of equal parts of the clip; all frames where it has no more.

    part: of so many equal `parts` of the clip, the one that frames are taken from.
    """

    def pick(frames: int) -> list[int]:
        first = min(part * frames // parts, frames - 1)
        frames = max(1, (part + 1) * frames // parts - first)
        if frames <= count:
            return list(range(first, first + frames))
        return [first + (2 * i + 1) * frames // (2 * count) for i in range(count)]

    return pick


def strided(count: int, stride: int, where: float = 0.5) -> Pick:
    """Every `stride`-th frame, `count` of them, as far into the clip as `where` says (0 start, 1 end).

    A clip too short for that is spread evenly, first frame to last, with repeats if it must be.
    """
    span = (count - 1) * stride + 1

    def pick(frames: int) -> list[int]:
        if frames < span:
            return [round(i * (frames - 1) / max(1, count - 1)) for i in range(count)]
        start = round((frames - span) * where)
        return list(range(start, start + span, stride))

    return pick


def read_clip(
    source: bytes | str | os.PathLike,
    pick: Pick | None = None,
    *,
    short_side: int = 512,
    exact: bool = False,
    max_bytes: int = 2_000_000_000,
    max_pixels: int = 40_000_000,
    max_seconds: float = 7200,
    progress: Callable[[int, int], None] | None = None,
) -> Clip:
    """The frames that `pick` chooses (by default 32, evenly spaced) of a clip's file or bytes.

    Frames come upright and with square pixels, and no larger than `short_side` on their shorter side;
    transparency lies over white. Sound is ignored. exact: these frames and no others near them, however long
    the way from their keyframes is. progress: called as progress(done, of) for each frame
    decoded on the way; what it raises ends the reading.

    >>> import os, tempfile, numpy, papr_core
    >>> from papr_core.data.clips import write_clip
    >>> dark = [numpy.zeros((48, 64, 3), numpy.uint8)] * 8
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     clip = papr_core.read_clip(write_clip(dark, os.path.join(folder, "dark.mp4"), fps=8))
    >>> len(clip), clip.frames[0].size, clip.info.seconds
    (8, (64, 48), 1.0)

    Raises:
        UnreadableClip: in one sentence, what is wrong; size and length are checked before anything is
        decoded.
    """
    with _opened(source, max_bytes) as file:
        head = file.read(32)
        file.seek(0)
        if kind := animated_kind(head):
            step = progress or (lambda done, of: None)
            frames, times, size, seconds, count = read_animated(
                file, kind, pick or evenly(32), short_side=short_side, max_pixels=max_pixels, step=step
            )
            _check_length(seconds, max_seconds)
            return Clip(tuple(frames), tuple(times), ClipInfo(kind, *size, seconds, count))
        return _read(file, pick, short_side, exact, max_pixels, max_seconds, progress)


def _read(
    file: "BinaryIO | _Nameless",
    pick: Pick | None,
    short_side: int,
    exact: bool,
    max_pixels: int,
    max_seconds: float,
    progress: Callable[[int, int], None] | None,
) -> Clip:
    step = progress or (lambda done, of: None)
    with ExitStack() as opened:
        container = opened.enter_context(_container(file, max_pixels))
        stream = _video_stream(container)
        context = stream.codec_context
        _check_pixels(context.width, context.height, max_pixels)
        _check_length((container.duration or 0) / 1e6, max_seconds)
        index = _Index.of(container, stream, step)
        _check_length(index.seconds, max_seconds)
        if container.format.name in _BARE:  # no seeking there: it is opened once more
            file.seek(0)
            container = opened.enter_context(_container(file, max_pixels))
            stream = _video_stream(container)
        wanted = list((pick or evenly(32))(len(index)))
        budget = max(_DECODED_FRAMES, _DECODED_PIXELS // (context.width * context.height))
        chosen = wanted if exact else index.within(wanted, budget)
        each = sorted(set(chosen))
        if len(index) <= budget:
            index = index.from_the_start()
        most = None if exact else _GROWN * budget * context.width * context.height
        limits = (max_pixels, most)
        shown = dict(zip(each, _decode(container, stream, index, each, short_side, step, limits)))
        width, height = shown[each[0]].size
        return Clip(
            frames=tuple(shown[i].picture for i in chosen),
            times=tuple(float((shown[i].tick - index.ticks[0]) * index.tick) for i in chosen),
            info=ClipInfo(_codec_name(stream), width, height, index.seconds, len(index)),
            exact=chosen == wanted and all(shown[i].tick == index.ticks[i] for i in each),
        )


def write_clip(frames: "Sequence[Image.Image | np.ndarray]", path: str | os.PathLike, fps: float) -> Path:
    """Write RGB pictures of one size as an MP4 that browsers play while it loads; gives its path.

    H.264 High, yuv420p, index first; an odd side gets its last row or column twice. The file appears whole or
    not at all.

    Raises:
        InvalidInput: no frames, frames of several sizes, or a place that cannot be written.
    """
    arrays = [np.asarray(frame) for frame in frames]
    shape = arrays[0].shape if arrays else None
    if shape is None or len(shape) != 3 or any(array.shape != shape for array in arrays):
        raise InvalidInput("A clip is written from at least one picture, all RGB and of one size.")
    path = Path(path)
    try:
        handle, draft = tempfile.mkstemp(suffix=".mp4", prefix=f".{path.stem}-", dir=path.parent)
        os.close(handle)
        try:
            _encode(arrays, os.path.abspath(draft), fps)
            os.chmod(draft, 0o644)  # mkstemp keeps its files to the owner
            os.replace(draft, path)
        finally:
            Path(draft).unlink(missing_ok=True)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror or error}.") from error
    return path


def _encode(arrays: Sequence[np.ndarray], path: str, fps: float) -> None:
    import av

    height, width = arrays[0].shape[:2]
    rate = Fraction(fps).limit_denominator(1000)
    options = {"preset": "veryfast", "crf": "20"}
    with av.open(path, "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate, options=options)
        context = stream.codec_context
        context.width, context.height = width + width % 2, height + height % 2
        context.pix_fmt, context.profile = "yuv420p", "High"
        # written into the file, or a browser guesses by the size
        context.colorspace, context.color_range = 1, 1
        context.color_primaries, context.color_trc = 1, 1
        for number, array in enumerate(arrays):
            even = np.pad(array, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


# Opening


@contextmanager
def _opened(source: bytes | str | os.PathLike, max_bytes: int) -> Iterator["BinaryIO | _Nameless"]:
    """A clip's bytes as an open file, whose name FFmpeg does not see: it would judge the contents by it."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        _check_bytes(len(source), max_bytes)
        yield io.BytesIO(source)
        return
    if not isinstance(source, (str, os.PathLike)):
        raise UnreadableClip(f"A clip is a file or its bytes, not {type(source).__name__}.")
    path = Path(source)
    try:
        if said := not_a_file(source, "clip"):
            raise UnreadableClip(said)
        file = path.open("rb")
    except (OSError, ValueError) as error:
        if isinstance(error, UnreadableClip):
            raise
        raise UnreadableClip(f"The file {path.name!r} cannot be opened ({error}).") from error
    with file:
        _check_bytes(os.fstat(file.fileno()).st_size, max_bytes)
        yield _Nameless(file)


class _Nameless:
    """What FFmpeg needs of a file."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def _check_bytes(size: int, max_bytes: int) -> None:
    if size == 0:
        raise UnreadableClip("The file is empty: it has zero bytes.")
    if size > max_bytes:
        raise UnreadableClip(
            f"The file has {size / 1e6:.1f} MB, over the limit of {max_bytes / 1e6:g} MB: cut it shorter or "
            f"save it smaller."
        )


@contextmanager
def _container(file: BinaryIO | _Nameless, max_pixels: int) -> Iterator[Any]:
    import av

    head = file.read(12)
    if head[4:8] == b"ftyp" and head[8:12].decode("latin-1") in _STILL_BRANDS:
        raise UnreadableClip(PICTURE)
    check_clip(file)
    options = {**FFMPEG_OPTIONS, "format_whitelist": ",".join((*_CLIPS, *_BARE, *_SOUNDS))}
    options["max_pixels"] = str(2 * max_pixels)  # while FFmpeg probes; more than is allowed has its sentence
    try:
        container = av.open(file, "r", options=options, metadata_errors="replace", buffer_size=1 << 18)
    except av.error.FFmpegError as error:
        if head[4:8] == b"ftyp":
            raise UnreadableClip(
                "The clip is damaged or cut off: the list of its frames is missing."
            ) from error
        raise UnreadableClip(f"The file is not a clip that can be read here ({_KINDS}).") from error
    with container:
        brand = container.metadata.get("major_brand", "").strip()
        if brand in _STILL_BRANDS:
            raise UnreadableClip(PICTURE)
        yield container


def _video_stream(container: Any) -> Any:
    from av.stream import Disposition

    covers = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = [stream for stream in container.streams if not stream.disposition & covers]
    videos = [stream for stream in streams if stream.type == "video"]
    known = [stream for stream in videos if _is_known(stream)]
    if known:
        return max(known, key=lambda stream: stream.codec_context.width * stream.codec_context.height)
    if videos or any(stream.type in ("data", "unknown") for stream in streams):
        raise UnreadableClip(f"The clip's pictures are in a form that is not known here: {_CONVERT}.")
    if streams:
        raise UnreadableClip("The file holds only sound, no pictures.")
    raise UnreadableClip("The file holds no pictures.")


def _is_known(stream: Any) -> bool:
    return stream.codec_context is not None and stream.codec_context.codec.name in CODECS


def _codec_name(stream: Any) -> str:
    name = stream.codec_context.codec.canonical_name
    return {"h264": "H.264", "hevc": "HEVC"}.get(name, name.upper())


def _check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height == 0:
        raise UnreadableClip("The clip's width and height are missing or impossible.")
    if width * height > max_pixels:
        raise UnreadableClip(
            f"The clip has {width} x {height} pixels, over the limit of {max_pixels / 1e6:.0f} megapixels: "
            f"save it smaller."
        )


def _check_length(seconds: float, max_seconds: float) -> None:
    if seconds > max_seconds:
        raise UnreadableClip(
            f"The clip lasts {seconds / 60:,.1f} minutes, over the limit of {max_seconds / 60:g}: "
            f"cut it shorter."
        )


# The frames that there are, and how far each is from a keyframe


@dataclass(frozen=True, eq=False)
class _Index:
    """The times of all frames, ascending, in ticks of `tick` seconds, and which of them are keyframes.

    counted: packets do not say when they are shown (AVI, bare streams), and B-frames come out in another
    order; so frames are counted as they come out, from a keyframe on.
    """

    ticks: list[int]
    keys: list[int]
    tick: Fraction
    seconds: float
    counted: bool = False

    def __len__(self) -> int:
        return len(self.ticks)

    @classmethod
    def of(cls, container: Any, stream: Any, step: Callable[[int, int], None]) -> "_Index":
        """Walk the packets; nothing is decoded. Raises UnreadableClip where packets are missing."""
        import av

        found: dict[int, tuple[bool, int]] = {}
        packets, last, size, before, decoded = 0, 0.0, 0, None, None
        in_order = container.format.name == "avi"  # which keeps no time but the order of decoding
        bare = container.format.name in _BARE
        try:
            for number, packet in enumerate(container.demux()):
                if number % 10_000 == 0:
                    step(0, 1)
                size += packet.size
                if number > MOST_PACKETS or packets > MOST_FRAMES:
                    raise UnreadableClip("The clip has millions of frames: cut it shorter.")
                if size > 8 * container.size + _INFLATED:
                    raise UnreadableClip(f"The clip's frames are packed many times over: {_CONVERT}.")
                when = packet.pts if packet.pts is not None else packet.dts
                if bare and packet.size and packet.stream_index == stream.index:
                    when = packets
                if when is None:
                    continue
                if packet.stream_index == stream.index and packet.dts is not None and not bare:
                    if decoded is not None and (decoded - packet.dts) * packet.time_base > 0.5:
                        raise UnreadableClip(f"The clip's times begin anew in its middle: {_CONVERT}.")
                    decoded = packet.dts
                last = max(last, float((when + (packet.duration or 0)) * packet.time_base))
                if packet.stream_index == stream.index:
                    packets += 1
                    in_order &= before is None or when > before
                    before = when
                    if packet.has_sidedata("encryption_info"):
                        raise UnreadableClip("The clip is encrypted: only unprotected clips can be read.")
                    if not packet.is_discard:
                        found[when] = (packet.is_keyframe, packet.duration or 0)
        except av.error.FFmpegError:
            pass  # what came before counts, and is compared with what the file promised
        if not found:
            raise UnreadableClip("The clip holds no frames.")
        if bare:
            rate = stream.average_rate or stream.guessed_rate or Fraction(25)
            return cls(list(range(packets)), [0], 1 / rate, float(packets / rate), counted=True)
        promised, start = stream.frames, (container.start_time or 0) / 1e6
        seconds = (container.duration or 0) / 1e6
        if "matroska" in container.format.name:  # which counts from zero, wherever its first frame is
            seconds -= max(0.0, start)
        if packets < 0.98 * promised:
            raise UnreadableClip(f"The clip is damaged or cut off: {packets} of {promised} frames are there.")
        if seconds - (last - start) > max(1.0, 0.05 * seconds):
            raise UnreadableClip(
                f"The clip is damaged or cut off: {last - start:.1f} of {seconds:.1f} seconds are there."
            )
        ticks = sorted(found)
        keys = sorted({0, *(i for i, when in enumerate(ticks) if found[when][0])})
        # the last frame lasts as long as its packet says, or as the others do
        length = found[ticks[-1]][1] or (ticks[-1] - ticks[0]) // max(1, len(ticks) - 1)
        seconds = float((ticks[-1] - ticks[0] + length) * stream.time_base)
        counted = bool(in_order and stream.codec_context.has_b_frames)
        return cls(ticks, keys, stream.time_base, seconds, counted)

    def from_the_start(self) -> "_Index":
        """The same, counted from the first frame alone: exact where groups of frames overlap, too."""
        return replace(self, keys=[0]) if self.counted else self

    def key_of(self, frame: int) -> int:
        """The keyframe from which a frame is reached."""
        return self.keys[bisect_right(self.keys, frame) - 1]

    def within(self, wanted: Sequence[int], budget: int) -> list[int]:
        """The wanted frames, or others near them, so that no more than `budget` are decoded on the way."""
        reach = len(self)
        chosen = list(wanted)
        while self._cost(chosen) > budget and reach > 1:
            reach = (reach + 1) // 2
            chosen = self._near(wanted, reach)
        return chosen

    def _cost(self, frames: Sequence[int]) -> int:
        furthest: dict[int, int] = {}
        for frame in frames:
            key = self.key_of(frame)
            furthest[key] = max(furthest.get(key, 0), frame - key + 1)
        return sum(furthest.values())

    def _near(self, wanted: Sequence[int], reach: int) -> list[int]:
        """For each wanted frame the nearest of those less than `reach` after a keyframe, each once; where
        there are too few for that, such frames evenly."""
        ends = [*self.keys[1:], len(self)]
        near = []
        for frame in wanted:
            place = bisect_right(self.keys, frame) - 1
            key, end = self.keys[place], ends[place]
            if frame - key >= reach:
                before, after = key + reach - 1, end
                frame = after if after < len(self) and after - frame < frame - before else before
            near.append(frame)
        if len(set(near)) == len(set(wanted)):
            return near
        there = [i for key, end in zip(self.keys, ends) for i in range(key, min(end, key + reach))]
        return [there[i] for i in evenly(len(wanted))(len(there))]


# Decoding


@dataclass(frozen=True, eq=False)
class _Shown:
    """A decoded frame as a picture, when it is shown (in ticks), and the clip's upright size in pixels."""

    picture: "Image.Image"
    tick: int
    size: tuple[int, int]


def _decode(
    container: Any,
    stream: Any,
    index: _Index,
    frames: Sequence[int],
    short_side: int,
    step: Callable[[int, int], None],
    limits: tuple[int, int | None],
) -> list[_Shown]:
    """The frames of these numbers, ascending; a damaged one is stood in for by the next. limits: pixels of a
    frame, and of all that are decoded, whatever the first one has.

    It seeks only where keyframes can be skipped, so that neighbouring frames share the way to them.
    """
    from av.video.reformatter import VideoReformatter

    max_pixels, most = limits
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = min(4, os.cpu_count() or 1)
    stream.codec_context.options = {
        "max_pixels": str(max_pixels)
    }  # of each frame, whatever the first one has
    shown: list[_Shown] = []
    scaler = VideoReformatter()  # one for all frames, or each keeps its own threads
    picture, place, coming, spent = None, -1, iter(()), 0
    for frame in frames:
        key = index.key_of(frame)
        if picture is None or key > place + 1:
            start = _counted_from if index.counted else _from
            picture, place, coming = None, key - 1, start(container, stream, index.ticks[key])
        while picture is None or place < frame:
            step(len(shown), len(frames))
            following = next(coming, None)
            if following is None:  # the data ends early: the last frame that came stands in
                break
            spent += following.width * following.height
            if most is not None and spent > most:
                raise UnreadableClip(f"The clip's frames are larger than its first: {_CONVERT}.")
            picture = following
            place = place + 1 if index.counted else bisect_left(index.ticks, following.pts)
        if picture is not None:
            tick = index.ticks[place] if index.counted else picture.pts
            shown.append(_shown(picture, tick, stream, short_side, scaler))
    if len(shown) < len(frames):
        raise UnreadableClip(f"The clip is damaged: {len(frames) - len(shown)} frames cannot be decoded.")
    return shown


def _from(container: Any, stream: Any, tick: int) -> Iterator[Any]:
    """Decoded frames from a keyframe on, or from the start where seeking misses it."""
    container.seek(tick, stream=stream)
    coming = _decoded(container, stream)
    first = next(coming, None)
    if first is None or first.pts > tick:
        container.seek(0, backward=True)
        coming = _decoded(container, stream)
        first = next(coming, None)
    if first is not None:
        yield first
    yield from coming


def _counted_from(container: Any, stream: Any, tick: int) -> Iterator[Any]:
    """Decoded frames from a keyframe on, which comes first; bare streams are at their start."""
    if container.format.name not in _BARE:
        container.seek(tick, stream=stream)
    coming = _decoded(container, stream, timed=False)
    yield from itertools.dropwhile(lambda frame: not frame.key_frame, coming)


def _decoded(container: Any, stream: Any, *, timed: bool = True) -> Iterator[Any]:
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            pictures = packet.decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError:  # a damaged packet; later ones may do
            continue
        yield from (picture for picture in pictures if not timed or picture.pts is not None)


def _shown(frame: Any, tick: int, stream: Any, short_side: int, scaler: Any) -> _Shown:
    """A frame upright, with square pixels, no larger than asked."""
    from PIL import Image

    aspect = float(stream.sample_aspect_ratio or 1)
    aspect = aspect if 0.1 <= aspect <= 10 else 1.0
    width, height = max(1, round(frame.width * aspect)), frame.height
    scale = min(1.0, short_side / min(width, height), 4 * short_side / max(width, height))
    scaled = {"width": max(1, round(width * scale)), "height": max(1, round(height * scale))}
    how = "AREA" if scale < 1 else "BICUBIC"
    turn = _display_matrix(frame)

    def coded(form: str) -> np.ndarray:
        how_coded = {"format": form, "interpolation": how, "src_colorspace": _matrix(frame)}
        return _upright(scaler.reformat(frame, **how_coded, **scaled).to_ndarray(), turn)

    if any(component.is_alpha for component in frame.format.components):
        over = Image.fromarray(coded("rgba"))
        picture = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")
    elif frame.color_trc in (HLG, PQ) or frame.color_primaries in WIDE:
        picture = Image.fromarray(in_srgb(coded("rgb48le"), int(frame.color_trc), int(frame.color_primaries)))
    else:
        picture = Image.fromarray(coded("rgb24"))
    size = (height, width) if turn and turn[0] == turn[3] == 0 else (width, height)
    return _Shown(picture, tick, size)


def _matrix(frame: Any) -> str | None:
    """How colours are coded in a frame that does not say it, as browsers guess; None: as it says."""
    if frame.colorspace != 2:
        return None
    return "ITU709" if frame.height >= 720 else "ITU601"


def _display_matrix(frame: Any) -> tuple[int, int, int, int] | None:
    """The signs of (a, b, c, d) in x' = a x + c y, y' = b x + d y: how a phone was held."""
    from av.sidedata.sidedata import SideDataContainer

    # not frame.side_data: the frame keeps that, and it the frame, so 1080p would pile up until a collection
    data = SideDataContainer(frame).get("DISPLAYMATRIX")  # type: ignore[call-arg]  # the stub forgets the frame
    if data is None:
        return None
    a, b, _, c, d = np.frombuffer(bytes(data), dtype=np.int32)[:5].tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        return 0, _sign(b), _sign(c), 0
    return _sign(a), 0, 0, _sign(d)


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def _upright(array: np.ndarray, turn: tuple[int, int, int, int] | None) -> np.ndarray:
    if turn is None:
        return array
    a, b, c, d = turn
    if a == d == 0:
        array = array.transpose(1, 0, 2)
    across, down = (c, b) if a == d == 0 else (a, d)
    return np.ascontiguousarray(array[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])
