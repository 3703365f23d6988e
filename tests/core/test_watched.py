"""The ViT's own rankings: against plain loops over heads and queries, and what must stay as it is."""

import pytest
import timm
import torch
from threads import at_once
from torch.nn import functional as F

from papr_core import UnsupportedModel, compare, load_backbone, load_proposal
from papr_core.methods.gaze import Gaze
from papr_core.methods.table import method_map, refusal
from papr_core.models.backbones import prunable
from papr_core.models.entries import Entry

KINDS = {
    "class token": ("vit_tiny_patch16_224", {"depth": 3, "img_size": (96, 128)}),
    "average": ("vit_medium_patch16_gap_256", {"depth": 3, "img_size": (96, 128)}),
    "distilled": ("deit_tiny_distilled_patch16_224", {"depth": 2, "img_size": 96}),
    "attention pooling": ("vit_base_patch16_siglip_224", {"depth": 2, "img_size": 96}),
    "norms of queries and keys": ("vit_tiny_patch16_224", {"depth": 2, "img_size": 96, "qk_norm": True}),
    "registers": ("vit_small_patch14_reg4_dinov2", {"depth": 2, "img_size": (98, 126)}),
    "registers, no class token": ("vit_betwixt_patch16_reg4_gap_256", {"depth": 2, "img_size": (96, 128)}),
    "eva": ("eva02_tiny_patch14_224", {"depth": 3, "img_size": (84, 112)}),
    "rotary with registers": ("vit_betwixt_patch16_rope_reg4_gap_256", {"depth": 2, "img_size": (96, 128)}),
    "rotary, a table a block": ("vit_small_patch16_rope_mixed_224", {"depth": 2, "img_size": (96, 128)}),
    "rotary, any size": ("vit_small_patch16_dinov3", {"depth": 2, "img_size": 64}),
}  # fmt: skip


def of_timm(kind):
    name, arguments = KINDS[kind]
    torch.manual_seed(0)
    model = timm.create_model(name, **arguments)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.1 if parameter.ndim > 1 else 0.5)
    return prunable(model, Entry(name, "backbone", name))


def rotated(vector, table):
    """One vector (D,) turned by a patch's sines and cosines, neighbours together."""
    sines, cosines = table[: len(vector)], table[len(vector) :]
    turned = torch.stack([-vector[1::2], vector[::2]], dim=1).flatten()
    return vector * cosines + turned * sines


def rotated_halves(vector, table):
    sines, cosines, half = table[: len(vector)], table[len(vector) :], len(vector) // 2
    turned = torch.cat([-vector[half:], vector[:half]])
    return vector * cosines + turned * sines


def slow_flow(attn, x, rope):
    """Who looks at whom in one image (T, C): (T, T), the mean over heads, each query by itself."""
    length = len(x)
    if attn.qkv is None:
        q, k = attn.q_proj(x), attn.k_proj(x)
    elif getattr(attn, "q_bias", None) is not None:
        both = F.linear(x, attn.qkv.weight, torch.cat([attn.q_bias, attn.k_bias, attn.v_bias]))
        q, k, _ = both.chunk(3, dim=-1)
    else:
        q, k, _ = attn.qkv(x).chunk(3, dim=-1)
    heads, first = attn.num_heads, getattr(attn, "num_prefix_tokens", 0)
    turn = rotated_halves if getattr(attn, "rotate_half", False) else rotated
    flow = torch.zeros(length, length, dtype=x.dtype)
    for head in range(heads):
        of_head = slice(head * attn.head_dim, (head + 1) * attn.head_dim)
        queries, keys = attn.q_norm(q[:, of_head]), attn.k_norm(k[:, of_head])
        if rope is not None:
            table = rope[head] if rope.ndim == 3 else rope
            queries, keys = (
                torch.stack([y[i] if i < first else turn(y[i], table[i - first]) for i in range(length)])
                for y in (queries, keys)
            )
        for i in range(length):
            flow[i] += (keys @ queries[i] * attn.scale).softmax(dim=0) / heads
    return flow


@torch.no_grad()
def slow_rankings(backbone, image):
    """attention and rollout (N,) of one image (3, H, W); the blocks themselves give the next tokens."""
    model, first = backbone.model, backbone.num_prefix_tokens
    embedded = model._pos_embed(model.patch_embed(image[None]))
    x, rope = embedded if isinstance(embedded, tuple) else (embedded, None)
    x, flows = model.norm_pre(x), []
    for depth, block in enumerate(model.blocks):
        table = rope[depth] if rope is not None and model.rope_mixed else rope
        flows.append(slow_flow(block.attn, block.norm1(x)[0], table))
        x = block(x) if rope is None else block(x, rope=table)
    rollout = torch.eye(x.shape[1], dtype=x.dtype)
    for flow in flows:
        rollout = (0.5 * flow + 0.5 * torch.eye(len(flow), dtype=x.dtype)) @ rollout
    pool = getattr(model, "attn_pool", None)
    if model.cls_token is not None:
        return flows[-1][0, first:], rollout[0, first:]
    if pool is None:  # every patch asks
        return flows[-1][first:].mean(dim=0)[first:], rollout[first:].mean(dim=0)[first:]
    tokens = model.norm(x)[0]
    query, keys = pool.q(pool.latent[0, 0]), pool.kv(tokens)[:, : tokens.shape[1]]
    weights = torch.zeros(len(tokens), dtype=x.dtype)
    for head in range(pool.num_heads):
        of_head = slice(head * pool.head_dim, (head + 1) * pool.head_dim)
        scores = pool.k_norm(keys[:, of_head]) @ pool.q_norm(query[of_head]) * pool.scale
        weights += scores.softmax(dim=0) / pool.num_heads
    return weights[first:], (weights @ rollout)[first:]


@pytest.mark.parametrize("kind", KINDS)
def test_both_rankings_against_a_plain_loop(kind):
    backbone = of_timm(kind).double()
    images = torch.randn(2, *backbone.input_size, generator=torch.Generator().manual_seed(1)).double()
    with torch.inference_mode():
        found = backbone.watch(images)
        plain = backbone(images)
    assert torch.equal(found.logits, plain), "the answer is the model's own"
    assert found.attention.shape == found.rollout.shape == (2, backbone.num_patches)
    assert (found.attention.std(dim=1) > 1e-6).all()
    attention, rollout = slow_rankings(backbone, images[1])
    torch.testing.assert_close(found.attention[1].double(), attention, rtol=1e-4, atol=1e-9)
    torch.testing.assert_close(found.rollout[1].double(), rollout, rtol=1e-4, atol=1e-9)


@torch.inference_mode()
def test_on_the_embedded_pair_one_pass_serves_both_rankings_and_the_answer(monkeypatch):
    backbone, proposal = load_backbone(), load_proposal()
    passes = []
    embed = backbone.model.patch_embed
    hook = embed.register_forward_hook(lambda *_: passes.append(1))
    try:
        found = compare(
            "assets/examples/coffee.jpg",
            backbone=backbone, proposal=proposal, methods=["attention", "rollout"], curve=False,
        )  # fmt: skip
    finally:
        hook.remove()
    assert len(passes) == 2, "one full pass, and one with what the two keep"
    crop = backbone.view(found.crop)
    attention, rollout = slow_rankings(backbone, crop[0])
    for name, expected in (("attention", attention), ("rollout", rollout)):
        shown = found.maps[name].significance.flatten()
        torch.testing.assert_close(shown, expected, rtol=1e-3, atol=1e-7)
        assert found.maps[name].seconds > 1e-3, "it is said to cost a full pass"


def test_threads_share_a_model_and_the_fused_kernel_stays():
    backbone = of_timm("registers")
    pictures = torch.randn(16, 1, *backbone.input_size, generator=torch.Generator().manual_seed(2))
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    fused = [block.attn.fused_attn for block in backbone.model.blocks]

    @torch.inference_mode()
    def run(i):
        return backbone.watch(pictures[i]).rollout if i % 2 else backbone(pictures[i])

    expected = [run(i) for i in range(16)]
    found = at_once(run, range(16))
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(found, expected))
    assert [block.attn.fused_attn for block in backbone.model.blocks] == fused
    assert all(torch.equal(before[name], value) for name, value in backbone.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in backbone.modules())


@pytest.mark.parametrize("name", ["test_convnext", "swin_tiny_patch4_window7_224"])
def test_refused_in_words_where_attention_has_no_such_meaning(name):
    model = timm.create_model(name, **({"depths": (1, 1, 1, 1)} if "swin" in name else {}))
    backbone = prunable(model, Entry(name, "backbone", name))
    reason = refusal("attention", None, backbone)
    assert f"does not work with {name}: it has no attention of one token to all patches" in reason
    gaze = Gaze(backbone, torch.zeros(1, *backbone.input_size))
    with pytest.raises(UnsupportedModel, match="ViT rollout does not work"):
        method_map("rollout", None, None, torch.zeros(1, 2, 2, 2), grid=backbone.grid, gaze=gaze)
