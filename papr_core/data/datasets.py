"""Labelled images or clips in folders and archives: what `train` and `evaluate` read.

The layout is the plain one, `<class>/<image>`, alone, inside one top folder, or below `train/`, `val/` and
kin; deeper files belong to the first folder of their path. A tar or zip is as a folder, and so is a tar
inside (ImageNet's training set, WebDataset's shards); lists of classes (listings.py) stand in for class
folders. What is left out is counted, with the reason.
"""

from __future__ import annotations

import os
import random
import re
import unicodedata
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from papr_core.data import archives, listings
from papr_core.data.archives import Archive, open_archive
from papr_core.data.images import EXTENSIONS, read_image
from papr_core.data.sources import printable
from papr_core.data.walking import files_below
from papr_core.errors import InvalidInput, UnreadableImage

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["SPLITS", "SUFFIXES", "Dataset", "LeftOut", "open_dataset"]

SUFFIXES = {
    "images": EXTENSIONS,
    "clips": frozenset(
        {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".gif", ".ts", ".mpg", ".mpeg", ".flv", ".ogv"}
    ),
}
SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
_SPLIT_OF = {name: split for split, names in SPLITS.items() for name in names}
_MEASURED = ("val", "test", "train")  # which split is read where none is asked for


@dataclass
class LeftOut:
    """What of a data set is not read: how often each reason held, and one file of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def __call__(self, why: str, name: str, count: int = 1) -> None:
        self.counts[why] += count
        self.examples.setdefault(why, name)

    def rows(self) -> list[dict[str, Any]]:
        """reason, count and example, the most frequent first."""
        return [
            {"reason": why, "count": count, "example": self.examples[why]}
            for why, count in self.counts.most_common()
        ]


class Dataset:
    """Images, or clips, with class folders, read one by one; made by `open_dataset`.

    kind: "images" or "clips".
    samples: (key, class folder) of each image, sorted; a key is the image's path below the top folder.
    classes: the class folders, sorted, those without an image under the limit too; class_indices: for each
    image the position of its class in them.
    split, splits: which of these is read; None and () where there are none. left_out: what is not read.
    colour: as `read_image` takes it.
    transform: applied by `dataset[i]`, which gives (transform(image), class index), as torch's and timm's
    loaders ask.

    Safe in the workers of a DataLoader, forked or spawned, and in threads: an archive is read by position,
    and each process opens it for itself.
    """

    def __init__(
        self,
        path: Path,
        samples: Sequence[tuple[str, str]],
        classes: Sequence[str],
        places: Sequence[tuple[Archive | None, Any]],
        kind: str = "images",
        *,
        split: str | None = None,
        splits: Sequence[str] = (),
        left_out: LeftOut | None = None,
        colour: str = "srgb",
    ):
        self.path, self.kind, self.colour = path, kind, colour
        self.samples = tuple(samples)
        self.classes = tuple(classes)
        index = {folder: i for i, folder in enumerate(self.classes)}
        self.class_indices = tuple(index[folder] for _, folder in samples)
        self.split, self.splits, self.left_out = split, tuple(splits), left_out or LeftOut()
        self.transform: Callable[[Image.Image], Any] | None = None
        self._places = tuple(places)

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        return f"Dataset({str(self.path)!r}: {len(self)} {self.kind}, {len(self.classes)} classes)"

    def read(self, i: int) -> Image.Image:
        """Image i as RGB, turned as its EXIF data say. Raises UnreadableImage, which names the image."""
        try:
            return read_image(self.source(i), colour=self.colour)
        except (UnreadableImage, OSError, RuntimeError, NotImplementedError, EOFError, zlib.error) as error:
            raise UnreadableImage(f"{self.samples[i][0]} in {self.path.name}: {error}") from error

    def source(self, i: int) -> bytes | str:
        """The file of image or clip i, or its bytes."""
        archive, place = self._places[i]
        return archive.read(place) if archive else place

    def only(self, classes: Iterable[str]) -> Dataset:
        """The same without the images of other class folders than these."""
        classes = set(classes)
        kept = [i for i, (_, folder) in enumerate(self.samples) if folder in classes]
        return Dataset(
            self.path,
            [self.samples[i] for i in kept],
            [folder for folder in self.classes if folder in classes],
            [self._places[i] for i in kept],
            self.kind,
            split=self.split,
            splits=self.splits,
            left_out=self.left_out,
            colour=self.colour,
        )

    def check_listed(self) -> None:
        """Raises InvalidInput where a list of classes names a picture that is not there."""
        if missing := self.left_out.counts[listings.MISSING]:
            first = self.left_out.examples[listings.MISSING]
            raise InvalidInput(
                f"{first} {listings.MISSING}, in {self.path} ({missing} of such): add it, strike it"
                " from the list or go on without it (without --strict)."
            )

    def extra(self, name: str) -> bytes | None:
        """A file of the data that is no picture, by its name at the top or in the one top folder; None where
        there is none."""
        archive = None if self.path.is_dir() else next((archive for archive, _ in self._places), None)
        if archive is None:
            file = self.path / name
            return file.read_bytes() if file.is_file() else None
        for path, place in archive.files(lambda why, name: None):
            if path.rpartition("/")[2] == name and path.count("/") <= 1:
                return archive.read(place)
        return None

    def __getitem__(self, i: int) -> tuple[Any, int]:
        image = self.read(i)
        return (self.transform(image) if self.transform else image), self.class_indices[i]


def open_dataset(
    path: str | os.PathLike,
    *,
    limit: int | None = None,
    seed: int = 0,
    kind: str | None = "images",
    split: str | None = None,
    prefer: Sequence[str] = _MEASURED,
    labels: str | os.PathLike | None = None,
    colour: str = "srgb",
) -> Dataset:
    """The labelled images in a folder or an archive (a compressed tar is unpacked once, into the temporary
    folder).

    kind: "images" or "clips"; None is images where there are any, else clips.
    limit: at most so many images, spread over the classes as evenly as they allow; the choice depends on
    `seed` and on the names alone, and a smaller limit is part of a larger one. The classes are the folder's
    under any limit.
    split: "train", "val" or "test" of a root that has such folders; by default the first there is of
    `prefer`. labels: a text file that says the class of each picture (listings.py), for pictures without
    class folders. colour: as `read_image` takes it.

    Raises InvalidInput: no such path, no archive, damaged, no class folders, no images, no such split, a
    list of other pictures, limit below 1.
    """
    given, path = path, Path(path)
    if limit is not None and limit < 1:
        raise InvalidInput(f"The limit is {limit}; it must be at least 1.")
    if split is not None and split not in SPLITS:
        raise InvalidInput(f"A split is {', '.join(SPLITS)}, not {split!r}.")
    if "://" in os.fspath(given):
        raise InvalidInput(
            f"{os.fspath(given)!r} is an address, and nothing is fetched here: save the data, give its path."
        )
    if not os.fspath(given).strip() or not path.exists():
        where = f"at {path}" if os.fspath(given).strip() else "where nothing is given"
        raise InvalidInput(
            f"There is no data {where}; give a folder of class folders, or a .tar, .tar.gz or .zip of one."
        )
    left_out = LeftOut()
    found = _inside_top(_everything(path, left_out), left_out)
    split, splits, found = _split(path, found, split, prefer, left_out)
    kinds = (kind,) if kind else tuple(SUFFIXES)
    of_kind = {
        kind: {name: place for name, place in found.items() if _is(name, place, kind)} for kind in kinds
    }
    kind = next((kind for kind in kinds if of_kind[kind]), None)
    if kind is None:
        suffixes = " ".join(sorted({suffix[1:] for kind in kinds for suffix in SUFFIXES[kind]}))
        packed = next((name for name in found if name.lower().endswith(archives.SUFFIXES)), None)
        inside = f", but {packed}, an archive in it: unpack that" if packed else f" (by suffix: {suffixes})"
        raise InvalidInput(f"{path} holds no {' or '.join(kinds)}{inside}.")
    listed = _listed(path, found, of_kind[kind], labels, left_out)
    samples = _with_classes(of_kind[kind], listed, left_out)
    for name in found.keys() - of_kind[kind].keys():
        if name.rpartition("/")[2] not in listings.BESIDE and not name.endswith((".cls", ".cls.txt")):
            left_out(f"is none of the {kind} by its name", name)
    if not samples:
        raise InvalidInput(
            f"{path} holds {kind} but no class folders; put the {kind} of each class into its own folder,"
            " or give a list of their classes (--labels)."
        )
    classes = sorted({folder for _, folder, _ in samples})
    if limit is not None:
        samples = _balanced(samples, limit, seed)
    return Dataset(
        path,
        [(key, folder) for key, folder, _ in samples],
        classes,
        [found[name] for *_, name in samples],
        kind,
        split=split,
        splits=splits,
        left_out=left_out,
        colour=colour,
    )


_Found = dict[str, tuple[Archive | None, Any]]  # name -> where it is


def _everything(path: Path, left_out: LeftOut) -> _Found:
    """All files; of a folder that holds nothing but archives theirs, as in folders of their names."""
    if not path.is_dir():
        return _visible(_unpacked(path, "", left_out), left_out)
    found: _Found = {}
    packed: dict[str, tuple[str, str]] = {}
    for name, place in files_below(path, left_out):
        suffix = next((end for end in archives.SUFFIXES if name.lower().endswith(end)), None)
        if suffix is None:
            found[name] = (None, place)
        else:
            packed[name] = (place, name[: -len(suffix)] + "/")
    loose = any(
        os.path.splitext(name)[1].lower() in suffixes for name in found for suffixes in SUFFIXES.values()
    )
    for name, (place, below) in packed.items():
        if loose:  # most likely what they came in
            left_out("is an archive beside files that are none", name)
        else:
            found |= _unpacked(Path(place), below, left_out)
    return _visible(found, left_out)


def _unpacked(path: Path, below: str, left_out: LeftOut) -> _Found:
    archive = open_archive(path)
    return {
        below + name.removeprefix("./"): (archive, place)
        for name, place in archive.files(lambda why, name: left_out(why, below + name))
    }


def _visible(found: _Found, left_out: LeftOut) -> _Found:
    """Without what systems leave behind (`.DS_Store`, `._0.png`, `__MACOSX/`)."""
    shown = {}
    for name, place in found.items():
        name = printable(name)
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if any(part.startswith(".") or part == "__MACOSX" for part in parts):
            left_out("is hidden", name)
        else:
            shown["/".join(parts)] = place
    return shown


def _is(name: str, place: tuple[Archive | None, Any], kind: str) -> bool:
    suffix = os.path.splitext(name)[1].lower()
    if suffix or kind != "images":
        return suffix in SUFFIXES[kind]
    archive, where = place  # without a suffix the first bytes tell
    try:
        if archive:
            return archive.read(where)[:12].startswith(_MARKS)
        with open(where, "rb") as file:
            return file.read(12).startswith(_MARKS)
    except OSError:
        return False


_MARKS = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"RIFF", b"BM")


def _inside_top(found: _Found, left_out: LeftOut) -> _Found:
    """Without the one top folder that holds everything, if folders are in it; without more of them where that
    leads to splits."""
    inside = _stripped(found)
    if inside is None or _folders_of_splits(found):
        return found
    deeper: _Found | None = inside
    while deeper is not None and not _folders_of_splits(deeper):
        deeper = _stripped(deeper)
    inside = inside if deeper is None else deeper
    if len(inside) < len(found):
        places = set(map(id, inside.values()))
        for name, place in found.items():
            if id(place) not in places:
                left_out("is outside of the folder with all others", name)
    return inside


def _stripped(found: _Found) -> _Found | None:
    """What is in the one top folder with pictures, if folders are in it; else None."""
    tops = _tops(found)
    top = next(iter(tops), "") + "/"
    inside = {name.removeprefix(top): place for name, place in found.items() if name.startswith(top)}
    return inside if len(tops) == 1 and any("/" in name for name in inside) else None


def _tops(found: _Found) -> set[str]:
    """The top folders that hold pictures or clips; all top folders where none does."""
    suffixes = {"", *(suffix for kind in SUFFIXES.values() for suffix in kind)}
    holds: dict[str, bool] = {}
    for name in found:  # of millions: a folder that is known to hold one is not asked again
        top, slash, _ = name.partition("/")
        if slash and not holds.get(top):
            holds[top] = os.path.splitext(name)[1].lower() in suffixes
    return {top for top, some in holds.items() if some} or set(holds)


def _folders_of_splits(found: _Found) -> dict[str, list[str]]:
    """The top folders of each split: `train`, `val`, ... (and others beside them), or folders that are all
    called after one, such as `training_set` and `test_set`, or shards; empty where there are none."""
    tops = sorted(_tops(found))
    named: dict[str, list[str]] = defaultdict(list)
    alike: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for top in tops:
        if split := _SPLIT_OF.get(top.casefold()):
            named[split] = [top]
        words = [word for word in re.findall("[a-z]+", top.casefold()) if word in _SPLIT_OF]
        if len(words) == 1:  # and what is left of the name without it: "bullet train" is a class
            alike[re.sub(r"\d+", "0", top.casefold().replace(words[0], ""))][_SPLIT_OF[words[0]]].append(top)
    if tops and (len(named) == len(tops) or (len(named) > 1 and "train" in named)):
        return named
    for folders in alike.values():
        if len(folders) > 1 and "train" in folders and sum(map(len, folders.values())) >= len(tops) - 1:
            return folders
    return {}


def _split(
    path: Path, found: _Found, split: str | None, prefer: Sequence[str], left_out: LeftOut
) -> tuple[str | None, tuple[str, ...], _Found]:
    """Which split is read, which there are, and its files below its own folder."""
    found_folders = _folders_of_splits(found)
    folders = {one: found_folders[one] for one in SPLITS if one in found_folders}
    if not folders:
        if split is not None:
            there = ", ".join(sorted(_tops(found))[:5])
            raise InvalidInput(
                f"{path} has no folders {', '.join(SPLITS)} to take {split} from, but {there or 'none'}."
            )
        return None, (), found
    chosen = split or next((one for one in prefer if one in folders), None)
    if chosen not in folders:
        raise InvalidInput(f"{path} has no split {chosen or prefer[0]!r}, but {', '.join(folders)}.")
    split_of = {top: one for one, tops in folders.items() for top in tops}
    for name in found:
        other = split_of.get(name.split("/")[0])
        if other != chosen:
            left_out(f"is of the split {other}" if other else "is outside of the splits", name)
    if len(folders[chosen]) > 1:  # shards
        return (
            chosen,
            tuple(folders),
            {n: p for n, p in found.items() if split_of.get(n.split("/")[0]) == chosen},
        )
    own = folders[chosen][0] + "/"
    inside = {n.removeprefix(own): place for n, place in found.items() if n.startswith(own)}
    twice = all(name.startswith(own) for name in inside)  # as some archives have it
    return (
        chosen,
        tuple(folders),
        {n.removeprefix(own): place for n, place in inside.items()} if twice else inside,
    )


def _listed(
    path: Path, found: _Found, pictures: _Found, labels: str | os.PathLike | None, left_out: LeftOut
) -> dict[str, str | None]:
    """Picture -> class, where a list says it: the one that is given, one that lies among them, or shards'
    own; None where a shard says none."""
    if labels is not None:
        try:
            text = Path(labels).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InvalidInput(f"The list {labels} is no text in UTF-8: save it as that.") from error
        except OSError as error:
            raise InvalidInput(f"The list {labels} cannot be read ({error}).") from error
        return dict(listings.classes_of(text, pictures, Path(labels).name, left_out))

    def read(name: str) -> bytes:
        archive, place = found[name]
        return archive.read(place) if archive else Path(place).read_bytes()

    packed = {name.rpartition("/")[0] for name, (archive, _) in found.items() if archive}
    deep = 1 if path.is_dir() else 0
    listed = listings.shard_classes(
        found, read, lambda folder: folder in packed and len(folder.split("/") if folder else ()) == deep
    )
    for name in found:
        folder, _, file = name.rpartition("/")
        if file in listings.BESIDE:
            below = f"{folder}/" if folder else ""
            mine = [picture for picture in pictures if picture.startswith(below)]
            try:
                text = read(name).decode("utf-8", "replace")
            except OSError as error:
                raise InvalidInput(f"{name} in {path} cannot be read ({error}).") from error
            try:
                bare = [picture.removeprefix(below) for picture in mine]
                named = listings.classes_of(text, bare, file, left_out)
            except InvalidInput:  # of something else: class folders do without
                if not any("/" in picture.removeprefix(below) for picture in mine):
                    raise
                continue
            listed |= {below + picture: label for picture, label in named.items()}
    return listed


def _with_classes(
    pictures: Iterable[str], listed: Mapping[str, str | None], left_out: LeftOut
) -> list[tuple[str, str, str]]:
    """(key, class folder, name) of each image that has a class, sorted."""
    samples = []
    for name in pictures:
        folder = listed.get(name)
        if folder is None and not listed and "/" in name:
            folder = name.split("/")[0]
        if folder is None:
            where = "class folder" if not listed else "list" if name not in listed else "file of its shard"
            left_out(f"has no class: it is in no {where}", name)
        else:
            samples.append((name, unicodedata.normalize("NFC", folder), name))  # as its class is written
    return sorted(samples)


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
