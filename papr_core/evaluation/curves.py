"""How faithful an order of patches is: areas under accuracy and confidence while patches are taken away.

Insertion keeps a method's best patches, deletion its worst, the others dropped, as one picture's areas do
(comparison/areas.py), here over many pictures and in percent, from the least ratio to 1, where the full model
stands. Beside that stands what painting over them gives (painting.py) on the same order. Written from the
papers.
"""

from collections.abc import Sequence

import numpy as np

from papr_core.comparison.areas import area
from papr_core.evaluation.accuracy import bootstrap, interval
from papr_core.evaluation.configurations import Configuration
from papr_core.evaluation.painting import PAINTS
from papr_core.evaluation.records import CONFIDENCE, Records
from papr_core.methods.table import METHODS

__all__ = ["curve_configurations", "curve_rows"]

DROPPED = "dropped"
ORDERS = ("insertion", "deletion")
_VALUES = {"accuracy": 0, "confidence": CONFIDENCE}  # columns of the scores


def curve_configurations(
    methods: Sequence[str], ratios: Sequence[float], paints: Sequence[str] = PAINTS
) -> tuple[Configuration, ...]:
    """What areas need beside the table's rows: the worst patches, and both orders painted over.

    Chance has no worst patches: another draw is as random. Painted over it is one draw, else five.
    """
    return tuple(
        Configuration(name, ratio, worst=worst, painted=painted)
        for name in methods
        if not METHODS[name].whole  # which has no order
        for worst in (False, True)
        for painted in (None, *paints)
        for ratio in ratios
        if ratio < 1 and (worst or painted) and not (worst and name == "random")
    )


def curve_rows(
    records: Records, configurations: Sequence[Configuration], paints: Sequence[str] = PAINTS
) -> list[dict]:
    """A row a method, order (insertion, deletion), value (accuracy, confidence) and way to remove (dropped,
    and each paint): area with its interval, the points of the curve, and paired differences: `less_random`,
    the area less chance's (whose interval is chance's band), `less_dropped`, a painted one less the dropped.
    """
    place = {configuration: c for c, configuration in enumerate(configurations)}
    pruned = [one for one in configurations if one.ranks and one.mass is None]
    ratios = sorted({one.keep for one in pruned})
    methods = list(dict.fromkeys(one.method for one in pruned))
    found: dict[tuple, np.ndarray] = {}  # (n, ratios) each
    for method in methods:
        for order in ORDERS:
            for removed in (DROPPED, *paints):
                worst = order == "deletion" and method != "random"
                painted = None if removed == DROPPED else removed
                along = [Configuration(method, keep, worst=worst, painted=painted) for keep in ratios]
                for value, column in _VALUES.items():
                    columns = [records.scores[:, place[one], column] for one in along]
                    whole = records.scores[:, 0, column]
                    found[value, method, order, removed] = np.stack([*columns, whole], axis=1).astype(float)
    areas = {key: area([*ratios, 1.0], heights) for key, heights in found.items()}
    rows = []
    for key, heights in found.items():
        value, method, order, removed = key
        row = {
            "method": method,
            "order": order,
            "value": value,
            "removed": removed,
            "n": len(heights),
            "keep": [*ratios, 1.0],
            "points": (100 * heights.mean(axis=0)).tolist(),
            **_mean("area", areas[key]),
        }
        if method != "random" and "random" in methods:
            row |= _mean("less_random", areas[key] - areas[value, "random", order, removed])
        if removed != DROPPED:
            row |= _mean("less_dropped", areas[key] - areas[value, method, order, DROPPED])
        rows.append(row)
    return rows


def _mean(name: str, values: np.ndarray) -> dict[str, float]:
    low, high = interval(100 * bootstrap(values[:, None])[:, 0])
    return {name: float(100 * values.mean()), f"{name}_low": float(low), f"{name}_high": float(high)}
