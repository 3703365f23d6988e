"""Pruning timm's ViT kin (`VisionTransformer`, `Eva`) through their own `patch_drop` slot.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 3.2: patches are dropped after patch and position embedding,
before the first block; prefix tokens stay. timm calls the slot just there and gathers rotary tables by the
indices it returns (it is made for training: https://arxiv.org/abs/2212.00794,
https://arxiv.org/abs/2208.07220). Here the slot is filled once with a module that gathers the kept patches of
the running call (seam.py). Inside the blocks a reduction may follow: reduced.py. Written from the paper.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import papr_core.models.backbones.attention as attention
import papr_core.models.backbones.reduced as reduced
from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.models import weights
from papr_core.models.backbones.base import Backbone, of_timm
from papr_core.models.backbones.seam import Seam, gathered
from papr_core.models.backbones.watched import Watched, watched
from papr_core.models.entries import Entry
from papr_core.pruning.reductions.base import Reduction
from papr_core.pruning.selection import check_kept
from papr_core.pruning.shrinking import Shrunk

__all__ = ["TokenBackbone"]


class TokenBackbone(Backbone):
    """A timm ViT in eval mode that sees only the patches it is told to keep.

    num_prefix_tokens: class, distillation and register tokens, which always stay.

    To compile it, `torch.compile(backbone, dynamic=True)`: once for all keep ratios.
    """

    family = "tokens"
    grid: tuple[int, int]

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
        self._seam = Seam(self.name, model.num_prefix_tokens)
        model.patch_drop = _KeepPatches(model, self._seam)
        self._entry = entry
        self._resized: dict[tuple, TokenBackbone] = {}
        self.eval()

    def forward(
        self, images: Tensor, kept: Tensor | Shrunk | None = None, *, reduction: Reduction | None = None
    ) -> Tensor:
        """Normalised images (B, 3, H, W) and the patches that each keeps, (B, k), to logits (B, C).

        kept counts patches only, row by row, in any order; None is timm's own forward. One image (1, 3, H, W)
        with kept (M, k) is embedded once and gives M answers, (M, C). A `Shrunk` in their place shows the
        whole pictures at that size (see `resized`). reduction: what happens inside the blocks to those that
        are kept.

        Raises:
            InvalidInput: images of another size, or kept that are not different patches, a row an image.
            UnsupportedModel: a reduction inside blocks of an unknown kind.
        """
        if isinstance(kept, Shrunk):
            smaller = self.resized(kept.grid)
            size = smaller.input_size[1:]
            if size != images.shape[2:]:
                shrunk = F.interpolate(images.float(), size, mode="bicubic", antialias=True)
                images = shrunk.to(images.dtype)  # not written for halves
            return smaller(images, reduction=reduction)
        if reduction is not None and any(counts := self._per_block(reduction, len(self.model.blocks))):
            tokens = self._reduced(images, kept, reduction, counts, traced=False)
            return reduced.pooled_by_size(self.model, self.model.norm(tokens.x), tokens.sizes)
        self._check_call(images, kept)
        with self._seam.keeping(kept):
            return self.model(images)

    def watch(self, images: Tensor) -> Watched:
        """One plain pass over normalised images (B, 3, H, W) that also tells what the model looks at.

        Raises:
            InvalidInput: images of another size. UnsupportedModel: blocks of an unknown kind.
        """
        if self.blind:
            return super().watch(images)
        self._grid_of(images)
        return watched(self.model, images)

    @property
    def blind(self) -> str | None:
        return attention.refusal(self.model)

    @property
    def rigid(self) -> str | None:
        pool = getattr(self.model, "attn_pool", None)
        if getattr(pool, "pos_embed", None) is not None:
            return "its attention pooling knows its positions by one grid alone"
        return None

    def resized(self, grid: tuple[int, int]) -> "TokenBackbone":
        """The same model for pictures of so many rows and columns of patches. It shares every weight with
        this one but the position embedding, which timm resamples once, on a copy (`set_input_size`); this
        one stays as it is. To the bit what timm's `dynamic_img_size` gives; `load_backbone(img_size=...)`
        resamples a file's halves and rounds them, so it is 1e-3 off with such files.

        Raises:
            UnsupportedModel: a model of one size alone.
        """
        if self.rigid:
            raise UnsupportedModel(f"{self.name} cannot see a smaller picture: {self.rigid}.")
        if grid == self.grid:
            return self
        where = next(self.model.parameters())
        key = (grid, where.device, where.dtype)
        if key not in self._resized:
            strides = (side // patches for side, patches in zip(self.input_size[1:], self.grid))
            shared = [*self.model.parameters(), *self.model.buffers()]
            with torch.inference_mode(False), torch.no_grad():
                model = copy.deepcopy(self.model, {id(tensor): tensor for tensor in shared})
                model.set_input_size(img_size=tuple(p * s for p, s in zip(grid, strides)))
            # two threads may both have made one: the first that is there stays
            self._resized.setdefault(key, TokenBackbone(model, self._entry, self.weights))
        return self._resized[key]

    def forward_features(
        self, images: Tensor, kept: Tensor | None = None, *, reduction: Reduction | None = None
    ) -> Tensor:
        """timm's, of what is kept: the tokens behind the last norm, (B, P + k, D), prefix tokens first."""
        if reduction is not None and any(counts := self._per_block(reduction, len(self.model.blocks))):
            return self.model.norm(self._reduced(images, kept, reduction, counts, traced=False).x)
        self._check_call(images, kept)
        with self._seam.keeping(kept):
            return self.model.forward_features(images)

    def _patch_tokens(self, images: Tensor, kept: Tensor | None) -> tuple[Tensor, Tensor | None]:
        self._check_call(images, kept)
        with self._seam.keeping(kept, embedded=True) as call:
            tokens = self.model.forward_features(images)
        return tokens[:, self.num_prefix_tokens :], call.embedded

    def groups(self, images: Tensor, kept: Tensor | None = None, *, reduction: Reduction) -> Tensor:
        """Where each patch ends up: (B, N) int64, patches of one number are one token at the end; -1 is a
        patch that is gone. Arguments as of a call."""
        counts = self._per_block(reduction, len(self.model.blocks))
        tokens = self._reduced(images, kept, reduction, counts, traced=True)
        assert tokens.sources is not None  # traced
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
            check_kept(kept, images.shape[0], grid[0] * grid[1])
            kept = kept.to(x.device)
            x = gathered(x, kept, self.num_prefix_tokens)
            if mixed:  # (depth, heads, N, D) to (depth, B, heads, k, D)
                rope = rope[:, :, kept].transpose(1, 2)
            elif rope is not None:  # (N, D) to (B, 1, k, D)
                rope = rope[kept].unsqueeze(1)
        x = model.norm_pre(x)
        sources = torch.arange(x.shape[1], device=x.device).expand(x.shape[0], -1) if traced else None
        tokens = reduced.Tokens(x, rope, mixed, sources=sources)
        for depth, (block, count) in enumerate(zip(model.blocks, counts)):
            tokens = reduced.reduced_block(block, tokens, depth, reduction, count, self.num_prefix_tokens)
        return tokens

    def _irreducible(self) -> str | None:
        return attention.refusal(self.model)

    def _check_call(self, images: Tensor, kept: Tensor | None) -> None:
        grid = self._grid_of(images)
        if kept is not None:
            check_kept(kept, images.shape[0], grid[0] * grid[1])

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


class _KeepPatches(nn.Module):
    """In a model's `patch_drop` slot: keeps the patches of the running call, and everything outside one."""

    def __init__(self, model: Any, seam: Seam) -> None:
        from timm.models.eva import Eva

        super().__init__()
        self.seam = seam
        self.returns_indices = isinstance(model, Eva)

    def forward(self, tokens: Tensor) -> Tensor | tuple[Tensor, Tensor | None]:
        """Tokens (B or 1, P + N, D) to (B, P + k, D); beside them kept (B, k), for Eva's rotary tables."""
        tokens, kept = self.seam.patches(tokens)
        return (tokens, kept) if self.returns_indices else tokens


_PAIRS = "its attention holds a bias for each pair of positions"
_GRID = "its windows need the whole grid"
_WHY_NOT = {
    "Beit": _PAIRS,
    "VisionTransformerRelPos": _PAIRS,
    "VisionTransformerSAM": _GRID,
    "Hiera": "it merges neighbouring patches between its stages",
    "NaFlexVit": "timm drops its patches in training only",
}
