"""What a visitor asks, checked before anything is done with it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from papr_core.figures.display import Display

from ..session import Shared, printable, said

MOST_CLASSES, MOST_LETTERS = 20, 100  # of typed classes: what a text tower reads in a second

__all__ = ["Question", "parsed", "read_classes", "read_display", "read_who"]


@dataclass(frozen=True)
class Question:
    """One question of one visitor, about a picture or, with one method or two, about a clip.

    picture: an id that the server gave, or upload, the path of a file that was just sent; name: what the
    visitor calls it; has: the crop that the page shows already. target: a class of the backbone by index,
    None for the model's own answer. explain: "proposal", "target", or "auto" (`explains`). fit: how the
    picture comes to the backbone's shape; stretch: 16 bits over all that eight can show. worst: also the
    areas with the worst patches first. patches: chosen by hand. kind: of a download, or the clip of the
    sampled frames. display: how maps and dropped patches look in what is written; night: on a dark page.
    start: the first of the sampled frames that are asked for. chosen: models that the visitor has chosen from
    a list, and did not get by a link. classes: typed, of a backbone that reads texts; empty for its own.
    """

    visitor: str
    seq: int
    picture: str | None
    has: str
    upload: str | None
    name: str
    proposal: str
    backbone: str
    keep_ratio: float
    methods: tuple[str, ...]
    target: int | None
    explain: str
    fit: str
    stretch: bool
    worst: bool
    patches: tuple[int, ...]
    kind: str
    display: Display
    night: bool
    start: int
    chosen: tuple[str, ...]
    classes: tuple[str, ...]

    @property
    def look(self) -> str:
        """Of dropped patches."""
        return self.display.look

    @property
    def method(self) -> str:
        """The (first) one that a clip is asked about; "" where none was sent."""
        return self.methods[0] if self.methods else ""

    def explains(self, proposal: Any, backbone: Any) -> str:
        """What a CAM explains: "proposal" or "target". Left to us it is the target that the visitor chose,
        where the proposal knows it."""
        if self.explain != "auto":
            return self.explain
        from papr_core.comparison.seen import explain_refusal

        if self.target is None or self.target >= len(backbone.labels):
            return "proposal"
        return "proposal" if explain_refusal(proposal, backbone, self.target) else "target"

    @classmethod
    def read(cls, data: object, shared: Shared) -> "Question":
        """From what the browser sent; nothing in it is trusted.

        Raises:
            InvalidInput: one sentence, with the place on the page where it belongs.
        """
        core = shared.core()
        data = parsed(data)
        if not isinstance(data, Mapping):
            raise core.InvalidInput("The question could not be read; reload the page.")
        with said("ratio"):
            ratio = data.get("keep_ratio")
            if not _is_number(ratio) or not 0 < ratio <= 1:
                raise core.InvalidInput("The share of patches kept must be above 0 and at most 100 %.")
        methods = _list(data.get("methods"), 50)
        if unknown := [name for name in methods if not isinstance(name, str) or name not in core.METHODS]:
            raise core.InvalidInput(f"There is no method {_text(unknown[0], 60)!r}.")
        with said("target"):
            target = data.get("target")
            if target is not None and not _is_whole(target):
                raise core.UnknownClass("Choose a class from the list.")
        with said("models"):
            models: list[Any] = [data.get("proposal"), data.get("backbone")]
            if not all(isinstance(name, str) and 0 < len(name) <= 200 for name in models):
                raise core.UnknownModel("Choose both models from the lists.")
        with said("explain"):
            if data.get("explain") not in ("auto", "proposal", "target"):
                raise core.InvalidInput("A CAM explains the ConvNet's own answer or the target class.")
        with said("picture"):
            from papr_core.data.images import FITS

            fit = data.get("fit", "crop")
            if fit not in FITS:
                raise core.InvalidInput(f"A picture is brought to shape by {', '.join(FITS)}.")
        with said("look"):
            display = read_display(data)
        with said("classes"):
            classes = read_classes(core, data.get("classes"))
        patches = _list(data.get("patches"), 100_000)
        if not all(_is_whole(patch) for patch in patches):
            raise core.InvalidInput("Patches are whole numbers.")
        return cls(
            visitor=_text(data.get("visitor"), 80),
            seq=data["seq"] if _is_whole(data.get("seq")) else 0,
            picture=_text(data.get("picture"), 100) or None,
            has=_text(data.get("has"), 100),
            upload=_text(data.get("upload"), 5000) or None,
            name=_text(data.get("name"), 200) or "picture",
            proposal=models[0],
            backbone=models[1],
            keep_ratio=float(ratio),
            methods=tuple(dict.fromkeys(methods)),
            target=target,
            explain=data["explain"],
            fit=fit,
            stretch=data.get("stretch") is True,
            worst=data.get("worst") is True,
            patches=tuple(patches),
            kind=_text(data.get("kind"), 20),
            display=display,
            chosen=tuple(name for name in _list(data.get("chosen"), 100) if isinstance(name, str)),
            classes=classes,
            night=data.get("night") is True,
            start=max(0, data["start"]) if _is_whole(data.get("start")) else 0,
        )


def read_classes(core: Any, typed: object) -> tuple[str, ...]:
    """Classes as they were typed, divided by semicolons. Raises InvalidInput."""
    if not isinstance(typed, str) or not typed.strip():
        return ()
    from papr_core.models.zero_shot import read_texts

    if len(typed) <= 2 * MOST_CLASSES * MOST_LETTERS:
        texts = read_texts(printable(typed))
        if len(texts) <= MOST_CLASSES and max(map(len, texts)) <= MOST_LETTERS:
            return texts
    raise core.InvalidInput(
        f"Type at most {MOST_CLASSES} classes, divided by semicolons, of at most {MOST_LETTERS} letters each."
    )


def read_display(data: Mapping[str, Any]) -> Display:
    """How maps and dropped patches look, where the browser says so. Raises InvalidInput."""
    usual = Display()
    opacity = data.get("opacity", usual.opacity)
    return Display(
        look=_text(data.get("look"), 20) or usual.look,
        colours=_text(data.get("colours"), 20) or usual.colours,
        opacity=float(opacity) if _is_number(opacity) else -1.0,
        scale=_text(data.get("scale"), 20) or usual.scale,
    )


def read_who(data: object) -> tuple[str, int] | None:
    """(visitor, number of the newest question) from what the browser sent; None where they are missing."""
    data = parsed(data)
    if not isinstance(data, Mapping) or not _is_whole(data.get("seq")):
        return None
    return _text(data.get("visitor"), 80), data["seq"]


def parsed(data: object) -> object:
    """What the browser sent as text or already as an object; None of what is no JSON, or far too long."""
    if not isinstance(data, str):
        return data
    try:
        return json.loads(data) if len(data) < 100_000 else None
    except (ValueError, RecursionError):
        return None


def _text(value: object, most: int) -> str:
    return printable(value[:most]) if isinstance(value, str) else ""


def _is_number(value: object) -> TypeGuard[float]:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _is_whole(value: object) -> bool:
    """A whole number, no larger than a browser's."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53


def _list(value: object, most: int) -> list:
    return value[:most] if isinstance(value, list) else []
