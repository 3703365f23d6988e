"""Visitors who mean harm, for load.py (--hostile): requests that make a server grow, and are never read.

A folder of files made to be dear (`--files`) is sent too, each as a picture and as a clip.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from server import PAIRS, Server

__all__ = ["dear_files", "harm"]

PIECE = b"a" * 65_536


def dear_files(folder: str | None) -> list[Path]:
    return sorted(path for path in Path(folder).iterdir() if path.is_file()) if folder else []


async def harm(server: Server, files: list[Path], rng: random.Random, told: dict[str, int]) -> None:
    """One hostile visitor, until he is cancelled. told: how much was sent, by kind."""
    kinds = [
        unread,
        long_session,
        field,
        many_parts,
        unfinished,
        uploads,
        upload_ids,
        long_key,
        odd_values,
        idle,
    ]
    kinds += [dear] * 4 if files else []
    limits = httpx.Limits(max_connections=None)
    async with (
        contextlib.AsyncExitStack() as open_ones,
        httpx.AsyncClient(base_url=server.address, timeout=30, limits=limits) as http,
    ):
        while True:
            kind = rng.choice(kinds)
            told[kind.__name__] = told.get(kind.__name__, 0) + 1
            try:
                await kind(server, http, rng, files, open_ones)
            except (httpx.HTTPError, OSError, ValueError):
                told["refused"] = told.get("refused", 0) + 1


def question(path: str | None = None, page: str = "stage") -> dict:
    proposal, backbone = PAIRS["embedded"]
    asked = {
        "visitor": random.randbytes(6).hex(), "seq": 1, "picture": "coffee", "upload": path,
        "proposal": proposal, "backbone": backbone, "keep_ratio": 0.4,
        "methods": ["papr", "score-cam"], "explain": "proposal",
    }  # fmt: skip
    return {**asked, "methods": ["papr"]} if page == "clip-stage" else asked


def event(server: Server, asked: dict, page: str = "stage") -> dict:
    component = server.ids[page]
    return {
        "data": [], "event_data": asked, "fn_index": server.events[component, "ask"],
        "trigger_id": component, "session_hash": f"h{random.randbytes(6).hex()}",
    }  # fmt: skip


async def unread(server, http, rng, files, open_ones) -> None:
    """Questions whose answers nobody fetches."""
    for _ in range(20):
        await http.post("/gradio_api/queue/join", json=event(server, question()))
        await http.post("/gradio_api/call/v2/cost", json={"keep_ratio": rng.random() or 0.5})


async def long_session(server, http, rng, files, open_ones) -> None:
    for length in (70, 100_000, 980_000):
        told = {**event(server, question()), "session_hash": f"{rng.random()}" + "a" * length}
        await http.post("/gradio_api/queue/join", json=told)


def _form(pieces: int, *, name: str, times: int = 1) -> AsyncIterator[bytes]:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(times):
            yield f'--edge\r\nContent-Disposition: form-data; name="files"{name}\r\n\r\n'.encode()
            for _ in range(pieces):
                yield PIECE
            yield b"\r\n"
        yield b"--edge--\r\n"

    return body()


async def _send(http, body: AsyncIterator[bytes], **query: str) -> httpx.Response:
    headers = {"content-type": "multipart/form-data; boundary=edge"}
    return await http.post("/gradio_api/upload", content=body, headers=headers, params=query)


async def field(server, http, rng, files, open_ones) -> None:
    """Of 290 MB, instead of a file."""
    await _send(http, _form(290_000_000 // len(PIECE), name=""))


async def many_parts(server, http, rng, files, open_ones) -> None:
    await _send(http, _form(0, name='; filename="a.png"', times=1000))


async def uploads(server, http, rng, files, open_ones) -> None:
    """One after another."""
    for _ in range(3):
        await _send(http, _form(rng.choice([1, 50, 400]), name='; filename="a.png"'))


async def upload_ids(server, http, rng, files, open_ones) -> None:
    for _ in range(20):
        await _send(http, _form(0, name='; filename="a.png"'), upload_id=f"{rng.random()}" * 50)


async def unfinished(server, http, rng, files, open_ones) -> None:
    """An upload that says nothing more, and keeps its connection."""
    head = "POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 250000000\r\n"
    head += "Content-Type: multipart/form-data; boundary=edge\r\n\r\n--edge\r\n"
    await _connection(
        server, head, 'Content-Disposition: form-data; name="files"; filename="a"\r\n\r\na', open_ones
    )


async def idle(server, http, rng, files, open_ones) -> None:
    """Connections that ask nothing, half a request, or take nothing of an answer."""
    for said in ("", "GET / HTTP/1.1\r\n", "GET /config HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20):
        await _connection(server, said, "", open_ones)


async def _connection(server, head: str, more: str, open_ones) -> None:
    at = urlsplit(server.address)
    _, writer = await asyncio.open_connection(at.hostname, at.port, limit=1000)
    writer.write((head + more).encode())
    open_ones.callback(writer.close)


async def long_key(server, http, rng, files, open_ones) -> None:
    for length in (300, 150_000, 950_000):
        await http.post("/gradio_api/call/v2/cost", json={"a" * length: 1})
        await http.post("/gradio_api/queue/join", json={"a" * length: 1})


async def odd_values(server, http, rng, files, open_ones) -> None:
    for value in (1 << 64, 10**400, None, "", "9" * 5000, [[]] * 50_000):
        told = event(server, {**question(), "seq": value, "target": value})
        await http.post("/gradio_api/queue/join", json={**told, "session_hash": value})
        await http.post("/gradio_api/queue/join", json=told)
        data = {
            "data": json.dumps(question() | {"target": value}),
            "fn_name": "numbers",
            "session_hash": "odd",
        }
        await http.post("/gradio_api/component_server", json={**data, "component_id": server.ids["stage"]})


async def dear(server, http, rng, files, open_ones) -> None:
    """A file made to be dear, asked about; its answer is fetched, or not, or for a moment."""
    file = rng.choice(files)
    reply = await http.post("/gradio_api/upload", files={"files": (file.name, file.read_bytes())})
    reply.raise_for_status()
    page = rng.choice(["stage", "clip-stage"])
    asked = event(server, {**question(reply.json()[0], page), "picture": None}, page)
    (await http.post("/gradio_api/queue/join", json=asked)).raise_for_status()
    patience = rng.choice([0, 1, 60])
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience or None):
            if patience:
                await http.get(
                    "/gradio_api/queue/data", params={"session_hash": asked["session_hash"]}, timeout=90
                )
