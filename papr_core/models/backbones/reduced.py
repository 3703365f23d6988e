"""ViT blocks that lose tokens between attention and MLP, over their own parts (attention.py).

ToMe, https://arxiv.org/abs/2210.09461: proportional attention adds the logarithm of a token's size to its
attention score, which goes through the fused kernel as a mask. Written from the paper.

Choices of ours, where the paper says nothing: the mean over patches at the end, and attention pooling, weigh
a token by its size, so that merging equal tokens changes nothing; a merged token of a rotary model stands at
the mean direction (per frequency) of its parts, and keys are compared before they are rotated.
"""

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from papr_core.models.backbones.attention import attended, branch_scaled, looks_of
from papr_core.pruning.reductions.base import Merge, Reduction

__all__ = ["Tokens", "pooled_by_size", "reduced_block"]


@dataclass(frozen=True, eq=False)
class Tokens:
    """What runs through the blocks: x (B, N, C); rope, as timm's model gives it, or None, and whether it has
    a table for each block (rope_mixed); sizes (B, N, 1), None before anything happens; sources (B, N0): the
    place of each first token among the N, -1 of one that is gone, None where nobody asked."""

    x: Tensor
    rope: Tensor | None = None
    rope_mixed: bool = False
    sizes: Tensor | None = None
    sources: Tensor | None = None

    @property
    def mask(self) -> Tensor | None:
        """Proportional attention: log of the sizes, (B, 1, 1, N), added to the scores."""
        return None if self.sizes is None else self.sizes.log().transpose(1, 2).unsqueeze(1)


def reduced_block(
    block: Any, tokens: Tokens, depth: int, reduction: Reduction, count: int, num_prefix_tokens: int
) -> Tokens:
    """One block, the depth-th, which loses `count` tokens between its attention and its MLP."""
    rope = tokens.rope if tokens.rope is None or not tokens.rope_mixed else tokens.rope[depth]
    if not count:
        return replace(tokens, x=_plain(block, tokens.x, rope, tokens.mask))
    seen = block.norm1(tokens.x)
    looks = looks_of(block.attn, seen, rope)
    x = attended(block.attn, seen, looks, tokens.mask)
    x = tokens.x + block.drop_path1(branch_scaled(block, 1, x))
    merge = reduction.match(looks.plain_keys.mean(dim=1), count, num_prefix_tokens=num_prefix_tokens)
    x, sizes = merge(x, tokens.sizes)
    x = x + block.drop_path2(branch_scaled(block, 2, block.mlp(block.norm2(x))))
    return replace(
        tokens,
        x=x,
        rope=None if tokens.rope is None else _merged_rope(tokens.rope, tokens, merge, num_prefix_tokens),
        sizes=sizes,
        sources=None if tokens.sources is None else merge.followed(tokens.sources),
    )


def pooled_by_size(model: Any, x: Tensor, sizes: Tensor | None) -> Tensor:
    """The model's answer from its last tokens, whatever it averages weighted by size."""
    if sizes is None:
        return model.forward_head(x)
    pool = None if hasattr(model, "head_dist") else model.attn_pool or model.global_pool
    if isinstance(pool, nn.Module):
        first = 0 if getattr(model, "pool_include_prefix", True) else model.num_prefix_tokens
        pooled = pool(x[:, first:], attn_mask=sizes[:, first:].log().transpose(1, 2).unsqueeze(1).to(x.dtype))
    elif pool in ("avg", "avgmax"):
        first = 0 if getattr(model, "pool_include_prefix", False) else model.num_prefix_tokens
        share = sizes[:, first:] / sizes[:, first:].sum(dim=1, keepdim=True)
        pooled = (x[:, first:] * share).sum(dim=1)
        if pool == "avgmax":
            pooled = 0.5 * (x[:, first:].amax(dim=1) + pooled)
    else:  # a class token, or the maximum: sizes do not matter
        return model.forward_head(x)
    return model.head(model.head_drop(model.fc_norm(pooled)))


def _plain(block: Any, x: Tensor, rope: Tensor | None, mask: Tensor | None) -> Tensor:
    mask = None if mask is None else mask.to(x.dtype)
    return block(x, attn_mask=mask) if rope is None else block(x, rope=rope, attn_mask=mask)


def _merged_rope(rope: Tensor, tokens: Tokens, merge: Merge, num_prefix_tokens: int) -> Tensor:
    """The table of the merged tokens: for each frequency the mean direction of their parts. In as timm's
    models make it, (N, D) or (depth, heads, N, D); in and out with a batch, (B, 1, N, D) or
    (depth, B, heads, N, D)."""
    mixed = tokens.rope_mixed
    if rope.ndim == (4 if mixed else 2):
        rope = rope.unsqueeze(1) if mixed else rope[None, None]
    order = (1, 3, 0, 2, 4) if mixed else (0, 2, 1, 3)
    flat = rope.permute(order)  # (B or 1, N, [depth,] heads, D)
    shape = flat.shape[2:]
    flat = flat.flatten(2).expand(len(merge.target), -1, -1).float()
    if tokens.sizes is not None:
        flat = flat * tokens.sizes[:, num_prefix_tokens:].float()
    sums = (
        merge.without_prefix(num_prefix_tokens).summed(flat).unflatten(2, (-1, 2, shape[-1] // 2))
    )  # sines, then cosines
    unit = F.normalize(sums, dim=3).flatten(2).unflatten(2, shape).to(rope.dtype)
    return unit.permute(2, 0, 3, 1, 4) if mixed else unit.permute(0, 2, 1, 3)
