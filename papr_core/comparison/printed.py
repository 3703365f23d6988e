"""Several pictures, at one keep ratio or more, in one figure or table for a paper."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from papr_core.comparison.comparison import Comparison
from papr_core.errors import InvalidInput

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from papr_core.figures import Display, Paper, Row

__all__ = ["printed_figure", "printed_table", "save_table"]

Pictures = Sequence[Sequence[Comparison]]  # of each picture one at each keep ratio, as `compare_ratios` gives


def printed_figure(
    pictures: Pictures, *, paper: "Paper | None" = None, display: "Display | None" = None
) -> "Figure":
    """All in one figure (`papr_core.figures.methods_figure`). One of a given width has no line about the
    models below it: that is for its caption.

    Raises:
        InvalidInput: comparisons that differ in methods or keep ratios, or more than fits into the width.
    """
    from papr_core.figures import methods_figure

    note = "" if paper and paper.width else pictures[0][0].caption_at(pictures[0])
    return methods_figure(_rows(pictures), note=note, paper=paper, display=display)


def printed_table(pictures: Pictures, kind: str) -> str:
    """Their numbers, kind "csv" or "tex" (`papr_core.figures.numbers_table`)."""
    from papr_core.figures import numbers_table

    return numbers_table(_rows(pictures), kind, note=pictures[0][0].caption_at(pictures[0]))


def save_table(pictures: Pictures, path: str | os.PathLike) -> Path:
    """Write the table; the suffix says how: .csv or .tex. Raises InvalidInput, as `save_figure` does."""
    from papr_core.figures import TABLES
    from papr_core.figures.files import written

    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    if kind not in TABLES:
        raise InvalidInput(f"A table is written as .csv or .tex, not as {path.name!r}.")
    return written(path, printed_table(pictures, kind).encode())


def _rows(pictures: Pictures) -> "list[Row]":
    from papr_core.figures import at_ratios

    return [at_ratios([comparison.figure_row() for comparison in ratios]) for ratios in pictures]
