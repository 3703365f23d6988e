"""timm's ConvNets as proposals. Networks that train with parallel branches are merged before use."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from papr_core.data.images import View
from papr_core.models import labels as _labels
from papr_core.models import weights
from papr_core.models.entries import Entry
from papr_core.models.proposals.base import Proposal

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ImageProposal", "refusal"]


def refusal(skeleton: Any) -> str | None:
    """Why a timm model (best on the meta device: nothing is computed) cannot be a proposal, or None if it
    can."""
    if getattr(skeleton, "num_classes", 0) < 1:
        return "it has no classifier"
    like = next(skeleton.parameters())
    images = like.new_zeros(1, *skeleton.pretrained_cfg["input_size"])
    try:
        features = skeleton.forward_features(images)
    except Exception:  # whatever a model of another kind trips over
        features = None
    if isinstance(features, Tensor) and features.ndim == 4 and features.shape[1] == skeleton.num_features:
        return None
    return "it is no ConvNet with a last spatial map (batch, channels, height, width)"


class ImageProposal(Proposal):
    """A timm ConvNet in eval mode, branches merged."""

    def __init__(self, model: Any, entry: Entry, source: weights.Source | None = None) -> None:
        from timm.utils import reparameterize_model

        size = tuple(model.pretrained_cfg["input_size"])
        super().__init__(
            reparameterize_model(model, inplace=True),
            entry.name,
            entry.title,
            source,
            input_size=size,
            labels=_labels.from_config(source.config if source else entry.config, model.num_classes),
            view=View.of(model.pretrained_cfg, size[1:]),
        )

    def features(self, images: Tensor) -> Tensor:
        """The last spatial map after its activation: normalised images (B, 3, H, W) to (B, K, h, w)."""
        return self.model.forward_features(images)

    def logits(self, features: Tensor) -> Tensor:
        """The network's own answer from its last map: (B, K, h, w) to (B, C)."""
        return self.model.forward_head(features)

    def view(self, crop: "Image.Image", size: Sequence[int] | None = None) -> Tensor:
        """The crop as this network wants it, (1, 3, h, w): at its own size, or at `size` (height, width)."""
        return self._typed(self._view.tensor(crop, size))

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
            near = 1e-3 if weight.dtype == torch.float32 else 0.05
            return torch.allclose(self.logits(probe), expected, rtol=near, atol=near / 10)

    def _classifier_weight(self) -> Tensor | None:
        layer = self.model.get_classifier()
        return layer.weight.detach().flatten(1) if isinstance(layer, (nn.Linear, nn.Conv2d)) else None
