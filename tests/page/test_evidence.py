"""What holds: the words follow the numbers, whoever wins."""

import json
from pathlib import Path

import pytest

from app.parts.evidence import CLAIMS, FILES, FOLDER, evidence, findings, many, told


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
    "some": ([(0.7, -1, 1), (0.5, 1, 3)], "PaPr ahead", "; at 70 % they cannot be told apart (n = 50)."),
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


def test_the_cost_is_said_without_a_judgement():
    assert findings(result())["cost"] == {
        "state": None,
        "text": "Top-1 goes from 90.0 % unpruned to 80.0 % at 50 % (n = 50).",
    }


@pytest.mark.parametrize("file", FILES)
def test_what_ships_is_told_as_it_stands(file):
    shipped = json.loads((FOLDER / f"{file}.json").read_text(encoding="utf-8"))
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
    from app.parts.evidence import NAMES
    from papr_core import METHODS

    assert {name: NAMES[name] for name in ("cam", "reversed")} == {
        name: METHODS[name].title for name in ("cam", "reversed")
    }


def test_every_finding_belongs_to_a_claim():
    shown = evidence({})
    keys = {claim["key"] for claim in CLAIMS}
    assert all(set(one["findings"]) <= keys for one in shown["sets"])
    assert keys == {key for one in shown["sets"] for key in one["findings"]}
    json.dumps(shown, allow_nan=False)


@pytest.mark.parametrize("file", FILES)
def test_a_shipped_evaluation_names_its_data_and_no_machine_s_path(file):
    data = Path(json.loads((FOLDER / f"{file}.json").read_text(encoding="utf-8"))["data"])
    assert not data.is_absolute()
    assert ".." not in data.parts


@pytest.mark.parametrize("file", FILES)
def test_the_sentence_on_compare_has_the_numbers_that_ship(file):
    shipped = json.loads((FOLDER / f"{file}.json").read_text(encoding="utf-8"))
    (one,) = (
        o for o in many() if (o["proposal"], o["backbone"]) == (shipped["proposal"], shipped["backbone"])
    )
    assert one["n"] == shipped["n"]
    for row in shipped["rows"]:
        if row["subset"] == "all" and row["method"] in ("papr", "cam", "random"):
            assert one["top1"][f"{row['keep']:g}"][row["method"]] == row["top1"]
