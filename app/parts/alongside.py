"""Work on a thread beside a handler, which tells the browser how far it is."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["EVERY", "alongside"]

EVERY = 0.5  # seconds between two payloads of growing work; each keeps the browser busy for some 50 ms


def alongside(work: Callable[[Callable[[Any], None]], None], left: Callable[[], None]) -> Iterator[Any]:
    """Run work(tell) on a thread and give what it tells, the newest only; raise what it raises.

    left: called when the visitor's page is gone; the work has to look for that itself.
    """
    told: queue.SimpleQueue = queue.SimpleQueue()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work(told.put)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            newest = None
            while not told.empty():
                newest = told.get()
            if newest is not None:
                yield newest
            thread.join(EVERY if newest is not None else 0.02)
    except GeneratorExit:
        left()
        raise
    if failed:
        raise failed[0]
