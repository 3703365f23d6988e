"""Token merging: against a slow loop, inside every kind of ViT block, and what must not change."""

import pytest
import timm
import torch
from threads import at_once
from torch.nn import functional as F

from papr_core import BACKBONES, InvalidInput, ToMe, UnsupportedModel, bipartite_soft_matching
from papr_core.models import weights
from papr_core.models.backbones import TokenBackbone, attention, prunable, reduced
from papr_core.models.entries import Entry

KINDS = {
    "class token": ("vit_tiny_patch16_224", {"depth": 3, "img_size": (96, 128)}),
    "average": ("vit_medium_patch16_gap_256", {"depth": 3, "img_size": (96, 128)}),
    "average, class token": ("vit_tiny_patch16_224", {"depth": 2, "img_size": 96, "global_pool": "avg"}),
    "average and maximum": ("test_vit2", {"global_pool": "avgmax", "depth": 2}),
    "layer scale": ("deit3_small_patch16_224", {"depth": 2, "img_size": 96}),
    "distilled": ("deit_tiny_distilled_patch16_224", {"depth": 2, "img_size": 96}),
    "attention pooling": ("vit_base_patch16_siglip_224", {"depth": 2, "img_size": 96}),
    "norms of queries and keys": ("vit_tiny_patch16_224", {"depth": 2, "img_size": 96, "qk_norm": True}),
    "registers": ("vit_small_patch14_reg4_dinov2", {"depth": 2, "img_size": 98}),
    "eva": ("eva02_tiny_patch14_224", {"depth": 3, "img_size": (84, 112)}),
    "rotary with registers": ("vit_betwixt_patch16_rope_reg4_gap_256", {"depth": 2, "img_size": (96, 128)}),
    "rotary, a table a block": ("vit_small_patch16_rope_mixed_224", {"depth": 3, "img_size": (96, 128)}),
    "rotary, any size": ("vit_small_patch16_dinov3", {"depth": 2}),
    "rotary, attention pooling": ("vit_pe_core_tiny_patch16_384", {"depth": 2, "img_size": 96}),
}  # fmt: skip


def of_timm(name: str, arguments: dict) -> TokenBackbone:
    torch.manual_seed(0)
    model = timm.create_model(name, **arguments)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.1 if parameter.ndim > 1 else 0.5)
    return prunable(model, Entry(name, "backbone", name))


@pytest.fixture(scope="module", params=KINDS)
def backbone(request) -> TokenBackbone:
    return of_timm(*KINDS[request.param])


@pytest.fixture(scope="module")
def images(backbone) -> torch.Tensor:
    return torch.randn(2, *backbone.input_size, generator=torch.Generator().manual_seed(1))


def kept_of(backbone: TokenBackbone, ratio: float = 0.6, batch: int = 2) -> torch.Tensor:
    return backbone.select(torch.rand(batch, 5, 5, generator=torch.Generator().manual_seed(2)), ratio)


def near(truth: torch.Tensor, by: float = 1e-4) -> dict:
    return {"rtol": 10 * by, "atol": by * float(truth.abs().max())}


# The matching


def slow_merge(keys, r, prefix, tokens, sizes):
    """One image, by the listing in the paper's Appendix D: all tokens by turns into two sets, where prefix
    tokens have no edges; in front stay prefix tokens, then what is left of the first set, then the second."""
    first, second = range(0, len(keys), 2), range(1, len(keys), 2)
    edges = []
    for i in first:
        scores = {j: float(F.cosine_similarity(keys[i], keys[j], dim=0)) for j in second if j >= prefix}
        if i >= prefix and scores:
            best = max(scores, key=scores.get)
            edges.append((scores[best], i, best))
    edges.sort(key=lambda edge: -edge[0])
    order = [*range(prefix), *(i for i in (*first, *second) if i >= prefix)] if r else range(len(keys))
    groups = {i: [i] for i in order}
    for _, i, j in edges[: min(r, (len(keys) - prefix) // 2)]:
        groups[j] += groups.pop(i)
    found = []
    for members in groups.values():
        weight = sum(float(sizes[m]) for m in members)
        found.append((sum(tokens[m] * sizes[m] for m in members) / weight, weight))
    return found


@pytest.mark.parametrize("prefix", [0, 1, 2, 5])
@pytest.mark.parametrize("length", [12, 13])
@pytest.mark.parametrize("r", [0, 1, 3, 4, 100])
def test_merging_against_a_slow_loop(prefix, length, r):
    draw = torch.Generator().manual_seed(length + r)
    keys = torch.randn(3, length, 8, generator=draw, dtype=torch.float64)
    tokens = torch.randn(3, length, 4, generator=draw, dtype=torch.float64)
    sizes = torch.randint(1, 4, (3, length, 1), generator=draw).double()
    merge = bipartite_soft_matching(keys, r, num_prefix_tokens=prefix)
    found, totals = merge(tokens, sizes)
    left = length - min(r, (length - prefix) // 2)
    assert found.shape == (3, left, 4)
    assert totals.shape == (3, left, 1)
    assert torch.allclose(totals.sum(dim=1), sizes.sum(dim=1))
    assert torch.allclose(found[:, :prefix], tokens[:, :prefix])
    assert torch.equal(totals[:, :prefix], sizes[:, :prefix])
    for i in range(3):
        expected = slow_merge(keys[i], r, prefix, tokens[i], sizes[i])
        # row by row: the order decides what the next block compares
        assert torch.allclose(found[i], torch.stack([token for token, _ in expected]))
        assert totals[i, :, 0].tolist() == [total for _, total in expected]


def test_without_sizes_each_token_counts_one():
    keys, tokens = torch.randn(2, 9, 8), torch.randn(2, 9, 4)
    merge = bipartite_soft_matching(keys, 3, num_prefix_tokens=1)
    found, sizes = merge(tokens)
    again, same = merge(tokens, torch.ones(2, 9, 1))
    assert torch.equal(found, again)
    assert torch.equal(sizes, same)
    assert sizes.sum() == 18
    total = (found * sizes).sum(dim=1)
    torch.testing.assert_close(total, tokens.sum(dim=1))


def test_planted_pairs_are_found_and_prefix_tokens_protected():
    keys = torch.eye(12).unsqueeze(0).clone()
    keys[0, 7] = keys[0, 6]  # neighbours: whichever set is first, one is in each
    keys[0, 1] = keys[0, 0]  # two prefix tokens alike stay apart
    merge = bipartite_soft_matching(keys, 1, num_prefix_tokens=2)
    assert merge.target[0, 6] == merge.target[0, 7]
    assert merge.target[0, :2].tolist() == [0, 1]
    assert len(set(merge.target[0].tolist())) == 11


def test_a_half_counts_sizes_exactly():
    keys = torch.ones(1, 2049, 4)
    merge = bipartite_soft_matching(keys, 1024, num_prefix_tokens=1)
    _, sizes = merge(torch.ones(1, 2049, 2, dtype=torch.bfloat16))
    assert sizes.sum() == 2049


@pytest.mark.parametrize(
    ("keys", "r", "prefix"), [((4, 5), 1, 0), ((1, 2, 3), 1, 3), ((1, 4, 3), -1, 0), ((1, 4, 3), 1, -1)]
)
def test_what_cannot_be_matched_is_refused(keys, r, prefix):
    with pytest.raises(InvalidInput):
        bipartite_soft_matching(torch.zeros(keys), r, num_prefix_tokens=prefix)


def test_schedules():
    assert ToMe(8).per_block(4) == (8, 8, 8, 8)
    assert ToMe(8, layers="second_half").per_block(5) == (0, 0, 8, 8, 8)
    assert ToMe((3, 2, 1)).per_block(3) == (3, 2, 1)
    assert ToMe(8, decreasing=True).per_block(5) == (16, 12, 8, 4, 0)
    assert sum(ToMe(8, decreasing=True).per_block(12)) == 8 * 12
    assert ToMe.as_published(8, 1.0).layers == "all"
    assert ToMe.as_published(8, 0.5).layers == "second_half"
    assert ToMe.as_published(8, 0.5, "all").layers == "all"
    assert not ToMe(0, layers="second_half").active
    for wrong in (
        lambda: ToMe(-1),
        lambda: ToMe(1.5),
        lambda: ToMe(True),
        lambda: ToMe(1, layers="first"),
        lambda: ToMe((1, 2), decreasing=True),
        lambda: ToMe((1, 2)).per_block(3),
    ):
        with pytest.raises(InvalidInput):
            wrong()


# Inside a ViT


@torch.inference_mode()
def test_our_blocks_are_timm_s(backbone, images):
    """Each part that we wrote, with nothing merged, is the block's own forward."""
    model = backbone.model
    embedded = model._pos_embed(model.patch_embed(images))
    x, rope = embedded if isinstance(embedded, tuple) else (embedded, None)
    x = model.norm_pre(x)
    mixed = rope is not None and model.rope_mixed
    for depth, block in enumerate(model.blocks):
        table = rope[depth] if mixed else rope
        truth = block(x) if rope is None else block(x, rope=table)
        seen = block.norm1(x)
        looks = attention.looks_of(block.attn, seen, table)
        y = x + block.drop_path1(
            attention.branch_scaled(block, 1, attention.attended(block.attn, seen, looks))
        )
        y = y + block.drop_path2(attention.branch_scaled(block, 2, block.mlp(block.norm2(y))))
        torch.testing.assert_close(y, truth, **near(truth, 1e-5))
        assert looks.plain_keys.shape[2] == x.shape[1]
        x = truth
    sizes = torch.ones(*x.shape[:2], 1)
    truth = model.forward_head(model.norm(x))
    torch.testing.assert_close(
        reduced.pooled_by_size(model, model.norm(x), sizes), truth, **near(truth, 1e-5)
    )


@pytest.mark.parametrize("name", [name for name, line in BACKBONES.items() if line.family == "tokens"])
def test_every_vit_of_the_catalogue_can_merge(name):
    assert attention.refusal(weights.skeleton(name)) is None


@torch.inference_mode()
def test_r_0_is_papr_alone(backbone, images):
    kept = kept_of(backbone)
    assert torch.equal(backbone(images, kept, reduction=ToMe(0)), backbone(images, kept))
    assert torch.equal(backbone(images, reduction=ToMe(0, layers="second_half")), backbone(images))


def slow_vit(backbone, images, kept, numbers):
    """One image at a time: the paper's steps over lists of tokens, with its own softmax."""
    model, answers = backbone.model, []
    for i, image in enumerate(images):
        x = model._pos_embed(model.patch_embed(image[None]))[0]
        first = backbone.num_prefix_tokens
        if kept is not None:
            x = torch.cat([x[:first], x[first:][kept[i]]])
        x = model.norm_pre(x)
        sizes = torch.ones(len(x), 1).to(x)
        for block, r in zip(model.blocks, numbers):
            attn, y = block.attn, block.norm1(x)
            q, k, v = attn.qkv(y).view(len(y), 3, attn.num_heads, attn.head_dim).unbind(1)
            q, k = attn.q_norm(q), attn.k_norm(k)
            heads = []
            for head in range(attn.num_heads):
                scores = q[:, head] @ k[:, head].T * attn.scale + sizes.log().T
                heads.append(scores.softmax(dim=-1) @ v[:, head])
            x = x + block.ls1(attn.proj(torch.cat(heads, dim=1)))
            found = slow_merge(k.mean(dim=1), r, first, x, sizes[:, 0])
            x = torch.stack([token for token, _ in found])
            sizes = torch.tensor([[weight] for _, weight in found]).to(x)
            x = x + block.ls2(block.mlp(block.norm2(x)))
        x = model.norm(x)
        if model.global_pool == "avg":
            share = sizes[first:] / sizes[first:].sum()
            answers.append(model.head(model.fc_norm((x[first:] * share).sum(dim=0))))
        elif hasattr(model, "head_dist"):
            answers.append((model.head(x[0]) + model.head_dist(x[1])) / 2)
        else:
            answers.append(model.head(model.fc_norm(x[0])))
    return torch.stack(answers)


@torch.no_grad()
@pytest.mark.parametrize(
    "kind", ["class token", "average", "average, class token", "layer scale", "distilled", "registers"]
)  # prefix tokens: 1, 0, 1, 1, 2, 5
@pytest.mark.parametrize("pruned", [False, True])
def test_a_vit_with_merging_against_a_slow_one(kind, pruned):
    backbone = of_timm(*KINDS[kind]).double()  # or rounding decides which of two like pairs merges
    images = torch.randn(2, *backbone.input_size).double()
    kept = kept_of(backbone) if pruned else None
    depth = len(backbone.model.blocks)
    reduction = ToMe((5, 0, *[4] * (depth - 2)))
    found = backbone(images, kept, reduction=reduction)
    truth = slow_vit(backbone, images, kept, reduction.r)
    torch.testing.assert_close(found, truth, **near(truth))
    assert not torch.allclose(found, backbone(images, kept), rtol=1e-3)


@torch.inference_mode()
def test_with_nothing_merged_the_other_way_through_the_model_is_the_same(backbone, images):
    kept = kept_of(backbone)
    tokens = backbone._reduced(images, kept, ToMe(0), (0,) * len(backbone.model.blocks), traced=False)
    truth = backbone(images, kept)
    found = backbone.model.forward_head(backbone.model.norm(tokens.x))
    torch.testing.assert_close(found, truth, **near(truth, 1e-5))


@torch.inference_mode()
def test_tokens_fall_in_every_block(backbone, images):
    seen, hooks = [], []
    for block in backbone.model.blocks:
        hooks.append(block.mlp.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1])))
    try:
        backbone(images, kept_of(backbone), reduction=ToMe(3))
    finally:
        for hook in hooks:
            hook.remove()
    start = backbone.num_prefix_tokens + backbone.num_kept(0.6)
    assert seen == [start - 3 * (i + 1) for i in range(len(backbone.model.blocks))]


@torch.inference_mode()
def test_merging_equal_tokens_changes_nothing(backbone):
    """Proportional attention and pooling by size: a merged token weighs as much as its parts."""
    model = backbone.model
    torch.manual_seed(3)
    x = torch.randn(1, backbone.num_prefix_tokens + 8, model.embed_dim)
    first = backbone.num_prefix_tokens
    x[:, first + 1 :: 2] = x[:, first::2]  # patches in equal pairs
    sizes = torch.ones(1, x.shape[1], 1)
    rope = _rope_in_pairs(model)
    numbers = (4, *[0] * (len(model.blocks) - 1))

    def run(numbers):
        mixed = rope is not None and model.rope_mixed
        tokens = reduced.Tokens(x, rope, mixed, sizes)
        for depth, (block, r) in enumerate(zip(model.blocks, numbers)):
            tokens = reduced.reduced_block(block, tokens, depth, ToMe(r), r, first)
        return tokens.x.shape[1], reduced.pooled_by_size(model, model.norm(tokens.x), tokens.sizes)

    (plain, truth), (fewer, found) = run([0] * len(numbers)), run(numbers)
    assert fewer == plain - 4
    torch.testing.assert_close(found, truth, **near(truth))


def _rope_in_pairs(model):
    """The rotary table of eight patches, equal in pairs."""
    if not hasattr(model, "rope") or model.rope is None:
        return None
    rope = model.rope.get_embed(shape=(2, 4)) if model.dynamic_img_size else model.rope.get_embed()
    chosen = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    return rope.index_select(-2, chosen)


@torch.inference_mode()
def test_a_batch_equals_its_singles_and_one_image_answers_many(backbone, images):
    kept = kept_of(backbone)
    together = backbone(images, kept, reduction=ToMe(3))
    for i in range(2):
        alone = backbone(images[i : i + 1], kept[i : i + 1], reduction=ToMe(3))
        torch.testing.assert_close(together[i : i + 1], alone, **near(together))
    many = backbone(images[:1], kept, reduction=ToMe(3))
    truth = backbone(images[:1].expand(2, -1, -1, -1), kept, reduction=ToMe(3))
    torch.testing.assert_close(many, truth, **near(truth))


@torch.inference_mode()
def test_sources_are_traced(backbone, images):
    kept = kept_of(backbone)
    groups = backbone.groups(images, kept, reduction=ToMe(3))
    assert groups.shape == (2, backbone.num_patches)
    for row, stay in zip(groups.tolist(), kept.tolist()):
        assert [i for i, group in enumerate(row) if group >= 0] == stay
        assert len({group for group in row if group >= 0}) == len(stay) - 3 * len(backbone.model.blocks)
    whole = backbone.groups(images, reduction=ToMe(2))
    assert (whole >= 0).all()
    assert len(whole[0].unique()) == backbone.num_patches - 2 * len(backbone.model.blocks)


def test_gradients_flow(backbone, images):
    picture = images[:1].clone().requires_grad_()
    backbone(picture, reduction=ToMe(3)).square().sum().backward()
    assert picture.grad.abs().sum() > 0
    backbone.zero_grad()


@torch.inference_mode()
def test_autocast_works(backbone, images):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.isfinite(backbone(images[:1], kept_of(backbone)[:1], reduction=ToMe(3))).all()


@torch.inference_mode()
@pytest.mark.parametrize("kind", ["average", "eva"])
def test_threads_with_and_without_merging_do_not_disturb_each_other(kind):
    backbone = of_timm(*KINDS[kind])
    images, kept = torch.randn(1, *backbone.input_size), kept_of(backbone, 0.7, 1)

    @torch.inference_mode()
    def run(i: int) -> torch.Tensor:
        return backbone(images, kept if i % 2 else None, reduction=ToMe(i % 5))

    truth = [run(i) for i in range(20)]
    found = at_once(run, range(20))
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in zip(found, truth))


@torch.inference_mode()
def test_it_compiles_whole():
    backbone = of_timm(*KINDS["class token"])
    images, kept = torch.randn(2, *backbone.input_size), kept_of(backbone)
    truth = backbone(images, kept, reduction=ToMe(4))
    compiled = torch.compile(backbone, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(images, kept, reduction=ToMe(4)), truth, **near(truth))


def test_training_with_drop_path():
    backbone = of_timm("vit_tiny_patch16_224", {"depth": 2, "img_size": 96, "drop_path_rate": 0.5}).train()
    backbone(torch.randn(4, *backbone.input_size), reduction=ToMe(4)).sum().backward()
    assert backbone.model.patch_embed.proj.weight.grad.abs().sum() > 0


def test_a_block_that_is_not_written_is_refused():
    parallel = timm.models.vision_transformer.ParallelThingsBlock
    backbone = of_timm("vit_tiny_patch16_224", {"depth": 2, "img_size": 96, "block_fn": parallel})
    images = torch.randn(1, *backbone.input_size)
    with pytest.raises(UnsupportedModel, match="ParallelThingsBlock"):
        backbone(images, reduction=ToMe(4))
    assert backbone(images, reduction=ToMe(0)).shape == (1, 1000)
