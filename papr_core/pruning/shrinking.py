"""A budget spent on the whole picture: not the best patches, but all of it at a size with as many patches.

The control that a reader asks for first; recent papers find that most selections fail it (VTC-Bench,
https://arxiv.org/abs/2510.07143).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from papr_core.errors import InvalidInput

__all__ = ["Shrunk", "ladder", "shrunk_to"]


@dataclass(frozen=True)
class Shrunk:
    """What a ViT is called with instead of kept patches: the whole picture, in so many rows and columns."""

    grid: tuple[int, int]

    @property
    def num_patches(self) -> int:
        return math.prod(self.grid)


def ladder(grid: Sequence[int]) -> tuple[Shrunk, ...]:
    """The sizes of a picture of (rows, columns) patches down to one, ascending, each as near to its shape as
    whole patches allow."""
    most = max(grid)
    steps = ((_scaled(grid[0], step, most), _scaled(grid[1], step, most)) for step in range(1, most + 1))
    return tuple(Shrunk(sides) for sides in dict.fromkeys(steps))


def _scaled(side: int, step: int, most: int) -> int:
    return max(1, (2 * side * step + most) // (2 * most))  # halves go up, without a rounding error


def shrunk_to(k: int, grid: Sequence[int]) -> Shrunk:
    """The smallest of these sizes that has at least k patches: the nearest count from above.

    >>> from papr_core.pruning.shrinking import shrunk_to
    >>> [shrunk_to(k, (14, 14)).num_patches for k in (98, 78, 59)]
    [100, 81, 64]

    Raises:
        InvalidInput: k outside 1..N.
    """
    num_patches = math.prod(grid)
    if not 1 <= k <= num_patches:
        raise InvalidInput(f"Of {num_patches} patches, 1 to {num_patches} can be kept, not {k}.")
    return next(size for size in ladder(grid) if size.num_patches >= k)
