"""A budget a picture: the count against a plain loop, and rows against single pictures."""

import numpy as np
import pytest
import torch
from test_evaluate import models, own_models, photos  # noqa: F401

from papr_core import InvalidInput, Stopped, load_backbone, load_proposal, patch_significance
from papr_core.cost import backbone_gmacs
from papr_core.data.datasets import open_dataset
from papr_core.evaluation.budgets import equal_ratio
from papr_core.evaluation.run import evaluate
from papr_core.pruning.selection import num_in_mass


def slow_count(values, mass) -> int:
    above = [value - min(values) for value in values]
    if not sum(above):
        return len(values)
    held = 0.0
    for count, value in enumerate(sorted(above, reverse=True), start=1):
        held += value
        if held >= mass * sum(above) - 1e-9 * sum(above):
            return count
    raise AssertionError


@pytest.mark.parametrize("mass", [0.01, 0.3, 0.5, 0.9, 1.0])
def test_the_fewest_patches_that_hold_a_share(mass):
    maps = torch.randn(6, 5, 7, generator=torch.Generator().manual_seed(1))
    maps[3] = 2.0  # ranks nothing
    maps[4] = (torch.arange(35.0).view(5, 7) > 32).float()
    counts = num_in_mass(maps, mass).tolist()
    assert counts == [slow_count(one.flatten().tolist(), mass) for one in maps]
    assert counts[3] == 35
    assert counts[4] == (1 if mass <= 0.5 else 2)


@pytest.mark.parametrize("mass", [0, 1.5, True, "half", float("nan")])
def test_a_share_that_is_none_is_refused(mass):
    with pytest.raises(InvalidInput, match="mass must be above 0"):
        num_in_mass(torch.rand(1, 2, 2), mass)


def test_rows_agree_with_single_pictures(photos, own_models):  # noqa: F811
    backbone, proposal = load_backbone("small_vit"), load_proposal("small_net")
    data = open_dataset(photos, limit=9)
    found = evaluate(
        data,
        backbone=backbone,
        proposal=proposal,
        keep=(1,),
        methods=("papr", "random"),
        mass=[0.5],
        batch_size=4,
    )
    papr, random = found["mass"]
    counts, confidences, costs = [], [], []
    for i, (_, folder) in enumerate(data.samples):
        crop = backbone.fit(data.read(i))
        with torch.no_grad():
            coarse = proposal.features(proposal.view(crop)).mean(dim=1)
            values = patch_significance(coarse, backbone.grid).flatten().tolist()
            counts.append(slow_count(values, 0.5))
            out = backbone(backbone.view(crop), backbone.select_count(coarse, counts[-1]))
        confidences.append(100 * float(out.softmax(-1)[0, backbone.labels.synsets.index(folder)]))
        costs.append(backbone_gmacs(backbone, counts[-1] / (backbone.num_patches + 1)))
    assert len(set(counts)) > 2
    assert papr["kept"] == pytest.approx(np.mean(counts))
    assert papr["confidence"] == pytest.approx(np.mean(confidences), abs=1e-2)
    assert papr["gmacs_backbone"] == pytest.approx(np.mean(costs), rel=1e-5)
    assert papr["fixed"]["gmacs"] == pytest.approx(papr["gmacs"], rel=0.03)
    ratio = papr["fixed"]["keep"]
    plain = evaluate(data, backbone=backbone, proposal=proposal, keep=(ratio,), methods=("papr",))
    assert plain["rows"][0]["confidence"] == pytest.approx(papr["fixed"]["confidence"], abs=1e-3)
    assert papr["less_fixed"] == pytest.approx(papr["top1"] - plain["rows"][0]["top1"])
    assert random["gmacs_proposal"] == 0
    assert random["kept_5"] == random["kept_95"]  # chance's maps hold the same values in another order


def test_the_ratio_of_equal_cost():
    assert equal_ratio(3.1, lambda ratio: 10 * ratio, patches=9, prefix=1) == 0.3
    assert equal_ratio(99.0, lambda ratio: 10 * ratio, patches=9, prefix=1) == 1


def test_a_budget_that_was_ended_goes_on_where_it_stopped(photos, own_models, tmp_path):  # noqa: F811
    """In either of its two passes, and with more pictures than before; the numbers are those of one run."""
    how = {"backbone": "small_vit", "proposal": "small_net", "keep": (0.5,), "methods": ("papr", "random")}
    how |= {"mass": [0.4, 0.8], "batch_size": 3, "resume": tmp_path}
    folders = []
    for last in (6, 8):  # five batches of the table's own come first, then five of the budget, then the ratio
        calls = []

        def ended(done, of, calls=calls, last=last):
            calls.append(done)
            if len(calls) == last:
                raise Stopped

        with pytest.raises(Stopped):
            evaluate(photos, limit=15, **how, progress=ended)
        folders.append({folder.name.split("-")[0] for folder in tmp_path.iterdir() if folder.is_dir()})
    assert folders == [{"mass"}, {"mass", "one"}]
    resumed = evaluate(photos, limit=15, **how)
    assert resumed["mass"] == evaluate(photos, limit=15, **(how | {"resume": None}))["mass"]
    assert {row["n"] for row in evaluate(photos, limit=18, **how)["mass"]} == {18}
    with pytest.raises(InvalidInput, match="another evaluation"):
        evaluate(photos, limit=15, **(how | {"mass": [0.3]}))
