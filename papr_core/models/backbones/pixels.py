"""Pruning hierarchical models (ConvNeXt, Swin) by running their pixel operators on kept positions only.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 3.4 and Eq. 4: the spatial operator of a block (depthwise
convolution, window attention) runs everywhere, the pixel operator (norm and MLP) on the kept positions, whose
results are scattered back. Which positions are kept is settled once a stage, at that stage's resolution.
ConvNeXt, https://arxiv.org/abs/2201.03545, and V2, https://arxiv.org/abs/2301.00808; Swin,
https://arxiv.org/abs/2103.14030, and V2, https://arxiv.org/abs/2111.09883. Written from the papers.

ConvNeXt V2's response normalisation looks at all positions of a channel; here it sees those that are kept, as
everything does that pools. Its scale does not depend on how many these are.

A block's forward is written once a family, over the block's own parts; timm's module is never changed.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.models import weights
from papr_core.models.backbones.base import Backbone, of_timm
from papr_core.models.entries import Entry
from papr_core.pruning.reductions.base import Reduction
from papr_core.pruning.selection import check_kept, num_kept, top_patches
from papr_core.pruning.significance import patch_significance

__all__ = ["RESIDUALS", "PixelBackbone"]

RESIDUALS = ("keep", "zero")
# Measured by benchmarks/pruned_positions.py on small models of 20 classes, 500 held-out pictures, top-1 with
# the residual kept, and zeroed (paired 95 % interval of the difference):
#   ConvNeXt, unpruned 38.0 %; at a keep ratio of 0.65: 33.4, 22.4 (+6.6 to +15.4), at 0.3: 27.6, 13.2 (+9.8
#   to +18.8). Swin, unpruned 37.0 %: 34.6, 24.2 (+6.4 to +14.2), 29.4, 12.2 (+12.8 to +21.6).
# Swin V2 follows Swin, unmeasured.
_DEFAULT_RESIDUAL = {"ConvNeXt": "keep", "SwinTransformer": "keep", "SwinTransformerV2": "keep"}
_SHOWN = 14  # rows of the grid that patches are spoken of: the stage nearest to it


class PixelBackbone(Backbone):
    """A timm ConvNeXt or Swin in eval mode whose pixel operators see only the positions they are told to.

    grids: (rows, columns) of each stage; `grid`, `num_patches` and `num_kept` speak of the stage nearest to
    14 x 14, stage `shown`. residual: what becomes of a pruned position, "keep" (it passes the pixel operator
    by) or "zero" (it is zero afterwards).

    To compile it, compile this module: `torch.compile(backbone)`.
    """

    family = "pixels"
    by_stage = True
    grid: tuple[int, int]
    kinds = tuple(_DEFAULT_RESIDUAL)

    def __init__(
        self,
        model: Any,
        entry: Entry,
        source: weights.Source | None = None,
        *,
        img_size: int | tuple[int, int] | None = None,
        residual: str | None = None,
    ) -> None:
        self._check(model, entry)
        kind = type(model).__name__
        if residual not in (None, *RESIDUALS):
            raise InvalidInput(f"Pruned positions can {' or '.join(RESIDUALS)}, not {residual!r}.")
        size = _input_size(model, img_size)
        grids = _stage_grids(model, size)
        rows = [grid[0] for grid in grids]
        shown = min(range(len(grids)), key=lambda stage: abs(rows[stage] - _SHOWN))
        super().__init__(
            model,
            entry,
            source,
            input_size=(3, *size),
            grid=grids[shown],
            **of_timm(model, entry, source, size),
        )
        if min(min(grid) for grid in grids) < 1:
            raise InvalidInput(f"{entry.name} cannot see pictures of {size[0]} x {size[1]} pixels.")
        self.grids, self.shown = grids, shown
        self.residual = residual or _DEFAULT_RESIDUAL[kind]

    def forward(
        self,
        images: Tensor,
        kept: Sequence[Tensor] | None = None,
        *,
        reduction: Reduction | None = None,
    ) -> Tensor:
        """Normalised images (B, 3, H, W) and the positions kept, (B, k) a stage, to logits (B, C).

        kept counts positions of each stage row by row, in any order; None is timm's own forward. One image
        (1, 3, H, W) with kept of M rows gives M answers, (M, C).

        Raises:
            InvalidInput: images of another size, or kept that are not different positions, a tensor a stage.
            UnsupportedModel: asked for a reduction.
        """
        answers = self._check_call(images, kept, reduction)
        if answers is None or kept is None:
            return self.model(images)
        if all(rows.shape[1] == height * width for rows, (height, width) in zip(kept, self.grids)):
            return self.model(images).expand(answers, -1)
        return self.model.forward_head(self._features(images, kept, answers))

    def forward_features(
        self,
        images: Tensor,
        kept: Sequence[Tensor] | None = None,
        *,
        reduction: Reduction | None = None,
    ) -> Tensor:
        """timm's last map, behind its norm: ConvNeXt's (B, D, H, W), Swin's (B, H, W, D)."""
        answers = self._check_call(images, kept, reduction)
        if answers is None or kept is None:
            return self.model.forward_features(images)
        return self._features(images, kept, answers)

    def _check_call(
        self, images: Tensor, kept: Sequence[Tensor] | None, reduction: Reduction | None
    ) -> int | None:
        """How many answers are asked for of a pruned model; None where it is the plain one's."""
        if reason := self.reduction_refusal(reduction):
            raise UnsupportedModel(reason)
        if images.ndim != 4 or tuple(images.shape[1:]) != self.input_size or not images.shape[0]:
            raise InvalidInput(
                f"{self.name} takes images (B, {str(self.input_size)[1:-1]}), not {tuple(images.shape)}."
            )
        return None if kept is None else _checked(kept, self.grids, images.shape[0])

    def _features(self, images: Tensor, kept: Sequence[Tensor], answers: int) -> Tensor:
        """The last map, laid out as the model's own head wants it."""
        model, run = self.model, _BLOCKS[type(self.model).__name__]
        convnext = hasattr(model, "stem")
        x = model.stem(images).permute(0, 2, 3, 1) if convnext else model.patch_embed(images)
        x = x.expand(answers, -1, -1, -1)  # (M, H, W, C), as all that follows
        for stage, chosen, grid in zip(model.stages if convnext else model.layers, kept, self.grids):
            if convnext:
                x = stage.downsample(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
            else:
                x = stage.downsample(x)
            rows = _rows(chosen.to(x.device), grid)  # (M * k,)
            for block in stage.blocks:
                x = run(block, x, rows, self.residual)
        return model.norm_pre(x.permute(0, 3, 1, 2)) if convnext else model.norm(x)

    def select(self, map: Tensor, keep_ratio: float) -> tuple[Tensor, ...]:
        """A method's coarse map (B, h, w), resized to each stage, to the positions kept at a ratio: (B, k) a
        stage, k = floor(z H W + 1e-6) and at least 1."""
        return self._select(map, [num_kept(height * width, keep_ratio) for height, width in self.grids])

    def select_count(self, map: Tensor, k: int) -> tuple[Tensor, ...]:
        """The same by count: k of `num_patches`, and the same share of the other stages' positions."""
        if not 1 <= k <= self.num_patches:
            raise InvalidInput(
                f"Of {self.num_patches} patches, 1 to {self.num_patches} can be kept, not {k}."
            )
        counts = [max(1, height * width * k // self.num_patches) for height, width in self.grids]
        return self._select(map, counts)

    @property
    def about_patches(self) -> str:
        """Which stage the patches are counted in, in a sentence."""
        rows, columns = self.grid
        return (
            f"{self.title} keeps the same share of positions in each of its {len(self.grids)} stages; patches"
            f" are counted in stage {self.shown + 1}, {rows} x {columns}."
        )

    def shown_patches(self, kept: tuple[Tensor, ...]) -> Tensor:
        """Of what `select` gives, the patches of the shown stage: (B, k)."""
        return kept[self.shown]

    def _select(self, coarse: Tensor, counts: Sequence[int]) -> tuple[Tensor, ...]:
        return tuple(top_patches(patch_significance(coarse, grid), k) for grid, k in zip(self.grids, counts))

    @staticmethod
    def refusal(model: Any) -> str | None:
        """Why a timm model's pixel operators cannot be pruned here, or None if they can."""
        kind = type(model).__name__
        if kind not in _DEFAULT_RESIDUAL:
            return f"{kind} is no ConvNeXt or Swin"
        if kind == "ConvNeXt" and not all(
            isinstance(block.shortcut, nn.Identity) for stage in model.stages for block in stage.blocks
        ):
            return "its blocks change their resolution"
        pool = model.head.global_pool
        if not getattr(pool, "pool_type", "avg"):
            return "it does not pool, so it gives no one answer"
        return None


def _convnext_block(block: Any, x: Tensor, rows: Tensor | None, residual: str) -> Tensor:
    """ConvNeXtBlock on (M, H, W, C), its pixel operator on some rows of the M * H * W positions."""
    spatial = block.conv_dw(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # (M, H, W, C)
    picked = spatial if rows is None else _picked(spatial, rows).unsqueeze(2)  # (M, k, 1, C)
    if block.use_conv_mlp:
        update = block.mlp(block.norm(picked.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
    else:
        update = block.mlp(block.norm(picked))
    if block.gamma is not None:
        update = update * block.gamma
    return _put_back(x, block.drop_path(update), rows, residual)


def _swin_block(block: Any, x: Tensor, rows: Tensor | None, residual: str) -> Tensor:
    """SwinTransformerBlock on (M, H, W, C), its pixel operator on some rows of the M * H * W positions."""
    x = x + block.drop_path1(block._attn(block.norm1(x)))
    picked = x if rows is None else _picked(x, rows)  # (M, k, C)
    return _put_back(x, block.drop_path2(block.mlp(block.norm2(picked))), rows, residual)


def _swin_v2_block(block: Any, x: Tensor, rows: Tensor | None, residual: str) -> Tensor:
    """SwinTransformerV2Block, the same with its norms behind the operators."""
    x = x + block.drop_path1(block.norm1(block._attn(x)))
    picked = x if rows is None else _picked(x, rows)  # (M, k, C)
    return _put_back(x, block.drop_path2(block.norm2(block.mlp(picked))), rows, residual)


_BLOCKS = {
    "ConvNeXt": _convnext_block,
    "SwinTransformer": _swin_block,
    "SwinTransformerV2": _swin_v2_block,
}


def _rows(kept: Tensor, grid: tuple[int, int]) -> Tensor | None:
    """Kept positions (M, k) as rows of all maps under one another, (M * k,); None where all stay."""
    positions = grid[0] * grid[1]
    if kept.shape[1] == positions:
        return None
    return (kept + positions * torch.arange(kept.shape[0], device=kept.device).unsqueeze(1)).flatten()


def _picked(x: Tensor, rows: Tensor) -> Tensor:
    """(M, H, W, C) to the chosen positions, (M, k, C)."""
    return x.flatten(0, 2).index_select(0, rows).view(x.shape[0], -1, x.shape[-1])


def _put_back(x: Tensor, update: Tensor, rows: Tensor | None, residual: str) -> Tensor:
    """x (M, H, W, C) with the update of the chosen positions added; the others stay, or become zero."""
    if rows is None:
        return x + update
    update, flat = update.reshape(-1, x.shape[-1]), x.flatten(0, 2)
    if residual == "zero":
        update, flat = update + flat.index_select(0, rows), torch.zeros_like(flat)
    kind = torch.promote_types(flat.dtype, update.dtype)  # they differ under autocast
    flat, update = flat.to(kind), update.to(kind)
    # nobody else reads x again, unless a backward pass does
    add = flat.index_add if torch.is_grad_enabled() else flat.index_add_
    return add(0, rows, update).view(x.shape)


def _checked(kept: Sequence[Tensor], grids: Sequence[tuple[int, int]], images: int) -> int:
    """How many answers are asked for."""
    if isinstance(kept, Tensor) or len(kept) != len(grids):
        raise InvalidInput(
            f"Kept positions are {len(grids)} tensors, one a stage (`backbone.select` gives them)."
        )
    for rows, (height, width) in zip(kept, grids):
        check_kept(rows, images, height * width)
    answers = kept[0].shape[0]
    if any(rows.shape[0] != answers for rows in kept):
        counts = sorted({len(rows) for rows in kept})
        raise InvalidInput(f"Every stage needs kept positions of as many images, not {counts}.")
    return answers


def _input_size(model: Any, img_size: int | tuple[int, int] | None) -> tuple[int, int]:
    if hasattr(model, "patch_embed"):  # Swin is built for one size
        height, width = map(int, model.patch_embed.img_size)
    elif img_size is None:
        height, width = map(int, model.pretrained_cfg["input_size"][1:])
    else:
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
    return height, width


def _stage_grids(model: Any, size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Rows and columns of each stage's map."""
    if hasattr(model, "layers"):
        return tuple(tuple(stage.output_resolution) for stage in model.layers)
    grids, (rows, columns) = [], size
    for part in (model.stem, *(stage.downsample for stage in model.stages)):
        for conv in part.modules():
            if isinstance(conv, nn.Conv2d):
                padding: Any = conv.padding  # in numbers: ConvNeXt names none
                rows, columns = (
                    (side + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
                    for side, pad, dilation, kernel, stride in zip(
                        (rows, columns), padding, conv.dilation, conv.kernel_size, conv.stride
                    )
                )
        grids.append((rows, columns))
    return tuple(grids[1:])  # the stem's own is the first stage's
