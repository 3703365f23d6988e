"""Maps that no model made: random orders, a checkerboard, nearness to the middle, edges, patches by hand.

The controls are ours: a reader needs them to know what a picture of a good-looking map is worth.
"""

import hashlib
import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from papr_core.errors import InvalidInput

__all__ = [
    "Patches",
    "center_map",
    "checked_patches",
    "checkerboard_map",
    "chosen_map",
    "edge_maps",
    "shuffled_maps",
]

Patches = Sequence[int] | Tensor | np.ndarray


def shuffled_maps(grid: Sequence[int], seed: int, keys: Sequence[Hashable], draws: int) -> Tensor:
    """Random orders of the grid's patches as maps, 0 to N - 1: (keys, draws, *grid), the same for the same
    seed, key and draw."""
    maps = [torch.stack([_shuffled(grid, seed, key, draw) for draw in range(draws)]) for key in keys]
    return torch.stack(maps)


def _shuffled(grid: Sequence[int], seed: int, key: Hashable, draw: int) -> Tensor:
    digest = hashlib.sha256(f"{seed}/{key}/{draw}".encode("utf-8", "surrogateescape")).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
    return torch.randperm(math.prod(grid), generator=generator).reshape(tuple(grid)).float()


def center_map(grid: Sequence[int]) -> Tensor:
    """Less the further from the middle, each side of the grid counting from -1 to 1."""
    sides = [(torch.arange(side) - (side - 1) / 2) / (side / 2) for side in grid]
    return -sum((axis**2 for axis in torch.meshgrid(*sides, indexing="ij")), torch.zeros(())).sqrt()


def checkerboard_map(grid: Sequence[int]) -> Tensor:
    """Evenly spread patches of a grid (rows, columns), the same for every picture; sets nest.

    The order is that of Bayer's dither matrix of the next power of two, cut to the grid: each count spreads
    over the whole of it as evenly as whole patches allow, and half of the patches are the board's squares of
    one colour.
    """
    rows, columns = torch.meshgrid(*(torch.arange(side) for side in grid), indexing="ij")
    order = torch.zeros_like(rows)
    for bit in range((max(grid) - 1).bit_length()):  # the lowest bit of a place weighs most
        down, across = rows >> bit & 1, columns >> bit & 1
        order = 4 * order + 2 * (down ^ across) + down
    return -order.float()


def edge_maps(pictures: Tensor, grid: Sequence[int]) -> Tensor:
    """Sobel energy: pictures (B, 3, H, W) in 0..1 to each patch's mean of the squared gradient of the grey
    picture, (B, rows, columns). By OpenCV, whose border is mirrored."""
    import cv2

    (rows, columns), energies = grid, []
    for picture in pictures.float().cpu().permute(0, 2, 3, 1).numpy():
        grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
        across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
        energies.append(torch.from_numpy(across**2 + down**2))
    return F.adaptive_avg_pool2d(torch.stack(energies), (rows, columns)).to(pictures.device)


def chosen_map(patches: Patches | None, grid: Sequence[int]) -> Tensor:
    """1 at the patches chosen by hand, else 0. Raises InvalidInput as `checked_patches` does."""
    num_patches = math.prod(grid)
    marked = torch.zeros(num_patches)
    marked[list(checked_patches(patches, num_patches))] = 1
    return marked.reshape(tuple(grid))


def checked_patches(patches: Patches | None, num_patches: int) -> tuple[int, ...]:
    """Patches chosen by hand (a sequence, an array or a tensor), ascending, each once.

    Raises InvalidInput for none, or for none such; a mask of booleans is none such.
    """
    given: Any = patches.tolist() if isinstance(patches, Tensor | np.ndarray) else patches
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
