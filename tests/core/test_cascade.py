"""A cascade from records made by hand, and from a run against single pictures."""

import hashlib

import numpy as np
import pytest
import torch
from test_evaluate import models, own_models, photos  # noqa: F401

from papr_core import InvalidInput, load_backbone, load_proposal
from papr_core.cost import backbone_gmacs, proposal_gmacs
from papr_core.data.datasets import open_dataset
from papr_core.evaluation.cascade import THRESHOLDS, cascade_rows
from papr_core.evaluation.configurations import Configuration
from papr_core.evaluation.records import COSTS, SURE, TOP, WIDTH, Records
from papr_core.evaluation.run import evaluate


def halves(keys):
    return [hashlib.sha256(f"half of {key}".encode()).digest()[0] % 2 for key in keys]


def test_by_hand():
    """The ConvNet is right exactly where it is more than 60 % sure, the backbone on every second picture."""
    n = 200
    keys = [f"{i}.jpg" for i in range(n)]
    sure = np.linspace(0.01, 1, n).astype(np.float32)
    proposal = np.zeros((n, TOP + 1), np.float32)
    proposal[:, 0], proposal[:, SURE] = sure > 0.6, sure
    scores = np.zeros((n, 1, WIDTH), np.float32)
    scores[:, 0, 0], scores[:, 0, COSTS] = np.arange(n) % 2, (2.0, 0.0)
    before = {"read": [(9.0, 1), (1.0, 100)], "look": [(9.0, 1), (2.0, 100)]}  # the first call warms up
    records = Records(np.arange(n), proposal, scores, [[(9.0, 1), (4.0, 100)]], before)
    (row,) = cascade_rows(records, [Configuration()], keys, 0.5, method="papr")
    assert row["alone"] == 50
    assert [point["t"] for point in row["curve"]] == list(THRESHOLDS)
    for point in row["curve"]:
        early = (sure >= point["t"]) & (point["t"] < 1)
        right = np.where(early, sure > 0.6, np.arange(n) % 2)
        assert point["answered"] == pytest.approx(100 * early.mean())
        assert point["top1"] == pytest.approx(100 * right.mean())
        assert point["top1_low"] <= point["top1"] <= point["top1_high"]
        assert point["gmacs_proposal"] == 0.5
        assert point["gmacs"] == pytest.approx(0.5 + 2 * (1 - early.mean()))
        assert point["seconds"] == pytest.approx(0.03 + 0.04 * (1 - early.mean()))
    second = np.array(halves(keys)) == 1
    chosen = row["chosen"]
    assert chosen["t"] == 0.6  # the least that never lets the ConvNet err
    assert (chosen["n"], chosen["n_chosen_on"]) == (second.sum(), n - second.sum())
    right = np.where(sure >= 0.6, sure > 0.6, np.arange(n) % 2)[second].mean()
    alone = (np.arange(n) % 2)[second].mean()
    assert chosen["top1"] == pytest.approx(100 * right)
    assert chosen["less_alone"][0] == pytest.approx(100 * (right - alone))
    assert chosen["less_alone"][1] > 0


def test_it_agrees_with_single_pictures(photos, own_models):  # noqa: F811
    backbone, proposal = load_backbone("small_vit"), load_proposal("small_net")
    data = open_dataset(photos)
    found = evaluate(
        data, backbone=backbone, proposal=proposal, keep=(1, 0.5), methods=("cam", "papr"), cascade=True
    )
    assert [(row["then"]["method"], row["then"]["keep"]) for row in found["cascade"]] == [
        ("full", 1),
        ("papr", 0.5),
    ]
    # a threshold that some pictures reach, whatever this machine's random networks are like
    t = next(point["t"] for point in found["cascade"][1]["curve"] if 0 < point["answered"] < 100)
    hits, early = [], 0
    for i, (_, folder) in enumerate(data.samples):
        truth = backbone.labels.synsets.index(folder)
        crop = backbone.fit(data.read(i))
        with torch.no_grad():
            features = proposal.features(proposal.view(crop))
            looked = proposal.logits(features).softmax(-1)[0]
            kept = backbone.select(features.mean(dim=1), 0.5)
            answer = looked.argmax() if looked.max() >= t else backbone(backbone.view(crop), kept).argmax()
        early += bool(looked.max() >= t)
        hits.append(int(answer) == truth)
    assert 0 < early < len(data)
    point = next(point for point in found["cascade"][1]["curve"] if point["t"] == t)
    assert point["top1"] == pytest.approx(100 * np.mean(hits))
    assert point["answered"] == pytest.approx(100 * early / len(data))
    spent = proposal_gmacs(proposal) + (1 - early / len(data)) * backbone_gmacs(backbone, 0.5)
    assert point["gmacs"] == pytest.approx(spent, rel=1e-5)


def test_a_convnet_that_knows_other_classes_cannot_answer(photos, own_models):  # noqa: F811
    with pytest.raises(InvalidInput, match="cannot answer in a cascade"):
        evaluate(
            photos, backbone="small_vit", proposal="strange_net", methods=("papr",), cascade=True, limit=12
        )
