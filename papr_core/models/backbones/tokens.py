"""Pruning timm's ViT kin (`VisionTransformer`, `Eva`) through their own `patch_drop` slot.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 3.2: patches are dropped after patch and position embedding,
before the first block; prefix tokens stay. timm calls the slot just there and gathers rotary tables by the
indices it returns (it is made for training: https://arxiv.org/abs/2212.00794,
https://arxiv.org/abs/2208.07220). Here the slot is filled once with a module that gathers the kept patches of
the running call. Which these are travels with the call, in a `ContextVar`, never on a module, so any number
of threads may share a model. Inside the
blocks a reduction may follow: reduced.py. Written from the paper.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

import papr_core.models.backbones.reduced as reduced
from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.models import weights
from papr_core.models.backbones.base import Backbone, of_timm
from papr_core.models.entries import Entry
from papr_core.pruning.reductions.base import Reduction
from papr_core.pruning.selection import check_kept, num_kept, select_patches, top_patches
from papr_core.pruning.significance import patch_significance

__all__ = ["TokenBackbone"]


class TokenBackbone(Backbone):
    """A timm ViT in eval mode that sees only the patches it is told to keep.

    num_prefix_tokens: class, distillation and register tokens, which always stay.

    To compile it, compile the timm model in place: `backbone.model.compile()`. To compile it with a
    reduction, `torch.compile(backbone)`.
    """

    family = "tokens"

    def __init__(self, model: Any, entry: Entry, source: weights.Source | None = None) -> None:
        self._check(model, entry)
        super().__init__(
            model,
            entry,
            source,
            input_size=(3, *model.patch_embed.img_size),
            grid=model.patch_embed.grid_size,
            num_prefix_tokens=model.num_prefix_tokens,
            **of_timm(model, entry, source, model.patch_embed.img_size),
        )
        model.patch_drop = _KeepPatches(model)
        self.eval()

    def forward(
        self, images: Tensor, kept: Tensor | None = None, *, reduction: Reduction | None = None
    ) -> Tensor:
        """Normalised images (B, 3, H, W) and the patches that each keeps, (B, k), to logits (B, C).

        kept counts patches only, row by row, in any order; None is timm's own forward. One image (1, 3, H, W)
        with kept (M, k) is embedded once and gives M answers, (M, C). reduction: what happens
        inside the blocks to those that are kept.

        Raises:
            InvalidInput: images of another size, or kept that are not different patches, a row an image.
            UnsupportedModel: a reduction inside blocks of an unknown kind.
        """
        if reduction is not None and any(counts := self._per_block(reduction, len(self.model.blocks))):
            tokens = self._reduced(images, kept, reduction, counts, traced=False)
            return reduced.pooled_by_size(self.model, self.model.norm(tokens.x), tokens.sizes)
        with self._pruned(images, kept):
            return self.model(images)

    def groups(self, images: Tensor, kept: Tensor | None = None, *, reduction: Reduction) -> Tensor:
        """Where each patch ends up: (B, N) int64, patches of one number are one token at the end; -1 is a
        patch that is gone. Arguments as of a call."""
        counts = self._per_block(reduction, len(self.model.blocks))
        tokens = self._reduced(images, kept, reduction, counts, traced=True)
        places = tokens.sources[:, self.num_prefix_tokens :]  # (B, k)
        ends = (places - self.num_prefix_tokens).clamp(min=-1)
        if kept is None:
            return ends
        grid = self._grid_of(images)
        return ends.new_full((len(ends), grid[0] * grid[1]), -1).scatter(1, kept.to(ends.device), ends)

    def _reduced(
        self,
        images: Tensor,
        kept: Tensor | None,
        reduction: Reduction,
        counts: tuple[int, ...],
        *,
        traced: bool,
    ) -> reduced.Tokens:
        """The tokens behind the last block. Here kept is an argument all the way, so that it compiles."""
        model, grid = self.model, self._grid_of(images)
        embedded = model._pos_embed(model.patch_embed(images))  # outside a call the slot keeps everything
        x, rope = embedded if isinstance(embedded, tuple) else (embedded, None)
        mixed = rope is not None and model.rope_mixed
        if kept is not None:
            check_kept(kept, len(images), grid[0] * grid[1])
            kept = kept.to(x.device)
            x = _gather(x, kept, self.num_prefix_tokens)
            if mixed:  # (depth, heads, N, D) to (depth, B, heads, k, D)
                rope = rope[:, :, kept].transpose(1, 2)
            elif rope is not None:  # (N, D) to (B, 1, k, D)
                rope = rope[kept].unsqueeze(1)
        x = model.norm_pre(x)
        sources = torch.arange(x.shape[1], device=x.device).expand(len(x), -1) if traced else None
        tokens = reduced.Tokens(x, rope, mixed, sources=sources)
        for depth, (block, count) in enumerate(zip(model.blocks, counts)):
            tokens = reduced.reduced_block(block, tokens, depth, reduction, count, self.num_prefix_tokens)
        return tokens

    def _irreducible(self) -> str | None:
        return reduced.refusal(self.model)

    @contextmanager
    def _pruned(self, images: Tensor, kept: Tensor | None) -> Iterator[None]:
        """Inside, the model's patch_drop slot keeps these patches of these images."""
        grid = self._grid_of(images)
        if kept is None:
            yield
            return
        check_kept(kept, len(images), grid[0] * grid[1])
        call = _Call(kept)
        token = _running.set(call)
        try:
            yield
        finally:
            _running.reset(token)
        if not call.pruned:
            raise UnsupportedModel(f"{self.name} never asked which patches to keep, so nothing was pruned.")

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

    @staticmethod
    def refusal(model: Any) -> str | None:
        """Why a timm model cannot be pruned here, or None if it can."""
        from timm.models.eva import Eva
        from timm.models.vision_transformer import VisionTransformer

        if not isinstance(model, (VisionTransformer, Eva)):
            kind = type(model).__name__
            why = _WHY_NOT.get(kind, "timm gives it no place where patches can be dropped")
            return f"{why} ({kind}; ViT, DeiT, CLIP, EVA-02 and their kin can be, ConvNeXt and Swin too)"
        if getattr(model, "attn_pool", None) is None and not model.global_pool:
            return "it does not pool, so it gives no one answer"
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

    def __init__(self, model: Any) -> None:
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


_PAIRS = "its attention holds a bias for each pair of positions"
_GRID = "its windows need the whole grid"
_WHY_NOT = {
    "Beit": _PAIRS,
    "VisionTransformerRelPos": _PAIRS,
    "VisionTransformerSAM": _GRID,
    "Hiera": "it merges neighbouring patches between its stages",
    "NaFlexVit": "timm drops its patches in training only",
}
