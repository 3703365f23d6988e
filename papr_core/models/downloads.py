"""Downloads that go on where they broke off, and are not taken for whole before they are.

The hub's own client (2.4) throws away what it has when a download fails or is stopped; this one keeps it.
"""

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

__all__ = ["Progress", "download"]

Progress = Callable[[int, int], None]

_CHUNK = 1 << 18
_TIMEOUT = 20


def download(
    url: str,
    to: Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    lock: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """The file at `url`, whole, as `to`; nothing is fetched if it is there.

    Until it has its size and hash it lies beside it as `.papr.incomplete`, where the next call goes on. A
    line that breaks is taken up again as long as that brings something. progress(done, total) is called with
    bytes, total 0 where nobody knows it; what it raises ends the download. sha256 may be the beginning of the
    hash. One process at a time holds `lock`.

    Raises:
        OSError: no connection, no space, or a file that is not what was announced (it is thrown away then).
    """
    from huggingface_hub.utils import WeakFileLock

    lock = lock or to.with_name(to.name + ".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    to.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock), _shown(progress, to.name) as report:
        if to.exists():
            return to
        part = to.with_name(to.name + ".papr.incomplete")
        while not _whole(part, size):
            done = _length(part)
            try:
                size = _go_on(url, part, size, report)
            except urllib.error.HTTPError as error:
                # 416: there is nothing behind what we have, so it is not ours to go on with
                if error.code != 416 or not done:
                    raise OSError(f"the server says {error.code} {error.reason}") from error
                part.unlink()
            except (OSError, HTTPException) as error:
                if _length(part) <= done:
                    raise OSError(str(getattr(error, "reason", error)) or type(error).__name__) from error
        if sha256 and not _hash(part).startswith(sha256):
            part.unlink()
            raise OSError("what arrived is not what the server announced")
        os.replace(part, to)
    return to


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _whole(part: Path, size: int | None) -> bool:
    return size is not None and _length(part) == size and part.exists()


def _go_on(url: str, part: Path, size: int | None, report: Progress) -> int:
    """Appends what is missing; returns the size of the whole file."""
    done = _length(part)
    if size is not None and done > size:
        part.unlink()
        done = 0
    headers = {"User-Agent": "papr"}
    if done:
        headers["Range"] = f"bytes={done}-"
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
        if answer.status != 206:  # the server begins anew
            done = 0
        length = answer.headers.get("Content-Length")
        whole = size if size is not None else done + int(length) if length else None
        with open(part, "ab" if done else "wb") as file:
            report(done, whole or 0)
            while chunk := answer.read1(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                report(done, whole or 0)
    if whole is not None and done != whole:
        raise OSError(f"the connection ended after {done} of {whole} bytes")
    return done


@contextmanager
def _shown(progress: Progress | None, name: str) -> Iterator[Progress]:
    """The caller's progress, or a bar on the terminal (none where there is no terminal)."""
    if progress is not None:
        yield progress
        return
    from tqdm import tqdm

    with tqdm(unit="B", unit_scale=True, desc=name[:40], disable=None) as bar:

        def advance(done: int, total: int) -> None:
            bar.total = total or None
            bar.update(done - bar.n)

        yield advance


def _hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
