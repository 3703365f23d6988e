"""What follows from an evaluation, in words: whoever wins, the sentences are made of its numbers.

A difference is called one only where its 95 % interval leaves zero out.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .cascades import says

__all__ = ["NAMES", "findings", "meaning", "proposals_told"]

NAMES = {  # of methods, within a sentence
    "random": "random patches",
    "cam": "CAM",
    "reversed": "PaPr reversed",
    "smaller": "a smaller picture",
    "checkerboard": "evenly spread patches",
    "edges": "patches with strong edges",
    "center": "the middle",
    "attention": "the ViT’s attention",
    "rollout": "attention rollout",
}
BLIND = ("checkerboard", "edges", "center")
ORACLES = ("attention", "rollout")


def findings(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """{key of a claim: {"state": a few words or None, "text": sentences}} of what was measured."""
    found = {
        "cost": _cost(result),
        "chance": _against(result, "random", "all"),
        "reversed": _against(result, "reversed", "all"),
        "smaller": _against(result, "smaller", "all"),
        "blind": _against_each(result, BLIND, "all"),
        "oracles": _against_each(result, ORACLES, "all"),
        "cascade": _cascade(result),
        "cam": _against(result, "cam", "all"),
        "unsure": _against(result, "cam", "proposal_wrong"),
    }
    return {key: {"state": state, "text": text} for key, (state, text) in found.items() if text}


def _cost(result: dict[str, Any]) -> tuple[str | None, str]:
    rows = [row for row in result["rows"] if row["subset"] == "all"]
    full = next((row for row in rows if row["method"] == "full"), None)
    papr = sorted((row for row in rows if row["method"] == "papr"), key=lambda row: -row["keep"])
    if full is None or not papr:
        return None, ""
    answers = [f"{_percent(row['top1'])} at {_ratio(row['keep'])}" for row in papr]
    return (
        None,
        f"Top-1 goes from {_percent(full['top1'])} unpruned to {_listed(answers)} (n = {full['n']:,}).",
    )


def _against(result: dict[str, Any], other: str, subset: str) -> tuple[str | None, str]:
    """PaPr against another method: where it is ahead, behind, and where nothing can be said."""
    rows = _less(result, [other], subset)
    if not rows:
        return None, ""
    rows.sort(key=lambda row: -row["keep"])
    name, n = NAMES[other], rows[0]["n"]
    ahead = [row for row in rows if row["low"] > 0]
    behind = [row for row in rows if row["high"] < 0]
    unsettled = [row for row in rows if row["low"] <= 0 <= row["high"]]
    parts = [
        f"{word} {name} {_at(group)}" for word, group in (("ahead of", ahead), ("behind", behind)) if group
    ]
    if not parts:
        text = f"PaPr and {name} cannot be told apart: {_points(unsettled)}"
    else:
        text = f"PaPr is {' and '.join(parts)}"
        if unsettled:
            text += f"; at {_listed(_ratio(row['keep']) for row in unsettled)} they cannot be told apart"
    if ahead and behind:
        state = "Depends on the ratio"
    elif ahead or behind:
        # where it is not so everywhere the few words say where: the sentences may stand behind a fold
        where = f" at {_listed(_ratio(row['keep']) for row in ahead or behind)}" if unsettled else ""
        state = f"{'PaPr' if ahead else name[:1].upper() + name[1:]} ahead{where}"
    else:
        state = "Not settled"
    return state, f"{text} (n = {n:,})."


def _against_each(result: dict[str, Any], others: Sequence[str], subset: str) -> tuple[str | None, str]:
    """The same against several methods, one after the other."""
    found = {name: _against(result, name, subset) for name in others}
    states = {name: state for name, (state, text) in found.items() if text}
    if not states:
        return None, ""
    rows = _less(result, others, subset)
    ahead, behind = any(row["low"] > 0 for row in rows), any(row["high"] < 0 for row in rows)
    if len(set(states.values())) == 1:
        state = states[next(iter(states))]
    elif ahead and not behind:
        state = "PaPr ahead, or level"
    else:
        state = "Depends on which"
    return state, " ".join(text for _, text in found.values() if text)


def _less(result: dict[str, Any], others: Sequence[str], subset: str) -> list[dict[str, Any]]:
    """The rows that say PaPr less other methods."""
    return [
        row
        for row in result["differences"]
        if (row["subset"], row["method"]) == (subset, "papr") and row["minus"] in others
    ]


def _cascade(result: dict[str, Any]) -> tuple[str | None, str]:
    """What it does to let the ConvNet answer where it is sure: before the whole ViT, and before one that PaPr
    prunes most mildly."""
    rows = sorted(result.get("cascade", []), key=lambda row: -row["then"]["keep"])
    if not rows:
        return None, ""
    told = []
    for row in rows[:2]:
        pruned, never = row["then"]["method"] != "full", row["curve"][-1]  # t = 1: the ViT answers everything
        then = f"the ViT pruned by PaPr at {_ratio(row['then']['keep'])}" if pruned else "the whole ViT"
        alone = never["gmacs"] if pruned else never["gmacs_backbone"]  # pruned, the ConvNet has looked anyway
        told.append(f"Before {then}: {says('the ConvNet', result['proposal_top1'], row['chosen'], alone)}")
    first = rows[0]["chosen"]
    state = f"For {100 - first['answered']:.0f} % of the pictures"
    return state, f"{' '.join(told)} (n = {first['n']:,}; how sure is enough was chosen on the other half.)"


def meaning(result: dict[str, Any], keep: float) -> str:
    """What the yardsticks say together at one keep ratio, a paragraph; empty where they were not run."""
    row_of = {row["method"]: row for row in result["rows"] if (row["subset"], row["keep"]) == ("all", keep)}
    less = {
        row["minus"]: row
        for row in result["differences"]
        if (row["subset"], row["method"], row["keep"]) == ("all", "papr", keep)
    }
    budget = [name for name in ("random", "smaller", *BLIND) if name in less]
    if not set(budget) - {"random", "center"}:
        return ""
    ahead = [name for name in budget if less[name]["low"] > 0]
    behind = [name for name in budget if less[name]["high"] < 0]
    level = [name for name in budget if name not in (*ahead, *behind)]

    def named(names: Sequence[str]) -> str:
        return _listed(f"{NAMES[name]} ({_percent(row_of[name]['top1'])})" for name in names)

    said = [
        f"{words} {named(names)}"
        for words, names in (
            ("does better with them than", ahead),
            ("cannot be told apart from", level),
            ("does worse than", behind),
        )
        if names
    ]
    told = (
        f"At {_ratio(keep)} of the patches the ViT is right on {_percent(row_of['papr']['top1'])} of these "
        f"{result['n']:,} pictures with PaPr’s. What needs no network, or spends as much otherwise: PaPr "
        f"{_listed(said)}."
    )
    seen = [name for name in ORACLES if name in less]
    if not seen:
        return told
    told += f" Chosen by what the ViT itself looks at, for which it runs as a whole first: {named(seen)}. "
    best = min((less[name] for name in seen), key=lambda row: row["top1"])
    if best["high"] >= 0:
        return told + "That is not better than the ConvNet’s choice beyond chance."
    gain = f"{-best['top1']:.1f} points ({-best['high']:.1f} to {-best['low']:.1f})"
    return told + f"So better patches are there than the ConvNet finds, by {gain}."


def proposals_told(results: Sequence[dict[str, Any]], titles: Mapping[str, str]) -> str:
    """The same backbone with ConvNets of unlike size and accuracy."""
    parts = []
    for result in results:
        size = f"{result['proposal_parameters'] / 1e6:.1f} million parameters"
        right = result["proposal_top1"]
        known = "" if right is None else f", itself right on {right:.0f} %"
        (row,) = (r for r in result["rows"] if (r["subset"], r["method"], r["keep"]) == ("all", "papr", 0.4))
        title = titles.get(result["proposal"], result["proposal"])
        parts.append(f"{_percent(row['top1'])} with {title} ({size}{known})")
    return f"At 40 % the backbone reaches {_listed(parts)} (n = {results[0]['n']:,})."


# words


def _at(rows: Sequence[dict]) -> str:
    return _listed(
        [f"by {abs(row['top1']):.1f} points at {_ratio(row['keep'])} {_interval(row)}" for row in rows]
    )


def _points(rows: Sequence[dict]) -> str:
    return _listed(
        [f"{_signed(row['top1'])} points at {_ratio(row['keep'])} {_interval(row)}" for row in rows]
    )


def _interval(row: dict) -> str:
    return f"({_signed(row['low'])} to {_signed(row['high'])})"


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


def _percent(value: float) -> str:
    return f"{value:.1f} %"


def _ratio(keep: float) -> str:
    return f"{100 * keep:.3g} %"


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
