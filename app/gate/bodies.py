"""What a request may hold: JSON of a bounded size, whose values fit the function that is asked."""

import asyncio
import json
import math
from typing import Any

from gradio.data_classes import FileData

from ..uploads import upload
from .refused import Refused
from .routes import SESSION

__all__ = ["JSON_BYTES", "MCP_BYTES", "checked", "length_of"]

JSON_BYTES = 200_000  # a question with 10,000 patches chosen by hand has 60,000
MCP_BYTES = 100_000_000  # there a picture travels as text
DEEPEST = 40  # an event's own data stands five deep
VALUES = 20_000  # each takes sixty bytes or so while a question waits
KEY = 200  # characters
PATIENCE = 20  # seconds for the whole of a question
AT_ONCE = 8  # questions of one session that wait or are worked on


async def checked(route: str, scope: dict, receive: Any) -> tuple[Any, dict]:
    """`receive` for Gradio, bounded; and where JSON is asked for what it says, read and looked at. Raises
    Refused."""
    most = MCP_BYTES if route.startswith("mcp") else JSON_BYTES
    if length_of(scope) > most:
        raise _too_long(most)
    if scope["method"] != "POST" or not route or route.startswith("mcp"):
        return _bounded(receive, most), {}
    kind = dict(scope["headers"]).get(b"content-type", b"")
    if kind.split(b";")[0].strip().lower() != b"application/json":
        raise Refused(415, "Send JSON, and say so: Content-Type: application/json.")
    try:
        async with asyncio.timeout(PATIENCE):
            body = await _whole(_bounded(receive, most))
    except TimeoutError:
        raise Refused(408, "The request took too long to arrive.") from None
    told = _check(route, body, scope["app"].get_blocks())
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> dict:
        return waiting.pop() if waiting else await receive()

    return again, told


def length_of(scope: dict) -> int:
    """Of the body, as it was said. Raises Refused."""
    length = dict(scope["headers"]).get(b"content-length", b"0")
    if not length.isdigit() or len(length) > 18:
        raise Refused(400, "The request has no proper length.")
    return int(length)


async def _whole(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "The request broke off.")
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


def _bounded(receive: Any, most: int) -> Any:
    come = 0

    async def bounded() -> dict:
        nonlocal come
        message = await receive()
        come += len(message.get("body", b""))
        if come > most:
            raise _too_long(most)
        return message

    return bounded


def _too_long(most: int) -> Refused:
    return Refused(413, f"At most {most / 1e6:g} MB can be sent here.")


def _check(route: str, body: bytes, blocks: Any) -> dict:
    """What JSON says. Refuses what Gradio would stumble over, with a trace in the log, and every path but an
    upload's."""
    unreadable = Refused(400, "The request is no JSON that can be read here.")
    try:
        told = json.loads(body, parse_float=_finite, parse_constant=_finite, parse_int=_integer)
        json.dumps(told, ensure_ascii=False).encode()  # JSON may hold halves of a character
    except (ValueError, RecursionError):
        raise unreadable from None
    level, values = [told], 0
    for _ in range(DEEPEST):
        for value in level:
            values += len(value)
            if isinstance(value, dict) and isinstance(value.get("path"), str) and not _is_upload(value):
                raise Refused(400, "Send the picture as an uploaded file; nothing else is read.")
            if isinstance(value, dict) and any(len(key) > KEY for key in value):
                raise unreadable
        inside = (value.values() if isinstance(value, dict) else value for value in level)
        level = [one for values in inside for one in values if isinstance(one, (dict, list))]
    if level or values > VALUES or not isinstance(told, dict) or not _fits(route, told, blocks):
        raise unreadable
    if route.startswith(("queue/join", "call/")):
        asked = blocks._queue.pending_messages_per_session.asked_by(told.get("session_hash"))
        if asked >= AT_ONCE:
            raise Refused(429, "Too many of your questions wait: wait for their answers.")
    if route == "cancel":  # Gradio would take the question from whoever listens for its answer
        event = blocks._queue.event_ids_to_events.get(str(told.get("event_id")))
        if event is not None and event.session_hash != told["session_hash"]:
            raise Refused(404, "No question of this session has that id.")
    return told


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


def _integer(text: str) -> int:
    """One of 64 bits: Gradio cannot write larger ones into an answer."""
    if len(text) > 20 or not -(1 << 63) <= int(text) < 1 << 63:
        raise ValueError("an integer of more than 64 bits")
    return int(text)


def _fits(route: str, told: dict, blocks: Any) -> bool:
    """Whether there is such a function, the request has a value for each of its inputs, and says who asks."""
    session = told.get("session_hash")
    named = isinstance(session, str) and SESSION.fullmatch(session)
    if not named and not (session is None and route.startswith(("call/", "reset"))):
        return False
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
