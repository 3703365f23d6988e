"""A ConvNet as a proposal: its last spatial feature map, and the answer from it.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 3.1: the ConvNet runs without its classifier; what counts is the map
whose pooling would feed it. Networks that train with parallel branches are merged before use.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from papr_core import catalog, weights
from papr_core import labels as _labels
from papr_core.errors import UnsupportedModel
from papr_core.images import View

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Proposal", "load_proposal"]


def load_proposal(
    name: str = catalog.DEFAULT_PROPOSAL,
    *,
    pretrained: bool = True,
    device: str | torch.device = "cpu",
    progress: weights.Progress | None = None,
) -> "Proposal":
    """A proposal by its name: a catalogue key, an architecture, a model of the own folder or a timm ConvNet.

    Raises:
        UnknownModel, UnsupportedModel, WeightsUnavailable: each in one sentence.
    """
    entry = catalog.find(name, "proposal")
    model, source = weights.create(entry.name, pretrained=pretrained, device=device, progress=progress)
    return Proposal(model, entry, source)


class Proposal(nn.Module):
    """A timm ConvNet in eval mode, branches merged.

    name, title; model: the timm network; input_size (3, H, W); labels; weights: where they came from, None if
    they are random; class_weights: (C, K) of the one linear layer that reads the pooled map, or None where the
    head is more than that.
    """

    def __init__(self, model: nn.Module, entry: catalog.Entry, source: weights.Source | None = None) -> None:
        from timm.utils import reparameterize_model

        super().__init__()
        self.name, self.title, self.weights = entry.name, entry.title, source
        self.model = reparameterize_model(model, inplace=True).eval()
        config = model.pretrained_cfg
        self.input_size = tuple(config["input_size"])
        self.labels = _labels.from_config(source.config if source else entry.config, model.num_classes)
        self._view = View.of(config, self.input_size[1:])
        self._check()

    def features(self, images: Tensor) -> Tensor:
        """The last spatial map after its activation: normalised images (B, 3, H, W) to (B, K, h, w)."""
        return self.model.forward_features(images)

    def logits(self, features: Tensor) -> Tensor:
        """The network's own answer from its last map: (B, K, h, w) to (B, C)."""
        return self.model.forward_head(features)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) to logits (B, C)."""
        return self.logits(self.features(images))

    def view(self, crop: "Image.Image", size: Sequence[int] | None = None) -> Tensor:
        """The crop as this network wants it, (1, 3, h, w): at its own input size, or at `size` (height, width)."""
        return self._view.tensor(crop, size)

    def normalise(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in 0..1, brought to this network's mean and standard deviation."""
        return self._view.normalise(images)

    @property
    def sha256(self) -> str | None:
        """Of the weights file; None for random weights."""
        return weights.sha256(self.weights.path) if self.weights else None

    @cached_property
    def class_weights(self) -> Tensor | None:
        """(C, K): logits = class_weights @ mean of the map + bias, where the head is just that; else None.

        Not read from the head's structure, which every family names otherwise, but tried on a random map.
        """
        layer = self.model.get_classifier()
        if not isinstance(layer, (nn.Linear, nn.Conv2d)):
            return None
        weight = layer.weight.detach().flatten(1)  # (C, K), of a 1 x 1 convolution too
        if weight.shape[1] != self._channels:
            return None
        generator = torch.Generator().manual_seed(0)
        probe = torch.rand(2, self._channels, 2, 3, generator=generator).to(weight)
        with torch.inference_mode():
            expected = probe.mean(dim=(2, 3)) @ weight.T + (0 if layer.bias is None else layer.bias)
            same = torch.allclose(self.logits(probe), expected, rtol=1e-3, atol=1e-4)
        return weight if same else None

    def _check(self) -> None:
        parameter = next(self.model.parameters())
        with torch.inference_mode():
            blank = torch.zeros(1, *self.input_size, dtype=parameter.dtype, device=parameter.device)
            features = self.model.forward_features(blank)
        if not isinstance(features, Tensor) or features.ndim != 4 or features.shape[1] != self.model.num_features:
            raise UnsupportedModel(
                f"{self.name} is no ConvNet with a last spatial map (B, K, h, w), so it cannot be a proposal;"
                f" {catalog.DEFAULT_PROPOSAL} and resnet50 are."
            )
        if self.model.num_classes < 1:
            raise UnsupportedModel(f"{self.name} has no classifier, so it cannot be a proposal here.")
        self._channels = features.shape[1]
