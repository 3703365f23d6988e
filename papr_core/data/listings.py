"""Text files that say which class a picture has, in the forms in which data sets are distributed."""

import csv
import io
import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from papr_core.errors import InvalidInput

__all__ = ["BESIDE", "MISSING", "classes_of", "shard_classes"]

# What lies among the pictures: Tiny ImageNet's, and the Hugging Face hub's image-folder form.
BESIDE = ("val_annotations.txt", "metadata.csv", "metadata.jsonl")

MISSING = "is listed, but is not there"

_PICTURE = ("file_name", "filename", "file", "image", "imageid", "image_id", "path", "id", "name")
_CLASS = (
    "label",
    "labels",
    "class",
    "class_name",
    "category",
    "wnid",
    "synset",
    "predictionstring",
    "target",
)


def classes_of(
    text: str, pictures: Iterable[str], name: str, left_out: Callable[[str, str], None]
) -> dict[str, str]:
    """The class of each picture (a path) that a list names; numbers behind a picture's class are not read.

    Lines are `picture class` (parted by a tab, a comma, a semicolon, a bar or spaces; with a head or not),
    JSON objects with file_name and label, or a class alone: then there is one line a picture, in the order of
    the pictures' names. Or one JSON: a list of such objects, an object picture -> class or class ->
    pictures, or COCO's. A picture is named by its path, as it is here or where the list was made, by its
    file, or by that without suffix; left_out(why, name) is told of those that are not there.

    Raises:
        InvalidInput: the list is of another form, of other pictures, or gives a picture two classes.
    """
    pictures = sorted(pictures)
    pairs = list(_pairs(text, name))
    if not pairs:
        raise InvalidInput(f"{name} lists nothing.")
    if all(picture is None for picture, _ in pairs):
        if len(pairs) != len(pictures):
            raise InvalidInput(
                f"{name} has {len(pairs)} lines with nothing but a class, which would be one of each of"
                f" {len(pictures)} pictures."
            )
        if len(pairs) > 1000 and all(label.isdigit() and 1 <= int(label) <= 1000 for _, label in pairs):
            raise InvalidInput(
                f"{name} holds the ILSVRC challenge's own numbers, which are in no model's order: give a list"
                " of wnids (imagenet_2012_validation_synset_labels.txt, LOC_val_solution.csv)."
            )
        return dict(zip(pictures, (label for _, label in pairs)))
    listed: dict[str, str] = {}
    for picture, label in pairs:
        first = label if picture is None else listed.setdefault(_path(picture), label)
        if first != label:
            raise InvalidInput(f"{name} gives {picture} two classes, {first} and {label}: one may be true.")
    ends = _by_end(listed)
    found, there = {}, set()
    for picture in pictures:
        parts = _path(picture).split("/")
        named = ["/".join(parts[cut:]) for cut in range(len(parts))]
        known = next((one for one in (*named, parts[-1].rpartition(".")[0]) if one in listed), None)
        told = listed[known] if known is not None else ends.get(named[0])
        if told is not None:
            found[picture] = told
            there.add(known or named[0])
    if not found:
        raise InvalidInput(f"{name} names none of the pictures (it names {next(iter(listed))!r}, for one).")
    for number, path in enumerate(listed):
        headed = number == 0 and "." not in path  # of columns that are called otherwise
        if not headed and path not in there and not any(end in there for end in _ends(path)):
            left_out(MISSING, path)
    return found


def _path(text: str) -> str:
    """A path as it is compared: some systems turn slashes round, some part letters from their accents."""
    return unicodedata.normalize("NFC", text).replace("\\", "/").removeprefix("./")


def _by_end(listed: Mapping[str, str]) -> dict[str, str]:
    """The class by each end of a listed path that stands for one class only."""
    ends: dict[str, set[str]] = defaultdict(set)
    for path, label in listed.items():
        for end in _ends(path):
            ends[end].add(label)
    return {end: next(iter(labels)) for end, labels in ends.items() if len(labels) == 1}


def _ends(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[cut:]) for cut in range(1, len(parts))]


def _pairs(text: str, name: str) -> Iterable[tuple[str | None, str]]:
    text = text.lstrip("\ufeff")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("# ")]
    if name.endswith(".json"):
        yield from _from_json(text, name)
        return
    if name.endswith(".jsonl") or (lines and lines[0].lstrip().startswith("{")):
        yield from _from_rows((_object(line, name) for line in lines), name)
        return
    if not lines:
        return
    mark = next((mark for mark in "\t,;|" if mark in lines[0]), None)
    head = [word.strip(' "').casefold() for word in lines[0].split(mark)]
    if mark and set(head) & set(_PICTURE):
        yield from _from_rows(csv.DictReader(io.StringIO("\n".join(lines)), delimiter=mark), name)
        return
    for row in csv.reader(lines, delimiter=mark) if mark else (line.split() for line in lines):
        words = [word.strip() for word in row]
        if len(words) < 2:
            yield None, words[0]
        else:
            yield words[0], _class_in(words[1] if mark else " ".join(words[1:]))


def _class_in(words: str) -> str:
    """The class in what stands behind a picture: a wnid or a number, whatever follows; else all words, less
    the numbers of a box."""
    first = words.split(" ")[0]
    if re.fullmatch(r"n\d{8}|\d+", first):
        return first
    return re.sub(r"( -?\d+(\.\d+)?)+$", "", words)


def _from_json(text: str, name: str) -> Iterable[tuple[str, str]]:
    try:
        told = json.loads(text)
    except ValueError:  # objects, one a line
        told = [_object(line, name) for line in text.splitlines() if line.strip()]
    if (
        isinstance(told, dict)
        and told
        and not any(isinstance(label, (list, dict)) for label in told.values())
    ):
        if not {str(key).casefold() for key in told} & {*_PICTURE}:
            yield from ((picture, str(label)) for picture, label in told.items())
            return
        told = [told]
    if (
        isinstance(told, dict)
        and all(isinstance(one, list) for one in told.values())
        and all(isinstance(picture, str) for pictures in told.values() for picture in pictures)
    ):
        yield from ((picture, label) for label, pictures in told.items() for picture in pictures)
        return
    if isinstance(told, dict) and {"images", "annotations", "categories"} <= told.keys():
        yield from _from_coco(told, name)
        return
    if not isinstance(told, list) or not all(isinstance(row, dict) for row in told):
        raise InvalidInput(
            f"{name} is neither a list of objects with {_PICTURE[0]} and {_CLASS[0]} nor an object of picture"
            " and class."
        )
    yield from _from_rows(told, name)


def _from_coco(told: dict, name: str) -> Iterable[tuple[str, str]]:
    try:
        files = {image["id"]: str(image["file_name"]) for image in told["images"]}
        classes = {one["id"]: str(one["name"]) for one in told["categories"]}
        for one in told["annotations"]:
            image = one["image_id"]
            yield files.get(image, f"image {image}"), classes[one["category_id"]]
    except (KeyError, TypeError) as error:
        raise InvalidInput(
            f"{name} is not COCO's JSON, with images, categories and annotations of a category_id each."
        ) from error


def _object(line: str, name: str) -> dict:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InvalidInput(f"{name} is no list of JSON objects, one a line ({error}).") from error
    if not isinstance(row, dict):
        raise InvalidInput(f"{name} is no list of JSON objects, one a line.")
    return row


def _from_rows(rows: Iterable[Mapping], name: str) -> Iterable[tuple[str, str]]:
    for row in rows:
        keys = {str(key).strip().casefold(): value for key, value in row.items()}
        picture = next((keys[key] for key in _PICTURE if keys.get(key) not in (None, "")), None)
        label = next((keys[key] for key in _CLASS if keys.get(key) not in (None, "")), None)
        if picture is None or label is None or isinstance(label, (list, dict)):
            raise InvalidInput(
                f"{name} has a row without a picture ({', '.join(_PICTURE[:3])}, ...) or without a class"
                f" ({', '.join(_CLASS[:3])}, ...)."
            )
        text = str(label)
        # Kaggle's ImageNet: the class, then boxes
        yield str(picture), re.split(r"\s", text)[0] if re.match(r"n\d{8}\s", text) else text.strip()


def shard_classes(
    names: Iterable[str], read: Callable[[str], bytes], in_shard: Callable[[str], bool]
) -> dict[str, str | None]:
    """The class of each picture of WebDataset shards: what stands in KEY.cls (or .cls.txt) beside KEY.jpg; in
    what in_shard says is a shard (a folder that a tar became), also under a usual name in KEY.json. None of a
    picture whose companions say none. Of several pictures of a key the one without a second suffix counts."""
    groups: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for name in names:
        folder, _, file = name.rpartition("/")
        stem, _, suffix = file.partition(".")
        groups[folder, stem][suffix.lower()] = name
    found: dict[str, str | None] = {}
    numbered = True
    for (folder, _), group in groups.items():
        telling = ("cls", "cls.txt", "json", "txt") if in_shard(folder) else ("cls", "cls.txt")
        said = [one for one in telling if one in group]
        others = [suffix for suffix in group if suffix not in ("cls", "cls.txt", "json", "txt")]
        if said and others:
            numbered &= _NUMBERED.search(folder) is not None
            label = _shard_class(said[0], group[said[0]], read)
            plain = [suffix for suffix in others if "." not in suffix] or others
            found |= {group[suffix]: label if suffix in plain else None for suffix in others}
    # notes beside pictures in tars of classes are no classes; what numbered shards are called is none either
    return found if numbered or any(label is not None for label in found.values()) else {}


_NUMBERED = re.compile(r"(^|[-_.])\d{3,}$")  # imagenet1k-train-0012, 00012


def _shard_class(suffix: str, name: str, read: Callable[[str], bytes]) -> str | None:
    try:
        text = read(name)[: 1 << 20].decode("utf-8", "replace").strip()
        if suffix == "json":
            row = {str(key).casefold(): value for key, value in json.loads(text).items()}
            label = next((row[key] for key in _CLASS if isinstance(row.get(key), int | str)), None)
            return None if label is None else str(label)
    except (OSError, ValueError, AttributeError):
        return None
    return text[:200] if suffix.startswith("cls") else None
