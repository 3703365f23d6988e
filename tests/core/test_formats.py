"""State dicts in each source's own format, written to files and loaded back through the real path."""

import copy
import json

import pytest
import timm
import torch

from papr_core import load_backbone, load_proposal
from papr_core.models import apple_mobileone, configuration, weights


@pytest.fixture
def folder(tmp_path):
    with weights.configured(weights_dir=tmp_path):
        yield tmp_path


def lively(model):
    """Random weights and statistics as after training."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif value.is_floating_point():
                value.normal_(std=0.1)
    return model.eval()


def apple_name(key: str) -> str:
    """Apple's name of a tensor of timm's MobileOne (https://github.com/apple/ml-mobileone)."""
    for ours, theirs in (
        ("stem.", "stage0."),
        *((f"stages.{stage}.", f"stage{stage + 1}.") for stage in range(4)),
        ("head.fc.", "linear."),
    ):
        if key.startswith(ours):
            key = theirs + key[len(ours) :]
            break
    for ours, theirs in (
        (".identity.", ".rbr_skip."),
        (".conv_kxk.", ".rbr_conv."),
        (".conv_scale.", ".rbr_scale."),
        (".attn.fc1.", ".se.reduce."),
        (".attn.fc2.", ".se.expand."),
    ):
        key = key.replace(ours, theirs)
    return key


@torch.inference_mode()
@pytest.mark.parametrize("merged", [True, False])
def test_apple_s_mobileone(folder, merged):
    from timm.utils import reparameterize_model

    model = lively(timm.create_model("mobileone_s0"))
    images = torch.randn(1, 3, 64, 64)
    truth = model(images)
    if merged:
        model = reparameterize_model(model)
    state = {apple_name(key): value for key, value in model.state_dict().items()}
    name = "mobileone_s0" if merged else "mobileone_s0_unfused"
    torch.save(state, folder / f"{name}.pth.tar")
    assert weights.own_models() == (name,)
    proposal = load_proposal(name)
    assert proposal.weights.kind == "local"
    assert proposal.labels.name == "imagenet-1k"
    torch.testing.assert_close(proposal(images), truth, rtol=1e-3, atol=1e-3 * float(truth.abs().max()))


@pytest.mark.parametrize("size", [0, 4])  # 4 has squeeze and excitation
def test_every_tensor_of_apple_s_files_has_its_place(size):
    with torch.device("meta"):
        state = timm.create_model(f"mobileone_s{size}").state_dict()
    theirs = {apple_name(key): value for key, value in state.items()}
    assert apple_mobileone.recognised(theirs)
    assert not set(theirs) & set(state)
    assert {apple_mobileone._renamed(key) for key in theirs} == set(state)
    assert not apple_mobileone.recognised(state)


@torch.inference_mode()
def test_a_fine_tuned_mae(folder):
    """The authors' file: a dictionary with the state under "model"; here of one block."""
    config = copy.deepcopy(configuration.published()["mae_finetuned_vit_base"])
    small = {"depth": 1, "embed_dim": 48, "num_heads": 3}
    config["model_args"] |= small
    model = lively(timm.create_model(config["architecture"], global_pool="avg", **small))
    torch.save({"model": model.state_dict()}, folder / "mae_finetuned_vit_base.pth")
    (folder / "mae_finetuned_vit_base.json").write_text(json.dumps(config))
    backbone = load_backbone("mae_finetuned_vit_base")
    assert backbone.weights.kind == "local"
    assert backbone.title == "ViT-B/16, MAE fine-tuned"
    images = torch.randn(2, *backbone.input_size)
    assert torch.equal(backbone(images), model(images))


@torch.inference_mode()
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("convnext_tiny", {"depths": [1, 1, 1, 1], "dims": [8, 16, 24, 32]}),
        (
            "swin_tiny_patch4_window7_224",
            {"depths": [1, 1, 1, 1], "embed_dim": 16, "num_heads": [1, 1, 2, 2]},
        ),
        ("eva02_tiny_patch14_336", {"depth": 1}),
    ],
)
def test_safetensors_beside_a_configuration(folder, name, arguments):
    from safetensors.torch import save_file

    model = lively(timm.create_model(name, **arguments))
    save_file(model.state_dict(), folder / "mine.safetensors")
    published = {"input_size": model.pretrained_cfg["input_size"], "num_classes": 1000}
    config = {"architecture": name, "model_args": arguments, "pretrained_cfg": published}
    (folder / "mine.json").write_text(json.dumps(config))
    backbone = load_backbone("mine")
    images = torch.randn(1, *backbone.input_size)
    assert torch.equal(backbone(images), model(images))
    kept = backbone.select(torch.rand(1, 7, 7), 0.5)
    assert not torch.equal(backbone(images, kept), model(images))
