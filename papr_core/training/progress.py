"""How far a training is, for whoever waits for it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["Progress", "told"]

Progress = Callable[[str, int, int], None]  # what, steps done, of


def told(progress: Progress | None, what: str, steps: Iterable, first: int, of: int) -> Iterator[Any]:
    """The steps from `first` on, of which each is told when it is done."""
    if progress:
        progress(what, first, of)
    for done, step in enumerate(steps, first + 1):
        yield step
        if progress:
            progress(what, done, of)
