"""From a patch significance map to the patches that are kept.

PaPr, https://arxiv.org/abs/2403.16020, Eq. 3. Written from the paper; the count is the one that gives the
costs the paper prints, k = floor(z (N + P)), with N patches and P prefix tokens.
"""

import math
from numbers import Real

import torch
from torch import Tensor

from papr_core.errors import InvalidInput

__all__ = [
    "DEFAULT_KEEP_RATIO",
    "check_kept",
    "num_in_mass",
    "num_kept",
    "select_patches",
    "top_patches",
]

DEFAULT_KEEP_RATIO = 0.4  # the paper's Fig. 12 to 17


def select_patches(significance: Tensor, keep_ratio: float, *, num_prefix_tokens: int = 0) -> Tensor:
    """The patches that stay at a keep ratio: (B, *grid) to indices (B, k), int64, ascending.

    Indices count patches only, row by row (prefix tokens always stay and are not counted).

    >>> import papr_core, torch
    >>> papr_core.select_patches(torch.tensor([[[0.1, 0.9], [0.5, 0.3]]]), keep_ratio=0.5)
    tensor([[1, 2]])

    Raises:
        InvalidInput: a keep ratio outside (0, 1], or a map with NaN or infinity.
    """
    if significance.ndim < 2:
        raise InvalidInput(
            f"A significance map has a batch first, (B, H, W), not {tuple(significance.shape)}."
        )
    num_patches = math.prod(significance.shape[1:])
    return top_patches(significance, num_kept(num_patches, keep_ratio, num_prefix_tokens))


def num_kept(num_patches: int, keep_ratio: float, num_prefix_tokens: int = 0) -> int:
    """How many of N patches stay: floor(z (N + P) + 1e-6), at least 1, at most N; a ratio of 1 keeps all.

    >>> import papr_core
    >>> papr_core.num_kept(196, 0.4, num_prefix_tokens=1)
    78
    >>> papr_core.num_kept(196, 1.5)
    Traceback (most recent call last):
    papr_core.errors.InvalidInput: The keep ratio must be above 0 and at most 1, not 1.5.

    Raises:
        InvalidInput: a keep ratio that is not a number in (0, 1], or no patches at all.
    """
    if num_patches < 1 or num_prefix_tokens < 0:
        raise InvalidInput(f"There is nothing to select from {num_patches} patches.")
    if isinstance(keep_ratio, Tensor) and keep_ratio.numel() == 1:
        keep_ratio = keep_ratio.item()
    if isinstance(keep_ratio, bool) or not isinstance(keep_ratio, Real) or not 0 < keep_ratio <= 1:
        raise InvalidInput(f"The keep ratio must be above 0 and at most 1, not {keep_ratio!r}.")
    if keep_ratio == 1:
        return num_patches
    return max(1, min(num_patches, math.floor(keep_ratio * (num_patches + num_prefix_tokens) + 1e-6)))


def num_in_mass(significance: Tensor, mass: float) -> Tensor:
    """The fewest patches of each map, best first, that hold a share of it: (B, *grid) to (B,), int64.

    A patch counts with its value above the map's minimum. A constant map gives no order, so all of it stays.

    >>> import torch
    >>> from papr_core.pruning.selection import num_in_mass
    >>> num_in_mass(torch.tensor([[[5.0, 1.0], [3.0, 1.0]]]), 0.6).tolist()
    [1]

    Raises:
        InvalidInput: a share outside (0, 1], or a map with NaN or infinity.
    """
    if isinstance(mass, bool) or not isinstance(mass, Real) or not 0 < mass <= 1:
        raise InvalidInput(f"The mass must be above 0 and at most 1, not {mass!r}.")
    scores = significance.flatten(1).double()  # (B, N)
    if not torch.isfinite(scores).all():
        raise InvalidInput("The significance map holds NaN or infinity, so it cannot be ranked.")
    above = scores - scores.amin(dim=1, keepdim=True)
    held = above.sort(dim=1, descending=True).values.cumsum(dim=1)
    total = held[:, -1:]
    count = 1 + (held < mass * total * (1 - 1e-9)).sum(dim=1)
    return torch.where(total[:, 0] > 0, count, scores.shape[1])


def top_patches(significance: Tensor, k: int) -> Tensor:
    """The k most significant patches of each map: (B, *grid) to (B, k), int64, ascending.

    Of equal values the lower index wins (a stable sort), so results repeat.

    >>> import papr_core, torch
    >>> papr_core.top_patches(torch.tensor([[0.2, 0.7, 0.7, 0.1]]), 1)
    tensor([[1]])

    Raises:
        InvalidInput: k outside 1..N, or a map with NaN or infinity.
    """
    if significance.ndim < 2:
        raise InvalidInput(
            f"A significance map has a batch first, (B, H, W), not {tuple(significance.shape)}."
        )
    scores = significance.flatten(1)  # (B, N)
    if not 1 <= k <= scores.shape[1]:
        raise InvalidInput(f"Of {scores.shape[1]} patches, 1 to {scores.shape[1]} can be kept, not {k}.")
    if not _traced(scores) and not torch.isfinite(scores).all():
        raise InvalidInput("The significance map holds NaN or infinity, so it cannot be ranked.")
    ranked = scores.argsort(dim=1, descending=True, stable=True)
    return ranked[:, :k].sort(dim=1).values


def check_kept(kept: Tensor, num_images: int, num_patches: int) -> None:
    """Refuse what are not the kept patches, (B, k), of so many images (or, of one image, of B answers).

    Raises:
        InvalidInput: of another shape or type, out of range, or the same patch twice in a row.
    """
    if not isinstance(kept, Tensor) or kept.ndim != 2 or kept.dtype != torch.int64 or 0 in kept.shape:
        shown = f"{tuple(kept.shape)} of {kept.dtype}" if isinstance(kept, Tensor) else type(kept).__name__
        raise InvalidInput(f"Kept patches are an int64 tensor (B, k) with k from 1 up, not {shown}.")
    if num_images not in (1, kept.shape[0]):
        raise InvalidInput(f"Kept patches of {len(kept)} images do not go with a batch of {num_images}.")
    if _traced(kept):
        return
    ordered = kept.sort(dim=1).values
    repeated = (ordered.diff(dim=1) == 0).any(dim=1)
    if ((ordered[:, 0] < 0) | (ordered[:, -1] >= num_patches) | repeated).any():
        raise InvalidInput(f"Kept patches are different numbers from 0 to {num_patches - 1}, a row an image.")


def _traced(tensor: Tensor) -> bool:
    """Whether there are no values to look at: it is compiled, exported, or on the meta device."""
    return torch.compiler.is_compiling() or tensor.is_meta
