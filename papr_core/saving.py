"""Files and folders of results that change as a whole, so that nothing is half done; what made them."""

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from papr_core import __version__
from papr_core.errors import InvalidInput

__all__ = ["saved_file", "saved_folder", "versions"]


@contextmanager
def saved_file(path: str | os.PathLike) -> Iterator[Path]:
    """A draft beside a file, which becomes the file when the block is done; a cut block's is left there."""
    draft = Path(f"{os.fspath(path)}.part")
    yield draft
    os.replace(draft, path)


@contextmanager
def saved_folder(folder: str | os.PathLike) -> Iterator[Path]:
    """A draft beside a folder; what the block writes into it goes into the folder at the end, the JSON file,
    which says what the others are, last. Files of the same names are replaced, others are left alone.

    Raises:
        InvalidInput: a folder that cannot be written.
    """
    if not os.fspath(folder):
        raise InvalidInput("Nothing says which folder to save into.")
    folder = Path(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            yield draft
            folder.mkdir(exist_ok=True)
            for file in sorted(draft.iterdir(), key=lambda file: file.suffix == ".json"):
                os.replace(file, folder / file.name)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise InvalidInput(f"{folder} cannot be written: {error.strerror or error}.") from error


def versions() -> dict[str, str]:
    """Of this package, Python and what the numbers rest on; "unknown" of a package under another name."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"papr": __version__, "python": platform.python_version()}
    for package in ("torch", "timm", "numpy", "pillow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found
