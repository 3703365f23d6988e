"""Many visitors at once: are all answers right and their own, how long does each wait, does anything grow?

    python benchmarks/load.py [--visitors 16] [--minutes 10]
    python benchmarks/load.py --hostile 4 --minutes 5 [--files FOLDER]

Starts `app.py` itself, with a second pair of random weights, and visits it in the words of the page's own
scripts: each visitor uploads photographs, slides, and switches between the pairs; some press Stop, some close
the tab, some call the API or take a figure home. A visitor thinks for half a second to two before each step.
Before that, one visitor alone: what slow work of others costs, and how soon a stop or a closed tab frees the
machine. Afterwards everything that was heard is computed again with papr_core and compared.

With --hostile one visitor brings photographs while so many others mean harm (harm.py). What they do to
that one's waits, to the memory of the server with all its processes, and to its disk is measured, and once
more a minute later.
"""

import argparse
import asyncio
import hashlib
import json
import os
import platform
import random
import statistics
import tempfile
import time
from collections import defaultdict
from contextlib import aclosing
from pathlib import Path

import httpx
from gradio_client.utils import apply_diff
from harm import dear_files, harm
from server import PAIRS, ROOT, Server

PHOTOGRAPHS = sorted((ROOT / "tests" / "data").rglob("*.webp"))
METHODS = ["papr", "cam", "grad-cam", "score-cam"]
REPEATS = 8  # of what one visitor does alone
WITHIN = 1e-3  # of a probability: what batches of other sizes and rare ties may change


class Visitor:
    """One tab of a browser."""

    def __init__(self, server: Server, http: httpx.AsyncClient) -> None:
        self.server, self.http = server, http
        self.reopen()

    def reopen(self) -> None:
        token = random.randbytes(6).hex()
        self.visitor, self.session, self.seq = f"v{token}", f"s{token}", 0
        self.has = self.labels = None

    def question(self, pair: str, **change) -> dict:
        proposal, backbone = PAIRS[pair]
        asked = {
            "visitor": self.visitor, "seq": self.seq, "picture": None, "name": None, "has": self.has,
            "labels": self.labels, "proposal": proposal, "backbone": backbone, "keep_ratio": 0.4,
            "methods": METHODS, "target": None, "explain": "proposal", "patches": [],
        }  # fmt: skip
        return {**asked, **change}

    async def upload(self, data: bytes, name: str) -> str:
        reply = await self.http.post("/gradio_api/upload", files={"files": (name, data, "image/webp")})
        reply.raise_for_status()
        return reply.json()[0]

    async def call(self, function: str, told: object, component: str = "stage") -> object:
        """A direct call, as `server.function(text)` in the page."""
        asked = {
            "fn_name": function,
            "component_id": self.server.ids[component],
            "session_hash": self.session,
        }
        reply = await self.http.post("/gradio_api/component_server", json={**asked, "data": json.dumps(told)})
        reply.raise_for_status()
        return reply.json()

    async def newest(self) -> None:
        self.seq += 1
        await self.call("newest", {"visitor": self.visitor, "seq": self.seq})

    async def trigger(self, event: str, question: dict):
        """An event of the stage: what it shows, one value after another, diffs applied."""
        stage = self.server.ids["stage"]
        asked = {
            "data": [], "event_data": question, "fn_index": self.server.events[stage, event],
            "trigger_id": stage, "session_hash": self.session,
        }  # fmt: skip
        reply = await self.http.post("/gradio_api/queue/join", json=asked)
        reply.raise_for_status()
        id, shown = reply.json()["event_id"], None
        stream = self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session})
        async with stream as lines:
            async for line in lines.aiter_lines():
                if not line.startswith("data: "):
                    continue
                told = json.loads(line.removeprefix("data: "))
                if told.get("event_id") != id:
                    if told["msg"] == "close_stream":
                        return
                    continue
                if told["msg"] == "process_generating":
                    given = told["output"]["data"]
                    shown = given if shown is None else [apply_diff(*pair) for pair in zip(shown, given)]
                    yield shown
                if told["msg"] == "process_completed":
                    if not told["success"]:
                        raise RuntimeError(f"{event}: {told['output']}")
                    if event == "save":
                        yield told["output"]["data"]
                    return

    async def payloads(self, event: str, question: dict):
        async with aclosing(self.trigger(event, question)) as shows:
            async for shown in shows:
                answer = shown[0]["answer"]
                if answer.get("error"):
                    raise RuntimeError(f"{event}: {answer['error']}")
                if "models" in answer:
                    self.has, self.labels = answer["picture"]["crop"], answer["models"]["backbone"]["labels"]
                yield answer


class Heard:
    """What visitors were told, each fact once: (photograph, pair) -> facts."""

    def __init__(self) -> None:
        self.facts: dict[tuple[int, str], set] = defaultdict(set)
        self.waits: dict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []
        self.count = 0

    def payload(self, photograph: int, pair: str, name: str, answer: dict) -> None:
        if "methods" not in answer:
            return
        self.count += 1
        facts = self.facts[photograph, pair]
        if answer["picture"]["name"] != name:
            self.errors.append(f"{name} was told of {answer['picture']['name']}")
        if answer["picture"]["src"]:
            facts.add(("crop", hashlib.sha256(answer["picture"]["src"].encode()).hexdigest()))
        facts.add(("full", answer["full"]["index"], answer["full"]["confidence"]))
        for method in answer["methods"]:
            if "map" in method:
                facts.add(("map", method["name"], tuple(method["map"])))
                for point in method["points"]:
                    self.points(photograph, pair, {method["name"]: point})

    def points(self, photograph: int, pair: str, points: dict) -> None:
        for name, (k, confidence, low, high, kept, top) in points.items():
            self.facts[photograph, pair].add(("point", name, k, confidence, low, high, kept, top[0][0]))


async def visit(visitor: Visitor, heard: Heard, rng: random.Random, photographs: list[bytes], until: float):
    async def think() -> None:
        await asyncio.sleep(rng.uniform(0.5, 2))

    async def ask(what: str, photograph: int, pair: str, began: float, question: dict) -> dict | None:
        """A question to its end, or to where this visitor loses patience."""
        await visitor.newest()
        question["seq"], first, answer = visitor.seq, None, None
        patience = rng.choices(["waits", "stops", "leaves"], [8, 1, 1])[0]
        gives_up = time.monotonic() + rng.uniform(0.1, 1.5)
        for event in ("ask", "finish"):
            async with aclosing(visitor.payloads(event, question)) as answers:
                async for answer in answers:
                    heard.payload(photograph, pair, question["name"], answer)
                    if first is None and has_first_card(answer):
                        first = time.perf_counter() - began
                        heard.waits[what].append(first)
                    if patience == "stops" and time.monotonic() > gives_up:
                        await visitor.newest()
                    if patience == "leaves" and time.monotonic() > gives_up:
                        break  # the stream is closed
            if not answer or not answer.get("more") or patience != "waits":
                break
            question = {**question, "upload": None, "picture": answer["picture"]["id"]}
            question |= {"has": visitor.has, "labels": visitor.labels}
        if patience == "leaves":
            visitor.reopen()
        if patience == "waits":
            heard.waits[f"{what}, to the full curves"].append(time.perf_counter() - began)
        return answer if answer and "methods" in answer else None

    async def slide(photograph: int, pair: str, picture: str, name: str) -> None:
        for _ in range(3):
            await think()
            ratio = round(rng.uniform(0.05, 1), 2)
            began = time.perf_counter()
            asked = visitor.question(
                pair, picture=picture, name=name, keep_ratio=ratio, methods=["papr", "cam", "random"]
            )
            reply = await visitor.call("numbers", asked)
            if not reply["ok"]:
                raise RuntimeError(f"numbers: {reply}")
            heard.waits["slider to numbers"].append(time.perf_counter() - began)
            heard.points(photograph, pair, reply["points"])

    while time.monotonic() < until:
        try:
            photograph = rng.randrange(len(photographs))
            name = f"{visitor.visitor} {photograph}.webp"
            pair, other = rng.sample(list(PAIRS), 2)
            began = time.perf_counter()
            path = await visitor.upload(photographs[photograph], name)
            asked = visitor.question(pair, upload=path, name=name)
            answer = await ask("upload to first card", photograph, pair, began, asked)
            if answer is None:
                continue
            picture = answer["picture"]["id"]
            await slide(photograph, pair, picture, name)
            await think()
            asked = visitor.question(other, picture=picture, name=name)
            if await ask("switch to first card", photograph, other, time.perf_counter(), asked):
                await slide(photograph, other, picture, name)
            if rng.random() < 0.1:
                await figure(visitor, visitor.question(other, picture=picture, name=name), heard)
            if rng.random() < 0.1:
                await api(visitor, path, photograph, other, heard)
            await think()
        except Exception as error:
            heard.errors.append(f"{type(error).__name__}: {error}")
            visitor.reopen()


def has_first_card(answer: dict) -> bool:
    return any(one["name"] == "papr" and one.get("points") for one in answer.get("methods", ()))


async def figure(visitor: Visitor, question: dict, heard: Heard) -> None:
    began = time.perf_counter()
    async for file, failure in visitor.trigger("save", {**question, "kind": "png", "seq": visitor.seq}):
        if failure:
            raise RuntimeError(f"save: {failure}")
        reply = await visitor.http.get(f"/gradio_api/file={file['path']}")
        if not reply.content.startswith(b"\x89PNG"):
            raise RuntimeError(f"the figure is none: {reply.status_code} {reply.content[:80]}")
    heard.waits["figure"].append(time.perf_counter() - began)


async def api(visitor: Visitor, path: str, photograph: int, pair: str, heard: Heard) -> None:
    proposal, backbone = PAIRS[pair]
    began = time.perf_counter()
    asked = {"image": {"path": path, "meta": {"_type": "gradio.FileData"}}, "methods": ["papr", "cam"]}
    asked |= {"proposal": proposal, "backbone": backbone}
    reply = await visitor.http.post("/gradio_api/call/v2/compare", json=asked)
    reply.raise_for_status()
    told = await visitor.http.get(f"/gradio_api/call/compare/{reply.json()['event_id']}")
    (result,) = json.loads(told.text.split("event: complete\ndata: ")[1].split("\n")[0])
    for one in result["methods"]:
        values = (
            one["confidence"],
            one["confidence_low"],
            one["confidence_high"],
            one["kept_answer"],
            [[None]],
        )
        heard.points(photograph, pair, {one["name"]: (one["kept"], *values)})
    heard.waits["api"].append(time.perf_counter() - began)


# One visitor alone


async def alone(server: Server, http: httpx.AsyncClient, photographs: list[bytes]) -> dict[str, list[float]]:
    """Seconds: first card with and without somebody else's Score-CAM; from a stop or a closed tab to rest."""
    times: dict[str, list[float]] = defaultdict(list)
    fresh = iter(photographs)

    async def first_card(what: str) -> None:
        visitor, began = Visitor(server, http), time.perf_counter()
        await visitor.newest()
        path = await visitor.upload(next(fresh), "alone.webp")
        async for answer in visitor.payloads("ask", visitor.question("embedded", upload=path, name="alone")):
            if has_first_card(answer):
                times[what].append(time.perf_counter() - began)
                return

    async def scoring() -> tuple[Visitor, object]:
        """A visitor whose Score-CAM has just begun, and the rest of what the page is told."""
        visitor = Visitor(server, http)
        await visitor.newest()
        path = await visitor.upload(next(fresh), "slow.webp")
        answers = visitor.payloads("finish", visitor.question("embedded", upload=path, name="slow"))
        async for answer in answers:
            if answer.get("progress"):
                return visitor, answers
        raise RuntimeError("Score-CAM was over before it could be stopped")

    async def rest(what: str, began: float) -> None:
        """Until the server's processor time stands still."""
        while True:
            before = server.busy()
            now = time.perf_counter()
            await asyncio.sleep(0.1)
            if server.busy() - before <= 0.021:
                times[what].append(now - began)
                return

    await first_card("warming up")
    for _ in range(REPEATS):
        await first_card("first card, nobody else there")
    for _ in range(REPEATS):
        visitor, answers = await scoring()
        await first_card("first card, beside another's Score-CAM")
        async for _ in answers:
            pass
    for _ in range(REPEATS):
        visitor, answers = await scoring()
        began = time.perf_counter()
        await visitor.newest()
        async for _ in answers:
            pass
        await rest("stop to rest", began)
    for _ in range(REPEATS):
        visitor, answers = await scoring()
        began = time.perf_counter()
        await answers.aclose()
        await rest("closed tab to rest", began)
    times.pop("warming up")
    return times


# What was heard, computed again


def wrong(heard: Heard, folder: Path, photographs: list[bytes]) -> tuple[int, list[str]]:
    """How many facts were compared, and those that are not so."""
    import papr_core
    from app.parts.pictures import jpeg
    from papr_core.comparison.scene import answers, open_scene, scene_map

    papr_core.configure(weights_dir=folder / "weights")
    found, compared = [], 0
    for pair, (proposal, backbone) in PAIRS.items():
        models = papr_core.load_proposal(proposal), papr_core.load_backbone(backbone)
        for (photograph, of), facts in sorted(heard.facts.items()):
            if of != pair:
                continue
            scene = open_scene(papr_core.read_image(photographs[photograph]), *models)
            names = {fact[1] for fact in facts if fact[0] in ("map", "point")}
            maps = {name: scene_map(scene, name) for name in sorted(names)}
            counts = sorted({fact[2] for fact in facts if fact[0] == "point"})
            told = dict(answers(scene, maps.values(), counts))
            for fact in facts:
                compared += 1
                if not is_so(fact, scene, maps, told, jpeg):
                    found.append(f"photograph {photograph}, {pair}: {str(fact)[:200]}")
    return compared, found


def is_so(fact: tuple, scene, maps: dict, told: dict, jpeg) -> bool:
    kind, *rest = fact
    if kind == "crop":
        return rest[0] == hashlib.sha256(jpeg(scene.crop).encode()).hexdigest()
    if kind == "full":
        return rest[0] == scene.answer.index and abs(rest[1] - scene.full_confidence) < WITHIN
    if kind == "map":
        ours = maps[rest[0]].significance[0].flatten().tolist()
        spread = max(ours) - min(ours)
        return (
            len(ours) == len(rest[1])
            and max(map(abs, map(float.__sub__, ours, rest[1]))) <= WITHIN * spread + 1e-9
        )
    name, k, confidence, low, high, kept, top = rest
    draws = [told[name, draw, k] for draw in range(len(maps[name].coarse))]
    values = [float(draw[scene.target.index]) for draw in draws]
    ours = statistics.fmean(values), min(values), max(values)
    best = draws[0].topk(2)
    near = float(best.values[0] - best.values[1]) < WITHIN
    right = top is None or near or top == int(best.indices[0])
    right &= near or bool(kept) == (int(best.indices[0]) == scene.answer.index)
    return right and all(abs(a - b) < WITHIN for a, b in zip(ours, (confidence, low, high)))


# Together


async def run(
    arguments: argparse.Namespace, server: Server, heard: Heard, photographs: list[bytes]
) -> list[float]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=server.address, timeout=300, limits=limits) as http:
        print("one visitor:")
        lines(await alone(server, http, [path.read_bytes() for path in PHOTOGRAPHS[-60:]]))
        until = time.monotonic() + 60 * arguments.minutes
        visitors = [
            visit(Visitor(server, http), heard, random.Random(i), photographs, until)
            for i in range(arguments.visitors)
        ]
        memory: list[float] = []

        async def watch() -> None:
            while True:
                memory.append(server.megabytes())
                await asyncio.sleep(1)

        watching = asyncio.create_task(watch())
        await asyncio.gather(*visitors)
        watching.cancel()
    print("all together:")
    lines(heard.waits)
    return memory


# Beside those who mean harm


async def attacked(
    server: Server, photographs: list[bytes], hostile: int, minutes: float, files: list[Path]
) -> list[str]:
    """What went wrong for one visitor meanwhile."""
    heard, told, trouble = Heard(), {}, []
    memory, disk = [], []

    async def watch() -> None:
        while True:
            memory.append(await asyncio.to_thread(server.megabytes))
            disk.append(sum(path.stat().st_size for path in server.files() if path.exists()) / 1e6)
            await asyncio.sleep(0.5)

    async def step(visitor: Visitor, number: int, what: str) -> None:
        await visitor.newest()
        began, name = time.perf_counter(), f"{number}.webp"
        path = await visitor.upload(photographs[number % len(photographs)], name)
        answer = None
        async for answer in visitor.payloads("ask", visitor.question("embedded", upload=path, name=name)):
            if has_first_card(answer):
                heard.waits[what].append(time.perf_counter() - began)
                break
        began = time.perf_counter()
        asked = visitor.question("embedded", picture=answer["picture"]["id"], name=name, methods=["papr"])
        asked["keep_ratio"] = round(random.uniform(0.05, 1), 2)
        if not (await visitor.call("numbers", asked))["ok"]:
            raise RuntimeError("numbers")
        heard.waits[f"{what}: slider to numbers"].append(time.perf_counter() - began)

    async with httpx.AsyncClient(base_url=server.address, timeout=300) as http:
        for number in range(8):
            await step(Visitor(server, http), number, "first card, nobody else there")
        before = server.megabytes()
        watching = asyncio.create_task(watch())
        others = [asyncio.create_task(harm(server, files, random.Random(i), told)) for i in range(hostile)]
        until, number = time.monotonic() + 60 * minutes, 8
        while time.monotonic() < until:
            number += 1
            try:
                await step(Visitor(server, http), number, f"first card, beside {hostile} hostile ones")
            except Exception as error:
                trouble.append(f"{type(error).__name__}: {error}")
            await asyncio.sleep(0.3)
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        watching.cancel()
        await asyncio.sleep(60)
        await step(Visitor(server, http), number + 1, "first card, a minute later")
    lines(heard.waits)
    print(
        f"  memory of all processes {before:.0f} MB before, {max(memory):.0f} at most,"
        f" {server.megabytes():.0f} a minute after;"
        f" files {max(disk):.0f} MB at most; log {len(server.output())} bytes"
    )
    print(f"  sent: {', '.join(f'{kind} {count}' for kind, count in sorted(told.items()))}")
    return trouble + server.tracebacks()


def cleaned(server: Server) -> tuple[int, int]:
    """Files of visitors before and after the sweep that is due when they are 66 minutes old."""
    files = server.files()
    for path in files:
        os.utime(path, (0, time.time() - 2 * 3600))
    until = time.monotonic() + 130
    while server.files() and time.monotonic() < until:
        time.sleep(1)
    return len(files), len(server.files())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=16)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument(
        "--photographs", type=int, default=24, help="different ones; each is brought again and again"
    )
    parser.add_argument("--hostile", type=int, default=0, help="who mean harm, beside one visitor")
    parser.add_argument("--files", help="a folder of files made to be dear, which they send too")
    arguments = parser.parse_args()
    photographs = [path.read_bytes() for path in PHOTOGRAPHS[:: len(PHOTOGRAPHS) // arguments.photographs]]
    photographs, heard = photographs[: arguments.photographs], Heard()
    print(
        f"{arguments.visitors} visitors, {arguments.minutes:g} minutes, {arguments.photographs} photographs;"
        f" {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    with tempfile.TemporaryDirectory(prefix="papr-load-") as folder:
        server = Server(Path(folder))
        if arguments.hostile:
            try:
                files = dear_files(arguments.files)
                trouble = asyncio.run(
                    attacked(server, photographs, arguments.hostile, arguments.minutes, files)
                )
            finally:
                server.stop()
            print(f"  answers lost or wrong, and traces: {len(trouble)}", *trouble[:5], sep="\n  ")
            raise SystemExit(bool(trouble))
        try:
            memory = asyncio.run(run(arguments, server, heard, photographs))
            quarter = max(1, len(memory) // 4)
            parts = [f"{max(memory[i * quarter : (i + 1) * quarter] or [0]):.0f}" for i in range(4)]
            print(f"  memory of the server, highest of each quarter: {', '.join(parts)} MB")
            tracebacks = server.tracebacks()
            print(
                f"  answers {heard.count}, errors {len(heard.errors)}, tracebacks {len(tracebacks)}",
                flush=True,
            )
            compared, mistakes = wrong(heard, Path(folder), photographs)
            print(f"  facts compared with papr_core {compared}, wrong {len(mistakes)}", flush=True)
            files, left = cleaned(server)
        finally:
            server.stop()
        print(f"  files {files}, after they were due {left}, when the server had ended {len(server.files())}")
    for text in [*mistakes[:10], *heard.errors[:10], *tracebacks[:3]]:
        print(" ", text)
    raise SystemExit(bool(mistakes or heard.errors or tracebacks or left))


def lines(waits: dict[str, list[float]]) -> None:
    for what, values in sorted(waits.items()):
        values = sorted(values)
        p95 = values[min(len(values) - 1, int(0.95 * len(values)))]
        times = f"median {statistics.median(values):7.3f} s  p95 {p95:7.3f}  longest {values[-1]:7.3f}"
        print(f"  {what:42s} n {len(values):5d}  {times}", flush=True)


if __name__ == "__main__":
    main()
