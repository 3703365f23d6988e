"""What is pruned: one module a family. `load_backbone` finds the family, its module does the rest."""

import torch

from papr_core import catalog, weights
from papr_core.backbones.tokens import TokenBackbone

__all__ = ["TokenBackbone", "load_backbone"]


def load_backbone(
    name: str = catalog.DEFAULT_BACKBONE,
    *,
    pretrained: bool = True,
    device: str | torch.device = "cpu",
    img_size: int | tuple[int, int] | None = None,
    progress: weights.Progress | None = None,
) -> TokenBackbone:
    """A backbone by its name: a catalogue key, an architecture, a model of the own folder or a timm ViT.

    img_size: (height, width) other than the weights' own; the position embedding is resampled by timm.

    Raises:
        UnknownModel, UnsupportedModel, WeightsUnavailable: each in one sentence.
    """
    entry = catalog.find(name, "backbone")
    model, source = weights.create(
        entry.name, pretrained=pretrained, device=device, img_size=img_size, progress=progress
    )
    return TokenBackbone(model, entry, source)
