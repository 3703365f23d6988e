"""Which uploads stay on disk: bounded in bytes and in number; the longest unused goes first, none that is
in use."""

import threading
import time
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

__all__ = ["Full", "Shelf"]


class Full(Exception):
    """There is no room, and all that lies here is in use."""


class Shelf:
    """Files by path, the longest unused first. in_use: seconds since a question last named a file for which
    it counts as used; what works on it longer has it open."""

    def __init__(self, most_bytes: int, most_files: int, in_use: float = 60) -> None:
        self.most_bytes, self.most_files, self.in_use = most_bytes, most_files, in_use
        self.bytes = 0  # of all files, and of those that are arriving
        self._files: OrderedDict[str, tuple[int, float]] = OrderedDict()  # path -> (bytes, when last used)
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Make room for so many bytes of a file that is arriving. Raises Full."""
        with self._lock:
            while self.bytes + size > self.most_bytes or len(self._files) >= self.most_files:
                path, (_, used) = next(iter(self._files.items()), ("", (0, time.monotonic())))
                if time.monotonic() - used < self.in_use:
                    raise Full
                self._forget(path)
                with suppress(OSError):
                    Path(path).unlink()
                    Path(path).parent.rmdir()
            self.bytes += size

    def give_back(self, size: int) -> None:
        """Of a file that did not arrive."""
        with self._lock:
            self.bytes -= size

    def put(self, path: Path, size: int) -> None:
        """A file has arrived whose bytes were taken."""
        with self._lock:
            self._files[str(path)] = size, time.monotonic()

    def use(self, path: Path) -> None:
        """A question names a file."""
        with self._lock:
            if str(path) in self._files:
                self._files[str(path)] = self._files[str(path)][0], time.monotonic()
                self._files.move_to_end(str(path))

    def tidy(self) -> None:
        """Forget the files that others have deleted."""
        with self._lock:
            for path in [path for path in self._files if not Path(path).exists()]:
                self._forget(path)

    def _forget(self, path: str) -> None:
        self.bytes -= self._files.pop(path)[0]
