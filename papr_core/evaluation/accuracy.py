"""From what was found for each image to the rows of a table: means, intervals, differences from PaPr.

Intervals are 95 %, of seeded bootstrap resamples of the images of a subset, the same for all rows, so that
differences are paired.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from papr_core.evaluation.configurations import FULL, Configuration
from papr_core.evaluation.records import (
    ANSWER_KEPT,
    BOXES,
    CONFIDENCE,
    COSTS,
    KEPT,
    TOP,
    Calls,
    Records,
)
from papr_core.pruning.reductions import words_of

__all__ = [
    "bootstrap",
    "costs_of",
    "interval",
    "rows_and_differences",
    "seconds_before",
    "seconds_of",
]

ROUNDS = 2000  # of the bootstrap


def rows_and_differences(
    records: Records,
    configurations: Sequence[Configuration],
    *,
    patches: int,
    full: bool,
    split: bool,
) -> tuple[list[dict], list[dict]]:
    """The rows and the differences of all subsets, percentages from 0 to 100.

    configurations: as in the records, the full model first; those that are not plain stand in no row.
    patches: how many there are; full: with the full model's row; split: by whether the proposal was right.
    """
    subsets = {"all": np.ones(len(records), dtype=bool)}
    if split:
        subsets |= {"proposal_right": records.right == 1, "proposal_wrong": records.right == 0}
    places = [c for c, one in enumerate(configurations) if one.plain]
    shown = [configurations[c] for c in places]
    rows, differences = [], []
    for subset, members in subsets.items():
        scores = records.scores[members][:, places].astype(np.float64)  # (n, shown, WIDTH)
        if not len(scores):
            continue
        means = 100 * scores.mean(axis=0)
        resampled = 100 * bootstrap(scores[:, :, 0])  # (rounds, shown)
        for c, configuration in enumerate(shown):
            if c == 0 and not full:
                continue
            low, high = interval(resampled[:, c])
            row = {
                "subset": subset,
                "method": configuration.method,
                "keep": configuration.keep,
                **words_of(configuration.reduction),
                "n": len(scores),
                "patches": patches,
                "kept": round(means[c, KEPT] / 100),
                "top1": means[c, 0],
                "top1_low": low,
                "top1_high": high,
                "topk": means[c, :TOP].tolist(),
                "confidence": means[c, CONFIDENCE],
                "answers_kept": means[c, ANSWER_KEPT],
                **costs_of(scores[:, c]),
                "images_per_second": 1 / seconds_of(records.calls[places[c]]),
                "images_per_second_end_to_end": 1
                / (seconds_of(records.calls[places[c]]) + seconds_before(records, configuration)),
                **_of_boxes(scores[:, c, BOXES]),
            }
            rows.append(_plain(row))
        for ours, other in _pairs(shown):
            configuration = shown[ours]
            low, high = interval(resampled[:, ours] - resampled[:, other])
            row = {
                "subset": subset,
                "method": configuration.method,
                "minus": shown[other].method,
                "keep": configuration.keep,
                **(words_of(configuration.reduction) if configuration.reduction else {}),
                "n": len(scores),
                "top1": means[ours, 0] - means[other, 0],
                "low": low,
                "high": high,
            }
            differences.append(_plain(row))
    return rows, differences


def costs_of(scores: np.ndarray) -> dict[str, float]:
    """The account (`cost.spent`) of a configuration's scores (n, WIDTH): the mean over images."""
    backbone, proposal = scores[:, COSTS].mean(axis=0)
    return {"gmacs_backbone": backbone, "gmacs_proposal": proposal, "gmacs": backbone + proposal}


def _of_boxes(found: np.ndarray) -> dict[str, Any]:
    """What boxes say (n, 4), of the images that have some; nothing where none has."""
    known = found[~np.isnan(found).any(axis=1)].astype(np.float64)
    if not len(known):
        return {}
    resampled = bootstrap(known)
    means = known.mean(axis=0)
    return {
        "n_boxes": len(known),
        "pointing": 100 * means[0],
        "pointing_15": 100 * means[1],
        "pointing_15_interval": (100 * interval(resampled[:, 1])).tolist(),
        "in_boxes": 100 * means[2],
        "boxes": 100 * means[3],
        "box_share": means[2] / means[3],
        "box_share_interval": interval(resampled[:, 2] / resampled[:, 3]).tolist(),
    }


def _pairs(configurations: Sequence[Configuration]) -> Iterator[tuple[int, int]]:
    """(PaPr's configuration, another's), as places; without PaPr the first method stands for it."""
    methods = [one.method for one in configurations if one.method != FULL]
    ours = "papr" if "papr" in methods else next(iter(methods), FULL)
    for place, one in enumerate(configurations):
        if one.method not in (FULL, ours):
            yield configurations.index(Configuration(ours, one.keep, one.reduction)), place


def _plain(row: dict) -> dict:
    return {key: float(value) if isinstance(value, np.floating) else value for key, value in row.items()}


def bootstrap(values: np.ndarray, rounds: int = ROUNDS, seed: int = 0) -> np.ndarray:
    """Means of resampled rows: (n, columns) to (rounds, columns). Every column sees the same resamples."""
    n = len(values)
    draw = np.random.default_rng(seed)
    at_once = max(1, 2_000_000 // n)
    means = []
    for start in range(0, rounds, at_once):
        several = min(at_once, rounds - start)
        picks = draw.integers(0, n, (several, n)) + n * np.arange(several)[:, None]
        counts = np.bincount(picks.ravel(), minlength=several * n).reshape(several, n)
        means.append(counts @ values / n)
    return np.concatenate(means)


def interval(resampled: np.ndarray) -> np.ndarray:
    """The middle 95 % of resampled values, (rounds, ...) to (2, ...)."""
    return np.percentile(resampled, (2.5, 97.5), axis=0)


def seconds_of(calls: Calls) -> float:
    """Seconds an image; the first call warms up, and counts only where it is the only one."""
    counted = [call for call in calls if call[1]]
    later = calls[calls.index(counted[0]) + 1 :] if len(counted) > 1 else calls
    seconds, images = (sum(part) for part in zip(*later))
    return max(seconds, 1e-9) / images


def seconds_before(records: Records, configuration: Configuration) -> float:
    """Seconds an image from its file to what the backbone is given: read and cropped in one thread, and where
    the proposal looks its own view, its pass and the map."""
    needed = ["read"]
    if configuration.method != FULL:
        needed += ["look"] * configuration.looks + [configuration.method]
    return sum(seconds_of(records.before[what]) for what in needed)
