"""From what was found for each image to the rows of a table: means, intervals, differences from PaPr.

Intervals are 95 %, of seeded bootstrap resamples of the images of a subset, the same for all rows, so that
differences are paired.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from papr_core.evaluation.records import ANSWER_KEPT, CONFIDENCE, GMACS, TOP, Records
from papr_core.pruning.reductions import words_of
from papr_core.pruning.reductions.base import Reduction

__all__ = ["FULL", "Configuration", "bootstrap", "interval", "rows_and_differences"]

FULL = "full"  # stands where a method's name does: nothing is pruned
ROUNDS = 2000  # of the bootstrap

Configuration = tuple[str, float, Reduction | None]  # method, keep ratio, what follows inside


def rows_and_differences(
    records: Records,
    configurations: Sequence[Configuration],
    *,
    patches: int,
    kept: Sequence[int],
    full: bool,
    split: bool,
) -> tuple[list[dict], list[dict]]:
    """The rows and the differences of all subsets, percentages from 0 to 100.

    configurations: as in the records, the full model first; patches, kept (one a configuration): how many
    there are and how many stay; full: with the full model's row; split: by whether the proposal was right.
    """
    subsets = {"all": np.ones(len(records), dtype=bool)}
    if split:
        subsets |= {"proposal_right": records.right == 1, "proposal_wrong": records.right == 0}
    rows, differences = [], []
    for subset, members in subsets.items():
        scores = records.scores[members].astype(np.float64)  # (n, configurations, TOP + 3)
        if not len(scores):
            continue
        means = 100 * scores.mean(axis=0)
        resampled = 100 * bootstrap(scores[:, :, 0])  # (rounds, configurations)
        for c, (method, ratio, reduction) in enumerate(configurations):
            if c == 0 and not full:
                continue
            low, high = interval(resampled[:, c])
            row = {
                "subset": subset,
                "method": method,
                "keep": ratio,
                **words_of(reduction),
                "n": len(scores),
                "patches": patches,
                "kept": kept[c],
                "top1": means[c, 0],
                "top1_low": low,
                "top1_high": high,
                "topk": means[c, :TOP].tolist(),
                "confidence": means[c, CONFIDENCE],
                "answers_kept": means[c, ANSWER_KEPT],
                "gmacs": means[c, GMACS] / 100,
                "images_per_second": _rate(records.calls[c]),
            }
            rows.append(_plain(row))
        for ours, other in _pairs(configurations):
            method, ratio, reduction = configurations[ours]
            low, high = interval(resampled[:, ours] - resampled[:, other])
            row = {
                "subset": subset,
                "method": method,
                "minus": configurations[other][0],
                "keep": ratio,
                **(words_of(reduction) if reduction else {}),
                "n": len(scores),
                "top1": means[ours, 0] - means[other, 0],
                "low": low,
                "high": high,
            }
            differences.append(_plain(row))
    return rows, differences


def _pairs(configurations: Sequence[Configuration]) -> Iterator[tuple[int, int]]:
    """(PaPr's configuration, another's), as places; without PaPr the first method stands for it."""
    methods = [name for name, _, _ in configurations if name != FULL]
    ours = "papr" if "papr" in methods else next(iter(methods), None)
    for place, (name, ratio, reduction) in enumerate(configurations):
        if name not in (FULL, ours):
            yield configurations.index((ours, ratio, reduction)), place


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


def _rate(calls: Sequence[tuple[float, int]]) -> float:
    """Images a second; the first call warms up, and counts only where it is the only one."""
    seconds, images = (sum(part) for part in zip(*(calls[1:] or calls)))
    return images / max(seconds, 1e-9)
