"""A ConvNet as a proposal: its last spatial feature map, and its answer from it.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 3.1: the ConvNet runs without its classifier; what counts is the
map whose pooling would feed it. Networks that train with parallel branches are merged before use. Written
from the paper.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from papr_core.data.images import View
from papr_core.errors import UnsupportedModel
from papr_core.models import catalog, weights
from papr_core.models import labels as _labels
from papr_core.models.embedded import DEFAULT_PROPOSAL
from papr_core.models.representation import representation

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Proposal", "load_proposal", "refusal"]


def load_proposal(
    name: str = DEFAULT_PROPOSAL,
    *,
    pretrained: bool = True,
    device: str | torch.device = "cpu",
    progress: weights.Progress | None = None,
) -> "Proposal":
    """A proposal by name: a catalogue key, an architecture, a model of the own folder, or any timm ConvNet.

    progress(done, total) is called with bytes while weights are downloaded.

    >>> import papr_core, torch
    >>> proposal = papr_core.load_proposal()
    >>> proposal
    Proposal('mobilenetv1_025', 224 x 224 px, 1000 classes, embedded weights)
    >>> with torch.inference_mode():
    ...     proposal.features(torch.zeros(1, 3, 224, 224)).shape
    torch.Size([1, 256, 7, 7])

    Raises:
        UnknownModel, UnsupportedModel, WeightsUnavailable: each in one sentence, before anything is
        downloaded.
    """
    entry = catalog.find(name, "proposal")
    if entry.family is None:
        reason = refusal(weights.skeleton(entry.name))
        if reason:
            raise UnsupportedModel(f"{entry.name} cannot be a proposal: {reason}.")
    model, source = weights.create(entry.name, pretrained=pretrained, device=device, progress=progress)
    return Proposal(model, entry, source)


def refusal(skeleton: nn.Module) -> str | None:
    """Why a timm model (on the meta device: nothing is computed) cannot be a proposal, or None if it can."""
    if skeleton.num_classes < 1:
        return "it has no classifier"
    images = torch.empty(1, *skeleton.pretrained_cfg["input_size"], device="meta")
    try:
        features = skeleton.forward_features(images)
    except Exception:  # whatever a model of another kind trips over
        features = None
    if isinstance(features, Tensor) and features.ndim == 4 and features.shape[1] == skeleton.num_features:
        return None
    return "it is no ConvNet with a last spatial map (batch, channels, height, width)"


class Proposal(nn.Module):
    """A timm ConvNet in eval mode, branches merged.

    name, title; model: the timm network; input_size (3, H, W); labels; weights: where they came from, None if
    they are random.
    """

    def __init__(self, model: nn.Module, entry: catalog.Entry, source: weights.Source | None = None) -> None:
        from timm.utils import reparameterize_model

        super().__init__()
        self.name, self.title, self.weights = entry.name, entry.title, source
        self.model = reparameterize_model(model, inplace=True)
        self.input_size = tuple(model.pretrained_cfg["input_size"])
        self.labels = _labels.from_config(source.config if source else entry.config, model.num_classes)
        self._view = View.of(model.pretrained_cfg, self.input_size[1:])
        self.eval()

    def __repr__(self) -> str:
        return representation(self)

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
        """The crop as this network wants it, (1, 3, h, w): at its own size, or at `size` (height, width)."""
        return self._view.tensor(crop, size)

    def normalise(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in 0..1, brought to this network's mean and standard deviation."""
        return self._view.normalise(images)

    @property
    def sha256(self) -> str | None:
        """Of the weights file; None for random weights."""
        return weights.sha256(self.weights.path) if self.weights else None

    @property
    def class_weights(self) -> Tensor | None:
        """(C, K) of the one linear layer that reads the map's mean; None where the head is more than that."""
        return self._classifier_weight() if self._linear_head else None

    @cached_property
    def _linear_head(self) -> bool:
        """Whether logits = weight @ mean + bias: tried on a random map, for heads are of many kinds."""
        weight = self._classifier_weight()
        if weight is None or weight.shape[1] != self.model.num_features:
            return False
        probe = torch.rand(2, weight.shape[1], 2, 3, generator=torch.Generator().manual_seed(0)).to(weight)
        bias = self.model.get_classifier().bias
        with torch.inference_mode():
            expected = probe.mean(dim=(2, 3)) @ weight.T + (0 if bias is None else bias)
            return torch.allclose(self.logits(probe), expected, rtol=1e-3, atol=1e-4)

    def _classifier_weight(self) -> Tensor | None:
        layer = self.model.get_classifier()
        return layer.weight.detach().flatten(1) if isinstance(layer, (nn.Linear, nn.Conv2d)) else None
