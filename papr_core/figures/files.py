"""Figures as png, pdf and svg, in memory and in files."""

import io
import os
import threading
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from papr_core.errors import InvalidInput

__all__ = ["FORMATS", "figure_bytes", "save_figure", "written"]

FORMATS = ("png", "pdf", "svg")
RENDERING = threading.Lock()


def save_figure(figure: Figure, path: str | os.PathLike) -> Path:
    """Write a figure; the suffix says how: .png, .pdf or .svg.

    Raises InvalidInput: another suffix, or a place that cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise InvalidInput(f"A figure is written as .png, .pdf or .svg, not as {path.name!r}.")
    return written(path, figure_bytes(figure, kind))


def written(path: Path, data: bytes) -> Path:
    """A file with this content. Raises InvalidInput for a place that cannot be written."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror or error}.") from error
    return path


def figure_bytes(figure: Figure, kind: str, *, dpi: float | None = None) -> bytes:
    """A figure as png, pdf or svg. Text stays text (PDF with its fonts embedded, as TrueType), pictures keep
    their pixels, and the same figure gives the same bytes. dpi: of a png, where it is not for print. One at a
    time: matplotlib's renderers share caches."""
    if kind not in FORMATS:
        raise InvalidInput(f"A figure can be {', '.join(FORMATS)}, not {kind!r}.")
    wanted: dict[Any, Any] = {"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "papr"}
    metadata = {"png": None, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[kind]
    for axes in figure.axes:
        for image in axes.images:
            image.set_interpolation("auto" if kind == "png" else "none")  # none: as they are, not resampled
    buffer = io.BytesIO()
    with RENDERING:
        before = {key: matplotlib.rcParams[key] for key in wanted}
        matplotlib.rcParams.update(wanted)
        try:
            figure.savefig(buffer, format=kind, metadata=metadata, dpi=dpi or "figure")
        finally:
            matplotlib.rcParams.update(before)
    return buffer.getvalue()
