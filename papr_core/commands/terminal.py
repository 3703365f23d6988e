"""A terminal: aligned tables, other people's words made plain, progress and complaints on stderr."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

__all__ = ["Progress", "bar", "complain", "plain", "steps_bar", "table"]


def plain(text: str) -> str:
    """Text of others on one line, without control characters."""
    words = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns: a column of numbers to the right, others to the left."""
    rows = [tuple(plain(str(cell)) for cell in row) for row in rows]
    columns = list(zip(head, *rows))
    widths = [max(map(len, column)) for column in columns]
    right = [all(cell[:1].isdigit() or cell == "-" for cell in column[1:]) for column in columns]
    lines = [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, right)
        )
        for row in (tuple(head), *rows)
    ]
    return "\n".join(line.rstrip() for line in lines)


def complain(error: Exception, about: str = "") -> None:
    """An error in a sentence on stderr; about: what it is about."""
    words = f"{about}: {error}" if about else str(error)
    print(f"papr: {plain(words)}", file=sys.stderr)


class Progress:
    """One line on stderr that overwrites itself; nothing where stderr is no terminal."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._width = 0

    def __call__(self, what: str, done: int, of: int) -> None:
        if self._shown and of:
            line = f"{what} {100 * done // of} %"
            print(f"\r{line.ljust(self._width)}", end="", file=sys.stderr, flush=True)
            self._width = len(line)

    def of(self, what: str) -> Callable[[int, int], None]:
        return lambda done, of: self(what, done, of)

    def clear(self) -> None:
        if self._width:
            print(f"\r{' ' * self._width}\r", end="", file=sys.stderr, flush=True)
            self._width = 0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()


@contextmanager
def bar(show: bool, **look: object) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr, which appears with its first step."""
    from tqdm import tqdm

    with tqdm(file=sys.stderr, disable=not show, delay=1e-3, **look) as shown:

        def progress(done: int, of: int) -> None:
            if of != shown.total:
                shown.reset(of)
            shown.update(done - shown.n)
            if done == of:
                shown.refresh()

        yield progress


@contextmanager
def steps_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on stderr for one thing after the other."""
    from tqdm import tqdm

    bars: dict[str, tqdm] = {}

    def progress(what: str, done: int, of: int) -> None:
        if what not in bars:
            close()
            bars[what] = tqdm(desc=what, total=of, initial=done, mininterval=2, file=sys.stderr)
        bars[what].update(done - bars[what].n)

    def close() -> None:
        for bar in bars.values():
            bar.close()

    try:
        yield progress
    finally:
        close()
