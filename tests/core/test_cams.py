"""Class activation maps: each against pytorch-grad-cam, a slow reference, and inputs at the edges."""

import copy
from dataclasses import replace

import cv2
import numpy as np
import pytest
import timm
import torch
from torch import nn
from torch.nn import functional as F

from papr_core import load_proposal
from papr_core.errors import Stopped
from papr_core.methods import cams
from papr_core.methods.folding import folded_copy
from papr_core.methods.table import method_map
from papr_core.models import catalog
from papr_core.models.proposals.images import ImageProposal

NETWORKS = ("test_resnet", "mobileone_s0", "mobilenetv3_small_050")
SIZE = 64


@pytest.fixture(scope="module", params=NETWORKS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def loaded(name):
    """A timm ConvNet with its training branches, random weights and normalisation statistics that fit."""
    torch.manual_seed(0)
    changed = {}
    if (
        name == "mobileone_s0"
    ):  # 128 channels at its end, not 1024: pytorch-grad-cam runs all branches for each
        *stages, (*blocks, last) = timm.models.byobnet.model_cfgs[name].blocks
        changed["blocks"] = (*stages, [*blocks, replace(last, c=128)])
    model = timm.create_model(name, num_classes=7, **changed)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        model.train()(torch.randn(8, 3, SIZE, SIZE))
        # logits as large as a trained network's: Score-CAM's softmax over them magnifies rounding
        model.get_classifier().weight *= 10 / model.eval()(torch.randn(8, 3, SIZE, SIZE)).abs().max()
    return model


@pytest.fixture(scope="module")
def proposal(loaded, name):
    return ImageProposal(copy.deepcopy(loaded), catalog.find(name, "proposal"))


@pytest.fixture(scope="module")
def images():
    smooth = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    return F.interpolate(smooth, (SIZE, SIZE), mode="bicubic") * 4 - 2


class LastFeatures(nn.Module):
    """A network with one layer whose output is the last spatial map, as pytorch-grad-cam needs it."""

    def __init__(self, model):
        super().__init__()
        self.model, self.layer = model, nn.Identity()

    def forward(self, images):
        return self.model.forward_head(self.layer(self.model.forward_features(images)))


def library_map(method, model, images, classes):
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    kinds = {
        "grad-cam": "GradCAM",
        "grad-cam++": "GradCAMPlusPlus",
        "layer-cam": "LayerCAM",
        "eigen-cam": "EigenCAM",
        "score-cam": "ScoreCAM",
    }
    model = LastFeatures(copy.deepcopy(model))
    with getattr(pytorch_grad_cam, kinds[method])(model, [model.layer]) as cam:
        return cam(images, [ClassifierOutputTarget(index) for index in classes])


def as_theirs(coarse, size=SIZE):
    """Clipped at 0, min-max scaled and resized as pytorch-grad-cam does."""
    maps = []
    for one in np.maximum(coarse, 0):
        one = one - one.min()
        one = cv2.resize(one / (1e-7 + one.max()), (size, size))
        one = one - one.min()
        maps.append(one / (1e-7 + one.max()))
    return np.stack(maps)


@pytest.mark.parametrize("method", ["grad-cam", "grad-cam++", "layer-cam", "eigen-cam", "score-cam"])
def test_maps_equal_the_librarys(method, name, loaded, proposal, images):
    classes = [2, 5]
    theirs = library_map(method, loaded, images, classes)
    with torch.inference_mode():
        features = proposal.features(images)
    ours = method_map(method, proposal, images, features, class_index=classes, grid=(4, 4))
    assert ours.shape == (len(images), 1, *features.shape[2:])
    ours = as_theirs(ours[:, 0].numpy())
    assert np.ptp(theirs, axis=(1, 2)).min() > 0.5, "the reference itself is flat"
    assert abs(ours - theirs).max() < 1e-4


def test_cam_equals_a_loop_in_float64():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 5, 3, 4, generator=generator)
    weights = torch.randn(6, 5, generator=generator)
    expected = torch.zeros(2, 3, 4, dtype=torch.float64)
    for image, index in enumerate((4, 1)):
        for k in range(5):
            expected[image] += weights[index, k].double() * features[image, k].double()
    found = cams.cam(features, weights, torch.tensor([4, 1]))
    assert torch.allclose(found.double(), expected, atol=1e-6)
    assert (found < 0).any(), "negatives are kept"


def test_gradients_equal_finite_differences():
    generator = torch.Generator().manual_seed(0)
    first, second = (
        torch.randn(4, 3, generator=generator).double(),
        torch.randn(5, 4, generator=generator).double(),
    )

    def head(features):
        return torch.tanh(features.mean(dim=(2, 3)) @ first.T) @ second.T

    features = torch.rand(2, 3, 2, 2, generator=generator).double()
    classes = torch.tensor([3, 0])
    found = cams.feature_gradients(head, features, classes)
    for place in np.ndindex(*features.shape):
        step = torch.zeros_like(features)
        step[place] = 1e-5
        change = head(features + step) - head(features - step)
        assert found[place].item() == pytest.approx(
            change[place[0], classes[place[0]]].item() / 2e-5, abs=1e-7
        )


def test_gradient_methods_work_inside_inference_mode(proposal, images):
    with torch.inference_mode():
        features = proposal.features(images)
        inside = method_map("grad-cam", proposal, images, features, class_index=1, grid=(4, 4))
    outside = method_map("grad-cam", proposal, images, features, class_index=1, grid=(4, 4))
    assert torch.equal(inside, outside)


def slow_score_cam(features, image, logits_of, index):
    """One channel at a time, in float64, from the paper's words."""
    scores = []
    for channel in features.double():
        mask = F.interpolate(channel[None, None], image.shape[1:], mode="bilinear", align_corners=True)[0, 0]
        spread = channel.max() - channel.min()
        mask = (mask - mask.min()) / (mask.max() - mask.min()) if spread > 0 else torch.zeros_like(mask)
        scores.append(logits_of((image.double() * mask)[None].to(image.dtype))[0, index].double())
    weights = torch.stack(scores).softmax(dim=0)
    return (weights[:, None, None] * features.double()).sum(dim=0).relu()


@pytest.fixture
def awkward():
    """Features of two images with dead, constant, equal, one-cell and ordinary channels; a classifier."""
    generator = torch.Generator().manual_seed(3)
    features = torch.rand(2, 40, 5, 4, generator=generator)
    features[:, 5:12] = 0
    features[:, 12:15] = 0.7
    features[:, 15:20] = features[:, 20:25]
    features[:, 25] = 3 * features[:, 26]
    features[:, 30:38] = 0
    features[:, 30:38, 2, 1] = torch.rand(2, 8, generator=generator)
    images = torch.rand(2, 3, 20, 16, generator=generator)
    classifier = nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 6),
    )
    for parameter in classifier.parameters():
        nn.init.normal_(parameter, std=0.8, generator=generator)
    return features, images, classifier.eval()


@pytest.mark.parametrize("batch_size", [1, 7, 32, 1000])
def test_score_cam_equals_the_slow_reference_in_any_chunks(awkward, batch_size):
    features, images, classifier = awkward
    classes = torch.tensor([4, 2])
    found = cams.score_cam(features, images, classifier, classes, batch_size=batch_size)
    with torch.no_grad():
        for i in range(2):
            expected = slow_score_cam(features[i], images[i], classifier, classes[i])
            assert torch.allclose(found[i].double(), expected, rtol=1e-5, atol=1e-6)
    alone = cams.score_cam(features[1:], images[1:], classifier, classes[1:])
    assert torch.allclose(alone[0], found[1], atol=1e-6), "images of one batch touch each other"


def test_score_cam_runs_equal_masks_once(awkward):
    features, images, classifier = awkward
    seen = []

    def counting(batch):
        seen.append(len(batch))
        return classifier(batch)

    cams.score_cam(features[:1], images[:1], counting, torch.tensor([0]), batch_size=8)
    # of 40 channels: 7 dead and 3 constant share one mask, 5 pairs are equal, 8 have the same single cell,
    # and one is a multiple of another (which float32 may see as equal or not)
    assert sum(seen) in (40 - 9 - 5 - 7, 40 - 9 - 5 - 7 - 1)
    assert max(seen) <= 8


def test_score_cam_reports_progress_and_stops_between_batches(awkward):
    features, images, classifier = awkward
    seen, ran = [], []

    def counting(batch):
        ran.append(len(batch))
        return classifier(batch)

    classes = torch.tensor([0, 0])
    cams.score_cam(
        features, images, counting, classes, batch_size=4, progress=lambda *step: seen.append(step)
    )
    dones, totals = zip(*seen)
    assert dones[0] == 0
    assert dones[-1] == totals[0] == sum(ran)
    assert list(dones) == sorted(dones)
    assert len(set(totals)) == 1

    def stop(done, of):
        if done >= 8:
            raise Stopped

    ran.clear()
    with pytest.raises(Stopped):
        cams.score_cam(features, images, counting, classes, batch_size=4, progress=stop)
    assert sum(ran) == 8


def test_constant_features_give_constant_maps():
    features, images = torch.full((1, 6, 3, 3), 0.5), torch.rand(1, 3, 12, 12)
    classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4))
    for found in (
        cams.score_cam(features, images, classifier, torch.tensor([1])),
        cams.eigen_cam(features),
        cams.grad_cam(features, torch.ones_like(features)),
        cams.grad_cam_plus_plus(features, torch.ones_like(features)),
        cams.layer_cam(features, torch.ones_like(features)),
    ):
        assert found.isfinite().all()
        assert found.max() - found.min() < 1e-6


def test_grad_cam_plus_plus_is_finite_where_its_denominator_is_zero():
    features, gradients = torch.full((1, 1, 1, 2), 1.0), torch.tensor([[[[-1.0, 0.5]]]])
    assert cams.grad_cam_plus_plus(features, gradients).isfinite().all()
    assert (cams.grad_cam_plus_plus(features, torch.zeros_like(features)) == 0).all()


@pytest.mark.parametrize(
    "shape", [(2, 300, 7, 7), (1, 20, 7, 7), (1, 64, 14, 14), (1, 128, 4, 6), (3, 2, 5, 5)]
)
def test_eigen_cam_has_the_librarys_sign(shape):
    from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection

    features = torch.rand(shape, generator=torch.Generator().manual_seed(0)).relu()
    expected = get_2d_projection(features.numpy())
    assert np.allclose(cams.eigen_cam(features).numpy(), expected, atol=1e-4)


def test_a_folded_copy_gives_the_same_and_leaves_the_network_alone(proposal, images):
    before = {key: value.clone() for key, value in proposal.state_dict().items()}
    folded = folded_copy(proposal, images[:1])
    with torch.inference_mode():
        expected, found = proposal(images), folded(images)
    assert (found - expected).abs().max() <= 2e-5 * max(1, float(expected.abs().max()))
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in proposal.modules())
    assert sum(isinstance(module, nn.BatchNorm2d) for module in folded.modules()) < max(norms, 1)
    assert folded is not proposal or norms == 0
    after = proposal.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert not any(module._forward_hooks for network in (proposal, folded) for module in network.modules())


def test_what_cannot_be_folded_is_left_as_it_is():
    class Twice(nn.Module):
        """Its convolution feeds the normalisation and goes round it."""

        def __init__(self):
            super().__init__()
            self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

        def forward(self, images):
            found = self.convolution(images)
            return (self.norm(found) + found).mean(dim=(2, 3))

    network, images = Twice(), torch.randn(4, 3, 9, 9)
    nn.init.normal_(network.norm.running_mean)
    network.eval()
    assert folded_copy(network, images) is network


def test_a_refused_head_has_no_class_weights():
    assert load_proposal("mobilenetv3_small_050", pretrained=False).class_weights is None
