"""The embedded pair: there without a network, small, quick, and right often enough to show pruning."""

import json
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch

import papr_core
from papr_core.data.datasets import open_dataset
from papr_core.data.images import read_image
from papr_core.models import weights
from papr_core.models.labels import match_classes

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "assets"


@pytest.fixture
def offline(monkeypatch):
    def refused(*_):
        raise AssertionError("something asked for the network")

    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr(socket.socket, "connect", refused)


@pytest.fixture(scope="module")
def pair():
    return papr_core.load_proposal(), papr_core.load_backbone()


def test_both_load_from_the_repository_without_a_network(offline):
    for load in (papr_core.load_proposal, papr_core.load_backbone):
        model = load()
        assert model.weights.kind == "embedded"
        assert model.weights.path.parent == ASSETS
        assert len(model.labels) == 200
        assert model.labels.synsets is not None
    assert sum(path.stat().st_size for path in ASSETS.glob("*.safetensors")) < 25e6


INSTALLED = """
import json, sys
import papr_core
from papr_core.commands.main import main
models = papr_core.load_proposal(), papr_core.load_backbone()
print(json.dumps([str(model.weights.path) for model in models]))
sys.exit(main(["compare", sys.argv[1], "--methods", "papr", "--json"]))
"""


def test_an_installed_wheel_has_the_pair(tmp_path):
    """Built as `pip install .` builds it, and used where no repository is near."""
    source, site, elsewhere = (tmp_path / name for name in ("source", "site", "elsewhere"))
    for folder in ("papr_core", "assets"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.txt", "requirements-test.txt"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "-w", tmp_path, source], check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(site)
    for path in (source / "papr_core").rglob("*.*"):
        assert (site / path.relative_to(source)).exists(), path  # every room, and the tables beside modules
    elsewhere.mkdir()
    picture = shutil.copy(ASSETS / "examples" / "coffee.jpg", elsewhere)
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(site)!r})\n{INSTALLED}", picture],
        cwd=elsewhere, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    paths, result = map(json.loads, done.stdout.splitlines())
    assert paths == [
        str(site / "papr_core" / "assets" / f"papr_{name}.safetensors") for name in ("proposal", "backbone")
    ]
    assert result["target"]["label"] == "espresso"


def test_the_second_loading_takes_little_of_the_processor(pair):
    """Processor time, not the clock's: the target is half a second, and a busy machine must not decide."""
    start = time.process_time()
    papr_core.load_proposal()
    papr_core.load_backbone()
    assert time.process_time() - start < 2.0


def test_the_card_names_the_files_as_they_are():
    card = (ASSETS / "README.md").read_text(encoding="utf-8")
    for name in ("papr_proposal", "papr_backbone"):
        assert weights.sha256(ASSETS / f"{name}.safetensors") in card


def test_a_bundled_photograph_is_named(pair, offline):
    proposal, backbone = pair
    crop = backbone.fit(read_image(ASSETS / "examples" / "coffee.jpg"))
    with torch.inference_mode():
        for model in (proposal, backbone):
            assert model.labels[int(model(model.view(crop)).argmax())] == "espresso"


def test_papr_keeps_the_answer_far_more_often_than_its_reverse(pair):
    """On 200 photographs of Caltech-101, none of them trained on, at keep ratio 0.4."""
    proposal, backbone = pair
    data = open_dataset(ROOT / "tests" / "data" / "caltech101-200")
    crops = [backbone.fit(data.read(i)) for i in range(len(data))]
    kept = {"papr": 0, "reversed": 0}
    right = 0
    classes = torch.tensor([match_classes(data.classes, backbone.labels)[i] for i in data.class_indices])
    with torch.inference_mode():
        for start in range(0, len(crops), 50):
            images = torch.cat([backbone.view(crop) for crop in crops[start : start + 50]])
            features = proposal.features(torch.cat([proposal.view(c) for c in crops[start : start + 50]]))
            full = backbone(images).argmax(1)
            right += int((full == classes[start : start + 50]).sum())
            for name, sign in (("papr", 1), ("reversed", -1)):
                chosen = backbone.select(sign * features.mean(1), 0.4)
                kept[name] += int((backbone(images, chosen).argmax(1) == full).sum())
    assert len(crops) == 200
    assert right >= 60
    assert 100 * (kept["papr"] - kept["reversed"]) / len(crops) >= 15, kept
