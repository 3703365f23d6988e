"""What is pruned: one module a family. `load_backbone` finds the family, its module does the rest."""

import torch

from papr_core import catalog, weights
from papr_core.backbones.tokens import TokenBackbone
from papr_core.errors import UnsupportedModel

__all__ = ["TokenBackbone", "load_backbone"]

_FAMILIES = {"tokens": TokenBackbone}


def load_backbone(
    name: str = catalog.DEFAULT_BACKBONE,
    *,
    pretrained: bool = True,
    device: str | torch.device = "cpu",
    img_size: int | tuple[int, int] | None = None,
    progress: weights.Progress | None = None,
) -> TokenBackbone:
    """A backbone by name: a catalogue key, an architecture, a model of the own folder, or any timm ViT.

    img_size: pixels, or (height, width), other than the weights' own; timm resamples the position embedding.
    progress(done, total) is called with bytes while weights are downloaded.

    Raises:
        UnknownModel, UnsupportedModel, WeightsUnavailable: each in one sentence, before anything is
        downloaded.
    """
    entry = catalog.find(name, "backbone")
    family = entry.family or _family_of(entry)
    model, source = weights.create(
        entry.name, pretrained=pretrained, device=device, img_size=img_size, progress=progress
    )
    return _FAMILIES[family](model, entry, source)


def _family_of(entry: catalog.Entry) -> str:
    skeleton = weights.skeleton(entry.name)
    refusals = {family: module.refusal(skeleton) for family, module in _FAMILIES.items()}
    for family, reason in refusals.items():
        if reason is None:
            return family
    raise UnsupportedModel(f"{entry.name} cannot be pruned: {'; '.join(refusals.values())}.")
