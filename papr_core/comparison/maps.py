"""One method's map of whatever a pair has seen, a picture or a clip, and where a curve of it stands.

PaPr, https://arxiv.org/abs/2403.16020, Eq. 2 and 3. Written from the paper.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from papr_core.comparison.seen import Explained, Seen
from papr_core.devices import now
from papr_core.methods.table import METHODS
from papr_core.pruning.selection import top_patches
from papr_core.pruning.shrinking import ladder
from papr_core.pruning.significance import constant_as_zeros, patch_significance

__all__ = ["MethodMap", "coarse_counts", "curve_counts", "finished", "map_of", "on_grid"]

CURVE_POINTS = 49


@dataclass(frozen=True, eq=False)
class MethodMap:
    """One method's map, on the CPU; of a clip each grid has its time steps first.

    coarse (D, h, w) as the method gives it, significance (D, H, W) on the patch grid, D draws (five of
    random, else one). seconds: to make it, the proposal's pass included where the method looks, or the
    backbone's where it is an oracle.
    constant: it has no spread, so it ranks nothing: it is given as zeros, and patches go by their index
    (never said of a method that sees the whole picture smaller: it ranks nothing by design).
    explain: the class explained, None where none is. count: how many patches were chosen, for by-hand; None
    where the keep ratio decides.
    """

    name: str
    coarse: Tensor
    significance: Tensor
    seconds: float
    constant: bool
    explain: Explained | None = None
    count: int | None = None

    @property
    def title(self) -> str:
        return METHODS[self.name].title

    def kept(self, count: int) -> Tensor:
        """The patches that stay, (D, k) ascending, counted row by row, of a clip time step by time step."""
        return top_patches(self.significance, count)

    @property
    def curve_counts(self) -> tuple[int, ...]:
        """Where its full curve stands. Of several draws, whose band is smooth and whose every count costs as
        many passes, that is the coarse one; of the smaller picture the counts that there are."""
        if METHODS[self.name].whole:
            return tuple(size.num_patches for size in ladder(self.significance.shape[1:]))
        counts = coarse_counts if len(self.coarse) > 1 else curve_counts
        return counts(self.significance[0].numel())

    @property
    def worst_first(self) -> "MethodMap | None":
        """The same map turned round, which keeps its worst patches; None where there is no order to turn: of
        patches by hand, of the smaller picture, and of chance, whose order is chance either way."""
        if self.count is not None or METHODS[self.name].whole or METHODS[self.name].draws > 1:
            return None
        return replace(self, coarse=-self.coarse, significance=-self.significance)


def map_of(seen: Seen, method: str, explain: Explained, make: Callable[[], Tensor]) -> MethodMap:
    """A method's map; make: gives it (D, ...) before it is resized."""
    about, device = METHODS[method], seen.features.device
    start = now(device)
    coarse, significance, constant = finished(make(), seen.backbone.grid)
    return MethodMap(
        name=method,
        coarse=coarse,
        significance=significance,
        seconds=now(device) - start + (seen.seconds if about.looks else 0),
        constant=constant and not about.whole,
        explain=explain if about.uses_class else None,
    )


def finished(coarse: Tensor, grid: Sequence[int]) -> tuple[Tensor, Tensor, bool]:
    """What a method gives, on the CPU, the same on a backbone's grid, and whether it is constant (then it is
    made exactly so)."""
    coarse, constant = constant_as_zeros(coarse.detach().float().cpu())
    return coarse, on_grid(coarse, grid), bool(constant)


def on_grid(coarse: Tensor, grid: Sequence[int]) -> Tensor:
    """Maps (..., h, w) resized to a grid (rows, columns), each by itself; (..., t, h, w) to one with time."""
    before = coarse.ndim - len(grid)
    flat = patch_significance(coarse.flatten(0, before - 1), grid)
    return flat.unflatten(0, coarse.shape[:before])


def curve_counts(num_patches: int, points: int = CURVE_POINTS) -> tuple[int, ...]:
    """Where the full curve stands: k = ceil(N i / points) for i = 1 to points, ascending, each once."""
    return tuple(sorted({math.ceil(num_patches * i / points) for i in range(1, points + 1)}))


def coarse_counts(num_patches: int, points: int = CURVE_POINTS) -> tuple[int, ...]:
    """The part of the full curve that comes first: every sixth point, both ends among them."""
    counts = curve_counts(num_patches, points)
    return tuple(sorted({*counts[::6], counts[-1]}))
