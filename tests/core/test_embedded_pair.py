"""The embedded models: there without a network, small, quick, and right often enough to show pruning."""

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
from papr_core.data.images import read_image
from papr_core.models.embedded import (
    ASSETS,
    DEFAULT_BACKBONE,
    DEFAULT_PROPOSAL,
    EMBEDDED,
    EMBEDDED_BACKBONES,
    EMBEDDED_PROPOSALS,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def offline(monkeypatch):
    def refused(*_):
        raise AssertionError("something asked for the network")

    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr(socket.socket, "connect", refused)


@pytest.fixture(scope="module")
def pair():
    return papr_core.load_proposal(), papr_core.load_backbone()


@pytest.mark.parametrize("name", EMBEDDED)
def test_each_loads_from_the_repository_without_a_network(name, offline):
    model = (papr_core.load_proposal if name in EMBEDDED_PROPOSALS else papr_core.load_backbone)(name)
    assert model.weights.kind == "embedded"
    assert model.weights.path.parent == ASSETS
    assert len(model.labels) == (200 if name.endswith("tiny200") else 1000)
    assert model.labels.synsets is not None


def test_what_is_embedded_is_what_lies_there():
    assert {path.stem for path in ASSETS.glob("*.safetensors")} == set(EMBEDDED)
    assert {path.stem for path in ASSETS.glob("*.json")} == set(EMBEDDED)
    assert max(path.stat().st_size for path in ASSETS.rglob("*") if path.is_file()) < 30e6
    assert sum(map(len, (EMBEDDED_PROPOSALS, EMBEDDED_BACKBONES))) == len(set(EMBEDDED))


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
    shipped = [path.relative_to(ASSETS) for path in ASSETS.rglob("*") if path.is_file()]
    assert [path for path in shipped if not (site / "papr_core" / "assets" / path).is_file()] == []
    elsewhere.mkdir()
    picture = shutil.copy(ASSETS / "examples" / "coffee.jpg", elsewhere)
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(site)!r})\n{INSTALLED}", picture],
        cwd=elsewhere, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    paths, result = map(json.loads, done.stdout.splitlines())
    assert paths == [
        str(site / "papr_core" / "assets" / f"{name}.safetensors")
        for name in (DEFAULT_PROPOSAL, DEFAULT_BACKBONE)
    ]
    assert result["target"]["label"] == "espresso"


def test_the_second_loading_takes_little_of_the_processor(pair):
    """Processor time, not the clock's: the target is half a second, and a busy machine must not decide."""
    start = time.process_time()
    papr_core.load_proposal()
    papr_core.load_backbone()
    assert time.process_time() - start < 2.0


def test_a_bundled_photograph_is_named(pair, offline):
    proposal, backbone = pair
    crop = backbone.fit(read_image(ASSETS / "examples" / "coffee.jpg"))
    with torch.inference_mode():
        for model in (proposal, backbone):
            assert model.labels[int(model(model.view(crop)).argmax())] == "espresso"
