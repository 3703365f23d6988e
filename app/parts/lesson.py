"""The first steps of PaPr for the browser: features and the mean of them (Learn, steps 1 and 2)."""

from typing import Any

from papr_core.models.labels import short_label

from .run import Run

__all__ = ["WANTS", "lesson"]

WANTS = ("cam", "reversed")  # what the experiments need beside PaPr and random, whatever Compare shows


def lesson(run: Run) -> dict[str, Any]:
    """papr_core's `Lesson` of a question's scene, as plain numbers; key: of the crop and the ConvNet."""
    from papr_core.comparison.lesson import open_lesson

    run.open()
    shown = open_lesson(run.scene)
    return {
        "key": f"{run.crop_id} {run.scene.proposal.name} {run.scene.proposal.sha256 or ''}",
        "size": list(shown.size),
        "channels": shown.num_channels,
        "shown": list(shown.shown),
        "maps": _short(shown.maps),
        "steps": list(shown.steps),
        "means": _short(shown.means),
        "quantiles": _short(shown.quantiles),
        "answer": {
            "label": short_label(shown.answer.label),
            "confidence": round(shown.confidence, 6),
            "agrees": shown.agrees,
        },
    }


def _short(rows: list[list[float]]) -> list[list[float]]:
    return [[float(f"{value:.4g}") for value in row] for row in rows]
