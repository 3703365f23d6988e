"""Maps, masks and curves as figures for paper and slides: arrays in, a matplotlib Figure out; no model runs
here.

The layout is that of PaPr's Fig. 7 and 12 to 17, https://arxiv.org/abs/2403.16020. Figures are made without
pyplot, so nothing global is touched, and text is never read as mathematics: a label may hold what it likes.
"""

import io
import math
import os
import textwrap
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageFilter

from papr_core.errors import InvalidInput

__all__ = [
    "FORMATS",
    "LOOKS",
    "Frame",
    "Line",
    "Looked",
    "Panel",
    "Row",
    "Series",
    "clip_figure",
    "curve_figure",
    "figure_bytes",
    "masked_image",
    "methods_figure",
    "mosaic_figure",
    "mosaic_image",
    "overlaid_image",
    "proposals_figure",
    "save_figure",
    "series_figure",
]

FORMATS = ("png", "pdf", "svg")
LOOKS = ("dim", "white", "black", "blur")
SERIES = (
    "#3b50d6",
    "#c77700",
    "#0b8494",
    "#9a37a8",
    "#4d8f1d",
    "#c2417c",
)  # told apart by marker and dash too
INK, QUIET, GOOD, BAD = "#16181d", "#5c6370", "#0b7a4b", "#b42318"

_CELL, _GAP, _PAIR_GAP, _MARGIN = 1.3, 0.05, 0.17, 0.12  # inches
_HEAD, _FOOT, _NOTE = 0.26, 0.52, 0.24
_PIXELS = 320  # a picture in a figure has at least so many on its shorter side
_saving = threading.Lock()


@dataclass(frozen=True, eq=False)
class Panel:
    """One method on one picture: its map (H, W) on the patch grid, the kept patches (k,) counted row by row,
    and what the backbone then says. note: a few words below the map, such as the class that it explains."""

    title: str
    significance: np.ndarray
    kept: np.ndarray
    confidence: float
    kept_answer: bool | None
    note: str = ""


@dataclass(frozen=True, eq=False)
class Row:
    """One picture (H, W, 3) uint8, the class under study, both models' confidence in it, and its panels.

    proposal_confidence is None where the ConvNet does not know the class; backbone_confidence is None where
    the backbone has no classes: then a panel's confidence is a cosine, and kept_answer None.
    """

    image: np.ndarray
    label: str
    proposal_confidence: float | None
    backbone_confidence: float | None
    panels: Sequence[Panel]


@dataclass(frozen=True, eq=False)
class Line:
    """One method's curve: confidence[d][i] of draw d when counts[i] patches are kept."""

    title: str
    colour: str
    counts: Sequence[int]
    confidence: Sequence[Sequence[float]]
    dashed: bool = False


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a clip (H, W, 3) uint8, its kept patches (k,) counted row by row, and its second."""

    image: np.ndarray
    kept: np.ndarray
    time: float


@dataclass(frozen=True, eq=False)
class Looked:
    """One ConvNet on a picture: a few words about it, its map (H, W) on the patch grid, and what it keeps:
    (head of the column, patches (k,)) each."""

    title: str
    about: str
    significance: np.ndarray
    kept: Sequence[tuple[str, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Series:
    """One line of a chart: x and y (n,), perhaps the ends of their intervals, and words beside points."""

    title: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    marks: Sequence[str] = ()


# Pictures


def overlaid_image(
    image: np.ndarray, significance: np.ndarray, *, colormap: str = "inferno", opacity: float = 0.6
) -> np.ndarray:
    """A map (H', W') in colour over an image (H, W, 3) uint8: (H, W, 3) uint8. The map is min-max scaled."""
    low, high = float(significance.min()), float(significance.max())
    scaled = (significance - low) / (high - low) if high > low else np.zeros_like(significance)
    size = (image.shape[1], image.shape[0])
    smooth = Image.fromarray(scaled.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    color = matplotlib.colormaps[colormap](np.clip(np.asarray(smooth), 0, 1))[..., :3] * 255
    return ((1 - opacity) * image + opacity * color + 0.5).astype(np.uint8)


def masked_image(
    image: np.ndarray, kept: np.ndarray, grid: Sequence[int], *, look: str = "dim"
) -> np.ndarray:
    """An image (H, W, 3) uint8 with every patch of the grid (rows, columns) that is not kept faded out.

    look: dim | white | black | blur. Raises InvalidInput for another.
    """
    rows, columns = grid
    mask = np.zeros(rows * columns, dtype=bool)
    mask[np.asarray(kept, dtype=np.int64)] = True
    height, width = image.shape[:2]
    mask = mask.reshape(rows, columns)
    mask = mask[(np.arange(height) * rows // height)[:, None], np.arange(width) * columns // width]
    return np.where(mask[..., None], image, _dropped(image, look))


def mosaic_image(
    image: np.ndarray, groups: np.ndarray, grid: Sequence[int], *, look: str = "dim"
) -> np.ndarray:
    """An image (H, W, 3) uint8 as a model that merges tokens sees it: the patches (N,) of one group in their
    mean colour, with a line where another group begins; patches of group -1 are faded as pruned ones are."""
    rows, columns = grid
    height, width = image.shape[:2]
    below = (np.arange(height) * rows // height)[:, None]
    right = np.arange(width) * columns // width
    of_pixel = np.asarray(groups, dtype=np.int64).reshape(rows, columns)[below, right]  # (H, W)
    shifted = of_pixel - of_pixel.min()
    count = np.bincount(shifted.ravel())
    mean = np.stack([np.bincount(shifted.ravel(), image[..., c].ravel()) for c in range(3)], axis=-1)
    painted = (mean / np.maximum(count, 1)[:, None])[shifted].astype(np.uint8)
    edge = np.zeros((height, width), dtype=bool)
    edge[1:] |= of_pixel[1:] != of_pixel[:-1]
    edge[:, 1:] |= of_pixel[:, 1:] != of_pixel[:, :-1]
    painted[edge] = (painted[edge] * 0.45).astype(np.uint8)
    return np.where((of_pixel >= 0)[..., None], painted, _dropped(image, look))


def _dropped(image: np.ndarray, look: str) -> np.ndarray:
    if look == "dim":
        grey = image.mean(axis=2, keepdims=True)
        return np.broadcast_to(0.14 * grey + 0.86 * 236, image.shape).astype(np.uint8)
    if look == "white":
        return np.full_like(image, 255)
    if look == "black":
        return np.zeros_like(image)
    if look == "blur":
        radius = max(image.shape[:2]) / 28
        return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))
    raise InvalidInput(f"Dropped patches can look {', '.join(LOOKS)}, not {look!r}.")


def _enlarged(image: np.ndarray) -> np.ndarray:
    times = math.ceil(_PIXELS / min(image.shape[:2]))
    size = (image.shape[1] * times, image.shape[0] * times)
    return image if times == 1 else np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


# Figures


def methods_figure(
    rows: Sequence[Row],
    *,
    note: str = "",
    colormap: str = "inferno",
    opacity: float = 0.6,
    look: str = "dim",
) -> Figure:
    """One row a picture: the picture with both models' confidence below, then for each method its map and
    what it keeps, with the backbone's confidence below. All rows have the same methods.

    note: one line at the bottom, such as the models and the keep ratio.
    """
    if not rows or any([p.title for p in row.panels] != [p.title for p in rows[0].panels] for row in rows):
        raise InvalidInput("A figure of methods needs at least one row, and the same methods in each.")
    shape = rows[0].image.shape
    cell_height = _CELL * shape[0] / shape[1]
    width = 2 * _MARGIN + _CELL + len(rows[0].panels) * (_PAIR_GAP + 2 * _CELL + _GAP)
    step = cell_height + _FOOT
    height = _MARGIN + _HEAD + len(rows) * step + (_NOTE if note else 0)
    figure = Figure(figsize=(width, height), dpi=200, facecolor="white")

    def place(picture: np.ndarray, left: float, top: float) -> None:
        axes = figure.add_axes(
            (left / width, 1 - (top + cell_height) / height, _CELL / width, cell_height / height)
        )
        axes.imshow(picture)
        axes.set_axis_off()

    def write(text: str, left: float, top: float, **style: object) -> None:
        _text(figure, text, left / width, 1 - top / height, **style)

    for index, row in enumerate(rows):
        top = _MARGIN + _HEAD + index * step
        below = top + cell_height + 0.05
        picture = _enlarged(row.image)
        place(picture, _MARGIN, top)
        write(_clipped(row.label, 22), _MARGIN, below, weight="bold", size=7.5)
        convnet = "n/a" if row.proposal_confidence is None else _percent(row.proposal_confidence)
        classes = row.backbone_confidence is not None
        words = ["cosine to it"]
        if classes:
            words = [f"Backbone {_percent(row.backbone_confidence)}", f"ConvNet {convnet}"]
        for line, said in enumerate(words):
            write(said, _MARGIN, below + 0.15 + 0.12 * line, color=QUIET, size=6.5)
        left = _MARGIN + _CELL
        for panel in row.panels:
            left += _PAIR_GAP
            if index == 0:
                middle = left + _CELL + _GAP / 2
                write(panel.title, middle, _MARGIN, weight="bold", size=9, ha="center")
            grid = panel.significance.shape
            place(overlaid_image(picture, panel.significance, colormap=colormap, opacity=opacity), left, top)
            if panel.note:
                write(_clipped(panel.note, 26), left, below, color=QUIET, size=6.5)
            left += _CELL + _GAP
            place(masked_image(picture, panel.kept, grid, look=look), left, top)
            number = _percent(panel.confidence) if classes else f"{panel.confidence:.3f}"
            write(number, left, below, weight="bold", size=8)
            if panel.kept_answer is not None:
                mark, color = ("✓ kept", GOOD) if panel.kept_answer else ("✗ lost", BAD)
                write(mark, left + _CELL, below, color=color, size=7.5, ha="right")
            left += _CELL
    if note:
        write(note, _MARGIN, height - _NOTE + 0.02, color=QUIET, size=6.5)
    return figure


def curve_figure(
    lines: Sequence[Line],
    *,
    num_patches: int,
    label: str,
    full_confidence: float,
    keep_ratio: float | None = None,
    measure: str = "confidence",
) -> Figure:
    """The target's confidence against the share of patches kept, a line a method; of several draws the mean
    and, as a band, the range. measure: "confidence" or "cosine"."""
    figure, axes = _chart()
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
        width = max(1.1, 2.6 - 0.35 * index)  # later lines are thinner and on top: equal ones stay visible
        axes.plot(
            share, confidence.mean(axis=0), style, color=color, linewidth=width, label=line.title, zorder=3
        )
    unpruned = f"unpruned {_percent(full_confidence)}"
    axes.axhline(100 * full_confidence, color=INK, linewidth=0.9, linestyle=":", zorder=1, label=unpruned)
    axes.set(xlim=(0, 100), ylim=(-1, 102), xticks=range(0, 101, 20), yticks=range(0, 101, 25))
    about = {"confidence": "Confidence on", "cosine": "Cosine to"}[measure]
    title = f"{about} “{_clipped(label, 60)}” by patches kept"
    _label(axes, title, "patches kept, %", f"{measure}, %")
    return figure


def series_figure(lines: Sequence[Series], *, title: str, x_label: str, y_label: str) -> Figure:
    """A chart of several lines; intervals are thin bars, words stand beside their points."""
    figure, axes = _chart()
    for index, line in enumerate(lines):
        color, marker = SERIES[index % len(SERIES)], "osD^vP"[index % 6]
        axes.plot(
            line.x,
            line.y,
            color=color,
            marker=marker,
            markersize=4,
            linewidth=1.5,
            label=line.title,
            zorder=3,
        )
        if line.low is not None:
            axes.vlines(line.x, line.low, line.high, color=color, alpha=0.35, linewidth=1.2, zorder=2)
        for x, y, words in zip(line.x, line.y, line.marks):
            axes.annotate(
                words, (x, y), xytext=(4, -8), textcoords="offset points", fontsize=6.5, color=QUIET,
                parse_math=False,
            )  # fmt: skip
    _label(axes, _clipped(title, 90), x_label, y_label)
    return figure


def proposals_figure(
    image: np.ndarray, rows: Sequence[Looked], *, note: str = "", colormap: str = "inferno", look: str = "dim"
) -> Figure:
    """One picture (H, W, 3) uint8, a row a ConvNet: the picture, its map, and what stays at each keep ratio
    (the layout of the paper's Fig. 6)."""
    heads = [head for head, _ in rows[0].kept] if rows else []
    if not rows or any([head for head, _ in row.kept] != heads for row in rows):
        raise InvalidInput("A figure of ConvNets needs at least one, and the same keep ratios for each.")
    name_width, cell_height = 1.5, _CELL * image.shape[0] / image.shape[1]
    width = 2 * _MARGIN + name_width + (2 + len(heads)) * (_CELL + _GAP)
    lines = textwrap.wrap(note, max(40, int(18 * width)))
    height = 2 * _MARGIN + _HEAD + len(rows) * (cell_height + _GAP) + 0.16 * len(lines)
    figure = Figure(figsize=(width, height), dpi=200, facecolor="white")
    picture = _enlarged(image)
    for index, row in enumerate(rows):
        top = _MARGIN + _HEAD + index * (cell_height + _GAP)
        left, grid = _MARGIN + name_width, row.significance.shape
        words = [(part, "bold", INK) for part in textwrap.wrap(row.title, 18)[:3]] + [
            (row.about, "normal", QUIET)
        ]
        for line, (text, weight, color) in enumerate(words):
            below = top + 0.1 + 0.17 * line
            _text(figure, text, _MARGIN / width, 1 - below / height, size=7.5, weight=weight, color=color)
        shown = [("Picture", picture), ("Map", overlaid_image(picture, row.significance, colormap=colormap))]
        shown += [(head, masked_image(picture, kept, grid, look=look)) for head, kept in row.kept]
        for head, cell in shown:
            box = (left / width, 1 - (top + cell_height) / height, _CELL / width, cell_height / height)
            axes = figure.add_axes(box)
            axes.imshow(cell)
            axes.set_axis_off()
            if index == 0:
                middle = (left + _CELL / 2) / width
                _text(figure, head, middle, 1 - _MARGIN / height, size=8.5, weight="bold", ha="center")
            left += _CELL + _GAP
    for index, line in enumerate(lines):
        below = height - _MARGIN - 0.16 * (len(lines) - index)
        _text(figure, line, _MARGIN / width, 1 - below / height, size=6.5, color=QUIET)
    return figure


def mosaic_figure(
    image: np.ndarray, groups: np.ndarray, grid: Sequence[int], *, note: str = "", look: str = "dim"
) -> Figure:
    """A picture (H, W, 3) uint8 beside the tokens that are left: groups (N,) as `mosaic_image` takes them."""
    cell, cell_height = 2 * _CELL, 2 * _CELL * image.shape[0] / image.shape[1]
    width = 2 * _MARGIN + 2 * cell + _GAP
    lines = textwrap.wrap(note, int(17 * width))
    height = 2 * _MARGIN + _HEAD + cell_height + 0.16 * len(lines)
    figure = Figure(figsize=(width, height), dpi=200, facecolor="white")
    picture, left, top = _enlarged(image), _MARGIN, _MARGIN + _HEAD
    heads = ("Picture", f"{len(np.unique(groups[groups >= 0]))} tokens")
    for head, shown in zip(heads, (picture, mosaic_image(picture, groups, grid, look=look))):
        box = (left / width, 1 - (top + cell_height) / height, cell / width, cell_height / height)
        axes = figure.add_axes(box)
        axes.imshow(shown)
        axes.set_axis_off()
        middle = (left + cell / 2) / width
        _text(figure, head, middle, 1 - _MARGIN / height, size=8.5, weight="bold", ha="center")
        left += cell + _GAP
    for index, line in enumerate(lines):
        below = top + cell_height + 0.05 + 0.16 * index
        _text(figure, line, _MARGIN / width, 1 - below / height, size=6.5, color=QUIET)
    return figure


def _chart() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.0, 3.4), dpi=200, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    axes.tick_params(labelsize=8, colors=QUIET, length=3)
    axes.grid(axis="y", color="#e7e9ee", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#c3c8d0")
    return figure, axes


def _label(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    """Title and axes in words, the legend on the right."""
    axes.set_xlabel(x_label, fontsize=8.5, color=INK)
    axes.set_ylabel(y_label, fontsize=8.5, color=INK)
    axes.set_title(title, loc="left", fontsize=9.5, color=INK, fontweight="bold", parse_math=False)
    legend = axes.legend(
        loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8, handlelength=1.8,
        labelcolor=INK,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)


def clip_figure(frames: Sequence[Frame], grid: Sequence[int], *, note: str = "", look: str = "dim") -> Figure:
    """Two rows, as in the paper's Fig. 8, 18 and 19: frames of a clip, and the same with every pruned patch
    of the grid (rows, columns) masked. Above each its second, below how many patches it keeps."""
    if not frames:
        raise InvalidInput("A figure of a clip needs at least one frame.")
    shape = frames[0].image.shape
    cell_height = _CELL * shape[0] / shape[1]
    width = 2 * _MARGIN + len(frames) * (_CELL + _GAP) - _GAP
    height = 2 * _MARGIN + 2 * cell_height + _GAP + 2 * 0.18 + (_NOTE if note else 0)
    figure = Figure(figsize=(width, height), dpi=200, facecolor="white")
    for index, frame in enumerate(frames):
        left, top = _MARGIN + index * (_CELL + _GAP), _MARGIN + 0.18
        _text(figure, f"{frame.time:.1f} s", left / width, 1 - _MARGIN / height, size=7, color=QUIET)
        picture = _enlarged(frame.image)
        for one in (picture, masked_image(picture, frame.kept, grid, look=look)):
            box = (left / width, 1 - (top + cell_height) / height, _CELL / width, cell_height / height)
            axes = figure.add_axes(box)
            axes.imshow(one)
            axes.set_axis_off()
            top += cell_height + _GAP
        kept = f"{len(frame.kept)} of {math.prod(grid)}"
        _text(figure, kept, left / width, 1 - top / height, size=7, weight="bold")
    if note:
        longest = int(width * 17)  # letters of this size in the figure's width
        _text(figure, _clipped(note, longest), _MARGIN / width, _NOTE / height, color=QUIET, size=6.5)
    return figure


def save_figure(figure: Figure, path: str | os.PathLike) -> Path:
    """Write a figure; the suffix says how: .png, .pdf or .svg.

    Raises InvalidInput: another suffix, or a place that cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise InvalidInput(f"A figure is written as .png, .pdf or .svg, not as {path.name!r}.")
    data = figure_bytes(figure, kind)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror or error}.") from error
    return path


def figure_bytes(figure: Figure, kind: str) -> bytes:
    """A figure as png, pdf or svg. Text stays text (PDF with its fonts embedded), and the same figure gives
    the same bytes. One at a time: matplotlib's renderers share caches."""
    if kind not in FORMATS:
        raise InvalidInput(f"A figure can be {', '.join(FORMATS)}, not {kind!r}.")
    wanted = {"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "papr"}
    metadata = {"png": None, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[kind]
    buffer = io.BytesIO()
    with _saving:
        before = {key: matplotlib.rcParams[key] for key in wanted}
        matplotlib.rcParams.update(wanted)
        try:
            figure.savefig(buffer, format=kind, metadata=metadata)
        finally:
            matplotlib.rcParams.update(before)
    return buffer.getvalue()


def _text(figure: Figure, text: str, x: float, y: float, **style: object) -> None:
    style = {"ha": "left", "va": "top", "color": INK, **style}
    figure.text(x, y, text, parse_math=False, **style)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _clipped(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
