"""The evaluations that ship in results/, each read once; nobody writes into them."""

import json
from functools import cache
from typing import Any

from papr_core.models.embedded import RESULTS

__all__ = ["evaluation", "names"]


def names() -> list[str]:
    """Of all of them."""
    return sorted(path.stem for path in RESULTS.glob("*.json"))


@cache
def evaluation(name: str) -> dict[str, Any]:
    """What `evaluate --out results/NAME.json` wrote."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
