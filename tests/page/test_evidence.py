"""What holds: the words follow the numbers, whoever wins."""

import json
from pathlib import Path

import pytest

from app.parts.evidence import CLAIMS, FILES, evidence, many, told
from app.parts.findings import findings, meaning
from papr_core.models.embedded import RESULTS


def result(*differences, subset="all", minus="cam"):
    """An evaluation of three rows, with PaPr less another method at the keep ratios given."""
    rows = [
        {"subset": "all", "method": name, "keep": keep, "n": 50, "top1": top1, "top1_low": 1, "top1_high": 99}
        for name, keep, top1 in (("full", 1.0, 90.0), ("papr", 0.5, 80.0), ("cam", 0.5, 70.0))
    ]
    return {
        "n": 50,
        "backbone": "b",
        "proposal": "p",
        "proposal_top1": 40.0,
        "rows": rows,
        "differences": [
            {
                "subset": subset,
                "method": "papr",
                "minus": minus,
                "keep": keep,
                "n": 50,
                "top1": (low + high) / 2,
                "low": low,
                "high": high,
            }
            for keep, low, high in differences
        ],
    }


WINNERS = {
    "ahead": ([(0.5, 1, 3), (0.3, 2, 6)], "PaPr ahead", "ahead of CAM by 2.0 points at 50 % (+1.0 to +3.0)"),
    "behind": ([(0.5, -3, -1)], "CAM ahead", "PaPr is behind CAM by 2.0 points at 50 % (−3.0 to −1.0)"),
    "unsettled": ([(0.5, -1, 2)], "Not settled", "PaPr and CAM cannot be told apart: +0.5 points at 50 %"),
    "both": ([(0.5, 1, 3), (0.2, -9, -5)], "Depends on the ratio", "and behind CAM by 7.0 points at 20 %"),
    "some": ([(0.7, -1, 1), (0.5, 1, 3)], "PaPr ahead at 50 %", "; at 70 % they cannot be told apart (n ="),
    "just": ([(0.5, 0, 3)], "Not settled", "cannot be told apart"),
}  # fmt: skip


@pytest.mark.parametrize("case", WINNERS)
def test_the_words_follow_the_numbers(case):
    differences, state, words = WINNERS[case]
    found = findings(result(*differences))["cam"]
    assert found["state"] == state
    assert words in found["text"]
    wrong = findings(result(*differences, subset="proposal_wrong"))
    assert "cam" not in wrong  # nothing is said of what was not measured
    assert wrong["unsure"]["state"] == state


def yardsticks(**differences):
    """An evaluation with PaPr at 50 % and at keep 0.4, and PaPr less each method: (low, high)."""
    rows = [
        {"subset": "all", "method": name, "keep": 0.4, "top1": 50.0 - (low + high) / 2}
        for name, (low, high) in {"papr": (0, 0), **differences}.items()
    ]
    less = [
        {
            "subset": "all",
            "method": "papr",
            "minus": name,
            "keep": 0.4,
            "top1": (low + high) / 2,
            "low": low,
            "high": high,
        }
        for name, (low, high) in differences.items()
    ]
    return {"n": 1000, "rows": rows, "differences": less}


def test_a_paragraph_says_what_else_the_budget_could_have_been_spent_on():
    told = meaning(
        yardsticks(random=(6, 10), smaller=(-1, 3), edges=(-5, -1), attention=(-9, -5), rollout=(-2, 4)), 0.4
    )
    assert "right on 50.0 % of these 1,000 pictures" in told
    assert "does better with them than random patches (42.0 %)" in told
    assert "cannot be told apart from a smaller picture (49.0 %)" in told
    assert "does worse than patches with strong edges (53.0 %)" in told
    assert "the ViT’s attention (57.0 %) and attention rollout (49.0 %)" in told
    assert told.endswith("by 7.0 points (5.0 to 9.0).")
    level = meaning(yardsticks(smaller=(1, 3), attention=(-2, 4)), 0.4)
    assert level.endswith("not better than the ConvNet’s choice beyond chance.")
    assert "cannot be told apart" not in level
    assert meaning(yardsticks(random=(6, 10)), 0.4) == ""  # nothing to say of what was not run


def test_a_cascade_is_told_with_what_it_costs():
    def row(method, keep, gmacs, never):
        chosen = {"n": 493, "t": 0.8, "answered": 20.0, "gmacs": gmacs, "less_alone": [-0.4, -1.0, 0.2]}
        return {"then": {"method": method, "keep": keep}, "chosen": chosen, "curve": [never]}

    found = findings(
        {
            **result(),
            "cascade": [
                row("papr", 0.5, 0.55, {"gmacs": 0.64, "gmacs_backbone": 0.6}),
                row("full", 1.0, 1.04, {"gmacs": 1.29, "gmacs_backbone": 1.25}),
            ],
        }
    )["cascade"]
    assert found["state"] == "For 80 % of the pictures"
    whole, pruned = found["text"].split("Before the ")[1:]
    assert whole.startswith("whole ViT: the ConvNet")
    assert "at least 80 % sure of 99 of 493 pictures (20.0 %)" in whole
    assert "1.040 GMACs a picture for 1.250, 16.8 % less" in whole
    assert pruned.startswith("ViT pruned by PaPr at 50 %: ")
    assert "0.550 GMACs a picture for 0.640" in pruned
    assert "−0.4 points (−1.0 to +0.2)" in whole


def test_the_cost_is_said_without_a_judgement():
    assert findings(result())["cost"] == {
        "state": None,
        "text": "Top-1 goes from 90.0 % unpruned to 80.0 % at 50 % (n = 50).",
    }


@pytest.mark.parametrize("file", FILES)
def test_what_ships_is_told_as_it_stands(file):
    shipped = json.loads((RESULTS / f"{file}.json").read_text(encoding="utf-8"))
    shown = told(shipped, {}, FILES[file])
    assert shown["pair"] == [shipped["proposal"], shipped["backbone"]]
    points = {
        (subset, line["name"], keep): values
        for subset, part in shown["subsets"].items()
        for line in part["lines"]
        for keep, *values in line["points"]
    }
    for row in shipped["rows"]:
        assert row["top1_low"] <= row["top1"] <= row["top1_high"]
        values = [row["top1"], row["top1_low"], row["top1_high"]]
        if row["method"] == "full":
            assert shown["subsets"][row["subset"]]["full"] == values
        else:
            assert points.pop((row["subset"], row["method"], row["keep"])) == values
    assert not points
    for row in shipped["differences"]:
        assert [row["keep"], row["top1"], row["low"], row["high"]] in shown["subsets"][row["subset"]][
            "differences"
        ][row["minus"]]
        assert shown["subsets"][row["subset"]]["n"] == row["n"]


def test_what_the_words_call_a_map_is_its_title():
    from app.parts.findings import NAMES
    from papr_core import METHODS

    assert {name: NAMES[name] for name in ("cam", "reversed")} == {
        name: METHODS[name].title for name in ("cam", "reversed")
    }


def test_every_finding_belongs_to_a_claim():
    shown = evidence({}, 0.4)
    keys = {claim["key"] for claim in CLAIMS}
    assert all(set(one["findings"]) <= keys for one in shown["sets"])
    assert keys == {key for one in shown["sets"] for key in one["findings"]}
    json.dumps(shown, allow_nan=False)


@pytest.mark.parametrize("file", FILES)
def test_a_shipped_evaluation_names_its_data_and_no_machine_s_path(file):
    data = Path(json.loads((RESULTS / f"{file}.json").read_text(encoding="utf-8"))["data"])
    assert not data.is_absolute()
    assert ".." not in data.parts


@pytest.mark.parametrize("file", FILES)
def test_the_sentence_on_compare_has_the_numbers_that_ship(file):
    shipped = json.loads((RESULTS / f"{file}.json").read_text(encoding="utf-8"))
    (one,) = (
        o for o in many() if (o["proposal"], o["backbone"]) == (shipped["proposal"], shipped["backbone"])
    )
    assert one["n"] == shipped["n"]
    for row in shipped["rows"]:
        if row["subset"] == "all" and row["method"] in ("papr", "cam", "random"):
            assert one["top1"][f"{row['keep']:g}"][row["method"]] == row["top1"]
