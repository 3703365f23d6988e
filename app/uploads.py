"""Where visitors' files lie: a temporary folder of this page's own, emptied of what is old, gone at the end.

Nothing here imports Gradio, which reads the folder's name when it is imported.
"""

import atexit
import hashlib
import os
import shutil
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from papr_core.errors import InvalidInput

__all__ = [
    "MAX_MEGABYTES",
    "own_temp_folder",
    "received",
    "remove_temp_folder",
    "sweep",
    "upload",
    "upload_folder",
]

MAX_MEGABYTES = 50

# Gradio deletes the files that it remembers after an hour, every five minutes (page.py). What it forgets is
# deleted here: uploads that broke off, parts of a form that nobody asked for, drafts, a killed page's files.
KEEP = 66 * 60
EVERY = 60
PREFIX = "papr-page-"

_made: list[str] = []


def own_temp_folder() -> None:
    """Make the folder, inside GRADIO_TEMP_DIR where the owner names one; before Gradio is imported."""
    if _made:
        return
    parent = os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()
    os.makedirs(parent, exist_ok=True)
    folder = os.path.realpath(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    os.environ["GRADIO_TEMP_DIR"] = folder
    _made.append(folder)
    atexit.register(remove_temp_folder)
    threading.Thread(target=_keep_sweeping, args=(Path(parent),), daemon=True).start()


def remove_temp_folder() -> None:
    """With all that is in it."""
    for folder in _made:
        shutil.rmtree(folder, ignore_errors=True)


def upload_folder() -> str:
    """The folder that Gradio uses."""
    from gradio.utils import get_upload_folder

    return os.path.realpath(get_upload_folder())


def upload(path: object) -> Path | None:
    """The file that a request means by a path: one inside the folder, written the way Gradio gave it to the
    visitor. None of anything else, which is compared and never looked for."""
    if not isinstance(path, str) or "\0" in path or not path.startswith(upload_folder() + os.sep):
        return None
    if os.path.normpath(path) != path:
        return None
    return Path(path) if os.path.isfile(path) and not os.path.islink(path) else None


def received(path: object, what: str, most: int, too_large: type[InvalidInput]) -> tuple[str, Path]:
    """The SHA-256 of an upload's content, and its file. what: a visitor's word for it; most: megabytes.

    Raises:
        InvalidInput: no upload, or gone. too_large: larger than `most`.
    """
    file = upload(path)
    try:
        with open(file or "", "rb") as stream:
            if os.fstat(stream.fileno()).st_size > most * 1_000_000:
                raise too_large(f"The file is larger than {most} MB: choose a smaller {what}.")
            return hashlib.file_digest(stream, "sha256").hexdigest(), file
    except FileNotFoundError:
        raise InvalidInput(f"This upload is no longer there; choose the {what} again.") from None


def sweep(parent: Path) -> None:
    """Delete what is older than KEEP in the folders of pages here, those of pages that were killed too."""
    before = time.time() - KEEP
    for folder in parent.glob(f"{PREFIX}*"):
        if folder.is_symlink() or not folder.is_dir() or not _ours(folder):
            continue
        for path in sorted(folder.rglob("*"), reverse=True):  # what is inside before what it is in
            with suppress(OSError):
                if path.lstat().st_mtime < before:
                    path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        with suppress(OSError):  # of a page that is no more; ours stays, empty or not
            if str(folder) not in _made and folder.lstat().st_mtime < before:
                folder.rmdir()


def _ours(folder: Path) -> bool:
    return not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()


def _keep_sweeping(parent: Path) -> None:
    while True:
        with suppress(OSError):
            sweep(parent)
        time.sleep(EVERY)
