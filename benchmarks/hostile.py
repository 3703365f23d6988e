"""A visitor who measures what hostile others do to him: they send files made to be dear, again and again.

    python benchmarks/hostile.py [--hostile 4] [--minutes 5]

Starts `app.py` itself. Each hostile visitor uploads the files of tests/dear_files.py, and legal ones as dear
as the page allows, as pictures and as clips, to the page and to the API; now and then he stops. Another
visitor brings photographs and slides. Printed are his waits, and the memory of the server and all that it
started: idle, at most, and a minute after the last file.

    python benchmarks/hostile.py --first-card

measures what a process of its own for each picture costs: the same pictures decoded there and here, in turn.
"""

import argparse
import asyncio
import contextlib
import io
import os
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import httpx
from load import PHOTOGRAPHS, Visitor, has_first_card, lines
from server import ROOT, Server

sys.path.insert(0, str(ROOT / "tests"))
import dear_files

SECONDS_AFTER = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hostile", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--first-card", action="store_true")
    arguments = parser.parse_args()
    if arguments.first_card:
        return first_card()
    with tempfile.TemporaryDirectory(prefix="papr-hostile-") as folder:
        server = Server(Path(folder), "--models", "catalogue", "--downloads", "no")
        try:
            asyncio.run(run(server, arguments.hostile, 60 * arguments.minutes))
        finally:
            server.stop()


async def run(server: Server, hostile: int, seconds: float) -> None:
    files = {**dear_files.pictures(), **dear_files.clips(), "a growing clip": dear_files.growing(), **legal()}
    waits, memory, sent = defaultdict(list), [], [0]
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=server.address, timeout=300, limits=limits) as http:
        for photograph in PHOTOGRAPHS[:3]:
            await visit(Visitor(server, http), photograph.read_bytes(), defaultdict(list))
        await asyncio.sleep(5)
        idle, until = server.megabytes(), time.monotonic() + seconds

        async def watch() -> None:
            while True:
                memory.append(server.megabytes())
                await asyncio.sleep(0.25)

        async def others(number: int) -> None:
            rng = random.Random(number)
            while time.monotonic() < until:
                with contextlib.suppress(Exception):  # what he is told is no matter; he goes on
                    await asyncio.wait_for(attack(server, http, rng, *rng.choice(list(files.items()))), 60)
                sent[0] += 1

        async def measure() -> None:
            photographs = iter(PHOTOGRAPHS[3:] * 100)
            while time.monotonic() < until:
                await visit(Visitor(server, http), next(photographs).read_bytes(), waits)
                await asyncio.sleep(0.5)

        watching = asyncio.create_task(watch())
        await asyncio.gather(measure(), *(others(number) for number in range(hostile)))
        await asyncio.sleep(SECONDS_AFTER)
        watching.cancel()
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {hostile} hostile visitors, {sent[0]} files"
    )
    lines(waits)
    after = server.megabytes()
    print(f"  memory: idle {idle:.0f} MB, at most {max(memory):.0f}, a minute afterwards {after:.0f}")
    print(f"  tracebacks {len(server.tracebacks())}")


def legal() -> dict[str, bytes]:
    """What the page reads, and as dear as it allows."""
    from PIL import Image

    files = {}
    for name, mode, form in (
        ("a", "1", "PNG"),
        ("b", "RGBA", "PNG"),
        ("c", "L", "TIFF"),
        ("d", "RGB", "JPEG"),
    ):
        stream = io.BytesIO()
        options = {"TIFF": {"compression": "tiff_lzw"}, "JPEG": {"progressive": True}}.get(form, {})
        Image.new(mode, (7000, 7000)).save(stream, form, **options)
        files[f"49 megapixels {name}"] = stream.getvalue()
    return files


async def attack(server: Server, http: httpx.AsyncClient, rng: random.Random, name: str, data: bytes) -> None:
    visitor = Visitor(server, http)
    await visitor.newest()
    path = await visitor.upload(data, "a.bin")
    if rng.random() < 0.3:
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        call, key = rng.choice([("compare", "image"), ("video", "clip")])
        reply = await http.post(f"/gradio_api/call/v2/{call}", json={key: file})
        await http.get(f"/gradio_api/call/{call}/{reply.json()['event_id']}")
        return
    question = visitor.question("embedded", upload=path, name=name)
    stops = asyncio.create_task(stop(visitor, rng.random())) if rng.random() < 0.2 else None
    async with contextlib.aclosing(visitor.payloads(rng.choice(["ask", "finish"]), question)) as answers:
        async for _ in answers:
            pass
    if stops:
        await stops


async def stop(visitor: Visitor, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await visitor.newest()


async def visit(visitor: Visitor, data: bytes, waits: dict[str, list[float]]) -> None:
    await visitor.newest()
    began = time.perf_counter()
    path, answer = await visitor.upload(data, "mine.webp"), None
    question = visitor.question("embedded", upload=path, name="mine", methods=["papr", "cam"])
    async with contextlib.aclosing(visitor.payloads("ask", question)) as answers:
        async for answer in answers:
            if has_first_card(answer):
                waits["upload to first card"].append(time.perf_counter() - began)
                break
    if answer is None or "picture" not in answer:
        return
    began = time.perf_counter()
    change = {"picture": answer["picture"]["id"], "keep_ratio": 0.3, "methods": ["papr", "cam"]}
    reply = await visitor.call("numbers", visitor.question("embedded", name="mine", **change))
    if reply["ok"]:
        waits["slider to numbers"].append(time.perf_counter() - began)


def first_card() -> None:
    """Median milliseconds, and their difference, for a photograph and for what a phone takes."""
    from PIL import Image

    from app.decoding import decoding
    from papr_core import read_image

    decoding().warm_up()
    small = PHOTOGRAPHS[0].read_bytes()
    stream = io.BytesIO()
    Image.open(PHOTOGRAPHS[1]).convert("RGB").resize((4000, 3000)).save(stream, "JPEG", quality=90)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for what, data in (("a small photograph", small), ("12 megapixels", stream.getvalue())):
        times: dict[str, list[float]] = {"apart": [], "here": []}
        for _ in range(21):
            for name, read in (
                ("apart", lambda: decoding().picture(data, patient=True)),
                ("here", lambda: read_image(data)),
            ):
                began = time.perf_counter()
                read()
                times[name].append(1000 * (time.perf_counter() - began))
        apart, here = (statistics.median(times[name][1:]) for name in ("apart", "here"))
        print(
            f"  {what}: n 20, {apart:.1f} ms in a process of its own, {here:.1f} here, {apart - here:+.1f} ms"
        )


if __name__ == "__main__":
    main()
