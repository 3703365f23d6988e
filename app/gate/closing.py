"""Streams of answers that end, and the questions that come just then.

Gradio (6.31) ends a session's stream of answers when its last question is answered. Its script in the browser
opens another one with the next question, unless the old one looks open: where the stream's last word comes
after the reply to that question it listens to none, and the page waits for ever. So that reply waits here
until whoever read the last word has closed the stream.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["Closing"]

LAST_WORD = b'data: {"msg":"close_stream"'
PATIENCE = 2  # seconds until a stream that nobody closes is ended here


class Closing:
    """The streams of one running page that have said their last word, by session."""

    def __init__(self) -> None:
        self._ending: dict[str, asyncio.Event] = {}

    @contextmanager
    def order(self, route: str, session: str, receive: Any, send: Any) -> Iterator[Any]:
        """`send` for a stream, which stays open after its last word until it is closed from outside, and for
        the reply to a question, which waits for that; of other routes as it is."""
        if route == "queue/join":
            yield self._reply(session, send)
        elif route == "queue/data":
            closed = asyncio.Event()
            try:
                yield self._stream(session, closed, receive, send)
            finally:
                closed.set()
                if self._ending.get(session) is closed:
                    del self._ending[session]
        else:
            yield send

    def _stream(self, session: str, closed: asyncio.Event, receive: Any, send: Any) -> Any:
        async def sent(message: dict) -> None:
            if message.get("body", b"").startswith(LAST_WORD):
                self._ending[session] = closed
            elif self._ending.get(session) is closed and not message.get("more_body"):
                with suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE):
                        while (await receive())["type"] != "http.disconnect":
                            pass
            await send(message)

        return sent

    def _reply(self, session: str, send: Any) -> Any:
        async def sent(message: dict) -> None:
            if session in self._ending:
                await self._ending[session].wait()
            await send(message)

        return sent
