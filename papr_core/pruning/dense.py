"""Kept tokens written back to the grid, so that a dense task (segmentation, retrieval) can use a pruned ViT.

PaPr, https://arxiv.org/abs/2403.16020, prunes for classification; what stands in a dropped patch's place is a
choice of ours.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from papr_core.errors import InvalidInput

__all__ = ["FILLS", "written_back"]

FILLS = {
    "zero": "zeros",
    "nearest": "the token of the nearest kept patch",
    "embedding": "the patch's own embedding, which no block has seen",
}


def written_back(
    tokens: Tensor,
    kept: Tensor,
    grid: Sequence[int],
    *,
    fill: str = "zero",
    embedded: Tensor | None = None,
) -> Tensor:
    """Tokens of the kept patches (B, k, D), kept (B, k), to the grid: (B, D, *grid).

    fill: what stands where a patch was dropped, a key of FILLS; of patches equally near the lower index
    counts.
    embedded: (B or 1, N, D), the patches before the blocks, for "embedding".

    >>> import torch
    >>> from papr_core.pruning.dense import written_back
    >>> written_back(torch.tensor([[[1.0], [2.0]]]), torch.tensor([[0, 3]]), (2, 3), fill="nearest")
    tensor([[[[1., 1., 1.],
              [2., 2., 2.]]]])

    Raises:
        InvalidInput: another fill, or no embeddings to fill with.
    """
    if fill not in FILLS:
        raise InvalidInput(f"A dropped patch can be filled by {', '.join(FILLS)}, not by {fill!r}.")
    images, _, width = tokens.shape
    num_patches = math.prod(grid)
    if fill == "nearest":
        nearest = _distances(grid, tokens.device)[kept].argmin(dim=1)  # (B, k, N) to (B, N)
        full = tokens.gather(1, nearest.unsqueeze(-1).expand(-1, -1, width))
    else:
        if fill == "zero":
            base = tokens.new_zeros(images, num_patches, width)
        elif embedded is None:
            raise InvalidInput("Dropped patches are to be filled by their embeddings, but there are none.")
        else:
            base = embedded.to(tokens.dtype).expand(images, -1, -1)
        full = base.scatter(1, kept.unsqueeze(-1).expand(-1, -1, width), tokens)
    return full.transpose(1, 2).unflatten(2, tuple(grid))


def _distances(grid: Sequence[int], device: torch.device) -> Tensor:
    """Squared distances between all places of a grid, (N, N)."""
    axes = torch.meshgrid(*(torch.arange(side, device=device) for side in grid), indexing="ij")
    places = torch.stack(axes, dim=-1).flatten(0, -2)  # (N, 2 or 3)
    return (places.unsqueeze(0) - places.unsqueeze(1)).square().sum(dim=-1)
