"""A terminal: results as they come, tables, other people's words made plain, progress and complaints."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from papr_core.commands.options import folder_names
from papr_core.errors import PaprError

__all__ = [
    "Progress",
    "bar",
    "complain",
    "each",
    "plain",
    "reported",
    "steps_bar",
    "table",
    "tell_left_out",
    "tell_passed_over",
]

_Result = TypeVar("_Result")

_NAMED = 20  # of a list that may be long


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


def complain(error: Exception | str, about: str = "") -> None:
    """An error in a sentence on stderr; about: what it is about."""
    words = f"{about}: {error}" if about else str(error)
    print(f"papr: {plain(words)}", file=sys.stderr)


def tell_left_out(left_out: Sequence[Mapping[str, str]], kind: str) -> None:
    """What a long job went on without, by name, on stderr."""
    for one in left_out[:_NAMED]:
        complain(f"{one['picture']} is left out: {one['reason']}")
    if left_out:
        complain(f"{len(left_out)} {kind} left out in all, for they cannot be read.")


def tell_passed_over(data: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """What of a data set does not count, a line a reason, on stderr."""
    for row in rows:
        several = f"{row['example']}" + (f" and {row['count'] - 1:,} more" if row["count"] > 1 else "")
        complain(
            f"not read in {data}: {several}: each {row['reason']}."
            if row["count"] > 1
            else f"not read in {data}: {several}, which {row['reason']}."
        )


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


def each(
    files: Sequence[str], work: Callable[[str], _Result], progress: Progress
) -> Iterator[tuple[str, _Result | None]]:
    """(file, what work gives of it); one that fails gives a sentence and None, and the others go on."""
    for file in files:
        found = None
        try:
            found = work(file)
        except PaprError as error:
            progress.clear()
            complain(error, about=file if len(files) > 1 else "")
        progress.clear()
        yield file, found


def reported(
    args: argparse.Namespace,
    files: Sequence[str],
    found: Iterable[tuple[str, Any]],
    lines: Callable[[Any], Sequence[str]],
    written: str,
) -> int:
    """A report, or a JSON object, of each result, which is saved where --out says; the exit status.

    lines: a result's report; written: what `save` writes, in words.
    """
    names = folder_names(files)
    failed = False
    for index, (_, result) in enumerate(found):
        failed |= result is None
        if result is None:
            continue
        folder = None
        if args.out is not None:
            folder = result.save(args.out if len(files) == 1 else args.out / names[index])
        if args.json:
            print(json.dumps(result.to_dict(), allow_nan=False), flush=True)
            continue
        said = "\n".join(line if "\n" in line else plain(line) for line in lines(result))
        print(said, end="\n\n", flush=True)
        if folder:
            print(f"{written} are in {plain(str(folder))}.", end="\n\n", flush=True)
    return 2 if failed else 0


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
