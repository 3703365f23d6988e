"""What Gradio has to tell its visitors, kept so that nobody can stop its queue for all.

Gradio keeps the messages of the last 2,000 sessions, read or not. When it then has something to say to an
older one, whose question still waits, it ends its queue for good: two thousand questions that nobody fetches
the answers of would be enough.
"""

from asyncio import Queue
from typing import Any

from gradio.utils import LRUCache

__all__ = ["Mailboxes"]


class Mailboxes(LRUCache):
    """Messages by session. The oldest goes first, but none whose question waits or is worked on."""

    def __init__(self, queue: Any, most: int = 2000) -> None:
        super().__init__(most)
        self._queue = queue

    def __missing__(self, session: str) -> Queue:
        return Queue()  # of a session that is gone: nobody fetches it

    def popitem(self, last: bool = True) -> tuple[str, Queue]:
        waiting = [queue.queue for queue in self._queue.event_queue_per_concurrency_id.values()]
        events = [event for job in (*waiting, *self._queue.active_jobs) for event in job or ()]
        asking = {event.session_hash for event in events}
        session = next((one for one in self if one not in asking), next(iter(self)))
        return session, self.pop(session)
