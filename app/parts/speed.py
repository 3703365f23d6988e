"""Speed on this machine, measured for a visitor: bounded, so that nobody can hold the machine. And the speed
map that ships, measured before."""

import json
import time
from collections.abc import Callable
from typing import Any

from papr_core.models.embedded import ASSETS

from ..session import Shared, said

__all__ = ["MAP", "map_batches", "measure", "measure_map", "shipped_map"]

MAP = ASSETS / "speeds" / "mobilenetv1_025.json"  # of the default pair: assets/README.md has the command

MOST_MEGABYTES = 1300  # of a backbone's weights: ViT-L is measured, ViT-H is not
SECONDS = 60  # a measurement that takes longer is ended; a map ends with the last batch that fits
ROUNDS = 7
MAP_ROUNDS = 3  # of a map, a batch


def measure(
    shared: Shared, asked: dict[str, Any], tell: Callable[[Any], None], stopped: Callable[[], bool]
) -> dict[str, Any]:
    """What `papr bench --json` prints, for what `Shared.cost` takes; tell: called as tell((rounds done, of)).

    Raises:
        InvalidInput and its kin: one sentence. Stopped: the visitor's stop.
    """
    core = shared.core()
    from papr_core.bench import bench

    with said("speed"):
        counted = shared.cost(**asked)
        by_hand = f"use the command line: python -m papr_core bench --backbone {counted['backbone']}"
        _check_size(shared, counted["backbone"], by_hand)
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
            raise core.InvalidInput(_too_long(by_hand)) from None


def map_batches() -> int:
    """How many batches a map has."""
    from papr_core.bench import MAP_BATCHES

    return len(MAP_BATCHES)


def measure_map(
    shared: Shared, asked: dict[str, Any], tell: Callable[[Any], None], stopped: Callable[[], bool]
) -> dict[str, Any]:
    """What `papr bench --map --json` prints, for what `Shared.cost` takes, but for a reduction: batch after
    batch, the larger ones only while there is time (each takes about twice as long as the one before). tell:
    called with what is there after each batch, as `told_map` makes it.

    Raises:
        InvalidInput and its kin: one sentence. Stopped: the visitor's stop.
    """
    core = shared.core()
    from papr_core.bench import MAP_BATCHES as batches
    from papr_core.bench import speed_map

    with said("map"):
        if asked["proposal"] is None:
            raise core.InvalidInput("A map is of a pair: choose the ConvNet that looks first too.")
        counted = shared.cost(asked["backbone"], asked["proposal"], 1.0)
        pair = {role: counted[role] for role in ("backbone", "proposal")}
        named = " ".join(f"--{role} {name}" for role, name in pair.items())
        by_hand = f"use the command line: python -m papr_core bench --map {named}"
        _check_size(shared, pair["backbone"], by_hand)
        begun = time.monotonic()
        models = {
            "backbone": core.load_backbone(pair["backbone"], pretrained=False, device=shared.settings.device),
            "proposal": core.load_proposal(pair["proposal"], pretrained=False, device=shared.settings.device),
        }
        found: dict[str, Any] = {}
        for batch in batches:
            before = time.monotonic()
            try:
                one = speed_map(
                    **models,
                    batches=(batch,),
                    rounds=MAP_ROUNDS,
                    device=shared.settings.device,
                    stop=lambda: stopped() or time.monotonic() > begun + SECONDS,
                )
            except core.Stopped:
                if stopped():
                    raise
                break
            found = {**one, **{key: [*found.get(key, []), *one[key]] for key in A_BATCH}}
            tell(told_map(shared, found, by_hand if batch < batches[-1] else None))
            after = time.monotonic()
            if after + 2 * (after - before) > begun + SECONDS:
                break
        if not found:
            raise core.InvalidInput(_too_long(by_hand))
        return told_map(shared, found, by_hand if found["batches"][-1] < batches[-1] else None)


# lists of a speed map, a batch each
A_BATCH = (
    "batches",
    "rounds",
    "speedup",
    "speedup_low",
    "speedup_high",
    "plain_images_per_second",
    "looking",
    "reading",
)


def shipped_map(shared: Shared) -> dict[str, Any]:
    """The speed map that comes with the page, as `told_map` makes it."""
    return told_map(shared, json.loads(MAP.read_text(encoding="utf-8")))


def told_map(shared: Shared, found: dict[str, Any], rest: str | None = None) -> dict[str, Any]:
    """A speed map as the page takes it: with the models' titles, `says` (sentences), and `rest`, the way to
    the batches that are not there, or None."""
    shared.core()
    from papr_core.bench import what_it_is_worth
    from papr_core.models import catalog

    titles = {role: catalog.find(found[role], role).title for role in ("backbone", "proposal")}
    return {**found, "titles": titles, "says": what_it_is_worth(found), "rest": rest}


def _check_size(shared: Shared, backbone: str, by_hand: str) -> None:
    numbers = sum(part.numel() for part in shared.skeleton(backbone).parameters())
    if 4e-6 * numbers > MOST_MEGABYTES:  # float32
        raise shared.core().InvalidInput(
            f"This backbone is too large to be measured on this page; {by_hand}."
        )


def _too_long(by_hand: str) -> str:
    return f"This takes more than {SECONDS} seconds here, so it was ended; {by_hand}."


def _batch_size(gmacs: float, device: str) -> int:
    """As many pictures as a round stays short with: what two cores, or a GPU, do in half a second."""
    work, most = (20, 8) if device == "cpu" else (2000, 128)
    return max(1, min(most, round(work / gmacs)))
