"""pytorch-grad-cam's own CAMs: each equals the library run on the whole network; a call touches nothing."""

import copy
import io
import sys

import pytest
import torch
from test_cams import LastFeatures, as_theirs
from threads import at_once
from torch import nn

from papr_core import load_proposal
from papr_core.errors import Stopped
from papr_core.methods.table import METHODS, method_map

NAMES = [name for name, method in METHODS.items() if method.kind == "library"]
SIZE, GRID = 96, (4, 4)


@pytest.fixture(scope="module", params=["test_resnet", "mobilenetv3_small_050"])
def proposal(request):
    torch.manual_seed(0)
    found = load_proposal(request.param, pretrained=False)
    for parameter in found.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter)
    return found


@pytest.fixture(scope="module")
def batch(proposal):
    smooth = torch.rand(3, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    images = nn.functional.interpolate(smooth, (SIZE, SIZE), mode="bicubic") * 4 - 2
    with torch.inference_mode():
        return images, proposal.features(images)


def on_the_whole_network(name, proposal, images, classes):
    """As the library's README has it: the network, its last layer, targets."""
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    kind = METHODS[name].make.args[0]
    model = LastFeatures(copy.deepcopy(proposal.model))
    found = []
    for image, index in zip(images, classes):
        cam = getattr(pytorch_grad_cam, kind)(model, [model.layer])
        target = {"target_idx": index} if kind == "FinerCAM" else {"targets": [ClassifierOutputTarget(index)]}
        found.append(cam(image[None], **target)[0])
    return torch.tensor(found)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_maps_equal_the_librarys_on_the_whole_network(name, proposal, batch):
    images, features = batch
    classes = [2, 5, 7]
    ours = method_map(name, proposal, images, features, class_index=classes, grid=GRID)
    assert ours.shape == (3, 1, *features.shape[2:])
    theirs = on_the_whole_network(name, proposal, images, classes)
    assert (theirs.amax(dim=(1, 2)) > 0.5).sum() >= 2, "the reference itself is flat"
    assert abs(as_theirs(ours[:, 0].numpy(), SIZE) - theirs.numpy()).max() < 1e-3
    if METHODS[name].uses_class:
        other = method_map(name, proposal, images, features, class_index=[5, 7, 2], grid=GRID)
        assert not torch.allclose(ours, other, atol=1e-3)
    alone = method_map(name, proposal, images[1:2], features[1:2], class_index=5, grid=GRID)
    assert torch.allclose(alone[0], ours[1], atol=1e-4), "images of one batch touch each other"


def test_threads_share_one_network_and_find_it_as_it_was(proposal, batch):
    images, features = batch
    before = {key: value.clone() for key, value in proposal.state_dict().items()}
    jobs = [(NAMES[i % len(NAMES)], i % 3) for i in range(20)]

    def run(job):
        name, i = job
        one = slice(i, i + 1)
        return method_map(name, proposal, images[one], features[one], class_index=i, grid=GRID)

    expected, found = [run(job) for job in jobs], at_once(run, jobs)
    assert all(torch.allclose(one, other, atol=1e-4) for one, other in zip(found, expected))
    assert all(torch.equal(before[key], value) for key, value in proposal.state_dict().items())
    assert all(parameter.grad is None for parameter in proposal.parameters())
    assert not any(module._forward_hooks or module._backward_hooks for module in proposal.modules())


def test_the_slow_one_tells_how_far_it_is_and_stops_in_silence(proposal, batch, monkeypatch):
    images, features = batch
    told = []
    monkeypatch.setattr(sys, "stderr", said := io.StringIO())
    method_map(
        "ablation-cam", proposal, images, features, grid=GRID, progress=lambda *step: told.append(step)
    )
    dones, totals = zip(*told)
    assert len(set(totals)) == 1
    assert list(dones) == sorted(dones)
    assert dones[0] == 0
    assert dones[-1] == totals[0] - 1
    assert not said.getvalue()

    def stop(done, of):
        if done:
            raise Stopped

    with pytest.raises(Stopped):
        method_map("ablation-cam", proposal, images, features, grid=GRID, progress=stop)


def test_a_class_that_does_not_exist_is_an_error_and_no_old_map(proposal, batch):
    images, features = batch
    with pytest.raises(IndexError):
        method_map("hires-cam", proposal, images, features, class_index=10**6, grid=GRID)
