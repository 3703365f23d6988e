"""Direct calls: one round trip, no queue. Among them the one that drops a visitor's older questions."""

from collections.abc import Callable
from typing import Any

from anyio import to_thread

from papr_core.errors import Stopped

from ..session import Shared, explain_error
from .question import read_who

__all__ = ["direct", "newest_of"]

MOST_WAITING = 100


def direct(shared: Shared, work: Callable[[str], dict[str, Any]]) -> Callable:
    """`work` as a direct call: {"ok": True, and what it gives}, or {"ok": False, where, text}; {"ok": False,
    "stopped": True} where the visitor asked something newer meanwhile.

    No queue of Gradio's holds these calls back, so few run at once; the others wait without holding a thread.
    """

    def answer(data: str) -> dict[str, Any]:
        try:
            return {"ok": True, **work(data)}
        except Stopped:
            return {"ok": False, "stopped": True}
        except Exception as error:
            return {"ok": False, **explain_error(error)}

    async def call(data: str) -> dict[str, Any]:
        if shared.quick.statistics().tasks_waiting >= MOST_WAITING:
            return {"ok": False, "where": "stage", "text": "Many ask at this moment. Try again."}
        return await to_thread.run_sync(answer, data, limiter=shared.quick)

    call.__name__ = work.__name__  # by which the page's scripts call it
    return call


def newest_of(shared: Shared) -> Callable:
    """A direct call: a visitor's newest question has this number; older ones end at their next step."""

    async def newest(data: str) -> bool:
        told = read_who(data)
        if told is not None:
            shared.newest(*told)
        return told is not None

    return newest
