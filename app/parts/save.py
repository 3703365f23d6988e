"""Downloads: what the page shows, written by papr_core, in a folder that is emptied after an hour."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from app.parts.run import Run
from app.uploads import upload_folder

__all__ = ["KINDS", "save", "save_drawing"]

# kind -> file name in the download, and where Comparison.save puts it (None: the figure in another format)
KINDS = {
    "png": ("papr.png", "figure.png"),
    "pdf": ("papr.pdf", None),
    "svg": ("papr.svg", None),
    "npz": ("papr-maps.npz", "maps.npz"),
    "json": ("papr-manifest.json", "manifest.json"),
}


def save_drawing(figure: Any, name: str) -> str:
    """Write a matplotlib figure under this name, whose suffix says how; its path."""
    from papr_core.figures import save_figure

    file = Path(tempfile.mkdtemp(prefix="saved-", dir=upload_folder())) / name
    return str(save_figure(figure, file))


def save(run: Run, kind: str) -> str:
    """Finish what the question still lacks and write one file; its path."""
    if kind not in KINDS:
        raise run.core.InvalidInput(f"A download is one of {', '.join(KINDS)}.")
    comparison = run.comparison()
    name, part = KINDS[kind]
    if part is None:
        return save_drawing(comparison.figure(), name)
    folder = Path(tempfile.mkdtemp(prefix="saved-", dir=upload_folder()))
    made = comparison.save(folder / "all")
    shutil.move(made / part, folder / name)
    shutil.rmtree(made)
    return str(folder / name)
