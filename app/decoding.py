"""Strangers' files are decoded in processes of their own (decoder.py), which are warm before anybody asks.

Two decode at once what is quick: almost every picture, and Live. What takes longer or more memory, and clips,
goes to a third, one at a time and behind everything else. A process that is beyond its limits, or whose
visitor is gone, is killed, and a fresh one takes its place. What comes back is numbers and pixels, checked.
"""

import atexit
import functools
import io
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from papr_core import errors
from papr_core.errors import InvalidInput, Stopped, UnreadableClip, UnreadableImage

if TYPE_CHECKING:
    from PIL import Image

    from papr_core.data.clips import Clip, Pick

__all__ = ["MAX_MEGAPIXELS", "Decoding", "Lane", "NotQuick", "bands", "decoding"]

MAX_MEGAPIXELS = 50  # of a picture; a frame has its own limit in the library
MEGABYTE = 1_000_000
MESSAGE = 4 * MEGABYTE  # the longest; pixels are no part of it
BAND = 1 << 18  # pixels that are sent and taken at once, into memory that is taken only once
EVERY = 0.05  # seconds between two looks whether somebody still waits

ROOT = Path(__file__).resolve().parent.parent
# All that a decoder gets of the page's environment: no keys, no tokens.
INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TEMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "PYTHONHOME")


class NotQuick(InvalidInput):
    """A picture that takes longer, or more memory, than where somebody else would wait for it."""


@dataclass(frozen=True)
class Lane:
    """How many processes, and what an order may take: bytes of memory, seconds of processor time, and
    seconds by the clock where others use the processor too."""

    processes: int
    memory: int
    seconds: float
    clock: float
    nice: int


QUICK = Lane(processes=2, memory=160 * MEGABYTE, seconds=0.8, clock=6, nice=0)
PATIENT = Lane(processes=1, memory=640 * MEGABYTE, seconds=12, clock=60, nice=5)


class Decoding:
    """The processes, and their orders. Its methods may be called from any thread."""

    def __init__(self, quick: Lane = QUICK, patient: Lane = PATIENT) -> None:
        self._quick, self._patient = quick, patient
        self._rooms = {lane: _Room(lane) for lane in (quick, patient)}
        self._watch = _Watch()

    def warm_up(self) -> None:
        """Start all processes; they are ready a third of a second later."""
        for room in self._rooms.values():
            room.fill()

    def close(self) -> None:
        """End them."""
        for room in self._rooms.values():
            room.close()

    def picture(
        self,
        source: Path | bytes,
        *,
        patient: bool,
        gone: Callable[[], bool] = lambda: False,
        max_pixels: int = MAX_MEGAPIXELS * MEGABYTE,
        stretch: bool = False,
    ) -> "Image.Image":
        """As `papr_core.read_image` reads it. patient: what is not quick may take longer.

        Raises:
            UnreadableImage: what is wrong with it. NotQuick: where it may not take longer. Stopped: `gone`.
        """
        order = {"what": "picture", "max_pixels": max_pixels, "stretch": stretch}
        try:
            return self._picture(self._quick, source, order, gone)
        except _Beyond:
            if not patient:
                raise NotQuick("This picture takes long to read; choose it again.") from None
        try:
            return self._picture(self._patient, source, order, gone)
        except _Beyond as error:
            raise UnreadableImage(
                f"To read this picture takes {error}: save it smaller, or as JPEG."
            ) from None

    def clip(
        self,
        source: Path,
        pick: "Pick",
        *,
        gone: Callable[[], bool] = lambda: False,
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> "Clip":
        """As `papr_core.read_clip` reads it; progress ends the reading by what it raises.

        Raises:
            UnreadableClip: what is wrong with it. Stopped: `gone`.
        """
        from papr_core.data.clips import Clip, ClipInfo

        try:
            with self._ordered(self._patient, source, {"what": "clip"}, gone) as process:
                while "sizes" not in (told := process.hear()):
                    if "pick" in told:
                        process.say({"frames": list(map(int, pick(_whole(told["pick"]))))})
                    else:
                        progress(*map(_whole, told["progress"]))
                frames = [process.pixels(size) for size in told["sizes"]]
                info = told["info"]
                numbers = {name: _whole(info[name]) for name in ("width", "height", "frames")}
                return Clip(
                    frames=tuple(frames[_whole(place)] for place in told["shown"]),
                    times=tuple(map(float, told["times"])),
                    info=ClipInfo(codec=str(info["codec"])[:40], seconds=float(info["seconds"]), **numbers),
                    exact=told["exact"] is True,
                )
        except _Beyond as error:
            raise UnreadableClip(
                f"To read this clip takes {error}: cut it shorter, or save it smaller as MP4 with H.264."
            ) from None

    def _picture(
        self, lane: Lane, source: Path | bytes, order: dict, gone: Callable[[], bool]
    ) -> "Image.Image":
        with self._ordered(lane, source, order, gone) as process:
            (size,) = process.hear()["sizes"]
            return process.pixels(size)

    @contextmanager
    def _ordered(
        self, lane: Lane, source: Path | bytes, order: dict, gone: Callable[[], bool]
    ) -> "Iterator[_Process]":
        """A process that has this order; killed afterwards unless it says that it can go on."""
        data = source if isinstance(source, bytes) else b""
        order |= {"path": None if isinstance(source, bytes) else str(source), "bytes": len(data)}
        order |= {"memory": lane.memory, "seconds": lane.seconds}
        room = self._rooms[lane]
        process = room.take(gone)
        try:
            with self._watch.over(process, gone, lane.clock) as ended:
                try:
                    process.say(order, data)
                    yield process
                    process.finish()
                except (EOFError, BrokenPipeError):
                    raise (ended or [_Beyond(process.last_words(lane))])[0] from None
        finally:
            room.give(process)


@functools.cache
def decoding() -> Decoding:
    """This program's, for all its pages; ends with it."""
    found = Decoding()
    atexit.register(found.close)
    return found


def bands(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """A picture in boxes of at most BAND pixels, in the order in which they are sent."""
    across = min(width, BAND)
    down = BAND // across
    for top in range(0, height, down):
        for left in range(0, width, across):
            yield left, top, min(left + across, width), min(top + down, height)


# Within


class _Beyond(Exception):
    """What is more than a lane gives, as the end of "it takes"."""


class _Process:
    """One decoder."""

    def __init__(self, nice: int) -> None:
        kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
        paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", f"{__package__}.decoder", str(nice)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**kept, "PYTHONPATH": paths, "MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"},
        )
        self._orders = cast(io.FileIO, self._process.stdin)  # pipes, and no buffers
        self._answers = cast(io.FileIO, self._process.stdout)
        self._ready = self.again = False
        self._band = bytearray(3 * BAND)
        with suppress(ImportError, AttributeError, OSError):  # Linux alone has it
            import fcntl

            fcntl.fcntl(self._answers, fcntl.F_SETPIPE_SZ, 1 << 20)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def say(self, told: dict[str, Any], data: bytes = b"") -> None:
        if not self._ready:
            self._message()
            self._ready = True
        self.again = False
        text = json.dumps(told).encode()
        left = memoryview(len(text).to_bytes(4, "big") + text + data)
        while left:
            left = left[self._orders.write(left) :]

    def hear(self) -> dict[str, Any]:
        """The next message of an order's. Raises what it says was wrong."""
        told = self._message()
        if "memory" in told:
            self.finish()
            raise _Beyond("more memory than this page gives to one")
        if "error" in told:
            self.finish()
            raise getattr(errors, told["error"], InvalidInput)(str(told["text"]))
        if "failed" in told:
            self.finish()
            raise RuntimeError(f"a decoder failed: {told['failed']}")
        return told

    def finish(self) -> None:
        """At the end of an order: can the process take another one?"""
        self.again = self._message().get("again") is True

    def pixels(self, size: list) -> "Image.Image":
        from PIL import Image

        width, height = map(_whole, size)
        if not 0 < width * height <= 2 * MAX_MEGAPIXELS * MEGABYTE:
            raise EOFError
        # None: not blackened first, for every pixel comes or none is shown
        image = Image.new("RGB", (width, height), None)
        for left, top, right, bottom in bands(width, height):
            part = (right - left, bottom - top)
            band = self._fill(memoryview(self._band)[: 3 * part[0] * part[1]])
            image.paste(Image.frombytes("RGB", part, band), (left, top))
        return image

    def last_words(self, lane: Lane) -> str:
        """Why it ended by itself."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        if self._process.poll() == -getattr(signal, "SIGPROF", 0):
            return f"more than {lane.seconds:g} seconds"
        return "more than its decoder bears"

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        """Kill it, and close what leads to it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._orders, self._answers):
            with suppress(OSError):
                pipe.close()

    def _message(self) -> dict[str, Any]:
        length = int.from_bytes(self._bytes(4), "big")
        if length > MESSAGE:
            raise EOFError
        return json.loads(self._bytes(length))

    def _bytes(self, count: int) -> bytes:
        return bytes(self._fill(memoryview(bytearray(count))))

    def _fill(self, data: memoryview) -> memoryview:
        left = data
        while left:
            come = self._answers.readinto(left)
            if not come:
                raise EOFError
            left = left[come:]
        return data


class _Room:
    """The processes of a lane, those that wait for an order in a queue."""

    def __init__(self, lane: Lane) -> None:
        self._lane, self._lock = lane, threading.Lock()
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        self._all: set[_Process] = set()

    def fill(self) -> None:
        while self._start():
            pass

    def take(self, gone: Callable[[], bool]) -> _Process:
        """One that waits; where all work, the first that has done. Raises Stopped."""
        while True:
            try:
                process = self._idle.get(block=len(self._all) >= self._lane.processes, timeout=EVERY)
            except queue.Empty:
                if gone():
                    raise Stopped from None
                self._start()
                continue
            if process.alive:
                return process
            self._replace(process)

    def give(self, process: _Process) -> None:
        """It has done; a fresh one takes its place where it cannot go on."""
        if process.again:
            self._idle.put(process)
        else:
            self._replace(process)

    def close(self) -> None:
        for process in list(self._all):
            process.end()

    def _start(self) -> bool:
        with self._lock:
            if len(self._all) >= self._lane.processes:
                return False
            process = _Process(self._lane.nice)
            self._all.add(process)
        self._idle.put(process)
        return True

    def _replace(self, process: _Process) -> None:
        process.end()
        with self._lock:
            self._all.discard(process)
        self._start()


class _Watch:
    """A thread that kills processes which have worked for too long, or whose visitor is gone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._orders: dict[_Process, tuple[Callable[[], bool], float, list[Exception]]] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, process: _Process, gone: Callable[[], bool], clock: float) -> Iterator[list[Exception]]:
        """Within it the process is looked after; the list has the reason where it was killed."""
        ended: list[Exception] = []
        with self._changed:
            self._orders[process] = gone, time.monotonic() + clock, ended
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, daemon=True)
                self._thread.start()
            self._changed.notify()
        try:
            yield ended
        finally:
            with self._changed:
                del self._orders[process]

    def _look(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._orders)
                for process, (gone, until, ended) in self._orders.items():
                    if ended:
                        continue
                    if gone():
                        ended.append(Stopped())
                    elif time.monotonic() > until:
                        ended.append(_Beyond("too long here"))
                    if ended:
                        process.kill()
            time.sleep(EVERY)


def _whole(value: object) -> int:
    """A number that a decoder told, which may be anything once a file has broken it."""
    if not isinstance(value, int):
        raise EOFError
    return value
