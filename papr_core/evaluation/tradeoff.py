"""What `evaluate` measured, as figures: accuracy against cost, and against how many answers count.

PaPr, https://arxiv.org/abs/2403.16020, Fig. 5 (a line a keep ratio, points over reductions), Fig. 4 (a line
a model) and Table 7 (a point a ConvNet). Written from the paper.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from papr_core.errors import InvalidInput
from papr_core.models.labels import short_label
from papr_core.pruning.reductions import REDUCTIONS, reduction_in

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["classes_figure", "convnets_figure", "overview_figure", "pareto_figure", "topk_figure"]


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
        x_label="billions of multiply-accumulates a picture, the ConvNet's pass where it looks",
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
    """Accuracy against k, a line a model: the unpruned backbone of each result, and its ConvNet, dashed.

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
        both = (result["backbone"], plain[0]["topk"]), (result["proposal"], result.get("proposal_topk"))
        for name, accuracy in both:
            if accuracy is not None:  # the ConvNet does not know the classes, or an older file
                ks = list(range(1, len(accuracy) + 1))
                lines[name] = Series(name, x=ks, y=accuracy, dashed=name != result["backbone"])
    return series_figure(
        sorted(lines.values(), key=lambda line: line.dashed),
        title=f"The right answer among the first k, {results[0]['n']} images",
        x_label="k",
        y_label="top-k accuracy, %",
    )


def convnets_figure(results: Sequence[Mapping[str, Any]], *, method: str = "papr") -> "Figure":
    """Top-1 of one pruned backbone against its ConvNet's GMACs, a line a keep ratio (the paper's Table 7),
    and dashed the ConvNets' own top-1.

    Raises:
        InvalidInput: results of other data, backbones or settings than each other, or without this method.
    """
    from papr_core.figures import Series, series_figure

    _check_alike(results, *_QUESTION, "backbone", "backbone_sha256", "explain")
    ordered = sorted(results, key=_looking)
    rows: dict[float, list] = {}
    for result in ordered:
        for row in result["rows"]:
            if row["subset"] == "all" and row["method"] == method and not reduction_in(row):
                rows.setdefault(row["keep"], []).append((_looking(result), row, result["proposal"]))
    if not rows:
        raise InvalidInput(f"These results hold no {method}; evaluate it, or name another method.")
    lines = [
        Series(
            f"keep {keep:g}",
            x=[gmacs for gmacs, _, _ in points],
            y=[row["top1"] for _, row, _ in points],
            low=[row["top1_low"] for _, row, _ in points],
            high=[row["top1_high"] for _, row, _ in points],
            marks=[name for _, _, name in points] if keep == max(rows) else (),
        )
        for keep, points in sorted(rows.items(), reverse=True)
    ]
    own = [
        (_looking(result), right) for result in ordered if (right := result.get("proposal_top1")) is not None
    ]
    if own:
        x, y = zip(*own)
        lines.append(Series("the ConvNet itself", x=x, y=y, dashed=True))
    return series_figure(
        lines,
        title=f"{ordered[0]['backbone']} pruned by each ConvNet, {ordered[0]['n']} images",
        x_label="the ConvNet's pass, billions of multiply-accumulates a picture",
        y_label="top-1 accuracy, %",
    )


def _looking(result: Mapping[str, Any]) -> float:
    return max(row["gmacs_proposal"] for row in result["rows"])


def overview_figure(results: Sequence[Mapping[str, Any]], *, method: str = "papr") -> "Figure":
    """Top-1 against GMACs, a line a pair and data set: the unpruned model and the method at each keep ratio,
    in the form of the paper's Fig. 5.

    Raises:
        InvalidInput: no result that holds this method.
    """
    from papr_core.figures import Series, series_figure

    lines = []
    several = len({(result["data"], result["n"]) for result in results}) > 1
    for result in results:
        rows = [
            row
            for row in result["rows"]
            if row["subset"] == "all" and row["method"] in ("full", method) and not reduction_in(row)
        ]
        if not any(row["method"] == method for row in rows):
            continue
        rows.sort(key=lambda row: row["gmacs"])
        where = f", {result['data'].rpartition('/')[2]}" if several else ""
        lines.append(
            Series(
                f"{result['backbone']}\nby {result['proposal']}{where}",
                x=[row["gmacs"] for row in rows],
                y=[row["top1"] for row in rows],
                low=[row["top1_low"] for row in rows],
                high=[row["top1_high"] for row in rows],
                marks=[f"{row['keep']:g}" for row in rows],
            )
        )
    if not lines:
        raise InvalidInput(f"These results hold no {method}; evaluate it, or name another method.")
    return series_figure(
        lines,
        title=f"Accuracy against cost: {method} at each keep ratio, and unpruned",
        x_label="billions of multiply-accumulates a picture, the ConvNet's pass where it looks",
        y_label="top-1 accuracy, %",
    )


def classes_figure(results: Sequence[Mapping[str, Any]], *, keep: float) -> "Figure":
    """Where PaPr gains and loses: a row a class, PaPr less CAM and less chance with paired intervals, the
    largest gain over chance first.

    Raises:
        InvalidInput: more than one result, or one without rows of classes at this keep ratio.
    """
    from papr_core.figures import Compared, differences_figure

    if len(results) != 1:
        raise InvalidInput("The classes of one result are drawn at a time.")
    (result,) = results
    others = {"cam": "PaPr less CAM", "random": "PaPr less random"}
    rows = []
    for one in result.get("per_class", ()):
        at = {name: {point[0]: tuple(point[1:]) for point in points} for name, points in one["less"].items()}
        rows.append((one, {name: at[name][keep] for name in others if keep in at.get(name, {})}))
    heads = [name for name in others if rows and all(name in less for _, less in rows)]
    if not heads:
        raise InvalidInput(f"This result has no PaPr beside CAM or random at keep {keep:g} for its classes.")
    rows.sort(key=lambda row: -row[1][heads[-1]][0])
    return differences_figure(
        [
            Compared(f"{short_label(one['label'])} (n = {one['n']})", [less[name] for name in heads])
            for one, less in rows
        ],
        [others[name] for name in heads],
        title=f"{result['backbone']} pruned by {result['proposal']} at keep {keep:g}, class by class",
        x_label="points of top-1",
    )
