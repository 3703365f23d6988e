"""Pruning timm's ViT kin (`VisionTransformer`, `Eva`) through their own `patch_drop` slot.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 3.2: patches are dropped after patch and position embedding,
before the first block; prefix tokens stay. timm calls the slot just there and gathers rotary tables by the
indices it returns (it is made for training: https://arxiv.org/abs/2212.00794,
https://arxiv.org/abs/2208.07220). Here the slot is filled once with a module that gathers the kept patches of
the running call. Which these are travels with the call, in a `ContextVar`, never on a module, so any number
of threads may share a model. Written from the paper.
"""

from contextvars import ContextVar
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from papr_core import catalog, weights
from papr_core import labels as _labels
from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.images import View
from papr_core.selection import num_kept, select_patches, top_patches
from papr_core.significance import patch_significance

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["TokenBackbone"]


class TokenBackbone(nn.Module):
    """A timm ViT in eval mode that sees only the patches it is told to keep.

    name, title; model: the plain timm model; input_size (3, H, W); grid (rows, columns); num_patches;
    num_prefix_tokens; labels; weights: where they came from, None if they are random.

    To compile it, compile the timm model in place: `backbone.model.compile()`.
    """

    family = "tokens"

    def __init__(self, model: nn.Module, entry: catalog.Entry, source: weights.Source | None = None) -> None:
        super().__init__()
        reason = self.refusal(model)
        if reason:
            raise UnsupportedModel(f"{entry.name} cannot be pruned: {reason}.")
        self.name, self.title, self.weights = entry.name, entry.title, source
        self.model = model
        self.grid = tuple(int(side) for side in model.patch_embed.grid_size)
        self.num_patches = self.grid[0] * self.grid[1]
        if self.num_patches < 1:
            raise InvalidInput(f"{entry.name} cannot see pictures smaller than one of its patches.")
        self.num_prefix_tokens = model.num_prefix_tokens
        self.input_size = (3, *(int(side) for side in model.patch_embed.img_size))
        self.labels = _labels.from_config(source.config if source else entry.config, model.num_classes)
        self._view = View.of(model.pretrained_cfg, self.input_size[1:])
        model.patch_drop = _KeepPatches(model)
        self.eval()

    def forward(self, images: Tensor, kept: Tensor | None = None) -> Tensor:
        """Normalised images (B, 3, H, W) and the patches that each keeps, (B, k), to logits (B, C).

        kept counts patches only, row by row, in any order; None is timm's own forward. One image (1, 3, H, W)
        with kept (M, k) is embedded once and gives M answers, (M, C).

        Raises:
            InvalidInput: images of another size, or kept that are not different patches, a row an image.
        """
        grid = self._grid_of(images)
        if kept is None:
            return self.model(images)
        _check_kept(kept, len(images), grid[0] * grid[1])
        call = _Call(kept)
        token = _running.set(call)
        try:
            logits = self.model(images)
        finally:
            _running.reset(token)
        if not call.pruned:
            raise UnsupportedModel(f"{self.name} never asked which patches to keep, so nothing was pruned.")
        return logits

    def select(self, map: Tensor, keep_ratio: float) -> Tensor:
        """A method's coarse map (B, h, w), resized to the grid, to the patches kept at a ratio: (B, k)."""
        significance = patch_significance(map, self.grid)
        return select_patches(significance, keep_ratio, num_prefix_tokens=self.num_prefix_tokens)

    def select_count(self, map: Tensor, k: int) -> Tensor:
        """The same by count: the k most significant patches, (B, k)."""
        return top_patches(patch_significance(map, self.grid), k)

    def num_kept(self, keep_ratio: float) -> int:
        """How many patches stay at a keep ratio."""
        return num_kept(self.num_patches, keep_ratio, self.num_prefix_tokens)

    def fit(self, image: "Image.Image", fit: str = "crop") -> "Image.Image":
        """The backbone's own crop of a picture, exactly its input size; all that follows sees it."""
        return self._view.fit(image, fit)

    def view(self, crop: "Image.Image") -> Tensor:
        """The crop as this backbone wants it: (1, 3, H, W), normalised."""
        return self._view.tensor(crop)

    def normalise(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in 0..1, brought to this backbone's mean and standard deviation."""
        return self._view.normalise(images)

    @property
    def sha256(self) -> str | None:
        """Of the weights file; None for random weights."""
        return weights.sha256(self.weights.path) if self.weights else None

    @staticmethod
    def refusal(model: nn.Module) -> str | None:
        """Why a timm model cannot be pruned here, or None if it can."""
        from timm.models.eva import Eva
        from timm.models.vision_transformer import VisionTransformer

        if not isinstance(model, (VisionTransformer, Eva)):
            kind = type(model).__name__
            why = _WHY_NOT.get(kind, "timm gives it no place where patches can be dropped")
            return f"{why} ({kind}; ViT, DeiT, CLIP, EVA-02 and their kin can be)"
        if model.num_classes < 1:
            return "it has no classifier, so there is no answer to watch"
        return None

    def _grid_of(self, images: Tensor) -> tuple[int, int]:
        size = tuple(images.shape[2:])
        if images.ndim == 4 and images.shape[1] == 3 and size == self.input_size[1:]:
            return self.grid
        if images.ndim == 4 and images.shape[1] == 3 and getattr(self.model, "dynamic_img_size", False):
            return tuple(self.model.patch_embed.dynamic_feat_size(size))
        raise InvalidInput(
            f"{self.name} takes images (B, {str(self.input_size)[1:-1]}), not {tuple(images.shape)}."
        )


class _Call:
    """The kept patches of one call, and whether the model came to ask for them."""

    __slots__ = ("kept", "pruned")

    def __init__(self, kept: Tensor) -> None:
        self.kept, self.pruned = kept, False


_running: ContextVar[_Call | None] = ContextVar("papr_running_call", default=None)


class _KeepPatches(nn.Module):
    """In a model's `patch_drop` slot: keeps the patches of the running call, and everything outside one."""

    def __init__(self, model: nn.Module) -> None:
        from timm.models.eva import Eva

        super().__init__()
        self.num_prefix_tokens = model.num_prefix_tokens
        self.returns_indices = isinstance(model, Eva)

    def forward(self, tokens: Tensor) -> Tensor | tuple[Tensor, Tensor | None]:
        """Tokens (B or 1, P + N, D) to (B, P + k, D); beside them kept (B, k), for Eva's rotary tables."""
        call = _running.get()
        kept = None
        if call is not None:
            call.pruned = True
            everything = (len(tokens), tokens.shape[1] - self.num_prefix_tokens)
            if call.kept.shape != everything:  # all stay as they lie: a copy would round otherwise
                kept = call.kept.to(tokens.device)
                tokens = _gather(tokens, kept, self.num_prefix_tokens)
        return (tokens, kept) if self.returns_indices else tokens


def _gather(tokens: Tensor, kept: Tensor, num_prefix_tokens: int) -> Tensor:
    images, length, width = tokens.shape
    prefix = torch.arange(num_prefix_tokens, device=kept.device).expand(len(kept), -1)
    rows = torch.cat([prefix, kept + num_prefix_tokens], dim=1)  # (B, P + k)
    if images > 1:  # as rows of all images under one another
        rows = rows + length * torch.arange(images, device=kept.device).unsqueeze(1)
    return tokens.flatten(0, 1).index_select(0, rows.flatten()).view(*rows.shape, width)


def _check_kept(kept: Tensor, num_images: int, num_patches: int) -> None:
    if not isinstance(kept, Tensor) or kept.ndim != 2 or kept.dtype != torch.int64 or 0 in kept.shape:
        shown = f"{tuple(kept.shape)} of {kept.dtype}" if isinstance(kept, Tensor) else type(kept).__name__
        raise InvalidInput(f"Kept patches are an int64 tensor (B, k) with k from 1 up, not {shown}.")
    if num_images not in (1, len(kept)):
        raise InvalidInput(f"Kept patches of {len(kept)} images do not go with a batch of {num_images}.")
    if torch.compiler.is_compiling() or kept.is_meta:  # no values to look at
        return
    ordered = kept.sort(dim=1).values
    repeated = (ordered.diff(dim=1) == 0).any(dim=1)
    if ((ordered[:, 0] < 0) | (ordered[:, -1] >= num_patches) | repeated).any():
        raise InvalidInput(f"Kept patches are different numbers from 0 to {num_patches - 1}, a row an image.")


_PAIRS = "its attention holds a bias for each pair of positions"
_GRID = "its windows need the whole grid"
_WHY_NOT = {
    "Beit": _PAIRS,
    "VisionTransformerRelPos": _PAIRS,
    "VisionTransformerSAM": _GRID,
    "SwinTransformer": _GRID,
    "SwinTransformerV2": _GRID,
    "Hiera": "it merges neighbouring patches between its stages",
    "ConvNeXt": "its convolutions need the whole grid",
    "NaFlexVit": "timm drops its patches in training only",
}
