"""What a figure is made for: its width, the size of its text, how it is laid out."""

import functools
import re
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from papr_core.errors import InvalidInput

__all__ = [
    "BAD",
    "DPI",
    "GOOD",
    "INK",
    "LAYOUTS",
    "ONE_COLUMN",
    "QUIET",
    "TWO_COLUMNS",
    "Paper",
    "clipped",
    "fitted",
    "percent",
    "text_width",
    "wrapped",
    "write",
]

LAYOUTS = ("columns", "rows")
ONE_COLUMN, TWO_COLUMNS = 8.25, 17.5  # cm, of a paper of two columns
DPI = 300  # of print
INK, QUIET, GOOD, BAD = "#16181d", "#5c6370", "#0b7a4b", "#b42318"


@dataclass(frozen=True)
class Paper:
    """layout: the methods stand in "columns" or in "rows". width: of the figure in cm, ONE_COLUMN,
    TWO_COLUMNS or any from 3 to 100; None is what its pictures need at their usual size. text: the size of
    all text in points, 4 to 30. numbers: whether confidences and what is said of the answer stand at the
    pictures.

    Raises:
        InvalidInput: what there is not, or beyond these bounds.
    """

    layout: str = LAYOUTS[0]
    width: float | None = None
    text: float = 8.0
    numbers: bool = True

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise InvalidInput(f"Methods stand in {' or '.join(LAYOUTS)}, not in {self.layout!r}.")
        if self.width is not None and not 3 <= self.width <= 100:
            raise InvalidInput(f"A figure is 3 to 100 cm wide, not {self.width:g}.")
        if not 4 <= self.text <= 30:
            raise InvalidInput(f"The text of a figure has 4 to 30 points, not {self.text:g}.")

    @property
    def inches(self) -> float | None:
        """The width in inches, as matplotlib wants it."""
        return None if self.width is None else self.width / 2.54

    @property
    def line(self) -> float:
        """From one line of text to the next, in inches."""
        return 1.25 * self.text / 72


# Text. A label is never read as mathematics.


def write(figure: Figure, text: str, left: float, top: float, size: float, **style: Any) -> None:
    """Text at a place in inches from the upper left corner, `size` in points."""
    width, height = figure.get_size_inches()
    style = {"ha": "left", "va": "top", "color": INK, **style}
    figure.text(left / width, 1 - top / height, text, parse_math=False, size=size, **style)


@functools.lru_cache(4096)
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Of one line, in inches; size in points."""
    font = FontProperties(size=size, weight=weight)
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / 72


def fitted(text: str, width: float, size: float, weight: str = "normal") -> str:
    """As much of a text as a line of `width` inches holds, with a mark where something is missing."""
    text = " ".join(text.split())
    if text_width(text, size, weight) <= width:
        return text
    while text and text_width(text + "…", size, weight) > width:
        text = text[:-1].rstrip()
    return text + "…"


def wrapped(text: str, width: float, size: float, weight: str = "normal") -> list[str]:
    """A text in lines of at most `width` inches; a word that is longer is cut, and a number keeps its %."""
    lines: list[str] = []
    for word in re.findall(r"\S+(?: %\S*)?", text):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size, weight) <= width:
            lines[-1] = longer
        else:
            lines.append(fitted(word, width, size, weight))
    return lines


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def clipped(text: str, length: int) -> str:
    """At most so many letters."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
