"""Files made to be dear, through the real server: nobody waits, memory stays, one sentence comes back."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import clip_maker
import dear_files
import httpx
import numpy as np
import page_server
import pytest
from PIL import Image

PICTURES, CLIPS = dear_files.pictures(), dear_files.clips()
# What is said of a file for what it says of itself, and not for what it took to read it.
REFUSALS = (
    "far more than", "The clip has", "limit of", "far over", "not read here", "this page reads",
    "is a picture",
)  # fmt: skip
REFUSED_HERE = ("JPEG2000", "ICO", "PPM")  # which the library reads
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc, or limits of Linux")


@pytest.fixture(scope="module")
def demo(weights_folder):
    with page_server.running(weights_folder) as demo:
        demo.shared.warm_up()
        with httpx.Client(base_url=demo.address, timeout=60) as client:
            assert "event: complete" in asked(
                client, "compare", page_server.png(40)
            )  # the first takes longer
        yield demo


@pytest.fixture
def apart():
    """Processes of this test's own: a function of their limits."""
    from app.decoding import PATIENT, QUICK, Decoding, Lane

    made = []

    def make(quick: dict | None = None, patient: dict | None = None) -> Decoding:
        lanes = (
            Lane(**{**vars(lane), **(change or {})}) for lane, change in ((QUICK, quick), (PATIENT, patient))
        )
        made.append(Decoding(*lanes))
        return made[-1]

    yield make
    for one in made:
        one.close()


def asked(http, name: str, data: bytes) -> str:
    """What the API says of a file."""
    files = {"files": ("a.bin", data, "application/octet-stream")}
    path = http.post("/gradio_api/upload", files=files).json()[0]
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    key = {"compare": "image", "video": "clip"}[name]
    told = {key: file, **({"methods": ["papr"]} if name == "compare" else {})}
    event = http.post(f"/gradio_api/call/v2/{name}", json=told).json()["event_id"]
    return http.get(f"/gradio_api/call/{name}/{event}").text


class Somebody:
    """Another visitor, who asks a small thing again and again: longest wait, and highest memory (MB)."""

    def __init__(self, address: str) -> None:
        self.longest, self.highest = 0.0, 0
        self._address, self._done = address, threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Somebody":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _ask(self) -> None:
        with httpx.Client(base_url=self._address, timeout=60) as client:
            while not self._done.wait(0.02):
                began = time.monotonic()
                client.get("/gradio_api/startup-events")
                self.longest = max(self.longest, time.monotonic() - began)
                self.highest = max(self.highest, megabytes())


def megabytes() -> int:
    """Of this process, in which the page runs, and of all that it started."""
    total, waiting = 0, [os.getpid()]
    while waiting:
        process = waiting.pop()
        try:
            status = Path(f"/proc/{process}/status").read_text()
            total += int(status.partition("VmRSS:")[2].split()[0] or 0) // 1000
            for task in Path(f"/proc/{process}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except (OSError, IndexError):
            continue
    return total


@LINUX
@pytest.mark.parametrize("case", [*PICTURES, *CLIPS])
def test_a_dear_file_costs_nobody_anything(demo, http, case):
    name, data = ("compare", PICTURES[case]) if case in PICTURES else ("video", CLIPS[case])
    before = megabytes()
    for _ in range(2):  # when the whole machine stood still, once more
        with Somebody(demo.address) as somebody:
            told = asked(http, name, data)
        assert "event: error" in told
        assert any(words in told for words in REFUSALS)
        assert "Traceback" not in told
        assert len(told) < 500
        assert somebody.highest - before < 300 + 3 * len(data) / 1e6
        if somebody.longest < 2:  # a tenth of a second where nothing else runs
            break
    else:
        raise AssertionError(f"another visitor waited {somebody.longest:.1f} s, twice")


@LINUX
def test_a_clip_whose_later_frames_are_larger_stays_small(demo, http):
    before = megabytes()
    with Somebody(demo.address) as somebody:
        told = asked(http, "video", dear_files.growing())
    assert "event: complete" in told  # its first frame stands in for those that cannot be read
    assert somebody.highest - before < 300


@LINUX
def test_an_avi_of_millions_of_sounds_is_counted(monkeypatch, tmp_path):
    """In this process: nine million would take a file of 72 MB."""
    from papr_core import UnreadableClip, read_clip
    from papr_core.data import clips

    path = clip_maker.encode(tmp_path / "a.avi", [clip_maker.numbered(i) for i in range(4)], codec="mpeg4")
    data = path.read_bytes()
    at = data.index(b"movi")
    noise = b"01wb\0\0\0\0" * 3000
    size = int.from_bytes(data[at - 4 : at], "little") + len(noise)
    data = data[: at - 4] + size.to_bytes(4, "little") + b"movi" + noise + data[at + 4 :]
    heard = []
    monkeypatch.setattr(clips, "MOST_PACKETS", 2)
    with pytest.raises(UnreadableClip, match="millions of frames"):
        read_clip(data, progress=lambda *told: heard.append(told))
    assert heard  # who reads it can stop it on the way


@pytest.mark.parametrize("kind", REFUSED_HERE)
def test_what_no_browser_shows_is_refused_before_it_is_decoded(demo, http, kind):
    from papr_core import read_image

    stream = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(stream, kind)
    assert read_image(stream.getvalue()).size == (32, 32)
    assert "save it as one of these" in asked(http, "compare", stream.getvalue())


def test_large_pictures_go_the_patient_way(demo, http):
    """More than a quick process has: the stream says that the rest is slow work, and the API waits for it."""
    from app.decoding import NotQuick, decoding

    stream = io.BytesIO()
    Image.new("1", (7000, 7000)).save(stream, "PNG")
    with pytest.raises(NotQuick, match="takes long to read"):
        decoding().picture(stream.getvalue(), patient=False)
    assert "event: complete" in asked(http, "compare", stream.getvalue())


@LINUX
@pytest.mark.parametrize("case", ["WEBP", "AVIF", "a JPEG without its end"])
def test_a_picture_too_large_for_the_quick_ones_is_not_called_damaged(apart, case):
    """Whatever its decoder says where there is no memory for it."""
    from app.decoding import NotQuick

    decoding, stream = apart(quick={"memory": 60_000_000}), io.BytesIO()
    form = "JPEG" if "JPEG" in case else case
    more = {"lossless": True, "method": 0} if form == "WEBP" else {}
    Image.new("RGB", (3600, 3000)).save(stream, form, **more)
    data = stream.getvalue()[: -2 if form == "JPEG" else None]
    with pytest.raises(NotQuick):
        decoding.picture(data, patient=False)
    assert decoding.picture(data, patient=True).size == (3600, 3000)


def test_a_row_of_millions_of_pixels_comes_in_pieces(apart):
    """The decoder had no memory left to send it, and its page waited for the pixels."""
    decoding, stream = apart(quick={"memory": 100_000_000}), io.BytesIO()
    row = np.arange(18_000_000, dtype=np.uint32).astype(np.uint8).reshape(1, -1, 3)
    Image.fromarray(row).save(stream, "PNG", compress_level=1)
    began = time.monotonic()
    assert np.array_equal(np.asarray(decoding.picture(stream.getvalue(), patient=False)), row)
    assert time.monotonic() - began < 5  # a third of a second where nothing else runs


# the processes


def test_pixels_come_back_as_they_are_read_here(apart, tmp_path):
    from papr_core import read_clip, read_image
    from papr_core.data.clips import strided

    decoding = apart()
    data = page_server.png(41, (1300, 1100))
    (tmp_path / "a.png").write_bytes(data)
    for source in (data, tmp_path / "a.png"):
        assert decoding.picture(source, patient=False).tobytes() == read_image(data).tobytes()
    path = clip_maker.encode(tmp_path / "a.mp4", [clip_maker.numbered(i) for i in range(5)])
    heard = []
    for pick in (lambda frames: [0, frames - 1], strided(8, 2)):
        ours, theirs = (
            read_clip(path, pick),
            decoding.clip(path, pick, progress=lambda *told: heard.append(told)),
        )
        assert (ours.times, ours.info, ours.exact) == (theirs.times, theirs.info, theirs.exact)
        assert all(np.array_equal(a, b) for a, b in zip(ours.frames, theirs.frames))
        assert len(ours) == len(theirs)
    assert heard


@LINUX
def test_a_decoder_has_no_secrets_and_no_torch(apart, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    decoding = apart()
    decoding.picture(page_server.png(), patient=False)
    (process,) = children(decoding)
    assert b"secret" not in Path(f"/proc/{process}/environ").read_bytes()
    assert "torch" not in Path(f"/proc/{process}/maps").read_text()


@LINUX
@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"memory": 20_000_000}, "more memory"),
        ({"seconds": 0.05}, "more than 0.05 seconds"),
        ({"clock": 0.3}, "too long"),
    ],
)
def test_beyond_a_limit_comes_a_sentence_and_a_fresh_process(apart, limit, words):
    from papr_core import UnreadableImage

    decoding = apart(quick=limit, patient=limit)
    stream = io.BytesIO()
    Image.new("RGB", (6000, 6000)).save(stream, "PNG")
    decoding.warm_up()
    before = children(decoding)
    if "clock" in limit:
        for process in before:
            os.kill(process, signal.SIGSTOP)
    with pytest.raises(UnreadableImage, match=words):
        decoding.picture(stream.getvalue(), patient=True)
    if "memory" in limit:  # it has failed, and goes on
        assert decoding.picture(page_server.png(size=(64, 64)), patient=True).size == (64, 64)
    else:
        assert set(children(decoding)) - set(before)


@LINUX
def test_who_stops_frees_the_decoder(apart):
    from papr_core import Stopped

    decoding, stop = apart(quick={"processes": 1}), threading.Event()
    decoding.picture(page_server.png(), patient=False)
    (process,) = children(decoding)
    os.kill(process, signal.SIGSTOP)  # it works for ever
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        decoding.picture(page_server.png(), patient=True, gone=stop.is_set)
    assert time.monotonic() - began < 2
    assert not Path(f"/proc/{process}").exists()
    assert decoding.picture(page_server.png(size=(64, 64)), patient=False).size == (64, 64)


def children(decoding) -> list[int]:
    return [one.pid for room in decoding._rooms.values() for one in room._all]


@LINUX
def test_memory_of_large_pictures_goes_with_them(tmp_path):
    """In a page's process, whatever was taken beside them and stays."""
    code = (
        "import os\nfrom app import start\nstart.prepare()\nfrom PIL import Image\n"
        "def resident():\n"
        "    return int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE')\n"
        "Image.new('RGB', (4000, 4000))\n"
        "before, kept, pictures = resident(), [], []\n"
        "for _ in range(4):\n"
        "    pictures.append(Image.new('RGB', (4000, 4000)))\n"
        "    kept.append(bytes(100_000))\n"
        "pictures.clear()\n"
        "print(resident() - before)\n"
    )
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True
    )
    assert int(done.stdout) < 100_000_000, done.stderr  # of 256


@LINUX
def test_a_decoder_ends_with_the_page(tmp_path):
    code = (
        "import os, sys\nfrom app.decoding import decoding\ndecoding().warm_up()\n"
        "print(*(one.pid for room in decoding()._rooms.values() for one in room._all), flush=True)\n"
        "os._exit(0)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    until = time.monotonic() + 10
    left = [process for process in done.stdout.split() if Path(f"/proc/{process}").exists()]
    assert done.stdout.split()
    while left and time.monotonic() < until:
        time.sleep(0.1)
        left = [process for process in left if Path(f"/proc/{process}").exists()]
    assert not left
