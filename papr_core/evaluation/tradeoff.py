"""What `evaluate` measured, as figures: accuracy against cost, and against how many answers count.

PaPr, https://arxiv.org/abs/2403.16020, Fig. 5 (a line a keep ratio, points over reductions) and Fig. 4 (a
line a model). Written from the paper.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from papr_core.errors import InvalidInput
from papr_core.pruning.reductions import REDUCTIONS, reduction_in

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["pareto_figure", "read_results", "topk_figure"]


def read_results(paths: Sequence[str | os.PathLike]) -> list[dict[str, Any]]:
    """The objects that `evaluate --json` printed into files.

    Raises:
        InvalidInput: a file that is not there, or holds something else.
    """
    found = []
    for path in map(Path, paths):
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
            rows = result["rows"]
            if not all({"subset", "method", "keep", "gmacs", "topk"} <= row.keys() for row in rows):
                raise KeyError("rows")
        except OSError as error:
            raise InvalidInput(f"{path.name} cannot be read ({error.strerror or error}).") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(f"{path.name} is not what `evaluate --json` prints.") from error
        found.append(result)
    return found


def pareto_figure(results: Sequence[Mapping[str, Any]], *, method: str = "papr") -> "Figure":
    """Top-1 against GMACs: a line a keep ratio, its points over what follows inside the blocks.

    Raises:
        InvalidInput: results of other data, models or settings than each other, or without this method.
    """
    from papr_core.figures import Series, series_figure

    models = ("backbone", "proposal", "backbone_sha256", "proposal_sha256")
    _check_alike(results, *_QUESTION, *models, "explain", *_SETTINGS)
    rows = [
        row
        for result in results
        for row in result["rows"]
        if row["subset"] == "all" and row["method"] in (method, "full")
    ]
    if not any(row["method"] == method for row in rows):
        raise InvalidInput(f"These results hold no {method}; evaluate it, or name another method.")
    lines = []
    for keep in sorted({row["keep"] for row in rows}, reverse=True):
        points = {reduction_in(row): row for row in rows if row["keep"] == keep}
        points = dict(sorted(points.items(), key=lambda point: point[1]["gmacs"]))
        title = "nothing pruned" if keep == 1 else f"keep {keep:g}"
        lines.append(
            Series(
                title,
                x=[row["gmacs"] for row in points.values()],
                y=[row["top1"] for row in points.values()],
                low=[row["top1_low"] for row in points.values()],
                high=[row["top1_high"] for row in points.values()],
                marks=[reduction.mark if reduction else "" for reduction in points],
            )
        )
    first = results[0]
    return series_figure(
        lines,
        title=f"{first['backbone']} pruned by {first['proposal']}, {first['n']} images",
        x_label="billions of multiply-accumulates a picture, the ConvNet's pass included",
        y_label="top-1 accuracy, %",
    )


_QUESTION = ("data", "n", "classes", "kind", "fit", "views")  # what was asked, of whatever models
_SETTINGS = tuple(word.name for kind in REDUCTIONS.values() for word in kind.settings)


def _check_alike(results: Sequence[Mapping[str, Any]], *keys: str) -> None:
    """Older files say less of themselves; what one does not say cannot differ."""
    for key in keys:
        if len({json.dumps(result[key]) for result in results if key in result}) > 1:
            raise InvalidInput(f"These results differ in {key}, so they do not belong into one figure.")


def topk_figure(results: Sequence[Mapping[str, Any]]) -> "Figure":
    """Accuracy against k, a line a model: the unpruned backbone of each result.

    Raises:
        InvalidInput: results of different data or settings, or without the unpruned model.
    """
    from papr_core.figures import Series, series_figure

    _check_alike(results, *_QUESTION)
    lines = {}
    for result in results:
        plain = [row for row in result["rows"] if row["subset"] == "all" and row["method"] == "full"]
        plain = [row for row in plain if not reduction_in(row)]
        if not plain:
            raise InvalidInput(f"A result of {result['backbone']} lacks keep 1, the unpruned model.")
        accuracy = plain[0]["topk"]
        lines[result["backbone"]] = Series(
            result["backbone"], x=list(range(1, len(accuracy) + 1)), y=accuracy
        )
    return series_figure(
        list(lines.values()),
        title=f"The right answer among the first k, {results[0]['n']} images",
        x_label="k",
        y_label="top-k accuracy, %",
    )
