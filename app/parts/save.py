"""Downloads: what the page shows, written by papr_core, in a folder that is emptied after an hour."""

import shutil
import tempfile
from pathlib import Path

from app.parts.run import Run
from app.uploads import upload_folder

__all__ = ["KINDS", "save"]

# kind -> file name in the download, and where Comparison.save puts it (None: the figure in another format)
KINDS = {
    "png": ("papr.png", "figure.png"),
    "pdf": ("papr.pdf", None),
    "svg": ("papr.svg", None),
    "npz": ("papr-maps.npz", "maps.npz"),
    "json": ("papr-manifest.json", "manifest.json"),
}


def save(run: Run, kind: str) -> str:
    """Finish what the question still lacks and write one file; its path."""
    if kind not in KINDS:
        raise run.core.InvalidInput(f"A download is one of {', '.join(KINDS)}.")
    comparison = run.comparison()
    name, part = KINDS[kind]
    folder = Path(tempfile.mkdtemp(prefix="saved-", dir=upload_folder()))
    file = folder / name
    if part is None:
        from papr_core.figures import save_figure

        save_figure(comparison.figure(), file)
    else:
        made = comparison.save(folder / "all")
        shutil.move(made / part, file)
        shutil.rmtree(made)
    return str(file)
