"""What Gradio has to tell its visitors, bounded in bytes; and who listens, for only then is a question
worked on.

Gradio (6.31) keeps the messages of the last 2,000 sessions, read or not and of any size, and the ids of
questions for good. When it then has something to say to an older session, whose question still waits, it
ends its queue: two thousand questions that nobody fetches the answers of would be enough. And it works on
those like on any other.
"""

import time
from asyncio import Queue
from collections import deque
from typing import Any

import orjson
from gradio.queueing import Event
from gradio.server_messages import EstimationMessage, HeartbeatMessage, ProgressMessage
from gradio.utils import LRUCache

__all__ = ["Mailbox", "Mailboxes", "keep"]

SESSIONS = 2000
SESSION_BYTES = 32_000_000  # a clip's answer has a few million
ALL_BYTES = 128_000_000
LISTENING = 12  # seconds: Gradio's stream of answers looks again after ten
UNHEARD = 100  # questions that wait although nobody listens for their answers
PATIENCE = 10  # seconds until such a question is dropped; a browser listens within a tenth
FORGET = 600  # seconds that answers wait for a caller who fetches them late
REST = 60  # seconds that a stream stays open when nothing is asked
EVERY = 0.25  # seconds between two looks at who listens

NEWEST = (EstimationMessage, HeartbeatMessage, ProgressMessage)  # of these only the last one says something


class Mailbox(Queue):
    """Messages of one session, measured while nobody takes them."""

    def __init__(self) -> None:
        super().__init__()
        self._queue: deque[Any]
        self._getters: deque[Any]
        self.bytes, self.asked, self.changed = 0, 0.0, time.monotonic()
        self._sizes: deque[int] = deque()

    async def get(self) -> Any:
        self.asked = time.monotonic()
        return await super().get()

    @property
    def heard(self) -> bool:
        """Whether somebody listens."""
        return time.monotonic() - self.asked < LISTENING

    def _put(self, message: Any) -> None:
        last = self._queue[-1] if self._queue else None
        if (
            last
            and isinstance(message, NEWEST)
            and type(last) is type(message)
            and last.event_id == message.event_id
        ):
            self._queue[-1] = message
            return
        # one that is taken at once is not measured: an answer of a million bytes costs milliseconds
        size = 0 if self._getters else 2 * len(orjson.dumps(message.model_dump(), default=str)) + 1000
        self._queue.append(message)
        self._sizes.append(size)
        self.bytes += size
        self._touch(message)

    def _get(self) -> Any:
        self.bytes -= self._sizes.popleft()
        message = self._queue.popleft()
        self._touch(message)
        return message

    def _touch(self, message: Any) -> None:
        if not isinstance(message, HeartbeatMessage):  # Gradio sends it for as long as somebody listens
            self.changed = time.monotonic()


class Pending(dict):
    """The ids of questions by session; of one that is gone there are none."""

    def __missing__(self, session: str) -> set[str]:
        return set()


class Mailboxes(LRUCache):
    """Messages by session. The oldest goes first, but none whose question waits or is worked on."""

    def __init__(self, queue: Any, most: int = SESSIONS) -> None:
        super().__init__(most)
        self._queue, self._looked = queue, 0.0

    def __setitem__(self, session: str, mailbox: Queue) -> None:
        super().__setitem__(session, Mailbox())  # whatever Gradio made

    def __delitem__(self, session: str) -> None:
        if session in self:  # dropped before its stream was closed
            super().__delitem__(session)

    def __missing__(self, session: str) -> Queue:
        return Queue()  # of a session that is gone: nobody fetches it

    def popitem(self, last: bool = True) -> tuple[str, Queue]:
        asking = self._asking()
        free = (one for one in self if one not in asking)
        session = next(free, None) or next((one for one in self if not self.heard(one)), next(iter(self)))
        mailbox = self[session]
        self.drop(session)
        return session, mailbox

    def heard(self, session: str) -> bool:
        return session in self and self[session].heard

    def asked_by(self, session: str) -> int:
        """How many questions of a session wait or are worked on."""
        return sum(event.session_hash == session for event in self._events())

    def drop(self, session: str) -> None:
        """Forget a session: what it was to be told, and what it asked."""
        self.pop(session, None)
        self._queue.pending_event_ids_session.pop(session, None)
        for event in self._events():
            if event.session_hash == session:
                self.give_up(event)

    def give_up(self, event: Event) -> None:
        """A question is not worked on any more: one under way ends at its next step."""
        event.alive = False
        waiting = self._queue.event_queue_per_concurrency_id[event.concurrency_id].queue
        if event in waiting:
            waiting.remove(event)
            self._queue.event_ids_to_events.pop(event._id, None)

    def look(self) -> None:
        """Hold the bounds; a few times a second, and as often as Gradio likes to ask."""
        now = time.monotonic()
        if now - self._looked < EVERY:
            return
        self._looked = now
        unheard = [event for event in self._waiting() if not self.heard(event.session_hash)]
        for event in unheard[: max(0, len(unheard) - UNHEARD)]:
            self.drop(event.session_hash)
        for event in unheard:
            if now - event.enqueue_time > PATIENCE:
                self.drop(event.session_hash)
        asking = self._asking()
        for session, mailbox in list(self.items()):
            still = now - mailbox.changed > (REST if mailbox.heard else FORGET)
            if mailbox.bytes > SESSION_BYTES or (still and session not in asking):
                self.drop(session)
        while sum(mailbox.bytes for mailbox in self.values()) > ALL_BYTES:
            whole = [session for session, mailbox in self.items() if mailbox.bytes]
            self.drop(next((one for one in whole if not self.heard(one)), whole[0]))
        for session in self._queue.pending_event_ids_session.keys() - self.keys():
            del self._queue.pending_event_ids_session[session]
        if self._queue.server_app:  # questions that were cancelled, and are over
            self._queue.server_app.iterators_to_reset &= self._queue.event_ids_to_events.keys()

    def next(self) -> tuple[list[Event], bool, str] | None:
        """The longest waiting question that somebody listens for, of a queue that has room; as Gradio takes
        it."""
        self.look()
        for name, queue in self._queue.event_queue_per_concurrency_id.items():
            if queue.concurrency_limit is not None and queue.current_concurrency >= queue.concurrency_limit:
                continue
            event = next((one for one in queue.queue if self.heard(one.session_hash)), None)
            if event:
                queue.queue.remove(event)
                return [event], False, name
        return None

    def _waiting(self) -> list[Event]:
        """Those that wait, the oldest first."""
        queues = self._queue.event_queue_per_concurrency_id.values()
        return sorted(
            (event for queue in queues for event in queue.queue), key=lambda event: event.enqueue_time
        )

    def _events(self) -> list[Event]:
        working = [event for job in self._queue.active_jobs for event in job or ()]
        return [*self._waiting(), *working]

    def _asking(self) -> set[str]:
        return {event.session_hash for event in self._events()}


def keep(queue: Any) -> Mailboxes:
    """Have Gradio's queue use all this."""
    mailboxes = Mailboxes(queue)
    queue.pending_messages_per_session = mailboxes
    queue.pending_event_ids_session = Pending()
    queue.get_events = mailboxes.next
    return mailboxes
