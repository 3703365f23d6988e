"""What holds (the last part of Learn): evaluations shipped as data, and the words that follow from them.

`evidence()` gives {"claims": what the paper says, "sets": what was found, an evaluation each, "convnets": the
same backbone pruned by each ConvNet, "meaning": a paragraph on what else could have been had for the budget}.
The data lie in results/, whose README has the commands.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from papr_core.pruning.reductions import reduction_in

from .findings import findings, meaning, proposals_told
from .shipped import evaluation

__all__ = ["CLAIMS", "convnets", "evidence", "many", "told"]

COMPARED = ("papr", "cam", "random")  # where ConvNets are compared

PHOTOGRAPHS = "photographs that no model here was trained on: Caltech-101, in 35 of ImageNet’s classes"
FILES = {  # evaluation, the first two the ones that the claims are held against -> what it was measured on
    "mobilenetv1_025": PHOTOGRAPHS,
    "vit_tiny_patch8_112.tiny200": (
        "held-out pictures of Tiny ImageNet (64 pixels, enlarged), which neither model was trained on"
    ),
    "resnet10t_112.tiny200": PHOTOGRAPHS,
    "mobilenetv1_050": PHOTOGRAPHS,
    "tf_efficientnet_lite0.in1k": PHOTOGRAPHS,
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
        "key": "smaller",
        "claim": "Dropping patches is better than making the whole picture smaller.",
        "paper": "Not asked in the paper; benchmarks of token pruning ask it (arXiv 2510.07143, 2511.02650).",
    },
    {
        "key": "blind",
        "claim": "It takes a network to find the patches.",
        "paper": "Not asked in the paper: evenly spread patches, edges and the middle need none.",
    },
    {
        "key": "oracles",
        "claim": "The ConvNet finds them as well as the ViT’s own attention.",
        "paper": "Not asked in the paper. Attention costs the whole ViT first: it shows what could be had.",
    },
    {
        "key": "cascade",
        "claim": "The ViT has to be asked.",
        "paper": "Not asked in the paper: a ConvNet that is sure of its answer could give it itself.",
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


def evidence(titles: Mapping[str, str], keep: float) -> dict[str, Any]:
    """The claims; the two evaluations they are held against, with numbers by subset and method, differences,
    and the words for them; and PaPr beside CAM and chance with each ConvNet that prunes the same backbone.
    titles: of the models, by name; keep: the ratio that the paragraph is about."""
    results = _shipped()
    first, *_ = results.values()
    alike = [one for one in results.values() if one["backbone"] == first["backbone"]]
    alike.sort(key=lambda one: one["proposal_parameters"])
    sets = [told(results[name], titles, FILES[name]) for name in list(FILES)[:2]]
    sets[0]["findings"]["proposal"] = {"state": None, "text": proposals_told(alike, titles)}
    return {
        "claims": CLAIMS,
        "sets": sets,
        "convnets": convnets(alike, titles),
        "meaning": meaning(first, keep),
    }


def many() -> list[dict[str, Any]]:
    """For the sentence on Compare: of each evaluation the pair, the number of pictures, and by keep ratio the
    top-1 (%) of PaPr, CAM and chance."""
    found = []
    for result in _shipped().values():
        top1: dict[str, dict[str, float]] = {}
        for row in result["rows"]:
            if row["subset"] == "all" and row["method"] in COMPARED and not reduction_in(row):
                top1.setdefault(f"{row['keep']:g}", {})[row["method"]] = row["top1"]
        pair = {role: result[role] for role in ("proposal", "backbone")}
        found.append({**pair, "n": result["n"], "top1": top1})
    return found


def _shipped() -> dict[str, dict[str, Any]]:
    """The evaluations by name."""
    return {name: evaluation(name) for name in FILES}


def convnets(results: Sequence[dict[str, Any]], titles: Mapping[str, str]) -> dict[str, Any]:
    """One backbone pruned by several ConvNets (the paper's Table 7, with what it leaves out): for each, by
    subset and keep ratio, the top-1 of PaPr, CAM and chance, and PaPr less these, each with its interval."""
    rows = []
    for result in results:
        subsets: dict[str, dict[str, Any]] = {}
        for row in result["rows"]:
            if row["method"] in COMPARED and not reduction_in(row):
                part = subsets.setdefault(row["subset"], {"n": row["n"], "top1": {}, "less": {}})
                values = [row["top1"], row["top1_low"], row["top1_high"]]
                part["top1"].setdefault(row["method"], {})[f"{row['keep']:g}"] = values
        for row in result["differences"]:
            if row["minus"] in COMPARED:
                values = [row["top1"], row["low"], row["high"]]
                subsets[row["subset"]]["less"].setdefault(row["minus"], {})[f"{row['keep']:g}"] = values
        rows.append(
            {
                "title": titles.get(result["proposal"], result["proposal"]),
                "parameters": result["proposal_parameters"],
                "right": result["proposal_top1"],
                "subsets": subsets,
            }
        )
    first = results[0]
    keeps = sorted({row["keep"] for row in first["rows"] if row["method"] == "papr"}, reverse=True)
    return {
        "backbone": titles.get(first["backbone"], first["backbone"]),
        "n": first["n"],
        "keeps": [f"{keep:g}" for keep in keeps],
        "subsets": SUBSETS,
        "methods": list(COMPARED),
        "rows": rows,
    }


def told(result: dict[str, Any], titles: Mapping[str, str], about: str) -> dict[str, Any]:
    """One object of `evaluate --json`, made ready to be drawn and read."""
    backbone, proposal = (titles.get(result[role], result[role]) for role in ("backbone", "proposal"))
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
        "title": f"{backbone} and {proposal}",
        "about": f"{result['n']:,} {about}",
        "pair": [result["proposal"], result["backbone"]],
        "proposal_top1": result["proposal_top1"],
        "keeps": sorted({row["keep"] for row in result["rows"] if row["method"] != "full"}, reverse=True),
        "subsets": subsets,
        "findings": findings(result),
    }


def _by_method(rows: Iterable[dict]) -> dict[str, list[dict]]:
    groups: dict[str, list[dict]] = {}
    for row in rows:
        groups.setdefault(row["minus"], []).append(row)
    return groups
