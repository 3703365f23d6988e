"""Curves: areas by hand, painting to the pixel, and all of it against single pictures."""

import numpy as np
import pytest
import torch
from test_evaluate import models, own_models, photos  # noqa: F401

from papr_core import InvalidInput, load_backbone, load_proposal
from papr_core.comparison.areas import area
from papr_core.data.datasets import open_dataset
from papr_core.evaluation.configurations import configurations
from papr_core.evaluation.curves import curve_configurations, curve_rows
from papr_core.evaluation.painting import PAINTS, canvas, painted
from papr_core.evaluation.records import CONFIDENCE, TOP, WIDTH, Records
from papr_core.evaluation.run import evaluate
from papr_core.methods.controls import shuffled_maps

KEEP = (0.6, 0.25)


def test_areas_by_hand():
    """Trapezoids over 0.25, 0.5 and 1: (0 + 1) / 2 by 0.25 and (1 + 1) / 2 by 0.5, over 0.75."""
    assert area([0.25, 0.5, 1.0], np.array([0.0, 1.0, 1.0])) == pytest.approx((0.125 + 0.5) / 0.75)
    tried = (
        *configurations(("papr", "random"), (0.5, 0.25)),
        *curve_configurations(("papr", "random"), (0.5, 0.25)),
    )
    assert len(tried) == 1 + 4 + 2 * (1 + 2 * len(PAINTS)) + 2 * len(PAINTS)
    scores = np.zeros((2, len(tried), WIDTH), np.float32)
    scores[:, 0] = 1  # the full model is right
    for c, one in enumerate(tried):
        if one.method == "papr" and one.painted is None:
            scores[0, c, 0] = scores[0, c, CONFIDENCE] = not one.worst or one.keep == 0.5
        if one.method == "random" and one.keep == 0.5:
            scores[:, c, 0] = 0.4
    records = Records(np.arange(2), np.zeros((2, TOP + 1), np.float32), scores, [[]] * len(tried), {})
    rows = {
        (row["value"], row["method"], row["order"], row["removed"]): row for row in curve_rows(records, tried)
    }
    assert len(rows) == 2 * 2 * 2 * (1 + len(PAINTS))
    half = 0.5 * 0.5 / 0.75  # of the second picture: 0, 0, 1
    best, worst = (rows["accuracy", "papr", order, "dropped"] for order in ("insertion", "deletion"))
    assert best["area"] == pytest.approx(100 * (1 + half / 1) / 2)
    assert worst["area"] == pytest.approx(100 * ((0.125 + 0.5) / 0.75 + half) / 2)
    assert best["points"] == [50, 50, 100]
    chance = (0.4 / 2 * 0.25 + 0.7 * 0.5) / 0.75
    assert rows["accuracy", "random", "deletion", "dropped"]["area"] == pytest.approx(100 * chance)
    assert best["less_random"] == pytest.approx(best["area"] - 100 * chance)
    assert best["area_low"] <= best["area"] <= best["area_high"]
    assert rows["accuracy", "papr", "insertion", "grey"]["less_dropped"] == pytest.approx(
        100 * half - best["area"]
    )


@pytest.mark.parametrize("paint", PAINTS)
def test_patches_are_painted_to_the_pixel(paint, own_models):  # noqa: F811
    backbone = load_backbone("small_vit")
    pixels = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    images = backbone.normalise(pixels)
    over = canvas(images, paint, backbone)
    seen = painted(images, torch.tensor([[0, 7], [3, 35]]), backbone.grid, over)
    for i, kept in enumerate([(0, 7), (3, 35)]):
        for patch in range(36):
            top, left = 8 * (patch // 6), 8 * (patch % 6)
            place = (i, slice(None), slice(top, top + 8), slice(left, left + 8))
            assert torch.equal(seen[place], (images if patch in kept else over)[place])
    if paint == "grey":
        assert torch.equal(over, backbone.normalise(torch.full_like(pixels, 0.5)))
    if paint == "mean":
        assert over[1, 2].unique().item() == pytest.approx(float(images[1, 2].mean()))
    if paint == "blur":
        assert over.std() < 0.5 * images.std()
        assert over.mean() == pytest.approx(float(images.mean()), abs=0.05)


def test_curves_agree_with_a_plain_loop(photos, own_models):  # noqa: F811
    backbone, proposal = load_backbone("small_vit"), load_proposal("small_net")
    data = open_dataset(photos, limit=6)
    found = evaluate(
        data, backbone=backbone, proposal=proposal, keep=KEEP, methods=("random", "papr"), curves=True
    )
    assert len([row for row in found["rows"] if row["subset"] == "all"]) == 4  # the table holds what it held
    expected: dict[tuple, list] = {}
    for i, (key, folder) in enumerate(data.samples):
        truth = backbone.labels.synsets.index(folder)
        crop = backbone.fit(data.read(i))
        image = backbone.view(crop)
        with torch.no_grad():
            whole = float(backbone(image).softmax(-1)[0, truth])
            features = proposal.features(proposal.view(crop))
            maps = {"papr": features.mean(dim=1), "random": shuffled_maps(backbone.grid, 0, [key], 5)[0]}
            for order, sign in (("insertion", 1), ("deletion", -1)):
                for name in maps:
                    for removed in ("dropped", *PAINTS):
                        points = []
                        draws = maps[name] if removed == "dropped" else maps[name][:1]
                        for keep in sorted(KEEP):
                            said = []
                            for draw in draws:
                                coarse = draw[None] if name == "random" else sign * draw[None]
                                kept = backbone.select(coarse, keep)
                                if removed == "dropped":
                                    out = backbone(image, kept)
                                else:
                                    out = backbone(
                                        painted(image, kept, (6, 6), canvas(image, removed, backbone))
                                    )
                                said.append(float(out.softmax(-1)[0, truth]))
                            points.append(np.mean(said))
                        expected.setdefault((name, order, removed), []).append([*points, whole])
    rows = [row for row in found["curves"] if row["value"] == "confidence"]
    assert len(rows) == len(expected)
    for row in rows:
        curves = 100 * np.array(expected[row["method"], row["order"], row["removed"]])
        assert row["points"] == pytest.approx(curves.mean(axis=0), abs=1e-2)
        assert row["area"] == pytest.approx(area([*sorted(KEEP), 1.0], curves).mean(), abs=1e-2)


def test_curves_are_of_pictures(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.mp4").write_bytes(b"none")
    for asked in ({"curves": True}, {"cascade": True}, {"mass": [0.5]}):
        with pytest.raises(InvalidInput, match="for pictures, not for clips"):
            evaluate(tmp_path, views="1x1", **asked)
