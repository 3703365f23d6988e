"""How many requests are under way at once, and connections that lie idle.

uvicorn (0.54), which Gradio starts, closes a connection that has had an answer and rests, but neither one
that never asks nor one whose answer nobody takes.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from ..session import log
from .refused import Refused

__all__ = ["UNTAKEN", "Crowd", "hang_up"]

# Requests at once by the beginning of their route; "" is all others. Each open page holds a heartbeat and,
# while it asks, a stream of answers.
MOST = {"heartbeat": 500, "queue/data": 400, "call": 400, "mcp": 20, "upload": 64, "": 400}
CONNECTIONS = 2000
IDLE = 15  # seconds without a request
UNTAKEN = 60  # seconds that an answer waits to be taken
EVERY = 2


class Crowd:
    """What the requests of one running page share."""

    def __init__(self) -> None:
        self._under_way: dict[str, dict[asyncio.Event, None]] = {kind: {} for kind in MOST}
        self._idle: WeakKeyDictionary[Any, float] = WeakKeyDictionary()  # connection -> since when
        self._watching: asyncio.Task | None = None

    @contextmanager
    def enter(self, route: str, blocks: Any) -> Iterator[asyncio.Event]:
        """While a request is under way: an event that ends it. Raises Refused where too many are."""
        if self._watching is None:
            self._watching = asyncio.get_running_loop().create_task(self._watch(blocks))
        kind = next(kind for kind in MOST if route.startswith(kind))
        those = self._under_way[kind]
        if len(those) >= MOST[kind]:
            if kind != "heartbeat":
                raise Refused(503, "Many ask at this moment. Try again.")
            oldest = next(iter(those))  # it only says that a page is open
            oldest.set()
            del those[oldest]
        ended = asyncio.Event()
        those[ended] = None
        try:
            yield ended
        finally:
            those.pop(ended, None)

    async def _watch(self, blocks: Any) -> None:
        while True:
            await asyncio.sleep(EVERY)
            try:
                blocks._queue.pending_messages_per_session.look()
                self._close_idle(blocks.server.server_state.connections)
            except Exception as error:  # the next look comes
                log.error("The crowd cannot be looked after: %.200s", repr(error))

    def _close_idle(self, connections: Any) -> None:
        now, resting = time.monotonic(), []
        for one in list(connections):
            if one.transport is None:
                continue
            cycle = getattr(one, "cycle", None)
            if cycle is None or cycle.response_complete or one.transport.is_closing():
                resting.append((self._idle.setdefault(one, now), one))
            else:
                self._idle.pop(one, None)
        resting.sort(key=lambda pair: pair[0])
        spare = len(connections) - CONNECTIONS
        for number, (since, one) in enumerate(resting):
            if now - since > IDLE or number < spare:
                one.transport.abort()


def hang_up(scope: dict) -> None:
    """Close the connection of a client who takes nothing, or uvicorn waits for him for good."""
    for one in list(scope["app"].get_blocks().server.server_state.connections):
        if one.client == scope["client"]:
            one.transport.abort()
