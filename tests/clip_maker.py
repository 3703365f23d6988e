"""Clips encoded for the tests: each frame carries its number, so that a test sees which one was read."""

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np

STEP = 8  # grey levels between the frames; codecs stay well within


def numbered(number: int, size: tuple[int, int] = (64, 96)) -> np.ndarray:
    """A picture (H, W, 3): its right half as grey as the frame's number, green, red and blue corners left."""
    height, width = size
    picture = np.full((height, width, 3), 128, np.uint8)
    picture[:, width // 2 :] = number * STEP % 256
    picture[: height // 2, : width // 4] = (0, 200, 0)
    picture[height // 2 :, : width // 4] = (200, 0, 0)
    picture[height // 2 :, width // 4 : width // 2] = (0, 0, 200)
    return picture


def number_of(picture) -> int:
    """The number of an upright frame made by `numbered`, below 32."""
    array = np.asarray(picture)
    patch = array[array.shape[0] // 4 : -(array.shape[0] // 4), array.shape[1] * 5 // 8 : -2]
    return round(float(np.median(patch)) / STEP)


def encode(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    times: Sequence[int] | None = None,
    rate: int = 24,
    gop: int = 6,
    sound: bool = False,
    orientation: tuple[float, bool] | None = None,
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
    aspect: Fraction | None = None,
) -> Path:
    """Write a clip. times: of frames, in 1/rate s; orientation: (degrees, mirrored), as phones note it."""
    import av

    with _usual_priority(), av.open(str(path), "w", options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.gop_size = gop
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if orientation:
            stream.set_display_rotation(orientation[0], hflip=orientation[1])
        track = container.add_stream("aac", rate=48000) if sound else None
        for number, array in enumerate(frames):
            form = "rgba" if array.shape[2] == 4 else "rgb24"
            frame = av.VideoFrame.from_ndarray(array, format=form)
            frame.pts, frame.time_base = times[number] if times else number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if track:
            _silence(container, track, len(frames) / rate)
    return path


@contextmanager
def _usual_priority() -> Iterator[None]:
    """SVT-AV1, run by root, leaves the calling thread at real-time priority: a browser started next would
    starve."""
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, parameters)


def bad_clips(folder: Path) -> dict[str, tuple[Path, str]]:
    """Files that are no clips, or clips that must be refused: {case: (path, words of the sentence)}."""
    whole = encode(folder / "whole.mp4", [numbered(i) for i in range(12)])
    data = whole.read_bytes()
    place = data.rindex(b"avc1")  # in the description of the track
    huge = bytearray(encode(folder / "huge.gif", [numbered(0)], codec="gif", pix_fmt="gray").read_bytes())
    huge[6:10] = (8000).to_bytes(2, "little") * 2
    keys = {"encryption_key": "00" * 16, "encryption_kid": "11" * 16}
    small = encode(folder / "small.gif", [numbered(i) for i in range(2)], codec="gif", pix_fmt="rgb8")
    gif = bytearray(small.read_bytes())
    gif[6:10] = b"\xff\xff\xff\xff"
    broken = {
        "empty": (b"", "zero bytes"),
        "a text renamed": (b"no clip at all\n" * 100, "not a clip that can be read here"),
        "a picture renamed": (_png(), "a picture, not a clip"),
        "cut off": (data[: len(data) // 2], "damaged or cut off"),
        "an unknown codec": (data[:place] + b"zzzz" + data[place + 4 :], "not known here"),
        "absurd dimensions": (bytes(gif), "missing or impossible"),
        "too many pixels": (bytes(huge), "pixels, over the limit"),
    }
    made = {
        "no frames": (remux(whole, folder / "frameless.avi", frames=0), "no frames"),
        "sound only": (encode_sound(folder / "sound.m4a"), "only sound"),
        "encrypted": (
            remux(whole, folder / "locked.mp4", encryption_scheme="cenc-aes-ctr", **keys),
            "encrypted",
        ),
        "absurd duration": (
            encode(folder / "late.mp4", [numbered(0), numbered(1)], times=[0, 24 * 40_000]),
            "over the limit of 120",
        ),
    }
    for case, (content, words) in broken.items():
        path = folder / f"{case}.mp4"
        path.write_bytes(content)
        made[case] = (path, words)
    return made


def _png() -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "PNG")
    return buffer.getvalue()


def encode_sound(path: Path) -> Path:
    """A second of silence, and no pictures."""
    import av

    with av.open(str(path), "w") as container:
        _silence(container, container.add_stream("aac", rate=48000), 1)
    return path


def remux(source: Path, path: Path, *, frames: int | None = None, **muxer: str) -> Path:
    """The same frames, or the first of them, in another file, written with the muxer's options."""
    import av

    with av.open(str(source)) as given, av.open(str(path), "w", options=muxer) as container:
        stream = container.add_stream_from_template(given.streams.video[0])
        container.start_encoding()
        for packet in itertools.islice(given.demux(given.streams.video[0]), frames):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    return path


def _silence(container, track, seconds: float) -> None:
    import av

    frame = av.AudioFrame.from_ndarray(
        np.zeros((1, round(48000 * seconds)), np.float32), format="fltp", layout="mono"
    )
    frame.sample_rate, frame.pts = 48000, 0
    container.mux(track.encode(frame))
    container.mux(track.encode())
