"""What a visitor asks, checked before anything is done with it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..session import Shared, printable, said

__all__ = ["Question", "parsed", "read_who"]


@dataclass(frozen=True)
class Question:
    """One question of one visitor, about a picture or, with one method, about a clip.

    picture: an id that the server gave, or upload, the path of a file that was just sent; name: what the
    visitor calls it; has: the crop that the page shows already. target: a class of the backbone by index,
    None for the model's own answer. explain: "proposal" or "target". patches: chosen by hand. kind: of a
    download, or the clip of the sampled frames. look: of dropped patches in a clip that is written. start:
    the first of the sampled frames that are asked for.
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
    patches: tuple[int, ...]
    kind: str
    look: str
    start: int

    @property
    def method(self) -> str:
        """The one that a clip is asked about; "" where none was sent."""
        return self.methods[0] if self.methods else ""

    @classmethod
    def read(cls, data: Mapping[str, Any] | str, shared: Shared) -> "Question":
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
            models = [data.get("proposal"), data.get("backbone")]
            if not all(isinstance(name, str) and 0 < len(name) <= 200 for name in models):
                raise core.UnknownModel("Choose both models from the lists.")
        with said("explain"):
            if data.get("explain") not in ("proposal", "target"):
                raise core.InvalidInput("A CAM explains the ConvNet's own answer or the target class.")
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
            patches=tuple(patches),
            kind=_text(data.get("kind"), 20),
            look=_text(data.get("look"), 20) or "dim",
            start=max(0, data["start"]) if _is_whole(data.get("start")) else 0,
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


def _is_number(value: object) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _is_whole(value: object) -> bool:
    """A whole number, no larger than a browser's."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53


def _list(value: object, most: int) -> list:
    return value[:most] if isinstance(value, list) else []
