"""Several ConvNets on one picture, and the figures drawn from what was measured."""

import json
import runpy

import numpy as np
import pytest
import torch
from conftest import ROOT
from page_server import picture

from papr_core import InvalidInput, figures, load_proposal
from papr_core.commands.main import main
from papr_core.comparison.agreement import Look, agreement, compare_proposals
from papr_core.evaluation import tradeoff
from papr_core.models.embedded import DEFAULT_PROPOSAL


@pytest.fixture(scope="module")
def found():
    torch.manual_seed(0)
    convnets = [load_proposal(name, pretrained=False) for name in ("test_resnet", "test_efficientnet")]
    return compare_proposals(picture(), convnets, backbone="vit_tiny_patch16_224", keep=(0.5, 0.3))


def a_look(kept: list[int], patches: int = 8) -> Look:
    return Look("", "", 0.0, 0, torch.zeros(1, patches), {0.5: torch.tensor(kept)}, "", 0.0)


def test_shares_by_hand():
    for case in json.loads((ROOT / "tests/data/agreements.json").read_text()):
        looks = [a_look(order[: case["k"]], len(order)) for order in case["orders"]]
        assert agreement(looks, 0.5) == pytest.approx((case["alike"], case["kept"])), case
    with pytest.raises(InvalidInput):
        agreement([a_look([0, 1])], 0.3)
    with pytest.raises(InvalidInput):
        agreement([], 0.5)


def test_each_look(found):
    assert found.grid == (14, 14)
    for one in found.looks:
        assert one.significance.shape == (14, 14)
        assert [len(rows) for rows in one.kept.values()] == [98, 59]
        assert set(one.kept[0.3].tolist()) < set(one.kept[0.5].tolist())
        best = one.significance.flatten().argsort(descending=True)[:59]
        assert set(best.tolist()) == set(one.kept[0.3].tolist())
        assert one.gmacs > 0
    assert "all 2 keep" in found.caption
    said = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert [row["keep"] for row in said["agreement"]] == [0.5, 0.3]
    assert figures.figure_bytes(found.figure(), "png").startswith(b"\x89PNG")


def test_a_control_is_the_same_each_time_and_is_not_counted():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    found = [
        compare_proposals(picture(), [DEFAULT_PROPOSAL], controls=[DEFAULT_PROPOSAL], keep=(0.5,))
        for _ in "12"
    ]
    assert torch.equal(torch.random.get_rng_state(), before)
    (trained, control), (_, again) = (one.looks for one in found)
    assert (trained.control, control.control) == (False, True)
    assert torch.equal(control.significance, again.significance)
    assert float(control.significance.std()) > 0
    assert control.gmacs == trained.gmacs
    assert "untrained" in control.title
    assert found[0].to_dict()["agreement"] == [{"keep": 0.5, "alike": 1, "kept_by_all": 1}]
    assert "the untrained network keeps" in found[0].caption


def test_nothing_to_compare():
    with pytest.raises(InvalidInput):
        compare_proposals(picture(), [])


# Figures of what evaluate printed


def result(backbone="big", keep=(1.0, 0.5), r=(0, 8), **other) -> dict:
    rows = [
        {
            "subset": "all",
            "method": "full" if ratio == 1 else "papr",
            "keep": ratio,
            "tome_r": merged,
            "n": 50,
            "gmacs_backbone": 10 * ratio - merged / 4,
            "gmacs_proposal": 0.0,
            "gmacs": 10 * ratio - merged / 4,
            "top1": 80 * ratio,
            "top1_low": 80 * ratio - 1,
            "top1_high": 80 * ratio + 1,
            "topk": [80 * ratio + k for k in range(10)],
        }
        for ratio in keep
        for merged in r
    ]
    about = {"data": "photos", "n": 50, "classes": "model", "backbone": backbone, "proposal": "small"}
    return about | {"rows": rows} | other


def test_a_line_a_keep_ratio_and_a_point_an_r():
    older, newer = result(r=(8,)), result(r=(0,), fit="crop", explain="proposal")
    (axes,) = tradeoff.pareto_figure([older, newer]).axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert set(lines) == {"nothing pruned", "keep 0.5"}
    np.testing.assert_allclose(lines["keep 0.5"].get_xdata(), [3, 5])
    np.testing.assert_allclose(lines["keep 0.5"].get_ydata(), [40, 40])
    assert [text.get_text() for text in axes.texts] == ["r 8", "r 8"]


def test_a_line_a_model():
    (axes,) = tradeoff.topk_figure([result(), result("small")]).axes
    lines = axes.get_lines()
    assert [line.get_label() for line in lines] == ["big", "small"]
    np.testing.assert_allclose(lines[0].get_ydata(), [80 + k for k in range(10)])


@pytest.mark.parametrize(
    ("draw", "results", "says"),
    [
        (tradeoff.pareto_figure, [result(), result(data="others")], "data"),
        (tradeoff.pareto_figure, [result(), result(explain="target"), result(explain="proposal")], "explain"),
        (tradeoff.pareto_figure, [result(backbone_sha256="0a"), result(backbone_sha256="0b")], "sha256"),
        (tradeoff.pareto_figure, [result(keep=(1.0,))], "no papr"),
        (tradeoff.topk_figure, [result(fit="pad"), result(fit="crop")], "differ in fit"),
        (tradeoff.topk_figure, [result(keep=(0.5,))], "keep 1"),
        (tradeoff.topk_figure, [result(), result(n=3)], "differ in n"),
    ],
)
def test_what_does_not_belong_together_is_refused(draw, results, says):
    with pytest.raises(InvalidInput, match=says):
        draw(results)


def test_the_card_has_a_cell_for_each_ratio_and_merging():
    tables = runpy.run_path(str(ROOT / "recipes" / "card_table.py"))["tables"]
    difference = {
        "subset": "all",
        "method": "papr",
        "minus": "cam",
        "keep": 0.5,
        "top1": 2,
        "low": 1,
        "high": 3,
    }
    found = tables(result(differences=[difference, difference | {"tome_r": 8, "top1": 4}])).splitlines()
    assert "n = 50, full model 80.0 (79.0 to 81.0)." in found[2]
    assert found[4] == "| method | 1, r 8 | 0.5 | 0.5, r 8 |"
    assert found[6:8] == [
        "| merged alone | 80.0 (79.0 to 81.0) |  |  |",
        "| papr |  | 40.0 (39.0 to 41.0) | 40.0 (39.0 to 41.0) |",
    ]
    assert found[8] == "| *papr less cam* |  | +2.0 (+1.0 to +3.0) | +4.0 (+1.0 to +3.0) |"
    with pytest.raises(SystemExit, match="evaluate with keep 1 too"):
        tables(result(keep=(0.5,)))


def test_the_commands(tmp_path, capsys):
    (tmp_path / "a.json").write_text(json.dumps(result()))
    (tmp_path / "bad.json").write_text("[]")
    for figure in ("pareto", "topk"):
        out = tmp_path / f"{figure}.svg"
        assert main(["figure", figure, str(tmp_path / "a.json"), "--out", str(out)]) == 0
        assert out.stat().st_size > 1000
        assert main(["figure", figure, str(tmp_path / "bad.json"), "--out", str(out)]) == 2
        assert "not what `evaluate --json` prints" in capsys.readouterr().err
    assert main(["figure", "topk", str(tmp_path / "a.json"), "--method", "cam", "--out", str(out)]) == 2
    assert "--method" in capsys.readouterr().err  # it has no say there
    picture().save(tmp_path / "p.png")
    command = ["figure", "proposals", str(tmp_path / "p.png"), "--proposals", DEFAULT_PROPOSAL]
    assert main([*command, "--out", str(tmp_path / "p.pdf"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["proposals"][0]["name"] == DEFAULT_PROPOSAL
    assert said["agreement"][0]["alike"] == 1


# Mosaic


def test_a_mosaic_shows_each_group_in_its_mean_colour():
    image = np.zeros((40, 80, 3), dtype=np.uint8)
    image[:20, :20], image[20:, :20] = 100, 200
    groups = np.array([0, 1, 2, -1, 0, 1, 3, -1])  # a grid of 2 x 4: the left column is one token
    mosaic = figures.mosaic_image(image, groups, (2, 4))
    assert (mosaic[5, 5] == 150).all()
    assert (mosaic[35, 10] == 150).all()
    assert (mosaic[5, 70] == figures.masked_image(image, np.array([0]), (2, 4))[5, 70]).all()
    assert (mosaic[20, 45] == 0).all()
    image[:] = 90
    mosaic = figures.mosaic_image(image, groups, (2, 4))
    assert (mosaic[20, 50] < 90).all()  # a line between 2 and 3
    assert (mosaic[20, 10] == 90).all()  # none inside a group
