"""Speed on this machine: what a row says, that it can be stopped, that nothing stays behind; no speeds."""

import json

import pytest
import torch

from papr_core import InvalidInput, Stopped, ToMe, UnsupportedModel, load_backbone, load_proposal
from papr_core.bench import bench, speed_map, what_it_is_worth
from papr_core.commands.main import main
from papr_core.models.backbones import prunable
from papr_core.models.entries import Entry
from papr_core.pruning.reductions import asked

SMALL = {"batch_size": 2, "rounds": 2}


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("test_vit", pretrained=False)


@pytest.fixture(scope="module")
def by_stage():
    import timm

    model = timm.create_model("convnext_atto", depths=(1, 1, 1, 1))
    return prunable(model, Entry("convnext_atto", "backbone", ""), img_size=64)


def test_rows(backbone):
    proposal = load_proposal("test_resnet", pretrained=False)
    done = []
    found = bench(backbone, proposal, keep=(0.5, 0.3), **SMALL, progress=lambda *where: done.append(where))
    assert done == [(1, 2), (2, 2)]
    assert [(row["measured"], row["keep"]) for row in found["rows"]] == [
        (what, keep) for keep in (0.5, 0.3) for what in ("backbone", "pair", "end to end")
    ]
    for row in found["rows"]:
        assert row["n"] == 2
        assert row["speedup_low"] <= row["speedup"] <= row["speedup_high"]
        assert min(row["plain_images_per_second"], row["pruned_images_per_second"]) > 0
        if row["measured"] == "end to end":
            assert row["promised"] is None
        else:
            assert row["share_of_promise"] == pytest.approx(row["speedup"] / row["promised"])
    backbones, pairs = (found["rows"][i]["promised"] for i in (0, 1))
    assert backbones > pairs
    assert found["pixel_share"] is None
    json.dumps(found, allow_nan=False)


def test_merging_alone_and_after_pruning(backbone):
    found = bench(backbone, keep=(1.0, 0.5), reduction=asked({"tome_r": 4}), **SMALL)
    assert [(row["keep"], row["tome_r"], row["tome_layers"]) for row in found["rows"]] == [
        (1.0, 4, "all"),
        (0.5, 4, "second_half"),
    ]


def test_a_hierarchical_model_is_promised_its_share_of_pixel_operators(by_stage):
    found = bench(by_stage, keep=(0.65,), **SMALL)
    share, (row,) = found["pixel_share"], found["rows"]
    assert 0 < share < 1
    assert row["promised"] == pytest.approx(1 / (1 - share + 0.65 * share))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in by_stage.modules())


def test_it_can_be_stopped(backbone, by_stage):
    asked = iter([False, False, True])
    with pytest.raises(Stopped):
        bench(backbone, **SMALL, stop=lambda: next(asked))
    with pytest.raises(Stopped):
        bench(by_stage, **SMALL, stop=lambda: True)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in by_stage.modules())


def test_halves(backbone):
    half = load_backbone("test_vit", pretrained=False).to(torch.bfloat16)
    assert bench(half, **SMALL)["rows"][0]["n"] == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"keep": (1.0,)}, "Nothing is pruned"),
        ({"keep": (0.0,)}, "keep ratio"),
        ({"rounds": 1}, "two rounds"),
        ({"batch_size": 0}, "one picture"),
        ({"dtype": "int8"}, "float32"),
        ({"reduction": asked({"tome_r": -1})}, "whole numbers"),
    ],
)
def test_what_cannot_be_measured_is_refused(backbone, options, says):
    with pytest.raises(InvalidInput, match=says):
        bench(backbone, **SMALL | options)


def test_a_hierarchical_model_cannot_merge(by_stage):
    with pytest.raises(UnsupportedModel, match="cannot merge"):
        bench(by_stage, reduction=ToMe(4), **SMALL)


def test_the_command(capsys):
    command = ["bench", "--backbone", "test_vit", "--batch-size", "2", "--rounds", "2", "--device", "cpu"]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["keep"] == 0.5
    assert main(command) == 0
    assert "Speed-up" in capsys.readouterr().out
    assert main([*command, "--threads", "0"]) == 2


def test_clips_are_timed_as_pictures_are():
    from test_tubelets import small

    from papr_core.models.backbones.tubelets import TubeletBackbone
    from papr_core.models.catalog import BACKBONES

    backbone = TubeletBackbone(small(), BACKBONES["videomae-small-finetuned-kinetics"])
    found = bench(backbone, proposal="x3d_xs", keep=(0.5,), batch_size=1, rounds=2)
    assert [row["measured"] for row in found["rows"]] == ["backbone", "pair", "end to end"]
    assert all(row["speedup"] > 0 for row in found["rows"])
    with pytest.raises(UnsupportedModel, match="two of a kind"):
        bench(backbone, proposal="mobilenetv1_025", keep=(0.5,), batch_size=1, rounds=2)


def test_a_map_of_batches_and_keep_ratios(backbone):
    proposal = load_proposal("test_resnet", pretrained=False)
    done = []
    found = speed_map(
        backbone,
        proposal,
        keep=(0.3, 1.0),
        batches=(1, 2),
        rounds=2,
        progress=lambda *where: done.append(where),
    )
    assert done == [(1, 2), (2, 2)]
    for key in ("speedup", "speedup_low", "speedup_high"):
        assert [len(row) for row in found[key]] == [2, 2]
    assert found["rounds"] == [16, 8]  # the smallest batches are quick
    assert all(speed > 0 for row in found["speedup"] for speed in row)
    assert all(share > 0 for share in found["looking"])
    assert all(0 <= share < 1 for share in found["reading"])
    assert found["versions"]["timm"]
    assert len(found["day"]) == 10
    assert found["load"] >= 0
    json.dumps(found, allow_nan=False)
    assert what_it_is_worth(found)
    for wrong in ({"keep": ()}, {"batches": (0,)}, {"rounds": 1}, {"keep": (2,)}):
        with pytest.raises(InvalidInput):
            speed_map(backbone, proposal, **wrong)


MEASURED = {
    "keep": [0.2, 0.5, 1.0],
    "batches": [1, 2, 4, 8],
    "looking": [0.4, 0.3, 0.1, 0.1],
    "reading": [0.2, 0.3, 0.3, 0.3],
}


@pytest.mark.parametrize(
    ("speedup", "low", "said"),
    [
        (
            [[0.9, 0.8, 0.7], [1.5, 0.9, 0.8], [1.8, 1.1, 0.9], [2.0, 1.2, 1.04]],
            [[0.8, 0.7, 0.6], [1.4, 0.8, 0.7], [1.7, 1.01, 0.8], [1.9, 1.1, 0.98]],
            [
                "Batch 1 gains nothing: the ConvNet's pass takes 40 % of the plain backbone's time, and"
                " reading the picture, 20 % of the plain way's, takes as long as before (at best 0.90"
                " times).",
                "Batch 2 gains at keep ratios up to 0.2, at most 1.50 times.",
                "Batches of 4 to 8 gain at keep ratios up to 0.5, at most 2.00 times.",
            ],
        ),
        (
            [[0.9, 0.8, 0.7], [1.0, 0.9, 0.8], [1.8, 0.9, 1.1], [2.0, 1.2, 1.1]],
            [[0.9, 0.8, 0.7], [1.0, 0.9, 0.8], [1.8, 0.9, 1.1], [2.0, 1.2, 1.1]],
            [
                "Batches of 1 to 2 gain nothing: the ConvNet's pass takes 30 to 40 % of the plain backbone's"
                " time, and reading the pictures, 20 to 30 % of the plain way's, takes as long as before (at"
                " best 1.00 times).",
                "Batch 4 gains at keep ratios of 0.2, 1, at most 1.80 times.",
                "Batch 8 gains at keep ratios up to 1, at most 2.00 times.",
            ],
        ),
        (
            [[1.5, 0.9, 0.7], [1.5, 1.2, 0.8], [1.8, 1.1, 0.9], [2.0, 1.2, 1.1]],
            [[1.4, 0.8, 0.6], [1.4, 1.1, 0.7], [1.7, 1.01, 0.8], [1.9, 1.1, 0.98]],
            [
                "Batch 1 gains at keep ratios up to 0.2, at most 1.50 times.",
                "From 0.5 on the patches dropped do not pay for the ConvNet's pass, which takes 40 % of the"
                " plain backbone's time at batch 1.",
                "Batches of 2 to 8 gain at keep ratios up to 0.5, at most 2.00 times.",
            ],
        ),
    ],
)
def test_what_a_map_says_follows_from_its_numbers(speedup, low, said):
    assert what_it_is_worth({**MEASURED, "speedup": speedup, "speedup_low": low}) == said


def test_the_map_is_drawn_and_printed(tmp_path, capsys, monkeypatch):
    found = {
        "backbone": "a",
        "proposal": "b",
        "machine": "c",
        "device": "cpu",
        "dtype": "float32",
        "threads": 1,
        "torch": "2",
        "rounds": [24, 3],
        "keep": [0.2, 1.0],
        "batches": [1, 64],
        "speedup": [[0.9, 0.8], [2.1, 0.95]],
        "speedup_low": [[0.8, 0.7], [2.0, 0.9]],
        "plain_images_per_second": [10.0, 20.0],
        "looking": [0.3, 0.04],
        "reading": [0.2, 0.3],
        "day": "2026-11-30",
        "load": None,
    }
    asked = []
    monkeypatch.setattr(
        "papr_core.commands.bench.speed_map", lambda *_, rounds, **__: asked.append(rounds) or found
    )
    assert main(["bench", "--map", "--figure", str(tmp_path / "map.png")]) == 0
    assert (tmp_path / "map.png").stat().st_size > 5000
    assert "2.10" in capsys.readouterr().out
    assert main(["bench", "--map", "--rounds", "9", "--json"]) == 0
    assert asked == [3, 9]  # as many as were asked for
    assert main(["bench", "--figure", "x.png"]) == 2
    assert main(["bench", "--map", "--compile"]) == 2
