"""Pruning timm's ViT kin (`VisionTransformer`, `Eva`) through their own `patch_drop` slot.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 3.2: patches are dropped after the patch and position embedding, before
the first block; prefix tokens stay. timm calls the slot just there, and gathers rotary tables by the indices that
it returns (https://arxiv.org/abs/2212.00794 and https://arxiv.org/abs/2208.07220, for training). Our loader fills
it once with a module that gathers the kept patches of the running call. Which these are travels with the call, in a
`ContextVar`, never on a module, so any number of threads may share a model.
"""

from collections.abc import Sequence
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

__all__ = ["TokenBackbone", "refusal"]


class _Call:
    """One call's kept patches, and whether the model's slot was reached."""

    __slots__ = ("kept", "used")

    def __init__(self, kept: Tensor) -> None:
        self.kept, self.used = kept, False


_call: ContextVar[_Call | None] = ContextVar("papr_kept", default=None)


class _KeepPatches(nn.Module):
    """In a model's `patch_drop` slot: keeps the running call's patches, and everything when there are none."""

    def __init__(self, num_prefix_tokens: int, returns_indices: bool) -> None:
        super().__init__()
        self.num_prefix_tokens = num_prefix_tokens
        self.returns_indices = returns_indices

    def forward(self, tokens: Tensor) -> Tensor | tuple[Tensor, Tensor | None]:
        """Tokens (B or 1, P + N, D), kept (B, k): to (B, P + k, D), beside kept for the rotary tables."""
        call = _call.get()
        if call is None:
            return (tokens, None) if self.returns_indices else tokens
        call.used = True
        kept = call.kept.to(tokens.device)
        tokens = _gather(tokens, kept, self.num_prefix_tokens)
        return (tokens, kept) if self.returns_indices else tokens


def _gather(tokens: Tensor, kept: Tensor, prefix: int) -> Tensor:
    images, length, width = tokens.shape
    batch, k = kept.shape
    _check_kept(kept, images, length - prefix)
    rows = torch.cat([torch.arange(prefix, device=kept.device).expand(batch, -1), kept + prefix], dim=1)
    if images > 1:
        rows = rows + length * torch.arange(images, device=kept.device).unsqueeze(1)  # (B, P + k), of B (P + N) rows
    return tokens.flatten(0, 1).index_select(0, rows.flatten()).view(batch, prefix + k, width)


def _check_kept(kept: Tensor, images: int, num_patches: int) -> None:
    if images not in (1, kept.shape[0]):
        raise InvalidInput(f"Kept patches for {kept.shape[0]} images do not go with a batch of {images}.")
    if torch.compiler.is_compiling() or kept.is_meta:
        return
    ordered = kept.sort(dim=1).values
    if ordered[:, 0].min() < 0 or ordered[:, -1].max() >= num_patches or (ordered.diff(dim=1) == 0).any():
        raise InvalidInput(f"Kept patches are different numbers from 0 to {num_patches - 1}, a row an image.")


class TokenBackbone(nn.Module):
    """A timm ViT in eval mode that sees only the patches it is told to keep.

    name, title; model: the plain timm model; input_size (3, H, W); grid (rows, columns); num_patches;
    num_prefix_tokens; labels; weights: where they came from, None if they are random.
    """

    family = "tokens"

    def __init__(self, model: nn.Module, entry: catalog.Entry, source: weights.Source | None = None) -> None:
        super().__init__()
        reason = refusal(model)
        if reason:
            raise UnsupportedModel(f"{entry.name} cannot be pruned: {reason}.")
        self.name, self.title, self.weights = entry.name, entry.title, source
        self.model = model.eval()
        config = model.pretrained_cfg
        self.grid = tuple(int(side) for side in model.patch_embed.grid_size)
        self.num_patches = self.grid[0] * self.grid[1]
        self.num_prefix_tokens = model.num_prefix_tokens
        self.input_size = (config["input_size"][0], *(int(side) for side in model.patch_embed.img_size))
        self.labels = _labels.from_config(source.config if source else entry.config, model.num_classes)
        self._view = View.of(config, self.input_size[1:])
        _fill_slot(model)

    def forward(self, images: Tensor, kept: Tensor | None = None) -> Tensor:
        """Normalised images (B, 3, H, W) and the patches that each keeps (B, k): logits (B, C).

        kept counts patches only, row by row, in any order; None is the plain timm forward. One image (1, 3, H, W)
        with kept (M, k) is embedded once and gives M answers (M, C), one a row of kept.

        Raises:
            InvalidInput: images of another size, or kept that are not different patches, a row an image.
        """
        if images.ndim != 4 or not self._takes(images.shape[2:]):
            raise InvalidInput(
                f"{self.name} takes images (B, {', '.join(map(str, self.input_size))}), not {tuple(images.shape)}."
            )
        if kept is None:
            return self.model(images)
        if not isinstance(kept, Tensor) or kept.ndim != 2 or kept.dtype != torch.int64 or 0 in kept.shape:
            shown = f"{tuple(kept.shape)}, {kept.dtype}" if isinstance(kept, Tensor) else type(kept).__name__
            raise InvalidInput(f"Kept patches are an int64 tensor (B, k) with k from 1 up, not {shown}.")
        call = _Call(kept)
        token = _call.set(call)
        try:
            logits = self.model(images)
        finally:
            _call.reset(token)
        if not call.used:
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
        """The backbone's own crop of a picture, exactly its input size; all that follows sees this crop."""
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

    def _takes(self, size: Sequence[int]) -> bool:
        return tuple(size) == self.input_size[1:] or bool(getattr(self.model, "dynamic_img_size", False))


def refusal(model: nn.Module) -> str | None:
    """Why a timm model cannot be pruned through the slot, or None if it can."""
    from timm.models.eva import Eva
    from timm.models.vision_transformer import VisionTransformer

    if not isinstance(model, (VisionTransformer, Eva)):
        kind = type(model).__name__
        why = _REASONS.get(kind, "timm gives it no place where patches can be dropped")
        return f"{why} ({kind}; ViT, DeiT, CLIP, EVA-02 and kin can be)"
    if model.num_classes < 1:
        return "it has no classifier, so there is no answer to watch"
    return None


_PAIRS = "its attention adds a learnt bias for every pair of positions"
_REASONS = {
    "Beit": _PAIRS,
    "VisionTransformerRelPos": _PAIRS,
    "Cait": "it has no slot where patches can be dropped",
    "Hiera": "it merges neighbouring patches between its stages and needs the whole grid",
    "NaFlexVit": "its slot is asked in training only",
    "SwinTransformer": "its windows need the whole grid",
    "SwinTransformerV2": "its windows need the whole grid",
    "ConvNeXt": "its convolutions need the whole grid",
}


def _fill_slot(model: nn.Module) -> None:
    from timm.models.eva import Eva

    model.patch_drop = _KeepPatches(model.num_prefix_tokens, returns_indices=isinstance(model, Eva))
    model.patch_drop.train(model.training)
