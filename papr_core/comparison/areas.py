"""The area under a curve over keep ratios: how faithful an order of patches is, in one number.

Insertion keeps a method's best patches, deletion its worst, as RISE's two games do (Petsiuk et al.,
https://arxiv.org/abs/1806.07421), but here the others are dropped: the model never sees them. Those of one
picture are read off in results.py, those of many in evaluation/curves.py. Written from the paper.
"""

from collections.abc import Sequence

import numpy as np

__all__ = ["area"]


def area(ratios: Sequence[float], heights: np.ndarray) -> np.ndarray:
    """The mean height of curves (..., ratios) over their ratios, ascending: (...), in the heights' own unit.

    Trapezoids from the least ratio to the last, divided by that width. High is good for insertion, low for
    deletion; chance gets the same from both.

    >>> import numpy
    >>> from papr_core.comparison.areas import area
    >>> float(area([0.2, 0.4, 1.0], numpy.array([0.0, 10.0, 20.0])))
    12.5
    """
    widths = np.diff(np.asarray(ratios, dtype=np.float64))
    middles = (heights[..., 1:] + heights[..., :-1]) / 2
    return (middles * widths).sum(axis=-1) / widths.sum()
