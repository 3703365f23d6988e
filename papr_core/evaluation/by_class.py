"""Where a method gains and loses: the rows of each class."""

from collections.abc import Sequence

import numpy as np

from papr_core.evaluation.accuracy import bootstrap, interval
from papr_core.evaluation.configurations import FULL, Configuration
from papr_core.evaluation.records import Records

__all__ = ["class_rows"]

OTHERS = ("cam", "random")  # whom PaPr is held against


def class_rows(
    records: Records,
    configurations: Sequence[Configuration],
    *,
    classes: Sequence[int],
    folders: Sequence[str],
    labels: Sequence[str],
) -> list[dict]:
    """A row a class folder that has pictures: folder, label, n, proposal_top1 (None where the proposal does
    not know the class), `top1` by method as [keep, %] and `less` by the other method as [keep, PaPr less it,
    low, high], paired, with the interval. Reductions are left out.

    classes: of each image of the data, a place in folders; labels: what each folder means.
    """
    plain = [(c, one) for c, one in enumerate(configurations) if one.plain and one.reduction is None]
    of_image = np.asarray(classes)[records.index]
    rows = []
    for number, folder in enumerate(folders):
        members = of_image == number
        if not members.any():
            continue
        hits = records.scores[members][:, [c for c, _ in plain], 0].astype(np.float64)  # (n, plain)
        resampled = bootstrap(hits)
        place = {(one.method, one.keep): i for i, (_, one) in enumerate(plain)}
        top1: dict[str, list] = {}
        less: dict[str, list] = {}
        for (method, keep), i in place.items():
            top1.setdefault(method, []).append([keep, 100 * float(hits[:, i].mean())])
            ours = place.get(("papr", keep))
            if method in OTHERS and ours is not None:
                low, high = interval(100 * (resampled[:, ours] - resampled[:, i]))
                difference = 100 * float((hits[:, ours] - hits[:, i]).mean())
                less.setdefault(method, []).append([keep, difference, float(low), float(high)])
        right = float(records.right[members].mean())
        rows.append(
            {
                "folder": folder,
                "label": labels[number],
                "n": int(members.sum()),
                "proposal_top1": None if np.isnan(right) else 100 * right,
                "top1": {FULL: top1.pop(FULL), **top1},
                "less": less,
            }
        )
    return rows
