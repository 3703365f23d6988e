"""What the page shows before anyone clicks: lists, settings, an example with answer and lesson, shipped.

With it the page is served and complete while torch is still being imported. It is written by

    python -m app.parts.arrival

(whenever the default pair, the catalogue or the table of methods changes); a test computes it again.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from papr_core.models.embedded import ASSETS

from ..session import Settings, Shared, examples

__all__ = ["compute", "facts", "methods", "read", "warm_up"]

FILE = Path(__file__).resolve().parent.parent / "static" / "arrival.json"
EXAMPLE = next(iter(examples()))
VIEW: dict[str, Any] = {
    "percent": 40,
    "methods": ["papr", "cam", "grad-cam", "score-cam"],
    "target": None,
    "explain": "auto",
    "fit": "crop",
    "stretch": False,
    "worst": False,
    "show": "kept",
    "opacity": 0.6,
    "colours": "inferno",
    "scale": "image",
    "classes": "",
    "look": "dim",
    "picture": EXAMPLE,
}


def methods() -> dict[str, dict[str, Any]]:
    """Name -> title, kind and colours of each method: the library's table, without importing it. Where a
    plugin has imported it already, with the owner's methods."""
    table = sys.modules.get("papr_core.methods.table")
    own = {name: m for name, m in table.METHODS.items() if m.kind == "own"} if table else {}
    return json.loads(FILE.read_text(encoding="utf-8"))["choices"]["methods"] | facts(own)


def facts(table: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What the page's lists and style need of the methods of a table."""
    return {name: {"title": m.title, "kind": m.kind, "colours": list(m.colours)} for name, m in table.items()}


def read(settings: Settings) -> dict[str, Any]:
    """{"view", "choices", "answer", "lesson"}: the last two only where they belong to this pair."""
    ready = json.loads(FILE.read_text(encoding="utf-8"))
    ready["choices"]["methods"] = methods()
    pair = {"proposal": settings.proposal, "backbone": settings.backbone}
    for role, name in pair.items():
        if name not in [value for _, value in ready["choices"][role]]:
            ready["choices"][role].insert(0, [name, name])
    models = ready["answer"]["models"]
    if any(
        (models[role]["name"], models[role]["sha256"]) != (name, _hash(name, settings))
        for role, name in pair.items()
    ):
        ready |= {"answer": {"seq": 0}, "lesson": None}
    ready["view"] = {**VIEW, **pair}
    return ready


def _hash(name: str, settings: Settings) -> str | None:
    """Of a weights file, found without importing torch: embedded, or in the owner's folder."""
    own = settings.weights_dir or os.environ.get("PAPR_WEIGHTS")
    for folder in [ASSETS, Path(own)] if own else [ASSETS]:
        path = folder / f"{name}.safetensors"
        if path.is_file():
            with open(path, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
    return None


def compute(settings: Settings) -> dict[str, Any]:
    """The same from the library itself; takes seconds."""
    from . import models, view
    from .lesson import lesson

    shared = Shared(settings)
    core = shared.core()
    run = _run(shared)
    *_, last = view.payloads(run, run.slow())
    for method in last["methods"]:
        method["seconds"] = None  # of another machine
    labels = run.scene.backbone.labels
    return {
        "choices": {
            "methods": facts({name: m for name, m in core.METHODS.items() if m.kind != "own"}),
            "proposal": [list(choice) for choice in models.titles(shared, "proposal")],
            "backbone": [list(choice) for choice in models.titles(shared, "backbone")],
            "labels": {"hash": view.labels_hash(labels), "names": list(labels.names)},
        },
        "answer": last,
        "lesson": lesson(run),
    }


def warm_up(shared: Shared) -> None:
    """Beside the start: import what the first question needs, load the default pair, and make the example's
    maps again, so that its slider needs nothing slow."""
    shared.warm_up()
    with suppress(Exception):  # said when somebody asks
        run = _run(shared)
        run.open()
        for name in run.names():
            run.map(name)


def _run(shared: Shared) -> Any:
    """The question that the shipped answer answers."""
    from .lesson import WANTS
    from .question import Question
    from .run import Run

    pair = {"proposal": shared.settings.proposal, "backbone": shared.settings.backbone}
    methods = [*VIEW["methods"], *WANTS]  # more than there are cards: what Learn needs
    asked = {**VIEW, **pair, "methods": methods, "keep_ratio": VIEW["percent"] / 100, "picture": EXAMPLE}
    return Run(shared, Question.read(asked, shared))


def main() -> None:
    defaults = Settings()
    parser = argparse.ArgumentParser(description="Write the answer that the page shows on arrival.")
    parser.add_argument("--proposal", default=defaults.proposal)
    parser.add_argument("--backbone", default=defaults.backbone)
    arguments = parser.parse_args()
    ready = compute(Settings(proposal=arguments.proposal, backbone=arguments.backbone))
    FILE.write_text(json.dumps(ready, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
