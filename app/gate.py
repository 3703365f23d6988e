"""What of Gradio's server strangers reach: the routes that this page uses, with bodies of bounded size.

Gradio serves more than this page needs. It fetches addresses for whoever asks (`/file=https://...`, or a file
whose path is an address), gives recordings to an ffmpeg program, runs endpoints beside their queue. Here a
request is read before Gradio sees it, and what does not belong to this page ends with a sentence.
"""

import json
import math
import re
import secrets
import traceback
from typing import Any

from gradio.data_classes import FileData

from .session import log
from .uploads import upload

__all__ = ["Gate"]

JSON_BYTES = 1_000_000  # a question with 10,000 patches chosen by hand has 60,000
FORM_BYTES = 100_000  # around an uploaded file, which has Gradio's own limit (`max_file_size`)
DEEPEST = 40  # an event's own data stands five deep

# All of Gradio's own routes stand under this; what it serves elsewhere is the page itself.
PREFIX = "/gradio_api/"
ROUTES = re.compile(
    r"(upload|upload_progress|component_server|queue/(join|data|status)|run/predict|call/.+|cancel|reset|"
    r"heartbeat/[^/]+|info|openapi\.json|startup-events|app_id|login_check|user|token|mcp(/.*)?|file=.+)/?"
)
ELSEWHERE = re.compile(r"/(monitoring|login|logout)(/.*)?")


class Gate:
    """An ASGI middleware around Gradio's application."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = False

        async def sent(message: dict) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            route = _route(scope["path"])
            await self.app(scope, await _checked(route, scope, receive), sent)
        except _Refused as refused:
            status, text = refused.args
        except Exception as error:  # Gradio's own stumbling; our mistakes are caught where they arise
            number, place = secrets.token_hex(4), traceback.extract_tb(error.__traceback__)[-1]
            log.error("error %s: %r (%s:%d)", number, error, place.filename, place.lineno)
            status, text = 400, f"The request cannot be answered; it is in the server's log under {number}."
        else:
            return None
        if not started:
            await _answer(send, status, text)
        return None


class _Refused(Exception):
    """(status, sentence)"""


def _route(path: str) -> str:
    """The part of a path behind Gradio's prefix, "" for the page itself. Raises _Refused."""
    if not path.startswith(PREFIX):
        if ELSEWHERE.fullmatch(path):
            raise _Refused(404, "There is no such page here.")
        return ""
    route = path.removeprefix(PREFIX)
    if not ROUTES.fullmatch(route):
        raise _Refused(404, "This page has no such endpoint.")
    if route.startswith("file=") and upload(route.removeprefix("file=")) is None:
        raise _Refused(404, "There is no such file here, or it has been deleted.")
    return route.rstrip("/")  # Gradio has most of them with and without


async def _checked(route: str, scope: dict, receive: Any) -> Any:
    """`receive` with a bound, for JSON read whole and looked at. Raises _Refused."""
    length = dict(scope["headers"]).get(b"content-length", b"0")
    if not length.isdigit():
        raise _Refused(400, "The request has no proper length.")
    blocks, most = scope["app"].get_blocks(), JSON_BYTES
    if route.startswith(("upload", "mcp")):
        texts = 2 if route.startswith("mcp") else 1  # there a picture travels as text
        most = texts * (blocks.max_file_size or 0) + FORM_BYTES
    if int(length) > most:
        raise _Refused(413, f"At most {most / 1e6:g} MB can be sent here.")
    bounded = _bounded(receive, most)
    if scope["method"] != "POST" or not route or route.startswith(("upload", "mcp")):
        return bounded
    body = b""
    while True:
        message = await bounded()
        if message["type"] == "http.disconnect":
            raise _Refused(400, "The request broke off.")
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    _check(route, body, blocks)
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> dict:
        return waiting.pop() if waiting else await receive()

    return again


def _bounded(receive: Any, most: int) -> Any:
    come = 0

    async def bounded() -> dict:
        nonlocal come
        message = await receive()
        come += len(message.get("body", b""))
        if come > most:
            raise _Refused(413, f"At most {most / 1e6:g} MB can be sent here.")
        return message

    return bounded


def _check(route: str, body: bytes, blocks: Any) -> None:
    """Refuse what Gradio would stumble over, with a trace in the log, and every path but an upload's."""
    unreadable = _Refused(400, "The request is no JSON that can be read here.")
    try:
        told = json.loads(body, parse_float=_finite, parse_constant=_finite)
        json.dumps(told, ensure_ascii=False).encode()  # JSON may hold halves of a character
    except (ValueError, RecursionError):
        raise unreadable from None
    level = [told]
    for _ in range(DEEPEST):
        for value in level:
            if isinstance(value, dict) and isinstance(value.get("path"), str) and not _is_upload(value):
                raise _Refused(400, "Send the picture as an uploaded file; nothing else is read.")
        inside = (value.values() if isinstance(value, dict) else value for value in level)
        level = [one for values in inside for one in values if isinstance(one, (dict, list))]
    if level or not isinstance(told, dict) or not _fits(route, told, blocks):
        raise unreadable


def _is_upload(file: dict) -> bool:
    try:
        return upload(FileData(**file).path) is not None
    except (TypeError, ValueError):
        return False


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _fits(route: str, told: dict, blocks: Any) -> bool:
    """Whether there is such a function, and the request has a value for each of its inputs."""
    if route in ("queue/join", "run/predict"):
        index = told.get("fn_index")
        function = blocks.fns.get(index) if isinstance(index, int) else None
        if function and function.queue != (route == "queue/join"):  # nothing runs beside its queue
            return False
    elif route.startswith("call/") and not route.startswith("call/v2/"):
        name = route.split("/")[1]
        public = (one for one in blocks.fns.values() if one.api_visibility == "public")
        function = next((one for one in public if one.api_name == name), None)
    else:
        return True
    data = told.get("data")
    return function is not None and isinstance(data, list) and len(data) == len(function.inputs)


async def _answer(send: Any, status: int, text: str) -> None:
    body = json.dumps({"error": text, "detail": text}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
