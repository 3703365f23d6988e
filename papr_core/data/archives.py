"""Files in tars (also gzipped, xz or bzip2, also tars in a tar) and zips, read by position and never
unpacked to names.

A compressed tar becomes a temporary plain one, within limits: a small file that unpacks to a huge one is
refused.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import tarfile
import tempfile
import threading
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from papr_core.errors import InvalidInput

__all__ = ["SUFFIXES", "Archive", "open_archive"]

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".zip")

LeaveOut = Callable[[str, str], None]  # (why, name)

_COMPRESSED: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"BZh": bz2.open,
}
_OTHER = {b"\x28\xb5\x2f\xfd": "Zstandard", b"7z\xbc\xaf": "7-Zip", b"Rar!": "RAR"}
_AT_LEAST, _TIMES = 256 << 20, 20  # bytes that may be unpacked: so many, or so many times the packed ones
_SPARE = 1 << 30  # bytes that stay free on the disk


class Archive:
    """An archive's files: `files()` names them and says where each is, `read(place)` gives its bytes.

    Safe in threads and in the workers of a DataLoader, forked or spawned: each process opens it for itself.
    """

    def __init__(self, path: Path) -> None:
        self._name = self._path = path
        self._opened: dict[int, Any] = {}  # process -> open file: forked workers share no position
        self._lock = threading.Lock()

    def files(self, leave_out: LeaveOut) -> Iterator[tuple[str, Any]]:
        """(name, place) of each file, in the archive's order; leave_out is told of what is none."""
        raise NotImplementedError

    def read(self, place: Any) -> bytes:
        """The bytes of a file. Raises OSError or a kin of it where the archive is damaged."""
        raise NotImplementedError

    def _own(self, opened: Callable[[], Any]) -> Any:
        with self._lock:
            if os.getpid() not in self._opened:
                self._opened[os.getpid()] = opened()
            return self._opened[os.getpid()]

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_opened": {}, "_lock": None}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state, _lock=threading.Lock())


def open_archive(path: Path) -> Archive:
    """The archive at a path, of whichever kind its contents are.

    Raises:
        InvalidInput: it cannot be read, is damaged, of an unknown kind, or unpacks to far more than it is.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror or error}.") from error
    for mark, kind in _OTHER.items():
        if head.startswith(mark):
            raise InvalidInput(
                f"{path} is packed by {kind}, which is not read here: pack it as .tar or .zip."
            )
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _Zip(path)
    unpack = next((opener for mark, opener in _COMPRESSED.items() if head.startswith(mark)), None)
    return _Tar(path, unpack)


class _Tar(Archive):
    """Places are (offset, size). A compressed one becomes a temporary tar, which goes with this object."""

    def __init__(self, path: Path, unpack: Callable[[Path], Any] | None) -> None:
        super().__init__(path)
        if unpack is not None:
            self._path = self._unpacked(path, unpack)

    def _unpacked(self, path: Path, unpack: Callable[[Path], Any]) -> Path:
        handle, name = tempfile.mkstemp(prefix="papr-", suffix=".tar")
        weakref.finalize(self, _remove, name, os.getpid())
        most = max(_AT_LEAST, _TIMES * path.stat().st_size)
        try:
            with os.fdopen(handle, "wb") as plain, unpack(path) as packed:
                while block := packed.read(1 << 20):
                    if plain.tell() > most or shutil.disk_usage(name).free < _SPARE:
                        raise InvalidInput(
                            f"{path} unpacks to more than {plain.tell() / 1e6:,.0f} MB, which is too much for"
                            f" {path.stat().st_size / 1e6:,.0f} MB or for the disk: unpack it by hand."
                        )
                    plain.write(block)
        except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
            raise InvalidInput(f"{path} is damaged or cut off; fetch it again.") from error
        return Path(name)

    def files(self, leave_out: LeaveOut) -> Iterator[tuple[str, tuple[int, int]]]:
        found: dict[str, tuple[int, int]] = {}
        with open(self._path, "rb") as file:
            for name, place in self._members(file, 0, leave_out):
                if name in found:  # appended later: as unpacking would have it, the last one counts
                    leave_out("is an older copy of a file", name)
                found[name] = place
        yield from found.items()

    def _members(
        self, file: Any, start: int, leave_out: LeaveOut, inside: str = ""
    ) -> Iterator[tuple[str, tuple[int, int]]]:
        names: dict[str, tuple[int, int]] = {}
        try:
            with tarfile.open(fileobj=file, mode="r:") as tar:
                for member in tar:
                    name = inside + member.name
                    if member.isreg() and not member.issparse():
                        names[member.name] = (start + member.offset_data, member.size)
                        if name.lower().endswith(".tar") and not inside:
                            part = _Part(file, member.offset_data, member.size)
                            yield from self._members(
                                part, member.offset_data, leave_out, name[: -len(".tar")] + "/"
                            )
                        else:
                            yield name, names[member.name]
                    elif member.islnk() and member.linkname in names:  # one file of two names
                        yield name, names[member.linkname]
                    elif not member.isdir():
                        leave_out("is a link or a special file in the tar", name)
                tar.fileobj.seek(tar.offset)  # tarfile stops without a word at a header that it cannot read
                if any(tar.fileobj.read(tarfile.BLOCKSIZE)):
                    raise tarfile.ReadError("a header is damaged")
        except (tarfile.TarError, EOFError) as error:
            what = f"{self._name} ({inside[:-1]}.tar)" if inside else str(self._name)
            raise InvalidInput(
                f"{what} is not a whole tar file ({error}); fetch or pack it again."
            ) from error

    def read(self, place: tuple[int, int]) -> bytes:
        offset, size = place
        file = self._own(lambda: open(self._path, "rb", buffering=0))  # noqa: SIM115
        return os.pread(file.fileno(), size, offset)


class _Part(io.RawIOBase):
    """A stretch of an open file as a file of its own."""

    def __init__(self, file: Any, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def read(self, size: int = -1) -> bytes:
        size = self._size - self._at if size < 0 else min(size, self._size - self._at)
        before = self._file.tell()  # the tar around is read on from where it was
        self._file.seek(self._start + self._at)
        data = self._file.read(max(0, size))
        self._file.seek(before)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at


class _Zip(Archive):
    """Places are names in the zip."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self._own(lambda: zipfile.ZipFile(path))
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise InvalidInput(
                f"{path} is not a whole zip file ({error}); fetch or pack it again."
            ) from error

    def files(self, leave_out: LeaveOut) -> Iterator[tuple[str, str]]:
        found: set[str] = set()
        for member in self._own(lambda: zipfile.ZipFile(self._path)).infolist():
            if member.is_dir():
                continue
            if member.flag_bits & 1:
                leave_out("is encrypted", member.filename)
            elif member.file_size > max(_AT_LEAST, _TIMES * member.compress_size):
                leave_out("unpacks to far more than it is", member.filename)
            elif member.filename in found:  # as unpacking would have it, the last one counts
                leave_out("is an older copy of a file", member.filename)
            else:
                found.add(member.filename)
                yield member.filename.replace("\\", "/"), member.filename  # of old Windows packers

    def read(self, place: str) -> bytes:
        archive = self._own(lambda: zipfile.ZipFile(self._path))
        try:
            with archive.open(place) as file:
                return file.read(archive.getinfo(place).file_size)
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
            raise OSError(f"It is damaged in the zip ({error}).") from error


def _remove(name: str, owner: int) -> None:
    if os.getpid() == owner:  # a forked worker that ends leaves the file to the process that made it
        Path(name).unlink(missing_ok=True)
