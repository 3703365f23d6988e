"""What a ViT itself looks at, read off one plain pass: last-block attention, and attention rollout.

Quantifying Attention Flow in Transformers, Abnar and Zuidema 2020, https://arxiv.org/abs/2005.00928, Sec. 3
(rollout). Written from the paper. Both cost a full pass of the model that is to be pruned, so they are
oracles: no way to save anything.

Who looks: the class token; of a model without one the attention pooling at its end, else every patch alike
(the mean over queries). Scores are made of the blocks' own queries and keys beside the fused kernel, which
gives the answer: that is the model's own, to the bit.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from papr_core.models.backbones.attention import attended, branch_scaled, looks_of

__all__ = ["Watched", "watched"]


@dataclass(frozen=True, eq=False)
class Watched:
    """logits (B, C) of the plain model; attention and rollout (B, N), a share for each patch, row by row."""

    logits: Tensor
    attention: Tensor
    rollout: Tensor


def watched(model: Any, images: Tensor) -> Watched:
    """One plain pass of a timm ViT (`attention.refusal` gave no reason) over images (B, 3, H, W)."""
    embedded = model._pos_embed(model.patch_embed(images))
    x, rope = embedded if isinstance(embedded, tuple) else (embedded, None)
    mixed = rope is not None and model.rope_mixed
    x = model.norm_pre(x)
    flows = []  # (B, T, T) a block: who looks at whom, the mean over heads
    for depth, block in enumerate(model.blocks):
        seen = block.norm1(x)
        looks = looks_of(block.attn, seen, rope[depth] if mixed else rope)
        flows.append(_shares(looks.queries, looks.keys, block.attn.scale))
        x = x + block.drop_path1(branch_scaled(block, 1, attended(block.attn, seen, looks)))
        x = x + block.drop_path2(branch_scaled(block, 2, block.mlp(block.norm2(x))))
    x = model.norm(x)
    reader, pooled = _reader(model, x)  # (B, T)
    attention = reader if pooled else _through(reader, flows[-1])
    rollout = reader
    for flow in reversed(flows):  # half of each token's own goes on beside what it looks at
        rollout = (rollout + _through(rollout, flow)) / 2
    first = model.num_prefix_tokens
    return Watched(model.forward_head(x), attention[:, first:], rollout[:, first:])


def _shares(queries: Tensor, keys: Tensor, scale: float) -> Tensor:
    """(B, heads, Q, D) and (B, heads, T, D) to (B, Q, T), in float32 at least."""
    scores = (queries * scale) @ keys.transpose(-2, -1)
    return scores.to(torch.promote_types(scores.dtype, torch.float32)).softmax(dim=-1).mean(dim=1)


def _through(row: Tensor, flow: Tensor) -> Tensor:
    return (row.unsqueeze(1) @ flow).squeeze(1)


def _reader(model: Any, x: Tensor) -> tuple[Tensor, bool]:
    """How much of each of the last tokens (B, T, C) the answer is asked of, (B, T), and whether that is the
    attention of a pooling."""
    images, length, _ = x.shape
    first = model.num_prefix_tokens
    shares = torch.zeros(images, length, dtype=torch.promote_types(x.dtype, torch.float32), device=x.device)
    if model.cls_token is not None:
        shares[:, 0] = 1
        return shares, False
    pool = getattr(model, "attn_pool", None)
    if pool is None:
        shares[:, first:] = 1 / (length - first)
        return shares, False
    start = 0 if getattr(model, "pool_include_prefix", True) else first
    seen = x[:, start:]
    if pool.pos_embed is not None:
        seen = seen + pool.pos_embed.unsqueeze(0).to(seen.dtype)
    heads = (pool.num_heads, pool.head_dim)
    q = pool.q(pool.latent).unflatten(2, heads).transpose(1, 2)  # (1, heads, L, D)
    k = pool.kv(seen).unflatten(2, (2, *heads))[:, :, 0].transpose(1, 2)  # (B, heads, T, D)
    weights = _shares(pool.q_norm(q), pool.k_norm(k), pool.scale)  # (B, L, T)
    shares[:, start:] = weights[:, 0] if pool.pool == "token" else weights.mean(dim=1)
    return shares, True
