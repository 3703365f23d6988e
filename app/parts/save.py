"""Downloads: what the page shows, written by papr_core, in a folder that is emptied after an hour."""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from papr_core.errors import InvalidInput

from ..uploads import upload_folder
from .run import Run

__all__ = ["KINDS", "check_kind", "save", "save_drawing", "save_part"]

# kind -> file name in the download, and where Comparison.save puts it (None: the figure in another format)
KINDS = {
    "png": ("papr.png", "figure.png"),
    "pdf": ("papr.pdf", None),
    "svg": ("papr.svg", None),
    "npz": ("papr-maps.npz", "maps.npz"),
    "json": ("papr-manifest.json", "manifest.json"),
}


def check_kind(kind: str, kinds: Iterable[str]) -> None:
    """Raises InvalidInput of a kind of download that this page has not."""
    if kind not in kinds:
        raise InvalidInput(f"A download is one of {', '.join(kinds)}.")


def save_drawing(figure: Any, name: str) -> str:
    """Write a matplotlib figure under this name, whose suffix says how; its path."""
    from papr_core.figures import save_figure

    file = Path(tempfile.mkdtemp(prefix="saved-", dir=upload_folder())) / name
    return str(save_figure(figure, file))


def save_part(result: Any, part: str, name: str) -> str:
    """Of the files that a result of papr_core saves, this one, under another name; its path."""
    folder = Path(tempfile.mkdtemp(prefix="saved-", dir=upload_folder()))
    made = result.save(folder / "all")
    shutil.move(made / part, folder / name)
    shutil.rmtree(made)
    return str(folder / name)


def save(run: Run) -> str:
    """Finish what the question still lacks and write the file that it asks for; its path."""
    check_kind(run.question.kind, KINDS)
    name, part = KINDS[run.question.kind]
    comparison = run.comparison()
    return save_drawing(comparison.figure(), name) if part is None else save_part(comparison, part, name)
