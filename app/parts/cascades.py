"""Cascades: the ConvNet answers where it is sure, the backbone the rest; read off the evaluations that ship.

`read()` gives what the Cost page draws, for each ConvNet that prunes the default backbone, and the sentences
that follow from its numbers. An evaluation has a cascade where it was asked for (`evaluate --cascade`).
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from papr_core.models.embedded import DEFAULT_BACKBONE

from .shipped import evaluation, names

__all__ = ["read", "says", "told"]


def read(titles: Mapping[str, str]) -> dict[str, Any] | None:
    """`told` of what ships; None where nothing that ships has a cascade. titles: of the models, by name."""
    found = _shipped()
    return told(found, titles) if found else None


@cache
def _shipped() -> list[dict[str, Any]]:
    """Of each ConvNet the evaluation with the most pictures, the smallest ConvNet first."""
    best: dict[str, dict[str, Any]] = {}
    for result in map(evaluation, names()):
        if result.get("cascade") and result["fit"] == "crop" and result["backbone"] == DEFAULT_BACKBONE:
            known = best.get(result["proposal"])
            if known is None or result["n"] > known["n"]:
                best[result["proposal"]] = result
    return sorted(best.values(), key=lambda one: one["proposal_parameters"])


def told(results: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> dict[str, Any]:
    """Objects of `evaluate --json` with a cascade, of one backbone, ready to be drawn and read.

    n: how many pictures, as far as they differ; thens: who answers the rest, [key, title], what any ConvNet
    has; convnets: {name, title, right, thens}, of each then its accuracy `alone` (%), its `gmacs` alone,
    `full`, of the backbone with all patches, `curve`, [[t, answered early %, top-1 %, its ends, GMACs], ...],
    the threshold `chosen`, and what it `says`.
    """
    backbone = titles.get(results[0]["backbone"], results[0]["backbone"])
    thens: dict[str, str] = {}
    convnets = []
    for result in results:
        proposal = titles.get(result["proposal"], result["proposal"])
        gmacs = {
            (row["method"], row["keep"]): row["gmacs"] for row in result["rows"] if row["subset"] == "all"
        }
        full = next(cost for (method, _), cost in gmacs.items() if method == "full")
        parts = {}
        for row in result["cascade"]:
            method, keep = row["then"]["method"], row["then"]["keep"]
            key = method if method == "full" else f"{method} {keep:g}"
            thens[key] = (
                f"{backbone} with all patches"
                if method == "full"
                else f"{backbone}, PaPr at {100 * keep:.3g} %"
            )
            alone = gmacs[method, keep]
            parts[key] = {
                "alone": row["alone"],
                "gmacs": alone,
                "full": full,
                "chosen": row["chosen"]["t"],
                "curve": [
                    [one[name] for name in ("t", "answered", "top1", "top1_low", "top1_high", "gmacs")]
                    for one in row["curve"]
                ],
                "says": says(proposal, result["proposal_top1"], row["chosen"], alone),
            }
        convnets.append(
            {"name": result["proposal"], "title": proposal, "right": result["proposal_top1"], "thens": parts}
        )
    return {
        "n": sorted({result["n"] for result in results}),
        "thens": [[key, title] for key, title in thens.items()],
        "convnets": convnets,
    }


def says(proposal: str, right: float | None, chosen: Mapping[str, Any], alone: float) -> str:
    """What a threshold that was chosen on one half of the pictures does on the other, and what that means.

    right: the ConvNet's own top-1 (%); chosen: of `evaluation.cascade`; alone: GMACs without the cascade.
    """
    n, early = chosen["n"], round(chosen["answered"] * chosen["n"] / 100)
    itself = "" if right is None else f", itself right on {right:.0f} %,"
    if not early:
        return (
            f"{proposal}{itself} is never sure enough: on the {chosen['n_chosen_on']:,} pictures where it was"
            " chosen no threshold did better than to ask the large model always."
        )
    less, low, high = chosen["less_alone"]
    sure = (
        f"{proposal}{itself} is at least {100 * chosen['t']:.0f} % sure of {early:,} of {n:,} pictures"
        f" ({chosen['answered']:.1f} %)"
    )
    saved = 1 - chosen["gmacs"] / alone
    cost = (
        f"{chosen['gmacs']:.3f} GMACs a picture for {alone:.3f}, {100 * abs(saved):.1f} %"
        f" {'less' if saved > 0 else 'more'}"
    )
    points = f"{_signed(less)} points ({_signed(low)} to {_signed(high)})"
    if saved <= 0:
        meaning = "its look costs more than it saves"
    elif high < 0:
        meaning = "what is saved costs accuracy"
    elif low > 0:
        meaning = "it saves, and answers better"
    else:
        meaning = "it saves, and no loss can be told"
    return f"{sure}. That costs {cost}, and changes accuracy by {points}: {meaning}."


def _signed(value: float) -> str:
    shown = f"{value:+.1f}".replace("-", "−")
    return "0.0" if shown in ("+0.0", "−0.0") else shown
