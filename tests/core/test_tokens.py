"""Laws of pruning ViT kin, for every entry of the catalogue and for timm models that it does not name.

Random weights, two blocks, a small grid that is not square; equality with timm also at each model's own size.
The oracle is the plain composition of a timm model's own parts.
"""

import copy

import pytest
import timm
import torch
from threads import at_once
from torch import nn

from papr_core import BACKBONES, InvalidInput, PaprError, UnsupportedModel, load_backbone
from papr_core.models.backbones import TokenBackbone
from papr_core.models.embedded import DEFAULT_BACKBONE
from papr_core.models.entries import Entry

CATALOGUE = [name for name, line in BACKBONES.items() if name != DEFAULT_BACKBONE and line.family == "tokens"]
# What the catalogue does not name: each kind of embedding, token, pool and block that a timm ViT can have.
KINDS = {
    "global pooling beside a class token": ("test_vit2", {}),
    "attention pooling": ("test_vit3", {}),
    "max pooling": ("test_vit", {"global_pool": "max"}),
    "average and max": ("test_vit2", {"global_pool": "avgmax"}),
    "a norm before the blocks": ("test_vit", {"pre_norm": True}),
    "registers with position": ("test_vit", {"reg_tokens": 3}),
    "registers without position": ("test_vit", {"reg_tokens": 3, "no_embed_class": True}),
    "any image size": ("test_vit", {"dynamic_img_size": True}),
    "not square": ("test_vit", {"img_size": (96, 160)}),
    "parallel blocks": (
        "vit_tiny_patch16_224",
        {"depth": 2, "block_fn": timm.models.vision_transformer.ParallelThingsBlock},
    ),
    "layer scale": ("deit3_small_patch16_224", {"depth": 2}),
    "quick activation": ("vit_base_patch32_clip_quickgelu_224", {"depth": 1, "num_classes": 5}),
    "a convolutional stem": ("vit_tiny_r_s16_p8_224", {"depth": 2}),
    "distilled": ("deit_tiny_distilled_patch16_224", {"depth": 2, "img_size": (96, 128)}),
    "rotary": ("eva02_tiny_patch14_224", {"depth": 2, "num_classes": 7}),
    "rotary, not square": ("eva02_tiny_patch14_224", {"depth": 2, "num_classes": 7, "img_size": (70, 112)}),
    "rotary, mixed by depth": ("vit_small_patch16_rope_mixed_224", {"depth": 2}),
    "rotary, any image size": ("vit_small_patch16_dinov3", {"depth": 2, "num_classes": 7}),
    "rotary, attention pooling": (
        "vit_pe_core_tiny_patch16_384",
        {"depth": 2, "num_classes": 7, "img_size": 96},
    ),
}


def of_timm(name: str, arguments: dict | None = None) -> TokenBackbone:
    torch.manual_seed(0)
    config = BACKBONES[name].config if name in BACKBONES else {"architecture": name, "model_args": {}}
    model = timm.create_model(config["architecture"], **config["model_args"] | (arguments or {}))
    return TokenBackbone(_lively(model), Entry(name, "backbone", name))


def _lively(model: nn.Module) -> nn.Module:
    """Random weights big enough that a dropped patch shows in the logits."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.1 if parameter.ndim > 1 else 0.5)
    return model


@pytest.fixture(scope="module", params=[*CATALOGUE, *KINDS])
def backbone(request) -> TokenBackbone:
    return (
        of_timm(*KINDS[request.param])
        if request.param in KINDS
        else of_timm(request.param, small(request.param))
    )


def small(name: str) -> dict:
    """Two blocks and 6 x 8 patches."""
    architecture = BACKBONES[name].architecture if name in BACKBONES else name
    patch = 14 if "patch14" in architecture else 16
    return {"depth": 2, "img_size": (6 * patch, 8 * patch)}


@pytest.fixture(scope="module")
def images(backbone) -> torch.Tensor:
    return torch.randn(3, *backbone.input_size, generator=torch.Generator().manual_seed(1))


def kept_of(backbone: TokenBackbone, ratio: float = 0.4, batch: int = 3, seed: int = 2) -> torch.Tensor:
    maps = torch.rand(batch, 7, 7, generator=torch.Generator().manual_seed(seed))
    return backbone.select(maps, ratio)


def plain(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """timm's own forward: the slot as timm leaves it."""
    slot, model.patch_drop = model.patch_drop, nn.Identity() if not hasattr(model, "rope") else None
    try:
        return model(images)
    finally:
        model.patch_drop = slot


def composed(model: nn.Module, images: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """The plain composition of the model's parts, one image at a time, gathering by a loop."""
    answers = []
    for image, chosen in zip(images, kept.tolist()):
        slot, model.patch_drop = model.patch_drop, None
        embedded = model._pos_embed(model.patch_embed(image[None]))
        model.patch_drop = slot
        tokens, rope = embedded if isinstance(embedded, tuple) else (embedded, None)
        first = model.num_prefix_tokens
        tokens = torch.cat(
            [tokens[:, :first], *[tokens[:, first + i : first + i + 1] for i in chosen]], dim=1
        )
        if rope is not None:  # (N, D) or (depth, heads, N, D)
            rope = torch.stack([rope[..., i, :] for i in chosen], dim=-2)
        tokens = model.norm_pre(tokens)
        for depth, block in enumerate(model.blocks):
            if rope is None:
                tokens = block(tokens)
            else:
                tokens = block(tokens, rope=rope[depth] if rope.ndim == 4 else rope)
        answers.append(model.forward_head(model.norm(tokens)))
    return torch.cat(answers)


@torch.inference_mode()
def test_without_kept_and_with_all_kept_it_is_timm(backbone, images):
    truth = plain(backbone.model, images)
    assert truth.std() > 0
    assert torch.equal(backbone(images), truth)
    assert torch.equal(backbone(images, None), truth)
    everything = backbone.select(torch.rand(3, 7, 7), 1)
    assert everything.shape == (3, backbone.num_patches)
    assert torch.equal(backbone(images, everything), truth)


@torch.inference_mode()
@pytest.mark.parametrize("name", CATALOGUE)
def test_at_its_own_size_each_entry_is_timm(name):
    backbone = of_timm(name, {"depth": 1})
    images = torch.randn(1, *backbone.input_size)
    truth = plain(backbone.model, images)
    everything = torch.arange(backbone.num_patches).unsqueeze(0)
    assert torch.equal(backbone(images), truth)
    assert torch.equal(backbone(images, everything), truth)


@torch.inference_mode()
@pytest.mark.parametrize("batch", [1, 2, 32])
def test_the_embedded_backbone_is_timm(batch):
    """Trained weights and no class token, so its tokens lie in memory as the convolution left them."""
    backbone = load_backbone()
    images = torch.randn(batch, *backbone.input_size)
    truth = plain(backbone.model, images)
    everything = torch.arange(backbone.num_patches).expand(batch, -1)
    assert torch.equal(backbone(images), truth)
    assert torch.equal(backbone(images, everything), truth)


@torch.inference_mode()
def test_pruned_equals_the_composition_of_the_parts(backbone, images):
    kept = kept_of(backbone)
    assert kept.shape[1] < backbone.num_patches
    found, truth = backbone(images, kept), composed(backbone.model, images, kept)
    torch.testing.assert_close(found, truth, rtol=1e-3, atol=1e-4 * float(truth.abs().max()))
    assert not torch.allclose(found, backbone(images), rtol=1e-3)


@torch.inference_mode()
def test_the_order_of_kept_patches_does_not_matter(backbone, images):
    kept = kept_of(backbone)
    shuffled = torch.stack([row[torch.randperm(row.numel())] for row in kept])
    found, again = backbone(images, kept), backbone(images, shuffled)
    torch.testing.assert_close(found, again, rtol=1e-3, atol=1e-4 * float(found.abs().max()))


@torch.inference_mode()
def test_a_batch_equals_its_singles_and_one_image_answers_many(backbone, images):
    kept = kept_of(backbone)
    together = backbone(images, kept)
    near = {"rtol": 1e-3, "atol": 1e-4 * float(together.abs().max())}
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], backbone(images[i : i + 1], kept[i : i + 1]), **near)
    other = images.clone()
    other[1] += 1  # images of a batch do not touch each other
    torch.testing.assert_close(together[[0, 2]], backbone(other, kept)[[0, 2]], **near)
    many = backbone(images[:1], kept)
    assert many.shape == together.shape
    torch.testing.assert_close(many, backbone(images[:1].expand(3, -1, -1, -1), kept), **near)


@torch.inference_mode()
def test_a_dropped_patch_is_not_seen_and_a_kept_one_is(backbone, images):
    if hasattr(backbone.model.patch_embed, "backbone"):
        pytest.skip("a convolutional stem looks beyond its own patch")
    rows, columns = backbone.grid
    height, width = backbone.input_size[1] // rows, backbone.input_size[2] // columns
    kept = kept_of(backbone)[:1]
    chosen = set(kept[0].tolist())
    inside = min(chosen)
    outside = next(i for i in range(backbone.num_patches) if i not in chosen)

    def painted(patch: int) -> torch.Tensor:
        picture = images[:1].clone()
        row, column = divmod(patch, columns)
        picture[:, :, row * height : (row + 1) * height, column * width : (column + 1) * width] = 3.0
        return backbone(picture, kept)

    truth = backbone(images[:1], kept)
    assert torch.equal(painted(outside), truth)
    assert not torch.equal(painted(inside), truth)


@torch.inference_mode()
def test_the_blocks_see_fewer_tokens(backbone, images):
    seen = []
    first = next(iter(backbone.model.blocks))
    hook = first.register_forward_pre_hook(lambda module, inputs: seen.append(tuple(inputs[0].shape[:2])))
    kept = kept_of(backbone)
    try:
        backbone(images, kept)
        backbone(images[:1], kept)
        backbone(images)
    finally:
        hook.remove()
    pruned = backbone.num_prefix_tokens + kept.shape[1]
    assert seen == [(3, pruned), (3, pruned), (3, backbone.num_prefix_tokens + backbone.num_patches)]


def test_gradients_flow_to_what_is_kept(backbone, images):
    picture = images[:1].clone().requires_grad_()
    backbone(picture, kept_of(backbone)[:1]).square().sum().backward()
    rows, columns = backbone.grid
    shares = (
        picture.grad.abs().sum(dim=1).unflatten(1, (rows, -1)).unflatten(3, (columns, -1)).sum(dim=(2, 4))
    )
    touched = shares.flatten(1).nonzero()[:, 1].tolist()
    if not hasattr(backbone.model.patch_embed, "backbone"):
        assert touched == kept_of(backbone)[0].tolist()
    assert all(p.grad is not None for p in backbone.model.blocks.parameters() if p.requires_grad)
    backbone.zero_grad()


@torch.inference_mode()
def test_autocast_works(backbone, images):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pruned = backbone(images[:1], kept_of(backbone)[:1])
    assert torch.isfinite(pruned).all()


@torch.inference_mode()
def test_the_model_keeps_timm_s_state_and_no_call_changes_it(backbone, images):
    def state() -> tuple:
        tensors = {
            key: (value.data_ptr(), value._version) for key, value in backbone.model.state_dict().items()
        }
        return tensors, [sorted(vars(module)) for module in backbone.modules()]

    before = state()
    backbone(images[:1], kept_of(backbone)[:1])
    backbone(images[:1])
    assert state() == before
    assert not backbone.model.patch_drop.state_dict()
    assert not any(isinstance(value, torch.Tensor) for value in vars(backbone.model.patch_drop).values())
    assert not backbone.training


def test_the_state_dict_loads_into_a_plain_timm_model():
    backbone = of_timm("test_vit2")
    plain_model = timm.create_model("test_vit2").eval()
    plain_model.load_state_dict(backbone.model.state_dict(), strict=True)
    images = torch.randn(2, *backbone.input_size)
    with torch.inference_mode():
        assert torch.equal(plain_model(images), backbone(images))


@pytest.fixture(scope="module")
def tiny() -> TokenBackbone:
    return of_timm("test_vit", {"num_classes": 11})


@torch.inference_mode()
@pytest.mark.parametrize("name", ["test_vit", "eva02_tiny_patch14_336.mim_in22k_ft_in1k"])
def test_sixteen_threads_on_one_backbone(name):
    backbone = of_timm(name, small(name))
    pictures = torch.randn(4, *backbone.input_size)
    jobs = [
        (i % 4, None if i % 5 == 0 else kept_of(backbone, 0.1 + 0.05 * (i % 16), 1, seed=i))
        for i in range(80)
    ]

    @torch.inference_mode()
    def run(job: tuple) -> torch.Tensor:
        return backbone(pictures[job[0] : job[0] + 1], job[1])

    truth = [run(job) for job in jobs]
    found = at_once(run, jobs)
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(found, truth))
    assert len({round(float(answer.sum()), 4) for answer in truth}) > 50  # the jobs do differ


@torch.inference_mode()
def test_a_call_inside_a_call_does_not_leak(tiny):
    images, kept = torch.randn(1, *tiny.input_size), kept_of(tiny, 0.3, 1)
    other = of_timm("test_vit2")
    seen = []
    hook = tiny.model.blocks[0].register_forward_pre_hook(
        lambda *_: seen.append(other(torch.zeros(1, *other.input_size), kept_of(other, 0.5, 1)))
    )
    truth = tiny(images)
    pruned = tiny(images, kept)
    hook.remove()
    assert len(seen) == 2
    assert torch.equal(tiny(images, kept), pruned)
    assert torch.equal(tiny(images), truth)


@torch.inference_mode()
def test_after_an_error_nothing_is_left_behind(tiny):
    images, kept = torch.randn(2, *tiny.input_size), kept_of(tiny, 0.3, 2)
    truth = tiny(images)

    def fail(*_):
        raise RuntimeError("in the middle")

    hook = tiny.model.blocks[1].register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        tiny(images, kept)
    hook.remove()
    assert torch.equal(tiny(images), truth)


@torch.inference_mode()
def test_a_model_that_does_not_prune_is_an_error(tiny):
    broken = copy.deepcopy(tiny)
    broken.model.patch_drop = nn.Identity()
    with pytest.raises(UnsupportedModel, match="nothing was pruned"):
        broken(torch.randn(1, *tiny.input_size), kept_of(tiny, 0.3, 1))


@torch.inference_mode()
def test_a_copy_prunes_on_its_own(tiny):
    images, kept = torch.randn(1, *tiny.input_size), kept_of(tiny, 0.3, 1)
    assert torch.equal(copy.deepcopy(tiny)(images, kept), tiny(images, kept))


@pytest.mark.parametrize(
    "kept",
    [
        torch.zeros(2, 0, dtype=torch.int64),
        torch.zeros(5, dtype=torch.int64),
        torch.zeros(2, 5),
        torch.zeros(2, 5, dtype=torch.int32),
        torch.arange(5).expand(3, -1),
        torch.tensor([[0, 1, 1], [0, 1, 2]]),
        torch.tensor([[0, 1, 100], [0, 1, 2]]),
        torch.tensor([[-1, 1, 2], [0, 1, 2]]),
        [[0, 1], [2, 3]],
        0.5,
    ],
)
def test_kept_that_cannot_be_are_refused(tiny, kept):
    with pytest.raises(InvalidInput):
        tiny(torch.zeros(2, *tiny.input_size), kept)


@pytest.mark.parametrize(
    "shape", [(3, 160, 160), (2, 3, 161, 160), (2, 1, 160, 160), (2, 3, 160), (0, 3, 160, 160)]
)
def test_images_that_cannot_be_are_refused(tiny, shape):
    with pytest.raises(InvalidInput):
        tiny(torch.zeros(shape), torch.tensor([[0, 1]]))


@torch.inference_mode()
def test_any_image_size_where_the_model_takes_one():
    backbone = of_timm("test_vit", {"dynamic_img_size": True})
    images = torch.randn(2, 3, 96, 208)
    kept = torch.stack([torch.randperm(6 * 13)[:20] for _ in range(2)])
    assert torch.equal(backbone(images), plain(backbone.model, images))
    torch.testing.assert_close(
        backbone(images, kept), composed(backbone.model, images, kept), rtol=1e-4, atol=1e-4
    )
    with pytest.raises(InvalidInput):
        backbone(images, torch.tensor([[78], [0]]))


def test_loading_by_name_gives_what_the_contract_says():
    backbone = load_backbone("deit_tiny_distilled_patch16_224", pretrained=False)
    assert backbone.name == "deit_tiny_distilled_patch16_224.fb_in1k"
    assert backbone.num_prefix_tokens == 2
    assert backbone.grid == (14, 14)
    assert backbone.input_size == (3, 224, 224)
    assert backbone.labels.name == "imagenet-1k"
    assert backbone.weights is None
    assert backbone.sha256 is None
    maps = torch.rand(2, 7, 7)
    assert backbone.select(maps, 0.4).shape == (2, backbone.num_kept(0.4)) == (2, 79)
    assert torch.equal(backbone.select_count(maps, 79), backbone.select(maps, 0.4))


@torch.inference_mode()
def test_another_image_size_also_one_that_is_not_square():
    backbone = load_backbone("test_vit", pretrained=False, img_size=(64, 112))
    assert backbone.grid == (4, 7)
    assert backbone.input_size == (3, 64, 112)
    kept = backbone.select(torch.rand(1, 3, 3), 0.5)
    assert backbone(torch.randn(1, 3, 64, 112), kept).shape == (1, 1000)
    for impossible in (0, (0, 112), (112, -1), (112, 112, 112), 3):
        with pytest.raises(InvalidInput):
            load_backbone("test_vit", pretrained=False, img_size=impossible)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("beit_base_patch16_224", "pair of positions"),
        ("vit_relpos_small_patch16_224", "pair of positions"),
        ("cait_xxs24_224", "no place where patches can be dropped"),
        ("hiera_tiny_224", "merges neighbouring patches"),
        ("naflexvit_base_patch16_gap", "in training only"),
        ("samvit_base_patch16", "whole grid"),
        ("resnet18", "no place where patches can be dropped"),
    ],
)
def test_a_family_without_a_seam_is_refused_in_one_sentence(name, why):
    with pytest.raises(UnsupportedModel, match=why) as caught:
        load_backbone(name, pretrained=True)  # before anything is downloaded
    assert str(caught.value).count(". ") == 0


@torch.inference_mode()
def test_it_compiles_whole_with_any_number_of_kept_patches():
    backbone = of_timm("test_vit", {"depth": 1})
    images = torch.randn(2, *backbone.input_size)
    choices = [None, *(kept_of(backbone, ratio, 2) for ratio in (0.3, 0.5, 0.6)), None]
    truth = [backbone(images, kept) for kept in choices]
    backbone.model.compile(fullgraph=True, backend="eager")
    for kept, answer in zip(choices, truth):
        torch.testing.assert_close(backbone(images, kept), answer, rtol=1e-4, atol=1e-5)
    torch._dynamo.reset()


def test_training_mode_prunes_too():
    backbone = of_timm("test_vit", {"drop_path_rate": 0.1}).train()
    logits = backbone(torch.randn(2, *backbone.input_size), kept_of(backbone, 0.5, 2))
    logits.sum().backward()
    assert backbone.model.patch_embed.proj.weight.grad is not None


def test_errors_share_a_base():
    assert issubclass(InvalidInput, (PaprError, ValueError))
    assert issubclass(UnsupportedModel, InvalidInput)
