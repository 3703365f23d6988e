"""What the Cost page shows of cascades, and its bounded speed map, without a browser."""

from types import SimpleNamespace

import pytest
from page_server import BACKBONE, PROPOSAL

from app.parts import speed
from app.parts.cascades import read, says, told
from papr_core import InvalidInput

CHOSEN = {
    "n": 200,
    "n_chosen_on": 210,
    "t": 0.8,
    "answered": 12.5,
    "gmacs": 0.9,
    "less_alone": [0.0, -0.4, 0.4],
}
SURE = "C, itself right on 40 %, is at least 80 % sure of 25 of 200 pictures (12.5 %). That costs "
NO_MORE = "0.900 GMACs a picture for 1.000, 10.0 % less, and changes accuracy by "
CASES = {
    "free": ({}, 1.0, f"{SURE}{NO_MORE}0.0 points (−0.4 to +0.4): it saves, and no loss can be told."),
    "dear": (
        {"gmacs": 1.05},
        1.0,
        f"{SURE}1.050 GMACs a picture for 1.000, 5.0 % more, and changes accuracy by 0.0 points"
        " (−0.4 to +0.4): its look costs more than it saves.",
    ),
    "worse": (
        {"less_alone": [-2.0, -3.1, -0.9]},
        1.0,
        f"{SURE}{NO_MORE}−2.0 points (−3.1 to −0.9): what is saved costs accuracy.",
    ),
    "better": (
        {"less_alone": [1.5, 0.5, 2.5]},
        1.0,
        f"{SURE}{NO_MORE}+1.5 points (+0.5 to +2.5): it saves, and answers better.",
    ),
    "never": (
        {"answered": 0.0, "t": 1.0},
        1.0,
        "C, itself right on 40 %, is never sure enough: on the 210 pictures where it was chosen no threshold"
        " did better than to ask the large model always.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_words_follow_the_numbers(case):
    change, alone, words = CASES[case]
    assert says("C", 40.0, CHOSEN | change, alone) == words


def test_several_convnets_stand_beside_each_other():
    def result(proposal, keeps):
        rows = [{"subset": "all", "method": "full", "keep": 1.0, "gmacs": 1.2}]
        rows += [{"subset": "all", "method": "papr", "keep": keep, "gmacs": keep} for keep in keeps]
        point = {"t": 0.5, "answered": 10.0, "top1": 70.0, "top1_low": 68.0, "top1_high": 72.0, "gmacs": 1.1}
        return {
            "backbone": "b",
            "proposal": proposal,
            "proposal_top1": 40.0,
            "n": 410,
            "rows": rows,
            "cascade": [
                {
                    "then": {"method": row["method"], "keep": row["keep"]},
                    "alone": 75.0,
                    "curve": [point],
                    "chosen": CHOSEN,
                }
                for row in rows
            ],
        }

    found = told([result("p", [0.5]), result("q", [0.5, 0.3])], {"b": "Big", "q": "Q"})
    assert found["thens"] == [
        ["full", "Big with all patches"],
        ["papr 0.5", "Big, PaPr at 50 %"],
        ["papr 0.3", "Big, PaPr at 30 %"],
    ]
    assert [(one["title"], list(one["thens"])) for one in found["convnets"]] == [
        ("p", ["full", "papr 0.5"]),
        ("Q", ["full", "papr 0.5", "papr 0.3"]),
    ]
    part = found["convnets"][1]["thens"]["papr 0.3"]
    assert (part["gmacs"], part["full"], part["alone"]) == (0.3, 1.2, 75.0)
    assert part["curve"] == [[0.5, 10.0, 70.0, 68.0, 72.0, 1.1]]


def test_what_ships_has_a_cascade_of_the_default_convnet_over_all_its_pictures():
    found = read({})
    assert found["n"] == [1000]  # not the shorter run beside it
    assert "mobilenetv1_025" in [one["name"] for one in found["convnets"]]
    for one in found["convnets"]:
        curve = one["thens"]["full"]["curve"]
        assert curve[-1][1] == 0  # at t = 1 it never answers, and the numbers are the ViT's own
        assert curve[-1][2] == pytest.approx(one["thens"]["full"]["alone"])
        assert curve[0][2] == pytest.approx(one["right"])  # at 0 always


def one_row(batch: int) -> dict:
    rows = {key: [[1.5]] for key in ("speedup", "speedup_low", "speedup_high")}
    rows |= {key: [0.1] for key in ("looking", "reading", "plain_images_per_second", "rounds")}
    return {"backbone": BACKBONE, "proposal": PROPOSAL, "keep": [0.5], "batches": [batch], **rows}


def test_a_map_ends_with_the_last_batch_that_fits(shared, monkeypatch):
    clock = iter(range(0, 100_000, 10))  # each look at the clock is 10 seconds later
    monkeypatch.setattr(speed, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr("papr_core.bench.speed_map", lambda batches, **_: one_row(*batches))
    asked = {"backbone": BACKBONE, "proposal": PROPOSAL, "keep": 0.4, "reduction": None}
    told = []
    found = speed.measure_map(shared, asked, told.append, lambda: False)
    assert [one["batches"] for one in told] == [[1], [1, 2], [1, 2, 4]]
    assert found["batches"] == [1, 2, 4]  # after 40 seconds two times 10 more just fit, after 60 they do not
    assert f"bench --map --backbone {BACKBONE} --proposal {PROPOSAL}" in found["rest"]
    assert found["says"] == ["Batches of 1 to 4 gain at keep ratios up to 0.5, at most 1.50 times."]
    with pytest.raises(InvalidInput, match="choose the ConvNet"):
        speed.measure_map(shared, asked | {"proposal": None}, told.append, lambda: False)
