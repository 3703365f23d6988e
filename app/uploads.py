"""Where visitors' files lie: a temporary folder of this page's own, bounded, emptied of what is old, gone
at the end.

Nothing here imports Gradio, which reads the folder's name when it is imported.
"""

import atexit
import hashlib
import hmac
import os
import secrets
import shutil
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from papr_core.errors import InvalidInput

from .shelf import Full, Shelf

try:
    import fcntl
except ImportError:  # Windows: there a killed page's files go when they are old
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "MAX_MEGABYTES",
    "SHELF",
    "own_temp_folder",
    "received",
    "remove_temp_folder",
    "shelved",
    "sweep",
    "upload",
    "upload_folder",
]

MAX_MEGABYTES = 50

# Uploads, drafts, what visitors have made: all goes when it is so old. Gradio deletes what it has made
# itself after an hour (page.py).
KEEP = 66 * 60
EVERY = 60
PREFIX = "papr-page-"

SHELF = Shelf(most_bytes=4_000_000_000, most_files=5000)

_made: list[str] = []
_held: list[int] = []  # what locks them while this page lives
_SALT = secrets.token_bytes(32)  # of this process: whoever knows a picture cannot name what was made of it


def own_temp_folder() -> None:
    """Make the folder, inside GRADIO_TEMP_DIR where the owner names one; before Gradio is imported."""
    if _made:
        return
    parent = os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()
    os.makedirs(parent, exist_ok=True)
    folder = _locked_folder(parent)
    os.environ["GRADIO_TEMP_DIR"] = folder
    _made.append(folder)
    atexit.register(remove_temp_folder)
    threading.Thread(target=_keep_sweeping, args=(Path(parent),), daemon=True).start()


def _locked_folder(parent: str) -> str:
    """A new folder, locked by this process: one whose lock can be had belongs to a page that was killed."""
    while True:
        folder = os.path.realpath(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        if fcntl is None:
            return folder
        with suppress(OSError):  # another page that starts may have taken it for a dead one's
            _held.append(os.open(folder, os.O_RDONLY))
            fcntl.flock(_held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.isdir(folder):
                return folder


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
    if not os.path.isfile(path) or os.path.islink(path):
        return None
    SHELF.use(Path(path))
    return Path(path)


def received(path: object, what: str, most: int, too_large: type[InvalidInput]) -> tuple[str, Path]:
    """An upload's id, which its content decides and nobody can guess from it, and its file. what: a
    visitor's word for it; most: megabytes.

    Raises:
        InvalidInput: no upload, or gone. too_large: larger than `most`.
    """
    try:
        file = upload(path)
        if file is None:
            raise FileNotFoundError
        with open(file, "rb") as stream:
            if os.fstat(stream.fileno()).st_size > most * 1_000_000:
                raise too_large(f"The file is larger than {most} MB: choose a smaller {what}.")
            return hashlib.file_digest(stream, lambda: hmac.new(_SALT, digestmod="sha256")).hexdigest(), file
    except FileNotFoundError:
        raise InvalidInput(f"This upload is no longer there; choose the {what} again.") from None


def shelved(path: str) -> str:
    """A file that was made here for a visitor, counted with the uploads. Raises InvalidInput where there is
    no room."""
    size = os.path.getsize(path)
    try:
        SHELF.take(size)
    except Full:
        os.unlink(path)
        raise InvalidInput("No more files can be kept here at this moment. Try again in a minute.") from None
    SHELF.put(Path(path), size)
    return path


def sweep(parent: Path) -> None:
    """Delete what is older than KEEP in the folders of pages here, and the whole folders of pages that were
    killed."""
    before = time.time() - KEEP
    for folder in parent.glob(f"{PREFIX}*"):
        if folder.is_symlink() or not folder.is_dir() or not _ours(folder):
            continue
        if str(folder.resolve()) not in _made and _abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)
            continue
        for at, folders, files in os.walk(folder, topdown=False):  # what is inside before what it is in
            for path in (Path(at, name) for name in (*files, *folders)):
                with suppress(OSError):
                    if path.lstat().st_mtime < before:
                        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        with suppress(OSError):  # of a page that is no more; ours stays, empty or not
            if str(folder) not in _made and folder.lstat().st_mtime < before:
                folder.rmdir()
    SHELF.tidy()


def _abandoned(folder: Path) -> bool:
    """Whether the page whose folder it is has ended: then nobody holds its lock."""
    if fcntl is None:
        return False
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _ours(folder: Path) -> bool:
    return not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()


def _keep_sweeping(parent: Path) -> None:
    while True:
        with suppress(OSError):
            sweep(parent)
        time.sleep(EVERY)
