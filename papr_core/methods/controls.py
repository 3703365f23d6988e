"""Maps that no model made: random orders, nearness to the middle, patches chosen by hand.

The controls are ours: a reader needs them to know what a picture of a good-looking map is worth.
"""

import hashlib
import math
from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from papr_core.errors import InvalidInput

__all__ = ["center_map", "checked_patches", "chosen_map", "shuffled_maps"]


def shuffled_maps(grid: Sequence[int], seed: int, keys: Sequence[Hashable], draws: int) -> Tensor:
    """Random orders of the grid's patches as maps, 0 to N - 1: (keys, draws, *grid), the same for the same
    seed, key and draw."""
    maps = [torch.stack([_shuffled(grid, seed, key, draw) for draw in range(draws)]) for key in keys]
    return torch.stack(maps)


def _shuffled(grid: Sequence[int], seed: int, key: Hashable, draw: int) -> Tensor:
    digest = hashlib.sha256(f"{seed}/{key}/{draw}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
    return torch.randperm(math.prod(grid), generator=generator).reshape(tuple(grid)).float()


def center_map(grid: Sequence[int]) -> Tensor:
    """Less the further from the middle, each side of the grid counting from -1 to 1."""
    sides = [(torch.arange(side) - (side - 1) / 2) / (side / 2) for side in grid]
    return -sum(axis**2 for axis in torch.meshgrid(*sides, indexing="ij")).sqrt()


def chosen_map(patches: Sequence[int] | Tensor | None, grid: Sequence[int]) -> Tensor:
    """1 at the patches chosen by hand, else 0. Raises InvalidInput as `checked_patches` does."""
    num_patches = math.prod(grid)
    marked = torch.zeros(num_patches)
    marked[list(checked_patches(patches, num_patches))] = 1
    return marked.reshape(tuple(grid))


def checked_patches(patches: Sequence[int] | Tensor | None, num_patches: int) -> tuple[int, ...]:
    """Patches chosen by hand (a sequence, an array or a tensor), ascending, each once.

    Raises InvalidInput for none, or for none such; a mask of booleans is none such.
    """
    given = patches.tolist() if hasattr(patches, "tolist") else patches
    try:
        given = [] if given is None else list(given)
        chosen = sorted({int(patch) for patch in given})
        whole = all(int(patch) == patch and not isinstance(patch, bool) for patch in given)
    except (TypeError, ValueError, OverflowError):
        whole, chosen = False, [0]
    if not chosen:
        raise InvalidInput("by-hand needs the patches that are to stay; choose at least one.")
    if not whole or not 0 <= chosen[0] <= chosen[-1] < num_patches:
        raise InvalidInput(f"Patches are whole numbers from 0 to {num_patches - 1}, counted row by row.")
    return tuple(chosen)
