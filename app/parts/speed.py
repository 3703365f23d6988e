"""Images per second on this machine, measured for a visitor: bounded, so that nobody can hold the machine."""

import time
from collections.abc import Callable
from typing import Any

from ..session import Shared, said

__all__ = ["measure"]

MOST_MEGABYTES = 1300  # of a backbone's weights: ViT-L is measured, ViT-H is not
SECONDS = 60  # a measurement that takes longer is ended
ROUNDS = 7


def measure(
    shared: Shared, asked: dict[str, Any], tell: Callable[[Any], None], stopped: Callable[[], bool]
) -> dict[str, Any]:
    """What `papr bench --json` prints, for what `Shared.cost` takes; tell: called as tell((rounds done, of)).

    Raises:
        InvalidInput and its kin: one sentence. Stopped: the visitor's stop.
    """
    core = shared.core()
    from papr_core.bench import bench
    from papr_core.models import weights

    with said("speed"):
        counted = shared.cost(**asked)
        by_hand = f"use the command line: python -m papr_core bench --backbone {counted['backbone']}"
        if weights.megabytes(counted["backbone"]) > MOST_MEGABYTES:
            raise core.InvalidInput(f"This backbone is too large to be measured on this page; {by_hand}.")
        ends = time.monotonic() + SECONDS
        try:
            return bench(
                counted["backbone"],
                counted["proposal"],
                keep=(counted["keep"],),
                reduction=asked["reduction"],
                batch_size=_batch_size(counted["gmacs_full"], shared.settings.device),
                rounds=ROUNDS,
                device=shared.settings.device,
                progress=lambda done, of: tell((done, of)),
                stop=lambda: stopped() or time.monotonic() > ends,
            )
        except core.Stopped:
            if stopped():
                raise
            raise core.InvalidInput(
                f"This takes more than {SECONDS} seconds here, so it was ended; {by_hand}."
            ) from None


def _batch_size(gmacs: float, device: str) -> int:
    """As many pictures as a round stays short with: what two cores, or a GPU, do in half a second."""
    work, most = (20, 8) if device == "cpu" else (2000, 128)
    return max(1, min(most, round(work / gmacs)))
