"""What a method's map and a budget become: what the backbone is called with, and how many patches that is.

Most methods spend it on the best patches. One spends it on the whole picture at a smaller size.
"""

from typing import Any

from torch import Tensor

from papr_core.methods.table import METHODS
from papr_core.models.backbones.base import Backbone
from papr_core.pruning.shrinking import shrunk_to

__all__ = ["fed", "fed_count", "num_fed"]


def fed(name: str, backbone: Backbone, maps: Tensor, keep_ratio: float) -> Any:
    """What backbone(images, ·) takes for a method's coarse maps (B, h, w) at a keep ratio."""
    if METHODS[name].whole:
        return shrunk_to(backbone.num_kept(keep_ratio), backbone.grid)
    return backbone.select(maps, keep_ratio)


def fed_count(name: str, backbone: Backbone, maps: Tensor, k: int) -> Any:
    """The same by count: a budget of k patches."""
    return shrunk_to(k, backbone.grid) if METHODS[name].whole else backbone.select_count(maps, k)


def num_fed(name: str, backbone: Backbone, k: int) -> int:
    """How many patches the backbone sees for a budget of k."""
    return shrunk_to(k, backbone.grid).num_patches if METHODS[name].whole else k
