"""What a visitor asks, checked before anything is done with it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.session import Shared, said

__all__ = ["Question"]


@dataclass(frozen=True)
class Question:
    """One question of one visitor.

    picture: an id that the server gave, or upload, the path of a file that was just sent; name: what the
    visitor calls it; has: the crop that the page shows already. target: a class of the backbone by index,
    None for the model's own answer. explain: "proposal" or "target". patches: chosen by hand. kind: of a
    download.
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

    @classmethod
    def read(cls, data: Mapping[str, Any] | str, shared: Shared) -> "Question":
        """From what the browser sent; nothing in it is trusted.

        Raises:
            InvalidInput: one sentence, with the place on the page where it belongs.
        """
        core = shared.core()
        if isinstance(data, str):
            data = _parsed(data)
        if not isinstance(data, Mapping):
            raise core.InvalidInput("The question could not be read; reload the page.")
        with said("ratio"):
            ratio = data.get("keep_ratio")
            if not _is_number(ratio) or not 0 < ratio <= 1:
                raise core.InvalidInput("The share of patches kept must be above 0 and at most 100 %.")
        methods = _list(data.get("methods"), 50)
        if unknown := [name for name in methods if name not in core.METHODS]:
            raise core.InvalidInput(f"There is no method {str(unknown[0])[:60]!r}.")
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
            visitor=str(data.get("visitor", ""))[:80],
            seq=data["seq"] if _is_whole(data.get("seq")) else 0,
            picture=str(data["picture"])[:100] if data.get("picture") else None,
            has=str(data.get("has", "")),
            upload=str(data["upload"]) if data.get("upload") else None,
            name=str(data.get("name") or "picture")[:200],
            proposal=models[0],
            backbone=models[1],
            keep_ratio=float(ratio),
            methods=tuple(dict.fromkeys(methods)),
            target=target,
            explain=data["explain"],
            patches=tuple(patches),
            kind=str(data.get("kind", "")),
        )


def _parsed(text: str) -> object:
    try:
        return json.loads(text) if len(text) < 100_000 else None
    except ValueError:
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _list(value: object, most: int) -> list:
    return value[:most] if isinstance(value, list) else []
