"""What is pruned: one module a family. `load_backbone` finds the family, its module does the rest."""

from typing import Any

import torch

from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.models import catalog, weights
from papr_core.models.backbones import hooked, tubelets
from papr_core.models.backbones.base import Backbone
from papr_core.models.backbones.pixels import PixelBackbone
from papr_core.models.backbones.tokens import TokenBackbone
from papr_core.models.embedded import DEFAULT_BACKBONE
from papr_core.models.entries import ClipEntry, Entry
from papr_core.models.hub import HubEntry

__all__ = ["Backbone", "PixelBackbone", "TokenBackbone", "load_backbone", "prunable", "skeleton_backbone"]

_FAMILIES: dict[str, type[Backbone]] = {"tokens": TokenBackbone, "pixels": PixelBackbone}


def load_backbone(
    name: str = DEFAULT_BACKBONE,
    *,
    pretrained: bool = True,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    img_size: int | tuple[int, int] | None = None,
    num_classes: int | None = None,
    residual: str | None = None,
    progress: weights.Progress | None = None,
) -> Backbone:
    """A backbone by name: a catalogue key, an architecture, a model of the own folder, or any timm ViT,
    ConvNeXt or Swin; VideoMAE for clips; hf:OWNER/NAME, a model of transformers (ViT, DeiT, DINOv2, DINOv3,
    CLIP's or SigLIP's image tower).

    img_size: pixels, or (height, width), other than the weights' own; timm resamples the position embedding.
    num_classes: a new classifier with random weights, to be trained; 0 for none, which gives embeddings.
    residual: "keep" or "zero", what becomes of a pruned position in ConvNeXt and Swin (pixels.py).
    progress(done, total) is called with bytes while weights are downloaded.

    >>> import papr_core, torch
    >>> backbone = papr_core.load_backbone("vit_tiny_patch8_112.tiny200")
    >>> backbone.grid, backbone.num_kept(0.4)
    ((14, 14), 78)
    >>> with torch.inference_mode():
    ...     backbone(torch.zeros(1, 3, 112, 112), kept=torch.tensor([[0, 5, 195]])).shape
    torch.Size([1, 200])

    Raises:
        UnknownModel, UnsupportedModel, WeightsUnavailable: each in one sentence, before anything is
        downloaded.
    """
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise InvalidInput(f"The type is one of torch's floating point types, not {dtype!r}.")
    entry = catalog.find(name, "backbone")
    told = {"pretrained": pretrained, "device": device, "progress": progress}
    found = _loaded(entry, img_size, residual, told)
    if num_classes is not None:
        found.reset_classifier(num_classes)
    return found.to(dtype)


def _loaded(
    entry: Entry, img_size: int | tuple[int, int] | None, residual: str | None, told: dict[str, Any]
) -> Backbone:
    if isinstance(entry, ClipEntry):
        if img_size is not None or residual is not None:
            raise InvalidInput(f"{entry.name} has one size, and drops the tubelets that it prunes.")
        return tubelets.load(entry, **told)
    if isinstance(entry, HubEntry):
        if residual is not None:
            raise InvalidInput(f"{entry.name} drops pruned patches; they cannot {residual!r} anything.")
        return hooked.load(entry, img_size=img_size, **told)
    skeleton = None
    if entry.family is None or img_size is not None:
        skeleton = weights.skeleton(entry.name)
        _family_of(skeleton, entry.name)
    any_size = skeleton is not None and not hasattr(skeleton, "patch_embed")  # ConvNeXt is not built for one
    model, source = weights.create(
        entry.name,
        img_size=None if any_size else img_size,
        **told,
    )
    return prunable(model, entry, source, img_size=img_size if any_size else None, residual=residual)


def prunable(
    model: Any,
    entry: Entry,
    source: weights.Source | None = None,
    *,
    img_size: int | tuple[int, int] | None = None,
    residual: str | None = None,
) -> Backbone:
    """The backbone that a timm model is. img_size: of a ConvNeXt, other than its weights' own.

    Raises:
        UnsupportedModel: no family knows how to prune it. InvalidInput: an option that it does not have.
    """
    family = _family_of(model, entry.name)
    if family == "pixels":
        return PixelBackbone(model, entry, source, img_size=img_size, residual=residual)
    if residual is not None:
        raise InvalidInput(f"{entry.name} drops pruned patches; they cannot {residual!r} anything.")
    return TokenBackbone(model, entry, source)


def skeleton_backbone(name: str) -> Backbone:
    """A backbone without weights or memory, by name: its crop, its grid and what it costs.

    Raises:
        UnknownModel, UnsupportedModel, WeightsUnavailable: each in one sentence.
    """
    entry = catalog.find(name, "backbone")
    if isinstance(entry, ClipEntry):
        with torch.device("meta"):
            return tubelets.load(entry, pretrained=False, device="meta")
    if isinstance(entry, HubEntry):
        return hooked.load(entry, pretrained=False, device="meta")
    return prunable(weights.skeleton(entry.name), entry)


def _family_of(model: Any, name: str) -> str:
    refusals = {family: module.refusal(model) for family, module in _FAMILIES.items()}
    for family, reason in refusals.items():
        if reason is None:
            return family
    reason = refusals["pixels" if type(model).__name__ in PixelBackbone.kinds else "tokens"]
    raise UnsupportedModel(f"{name} cannot be pruned: {reason}.")
