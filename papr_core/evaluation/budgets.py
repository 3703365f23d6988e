"""A budget a picture: as many patches as hold a share of the map, against one ratio at the same cost."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from papr_core import cost
from papr_core.evaluation.accuracy import bootstrap, costs_of, interval
from papr_core.evaluation.configurations import Configuration
from papr_core.evaluation.image_trials import ImageTrials
from papr_core.evaluation.measuring import Progress, measured
from papr_core.evaluation.processes import from_first
from papr_core.evaluation.records import CONFIDENCE, KEPT, PartialRecords, Records, gathered
from papr_core.evaluation.trials import Plan
from papr_core.models.backbones.base import Backbone

__all__ = ["by_mass", "equal_ratio", "mass_configurations", "mass_rows"]


def by_mass(
    planned: Callable[[Sequence[Configuration]], Plan],
    names: Sequence[str],
    masses: Sequence[float],
    batch_size: int,
    progress: Progress | None,
    kept_in: Callable[[str, Plan], PartialRecords | None],
) -> list[dict] | None:
    """The rows of `mass_rows`, in two passes: what pictures keep in one gives the ratio of the other. Every
    process measures its share of both; the first gives the rows, the others None.

    kept_in: where a pass keeps what it finds, by its name; None where nothing is kept.
    """
    budgets = mass_configurations(names, masses)
    backbone = planned(()).backbone

    def passed(name: str, tried: tuple[Configuration, ...]) -> Records | None:
        plan = planned(tried)
        return gathered(measured(ImageTrials(plan), batch_size, kept_in(name, plan), progress))

    found = passed("mass", (Configuration(), *budgets))
    if found is not None:
        found = found.only(range(1, 1 + len(budgets)))
    ratios = from_first(None if found is None else _equal_ratios(backbone, budgets, found))
    assert ratios is not None  # the first process has found something
    distinct = tuple(dict.fromkeys((Configuration(), *ratios)))
    named = hashlib.sha256(repr(distinct).encode()).hexdigest()[:12]  # more pictures may give other ratios
    fixed = passed(f"one-ratio-{named}", distinct)
    if found is None or fixed is None:
        return None
    return mass_rows(found, budgets, fixed.only([distinct.index(one) for one in ratios]), ratios)


def _equal_ratios(
    backbone: Backbone, budgets: Sequence[Configuration], found: Records
) -> list[Configuration]:
    """For each budget the one ratio whose cost is the mean over pictures."""
    at = cost.gmacs_by_ratio(backbone)
    tokens = backbone.num_patches, backbone.num_prefix_tokens
    return [
        Configuration(one.method, equal_ratio(gmacs, at, *tokens))
        for one, gmacs in zip(budgets, found.mean_gmacs())
    ]


def mass_configurations(methods: Sequence[str], masses: Sequence[float]) -> tuple[Configuration, ...]:
    """Each method that ranks, at each mass."""
    tried = (Configuration(name, mass=mass) for mass in masses for name in methods)
    return tuple(configuration for configuration in tried if configuration.ranks)


def equal_ratio(gmacs: float, at: Callable[[float], float], patches: int, prefix: int) -> float:
    """The keep ratio whose cost is nearest to this. at: GMACs of the backbone at a ratio."""
    ratios = [k / (patches + prefix) for k in range(1, patches)] + [1.0]
    return min(ratios, key=lambda ratio: abs(at(ratio) - gmacs))


def mass_rows(
    records: Records,
    configurations: Sequence[Configuration],
    fixed: Records,
    ratios: Sequence[Configuration],
) -> list[dict]:
    """A row a mass and method: patches kept (mean, and the middle 90 % of pictures), accuracy and cost, and
    beside it one ratio for all pictures, at the same mean cost: fixed, whose configurations are `ratios`, one
    for each here. `less_fixed`: top-1 less that ratio's, paired, with its interval."""
    rows = []
    for place, configuration in enumerate(configurations):
        scores = records.scores[:, place].astype(np.float64)
        other = fixed.scores[:, place].astype(np.float64)
        both = 100 * bootstrap(np.stack([scores[:, 0], other[:, 0]], axis=1))
        low, high = interval(both[:, 0] - both[:, 1])
        rows.append(
            {
                "method": configuration.method,
                "mass": configuration.mass,
                **_told(scores, both[:, 0]),
                "kept_5": float(np.percentile(scores[:, KEPT], 5)),
                "kept_95": float(np.percentile(scores[:, KEPT], 95)),
                "fixed": {"keep": ratios[place].keep, **_told(other, both[:, 1])},
                "less_fixed": 100 * float(scores[:, 0].mean() - other[:, 0].mean()),
                "less_fixed_low": float(low),
                "less_fixed_high": float(high),
            }
        )
    return rows


def _told(scores: np.ndarray, resampled: np.ndarray) -> dict:
    low, high = interval(resampled)
    return {
        "n": len(scores),
        "kept": float(scores[:, KEPT].mean()),
        "top1": 100 * float(scores[:, 0].mean()),
        "top1_low": float(low),
        "top1_high": float(high),
        "confidence": 100 * float(scores[:, CONFIDENCE].mean()),
        **{name: float(value) for name, value in costs_of(scores).items()},
    }
