"""A NAME.json that says little, much, nonsense or mischief; and files as trainers leave them."""

import argparse
import json
import time
import warnings
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.data import create_transform, resolve_data_config

from papr_core import InvalidInput, PaprError, UnknownModel, WeightsUnavailable, load_backbone, load_proposal
from papr_core.data.images import View
from papr_core.errors import PaprWarning
from papr_core.models import configuration, weights
from papr_core.models.catalog import BACKBONES, PROPOSALS

SMALL = {"depth": 1, "embed_dim": 48, "num_heads": 3}


@pytest.fixture
def own(tmp_path):
    with weights.configured(weights_dir=tmp_path):
        yield tmp_path


def written(folder, name: str, config: dict, model: torch.nn.Module | None = None, **arguments):
    """A small ViT beside a configuration; the model."""
    if model is None:
        model = timm.create_model("vit_tiny_patch16_224", **{**SMALL, "num_classes": 5, **arguments}).eval()
    save_file(model.state_dict(), folder / f"{name}.safetensors")
    (folder / f"{name}.json").write_text(json.dumps(config))
    return model


def config_of(tmp_path, given: dict) -> dict:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(given))
    return configuration.of_file(path)


# What is left out


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, entry in {**BACKBONES, **PROPOSALS}.items()
        if not entry.sees_clips and timm.is_model(entry.architecture)  # others are of transformers
    ],
)
def test_what_a_configuration_leaves_out_is_its_architecture_s_own(tmp_path, name):
    entry = {**BACKBONES, **PROPOSALS}[name]
    own = timm.get_pretrained_cfg(entry.architecture).to_dict()
    expected = resolve_data_config(pretrained_cfg=own)
    found = config_of(tmp_path, {"architecture": entry.architecture, "num_classes": 7})
    assert resolve_data_config(pretrained_cfg=found["pretrained_cfg"]) == expected
    assert found["num_classes"] == 7
    assert not found["pretrained_cfg"].get("license")
    assert not found["pretrained_cfg"].get("hf_hub_id")


@pytest.mark.parametrize(
    ("given", "size", "mean"),
    [
        ({}, 224, 0.5),
        ({"pretrained_cfg": {}}, 224, 0.5),
        ({"pretrained_cfg": None}, 224, 0.5),
        ({"pretrained_cfg": {"mean": None, "input_size": None}}, 224, 0.5),
        ({"mean": [0.25] * 3}, 224, 0.25),  # timm's older form, one flat dictionary
        ({"model_args": {"img_size": 384}}, 384, 0.5),
        ({"model_args": {"img_size": [384, 384]}, "pretrained_cfg": {"mean": [0.25] * 3}}, 384, 0.25),
        ({"pretrained_cfg": {"input_size": [3, 96, 96]}}, 96, 0.5),
        ({"architecture": "vit_tiny_patch16_384"}, 384, 0.5),
        ({"architecture": "vit_tiny_patch16_384", "pretrained_cfg": {"input_size": [3, 96, 96]}}, 96, 0.5),
        ({"architecture": "deit_tiny_patch16_224"}, 224, 0.485),
        ({"architecture": "vit_tiny_patch16_224.augreg_in21k"}, 224, 0.5),
    ],
)
def test_forms_that_say_little(own, given, size, mean):
    config = {"architecture": "vit_tiny_patch16_224", "num_classes": 5, **given}
    config["model_args"] = {**SMALL, **config.get("model_args", {})}
    written(own, "short", config, img_size=size)
    backbone = load_backbone("short")
    assert backbone.grid == (size // 16, size // 16)
    assert backbone._view.mean == (mean,) * 3 or backbone._view.mean[0] == mean
    assert len(backbone.labels) == 5


def test_a_short_configuration_sees_what_timm_sees(own):
    from PIL import Image

    written(own, "short", {"architecture": "vit_tiny_patch16_224", "num_classes": 5, "model_args": SMALL})
    backbone = load_backbone("short")
    picture = Image.effect_noise((301, 200), 90).convert("RGB")
    config = resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg("vit_tiny_patch16_224").to_dict())
    expected = create_transform(**config)(picture)
    assert (backbone.view(backbone.fit(picture))[0] - expected).abs().max() < 1e-5
    assert backbone._view == View((224, 224), (0.5,) * 3, (0.5,) * 3, 0.9, "bicubic", "center")


def test_keys_that_nobody_reads_are_named(own):
    config = {"architecture": "vit_tiny_patch16_224", "num_classes": 5, "model_args": SMALL, "crop": 0.9}
    written(own, "odd", {**config, "mean": [0.1] * 3, "pretrained_cfg": {"normalise": True}})
    with pytest.warns(
        PaprWarning, match=r"odd.json .*crop, mean, pretrained_cfg.normalise, which pretrained_cfg"
    ):
        load_backbone("odd")
    written(own, "even", {**config, "crop": None, "pretrained_cfg": {}})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config.pop("crop")
        written(own, "even", {**config, "num_features": 48, "global_pool": "token", "pretrained_cfg": {}})
        load_backbone("even")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"crop_mode": "middle"}, "crop_mode is one of"),
        ({"interpolation": "best"}, "interpolation is one of"),
        ({"crop_pct": 87.5}, "crop_pct is a fraction"),
        ({"crop_pct": 0}, "crop_pct is a fraction"),
        ({"std": [0, 0, 0]}, "zero"),
        ({"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}, "pictures from 0 to 1"),
        ({"mean": [0.5, 0.5, float("nan")]}, "finite"),
        ({"input_size": [3, 0, 224]}, "impossible"),
        ({"input_size": [4, 224, 224]}, "only models of RGB pictures"),
        ({"num_classes": -4}, "num_classes is a number from 0 up"),
        ({"num_classes": True}, "num_classes is a number from 0 up"),
        ({"num_classes": 4.5}, "num_classes is a number from 0 up"),
    ],
)
def test_values_that_cannot_be_meant(tmp_path, broken, said):
    with pytest.raises(WeightsUnavailable, match=said):
        config_of(tmp_path, {"architecture": "vit_tiny_patch16_224", "pretrained_cfg": broken})


# Mischief


@pytest.mark.parametrize(
    "arguments",
    [
        {"pretrained_strict": False},
        {"pretrained_cfg_overlay": {"num_classes": 9}},
        {"pretrained_filter_fn": "x"},
        {"pretrained_model_args": {}},
        {"kwargs_filter": ["img_size"]},
        {"checkpoint_path": "/etc/passwd"},
        {"scriptable": True},
        {"out_indices": [1]},
        {"depth": 10**9},
        {"depth": 50_000},
        {"depth": 3000},
        {"depth": 10**400},
        {"embed_dim": 90_000, "num_heads": 3},
        {"img_size": 10**7},
        {"num_classes": 99_999, "embed_dim": 9000},
        {"mlp_ratio": 1e9},
    ],
)
def test_arguments_that_would_build_something_else_are_refused_at_once(own, arguments):
    config = {"architecture": "vit_tiny_patch16_224", "num_classes": 5, "model_args": {**SMALL, **arguments}}
    written(own, "trap", config)
    began = time.monotonic()
    with pytest.raises((WeightsUnavailable, InvalidInput)) as caught:
        load_backbone("trap")
    assert time.monotonic() - began < 20
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("name", ["classifier", "state_dict", "custom_load", "label_offset", "first_conv"])
def test_a_configuration_cannot_make_random_weights_pass(own, name):
    """The file lacks its head: whatever the configuration says, nothing stands in for it."""
    model = timm.create_model("vit_tiny_patch16_224", num_classes=5, **SMALL)
    state = {key: value for key, value in model.state_dict().items() if not key.startswith("head.")}
    value = {"state_dict": {"a": 1}, "custom_load": True, "label_offset": 1}.get(name, "head")
    config = {"architecture": "vit_tiny_patch16_224", "num_classes": 5, "model_args": SMALL}
    save_file(state, own / "headless.safetensors")
    config["pretrained_cfg"] = {name: value, "num_classes": 1000}
    (own / "headless.json").write_text(json.dumps(config))
    with pytest.raises(WeightsUnavailable, match="holds no classifier"):
        load_backbone("headless")


# Heads


def test_the_number_of_classes_that_is_missing_is_told(own):
    written(own, "five", {"architecture": "vit_tiny_patch16_224", "model_args": SMALL})
    with pytest.raises(
        WeightsUnavailable, match='has 5 classes, where 1000 are said: write "num_classes": 5'
    ):
        load_backbone("five")
    written(own, "none", {"architecture": "vit_tiny_patch16_224", "model_args": SMALL, "num_classes": 0})
    with pytest.raises(WeightsUnavailable, match="holds a classifier, where none is said"):
        load_backbone("none")


@torch.inference_mode()
def test_one_output_is_read_through_a_sigmoid(own):
    config = {"architecture": "vit_tiny_patch16_224", "num_classes": 1, "model_args": SMALL}
    model = written(own, "yesno", {**config, "label_names": ["cat"]}, num_classes=1)
    backbone = load_backbone("yesno")
    images = torch.randn(3, 3, 224, 224)
    yes = backbone(images).softmax(1)
    torch.testing.assert_close(yes[:, 1:], model(images).sigmoid())
    assert backbone.labels.names == ("not cat", "cat")
    assert (backbone.num_kept(0.5), len(backbone(images, torch.tensor([[3]] * 3))[0])) == (98, 2)
    written(own, "named", {**config, "label_names": ["dog", "cat"]}, model)
    assert load_backbone("named").labels.names == ("dog", "cat")
    written(own, "nameless", config, model)
    assert load_backbone("nameless").labels.names == ("no", "yes")


@torch.inference_mode()
def test_a_convnet_of_one_output_has_cams_too(own):
    model = timm.create_model("resnet10t", num_classes=1).eval()
    written(own, "yesno", {"architecture": "resnet10t", "num_classes": 1}, model)
    proposal = load_proposal("yesno")
    images = torch.randn(2, 3, 96, 96)
    yes = proposal.logits(proposal.features(images)).softmax(1)
    torch.testing.assert_close(yes[:, 1:], model(images).sigmoid())
    assert torch.equal(proposal.class_weights[0], -proposal.class_weights[1])


@torch.inference_mode()
def test_two_outputs_are_two_classes(own):
    config = {"architecture": "vit_tiny_patch16_224", "num_classes": 2, "model_args": SMALL}
    model = written(own, "two", {**config, "id2label": {"0": "cat", "1": "dog"}}, num_classes=2)
    images = torch.randn(1, 3, 224, 224)
    assert torch.equal(load_backbone("two")(images), model(images))
    assert load_backbone("two").labels.names == ("cat", "dog")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"problem_type": "multi_label_classification"}, "several of its 5 labels may be true"),
        ({"multi_label": True}, "several of its 5 labels"),
        ({"pretrained_cfg": {"problem_type": "multi_label_classification"}}, "several of its 5 labels"),
        ({"problem_type": "regression"}, "a quantity"),
    ],
)
def test_answers_of_another_kind_are_refused(own, said, reason):
    written(
        own, "other", {"architecture": "vit_tiny_patch16_224", "num_classes": 5, "model_args": SMALL, **said}
    )
    with pytest.raises(WeightsUnavailable, match=reason):
        load_backbone("other")


@pytest.mark.parametrize(
    "said",
    [
        {"label_names": ["a", "b", "c"]},
        {"pretrained_cfg": {"label_names": ["a", "b", "c"]}},
        {"pretrained_cfg": {"labels": ["a", "b", "c"]}, "label_names": None},
        {"labels": ["a", "b", "c"]},
        {"id2label": {"0": "a", "2": "c", "1": "b"}},
        {"label2id": {"b": 1, "a": 0, "c": 2}},
        {"class_to_idx": {"b": 1, "a": 0, "c": 2}},
        {"label_names": {"0": "a", "1": "b", "2": "c"}},
        {"classes": {"b": 1, "a": 0, "c": 2}},
        {"label_names": [" a", "b\r", "c\n"]},
    ],
)
def test_names_of_classes_wherever_a_common_form_puts_them(tmp_path, said):
    from papr_core.models.labels import from_config

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config = config_of(tmp_path, {"architecture": "vit_tiny_patch16_224", "num_classes": 3, **said})
    assert from_config(config, 3).names == ("a", "b", "c")


@pytest.mark.parametrize("key", ["label2id", "class_to_idx", "idx_to_class"])
def test_names_in_two_orders_are_told_and_the_first_counts(key):
    from papr_core.models.labels import from_config

    other = {"2": "a", "0": "b", "1": "c"}
    said = {"id2label": {"0": "a", "1": "b", "2": "c"}, key: other}
    if key != "idx_to_class":
        said[key] = {name: int(index) for index, name in other.items()}
    with pytest.warns(PaprWarning, match=rf"^{key} has the classes in another order than id2label, which"):
        assert from_config(said, 3).names == ("a", "b", "c")
    with warnings.catch_warnings():  # the same order, other words, or none
        warnings.simplefilter("error")
        for fine in ({"a": 0, "b": 1, "c": 2}, {"tench": 0, "goldfish": 1, "shark": 2}, {"a": 0, "b": 0}, 5):
            assert from_config({**said, key: None, "label2id": fine}, 3).names == ("a", "b", "c")


def test_placeholders_are_no_names(tmp_path):
    from papr_core.models.labels import from_config

    given = {
        "architecture": "vit_tiny_patch16_224",
        "num_classes": 2,
        "id2label": {"0": "LABEL_0", "1": "LABEL_1"},
    }
    assert from_config(config_of(tmp_path, given), 2).name == "numbers-2"
    with pytest.raises(InvalidInput, match="id2label does not give each class an index"):
        from_config({"id2label": {"1": "a", "2": "b"}}, 2)


# Files as trainers leave them


def prefixed(state: dict, prefix: str) -> dict:
    return {prefix + key: value for key, value in state.items()}


def apart(state: dict, before: str, head: str) -> dict:
    """A trunk, and its classifier beside it."""
    return {(head if key.startswith("head.") else before) + key: value for key, value in state.items()}


@torch.inference_mode()
@pytest.mark.parametrize(
    ("file", "made"),
    [
        (
            "mine.ckpt",
            lambda s: {"state_dict": prefixed(s, "model."), "epoch": 3, "global_step": 9, "loops": {}},
        ),
        ("mine.ckpt", lambda s: {"state_dict": prefixed(s, "model.") | {"loss.weight": torch.ones(5)}}),
        ("mine.ckpt", lambda s: {"state_dict": prefixed(s, "net._orig_mod.")}),
        ("mine.pt", lambda s: {"model_state_dict": s, "optimizer_state_dict": {"a": 1}, "epoch": 2}),
        ("mine.pth.tar", lambda s: {"state_dict": prefixed(s, "module."), "args": argparse.Namespace(lr=1)}),
        ("mine.bin", lambda s: prefixed(s, "timm_model.")),
        ("mine.safetensors", lambda s: prefixed(s, "timm_model.")),
        ("mine.ckpt", lambda s: {"state_dict": prefixed(s, "model.") | prefixed(s, "ema_model.")}),
        (
            "mine.pth",
            lambda s: {"n_averaged": torch.tensor(3), **prefixed(s, "module.")},
        ),  # torch's own averaging
        ("mine.pth", lambda s: {"ema": s, "model": {k: v + 1 for k, v in s.items()}}),
        (
            "mine.safetensors",
            lambda s: {k.replace("blocks.0.", "blocks.0._orig_mod."): v for k, v in s.items()},
        ),
        ("mine.pth", lambda s: {"state_dict": s, "metric": np.float64(81.3), "out": Path("/runs")}),
        (
            "mine.pth",
            lambda s: {"ema": {"module": s, "decay": 0.9}, "model": {k: v + 1 for k, v in s.items()}},
        ),
        ("mine.pth", lambda s: {"student": prefixed(s, "module.backbone."), "at": datetime.now()}),
        ("mine.pth", lambda s: {"state_dict": {"model": s}, "optim": {"state": {"w": torch.ones(2, 2)}}}),
        ("mine.ckpt", lambda s: {"state_dict": apart(s, "model.backbone.", "model.")}),
        ("mine.safetensors", lambda s: apart(s, "backbone.", "")),
        ("mine.pth", lambda s: {"state_dict_ema": s, "state_dict": {k: v + 1 for k, v in s.items()}}),
    ],
)
def test_what_trainers_wrap_around_a_model_is_taken_away(own, file, made):
    model = timm.create_model("vit_tiny_patch16_224", num_classes=5, **SMALL).eval()
    whole = made(model.state_dict())
    if file.endswith(".safetensors"):
        save_file(whole, own / file)
    else:
        torch.save(whole, own / file)
    config = {"architecture": "vit_tiny_patch16_224", "num_classes": 5, "model_args": SMALL}
    (own / "mine.json").write_text(json.dumps(config))
    images = torch.randn(1, 3, 224, 224)
    assert torch.equal(load_backbone("mine")(images), model(images))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"architectures": ["ViTForImageClassification"], "model_type": "vit"}, "name it hf:odd"),
        ({"arch": "vit_tiny_patch16_224"}, 'names no "architecture"'),
    ],
)
def test_a_configuration_of_another_kind_is_told_what_it_is(own, config, said):
    written(own, "odd", config)
    with pytest.raises(WeightsUnavailable, match=said):
        load_backbone("odd")


def test_a_note_in_place_of_a_file_is_told(own):
    for name in ("mine.safetensors", "mine.pth"):
        (own / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 22\n")
        (own / "mine.json").write_text(json.dumps({"architecture": "vit_tiny_patch16_224"}))
        with pytest.raises(WeightsUnavailable, match="git lfs pull"):
            load_backbone("mine")
        (own / name).unlink()


@pytest.mark.parametrize(
    ("file", "made", "said"),
    [
        ("mine.safetensors", lambda k, v: {k: v.to(torch.int8) if v.ndim == 2 else v}, "int8: quantised"),
        ("mine.pth", lambda k, v: {k: v.to(torch.complex64)}, "complex64"),
        ("mine.pth", lambda k, v: {k: v.to_sparse()}, "meta device or sparse"),
        ("mine.pth", lambda k, v: {k: v.to("meta")}, "meta device or sparse"),
        ("mine.safetensors", lambda k, v: {k: v, f"{k}.lora_A.default.weight": v[:1].clone()}, "LoRA"),
        ("mine.pth", lambda k, v: {"student": {k: v}, "teacher": {k: v}}, "student, teacher"),
    ],
)
def test_what_is_no_plain_model_is_refused(own, file, made, said):
    whole: dict = {}
    for key, value in timm.create_model("test_vit", num_classes=5).state_dict().items():
        for name, found in made(key, value).items():
            whole[name] = {**whole.get(name, {}), **found} if isinstance(found, dict) else found
    save_file(whole, own / file) if file.endswith(".safetensors") else torch.save(whole, own / file)
    (own / "mine.json").write_text(json.dumps({"architecture": "test_vit", "num_classes": 5}))
    with pytest.raises(WeightsUnavailable, match=said):
        load_backbone("mine")


def test_a_script_is_named_as_one(own):
    torch.jit.script(torch.nn.Linear(2, 2)).save(own / "mine.pt")
    (own / "mine.json").write_text(json.dumps({"architecture": "test_vit", "num_classes": 5}))
    with pytest.raises(WeightsUnavailable, match="TorchScript"):
        load_backbone("mine")


def test_two_models_in_one_file_are_refused(own):
    model = timm.create_model("vit_tiny_patch16_224", num_classes=5, **SMALL)
    torch.save(
        prefixed(model.state_dict(), "student.") | prefixed(model.state_dict(), "teacher."), own / "two.pth"
    )
    config = {"architecture": "vit_tiny_patch16_224", "num_classes": 5, "model_args": SMALL}
    (own / "two.json").write_text(json.dumps(config))
    with pytest.raises(WeightsUnavailable, match=r"several models \(student\., teacher\.\)"):
        load_backbone("two")


@torch.inference_mode()
def test_a_snapshot_folder_of_the_hub_is_a_model(own):
    """As transformers' TimmWrapper saves it; by itself in the weights folder, or as the weights folder."""
    model = timm.create_model("vit_tiny_patch16_224", num_classes=2, **SMALL).eval()
    folder = own / "cats"
    folder.mkdir()
    save_file(
        prefixed(model.state_dict(), "timm_model."), folder / "model.safetensors", metadata={"format": "pt"}
    )
    config = {
        "architecture": "vit_tiny_patch16_224",
        "architectures": ["TimmWrapperForImageClassification"],
        "model_type": "timm_wrapper",
        "do_pooling": True,
        "initializer_range": 0.02,
        "dtype": "float32",
        "model_args": SMALL,
        "num_classes": 2,
        "label_names": ["cat", "dog"],
        "transformers_version": "5.0",
        "pretrained_cfg": {"mean": [0.5] * 3},
    }
    (folder / "config.json").write_text(json.dumps(config))
    images = torch.randn(1, 3, 224, 224)
    for place in (own, folder):
        with weights.configured(weights_dir=place), warnings.catch_warnings():
            warnings.simplefilter("error")
            assert weights.own_models() == ("cats",)
            backbone = load_backbone("cats")
            assert backbone.labels.names == ("cat", "dog")
            assert torch.equal(backbone(images), model(images))


def test_a_file_of_another_form_is_named_in_the_refusal(own):
    (own / "mine.onnx").write_bytes(b"\0")
    with pytest.raises(UnknownModel, match=r"mine\.onnx lies in your weights folder"):
        load_backbone("mine")
    (own / "mine.json").write_text("{}")
    with pytest.raises(PaprError, match=r"mine\.onnx"):
        load_proposal("mine")
