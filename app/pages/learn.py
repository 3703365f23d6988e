"""Learn: PaPr in seven steps on the visitor's own picture, three experiments, and what holds over many.

The words of the steps stand in static/learn.html; the pictures are drawn by static/js/learn.js and its kin
from Compare's answer, and from the features that `lesson` gives.
"""

from collections.abc import Callable
from typing import Any

import gradio as gr

from ..look import STATIC
from ..parts import arrival
from ..parts.direct import direct
from ..parts.evidence import evidence
from ..parts.lesson import WANTS, lesson
from ..parts.question import Question
from ..parts.run import Run
from ..session import Shared

__all__ = ["build"]


def build(shared: Shared) -> None:
    """The page, inside a Tab context."""
    ready = arrival.read(shared.settings)
    models = {name: title for role in ("proposal", "backbone") for title, name in ready["choices"][role]}
    gr.HTML(
        value={
            "lesson": ready.get("lesson"),
            "wants": list(WANTS),
            "evidence": evidence(models, ready["view"]["percent"] / 100),
            "titles": {name: one["title"] for name, one in ready["choices"]["methods"].items()},
        },
        elem_id="learn",
        html_template=(STATIC / "learn.html").read_text(encoding="utf-8"),
        js_on_load="papr.ready.then(p => p.mountLearn({element, props, server}))",
        server_functions=[lesson_of(shared)],
        apply_default_css=False,
    )


def lesson_of(shared: Shared) -> Callable:
    """A direct call: the features of the picture that the page shows."""

    def features(data: str) -> dict[str, Any]:
        return lesson(Run(shared, Question.read(data, shared)).at_hand())

    return direct(shared, features)
