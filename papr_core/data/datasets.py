"""Labelled images or clips in a folder or a tar file, one folder a class: what `train` and `evaluate` read.

The layout is the plain one, `<class>/<image>`, alone or inside one top folder; deeper files belong to the
first folder of their path. Everything that is not an image (or a clip, where clips are asked for) by its
suffix (word lists, boxes) is skipped.
"""

from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import tarfile
import tempfile
import weakref
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from papr_core.data.images import read_image
from papr_core.errors import InvalidInput, UnreadableImage

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Dataset", "open_dataset"]

SUFFIXES = {
    "images": frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"}),
    "clips": frozenset(
        {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".gif", ".ts", ".mpg", ".mpeg", ".flv", ".ogv"}
    ),
}
_GZIP = b"\x1f\x8b"


class Dataset:
    """Images, or clips, with class folders, read one by one; made by `open_dataset`.

    kind: "images" or "clips".
    samples: (key, class folder) of each image, sorted; a key is the image's path below the top folder.
    classes: the class folders, sorted, those without an image under the limit too; class_indices: for each
    image the position of its class in them.
    transform: applied by `dataset[i]`, which gives (transform(image), class index), as torch's and timm's
    loaders ask.

    Safe in the workers of a DataLoader, forked or spawned, and in threads: a tar file is read by position,
    and each process opens it for itself.
    """

    def __init__(
        self,
        path: Path,
        samples: Sequence[tuple[str, str]],
        classes: Sequence[str],
        places: Sequence,
        archive: _Archive | None,
        kind: str = "images",
    ):
        self.path, self.kind = path, kind
        self.samples = tuple(samples)
        self.classes = tuple(classes)
        index = {folder: i for i, folder in enumerate(self.classes)}
        self.class_indices = tuple(index[folder] for _, folder in samples)
        self.transform: Callable[[Image.Image], Any] | None = None
        self._places = tuple(places)  # a file's path, or (offset, size) in the archive
        self._archive = archive

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        return f"Dataset({str(self.path)!r}: {len(self)} {self.kind}, {len(self.classes)} classes)"

    def read(self, i: int) -> Image.Image:
        """Image i as RGB, turned as its EXIF data say. Raises UnreadableImage, which names the image."""
        try:
            return read_image(self.source(i))
        except UnreadableImage as error:
            raise UnreadableImage(f"{self.samples[i][0]} in {self.path.name}: {error}") from error

    def source(self, i: int) -> bytes | str:
        """The file of image or clip i, or its bytes."""
        place = self._places[i]
        return self._archive.read(*place) if self._archive else place

    def __getitem__(self, i: int) -> tuple[Any, int]:
        image = self.read(i)
        return (self.transform(image) if self.transform else image), self.class_indices[i]


def open_dataset(
    path: str | os.PathLike, *, limit: int | None = None, seed: int = 0, kind: str | None = "images"
) -> Dataset:
    """The labelled images in a folder, a .tar or a .tar.gz (unpacked once, into the temporary folder).

    kind: "images" or "clips"; None is images where there are any, else clips.
    limit: at most so many images, spread over the classes as evenly as they allow; the choice depends on
    `seed` and on the names alone, and a smaller limit is part of a larger one. The classes are the folder's
    under any limit.

    Raises InvalidInput: no such path, not a tar file, damaged, no class folders, no images, limit below 1.
    """
    path = Path(path)
    if limit is not None and limit < 1:
        raise InvalidInput(f"The limit is {limit}; it must be at least 1.")
    if not path.exists():
        raise InvalidInput(
            f"There is no data at {path}; give a folder of class folders, or a .tar or .tar.gz of one."
        )
    archive = None if path.is_dir() else _Archive(path)
    kinds = (kind,) if kind else tuple(SUFFIXES)
    everything = dict(archive.files() if archive else _files_below(path))
    of_kind = {
        kind: {name: place for name, place in everything.items() if _has_suffix(name, kind)} for kind in kinds
    }
    kind = next((kind for kind in kinds if of_kind[kind]), None)
    if kind is None:
        suffixes = " ".join(sorted({suffix[1:] for kind in kinds for suffix in SUFFIXES[kind]}))
        raise InvalidInput(f"{path} holds no {' or '.join(kinds)} (by suffix: {suffixes}).")
    found = of_kind[kind]
    samples = _with_classes(found)
    if not samples:
        raise InvalidInput(
            f"{path} holds {kind} but no class folders; put the {kind} of each class into its own folder."
        )
    classes = sorted({folder for _, folder, _ in samples})
    if limit is not None:
        samples = _balanced(samples, limit, seed)
    return Dataset(
        path,
        [(key, folder) for key, folder, _ in samples],
        classes,
        [found[name] for *_, name in samples],
        archive,
        kind,
    )


def _files_below(folder: Path) -> Iterable[tuple[str, str]]:
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in files:
            place = os.path.join(parent, file)
            yield Path(os.path.relpath(place, folder)).as_posix(), place


def _has_suffix(name: str, kind: str) -> bool:
    hidden = any(part.startswith(".") and part != "." for part in name.split("/"))
    return not hidden and os.path.splitext(name)[1].lower() in SUFFIXES[kind]


def _with_classes(names: Iterable[str]) -> list[tuple[str, str, str]]:
    """(key, class folder, name) of each image in a class folder, sorted; one top folder is entered."""
    parts = {name: [part for part in name.split("/") if part not in ("", ".")] for name in names}
    inside = {name: split for name, split in parts.items() if len(split) > 1}
    if len({split[0] for split in inside.values()}) == 1 and any(len(split) > 2 for split in inside.values()):
        inside = {name: split[1:] for name, split in inside.items() if len(split) > 2}
    return sorted(("/".join(split), split[0], name) for name, split in inside.items())


def _balanced(samples: list[tuple[str, str, str]], limit: int, seed: int) -> list[tuple[str, str, str]]:
    """The first `limit` of a round robin: each class's first pick, each one's second, ..., back in order."""
    draw = random.Random(seed)
    by_class = defaultdict(list)
    for sample in samples:
        by_class[sample[1]].append(sample)
    rounds = []
    for members in by_class.values():
        draw.shuffle(members)
        rounds += [(turn, draw.random(), sample) for turn, sample in enumerate(members)]
    return sorted(sample for *_, sample in sorted(rounds)[:limit])


class _Archive:
    """A tar file read by position. A gzipped one becomes a temporary tar, which goes with this object."""

    def __init__(self, path: Path):
        self._path, self._name = path, path
        self._files: dict[
            int, io.BufferedReader
        ] = {}  # process -> open file: forked workers share no position
        try:
            with open(path, "rb") as file:
                if file.read(2) == _GZIP:
                    self._path = self._unpacked(path)
        except OSError as error:
            raise InvalidInput(f"{path} cannot be read: {error.strerror or error}.") from error

    def _unpacked(self, path: Path) -> Path:
        handle, name = tempfile.mkstemp(prefix="papr-", suffix=".tar")
        weakref.finalize(self, _remove, name, os.getpid())
        try:
            with os.fdopen(handle, "wb") as plain, gzip.open(path) as packed:
                shutil.copyfileobj(packed, plain, 1 << 20)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InvalidInput(f"{path} is damaged or cut off; fetch it again.") from error
        return Path(name)

    def files(self) -> Iterable[tuple[str, tuple[int, int]]]:
        """(name, (offset, size)) of each file, in the order of the archive."""
        try:
            with tarfile.open(self._path, "r:") as tar:
                for member in tar:
                    if member.isreg() and not member.issparse():
                        yield member.name, (member.offset_data, member.size)
                tar.fileobj.seek(tar.offset)  # tarfile stops without a word at a header that it cannot read
                if any(tar.fileobj.read(tarfile.BLOCKSIZE)):
                    raise tarfile.ReadError("a header is damaged")
        except (tarfile.TarError, EOFError) as error:
            raise InvalidInput(
                f"{self._name} is not a whole tar file ({error}); fetch or pack it again."
            ) from error

    def read(self, offset: int, size: int) -> bytes:
        file = self._files.get(os.getpid())
        if file is None:
            file = self._files[os.getpid()] = open(self._path, "rb", buffering=0)  # noqa: SIM115
        return os.pread(file.fileno(), size, offset)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_files": {}}


def _remove(name: str, owner: int) -> None:
    if os.getpid() == owner:  # a forked worker that ends leaves the file to the process that made it
        Path(name).unlink(missing_ok=True)
