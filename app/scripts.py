"""The page's scripts, static/js: ES modules, served from here under an address that their content decides.

Gradio has no place for modules: what stands in its `head=` is put into the page by its own script, late. So a
few lines there (boot.js) import main.js, and the page's response itself names the modules to fetch ahead.
"""

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["Scripts", "boot"]

FOLDER = Path(__file__).resolve().parent / "static" / "js"
BOOT = "boot.js"  # stands in the head itself
ADDRESS = re.compile(r"/scripts/([0-9a-f]{16})/(\w+\.js)")
IMPORT = re.compile(r'^(?:im|ex)port .* from "\./(\w+\.js)";$', re.MULTILINE)
FOR_GOOD = b"public, max-age=31536000, immutable"


@cache
def modules() -> dict[str, bytes]:
    """Name -> text of each module."""
    return {path.name: path.read_bytes() for path in sorted(FOLDER.glob("*.js")) if path.name != BOOT}


@cache
def version() -> str:
    """A hash of all modules: they import each other by relative addresses, and so stand under one."""
    return hashlib.sha256(repr(modules()).encode()).hexdigest()[:16]


def address(name: str) -> str:
    """Relative to the page, wherever a proxy has put it."""
    return f"./scripts/{version()}/{name}"


@cache
def first() -> list[str]:
    """The modules that main.js needs itself: the other tabs' come when they are opened."""
    names = ["main.js"]
    for name in names:  # which grows
        names += [one for one in IMPORT.findall(modules()[name].decode()) if one not in names]
    return names


def boot() -> str:
    """What the head holds: a block, so that nothing but `papr` becomes global."""
    return f'{{const MAIN = "{address("main.js")}";\n{(FOLDER / BOOT).read_text(encoding="utf-8")}}}'


class Scripts:
    """An ASGI middleware that answers requests for the modules and names them with the page."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.ahead = ", ".join(f"<{address(name)}>; rel=modulepreload" for name in first()).encode()

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return await self.app(scope, receive, send)
        asked = ADDRESS.search(scope["path"])
        if asked and asked[1] == version() and asked[2] in modules():
            return await _serve(modules()[asked[2]], scope["method"] == "GET", send)

        async def named(message: dict) -> None:
            headers = message.get("headers", ())
            if any(name == b"content-type" and kind.startswith(b"text/html") for name, kind in headers):
                message = {**message, "headers": [*headers, (b"link", self.ahead)]}
            await send(message)

        return await self.app(scope, receive, named)


async def _serve(text: bytes, whole: bool, send: Any) -> None:
    headers = [
        (b"content-type", b"text/javascript; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        (b"cache-control", FOR_GOOD),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text if whole else b""})
