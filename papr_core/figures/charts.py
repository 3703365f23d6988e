"""Curves and other charts: confidence against patches kept, accuracy against cost or k, differences."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from papr_core.errors import InvalidInput
from papr_core.figures.files import RENDERING
from papr_core.figures.paper import DPI, INK, QUIET, Paper, clipped, fitted, percent, text_width

__all__ = [
    "Compared",
    "Line",
    "Series",
    "curve_figure",
    "differences_figure",
    "series_figure",
    "speed_figure",
]

SERIES = (
    "#3b50d6",
    "#c77700",
    "#0b8494",
    "#9a37a8",
    "#4d8f1d",
    "#c2417c",
)  # told apart by marker and dash too

_WIDTH, _HEIGHT = 6.0, 3.4  # inches, with the legend at the side
_NARROW = 4.5  # below that the legend stands under the chart


@dataclass(frozen=True, eq=False)
class Line:
    """One method's curve: confidence[d][i] of draw d when counts[i] patches are kept."""

    title: str
    colour: str
    counts: Sequence[int]
    confidence: Sequence[Sequence[float]]
    dashed: bool = False


@dataclass(frozen=True, eq=False)
class Series:
    """One line of a chart: x and y (n,), perhaps the ends of their intervals, and words beside points.
    dashed: it is of another kind than the others."""

    title: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    marks: Sequence[str] = ()
    dashed: bool = False


@dataclass(frozen=True, eq=False)
class Compared:
    """A row of a chart of differences: its words, and for each column the value with its interval."""

    title: str
    values: Sequence[tuple[float, float, float]]


def curve_figure(
    lines: Sequence[Line],
    *,
    num_patches: int,
    label: str,
    full_confidence: float,
    keep_ratio: float | None = None,
    measure: str = "confidence",
    paper: Paper | None = None,
) -> Figure:
    """The target's confidence against the share of patches kept, a line a method; of several draws the mean
    and, as a band, the range. measure: "confidence" or "cosine". paper: its width and text; a figure of a
    given width has no title, which its caption holds."""
    paper = paper or Paper()
    figure, axes = _chart(paper)
    thick = 0.6 if figure.get_figwidth() < _NARROW else 1.0
    if keep_ratio is not None:
        axes.axvline(100 * keep_ratio, color=QUIET, linewidth=0.8, zorder=1)
    for index, line in enumerate(lines):
        share = 100 * np.asarray(line.counts) / num_patches
        confidence = 100 * np.asarray(line.confidence)  # (D, n)
        color = line.colour
        if len(confidence) > 1:
            axes.fill_between(
                share, confidence.min(axis=0), confidence.max(axis=0), color=color, alpha=0.16, linewidth=0
            )
        style = "--" if line.dashed else "-"
        width = thick * max(1.1, 2.6 - 0.35 * index)  # later lines are thinner and on top: equal ones show
        axes.plot(
            share, confidence.mean(axis=0), style, color=color, linewidth=width, label=line.title, zorder=3
        )
    unpruned = f"unpruned {percent(full_confidence)}"
    axes.axhline(100 * full_confidence, color=INK, linewidth=0.9, linestyle=":", zorder=1, label=unpruned)
    highest = max([100 * full_confidence, *(100 * np.max(line.confidence) for line in lines)])
    top, ticks = _scale(highest)
    axes.set(xlim=(0, 100), ylim=(-0.01 * top, 1.02 * top), xticks=range(0, 101, 20), yticks=ticks)
    about = {"confidence": "confidence on", "cosine": "cosine to"}[measure]
    title = f"{about[0].upper()}{about[1:]} “{clipped(label, 60)}” by patches kept"
    named = f"{about} “{label}”, %"
    _label(axes, title, "patches kept, %", f"{measure}, %" if paper.width is None else named, paper)
    return figure


def _scale(highest: float) -> tuple[int, list[float]]:
    """To where the axis of a share in percent goes, and its ticks: 100, or less where all of it is small."""
    for top, step in ((1, 0.2), (2, 0.5), (5, 1), (10, 2), (20, 5), (50, 10)):
        if highest <= 0.98 * top:
            return top, [step * i for i in range(round(top / step) + 1)]
    return 100, [0, 25, 50, 75, 100]


def series_figure(lines: Sequence[Series], *, title: str, x_label: str, y_label: str) -> Figure:
    """A chart of several lines; intervals are thin bars, words stand beside their points."""
    paper = Paper()
    figure, axes = _chart(paper)
    words: list[Annotation] = []
    for index, line in enumerate(lines):
        color, marker = SERIES[index % len(SERIES)], "osD^vP"[index % 6]
        axes.plot(
            line.x,
            line.y,
            color=color,
            linestyle="--" if line.dashed else "-",
            marker=marker,
            markersize=4,
            linewidth=1.5,
            label=line.title,
            zorder=3,
        )
        if line.low is not None and line.high is not None:
            axes.vlines(line.x, line.low, line.high, color=color, alpha=0.35, linewidth=1.2, zorder=2)
        words += [
            axes.annotate(
                mark,
                (x, y),
                xytext=(4, -8),
                textcoords="offset points",
                fontsize=6.5,
                color=QUIET,
                parse_math=False,
            )
            for x, y, mark in zip(line.x, line.y, line.marks)
            if mark
        ]
    _label(axes, title, x_label, y_label, paper)
    _apart(figure, words)
    return figure


def _apart(figure: Figure, words: Sequence[Annotation]) -> None:
    """Words beside points moved away from each other, the nearest free place first."""
    with RENDERING:
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw_without_rendering()
        taken: list[Bbox] = []
        for word in words:
            for x, y in _PLACES:
                word.set_position((x, y))
                box = word.get_window_extent(renderer).padded(1)
                if not any(box.overlaps(other) for other in taken):
                    break
            taken.append(box)


_AROUND = ((1, -1), (1, 1), (-2, 1), (-2, -1), (0, 1), (0, -1))
# in points, to the right of what the words are about and above it
_PLACES = [(4, -8), (4, 4), *((x * step, y * step) for step in range(9, 120, 6) for x, y in _AROUND)]


def differences_figure(rows: Sequence[Compared], heads: Sequence[str], *, title: str, x_label: str) -> Figure:
    """A row a name, a panel a head: each value as a point with its interval, zero as a line."""
    if not rows or any(len(row.values) != len(heads) for row in rows):
        raise InvalidInput("A chart of differences needs at least one row, and a value for each column.")
    height = 0.9 + 0.16 * len(rows) + 0.16 * len(textwrap.wrap(title, 80))
    figure = Figure(
        figsize=(2.2 + 2.4 * len(heads), height), dpi=200, facecolor="white", layout="constrained"
    )
    panels = figure.subplots(1, len(heads), sharey=True, squeeze=False)[0]
    places = range(len(rows))[::-1]
    for column, (axes, head) in enumerate(zip(panels, heads)):
        values = np.array([row.values[column] for row in rows])  # (rows, 3)
        axes.axvline(0, color=QUIET, linewidth=0.8)
        axes.hlines(places, values[:, 1], values[:, 2], color=SERIES[column], alpha=0.4, linewidth=1.4)
        axes.plot(values[:, 0], places, "o", markersize=3, color=SERIES[column])
        axes.set_title(head, loc="left", fontsize=8.5, color=INK, fontweight="bold", parse_math=False)
        axes.set_xlabel(x_label, fontsize=8, color=INK)
        axes.tick_params(labelsize=7, colors=QUIET, length=2)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    panels[0].set_yticks(list(places), [clipped(row.title, 40) for row in rows], parse_math=False)
    figure.suptitle(
        "\n".join(textwrap.wrap(title, 36 * (1 + len(heads)))), x=0.01, ha="left", fontsize=9.5, color=INK,
        fontweight="bold", parse_math=False,
    )  # fmt: skip
    return figure


def speed_figure(
    speedup: Sequence[Sequence[float]], batches: Sequence[int], keep: Sequence[float], *, title: str
) -> Figure:
    """Speed-ups as a heat map, a row a batch and a column a keep ratio, with the line where nothing is
    gained."""
    figure, axes = _chart(Paper())
    values = np.asarray(speedup, dtype=float)  # (batches, keep ratios)
    far = max(abs(np.log2(values)).max(), 0.1)
    axes.imshow(np.log2(values), cmap="PuOr_r", vmin=-far, vmax=far, aspect="auto", origin="lower")
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=INK)
    if values.min() < 1 < values.max() and min(values.shape) > 1:
        axes.contour(np.log2(values), levels=[0.0], colors=[INK], linewidths=1.4)
    axes.set_xticks(range(len(keep)), [f"{100 * ratio:g}" for ratio in keep])
    axes.set_yticks(range(len(batches)), [str(batch) for batch in batches])
    axes.grid(False)
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set(xlabel="keep ratio, %", ylabel="pictures at once")
    return figure


def _chart(paper: Paper) -> tuple[Figure, Axes]:
    width = paper.inches or _WIDTH
    height = (
        _HEIGHT if paper.width is None else min(0.62 * width, _HEIGHT) + (width < _NARROW) * 3 * paper.line
    )
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    axes.tick_params(labelsize=paper.text, colors=QUIET, length=3)
    axes.grid(axis="y", color="#e7e9ee", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#c3c8d0")
    return figure, axes


def _label(axes: Axes, title: str, x_label: str, y_label: str, paper: Paper) -> None:
    """Axes in words, the legend at the right or, in a narrow figure, below, and a title where no caption will
    stand under it."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    width, height = figure.get_size_inches()
    size = paper.text
    axes.set_xlabel(fitted(x_label, 0.8 * width, size), fontsize=size, color=INK)
    axes.set_ylabel(fitted(y_label, 0.8 * height, size), fontsize=size, color=INK, parse_math=False)
    if paper.width is None:
        lines = "\n".join(textwrap.wrap(title, 58))  # what the narrowest chart has room for
        axes.set_title(lines, loc="left", fontsize=size + 1, color=INK, fontweight="bold", parse_math=False)
    style = {"frameon": False, "fontsize": size, "handlelength": 1.8, "labelcolor": INK}
    if width < _NARROW:
        widest = max(text_width(words, size) for words in axes.get_legend_handles_labels()[1]) + 4 * size / 72
        columns = max(1, int(width / widest))
        legend = axes.figure.legend(loc="outside lower center", ncols=columns, borderpad=0, **style)
    else:
        legend = axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), **style)
    for text in legend.get_texts():
        text.set_parse_math(False)
