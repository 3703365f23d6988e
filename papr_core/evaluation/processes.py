"""The processes of one evaluation, as torchrun starts them: which this is, and how they meet."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

__all__ = ["collected", "from_first", "share"]

_Value = TypeVar("_Value")
_meetings = itertools.count()


def share() -> tuple[int, int]:
    """This process's number and how many there are, as torchrun tells them."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def collected(value: _Value) -> list[_Value] | None:
    """What all processes have, in their order, in the first of them; None in the others."""
    rank, processes = share()
    if processes == 1:
        return [value]
    from torch import distributed

    parts: list[Any] | None = [None] * processes if rank == 0 else None
    with _met():
        distributed.gather_object(value, parts)
    return parts


def from_first(value: _Value) -> _Value:
    """What the first process has, in all of them."""
    if share()[1] == 1:
        return value
    from torch import distributed

    told = [value]
    with _met():
        distributed.broadcast_object_list(told)
    return told[0]


@contextmanager
def _met() -> Iterator[None]:
    """Joined in a group for as long as this lasts: the processes need each other for nothing else, and may
    take unequally long. Each meeting has names of its own in the store that they meet by, which keeps those
    of the one before."""
    from torch import distributed

    if distributed.is_initialized():  # the caller's own
        yield
        return
    store, rank, processes = next(distributed.rendezvous("env://"))
    apart = distributed.PrefixStore(f"papr meeting {next(_meetings)}", store)
    distributed.init_process_group(
        "gloo", store=apart, rank=rank, world_size=processes, timeout=timedelta(days=1)
    )
    try:
        yield
    finally:
        distributed.destroy_process_group()
