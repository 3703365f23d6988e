"""ConvNets as proposals: classifying from the last map is the network's own answer, for every entry."""

import pytest
import timm
import torch
from torch import nn

from papr_core import PROPOSALS, UnknownModel, UnsupportedModel, load_proposal
from papr_core.models.embedded import DEFAULT_PROPOSAL
from papr_core.models.entries import Entry
from papr_core.models.proposals import Proposal, refusal

CATALOGUE = [name for name in PROPOSALS if name != DEFAULT_PROPOSAL]
OTHERS = ["test_resnet", "test_byobnet", "test_efficientnet", "test_convnext", "test_nfnet", "densenet121"]
MORE_THAN_LINEAR = {"mobilenetv4_conv_small.e2400_r224_in1k", "test_convnext"}


@pytest.fixture(scope="module", params=[*CATALOGUE, *OTHERS])
def pair(request) -> tuple[Proposal, nn.Module]:
    """The proposal, and timm's own model with the same weights, unmerged."""
    torch.manual_seed(0)
    model = timm.create_model(request.param).eval()
    with torch.no_grad():  # statistics as after training, so that merging has something to do
        for name, value in model.named_buffers():
            if name.endswith("running_mean"):
                value.normal_(std=0.1)
            elif name.endswith("running_var"):
                value.uniform_(0.5, 2)
    plain = timm.create_model(request.param).eval()
    plain.load_state_dict(model.state_dict())
    return Proposal(model, Entry(request.param, "proposal", request.param)), plain


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def test_classifying_from_the_map_is_the_network_s_own_answer(pair, images):
    proposal, plain = pair
    features = proposal.features(images)
    assert features.ndim == 4
    assert features.shape[:2] == (2, proposal.model.num_features)
    assert torch.equal(proposal.logits(features), proposal.model(images))
    assert torch.equal(proposal(images), proposal.model(images))
    own = plain(images)
    assert own.std() > 0
    torch.testing.assert_close(proposal(images), own, rtol=1e-3, atol=1e-3 * float(own.abs().max()))


@torch.inference_mode()
def test_the_map_is_what_is_pooled_last(pair, images):
    """Whatever is behind the map sees it through its mean alone, so shuffled positions change nothing."""
    proposal, _ = pair
    features = proposal.features(images)
    shuffled = features.flatten(2)[:, :, torch.randperm(features[0, 0].numel())].view_as(features)
    truth = proposal.logits(features)
    torch.testing.assert_close(
        proposal.logits(shuffled), truth, rtol=1e-3, atol=1e-4 * float(truth.abs().max())
    )


@torch.inference_mode()
def test_class_weights_only_where_the_head_is_one_linear_layer(pair, images):
    proposal, _ = pair
    weights = proposal.class_weights
    if proposal.name in MORE_THAN_LINEAR:
        assert weights is None
        return
    assert weights.shape == (1000, proposal.model.num_features)
    features = proposal.features(images)
    layer = proposal.model.get_classifier()
    by_hand = features.mean(dim=(2, 3)) @ weights.T + layer.bias
    torch.testing.assert_close(by_hand, proposal.logits(features), rtol=1e-3, atol=1e-4)


@torch.inference_mode()
def test_branches_are_merged_and_all_is_in_eval_mode(pair):
    proposal, plain = pair
    assert not any(module.training for module in proposal.modules())
    if "mobileone" in proposal.name:
        assert sum(isinstance(m, nn.Conv2d) for m in proposal.model.modules()) < sum(
            isinstance(m, nn.Conv2d) for m in plain.modules()
        )
        assert not any(isinstance(m, nn.BatchNorm2d) for m in proposal.model.modules())


@torch.inference_mode()
def test_a_batch_equals_its_singles(pair, images):
    proposal, _ = pair
    together = proposal.features(images)
    for i in range(2):
        alone = proposal.features(images[i : i + 1])
        torch.testing.assert_close(
            together[i : i + 1], alone, rtol=1e-3, atol=1e-4 * float(alone.abs().max())
        )


def test_gradients_reach_the_map(pair, images):
    proposal, _ = pair
    with torch.no_grad():
        features = proposal.features(images[:1])
    features.requires_grad_()
    (gradient,) = torch.autograd.grad(proposal.logits(features)[0, 3], features)
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize(
    ("pool", "fits"), [("avg", True), ("max", False), ("avgmax", False), ("catavgmax", False)]
)
def test_the_head_is_tried_not_guessed(pool, fits):
    proposal = Proposal(
        timm.create_model("test_resnet", global_pool=pool), Entry("test_resnet", "proposal", "")
    )
    assert (proposal.class_weights is not None) == fits


@torch.inference_mode()
def test_views():
    from PIL import Image

    proposal = load_proposal("mobilenetv2_100", pretrained=False)
    assert proposal.name == "mobilenetv2_100.ra_in1k"
    assert proposal.input_size == (3, 224, 224)
    assert proposal.labels.name == "imagenet-1k"
    crop = Image.new("RGB", (112, 112), (255, 0, 127))
    view = proposal.view(crop)
    assert view.shape == (1, 3, 224, 224)
    expected = (torch.tensor([1.0, 0.0, 127 / 255]) - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor(
        [0.229, 0.224, 0.225]
    )
    torch.testing.assert_close(view[0, :, 100, 100], expected)
    assert proposal.view(crop, size=(96, 160)).shape == (1, 3, 96, 160)
    assert proposal.features(proposal.view(crop, size=(96, 160))).shape == (1, 1280, 3, 5)


@pytest.mark.parametrize(
    "name",
    [
        "vit_tiny_patch16_224",
        "swin_tiny_patch4_window7_224",
        "levit_128s",
        "vit_small_patch14_dinov2",
        "resnet50_gn.nope",
    ],
)
def test_what_is_no_convnet_is_refused_before_any_download(name):
    with pytest.raises((UnsupportedModel, UnknownModel)):
        load_proposal(name, pretrained=True)


def test_a_convnet_without_a_classifier_is_refused():
    with torch.device("meta"):
        assert refusal(timm.create_model("test_resnet")) is None
        assert refusal(timm.create_model("test_resnet", num_classes=0)) == "it has no classifier"
