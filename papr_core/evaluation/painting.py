"""Pictures with patches painted over instead of dropped: what most faithfulness benchmarks measure.

The gap to dropping is the missingness bias (Jain et al., https://arxiv.org/abs/2204.08945): grey or blurred
squares are something that a model was never shown, and it answers to them. Written from the paper.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from papr_core.models.backbones.base import Backbone

__all__ = ["PAINTS", "canvas", "painted"]

PAINTS = ("grey", "mean", "blur")


def canvas(images: Tensor, paint: str, backbone: Backbone) -> Tensor:
    """What stands where a patch is painted over: normalised images (B, 3, H, W) to the same shape.

    paint: "grey", the middle of the range; "mean", each picture's own mean colour; "blur", the picture
    through a Gaussian of a 28th of its side.
    """
    if paint == "grey":
        return backbone.normalise(torch.full_like(images, 0.5))
    if paint == "mean":
        return images.mean(dim=(2, 3), keepdim=True).expand_as(images)
    from torchvision.transforms.v2.functional import gaussian_blur

    sigma = max(images.shape[2:]) / 28
    side = 2 * round(3 * sigma) + 1
    return gaussian_blur(images, [side, side], [sigma, sigma])


def painted(images: Tensor, kept: Tensor, grid: tuple[int, ...], over: Tensor) -> Tensor:
    """Images (B, 3, H, W) whose patches outside kept (B, k) are those of `over`, counted row by row."""
    rows, columns = grid
    mask = torch.zeros(len(images), rows * columns, device=images.device)
    mask = mask.scatter(1, kept.to(images.device), 1.0).view(-1, 1, rows, columns)
    shown = F.interpolate(mask, size=images.shape[2:], mode="nearest") > 0
    return torch.where(shown, images, over)
