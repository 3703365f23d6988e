"""Costs: the paper's own figures, the command, and what may not happen while counting."""

import json

import pytest
import torch

from papr_core import InvalidInput, ToMe, UnsupportedModel, cost, load_backbone
from papr_core.commands.main import main
from papr_core.models.backbones import skeleton_backbone
from papr_core.pruning.reductions import asked


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return cost.paper_rows()


def test_every_row_of_the_paper_is_within_its_tolerance(rows):
    assert len([row for row in rows if row["table"] <= 7]) == 58
    assert len([row for row in rows if row["table"] == 8]) == 8
    assert len([row for row in rows if row["table"] == 9]) == 4
    for row in rows:
        assert abs(row["difference_percent"]) <= row["tolerance_percent"], row
        assert row["gmacs"] == pytest.approx(row["paper_gmacs"] * (1 + row["difference_percent"] / 100))


def test_a_row_says_what_explains_its_figure(rows):
    keys = {"table", "backbone", "keep", "tome_r", "paper_gmacs", "gmacs", "difference_percent"}
    keys |= {"paper_top1", "paper_images_per_second", "note"}
    assert all(keys <= row.keys() for row in rows)
    assert {row["table"] for row in rows} == set(range(1, 10))
    other = [row for row in rows if row["printed_keep"] not in (None, row["keep"])]
    assert other
    assert all("figure" in row["note"] or "reading" in row["note"] for row in other)
    json.dumps(rows, allow_nan=False)


def test_the_page_ships_these_rows(rows):
    from app.parts import paper

    assert paper.read() == paper.compute(rows), "python -m app.parts.paper writes them anew"


@pytest.mark.parametrize("name", ["test_vit", "vit_medium_patch16_gap_256", "swin_tiny_patch4_window7_224"])
def test_a_few_counts_say_what_every_ratio_costs(name):
    backbone = skeleton_backbone(name)
    at = cost.gmacs_by_ratio(backbone)
    for ratio in (0.001, 0.3, 0.437, 0.9, 1.0):
        assert at(ratio) == cost.backbone_gmacs(backbone, ratio)


def test_a_callers_cache_changes_no_number():
    kept = {}

    def once(key, make):
        return kept.setdefault(key, None) or kept.__setitem__(key, make()) or kept[key]

    asked = [{"keep": 0.4}, {"keep": 0.8}, {"keep": 0.8, "reduction": ToMe(4, "second_half")}, {}]
    for one in asked:
        assert cost.estimate("test_vit", "test_resnet", **one, once=once) == cost.estimate(
            "test_vit", "test_resnet", **one
        )
    assert len(kept) == 3


def test_other_methods_are_quoted():
    quoted = cost.other_methods()
    assert {"TokenFusion", "GTP-ViT", "DynamicViT", "DynSwin"} <= {row["method"] for row in quoted}
    assert all(row["paper_gmacs"] > 0 and row["paper_top1"] > 50 for row in quoted)


def test_a_configuration(capsys):
    command = ["cost", "--backbone", "vit_base_patch16_224", "--proposal", "mobileone_s0", "--keep", "0.5"]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["gmacs_full"] == pytest.approx(17.56, abs=0.01)
    assert found["gmacs_proposal"] == pytest.approx(0.274, abs=5e-4)
    assert found["gmacs_pruned"] == pytest.approx(8.98, abs=5e-3)
    assert (found["patches"], found["kept"]) == (196, 98)
    assert main(command) == 0
    assert "98 of 196 patches" in capsys.readouterr().out


def test_merging_is_where_the_papers_have_it_unless_said():
    alone = cost.estimate("vit_small_patch16_224", reduction=asked({"tome_r": 8}))
    after = cost.estimate("vit_small_patch16_224", keep=0.5, reduction=asked({"tome_r": 8}))
    everywhere = cost.estimate("vit_small_patch16_224", keep=0.5, reduction=ToMe(8))
    assert (alone["tome_layers"], after["tome_layers"]) == ("all", "second_half")
    assert everywhere["gmacs_pruned"] < after["gmacs_pruned"] < alone["gmacs_pruned"] < alone["gmacs_full"]


def test_the_proposal_may_see_another_size():
    small = cost.estimate("convnext_tiny", "resnet18", keep=0.5)
    large = cost.estimate("convnext_tiny", "resnet18", keep=0.5, proposal_input=448)
    assert large["gmacs_proposal"] == pytest.approx(4 * small["gmacs_proposal"], rel=1e-3)
    assert small["patches"] == 196


VIT = ("--backbone", "vit_tiny_patch16_224")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--backbone"),
        (["--backbone", "convnext_tiny", "--tome-r", "8"], "cannot merge tokens"),
        ([*VIT, "--keep", "0"], "keep ratio"),
        ([*VIT, "--tome-r", "-1"], "whole numbers from 0"),
        ([*VIT, "--proposal", "vit_tiny_patch16_224"], "cannot be a proposal"),
        (["--backbone", "beit_base_patch16_224"], "cannot be pruned"),
        (["--backbone", "no_such_model"], "no backbone named"),
        ([*VIT, "--proposal", "resnet18", "--proposal-input", "3"], "32 pixels"),
    ],
)
def test_what_cannot_be_counted_gets_one_sentence(arguments, says, capsys):
    assert main(["cost", *arguments]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_counting_a_loaded_model_leaves_it_alone():
    backbone = load_backbone("test_vit", pretrained=False)
    before = {key: (value.data_ptr(), value._version) for key, value in backbone.state_dict().items()}
    plain = cost.backbone_gmacs(backbone)
    with torch.inference_mode():
        assert (
            cost.backbone_gmacs(backbone, 0.5, reduction=ToMe(4)) < cost.backbone_gmacs(backbone, 0.5) < plain
        )
    after = {key: (value.data_ptr(), value._version) for key, value in backbone.state_dict().items()}
    assert after == before


def test_a_hierarchical_model_saves_its_pixel_operators_alone():
    backbone = load_backbone("convnext_atto", pretrained=False)
    kept = [rows.shape[1] for rows in backbone.select(torch.zeros(1, 7, 7), 0.5)]
    saved = sum(
        (height * width - k) * module.weight.numel()
        for (height, width), k, stage in zip(backbone.grids, kept, backbone.model.stages)
        for block in stage.blocks
        for module in (block.mlp.fc1, block.mlp.fc2)
    )
    full, half = cost.backbone_gmacs(backbone), cost.backbone_gmacs(backbone, 0.5)
    assert full - half == pytest.approx(saved / 1e9, rel=1e-6)


def test_errors_in_words():
    with pytest.raises(UnsupportedModel):
        cost.backbone_gmacs(load_backbone("convnext_atto", pretrained=False), reduction=ToMe(4))
    with pytest.raises(InvalidInput):
        cost.estimate("vit_tiny_patch16_224", reduction=asked({"tome_r": 4, "tome_layers": "third"}))
