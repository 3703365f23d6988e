"""Text on a terminal: aligned tables, and other people's words made plain."""

from collections.abc import Iterable, Sequence

__all__ = ["plain", "table"]


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
