"""A ViT block taken apart: queries, keys and values of timm's attention, and what it makes of them.

For what happens inside a block: reduced.py loses tokens there, watched.py reads who looks at whom. Written
over timm's own parts (https://github.com/huggingface/pytorch-image-models) and its fused kernel; tests pin
each to timm's forward.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Looks", "attended", "branch_scaled", "looks_of", "refusal"]


@dataclass(frozen=True, eq=False)
class Looks:
    """queries, keys, values (B, heads, N, D), as they meet: normalised and rotated; plain_keys: before they
    are rotated, of the heads that there are."""

    queries: Tensor
    keys: Tensor
    values: Tensor
    plain_keys: Tensor


def looks_of(attn: Any, x: Tensor, rope: Tensor | None) -> Looks:
    """timm's Attention, AttentionRope or EvaAttention on (B, N, C), up to the scores."""
    from timm.layers import apply_rot_embed_cat

    q, k, v = _projected(attn, x)
    q, k = attn.q_norm(q), attn.k_norm(k)
    plain = k
    if rope is not None:
        first, half = attn.num_prefix_tokens, getattr(attn, "rotate_half", False)
        q, k = (
            torch.cat([y[:, :, :first], apply_rot_embed_cat(y[:, :, first:], rope, half=half)], 2).type_as(v)
            for y in (q, k)
        )
    groups = q.shape[1] // k.shape[1]
    if groups > 1:
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    return Looks(q, k, v, plain)


def attended(attn: Any, x: Tensor, looks: Looks, mask: Tensor | None = None) -> Tensor:
    """The rest of it, from the scores on: (B, N, C). mask: added to the scores."""
    out = F.scaled_dot_product_attention(
        looks.queries,
        looks.keys,
        looks.values,
        attn_mask=None if mask is None else mask.to(looks.queries.dtype),
        dropout_p=attn.attn_drop.p if attn.training else 0.0,
        scale=attn.scale,
    )
    out = attn.norm(out.transpose(1, 2).flatten(2))  # (B, N, heads * D)
    if attn.gate is not None:
        out = out * attn.gate(x).sigmoid()
    return attn.proj_drop(attn.proj(out))


def branch_scaled(block: Any, branch: int, x: Tensor) -> Tensor:
    """LayerScale of branch 1 or 2, which timm's two kinds of block keep under different names."""
    if hasattr(block, f"ls{branch}"):
        return getattr(block, f"ls{branch}")(x)
    gamma = getattr(block, f"gamma_{branch}")
    return x if gamma is None else gamma * x


def refusal(model: Any) -> str | None:
    """Why a ViT's blocks cannot be taken apart, or None if they can."""
    from timm.layers import Attention, AttentionPoolLatent, AttentionRope
    from timm.models.eva import EvaAttention, EvaBlock
    from timm.models.vision_transformer import Block

    for block in model.blocks:
        if type(block) not in (Block, EvaBlock):
            return f"it is not written for the inside of a {type(block).__name__}"
        if type(block.attn) not in (Attention, AttentionRope, EvaAttention):
            return f"it is not written for the keys of a {type(block.attn).__name__}"
    pool = getattr(model, "attn_pool", None)
    if pool is not None and type(pool) is not AttentionPoolLatent:
        return f"it is not written for the inside of a {type(pool).__name__}"
    return None


def _projected(attn: Any, x: Tensor) -> tuple[Tensor, ...]:
    images, length, _ = x.shape
    if attn.qkv is None:
        parts = (attn.q_proj(x), attn.k_proj(x), attn.v_proj(x))
        return tuple(part.view(images, length, -1, attn.head_dim).transpose(1, 2) for part in parts)
    if getattr(attn, "q_bias", None) is None:
        qkv = attn.qkv(x)
    else:
        qkv = F.linear(x, attn.qkv.weight, torch.cat((attn.q_bias, attn.k_bias, attn.v_bias)))
    return qkv.view(images, length, 3, attn.num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
