"""A cascade: the ConvNet answers where it is sure enough, the backbone the rest.

The ConvNet has looked anyway, so where its own answer is given at confidence t (the probability of its top
class), the backbone need not run: a cascade of whole networks (Wang et al., Wisdom of Committees,
https://arxiv.org/abs/2012.01988). Nothing is run for it: all of it is in the records of each picture.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from papr_core.cost import spent
from papr_core.errors import InvalidInput
from papr_core.evaluation.accuracy import bootstrap, interval, seconds_of
from papr_core.evaluation.configurations import FULL, Configuration
from papr_core.evaluation.records import COSTS, SURE, Records
from papr_core.pruning.reductions import words_of

__all__ = ["THRESHOLDS", "cascade_rows"]

THRESHOLDS = tuple(round(t / 100, 2) for t in range(0, 101, 5))


def cascade_rows(
    records: Records,
    configurations: Sequence[Configuration],
    keys: Sequence[str],
    proposal_gmacs: float,
    *,
    method: str,
) -> list[dict]:
    """For the full backbone, and for it pruned by a method at each keep ratio: what follows from every
    threshold, and what the threshold chosen on one half of the pictures does on the other.

    keys: of the data's pictures; the halves depend on them alone. Each row: `then`, who answers the rest;
    `alone`, its own accuracy; `curve`, over thresholds (1 counts as never) with `answered` (% of the pictures
    that the ConvNet answers), top1, its interval, the account of `cost.spent`, and seconds a picture from its
    file (the backbone's part is its mean time by the share that it answers). `chosen`: on the first half the
    threshold of the highest accuracy, among equals the one that answers most early; then the same numbers of
    the second half, with `less_alone`, top1 less the backbone's own there, paired.

    Raises:
        InvalidInput: a proposal that does not know the data's classes.
    """
    if np.isnan(records.right).any():
        raise InvalidInput("The ConvNet does not know all these classes, so it cannot answer in a cascade.")
    first = np.array([_half(keys[i]) == 0 for i in records.index])
    if first.all() or not first.any():
        raise InvalidInput("A cascade needs more pictures: its threshold is chosen on one half of them.")
    rows = []
    for c, configuration in enumerate(configurations):
        if not configuration.plain or configuration.method not in (FULL, method):
            continue
        waits = _Waits(records, c, proposal_gmacs)
        tried = [waits.at(t, first) for t in THRESHOLDS]
        best = max(tried, key=lambda one: (one["top1"], one["answered"]))
        rows.append(
            {
                "then": {
                    "method": configuration.method,
                    "keep": configuration.keep,
                    **words_of(configuration.reduction),
                },
                "n": len(records),
                "alone": 100 * float(records.scores[:, c, 0].mean()),
                "curve": [waits.at(t, np.ones_like(first)) for t in THRESHOLDS],
                "chosen": {
                    "n_chosen_on": int(first.sum()),
                    "n": int((~first).sum()),
                    **waits.at(best["t"], ~first),
                    "less_alone": waits.less_alone(best["t"], ~first),
                },
            }
        )
    return rows


def _half(key: str) -> int:
    return hashlib.sha256(f"half of {key}".encode()).digest()[0] % 2


class _Waits:
    """One configuration behind the ConvNet."""

    def __init__(self, records: Records, c: int, proposal_gmacs: float) -> None:
        self.sure = records.proposal[:, SURE]
        self.right = records.proposal[:, 0].astype(float)
        self.later = records.scores[:, c, 0].astype(float)
        self.gmacs = float(records.scores[:, c, COSTS.start].mean())
        self.looking = proposal_gmacs
        self.first = seconds_of(records.before["read"]) + seconds_of(records.before["look"])
        self.then = seconds_of(records.calls[c])

    def _early(self, t: float) -> np.ndarray:
        return (self.sure >= t) & (t < 1)

    def _hits(self, t: float) -> np.ndarray:
        return np.where(self._early(t), self.right, self.later)

    def at(self, t: float, members: np.ndarray) -> dict:
        hits, late = self._hits(t)[members], float(1 - self._early(t)[members].mean())
        low, high = interval(100 * bootstrap(hits[:, None])[:, 0])
        seconds = self.first + late * self.then
        return {
            "t": t,
            "answered": 100 * (1 - late),
            "top1": 100 * float(hits.mean()),
            "top1_low": float(low),
            "top1_high": float(high),
            **spent(late * self.gmacs, self.looking),
            "seconds": seconds,
            "images_per_second_end_to_end": 1 / seconds,
        }

    def less_alone(self, t: float, members: np.ndarray) -> list[float]:
        less = (self._hits(t) - self.later)[members]
        return [100 * float(less.mean()), *interval(100 * bootstrap(less[:, None])[:, 0]).tolist()]
