"""The whole picture at a smaller size: the sizes, timm's own resampling, and what it leaves alone."""

import pytest
import timm
import torch
from threads import at_once
from timm.layers import resample_abs_pos_embed
from torch.nn import functional as F

from papr_core import UnsupportedModel, compare, load_backbone, load_proposal
from papr_core.comparison.printed import printed_figure, printed_table
from papr_core.figures import Paper
from papr_core.methods.budget import fed, num_fed
from papr_core.methods.table import refusal
from papr_core.models.backbones import prunable
from papr_core.models.entries import Entry
from papr_core.pruning.shrinking import Shrunk, ladder, shrunk_to

KINDS = {
    "class token": ("vit_tiny_patch16_224", {"depth": 2}),
    "registers": ("vit_small_patch14_reg4_dinov2", {"depth": 2, "img_size": 98}),
    "registers, no class token": ("vit_betwixt_patch16_reg4_gap_256", {"depth": 2, "img_size": (96, 128)}),
    "rotary": ("eva02_tiny_patch14_224", {"depth": 2, "img_size": (84, 112)}),
    "rotary, a table a block": ("vit_small_patch16_rope_mixed_224", {"depth": 2, "img_size": (96, 128)}),
    "rotary, any size": ("vit_small_patch16_dinov3", {"depth": 2}),
    "attention pooling": ("vit_base_patch16_siglip_224", {"depth": 1, "img_size": 96}),
}  # fmt: skip


@pytest.mark.parametrize("grid", [(14, 14), (6, 8), (9, 16), (1, 5), (1, 1)])
def test_the_size_is_the_nearest_count_from_above(grid):
    counts = [size.num_patches for size in ladder(grid)]
    assert counts == sorted(set(counts))
    assert ladder(grid)[-1] == Shrunk(grid)
    assert all(
        rows <= grid[0] and columns <= grid[1] for rows, columns in (size.grid for size in ladder(grid))
    )
    for k in range(1, grid[0] * grid[1] + 1):
        assert shrunk_to(k, grid).num_patches == min(count for count in counts if count >= k)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_model_that_timm_makes_for_that_size(kind):
    name, arguments = KINDS[kind]
    torch.manual_seed(0)
    model = timm.create_model(name, **arguments).eval()
    for parameter in model.parameters():
        parameter.normal_(std=0.1 if parameter.ndim > 1 else 0.5)
    backbone = prunable(model, Entry(name, "backbone", name))
    images = torch.randn(2, *backbone.input_size, generator=torch.Generator().manual_seed(1))
    before, plain = {key: value.clone() for key, value in model.state_dict().items()}, backbone(images)
    size = shrunk_to(backbone.num_patches // 2, backbone.grid)
    found = backbone(images, size)

    pixels = backbone.resized(size.grid).input_size[1:]
    other = timm.create_model(name, **{**arguments, "img_size": pixels}).eval()
    state = dict(before)
    if model.pos_embed is not None:
        prefix = 0 if model.no_embed_class else model.num_prefix_tokens
        how = {"new_size": size.grid, "old_size": backbone.grid, "num_prefix_tokens": prefix}
        state["pos_embed"] = resample_abs_pos_embed(before["pos_embed"], **how)
    other.load_state_dict(state)
    smaller = F.interpolate(images, pixels, mode="bicubic", antialias=True)
    assert torch.equal(found, other(smaller))
    assert not torch.allclose(found, plain, rtol=1e-2)

    assert torch.equal(backbone(images), plain), "the model itself is as it was"
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    twin = backbone.resized(size.grid).model
    mine = {id(tensor) for tensor in model.parameters()}
    assert [key for key, tensor in twin.named_parameters() if id(tensor) not in mine] in ([], ["pos_embed"])


def test_dynamic_sizes_give_the_same_bits_on_the_embedded_backbone():
    backbone = load_backbone()
    dynamic = timm.create_model("vit_tiny_patch16_224", dynamic_img_size=True).eval()
    dynamic.load_state_dict(backbone.model.state_dict())
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = backbone(images, Shrunk((9, 9)))
        expected = dynamic(F.interpolate(images, (144, 144), mode="bicubic", antialias=True))
    assert torch.equal(found, expected)


def test_compare_states_its_patches(pair):
    found = compare(
        torch.rand(90, 120, 3, generator=torch.Generator().manual_seed(0)).numpy(),
        proposal=pair[0], backbone=pair[1], methods=["papr", "smaller"], keep_ratio=0.3,
    )  # fmt: skip
    papr, smaller = found.methods
    counts = [size.num_patches for size in ladder(pair[1].grid)]
    assert smaller.kept == min(count for count in counts if count >= papr.kept)
    assert smaller.curve.counts == tuple(counts)
    assert smaller.curve.confidence[0][-1] == pytest.approx(found.full_confidence)
    assert smaller.indices == tuple(range(pair[1].num_patches))
    assert smaller.overlap_with_papr == papr.kept / pair[1].num_patches
    assert not any("constant" in note for note in found.notes)
    assert num_fed("smaller", pair[1], papr.kept) == smaller.kept
    assert fed("smaller", pair[1], None, 1.0) == Shrunk(tuple(pair[1].grid))
    assert found.figure() and found.arrays()["smaller/kept"].shape == (pair[1].num_patches,)  # noqa: PT018


def test_a_figure_and_a_table_of_two_ratios_state_both_sizes(pair):
    given = {"proposal": pair[0], "backbone": pair[1], "methods": ["smaller"], "curve": False}
    image = torch.rand(90, 120, 3, generator=torch.Generator().manual_seed(0)).numpy()
    pictures = [[compare(image, keep_ratio=keep, **given) for keep in (0.3, 0.8)]]
    sizes = [one.methods[0].kept for one in pictures[0]]
    assert sizes[0] < sizes[1] <= pair[1].num_patches
    rows = [line.split(",") for line in printed_table(pictures, "csv").splitlines()[2:]]
    assert [int(row[4]) for row in rows] == sizes
    said = " ".join(text.get_text() for text in printed_figure(pictures, paper=Paper(width=17.5)).texts)
    assert f"all of it, in {sizes[0]} and {sizes[1]} patches" in said


def test_many_threads_ask_for_one_size_at_once():
    backbone = load_backbone("vit_tiny_patch8_112.tiny200")
    images = torch.randn(16, 1, 3, 112, 112, generator=torch.Generator().manual_seed(0))

    @torch.inference_mode()
    def run(i):
        return backbone(images[i], Shrunk((6 + i % 2,) * 2)) if i % 4 else backbone(images[i])

    found = at_once(run, range(16))
    assert all(torch.allclose(one, run(i), atol=1e-5) for i, one in enumerate(found))


def test_refused_in_words_for_what_is_no_vit():
    backbone = prunable(timm.create_model("test_convnext"), Entry("test_convnext", "backbone", "A ConvNeXt"))
    expected = "Smaller picture does not work with test_convnext: it is no ViT"
    assert refusal("smaller", None, backbone).startswith(expected)
    proposal = load_proposal("test_resnet", pretrained=False)
    with pytest.raises(UnsupportedModel, match="it is no ViT"):
        compare(torch.rand(8, 8, 3).numpy(), proposal=proposal, backbone=backbone, methods=["smaller"])
