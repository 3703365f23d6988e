"""Merged tokens of one picture: what is said of them, and that they are the backbone's own."""

import json
from pathlib import Path

import pytest
import torch

from papr_core import InvalidInput, UnsupportedModel, load_backbone, load_proposal
from papr_core.commands.main import main
from papr_core.comparison.mosaic import merge_picture

PICTURE = str(Path(__file__).resolve().parents[2] / "assets" / "examples" / "coffee.jpg")


@pytest.fixture(scope="module")
def models():
    return {"proposal": load_proposal(), "backbone": load_backbone()}


@pytest.mark.parametrize(("keep", "r", "tokens"), [(1.0, 8, 196 - 12 * 8), (0.5, 8, 98 - 6 * 8)])
def test_patches_become_tokens(models, keep, r, tokens):
    found = merge_picture(PICTURE, keep=keep, tome_r=r, **models)
    assert found.groups.shape == (196,)
    assert found.kept == (196 if keep == 1 else 98)
    assert found.tokens == tokens
    assert f"end as {tokens} tokens" in found.caption
    backbone = models["backbone"]
    with torch.inference_mode():
        full = backbone(backbone.view(found.crop))[0].softmax(dim=0)
    assert found.label == backbone.labels[int(full.argmax())]
    assert found.full_confidence == pytest.approx(float(full.max()), abs=1e-5)
    assert 0 < found.confidence < 1


def test_a_backbone_without_a_classifier_tells_a_cosine():
    backbone = load_backbone("test_vit", pretrained=False)
    backbone.headless, backbone.model.head = True, torch.nn.Identity()
    found = merge_picture(PICTURE, backbone=backbone, tome_r=4)
    assert found.label is None
    assert -1 <= found.confidence <= 1
    assert "cosine" in found.caption
    json.dumps(found.to_dict(), allow_nan=False)


def test_what_cannot_be_merged_is_refused_before_any_download(models):
    with pytest.raises(InvalidInput, match="above 0"):
        merge_picture(PICTURE, tome_r=0, **models)
    with pytest.raises(InvalidInput, match="keep ratio"):
        merge_picture(PICTURE, keep=2, **models)
    with pytest.raises(UnsupportedModel, match="cannot merge"):
        merge_picture(PICTURE, backbone="convnext_tiny")


def test_the_command(tmp_path, capsys):
    command = ["figure", "merged", PICTURE, "--keep", "0.5", "--tome-r", "4", "--json", "--out"]
    assert main([*command, str(tmp_path / "m.png")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["kept"], said["tokens"], said["tome_layers"]) == (98, 98 - 6 * 4, "second_half")
    assert (tmp_path / "m.png").stat().st_size > 10_000
