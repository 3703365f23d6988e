"""PaPr: a small ConvNet shows a large vision model where to look; the rest of the picture is dropped.

PaPr: Training-Free One-Step Patch Pruning with Lightweight ConvNets for Faster Inference, ECCV 2024,
https://arxiv.org/abs/2403.16020. Written from the paper.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

# Public name -> the module it lives in. Imported when first asked for, so the package itself costs nothing.
_PUBLIC = {
    "BACKBONES": "models.catalog",
    "Backbone": "models.backbones",
    "Comparison": "comparison.comparison",
    "InvalidInput": "errors",
    "Labels": "models.labels",
    "METHODS": "methods.table",
    "PROPOSALS": "models.catalog",
    "PaprError": "errors",
    "PixelBackbone": "models.backbones",
    "Proposal": "models.proposals",
    "Stopped": "errors",
    "Pruned": "models.pruned",
    "ToMe": "pruning.reductions.tome",
    "TokenBackbone": "models.backbones",
    "UnknownClass": "errors",
    "UnknownModel": "errors",
    "UnreadableClip": "errors",
    "UnreadableImage": "errors",
    "UnsupportedModel": "errors",
    "WeightsUnavailable": "errors",
    "as_backbone": "models.given",
    "bipartite_soft_matching": "pruning.reductions.tome",
    "compare": "comparison.comparison",
    "configure": "models.weights",
    "evaluate": "evaluation.run",
    "load_backbone": "models.backbones",
    "load_proposal": "models.proposals",
    "min_max": "pruning.significance",
    "num_kept": "pruning.selection",
    "patch_significance": "pruning.significance",
    "prune": "models.pruned",
    "prune_clip": "comparison.video",
    "read_clip": "data.clips",
    "read_image": "data.images",
    "register_method": "methods.own",
    "select_patches": "pruning.selection",
    "top_patches": "pruning.selection",
    "zero_shot": "models.zero_shot",
}

__all__ = [
    "BACKBONES",
    "METHODS",
    "PROPOSALS",
    "Backbone",
    "Comparison",
    "InvalidInput",
    "Labels",
    "PaprError",
    "PixelBackbone",
    "Proposal",
    "Pruned",
    "Stopped",
    "ToMe",
    "TokenBackbone",
    "UnknownClass",
    "UnknownModel",
    "UnreadableClip",
    "UnreadableImage",
    "UnsupportedModel",
    "WeightsUnavailable",
    "as_backbone",
    "bipartite_soft_matching",
    "compare",
    "configure",
    "evaluate",
    "load_backbone",
    "load_proposal",
    "min_max",
    "num_kept",
    "patch_significance",
    "prune",
    "prune_clip",
    "read_clip",
    "read_image",
    "register_method",
    "select_patches",
    "top_patches",
    "zero_shot",
]


def __getattr__(name: str) -> Any:
    if name == "weights":  # where weights come from; reports from the field ask for it by this name
        return importlib.import_module("papr_core.models.weights")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'papr_core' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"papr_core.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
