"""From a ConvNet's last feature map to a patch significance map.

PaPr: Training-Free One-Step Patch Pruning with Lightweight ConvNets, https://arxiv.org/abs/2403.16020,
Eq. 2 (the mean over channels) and the upsampling U that follows it. Written from the paper.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from papr_core.errors import InvalidInput

__all__ = ["channel_mean", "constant_as_zeros", "min_max", "patch_significance"]


def channel_mean(features: Tensor) -> Tensor:
    """PaPr's map before it is resized (Eq. 2): features (B, K, ...) to their mean over channels, (B, ...), in
    float32 at least."""
    return features.to(torch.promote_types(features.dtype, torch.float32)).mean(dim=1)


def patch_significance(features: Tensor, grid: Sequence[int], *, align_corners: bool = True) -> Tensor:
    """How much each patch matters: the mean over channels, resized to the patch grid.

    Images: features (B, K, h, w) and a grid (H, W) give (B, H, W), bicubic. Clips: features (B, K, t, h, w)
    and a grid (T, H, W) give (B, T, H, W), trilinear. With a two-number grid a three-dimensional input, with
    a three-number grid a four-dimensional one, is a map that is already there: it is only resized.

    Nothing is normalised: the order is what counts. `align_corners` is True as in the authors' experiments
    (their printed pseudo code leaves PyTorch's False). Halves are computed in float32.

    >>> import papr_core, torch
    >>> features = torch.rand(2, 256, 7, 7)  # two pictures' last maps
    >>> papr_core.patch_significance(features, (14, 14)).shape
    torch.Size([2, 14, 14])

    Raises:
        InvalidInput: a grid that is not two or three positive numbers, or features that do not fit it.
    """
    grid = _checked_grid(grid)
    dims = len(grid)
    if features.ndim not in (dims + 1, dims + 2):
        raise InvalidInput(
            f"A grid of {dims} numbers goes with features of {dims + 2} dimensions (batch, channels, ...)"
            f" or a map of {dims + 1} (batch, ...), not with the shape {tuple(features.shape)}."
        )
    if 0 in features.shape:
        raise InvalidInput(f"Features of shape {tuple(features.shape)} are empty, so they rank nothing.")
    coarse = channel_mean(features) if features.ndim == dims + 2 else features  # (B, h, w) or (B, t, h, w)
    coarse = coarse.to(torch.promote_types(coarse.dtype, torch.float32))
    if tuple(coarse.shape[1:]) == grid:
        return coarse
    mode = "bicubic" if dims == 2 else "trilinear"
    return F.interpolate(coarse.unsqueeze(1), size=grid, mode=mode, align_corners=align_corners).squeeze(1)


def constant_as_zeros(coarse: Tensor) -> tuple[Tensor, Tensor]:
    """A method's map, and whether it is constant, (): a spread of rounding's size ranks nothing, and such a
    map is given as zeros, or rounding would rank its patches."""
    low, high = coarse.min().double(), coarse.max().double()
    constant = high - low <= 1e-6 * torch.maximum(low.abs(), high.abs())
    return torch.where(constant, torch.zeros_like(coarse), coarse), constant


def min_max(significance: Tensor) -> Tensor:
    """Each map of a batch (B, ...) stretched to 0..1, for the eye only; a constant map becomes 0.

    >>> import papr_core, torch
    >>> papr_core.min_max(torch.tensor([[2.0, 3.0, 4.0], [5.0, 5.0, 5.0]])).tolist()
    [[0.0, 0.5, 1.0], [0.0, 0.0, 0.0]]
    """
    low = significance.flatten(1).amin(dim=1).view(-1, *[1] * (significance.ndim - 1))
    high = significance.flatten(1).amax(dim=1).view(-1, *[1] * (significance.ndim - 1))
    span = high - low
    return (significance - low) / torch.where(span > 0, span, torch.ones_like(span))


def _checked_grid(grid: Sequence[int]) -> tuple[int, ...]:
    try:
        numbers = tuple(int(side) for side in grid)
        whole = all(number == side for number, side in zip(numbers, grid))
    except (TypeError, ValueError):
        raise InvalidInput(f"A patch grid is two or three whole numbers, not {grid!r}.") from None
    if len(numbers) not in (2, 3) or not whole or min(numbers) < 1:
        raise InvalidInput(f"A patch grid is two or three whole numbers from 1 up, not {tuple(grid)!r}.")
    return numbers
