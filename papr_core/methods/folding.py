"""Batch normalisations folded into the convolutions before them: the same network, in fewer steps.

In eval mode a normalisation is a scale and a shift per channel, which the convolution's weights can carry.
On a CPU this saves a pass over memory for each. What is folded is a private copy; the network itself stays
as it is.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

__all__ = ["folded_copy"]


def folded_copy(network: nn.Module, images: Tensor) -> nn.Module:
    """A copy of a network in eval mode, with normalisations folded into convolutions where one feeds the
    other.

    images (B, 3, H, W): one forward pass on them tells what feeds what, another that the copy still gives the
    same; where it does not (weights that a convolution alters in its forward, an output used twice), the
    network itself is given back.
    """
    copied = copy.deepcopy(network)
    with torch.inference_mode():
        pairs, expected = _pairs(copied, images)
    names = {module: name for name, module in copied.named_modules()}
    for convolution, norm in pairs:
        assert norm.running_mean is not None  # _pairs leaves others out
        assert norm.running_var is not None
        convolution.weight, convolution.bias = fuse_conv_bn_weights(
            convolution.weight,
            convolution.bias,
            norm.running_mean,
            norm.running_var,
            norm.eps,
            norm.weight,
            norm.bias,
        )
        parent, _, own = names[norm].rpartition(".")
        setattr(copied.get_submodule(parent), own, _what_follows(norm))
    with torch.inference_mode():
        found = copied(images)
        same = (found - expected).abs().max() <= 2e-5 * expected.abs().max().clamp(min=1)
    return copied if same else network


def _pairs(network: nn.Module, images: Tensor) -> tuple[list[tuple[nn.Conv2d, nn.BatchNorm2d]], Tensor]:
    """Each convolution whose output a normalisation reads, and the network's own output."""
    calls: list[
        tuple[nn.Module, Tensor, Tensor]
    ] = []  # (module, input, output); tensors are kept, so ids are unique

    def note(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        calls.append((module, inputs[0], output))

    kinds = (nn.Conv2d, nn.BatchNorm2d)
    hooks = [module.register_forward_hook(note) for module in network.modules() if isinstance(module, kinds)]
    expected = network(images)
    for hook in hooks:
        hook.remove()
    called = [module for module, _, _ in calls]
    made_by = {id(output): module for module, _, output in calls if isinstance(module, nn.Conv2d)}
    pairs = [
        (made_by[id(read)], module)
        for module, read, _ in calls
        if isinstance(module, nn.BatchNorm2d) and id(read) in made_by and _what_follows(module) is not None
    ]
    return [pair for pair in pairs if all(called.count(module) == 1 for module in pair)], expected


def _what_follows(norm: nn.BatchNorm2d) -> nn.Module | None:
    """What a normalisation does besides normalising; None where that is not known."""
    from timm.layers import BatchNormAct2d

    if norm.running_mean is None or norm.weight is None:
        return None
    if type(norm) is nn.BatchNorm2d:
        return nn.Identity()
    return nn.Sequential(norm.drop, norm.act) if type(norm) is BatchNormAct2d else None
