"""What a browser is told to allow: the headers of every answer, and a Content-Security-Policy with the page.

Gradio (6.31) makes functions of texts that come with the page (`js=`, the templates of gr.HTML), so
`unsafe-eval` has to stay, and its components write style attributes. Script in the page itself runs by its
hash: that of Gradio's lines and of ours. Script that something writes into the page does not run.
"""

import hashlib
import os
import re
from base64 import b64encode
from typing import Any

from starlette._utils import get_route_path

from ..scripts import boot
from .routes import PREFIX

__all__ = ["with_policy"]

SCRIPT = re.compile(rb"<script(?:\s+data-[\w-]+)?\s*>(.*?)</script>", re.DOTALL)
WORKER = b"default-src 'self'; script-src 'self' 'wasm-unsafe-eval'"  # ONNX Runtime is compiled there
PLAIN = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin"))


def with_policy(scope: dict, send: Any, frames: tuple[str, ...]) -> Any:
    """`send` with these headers. frames: the sites that may show the page in a frame, beside itself."""
    held: dict | None = None  # a page's start waits for its text, whose scripts it names
    text = b""

    async def sent(message: dict) -> None:
        nonlocal held, text
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *PLAIN]}
            kind = dict(message["headers"]).get(b"content-type", b"")
            if kind.startswith(b"text/html"):
                held = message
                return
            if kind.startswith(b"text/javascript"):  # of a script it binds what runs by itself: the worker
                message["headers"].append((b"content-security-policy", WORKER))
            elif get_route_path(scope).startswith(PREFIX):  # data, or a visitor's file
                policy = f"default-src 'none'; sandbox; {_ancestors(frames)}"
                message["headers"].append((b"content-security-policy", policy.encode()))
        elif held is not None:
            text += message.get("body", b"")
            if message.get("more_body"):
                return
            policy = _policy(SCRIPT.findall(text), frames)
            held["headers"].append((b"content-security-policy", policy.encode()))
            await send(held)
            held, message = None, {**message, "body": text}
        await send(message)

    return sent


def _policy(scripts: list[bytes], frames: tuple[str, ...]) -> str:
    hashes = " ".join(dict.fromkeys(_hash(script) for script in (boot().encode(), *scripts)))
    # on a Space Gradio asks there how it does
    hub = " https://huggingface.co" if os.environ.get("SPACE_ID") else ""
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' 'unsafe-eval' {hashes}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "media-src 'self' data: blob:",
            "font-src 'self' data:",
            f"connect-src 'self' data: blob:{hub}",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            _ancestors(frames),
        )
    )


def _hash(script: bytes) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(script).digest()).decode()}'"


def _ancestors(frames: tuple[str, ...]) -> str:
    return " ".join(("frame-ancestors 'self'", *frames))
