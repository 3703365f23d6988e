"""Files and requests that nobody meant to send: does any of them leave a trace, hang, or make something grow?

    python benchmarks/fuzz.py [--images 7500] [--clips 300] [--requests 2200] [--seed 0] [--files FOLDER]

Broken pictures and clips go to papr_core's readers in this process; broken requests go to `app.py` over HTTP:
every event and direct call of its five pages, uploads and API, with hostile values, paths and addresses in
every place. The server has no network, and whatever it asks for outside is noted. A picture or clip that
takes more than 30 seconds ends the run with its stack.

Some questions are never listened to, some uploads are no forms. Meanwhile another visitor asks a proper
question twice a second: how long he waits is told, with the memory of the server and all its processes.
--files names a folder of files made to be dear, which are sent as pictures and as clips too.
"""

import argparse
import base64
import contextlib
import faulthandler
import json
import random
import resource
import statistics
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from harm import dear_files as files_in
from server import PAIRS, ROOT, Server

sys.path.insert(0, str(ROOT / "tests"))
import dear_files
import mutations

PATIENCE = 30
MEASURING = 60  # seconds that a measurement on Cost may take; whoever waits for its queue waits for it
SLOW = 3
ROUTES = (
    "gradio_api/file=", "gradio_api/file/", "gradio_api/proxy=", "file=", "gradio_api/stream/", "static/",
    "assets/", "svelte/", "gradio_api/custom_component/", "gradio_api/call/", "gradio_api/run/",
    "gradio_api/api/", "gradio_api/queue/data?session_hash=", "gradio_api/heartbeat/",
    "gradio_api/upload_progress?upload_id=", "?view=", "?deep_link=", "?__theme=", "monitoring/", "config?",
    "gradio_api/deep_link?session_hash=", "gradio_api/process_recording", "login/",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=7500)
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--requests", type=int, default=2200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", help="a folder of files made to be dear")
    arguments = parser.parse_args()
    trouble = pictures(arguments.images, arguments.seed)
    trouble += clips(arguments.clips, arguments.seed)
    with tempfile.TemporaryDirectory(prefix="papr-fuzz-") as folder:
        server = Server(Path(folder), "--models", "catalogue", "--downloads", "yes")
        try:
            trouble += requests(server, arguments.requests, arguments.seed, files_in(arguments.files))
        finally:
            server.stop()
    for text in trouble[:30]:
        print(" ", text)
    raise SystemExit(bool(trouble))


# In this process


def pictures(count: int, seed: int) -> list[str]:
    from PIL import Image

    from papr_core import UnreadableImage, read_image

    warnings.filterwarnings("ignore", module="PIL")
    whole = mutations.pictures()

    def read(data: bytes) -> None:
        image = read_image(data)
        assert isinstance(image, Image.Image), image
        assert image.mode == "RGB", image.mode
        assert 0 < image.width * image.height <= 100_000_000, image.size

    return _read("pictures", whole, count, seed, read, UnreadableImage)


def clips(count: int, seed: int) -> list[str]:
    import av
    import clip_maker

    from papr_core import UnreadableClip
    from papr_core.data.clips import read_clip

    av.logging.set_level(av.logging.PANIC)
    frames = [clip_maker.numbered(i) for i in range(12)]
    kinds = {"a.mp4": {}, "a.webm": {"codec": "libvpx-vp9"}, "a.avi": {"codec": "mpeg4"}, "a.mkv": {}}
    kinds |= {"a.gif": {"codec": "gif", "pix_fmt": "rgb8"}, "a.ts": {}}
    with tempfile.TemporaryDirectory() as folder:
        made = [clip_maker.encode(Path(folder, name), frames, **kind) for name, kind in kinds.items()]
        whole = [path.read_bytes() for path in made]

    def read(data: bytes) -> None:
        clip = read_clip(data)
        assert len(clip)
        assert all(frame.mode == "RGB" for frame in clip.frames)

    return _read("clips", whole, count, seed, read, UnreadableClip)


def _read(what: str, whole: list[bytes], count: int, seed: int, read, refusal: type[Exception]) -> list[str]:
    rng, trouble, told = random.Random(seed), [], Counter()
    for data in whole:
        read(data)
    before, longest = _megabytes(), 0.0
    for i in range(count):
        data = mutations.broken(rng.choice(whole), whole, rng)
        began = time.perf_counter()
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        try:
            read(data)
            told["read"] += 1
        except refusal as error:
            told["refused"] += 1
            if "\n" in str(error) or not str(error).endswith(".") or len(str(error)) > 300:
                trouble.append(f"{what} {i}: no sentence: {str(error)[:200]!r}")
        except BaseException as error:
            trouble.append(f"{what} {i}: {type(error).__name__}: {str(error)[:200]}")
        faulthandler.cancel_dump_traceback_later()
        took = time.perf_counter() - began
        longest = max(longest, took)
        if took > SLOW:
            trouble.append(f"{what} {i}: {took:.1f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(
        f"{what}: {count} broken ones of {len(whole)} kinds, read {told['read']}, refused {told['refused']};"
        f" longest {longest:.2f} s; memory {before:.0f} MB before, {_megabytes():.0f} after, top {peak:.0f}"
    )
    if _megabytes() > before + 300:
        trouble.append(f"{what}: memory grew from {before:.0f} to {_megabytes():.0f} MB")
    return trouble


def _megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


# Over HTTP


def _clip() -> tuple[str, bytes]:
    import clip_maker

    with tempfile.TemporaryDirectory() as folder:
        made = clip_maker.encode(Path(folder, "a.mp4"), [clip_maker.numbered(i) for i in range(8)])
        return made.name, made.read_bytes()


class Requests:
    """Requests to a page: those that its scripts and the API's callers send, then changed."""

    def __init__(
        self,
        address: str,
        config: dict,
        pair: tuple[str, str],
        secrets: tuple[str, ...],
        files: Sequence[Path] = (),
    ) -> None:
        self.http = httpx.Client(base_url=address, timeout=2 * (PATIENCE + MEASURING))
        self.ids = {one["props"].get("elem_id"): one["id"] for one in config["components"]}
        names = {id: name for name, id in self.ids.items()}
        # (elem_id of the component that asks, what Gradio calls it)
        self.events = [
            (names.get(target, ""), one["id"], target, event)
            for one in config["dependencies"]
            if one["queue"] and one["backend_fn"]
            for target, event in one["targets"]
        ]
        self.calls = [
            (one["props"]["elem_id"], one["id"], name)
            for one in config["components"]
            for name in one["props"].get("server_fns") or ()
        ]
        self.pair, self.secrets = pair, (*secrets, "Traceback (most", "root:x:")
        self.pictures = mutations.pictures()
        given = [(file.name, file.read_bytes()) for file in files]
        self.dear_files = [*dear_files.pictures().items(), *dear_files.clips().items(), *given]
        self.upload, self.clip = (self._sent(*file) for file in (("a b.png", self.pictures[4]), _clip()))

    def _sent(self, name: str, data: bytes) -> str:
        files = {"files": (name, data, "application/octet-stream")}
        return self.http.post("/gradio_api/upload", files=files).json()[0]

    def question(self, rng: random.Random, page: str = "stage") -> dict:
        """A proper one of the component that asks: "stage" (Compare, and Learn's), "looks" (Proposals),
        "costs", "clip-stage". Of a visitor of its own: a newer question of one visitor ends the older."""
        proposal, backbone = self.pair
        who = {"visitor": f"fuzz {rng.random()}", "seq": 1}
        if page == "costs":
            ways = {"r": rng.choice([0, 2]), "layers": rng.choice(["", "all"])}
            return {**who, "backbone": backbone, "proposal": rng.choice([proposal, ""]), "keep": 0.5, **ways}
        if page in ("looks", "convnets"):
            rows = rng.sample([proposal, f"untrained:{proposal}", PAIRS["embedded"][0]], rng.randint(1, 3))
            kind = rng.choice(["png", "pdf"])
            picture = {"picture": "coffee", "name": "a.png", "backbone": backbone}
            return {**who, **picture, "convnets": rows, "keep": [0.5, 0.2], "kind": kind}
        asked = {
            **who, "picture": rng.choice([None, "coffee"]), "name": "a.png", "has": None, "labels": None,
            "upload": rng.choice([None, self.upload]), "proposal": proposal, "backbone": backbone,
            "keep_ratio": 0.4, "methods": ["papr", "cam"], "target": None, "explain": "proposal",
            "patches": rng.choice([[], [1, 2]]), "kind": rng.choice(["json", "png"]),
        }  # fmt: skip
        if page == "clip-stage":
            method, look = rng.choice(["papr", "cam", "random"]), rng.choice(["dim", "blur"])
            frame = base64.b64encode(self.pictures[0]).decode()
            return {**asked, "upload": self.clip, "methods": [method], "look": look, "frame": frame}
        return asked

    def file(self, path: str) -> dict:
        return {"path": path, "orig_name": "a.png", "meta": {"_type": "gradio.FileData"}}

    def send(self, seed: int) -> str:
        """One changed request and what follows from it; what is wrong with that, "" where nothing is."""
        rng = random.Random(seed)
        kind = rng.choice(
            [
                *[self.event, self.direct, self.api] * 4,
                *[self.form, self.address] * 2,
                self.unread,
                self.no_form,
            ]
            + [self.dear]
        )
        told = kind(rng)
        return next(
            (f"{kind.__name__} {seed}: {told[:300]!r}" for secret in self.secrets if secret in told), ""
        )

    def proper(self) -> str | None:
        """What is wrong with the answer to a proper question."""
        asked = {**self.question(random.Random(0)), "visitor": "proper", "upload": self.upload, "patches": []}
        where = {"fn_name": "numbers", "component_id": self.ids["stage"], "session_hash": "last"}
        reply = self.http.post("/gradio_api/component_server", json={"data": json.dumps(asked), **where})
        return None if reply.status_code == 200 and reply.json()["ok"] else reply.text

    def post(self, route: str, told: object, rng: random.Random) -> httpx.Response:
        headers = {
            "content-type": rng.choice(["application/json"] * 20 + ["text/plain", "multipart/form-data"])
        }
        return self.http.post(f"/gradio_api/{route}", content=mutations.written(told, rng), headers=headers)

    def event(self, rng: random.Random) -> str:
        """An event of the page, and its stream to the end."""
        page, index, target, event = rng.choice(self.events)
        if event == "measure" and rng.random() < 0.8:  # it takes seconds, and others wait for its queue
            return self.event(rng)
        asked = {
            "data": [],
            "event_data": self.question(rng, page),
            "fn_index": index,
            "trigger_id": target,
            "session_hash": f"fuzz{rng.randrange(10**6)}",
        }
        part = rng.random()
        if part < 0.7:
            asked["event_data"] = mutations.changed(asked["event_data"], rng)
        elif part < 0.9:
            asked = mutations.changed(asked, rng)
        else:
            asked["fn_index"] = rng.randrange(-2, 40)
        reply = self.post("queue/join", asked, rng)
        session = asked.get("session_hash")
        if reply.status_code != 200 or not isinstance(session, str):
            return reply.text
        return reply.text + self._stream("/gradio_api/queue/data", {"session_hash": session})

    def _stream(self, route: str, query: dict) -> str:
        told, until = "", time.monotonic() + PATIENCE + MEASURING
        with (
            contextlib.suppress(httpx.RemoteProtocolError),
            self.http.stream("GET", route, params=query) as lines,
        ):
            for line in lines.iter_lines():
                told += line[:2000] + "\n"
                if time.monotonic() > until:
                    raise TimeoutError(f"no end to {route}: {told[-300:]}")
        return told

    def direct(self, rng: random.Random) -> str:
        page, component, name = rng.choice(self.calls)
        asked = self.question(rng, page)
        asked = mutations.changed(asked, rng) if rng.random() < 0.9 else asked
        data = mutations.written(asked, rng).decode(errors="replace")
        asked = {"data": data, "fn_name": name, "component_id": component, "session_hash": "fuzz"}
        if rng.random() < 0.3:
            asked = mutations.changed(asked, rng)
        elif rng.random() < 0.1:
            asked["fn_name"] = rng.choice(
                ["postprocess", "__init__", "get_config", "move_resource_to_block_cache"]
            )
        return self.post("component_server", asked, rng).text

    def api(self, rng: random.Random) -> str:
        told = {
            "compare": {
                "image": self.file(self.upload), "proposal": self.pair[0], "backbone": self.pair[1],
                "keep_ratio": 0.4, "methods": ["papr"], "target": None, "explain": "proposal",
                "patches": None,
            },
            "cost": {
                "backbone": self.pair[1], "proposal": self.pair[0], "keep_ratio": 0.4, "tome_r": 0,
                "tome_layers": None,
            },
            "video": {
                "clip": self.file(self.clip), "proposal": self.pair[0], "backbone": self.pair[1],
                "keep_ratio": 0.4, "method": "papr", "target": None, "explain": "proposal",
            },
            "models": {},
        }  # fmt: skip
        name = rng.choice(["compare", "compare", "cost", "cost", "video", "models", "handler"])
        asked = told.get(name, told["cost"])
        if rng.random() < 0.5:
            route, asked = f"call/{name}", mutations.changed({"data": list(asked.values())}, rng)
        else:
            route, asked = f"call/v2/{name}", mutations.changed(asked, rng)
        reply = self.post(route, asked, rng)
        if reply.status_code != 200:
            return reply.text
        return reply.text + self._stream(f"/gradio_api/call/{name}/{reply.json()['event_id']}", {})

    def form(self, rng: random.Random) -> str:
        """A broken upload, then a question about it."""
        data = mutations.broken(rng.choice(self.pictures), self.pictures, rng)
        name = (
            str(rng.choice([*mutations.HOSTILE[:30], "a.png", "a.html", "a.svg"]))
            .encode(errors="replace")
            .decode()
        )
        field = rng.choice(["files"] * 8 + ["video", "other", ""])
        reply = self.http.post(
            "/gradio_api/upload", files={field: (name, data, rng.choice(["image/png", "text/html", ""]))}
        )
        if reply.status_code != 200 or not reply.json():
            return reply.text
        path = reply.json()[0]
        asked = {"data": json.dumps({**self.question(rng), "upload": path}), "fn_name": "numbers"}
        asked |= {"component_id": self.ids["stage"], "session_hash": "fuzz"}
        answer = self.http.post("/gradio_api/component_server", json=asked)
        back = self.http.get(f"/gradio_api/file={path}")
        safe = (
            "attachment" in back.headers.get("content-disposition", "")
            or "html" not in back.headers["content-type"]
        )
        return answer.text + ("" if safe else "Traceback (most likely a page of a visitor's own)")

    def unread(self, rng: random.Random) -> str:
        """Questions that nobody listens to the answers of."""
        told = ""
        for _ in range(20):
            page, index, target, event = rng.choice(self.events)
            asked = {
                "data": [],
                "event_data": self.question(rng, page),
                "fn_index": index,
                "trigger_id": target,
            }
            asked["session_hash"] = f"unread{rng.randrange(10**9)}" + rng.choice(
                ["", "a" * 40, "a" * 100_000]
            )
            told += self.post("queue/join", asked, rng).text
        return told

    def no_form(self, rng: random.Random) -> str:
        """Fields and many files, or a body that is no form, under an id of its own."""
        edge = b"--edge\r\nContent-Disposition: form-data; name="
        part = rng.choice([b'"files"', b'"files"; filename="a"', b'"other"', b"", b"\xff" * 3000])
        body = (
            edge + part + b"\r\n\r\n" + rng.randbytes(rng.choice([0, 100, 300_000])) + b"\r\n"
        ) * rng.choice([1, 900])
        headers = {"content-type": "multipart/form-data; boundary=edge"}
        query = {"upload_id": f"{rng.random()}" * 100}
        end = rng.choice([b"--edge--\r\n", b""])
        return self.http.post(
            "/gradio_api/upload", content=body[:5_000_000] + end, headers=headers, params=query
        ).text

    def dear(self, rng: random.Random) -> str:
        """A file made to be dear, as a picture or a clip; others wait no longer for it (`longest`)."""
        name, data = rng.choice(self.dear_files)
        began, call = time.monotonic(), rng.choice(["compare", "video"])
        told = {{"compare": "image", "video": "clip"}[call]: self.file(self._sent("a.bin", data))}
        reply = self.post(f"call/v2/{call}", told, rng)
        if reply.status_code != 200:
            return reply.text
        answer = self._stream(f"/gradio_api/call/{call}/{reply.json()['event_id']}", {})
        late = time.monotonic() - began > PATIENCE + MEASURING
        return answer + (f"Traceback (most likely {name} is too dear)" if late else "")

    def address(self, rng: random.Random) -> str:
        """Other routes of Gradio's, and ways to say a path."""
        value = str(rng.choice(mutations.HOSTILE))[:300].encode(errors="replace").decode()
        route = rng.choice(ROUTES)
        method = rng.choice(["GET"] * 4 + ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
        if route.endswith(("heartbeat/", "data?session_hash=")):
            method = "POST"
        with contextlib.suppress(httpx.InvalidURL):
            quoted = rng.choice([value, "..%2f..%2f..%2fetc%2fpasswd", "%00", "https:%2f%2fexample.com"])
            reply = self.http.request(method, f"/{route}{quoted}")
            return reply.text if reply.status_code >= 300 or route.endswith("=") else ""
        return ""


def requests(server: Server, count: int, seed: int, files: Sequence[Path]) -> list[str]:
    sent = Requests(server.address, server.config, PAIRS["random"], (str(ROOT),), files)
    other = Requests(server.address, server.config, PAIRS["random"], (str(ROOT),))
    list(map(sent.send, range(50)))  # loads what there is to load
    before, began = server.megabytes(), time.perf_counter()
    trouble, memory, longest = [], [], [0.0]

    def one(number: int) -> str:
        began = time.perf_counter()
        try:
            found = sent.send(number)
        except Exception as error:
            found = f"request {number}: {type(error).__name__}: {error}"
        longest.append(time.perf_counter() - began)
        if number % 50 == 0:
            memory.append(server.megabytes())
        return found

    waits, ended = [], threading.Event()

    def another() -> None:
        while not ended.wait(0.5):
            began = time.perf_counter()
            if told := other.proper():
                trouble.append(f"another visitor's proper question gets {told[:200]}")
            waits.append(time.perf_counter() - began)

    beside = threading.Thread(target=another)
    beside.start()
    with ThreadPoolExecutor(8) as pool:
        trouble += filter(None, pool.map(one, range(1000 * seed + 50, 1000 * seed + 50 + count)))
    seconds = time.perf_counter() - began
    ended.set()
    beside.join()
    trouble += [f"log: {text[-600:]}" for text in server.tracebacks()]
    trouble += [f"asked for outside: {line}" for line in set(server.spied.read_text().splitlines())]
    half = memory[len(memory) // 2 :] or [before]
    print(
        f"requests: {count} in {seconds:.0f} s, longest {max(longest):.1f}; memory {before:.0f} MB before,"
        f" {half[0]:.0f} half way, {half[-1]:.0f} after, {max([before, *memory]):.0f} at most;"
        f" another visitor's numbers: n {len(waits)}, median {statistics.median(waits):.2f} s,"
        f" longest {max(waits):.1f}"
    )
    if max(longest) > PATIENCE + MEASURING:
        trouble.append(f"requests: one took {max(longest):.0f} s")
    if half[-1] > half[0] + 60:
        trouble.append(f"requests: memory grew from {half[0]:.0f} to {half[-1]:.0f} MB in the second half")
    if told := sent.proper():
        trouble.append(f"afterwards a proper question gets {told}")
    return trouble


if __name__ == "__main__":
    main()
