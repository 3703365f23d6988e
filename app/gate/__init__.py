"""What of Gradio's server strangers reach: the routes that this page uses, with requests of bounded size
and number.

Gradio serves more than this page needs. It fetches addresses for whoever asks (`/file=https://...`, or a
file whose path is an address), gives recordings to an ffmpeg program, runs endpoints beside their queue.
Here a request is read before Gradio sees it, and what does not belong to this page ends with a sentence.
One file a concern: `sites` says who may send at all, `routes` where to, `crowd` how many, `bodies` and
`forms` what, `closing` in which order a stream's end and the next reply come; `policy` what a browser is
told, `logs` what the owner is.
"""

import asyncio
import json
import secrets
import traceback
from typing import Any

from starlette._utils import get_route_path

from ..session import log
from . import forms
from .bodies import JSON_BYTES, checked
from .closing import Closing
from .crowd import UNTAKEN, Crowd, hang_up
from .forms import FORM_BYTES
from .logs import keep_short
from .policy import with_policy
from .refused import Refused
from .routes import named_session, route_of, told_alike
from .sites import FRAMES, Sites, is_local

__all__ = ["FORM_BYTES", "FRAMES", "JSON_BYTES", "Gate", "Refused", "Sites", "is_local"]


class Gate:
    """An ASGI middleware around Gradio's application."""

    def __init__(self, app: Any, sites: Sites) -> None:
        self.app, self.sites, self.crowd, self.closing = app, sites, Crowd(), Closing()
        keep_short()

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        reply = Reply(with_policy(scope, send, self.sites.frames))
        try:
            await self._answer(scope, receive, reply)
        except TimeoutError:
            if not reply.untaken:
                raise
        finally:
            if reply.untaken:
                hang_up(scope)
        return None

    async def _answer(self, scope: dict, receive: Any, reply: "Reply") -> None:
        blocks = scope["app"].get_blocks()
        try:
            self.sites.check(scope, blocks.server_name)
            route = route_of(get_route_path(scope))
            listens = named_session(scope["query_string"]) if route == "queue/data" else None
            with self.crowd.enter(route, blocks) as ended:
                if route == "upload":
                    return await reply.json(200, await forms.received(scope, receive))
                receive, told = await checked(route, scope, receive)
                if route.startswith("heartbeat"):
                    receive = _until(ended, receive)
                name = next(iter(self.sites.names), f"localhost:{blocks.server_port}")
                session = listens or told.get("session_hash", "")
                with self.closing.order(route, session, receive, reply.send) as send:
                    await self.app(told_alike(route, scope, name), receive, send)
        except Refused as refused:
            status, text = refused.args
        except Exception as error:  # Gradio's own stumbling; our mistakes are caught where they arise
            if reply.untaken:
                return None
            if reply.says_gone(error):
                return await reply.end()
            number, place = secrets.token_hex(4), traceback.extract_tb(error.__traceback__)[-1]
            log.error("error %s: %.200s (%s:%d)", number, repr(error), place.filename, place.lineno)
            status, text = 400, f"The request cannot be answered; it is in the server's log under {number}."
        else:
            return await reply.end()
        if reply.started:
            return await reply.end()
        return await reply.json(status, {"error": text, "detail": text})


class Reply:
    """What has been sent, and that somebody takes it."""

    def __init__(self, send: Any) -> None:
        self._send, self.started, self.untaken, self._done = send, False, False, False

    async def send(self, message: dict) -> None:
        self.started = True
        self._done = message["type"] == "http.response.body" and not message.get("more_body")
        try:
            async with asyncio.timeout(UNTAKEN):
                await self._send(message)
        except TimeoutError:
            self.untaken = True
            raise

    async def json(self, status: int, told: Any) -> None:
        body = json.dumps(told).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    def says_gone(self, error: Exception) -> bool:
        """Whether this is no mistake: Gradio's stream has said that its session is gone."""
        return self.started and getattr(error.__cause__, "status_code", None) == 404

    async def end(self) -> None:
        """Of an answer that was begun and is not whole, as of a stream that is ended here."""
        if self.started and not self._done:
            await self.send({"type": "http.response.body", "body": b""})


def _until(ended: asyncio.Event, receive: Any) -> Any:
    """`receive` that says after `ended` that whoever asked has gone."""

    async def received() -> dict:
        come, end = asyncio.ensure_future(receive()), asyncio.ensure_future(ended.wait())
        try:
            await asyncio.wait((come, end), return_when=asyncio.FIRST_COMPLETED)
            return come.result() if come.done() else {"type": "http.disconnect"}
        finally:
            come.cancel()
            end.cancel()

    return received
