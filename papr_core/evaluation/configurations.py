"""What is tried on every picture of an evaluation: a method, how much stays, and what becomes of the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

from papr_core.methods.table import METHODS
from papr_core.pruning.reductions import AnyReduction, settled
from papr_core.pruning.reductions.base import Reduction

__all__ = ["FULL", "Configuration", "configurations"]

FULL = "full"  # stands where a method's name does: nothing is pruned


@dataclass(frozen=True)
class Configuration:
    """One way to answer.

    method: a name of the table, or FULL; keep: the keep ratio; reduction: what follows inside the blocks.
    worst: the patches that the method ranks last stay. painted: nothing is dropped, but painted over, in one
    of `painting.PAINTS`. mass: instead of a ratio, the share of the map that stays.
    """

    method: str = FULL
    keep: float = 1.0
    reduction: Reduction | None = None
    worst: bool = False
    painted: str | None = None
    mass: float | None = None

    @property
    def looks(self) -> bool:
        """Whether the proposal has to run for it."""
        return self.method != FULL and METHODS[self.method].looks

    @property
    def ranks(self) -> bool:
        """Whether it has an order of patches: the full model and the smaller picture have none."""
        return self.method != FULL and not METHODS[self.method].whole

    @property
    def counted_apart(self) -> bool:
        """Whether the backbone's cost at a ratio is not that of so many patches."""
        return self.method != FULL and (METHODS[self.method].whole or METHODS[self.method].kind == "oracle")

    @property
    def plain(self) -> bool:
        """Whether it stands in the table: a method's best patches at a keep ratio, the others dropped."""
        return not self.worst and self.painted is None and self.mass is None


def configurations(
    methods: Sequence[str], ratios: Sequence[float], reductions: Sequence[AnyReduction] = (None,)
) -> tuple[Configuration, ...]:
    """All that the table holds, the full model first; a reduction alone where nothing is pruned."""
    at = {ratio: list(dict.fromkeys(settled(each, ratio) for each in reductions)) for ratio in ratios}
    return (
        Configuration(),
        *(Configuration(reduction=reduction) for reduction in at.get(1.0, ()) if reduction),
        *(
            Configuration(name, ratio, reduction)
            for ratio in ratios
            if ratio < 1
            for reduction in at[ratio]
            for name in methods
        ),
    )
