"""hf:OWNER/NAME: checkpoints in the hub's own file formats, from the own folder and from the hub's cache."""

import json

import pytest
import torch
from test_prune import SIDE, answer, of_transformers

from papr_core import InvalidInput, UnknownModel, UnsupportedModel, WeightsUnavailable, compare, load_backbone
from papr_core.cost import estimate
from papr_core.models import catalog, weights
from papr_core.models.listing import fetch_models, model_rows

NAMES = {i: f"thing {i}" for i in range(5)}
SETTINGS = {
    "image_mean": [0.48, 0.45, 0.4],
    "image_std": [0.27, 0.26, 0.28],
    "size": {"height": SIDE, "width": SIDE},
}


def write(folder, kind: str, **changes):
    model = of_transformers(kind, **changes)
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(SETTINGS))
    return model


@pytest.fixture
def own(tmp_path):
    with weights.configured(weights_dir=tmp_path, downloads=False):
        yield tmp_path


@torch.inference_mode()
@pytest.mark.parametrize(
    "kind", ["ViTForImageClassification", "Dinov2WithRegistersForImageClassification", "SiglipVisionModel"]
)
def test_a_saved_model_is_found_in_the_own_folder(kind, own):
    changes = {"id2label": NAMES} if "Classification" in kind else {}
    model = write(own / "mine", kind, **changes)
    backbone = load_backbone("hf:someone/mine")
    pictures = torch.randn(2, 3, SIDE, SIDE)
    torch.testing.assert_close(backbone(pictures), answer(model(pictures)))
    assert backbone.weights.kind == "local"
    assert backbone._view.mean == (0.48, 0.45, 0.4)
    assert backbone.labels.names == (tuple(NAMES.values()) if changes else ())
    assert backbone.sha256 == weights.sha256(own / "mine" / "model.safetensors")
    entry = catalog.find("hf:mine", "backbone")
    assert (entry.labels, entry.input_size, entry.source) == (backbone.labels, (3, SIDE, SIDE), "local")


@torch.inference_mode()
def test_the_hub_s_cache_is_read_and_both_towers_give_the_image_s(tmp_path, monkeypatch):
    import transformers

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--openai--small-clip" / "snapshots" / ("0" * 40)
    vision = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    text = {**vision, "vocab_size": 60, "max_position_embeddings": 8}
    both = transformers.CLIPModel(
        transformers.CLIPConfig(
            vision_config={**vision, "image_size": SIDE, "patch_size": 8}, text_config=text, projection_dim=12
        )
    ).eval()
    both.save_pretrained(snapshot)
    (snapshot / "preprocessor_config.json").write_text(json.dumps(SETTINGS))
    refs = tmp_path / "models--openai--small-clip" / "refs"
    refs.mkdir()
    (refs / "main").write_text("0" * 40)
    backbone = load_backbone("hf:openai/small-clip")
    pictures = torch.randn(1, 3, SIDE, SIDE)
    torch.testing.assert_close(backbone(pictures), both.get_image_features(pictures).pooler_output)
    assert backbone.headless
    assert backbone.weights.kind == "cached"


def test_it_is_a_backbone_like_any_other(own):
    write(own / "mine", "Dinov2ForImageClassification", id2label=NAMES)
    result = compare("assets/examples/coffee.jpg", backbone="hf:mine", methods=["papr"], curve=False)
    assert result.models["backbone"]["name"] == "hf:mine"
    assert result.methods[0].kept == 14
    told = estimate("hf:mine", "mobilenetv1_025", keep=0.4)
    assert (told["patches"], told["kept"]) == (36, 14)
    assert told["gmacs_pruned"] - told["gmacs_proposal"] < told["gmacs_full"]
    assert [source.kind for source in fetch_models(["hf:mine"])] == ["local"]


def test_those_of_the_catalogue_say_what_they_are_before_they_are_here(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    rows = {row["name"]: row for row in model_rows()}
    row = rows["hf:facebook/dinov2-small-imagenet1k-1-layer"]
    assert (row["classes"], row["input_size"], row["weights"]) == (1000, [3, 224, 224], "download")
    assert row["licence"] == "apache-2.0"
    with (
        weights.configured(downloads=False),
        pytest.raises(WeightsUnavailable, match="put the folder dinov2"),
    ):
        load_backbone("hf:facebook/dinov2-small-imagenet1k-1-layer")


@pytest.mark.parametrize(
    "name", ["hf:", "hf:../x", "hf:a/b/c", "hf:/etc", "hf:a b", "hf:.hidden", "hf:a/../b"]
)
def test_what_is_no_repository_is_refused(name):
    with pytest.raises(UnknownModel, match="named hf:OWNER/NAME"):
        catalog.find(name, "backbone")


def test_damaged_and_strange_folders_are_refused_in_one_sentence(own):
    with pytest.raises(UnsupportedModel, match="A proposal is a ConvNet"):
        catalog.find("hf:mine", "proposal")
    write(own / "mine", "ViTForImageClassification")
    with pytest.raises(InvalidInput, match="cannot 'keep' anything"):
        load_backbone("hf:mine", residual="keep")
    with pytest.raises(InvalidInput, match="multiples of 8"):
        load_backbone("hf:mine", img_size=50)
    (own / "mine" / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(WeightsUnavailable, match="damaged or of another format"):
        load_backbone("hf:mine")
    config = own / "mine" / "config.json"
    for architecture, why in (
        ("BertModel", "no place known"),
        ("NoSuchModel", "transformers has no NoSuchModel"),
    ):
        config.write_text(json.dumps({"architectures": [architecture]}))
        with pytest.raises(UnsupportedModel, match=why):
            load_backbone("hf:mine")
