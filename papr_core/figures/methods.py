"""The figure of methods: pictures, each method's map, what it keeps at one keep ratio or more, and what is
left of the answer. PaPr, https://arxiv.org/abs/2403.16020, Fig. 7 and 12 to 17.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.figure import Figure

from papr_core.errors import InvalidInput
from papr_core.figures.display import Display
from papr_core.figures.paper import (
    BAD,
    DPI,
    GOOD,
    INK,
    QUIET,
    Paper,
    fitted,
    percent,
    text_width,
    wrapped,
    write,
)
from papr_core.figures.pictures import cell_pixels, masked_image, overlaid_image, place, resized

__all__ = ["Cut", "Panel", "Row", "at_ratios", "methods_figure"]

_CELL = 1.5  # inches, of a picture in a figure whose width is not given
_GAP, _MARGIN, _PAD = 0.05, 0.03, 0.03  # inches


@dataclass(frozen=True, eq=False)
class Cut:
    """What a method keeps: patches (k,) counted row by row, the confidence that is left, and whether the full
    model's top-1 is (None where there are no classes). draws: how many the confidence is the mean of; all
    else is of the first. top1: the answer that is left. made: of a picture that was made smaller, how many
    patches the model sees."""

    kept: np.ndarray
    confidence: float
    kept_answer: bool | None
    draws: int = 1
    top1: str = ""
    made: int | None = None


@dataclass(frozen=True, eq=False)
class Panel:
    """One method on one picture: its map (H, W) on the patch grid, None where it has none to show, and its
    cut at each keep ratio of the row, None where the ratio does not move it. note: a few words below the map,
    such as the class that it explains."""

    title: str
    significance: np.ndarray | None
    cuts: Sequence[Cut | None]
    note: str = ""


@dataclass(frozen=True, eq=False)
class Row:
    """One picture (H, W, 3) uint8 with its patch grid (rows, columns), the class under study, both models'
    confidence in it, and its panels, each with a cut for each of `keep`.

    name: of the picture, for a table. answer: the full model's top-1 and its probability where that is
    another class than the one under study. chosen: that one was chosen: a cut's kept_answer then says whether
    it is in the first place; else, where there is an answer, "kept" is about that. proposal_confidence is
    None where the ConvNet does not know the class; backbone_confidence is None where the backbone has no
    classes: then a cut's confidence is a cosine, and kept_answer None.
    """

    image: np.ndarray
    grid: tuple[int, int]
    label: str
    proposal_confidence: float | None
    backbone_confidence: float | None
    keep: Sequence[float]
    panels: Sequence[Panel]
    answer: tuple[str, float] | None = None
    name: str = ""
    chosen: bool = False

    @property
    def marks(self) -> tuple[str, str]:
        """The words behind ✓ and ✗."""
        return ("first", "not first") if self.chosen else ("kept", "lost")

    def shown(self, confidence: float) -> str:
        """A cut's confidence, or cosine, in print."""
        return f"{confidence:.3f}" if self.backbone_confidence is None else percent(confidence)


def at_ratios(rows: Sequence[Row]) -> Row:
    """One picture's rows at one keep ratio each as one row, in that order; by-hand, which no ratio moves, is
    cut once."""
    first, *more = rows
    panels = []
    for index, panel in enumerate(first.panels):
        cuts = list(panel.cuts)
        for row in more:
            other = row.panels[index].cuts
            same = [
                a is not None and b is not None and np.array_equal(a.kept, b.kept)
                for a, b in zip(panel.cuts, other)
            ]
            cuts += [None] * len(other) if panel.significance is None and all(same) else list(other)
        panels.append(replace(panel, cuts=cuts))
    return replace(first, panels=panels, keep=[ratio for row in rows for ratio in row.keep])


def methods_figure(
    rows: Sequence[Row], *, note: str = "", paper: Paper | None = None, display: Display | None = None
) -> Figure:
    """For each picture itself with both models' confidence, then for each method its map and what it keeps at
    each keep ratio, with the backbone's confidence below.

    Methods stand in columns, with map and cuts below each other, or in rows, side by side. All rows have the
    same methods and keep ratios. note: a sentence at the bottom, such as the models and the keep ratio.

    Raises:
        InvalidInput: rows that differ, or more than fits into the width.
    """
    paper, display = paper or Paper(), display or Display()
    titles = [panel.title for panel in rows[0].panels] if rows else []
    for row in rows:
        cuts = {len(row.keep), *(len(panel.cuts) for panel in row.panels)}
        if [panel.title for panel in row.panels] != titles or cuts != {len(rows[0].keep)}:
            titles = []
    if not titles:
        raise InvalidInput("A figure of methods needs at least one row, and the same methods in each.")
    plan = _Plan.of(rows, note, paper)
    figure = Figure(figsize=(plan.width, plan.height), dpi=DPI, facecolor="white")
    maps = [one.significance for row in rows for one in row.panels if one.significance is not None]
    for i, row in enumerate(rows):
        picture = resized(row.image, plan.pixels)
        place(figure, picture, *plan.at(i, 0, 0))
        _about(figure, plan, i, row)
        for j, panel in enumerate(row.panels, 1):
            _draw(figure, plan, (i, j), row, panel, picture, maps, display)
    _heads(figure, plan, rows)
    for index, line in enumerate(plan.notes):
        top = plan.height - _MARGIN - (len(plan.notes) - index) * paper.line
        write(figure, line, _MARGIN, top, paper.text, color=QUIET)
    return figure


def _draw(
    figure: Figure,
    plan: "_Plan",
    where: tuple[int, int],
    row: Row,
    panel: Panel,
    picture: np.ndarray,
    maps: Sequence[np.ndarray],
    display: Display,
) -> None:
    """One method's map and cuts, and what stands below them."""
    size, map_of = plan.paper.text, panel.significance
    left, top = plan.at(*where, 0)
    mapped = picture
    if map_of is not None:
        ends = display.ends(map_of, maps)
        mapped = overlaid_image(picture, map_of, colormap=display.colours, opacity=display.opacity, ends=ends)
    place(figure, mapped, left, top)
    below = plan.high + _PAD
    for line, words in enumerate(_noted(plan.paper, panel, plan.cell)):
        write(figure, words, left, top + below + line * plan.paper.line, size, color=QUIET)
    for stacked, cut in enumerate(panel.cuts, 1):
        if cut is None:
            continue
        left, top = plan.at(*where, stacked)
        place(figure, masked_image(picture, cut.kept, row.grid, look=display.look), left, top)
        if not plan.paper.numbers:
            continue
        top += below
        write(figure, row.shown(cut.confidence), left, top, size, weight="bold")
        if cut.kept_answer is None:
            continue
        color = GOOD if cut.kept_answer else BAD
        if row.answer:  # which class it is about is named, on a line of its own
            said = _named(row, cut.kept_answer, plan.cell, size)
            write(figure, said, left, top + plan.paper.line, size, color=color)
        else:
            mark = _mark(row, cut, plan.cell, size)
            write(figure, mark, left + plan.cell, top, size, color=color, ha="right")


def _noted(paper: Paper, panel: Panel, width: float) -> list[str]:
    """A panel's note in one line, or in two."""
    if not paper.numbers:
        return []
    made = dict.fromkeys(str(cut.made) for cut in panel.cuts if cut and cut.made)
    note = f"all of it, in {' and '.join(made)} patches" if made else panel.note
    first, *more = wrapped(note, width, paper.text) or [""]
    return [fitted(line, width, paper.text) for line in [first, " ".join(more)] if line]


def _mark(row: Row, cut: Cut, width: float, size: float) -> str:
    """Whether the answer is kept, beside the number: with its word where there is room."""
    sign, word = ("✓", row.marks[0]) if cut.kept_answer else ("✗", row.marks[1])
    room = width - text_width(row.shown(cut.confidence) + " ", size, "bold")
    return f"{sign} {word}" if text_width(f"{sign} {word}", size) <= room else sign


def _named(row: Row, kept: bool, width: float, size: float) -> str:
    """The same with the class that it is about."""
    sign, word = ("✓", row.marks[0]) if kept else ("✗", row.marks[1])
    label = row.label if row.chosen or row.answer is None else row.answer[0]
    room = width - text_width(f"{sign}  {word}", size)
    return f"{sign} {fitted(label, max(room, 0.3 * width), size)} {word}"


def _about(figure: Figure, plan: "_Plan", i: int, row: Row) -> None:
    """At the picture: the class under study and what both models say of the whole picture."""
    size = plan.paper.text
    left, top, width, room = plan.beside(i)
    for words, weight, color in _words(plan.paper, row, width, room):
        write(figure, words, left, top, size, weight=weight, color=color)
        top += plan.paper.line


def _words(paper: Paper, row: Row, width: float, room: int) -> list[tuple[str, str, str]]:
    """(line, weight, colour) each, at most `room`: what does not fit is left out, the ConvNet first."""
    said = []
    if paper.numbers and row.backbone_confidence is None:
        said = ["cosine to it"]
    elif paper.numbers and row.backbone_confidence is not None:
        convnet = "n/a" if row.proposal_confidence is None else percent(row.proposal_confidence)
        said = [f"Backbone {percent(row.backbone_confidence)}", f"ConvNet {convnet}"]
        if row.answer:
            said.insert(1, f"its answer: {row.answer[0]} {percent(row.answer[1])}")
    lines = [(line, "bold", INK) for line in wrapped(row.label, width, paper.text, "bold")[: max(1, room)]]
    for words in said:
        more = [(line, "normal", QUIET) for line in wrapped(words, width, paper.text)]
        if len(lines) + len(more) <= room:
            lines += more
    return lines


def _heads(figure: Figure, plan: "_Plan", rows: Sequence[Row]) -> None:
    """The methods' titles and, at what is kept, the keep ratio."""
    paper, first = plan.paper, rows[0]
    bold = {"weight": "bold"}
    for j, panel in enumerate(first.panels, 1):
        left, top = plan.at(0, j, 0)
        if plan.across:
            write(figure, panel.title, _MARGIN, top + plan.high / 2, paper.text, va="center", **bold)
        else:
            title = fitted(panel.title, plan.cell + plan.gap, paper.text, "bold")
            write(figure, title, left + plan.cell / 2, _MARGIN, paper.text, ha="center", **bold)
    heads = ["Map", *(f"{100 * ratio:.3g} %" for ratio in first.keep)]
    for i in range(len(rows)):
        for stacked, head in enumerate(heads):
            left, top = plan.at(i, 1 if plan.across else 0, stacked)
            if plan.across:
                top -= paper.line + _PAD
                write(figure, head, left + plan.cell / 2, top, paper.text, ha="center", **bold)
            elif stacked:
                style = {"ha": "right", "va": "bottom", **bold}
                write(figure, head, left + plan.cell, top + plan.high, paper.text, **style)


@dataclass(frozen=True)
class _Plan:
    """Where everything stands, in inches from the upper left corner: the lefts and tops of the cells, the
    size of a cell, which is `pixels` wide in print, and the lines at the bottom."""

    paper: Paper
    stack: int  # cells of a method: its map, and a cut for each keep ratio
    pixels: int
    cell: float
    high: float
    gap: float
    lefts: Sequence[float]
    tops: Sequence[float]
    width: float
    height: float
    notes: Sequence[str]

    @property
    def across(self) -> bool:
        """Whether a method is a row, and the pictures stand side by side."""
        return self.paper.layout == "rows"

    def at(self, i: int, j: int, stacked: int) -> tuple[float, float]:
        """Left and top of a cell: of picture i, itself (j = 0) or a method, its map (0) or a cut."""
        along = i * self.stack + stacked
        return (self.lefts[along], self.tops[j]) if self.across else (self.lefts[j], self.tops[along])

    def beside(self, i: int) -> tuple[float, float, float, int]:
        """Where it stands what is said of picture i: left, top, width, and how many lines there is room for.
        Its own cell has none to its right or below it but for the keep ratio."""
        left, top = self.at(i, 0, 0)
        if self.across:
            right = self.at(i, 0, self.stack - 1)[0] + self.cell
            left += self.cell + self.gap
            return left, top, right - left, int(self.high / self.paper.line)
        down = self.at(i, 0, 1)[1] - top - _PAD - self.paper.line
        return left, top + self.high + _PAD, self.cell, int(down / self.paper.line)

    @classmethod
    def of(cls, rows: Sequence[Row], note: str, paper: Paper) -> "_Plan":
        """Raises InvalidInput where the pictures would be too small."""
        first, across = rows[0], paper.layout == "rows"
        stack = 1 + len(first.keep)
        names = 0.0
        if across:
            names = max(text_width(one.title, paper.text, "bold") for one in first.panels) + 2 * _GAP
        count = len(rows) * stack if across else 1 + len(first.panels)  # cells side by side
        between = _GAP * (count - 1) + (2 * _GAP * (len(rows) - 1) if across else 0)
        room = _CELL if paper.inches is None else (paper.inches - 2 * _MARGIN - names - between) / count
        pixels = cell_pixels(max(room, 0.01), first.grid[1])
        cell = pixels / DPI
        high = round(pixels * first.image.shape[0] / first.image.shape[1]) / DPI
        gap = _GAP if paper.inches is None else _GAP + (room - cell) * count / max(1, count - 1)
        lefts = [
            _MARGIN + names + k * (cell + gap) + (k // stack * 2 * _GAP if across else 0)
            for k in range(count)
        ]
        width = paper.inches or lefts[-1] + cell + _MARGIN

        lines = [0] * stack  # of text below a map, and below what is kept
        if paper.numbers:
            lines[0] = max(len(_noted(paper, panel, cell)) for row in rows for panel in row.panels)
            lines[1:] = [2 if any(row.answer for row in rows) else 1] * (stack - 1)
        below = [_PAD + count * paper.line + _GAP for count in lines]
        head = paper.line + _PAD
        tops = [_MARGIN] if across else []
        top = _MARGIN + head
        if across:
            top += high + _GAP
            for _ in first.panels:
                tops.append(top)
                top += high + max(below)
        else:
            for _ in rows:
                for part in below:
                    tops.append(top)
                    top += high + part
                top += _GAP
        short = paper.numbers and any(
            cut
            and cut.kept_answer is not None
            and not row.answer
            and len(_mark(row, cut, cell, paper.text)) == 1
            for row in rows
            for panel in row.panels
            for cut in panel.cuts
        )
        told = "the class is in the first place, ✗ it is not" if rows[0].chosen else (
            "the answer of the whole picture is kept, ✗ it is lost"
        )  # fmt: skip
        legend = f"✓ {told}." if short else ""
        notes = wrapped(f"{note} {legend}".strip(), width - 2 * _MARGIN, paper.text)
        height = top + len(notes) * paper.line + _MARGIN
        plan = cls(
            paper, stack, pixels, cell, high, gap, lefts, tops, width, math.ceil(height * DPI) / DPI, notes
        )
        needed = 1.02 * text_width("100.0 %", paper.text, "bold") if paper.numbers else 0.25
        if cell < needed or plan.beside(0)[3] < 2:
            raise InvalidInput(
                f"{count} pictures side by side do not fit into {2.54 * width:.3g} cm with text of "
                f"{paper.text:g} points: take a wider figure, smaller text, fewer methods or pictures, or "
                f"methods in {'columns' if across else 'rows'}."
            )
        return plan
