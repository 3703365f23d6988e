"""Figures of several ConvNets on a picture, of a picture's merged tokens, and of a clip."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from papr_core.errors import InvalidInput
from papr_core.figures.display import Display
from papr_core.figures.paper import DPI, INK, QUIET, wrapped, write
from papr_core.figures.pictures import cell_pixels, masked_image, mosaic_image, overlaid_image, place, resized

__all__ = ["Frame", "Looked", "clip_figure", "mosaic_figure", "proposals_figure"]

_CELL, _GAP, _MARGIN, _HEAD, _LINE = 1.3, 0.05, 0.12, 0.26, 0.16  # inches
_NAME = 1.5  # the names of ConvNets


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a clip (H, W, 3) uint8, the patches (k,) that each method keeps of it, counted row by row,
    and its second."""

    image: np.ndarray
    kept: Sequence[np.ndarray]
    time: float


@dataclass(frozen=True, eq=False)
class Looked:
    """One ConvNet on a picture: a few words about it, its map (H, W) on the patch grid, and what it keeps:
    (head of the column, patches (k,)) each."""

    title: str
    about: str
    significance: np.ndarray
    kept: Sequence[tuple[str, np.ndarray]]


def proposals_figure(
    image: np.ndarray, rows: Sequence[Looked], *, note: str = "", display: Display | None = None
) -> Figure:
    """One picture (H, W, 3) uint8, a row a ConvNet: the picture, its map, and what stays at each keep ratio
    (the layout of the paper's Fig. 6)."""
    display = display or Display()
    heads = [head for head, _ in rows[0].kept] if rows else []
    if not rows or any([head for head, _ in row.kept] != heads for row in rows):
        raise InvalidInput("A figure of ConvNets needs at least one, and the same keep ratios for each.")
    picture = resized(image, cell_pixels(_CELL, rows[0].significance.shape[1]))
    cell, cell_height = picture.shape[1] / DPI, picture.shape[0] / DPI
    width = 2 * _MARGIN + _NAME + (2 + len(heads)) * (cell + _GAP)
    lines = wrapped(note, width - 2 * _MARGIN, 6.5)
    height = 2 * _MARGIN + _HEAD + len(rows) * (cell_height + _GAP) + _LINE * len(lines)
    figure = _figure(width, height)
    for index, row in enumerate(rows):
        top = _MARGIN + _HEAD + index * (cell_height + _GAP)
        left, grid = _MARGIN + _NAME, row.significance.shape
        words = [(part, "bold", INK) for part in textwrap.wrap(row.title, 18)[:3]] + [
            (row.about, "normal", QUIET)
        ]
        for line, (text, weight, color) in enumerate(words):
            write(figure, text, _MARGIN, top + 0.1 + 0.17 * line, 7.5, weight=weight, color=color)
        over = overlaid_image(
            picture,
            row.significance,
            colormap=display.colours,
            opacity=display.opacity,
            ends=display.ends(row.significance, [one.significance for one in rows]),
        )
        shown = [("Picture", picture), ("Map", over)]
        shown += [(head, masked_image(picture, kept, grid, look=display.look)) for head, kept in row.kept]
        for head, drawn in shown:
            place(figure, drawn, left, top)
            if index == 0:
                write(figure, head, left + cell / 2, _MARGIN, 8.5, weight="bold", ha="center")
            left += cell + _GAP
    _notes(figure, lines, height - _MARGIN - _LINE * len(lines))
    return figure


def mosaic_figure(
    image: np.ndarray, groups: np.ndarray, grid: Sequence[int], *, note: str = "", look: str = "dim"
) -> Figure:
    """A picture (H, W, 3) uint8 beside the tokens that are left: groups (N,) as `mosaic_image` takes them."""
    picture = resized(image, cell_pixels(2 * _CELL, grid[1]))
    cell, cell_height = picture.shape[1] / DPI, picture.shape[0] / DPI
    width = 2 * _MARGIN + 2 * cell + _GAP
    lines = wrapped(note, width - 2 * _MARGIN, 6.5)
    top = _MARGIN + _HEAD
    figure = _figure(width, 2 * _MARGIN + _HEAD + cell_height + _LINE * len(lines))
    heads = ("Picture", f"{len(np.unique(groups[groups >= 0]))} tokens")
    left = _MARGIN
    for head, shown in zip(heads, (picture, mosaic_image(picture, groups, grid, look=look))):
        place(figure, shown, left, top)
        write(figure, head, left + cell / 2, _MARGIN, 8.5, weight="bold", ha="center")
        left += cell + _GAP
    _notes(figure, lines, top + cell_height + 0.05)
    return figure


def clip_figure(
    frames: Sequence[Frame],
    grid: Sequence[int],
    *,
    titles: Sequence[str] = (),
    note: str = "",
    look: str = "dim",
) -> Figure:
    """As in the paper's Fig. 8, 18 and 19: a row of frames of a clip, and for each method the same with every
    pruned patch of the grid (rows, columns) masked. Above each frame its second, below each masked one how
    many patches it keeps. titles: of the methods, where there are several."""
    if not frames:
        raise InvalidInput("A figure of a clip needs at least one frame.")
    pictures = [resized(frame.image, cell_pixels(_CELL, grid[1])) for frame in frames]
    cell, cell_height = pictures[0].shape[1] / DPI, pictures[0].shape[0] / DPI
    width = 2 * _MARGIN + len(frames) * (cell + _GAP) - _GAP
    lines = wrapped(note, width - 2 * _MARGIN, 6.5)
    first, head = _MARGIN + 0.18 + cell_height + _GAP, 0.23 if titles else 0
    row = head + cell_height + 0.23  # with its counts
    end = first + len(frames[0].kept) * row
    figure = _figure(width, end + _LINE * len(lines) + _MARGIN)
    for index, title in enumerate(titles):
        write(figure, title, _MARGIN, first + 0.05 + index * row, 7.5, weight="bold")
    for index, (frame, picture) in enumerate(zip(frames, pictures)):
        left = _MARGIN + index * (cell + _GAP)
        write(figure, f"{frame.time:.1f} s", left, _MARGIN, 7, color=QUIET)
        place(figure, picture, left, _MARGIN + 0.18)
        for which, kept in enumerate(frame.kept):
            top = first + which * row + head
            place(figure, masked_image(picture, kept, grid, look=look), left, top)
            counted = f"{len(kept)} of {math.prod(grid)}"
            write(figure, counted, left, top + cell_height + 0.05, 7, weight="bold")
    _notes(figure, lines, end)
    return figure


def _figure(width: float, height: float) -> Figure:
    """Of whole pixels in print, on which the pictures lie."""
    return Figure(figsize=(width, math.ceil(height * DPI) / DPI), dpi=DPI, facecolor="white")


def _notes(figure: Figure, lines: Sequence[str], top: float) -> None:
    for index, line in enumerate(lines):
        write(figure, line, _MARGIN, top + _LINE * index, 6.5, color=QUIET)
