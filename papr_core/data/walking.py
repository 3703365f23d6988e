"""The files below a folder, each once: links to parents end, and a file that is reached twice counts once."""

import os
from collections import deque
from collections.abc import Callable, Iterator

__all__ = ["files_below"]


def files_below(
    folder: str | os.PathLike, leave_out: Callable[[str, str], None]
) -> Iterator[tuple[str, str]]:
    """(name, path) of each file, the name below the folder with slashes; leave_out(why, name) is told of
    others."""
    root = os.fspath(folder)
    real_root = os.path.realpath(root)
    waiting: deque[tuple[str, str]] = deque([("", root)])
    linked: deque[tuple[str, str]] = deque()
    links: list[tuple[str, str]] = []
    seen: set[str] = set()
    while waiting or linked:
        below, place = waiting.popleft() if waiting else linked.popleft()  # what is really there comes first
        real = os.path.realpath(place)
        if real in seen or (below and os.path.commonpath([real, real_root]) == real):
            leave_out("is reached by a second way, a link", below)
            continue
        seen.add(real)
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as error:
            leave_out(f"cannot be opened ({error.strerror})", below or ".")
            continue
        for entry in entries:
            name = f"{below}/{entry.name}" if below else entry.name
            if _is_folder(entry):
                if entry.name.startswith("."):
                    leave_out("is hidden", name)
                else:
                    (linked if entry.is_symlink() else waiting).append((name, entry.path))
            elif entry.is_symlink():
                links.append((name, entry.path))
            else:
                yield name, entry.path
    for name, path in links:
        real = os.path.realpath(path)
        if not os.path.isfile(real):
            leave_out("is a link to nothing", name)
        elif os.path.dirname(real) in seen and os.path.splitext(real)[1] == os.path.splitext(path)[1]:
            leave_out("is reached by a second way, a link", name)
        else:
            yield name, path


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False
