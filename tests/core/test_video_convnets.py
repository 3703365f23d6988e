"""X3D and Slow-only: names, shapes and outputs against the reference, published files, cost."""

import json
from pathlib import Path

import fill
import numpy as np
import pytest
import torch
from PIL import Image

from papr_core import UnknownModel, UnsupportedModel, WeightsUnavailable
from papr_core.cost import count_macs
from papr_core.methods import table as methods
from papr_core.models import catalog, weights
from papr_core.models.catalog import PROPOSALS
from papr_core.models.proposals import load_proposal
from papr_core.models.proposals.clips import build

REFERENCE = json.loads((Path(__file__).resolve().parents[1] / "data" / "video_convnets.json").read_text())
NETS = REFERENCE["nets"]


@pytest.fixture(scope="module")
def filled():
    """Each network with the reference's weights, made once."""
    made = {}

    def network(name):
        if name not in made:
            made[name] = fill.fill(build(name))
        return made[name]

    return network


def test_the_weights_of_the_reference_are_made_right():
    for name, expected in REFERENCE["fill_check"].items():
        if name != "input":
            values = fill.uniform(name, expected["shape"]).flatten()[:4].tolist()
            assert values == pytest.approx(expected["uniform_first4"], abs=1e-7)
    clip = fill.input(REFERENCE["fill_check"]["input"]["shape"]).flatten()
    expected = REFERENCE["fill_check"]["input"]
    assert clip[expected["index"]].tolist() == pytest.approx(expected["value"], abs=1e-6)


@pytest.mark.parametrize("name", NETS)
def test_parameters_have_the_published_names_and_shapes(name):
    with torch.device("meta"):
        network = build(name)
    found = [[key, list(value.shape)] for key, value in network.state_dict().items()]
    assert sorted(found) == sorted(NETS[name]["state_dict"])
    assert sum(value.numel() for value in network.parameters()) == NETS[name]["parameters"]


CASES = [
    pytest.param(name, i, id=f"{name}-{'x'.join(map(str, case['clip'][2:]))}")
    for name, net in NETS.items()
    for i, case in enumerate(net["cases"])
    if name != "slow_r101"  # the same code as slow_r50, twice the time; its shapes and costs are tested
]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_map_and_answer_are_the_reference_s(name, case, filled):
    case = NETS[name]["cases"][case]
    with torch.inference_mode():
        features = filled(name).features(fill.input(case["clip"]))
        like(features, case["last_stage"] if case["map"] == "last_stage" else case["map"])
        if case["logits"] is not None:
            like(filled(name).logits(features), case["logits"])


def like(found, expected):
    assert list(found.shape) == expected["shape"]
    assert found.flatten()[expected["index"]].tolist() == pytest.approx(expected["value"], abs=1e-3)
    assert float(found.mean()) == pytest.approx(expected["mean"], abs=1e-4)
    assert float(found.std(correction=0)) == pytest.approx(expected["std"], abs=1e-4)


@pytest.mark.parametrize("name", NETS)
def test_costs_are_the_reference_s(name):
    with torch.device("meta"):
        network = build(name)
        for case in NETS[name]["cases"]:
            macs = count_macs(network.features, torch.empty(case["clip"]))
            assert macs == case["costs"]["to_map"]["macs"]


# Published files


def published(name: str, path: Path) -> Path:
    """A file laid out as PyTorchVideo's: the weights beside an epoch, an optimiser and a configuration."""
    network = fill.fill(build(name))
    optimiser = {"state": {}, "param_groups": [{"lr": 0.1}]}
    whole = {"epoch": 3, "model_state": network.state_dict(), "optimizer_state": optimiser, "cfg": "TRAIN: x"}
    torch.save(whole, path)
    return path


@pytest.mark.parametrize("name", ["x3d_s", "slow_r50"])
def test_published_files_load_strictly(name, tmp_path):
    entry = PROPOSALS[name]
    published(name, tmp_path / entry.file)
    with weights.configured(weights_dir=tmp_path):
        proposal = load_proposal(name)
        assert proposal.weights.kind == "local"
        assert len(proposal.sha256) == 64
        expected = fill.fill(build(name)).state_dict()
        for key, value in proposal.model.state_dict().items():
            assert torch.equal(value, expected[key]), key
        assert proposal.labels.name == "kinetics-400"

        state = torch.load(tmp_path / entry.file, weights_only=True)
        state["model_state"].pop("blocks.5.proj.bias")
        torch.save(state, tmp_path / entry.file)
        with pytest.raises(WeightsUnavailable, match="not those of"):
            load_proposal(name)
        data = (tmp_path / entry.file).read_bytes()
        (tmp_path / entry.file).write_bytes(data[: len(data) // 2])
        with pytest.raises(WeightsUnavailable, match="damaged or of another format"):
            load_proposal(name)


def test_without_weights_one_sentence_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with weights.configured(weights_dir=tmp_path, downloads=False):
        with pytest.raises(WeightsUnavailable, match=r"put X3D_S\.pyth into your weights folder"):
            load_proposal("x3d_s")
        with pytest.raises(WeightsUnavailable, match="Nobody has published"):
            load_proposal("slow_r101")
    with pytest.raises(UnknownModel, match="no video ConvNet 'x3d_l'"):
        load_proposal("x3d_l")
    with pytest.raises(UnsupportedModel, match="looks at clips"):
        catalog.find("x3d_s", "proposal")


# As a proposal


def test_it_sees_a_clip_in_its_own_size_and_scale():
    proposal = load_proposal("x3d_xs", pretrained=False)
    crops = [Image.new("RGB", (224, 224), (i, 100, 200)) for i in range(16)]
    clips = proposal.view(crops)
    assert clips.shape == (1, 3, 4, 160, 160)
    shown = (clips[0, 0, :, 0, 0] * 0.225 + 0.45) * 255
    assert shown.round().int().tolist() == [0, 5, 10, 15]
    assert clips[0, 2].unique().tolist() == pytest.approx([(200 / 255 - 0.45) / 0.225])


def test_cam_needs_a_linear_head_and_x3d_has_none():
    x3d = load_proposal("x3d_xs", pretrained=False)
    slow = load_proposal("slow_r50", pretrained=False)
    assert "more than that" in methods.refusal("cam", x3d)
    assert methods.refusal("cam", slow) is None
    features = torch.rand(2, 2048, 8, 7, 7)
    with torch.inference_mode():
        expected = features.mean(dim=(2, 3, 4)) @ slow.class_weights.T + slow.model.classifier.bias
        torch.testing.assert_close(slow.logits(features), expected, atol=1e-4, rtol=1e-4)


def test_every_entry_has_a_network():
    for name, entry in ((name, one) for name, one in PROPOSALS.items() if one.sees_clips):
        with torch.device("meta"):
            proposal = load_proposal(name, pretrained=False, device="meta")
        assert proposal.input_size == entry.input_size
    assert len(PROPOSALS["x3d_s"].labels) == 400
    assert np.unique(PROPOSALS["x3d_s"].labels.names).size == 400
