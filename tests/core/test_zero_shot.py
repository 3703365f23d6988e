"""Typed classes: CLIP and SigLIP with small random towers and tokenizers in the hub's own file format."""

import json

import pytest
import torch
import transformers
from towers import CLASSES, SIDE, write_towers

from papr_core import InvalidInput, UnsupportedModel, compare, prune
from papr_core.commands.main import main
from papr_core.models import hub, weights
from papr_core.models.backbones.hooked import seems_prunable
from papr_core.models.zero_shot import takes_classes, zero_shot


@pytest.fixture(params=["CLIP", "Siglip"])
def folder(request, tmp_path):
    """A model of both towers in the own folder, and the name of its kind."""
    place = tmp_path / "both"
    model = write_towers(place, request.param)
    with weights.configured(weights_dir=tmp_path, downloads=False):
        yield model, place


@torch.inference_mode()
def test_the_number_is_the_library_s_softmax_and_pruning_is_seen(folder):
    model, place = folder
    backbone = zero_shot("hf:both", CLASSES)
    pictures = torch.randn(2, 3, SIDE, SIDE)
    tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    texts = list(backbone.labels.names)
    padding = (
        {"padding": "max_length", "max_length": 24} if "Siglip" in type(model).__name__ else {"padding": True}
    )
    tokens = tokenizer(texts, return_tensors="pt", **padding)
    mask = {} if "Siglip" in type(model).__name__ else {"attention_mask": tokens["attention_mask"]}
    whole = model(pixel_values=pictures, input_ids=tokens["input_ids"], **mask)
    found = backbone(pictures).softmax(dim=-1)
    torch.testing.assert_close(found, whole.logits_per_image.softmax(dim=-1), rtol=1e-4, atol=1e-5)
    kept = backbone.select(torch.rand(2, 7, 7), 0.4)
    pruned = backbone(pictures, kept)
    assert not torch.allclose(pruned, backbone(pictures), rtol=1e-3)
    assert torch.allclose(pruned[:1], backbone(pictures[:1], kept[:1]), rtol=1e-3, atol=1e-4)
    assert texts == ["a photo of a mug", "a photo of a bowl", "a dog"]


def test_it_is_compared_pruned_and_called_from_the_command_line(folder, capsys):
    result = compare(
        "assets/examples/coffee.jpg", backbone=zero_shot("hf:both", CLASSES), methods=["papr"], curve=False
    )
    assert result.target.label in CLASSES
    photograph = ["compare", "assets/examples/coffee.jpg", "--backbone", "hf:both", "--methods", "papr"]
    assert main([*photograph, "--classes", CLASSES, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["full"]["confidence"] == pytest.approx(result.full_confidence, abs=1e-4)
    with torch.inference_mode():
        assert prune(zero_shot("hf:both", ["cat", "dog"]))(torch.randn(1, 3, SIDE, SIDE)).shape == (1, 2)


@torch.inference_mode()
def test_other_classes_need_no_other_model_and_leave_the_first_alone(folder):
    first = zero_shot("hf:both", CLASSES)
    pictures = torch.randn(2, 3, SIDE, SIDE)
    before = first(pictures)
    other = first.with_classes("cat;  a   dog ;cat")
    assert other.labels.names == ("cat", "a dog")
    assert torch.equal(other(pictures), zero_shot("hf:both", ["cat", "a dog"])(pictures))
    assert torch.equal(first(pictures), before)
    assert first.labels.names == ("a photo of a mug", "a photo of a bowl", "a dog")
    assert other.model is first.model
    assert takes_classes("hf:both")
    assert not takes_classes("test_vit")
    with pytest.raises(InvalidInput, match="at least two different classes"):
        first.with_classes("one")


def test_a_manifest_says_what_was_typed(folder):
    backbone = zero_shot("hf:both", CLASSES)
    result = compare("assets/examples/coffee.jpg", backbone=backbone, methods=["papr"], curve=False)
    assert result.manifest()["models"]["backbone"]["classes"] == CLASSES.split("; ")
    assert "classes" not in result.manifest()["models"]["proposal"]


def test_models_of_transformers_in_the_own_folder_are_found(folder):
    _, place = folder
    assert hub.own_repositories() == ("hf:both",)
    (place / "model.safetensors").rename(place / "other.safetensors")
    assert hub.own_repositories() == ()  # there are no weights
    known = ("CLIPModel", "SiglipModel", "Dinov2ForImageClassification", "ViTForImageClassification")
    assert all(map(seems_prunable, known))
    unknown = ("BertModel", "ViTMAEForPreTraining", "Siglip2Model", "CLIPTextModel", "BeitModel")
    assert not any(map(seems_prunable, unknown))


def test_what_cannot_be_is_refused(folder):
    model, place = folder
    for classes in ("", "one", "one; one ;", []):
        with pytest.raises(InvalidInput, match="at least two different classes"):
            zero_shot("hf:both", classes)
    with pytest.raises(InvalidInput, match="give tokenizer="):
        zero_shot(model, CLASSES)
    with pytest.raises(UnsupportedModel, match="need both towers"):
        zero_shot(torch.nn.Linear(1, 1), CLASSES)
    with pytest.raises(UnsupportedModel, match="both towers"):
        prune(model, mean=(0.5,) * 3, std=(0.5,) * 3)
    for file in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        (place / file).unlink()
    with pytest.raises(InvalidInput, match="hf:both has no tokenizer"):
        zero_shot("hf:both", CLASSES)
