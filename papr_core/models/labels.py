"""The names of a model's classes, and how the classes of two models match.

ImageNet's names come from timm, which carries the WordNet synsets of each of its subsets.
"""

import difflib
import functools
import importlib.resources
import re
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from papr_core.errors import InvalidInput, PaprWarning, UnknownClass

__all__ = [
    "Labels",
    "from_config",
    "given",
    "imagenet",
    "kinetics",
    "known_classes",
    "match",
    "match_classes",
    "numbers",
    "of_names",
    "short_label",
    "synonyms",
]

_SYNSET = re.compile(r"[nvars]\d{8}")


@dataclass(frozen=True)
class Labels:
    """The classes of a model, in the order of its logits.

    name: of the set, such as "imagenet-1k"; names: one a class, synonyms divided by ", ";
    synsets: WordNet ids such as "n02129165", one a class, or None where they are not known.

    >>> from papr_core.models.labels import imagenet
    >>> labels = imagenet()
    >>> labels
    Labels('imagenet-1k', 1000 classes)
    >>> labels.find("tabby"), labels[281]
    (281, 'tabby, tabby cat')
    """

    name: str
    names: tuple[str, ...]
    synsets: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.synsets is not None and len(self.synsets) != len(self.names):
            raise InvalidInput(f"{len(self.names)} class names do not go with {len(self.synsets)} synsets.")

    def __repr__(self) -> str:
        return f"Labels({self.name!r}, {len(self)} classes)"

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> str:
        return self.names[index]

    @property
    def nameless(self) -> bool:
        """Whether nobody wrote the names of the classes down."""
        return self.name == f"numbers-{len(self)}"

    def find(self, query: str | int) -> int:
        """The index of a class, from an index, a name, a synonym, a WordNet id or the unique part of a name.

        Raises:
            UnknownClass: nothing fits, or several classes do; the message names the nearest.
        """
        text = str(query).strip()
        shown = repr(text) if len(text) <= 60 else repr(text[:57] + "...")
        if re.fullmatch(r"-?\d+", text):
            index = int(text) if len(text) < 20 else -1
            if not 0 <= index < len(self):
                raise UnknownClass(
                    f"Class {shown} does not exist: {self.name} counts from 0 to {len(self) - 1}."
                )
            return index
        wanted = text.casefold()
        if self.synsets is not None and wanted in self.synsets:
            return self.synsets.index(wanted)
        for fits in (self._named(wanted), self._called(wanted), self._containing(wanted) if wanted else []):
            if len(fits) == 1:
                return fits[0]
            if fits:
                some = ", ".join(f"{i} ({self.names[i]})" for i in fits[:5])
                raise UnknownClass(f"{shown} fits {len(fits)} classes of {self.name}; give an index: {some}.")
        near = difflib.get_close_matches(wanted[:100], dict.fromkeys(self._words()), n=3, cutoff=0.5)
        hint = f"; the nearest are {', '.join(near)}" if near else ""
        raise UnknownClass(f"{self.name} has no class {shown}{hint}.")

    def _named(self, wanted: str) -> list[int]:
        return [i for i, name in enumerate(self.names) if name.casefold() == wanted]

    def _called(self, wanted: str) -> list[int]:
        return [i for i, name in enumerate(self.names) if wanted in synonyms(name)]

    def _containing(self, wanted: str) -> list[int]:
        return [i for i, name in enumerate(self.names) if wanted in name.casefold()]

    def _words(self) -> list[str]:
        return [word for name in self.names for word in synonyms(name)]


def synonyms(name: str) -> tuple[str, ...]:
    """The single names in "tabby, tabby cat", folded for comparison."""
    return tuple(part.strip().casefold() for part in name.split(", "))


def short_label(label: str) -> str:
    """The first of a class's names: "tabby, tabby cat" is "tabby"."""
    return label.split(",")[0].strip()


def imagenet(subset: str = "imagenet-1k") -> Labels:
    """ImageNet's classes in the order that timm's models use; `subset` as timm names it."""
    return _imagenet(subset)


@functools.cache
def _imagenet(subset: str) -> Labels:
    from timm.data import ImageNetInfo

    info = ImageNetInfo(subset)
    return Labels(subset, tuple(info.label_descriptions()), tuple(info.label_names()))


@functools.cache
def kinetics() -> Labels:
    """Kinetics-400's classes in the order that its published models use, the alphabet's."""
    data = importlib.resources.files("papr_core.models").joinpath("kinetics400.txt")
    return Labels("kinetics-400", tuple(data.read_text(encoding="utf-8").splitlines()))


def numbers(num_classes: int) -> Labels:
    """Class numbers, for a model whose names nobody wrote down."""
    return Labels(f"numbers-{num_classes}", tuple(f"class {i}" for i in range(num_classes)))


def given(names: "Labels | Sequence[str] | None", num_classes: int) -> Labels:
    """The labels of so many classes as a caller gives them: ours, names in the order of the logits, or None,
    which gives numbers.

    Raises:
        InvalidInput: names that are not one text a class.
    """
    if num_classes < 1:
        return Labels("no classes", ())
    if names is None:
        return numbers(num_classes)
    if not isinstance(names, Labels):
        return Labels(f"own-{num_classes}", _texts(names, "labels", num_classes))
    if len(names) != num_classes:
        raise InvalidInput(f"{len(names)} labels do not go with a model of {num_classes} classes.")
    return names


def of_names(id2label: object, num_classes: int) -> "Labels | tuple[str, ...] | None":
    """The classes in the form of transformers' config.json, number -> name; None where they are numbers only.
    ImageNet's are known by their order: the names differ in a word here and there."""
    if not isinstance(id2label, dict) or not num_classes:
        return None
    by_index = {int(index): str(name) for index, name in id2label.items()}
    if sorted(by_index) != list(range(num_classes)):
        return None
    names = tuple(by_index[index] for index in range(num_classes))
    if all(re.fullmatch(r"LABEL_\d+", name) for name in names):
        return None
    for known in (imagenet, kinetics) if num_classes in (400, 1000) else ():
        labels = known()
        if len(labels) == num_classes:
            alike = sum(synonyms(a)[0] == synonyms(b)[0] for a, b in zip(names, labels.names))
            if alike > 0.9 * num_classes:
                return labels
    return names


def from_config(config: dict, num_classes: int) -> Labels:
    """The labels that a configuration in the form of timm's hub config.json carries.

    `label_names` (names, or WordNet ids beside `label_descriptions`), or what others call them (`id2label`,
    `class_to_idx`, ...), there or in `pretrained_cfg`; our own `label_synsets` and `label_set`. Without
    names a model with as many classes as a subset of ImageNet has that subset's, any other gets numbers. A
    model without a classifier has none; one output has two, no and yes (one_output.py).

    Raises:
        InvalidInput: names that are not one text a class.
    """
    if num_classes < 1:
        return Labels("no classes", ())
    merged = {**config.get("pretrained_cfg", {}), **{key: value for key, value in config.items() if value}}
    what, names = _given_names(merged)
    if config.get("num_classes") == 1:
        num_classes = 2
        names = names or ["no", "yes"]
        names = [f"not {names[0]}", names[0]] if len(names) == 1 else names
    if not names:
        from timm.data import infer_imagenet_subset

        subset = infer_imagenet_subset({"num_classes": num_classes})
        labels = imagenet(subset) if subset else None
        return labels if labels is not None and len(labels) == num_classes else numbers(num_classes)
    texts = _texts(names, what, num_classes)
    synsets = merged.get("label_synsets")
    if synsets is None and all(_SYNSET.fullmatch(name) for name in texts):
        synsets = texts
    synsets = _texts(synsets, "label_synsets", num_classes) if synsets is not None else None
    descriptions = merged.get("label_descriptions")
    if isinstance(descriptions, dict):
        texts = tuple(str(descriptions.get(name, name)) for name in texts)
    if synsets is not None and synsets == imagenet().synsets:
        return imagenet()
    return Labels(str(merged.get("label_set") or f"own-{num_classes}"), texts, synsets)


# What trainers call the names of classes: by index (a list, or a dictionary from the index), or the other
# way round.
_BY_INDEX = ("label_names", "labels", "class_names", "classes", "id2label", "idx_to_class")
_BY_NAME = ("label2id", "class_to_idx")
_PLACEHOLDER = re.compile(r"LABEL_\d+")  # what transformers writes where nobody named a class


def _given_names(config: dict) -> tuple[str, list | None]:
    """Under which key a configuration names its classes, and the names in the order of the logits. Where
    another key has the same names in another order, a warning says which one counts.

    Raises:
        InvalidInput: a dictionary that does not count from 0 on.
    """
    first: tuple[str, list] | None = None
    for key in (*_BY_INDEX, *_BY_NAME):
        if not config.get(key):
            continue
        try:
            names = _in_order(key, config[key])
        except InvalidInput:
            if first:
                continue
            raise
        if all(isinstance(name, str) and _PLACEHOLDER.fullmatch(name) for name in names):
            continue
        first = first or (key, names)
        if names != first[1] and sorted(map(str, names)) == sorted(map(str, first[1])):
            warnings.warn(
                f"{key} has the classes in another order than {first[0]}, which counts: if {key} is right,"
                " every answer gets the name of another class.",
                PaprWarning,
            )
    return first or ("label_names", None)


def _in_order(key: str, names: object) -> list:
    """Names of classes in the order of the logits, as one key of a configuration gives them."""
    if isinstance(names, dict):
        turned = key in _BY_NAME or all(isinstance(index, int) for index in names.values())
        pairs = ((index, name) for name, index in names.items()) if turned else names.items()
        try:
            placed = {int(index): name for index, name in pairs}
            return [placed[index] for index in range(len(names))]
        except (TypeError, ValueError, KeyError):
            raise InvalidInput(f"{key} does not give each class an index, 0 to {len(names) - 1}.") from None
    if not isinstance(names, (list, tuple)):
        raise InvalidInput(f"{key} must be a list of texts, one a class.")
    return list(names)


def match(source: Labels, to: Labels) -> tuple[int | None, ...]:
    """For each class of `source` its index in `to`, or None: by WordNet id if both have them, else by name.

    By name the whole text counts first, then the first synonym; a name that stands for two classes matches
    none.
    """
    if source.synsets is not None and to.synsets is not None:
        where = {synset: i for i, synset in enumerate(to.synsets)}
        return tuple(where.get(synset) for synset in source.synsets)
    whole = _unique([name.casefold() for name in to.names])
    first = _unique([synonyms(name)[0] for name in to.names])
    found = (whole.get(name.casefold(), first.get(synonyms(name)[0])) for name in source.names)
    ours = _unique([synonyms(name)[0] for name in source.names])
    return tuple(i if synonyms(name)[0] in ours else None for name, i in zip(source.names, found))


def _unique(words: Sequence[str]) -> dict[str, int]:
    where: dict[str, int | None] = {}
    for i, word in enumerate(words):
        where[word] = None if word in where else i
    return {word: i for word, i in where.items() if i is not None}


def _texts(values: object, what: str, count: int) -> tuple[str, ...]:
    if not isinstance(values, (list, tuple)) or not all(isinstance(value, str) for value in values):
        raise InvalidInput(f"{what} must be a list of texts, one a class.")
    if len(values) != count:
        raise InvalidInput(f"{what} has {len(values)} entries, but the model has {count} classes.")
    return tuple(value.strip() for value in values)  # of the ends of lines, too


def match_classes(classes: Sequence[str], labels: Labels, *, numbered: bool = False) -> tuple[int, ...]:
    """For each class folder the index of its class in `labels`: by wnid, by any of the class's words, or by
    its number, "#7".

    Words match whole and without regard to case, `_` and `-` counting as spaces. Several folders may be one
    class. numbered: a folder `7` is the place 7 of the logits, of a model that names no classes.

    Raises InvalidInput naming the folders that match no class, with what is near, or more than one.
    """
    meanings = _meanings(labels, numbered)
    found = [meanings.get(_said(folder, numbered), set()) for folder in classes]
    for count, what in ((0, "match no class"), (2, "match more than one class")):
        wrong = [folder for folder, indices in zip(classes, found) if min(len(indices), 2) == count]
        if wrong:
            shown = [folder + (_nearest(folder, meanings) if count == 0 else "") for folder in wrong[:5]]
            named = ", ".join(shown) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
            raise InvalidInput(
                f"{len(wrong)} of {len(classes)} class folders {what} of {labels.name} ({named}); "
                + _way_out(wrong, labels)
            )
    return tuple(next(iter(indices)) for indices in found)


def _nearest(folder: str, meanings: Iterable[str]) -> str:
    """ " (near: tabby)" where some class is called nearly so."""
    near = difflib.get_close_matches(
        _plain(folder)[:100], [word for word in meanings if word[:1] != "#"], n=2
    )
    return f" (near: {' or '.join(near)})" if near else ""


def known_classes(classes: Sequence[str], labels: Labels, *, numbered: bool = False) -> tuple[str, ...]:
    """The class folders that `match_classes` finds one class for."""
    meanings = _meanings(labels, numbered)
    return tuple(folder for folder in classes if len(meanings.get(_said(folder, numbered), ())) == 1)


def _meanings(labels: Labels, numbered: bool) -> dict[str, set[int]]:
    meanings: dict[str, set[int]] = defaultdict(set)
    for index, name in enumerate(labels.names):
        for word in (name, *name.split(",")):
            meanings[_plain(word)].add(index)
    for index, wnid in enumerate(labels.synsets or ()):
        meanings[_plain(wnid)] = {index}
    meanings |= {f"#{index}": {index} for index in range(len(labels.names))}
    if numbered and labels.nameless:
        meanings |= {str(index): {index} for index in range(len(labels))}
    return meanings


def _said(folder: str, numbered: bool) -> str:
    return str(int(folder)) if numbered and folder.isascii() and folder.isdigit() else _plain(folder)


def _way_out(wrong: Sequence[str], labels: Labels) -> str:
    if all(folder.isdigit() for folder in wrong):
        if labels.nameless:
            return "if these are places of the logits, counted from 0, say so (--numbered)."
        return "numbers say nothing of a model that names its classes: name each folder by its class."
    return (
        "name each folder by its wnid, such as n01443537, or by the class's words, or in a class map,"
        " or leave such folders out (--unmatched skip)."
    )


def _plain(words: str) -> str:
    words = unicodedata.normalize("NFC", words)  # some systems part letters from their accents
    return " ".join(words.replace("_", " ").replace("-", " ").casefold().split())
