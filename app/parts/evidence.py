"""What holds (the last part of Learn): evaluations shipped as data, and the words that follow from them.

Nothing here knows who wins. A difference is called one only where its 95 % interval leaves zero out.
`evidence()` gives {"claims": what the paper says, "sets": what was found, an evaluation each}.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from papr_core.embedded import ASSETS

__all__ = ["CLAIMS", "evidence", "findings", "told"]

FILES = {  # evaluation -> (title, what it was measured on)
    "evaluation.json": (
        "The embedded pair",
        "held-out pictures of Tiny ImageNet (64 pixels, enlarged), which neither model was trained on",
    ),
    "evaluation_real_pair.json": (
        "MobileNetV2 and ViT-Ti/16",
        "photographs from outside ImageNet’s training set, off-the-shelf models at 224 pixels",
    ),
}
CLAIMS = [  # key of a finding, the claim, and where the paper makes it
    {
        "key": "cost",
        "claim": "Pruning costs little accuracy.",
        "paper": "Table 1: at a keep ratio of 0.5 ViT-B/16 goes from 84.59 to 82.11 %, at half the cost.",
    },
    {
        "key": "chance",
        "claim": "The patches that PaPr keeps are the ones that matter.",
        "paper": "The paper compares with other ways of pruning. Random patches are our addition.",
    },
    {
        "key": "reversed",
        "claim": "The order of the patches matters, too.",
        "paper": "Not asked in the paper: keep what PaPr would drop first.",
    },
    {
        "key": "cam",
        "claim": "A mean over all channels finds them better than a map that explains one class.",
        "paper": "Section 4.5, on chosen pictures (Fig. 7 and 12 to 17).",
    },
    {
        "key": "unsure",
        "claim": "Above all where the ConvNet is unsure or wrong.",
        "paper": "The same figures: the ConvNet’s confidence is low there, and CAM methods lose the answer.",
    },
    {
        "key": "proposal",
        "claim": "A small ConvNet will do: its accuracy hardly matters.",
        "paper": "Table 7: MobileOne-S0 and ResNet-152, 42 times as costly, are 0.3 points apart.",
    },
]
SUBSETS = {
    "all": "All pictures",
    "proposal_right": "The ConvNet is right",
    "proposal_wrong": "The ConvNet is wrong",
}
NAMES = {"random": "random patches", "cam": "CAM", "reversed": "PaPr reversed"}  # within a sentence


def evidence() -> dict[str, Any]:
    """The claims, and each evaluation: numbers by subset and method, differences, and the words for them."""
    sets = [told(json.loads((ASSETS / file).read_text(encoding="utf-8")), *FILES[file]) for file in FILES]
    return {"claims": CLAIMS, "sets": sets}


def told(result: dict[str, Any], title: str, about: str) -> dict[str, Any]:
    """One object of `evaluate --json`, made ready to be drawn and read."""
    subsets = {}
    for name, subset_title in SUBSETS.items():
        rows = [row for row in result["rows"] if row["subset"] == name]
        differences = [row for row in result["differences"] if row["subset"] == name]
        if not rows and not differences:
            continue
        full = next((row for row in rows if row["method"] == "full"), None)
        methods = dict.fromkeys(row["method"] for row in rows if row["method"] != "full")
        subsets[name] = {
            "title": subset_title,
            "n": (rows or differences)[0]["n"],
            "full": full and [full[key] for key in ("top1", "top1_low", "top1_high")],
            "lines": [
                {
                    "name": method,
                    "points": [
                        [row[key] for key in ("keep", "top1", "top1_low", "top1_high")]
                        for row in rows
                        if row["method"] == method
                    ],
                }
                for method in methods
            ],
            "differences": {
                method: [[row[key] for key in ("keep", "top1", "low", "high")] for row in group]
                for method, group in _by_method(differences).items()
            },
        }
    return {
        "title": title,
        "about": f"{result['n']:,} {about}",
        "pair": [result["proposal"], result["backbone"]],
        "proposal_top1": result["proposal_top1"],
        "note": result.get("note"),
        "keeps": sorted({row["keep"] for row in result["rows"] if row["method"] != "full"}, reverse=True),
        "subsets": subsets,
        "findings": findings(result),
    }


def findings(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """{key of a claim: {"state": a few words or None, "text": sentences}} of what was measured."""
    found = {
        "cost": _cost(result),
        "chance": _against(result, "random", "all"),
        "reversed": _against(result, "reversed", "all"),
        "cam": _against(result, "cam", "all"),
        "unsure": _against(result, "cam", "proposal_wrong"),
        "proposal": _proposals(result),
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
    rows = [
        row
        for row in result["differences"]
        if (row["subset"], row["method"], row["minus"]) == (subset, "papr", other)
    ]
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
    elif ahead:
        state = "PaPr ahead"
    elif behind:
        state = f"{name[:1].upper()}{name[1:]} ahead"
    else:
        state = "Not settled"
    return state, f"{text} (n = {n:,})."


def _proposals(result: dict[str, Any]) -> tuple[str | None, str]:
    """The same backbone with ConvNets of unlike accuracy, where that was measured."""
    groups: dict[float, list[dict]] = {}
    for row in result.get("proposals", ()):
        groups.setdefault(row["keep"], []).append(row)
    sentences = []
    for keep, rows in groups.items():
        parts = [
            f"{_percent(row['top1'])} with {row['proposal']} ({row['proposal_top1']:.0f} % accurate)"
            for row in rows
        ]
        sentences.append(f"At {_ratio(keep)} the backbone reaches {_listed(parts)} (n = {result['n']:,}).")
    return None, " ".join(sentences)


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


def _by_method(rows: Iterable[dict]) -> dict[str, list[dict]]:
    groups: dict[str, list[dict]] = {}
    for row in rows:
        groups.setdefault(row["minus"], []).append(row)
    return groups
