"""Laws of pruning ConvNeXt and Swin: equal to timm where all is kept, else to a slow reference that runs
every operator everywhere and masks the result.

Random weights, one or two blocks a stage, small pictures that are not square.
"""

import pytest
import timm
import torch
from threads import at_once
from torch import nn

from papr_core import BACKBONES, InvalidInput, UnsupportedModel, load_backbone
from papr_core.models.backbones import PixelBackbone, TokenBackbone, prunable
from papr_core.models.entries import Entry

SHORT = {"depths": (1, 1, 2, 1)}
SIZE = (96, 160)
SWIN = {
    "depths": (2, 1, 2, 1),
    "embed_dim": 32,
    "num_heads": (1, 2, 4, 8),
    "img_size": SIZE,
    "window_size": 4,
}
ENTRY = Entry("convnext_tiny", "backbone", "")
KINDS = {
    "convnext": ("convnext_tiny", {**SHORT, "dims": (16, 32, 64, 96)}),
    "convnext, no layer scale": ("convnext_tiny", {**SHORT, "dims": (16, 32, 64, 96), "ls_init_value": None}),
    "convnext, convolutions as mlp": ("convnext_atto", SHORT),
    "convnext, overlapping stem": ("convnext_atto_ols", SHORT),
    "convnext, norm first": ("convnext_tiny", {**SHORT, "dims": (16, 32, 64, 96), "head_norm_first": True}),
    "convnext v2": ("convnextv2_tiny", {**SHORT, "dims": (16, 32, 64, 96)}),
    "convnext v2, convolutions as mlp": ("convnextv2_atto", SHORT),
    "swin": ("swin_tiny_patch4_window7_224", SWIN),
    "swin v2": ("swinv2_tiny_window8_256", SWIN),
}  # fmt: skip


def of_timm(name: str, arguments: dict, **options) -> PixelBackbone:
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=11, **arguments)
    with torch.no_grad():  # weights big enough that a dropped position shows
        for parameter in model.parameters():
            parameter.normal_(std=0.2 if parameter.ndim > 1 else 0.5)
    size = None if "img_size" in arguments else SIZE
    return prunable(model, Entry(name, "backbone", name), img_size=size, **options)


@pytest.fixture(scope="module", params=KINDS)
def backbone(request) -> PixelBackbone:
    return of_timm(*KINDS[request.param])


@pytest.fixture(scope="module")
def images(backbone) -> torch.Tensor:
    return torch.randn(3, *backbone.input_size, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
@pytest.mark.parametrize("name", [name for name, line in BACKBONES.items() if line.family == "pixels"])
def test_at_its_own_size_each_entry_is_timm(name):
    """One block a stage."""
    config = BACKBONES[name].config
    model = timm.create_model(config["architecture"], depths=(1, 1, 1, 1), **config["model_args"])
    backbone = prunable(model, BACKBONES[name])
    images = torch.randn(1, *backbone.input_size)
    truth = model(images)
    assert torch.equal(backbone(images), truth)
    everything = backbone.select(torch.rand(1, 7, 7), 1)
    assert torch.equal(backbone(images, everything), truth)
    features = backbone._features(images, everything, 1)
    torch.testing.assert_close(model.forward_head(features), truth, **near(truth))


def kept_of(backbone, ratio: float = 0.4, batch: int = 3, seed: int = 2) -> tuple[torch.Tensor, ...]:
    return backbone.select(torch.rand(batch, 7, 7, generator=torch.Generator().manual_seed(seed)), ratio)


def reference(backbone, images: torch.Tensor, kept: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """One image at a time: each block's operators on all positions, then a mask."""
    model, answers = backbone.model, []
    convnext = isinstance(model, timm.models.ConvNeXt)
    for i, image in enumerate(images):
        x = model.stem(image[None]) if convnext else model.patch_embed(image[None])
        for stage, rows, (height, width) in zip(
            model.stages if convnext else model.layers, kept, backbone.grids
        ):
            mask = torch.zeros(height * width, dtype=x.dtype)
            for row in rows[i].tolist():
                mask[row] = 1
            mask = mask.view(1, 1, height, width) if convnext else mask.view(1, height, width, 1)
            x = stage.downsample(x)
            for block in stage.blocks:
                x = (masked_convnext if convnext else masked_swin)(block, x, mask, backbone.residual)
        answers.append(model.forward_head(model.norm_pre(x) if convnext else model.norm(x)))
    return torch.cat(answers)


def masked_convnext(block, x, mask, residual):
    y = block.conv_dw(x)
    if not block.use_conv_mlp:
        y, mask_here = y.permute(0, 2, 3, 1), mask.permute(0, 2, 3, 1)
    else:
        mask_here = mask
    mlp = block.mlp
    y = mlp.act(mlp.fc1(block.norm(y)))
    if hasattr(mlp, "grn"):  # it looks at all positions: at those that are kept
        y = mlp.grn(y * mask_here)
    y = mlp.fc2(y)
    if not block.use_conv_mlp:
        y = y.permute(0, 3, 1, 2)
    if block.gamma is not None:
        y = y * block.gamma[:, None, None]
    return x + y * mask if residual == "keep" else (x + y) * mask


def masked_swin(block, x, mask, residual):
    if type(block).__name__ == "SwinTransformerV2Block":
        x = x + block.norm1(block._attn(x))
        y = block.norm2(block.mlp(x))
    else:
        x = x + block._attn(block.norm1(x))
        y = block.mlp(block.norm2(x))
    return x + y * mask if residual == "keep" else (x + y) * mask


def near(truth: torch.Tensor) -> dict:
    return {"rtol": 1e-3, "atol": 1e-4 * float(truth.abs().max())}


@torch.inference_mode()
def test_without_kept_and_with_all_kept_it_is_timm(backbone, images):
    truth = backbone.model(images)
    assert truth.std() > 0
    assert torch.equal(backbone(images), truth)
    everything = kept_of(backbone, 1)
    assert [rows.shape[1] for rows in everything] == [height * width for height, width in backbone.grids]
    assert torch.equal(backbone(images, everything), truth)


@torch.inference_mode()
def test_our_forward_of_the_blocks_is_timm_s(backbone, images):
    features = backbone._features(images, kept_of(backbone, 1), len(images))
    truth = backbone.model(images)
    torch.testing.assert_close(backbone.model.forward_head(features), truth, **near(truth))


@torch.inference_mode()
@pytest.mark.parametrize("residual", ["keep", "zero"])
def test_pruned_equals_all_positions_then_a_mask(backbone, images, residual):
    other = PixelBackbone(backbone.model, ENTRY, img_size=backbone.input_size[1:], residual=residual)
    kept = kept_of(backbone)
    found, truth = other(images, kept), reference(other, images, kept)
    torch.testing.assert_close(found, truth, **near(truth))
    assert not torch.allclose(found, backbone(images), rtol=1e-2)


@torch.inference_mode()
def test_the_two_treatments_differ():
    keep, zero = (of_timm(*KINDS["swin"], residual=residual) for residual in ("keep", "zero"))
    images, kept = torch.randn(1, 3, *SIZE), kept_of(keep, 0.4, 1)
    assert not torch.allclose(keep(images, kept), zero(images, kept), rtol=1e-2)
    with pytest.raises(InvalidInput, match="keep or zero"):
        of_timm(*KINDS["swin"], residual="blur")


@torch.inference_mode()
def test_the_order_of_kept_positions_does_not_matter(backbone, images):
    kept = kept_of(backbone)
    shuffled = tuple(torch.stack([row[torch.randperm(row.numel())] for row in rows]) for rows in kept)
    truth = backbone(images, kept)
    torch.testing.assert_close(backbone(images, shuffled), truth, **near(truth))


@torch.inference_mode()
def test_a_batch_equals_its_singles_and_one_image_answers_many(backbone, images):
    kept = kept_of(backbone)
    together = backbone(images, kept)
    for i in range(3):
        alone = backbone(images[i : i + 1], tuple(rows[i : i + 1] for rows in kept))
        torch.testing.assert_close(together[i : i + 1], alone, **near(together))
    many = backbone(images[:1], kept)
    truth = backbone(images[:1].expand(3, -1, -1, -1), kept)
    torch.testing.assert_close(many, truth, **near(truth))
    assert backbone(images[:1], kept_of(backbone, 1)).shape == (3, 11)


def test_selection_once_a_stage_at_its_resolution(backbone):
    kept = kept_of(backbone, 0.65)
    assert len(kept) == len(backbone.grids) == 4
    for rows, (height, width) in zip(kept, backbone.grids):
        assert rows.shape == (3, max(1, int(0.65 * height * width + 1e-6)))
        assert (rows.diff(dim=1) > 0).all()
    shown = backbone.shown
    assert backbone.grid == backbone.grids[shown]
    assert backbone.num_kept(0.65) == kept[shown].shape[1]
    assert backbone.num_prefix_tokens == 0
    assert backbone.select_count(torch.rand(2, 5, 5), backbone.num_patches)[0].shape[1] == (
        backbone.grids[0][0] * backbone.grids[0][1]
    )
    with pytest.raises(InvalidInput):
        backbone.select_count(torch.rand(2, 5, 5), 0)


def test_patches_are_those_of_the_stage_nearest_to_14_rows():
    with torch.device("meta"):
        for name, grid in (("convnext_base", (14, 14)), ("swin_large_patch4_window12_384", (12, 12))):
            model = timm.create_model(name)
            backbone = prunable(model, Entry(name, "backbone", name))
            assert backbone.grid == grid
            assert backbone.grids[0] == tuple(side * 2**backbone.shown for side in grid)


@torch.inference_mode()
def test_the_pixel_operator_sees_the_kept_positions_only(backbone, images):
    seen = []
    stage = (backbone.model.stages if hasattr(backbone.model, "stages") else backbone.model.layers)[0]
    hook = stage.blocks[0].mlp.register_forward_pre_hook(
        lambda module, inputs: seen.append(inputs[0].numel())
    )
    kept = kept_of(backbone)
    try:
        backbone(images, kept)
        backbone(images)
    finally:
        hook.remove()
    height, width = backbone.grids[0]
    assert seen[0] * height * width == seen[1] * kept[0].shape[1]


def test_gradients_flow(backbone, images):
    picture = images[:1].clone().requires_grad_()
    backbone(picture, kept_of(backbone, 0.4, 1)).square().sum().backward()
    assert picture.grad.abs().sum() > 0
    assert all(p.grad is not None for p in backbone.model.parameters() if p.requires_grad)
    backbone.zero_grad()


@torch.inference_mode()
def test_autocast_works(backbone, images):
    kept = kept_of(backbone)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = backbone(images, kept)
    truth = backbone(images, kept)
    assert torch.corrcoef(torch.stack([found.float().flatten(), truth.flatten()]))[0, 1] > 0.95


@torch.inference_mode()
def test_the_model_stays_timm_s_and_no_call_changes_it(backbone, images):
    def state() -> tuple:
        tensors = {
            key: (value.data_ptr(), value._version) for key, value in backbone.model.state_dict().items()
        }
        return tensors, [sorted(vars(module)) for module in backbone.modules()]

    before, picture = state(), images.clone()
    backbone(images, kept_of(backbone))
    backbone(images)
    assert state() == before
    assert torch.equal(images, picture)
    assert not any(isinstance(module, (PixelBackbone, TokenBackbone)) for module in backbone.model.modules())


@torch.inference_mode()
@pytest.mark.parametrize("kind", ["convnext v2", "swin"])
def test_sixteen_threads_on_one_backbone(kind):
    backbone = of_timm(*KINDS[kind])
    pictures = torch.randn(3, *backbone.input_size)
    jobs = [
        (i % 3, None if i % 5 == 0 else kept_of(backbone, 0.1 + 0.05 * (i % 16), 1, i)) for i in range(32)
    ]

    @torch.inference_mode()
    def run(job: tuple) -> torch.Tensor:
        return backbone(pictures[job[0] : job[0] + 1], job[1])

    truth = [run(job) for job in jobs]
    found = at_once(run, jobs)
    assert all(
        torch.allclose(a, b, rtol=1e-3, atol=1e-4 * float(b.abs().max())) for a, b in zip(found, truth)
    )


@torch.inference_mode()
@pytest.mark.parametrize("kind", ["convnext", "swin"])
def test_it_compiles_whole(kind):
    backbone = of_timm(*KINDS[kind])
    images = torch.randn(2, *backbone.input_size)
    choices = [None, kept_of(backbone, 0.3, 2), kept_of(backbone, 0.6, 2)]
    truth = [backbone(images, kept) for kept in choices]
    compiled = torch.compile(backbone, fullgraph=True, backend="eager")
    for kept, expected in zip(choices, truth):
        torch.testing.assert_close(compiled(images, kept), expected, **near(expected))


def test_training_with_drop_path():
    backbone = of_timm("convnext_tiny", {**KINDS["convnext"][1], "drop_path_rate": 0.5}).train()
    backbone(torch.randn(4, 3, *SIZE), kept_of(backbone, 0.5, 4)).sum().backward()
    assert backbone.model.stem[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "kept",
    [
        torch.tensor([[0, 1]]),
        (torch.tensor([[0]]),) * 3,
        (torch.tensor([[0]]),) * 3 + (torch.tensor([[0, 0]]),),
        (torch.tensor([[0]]),) * 3 + (torch.tensor([[15]]),),
        (torch.tensor([[0]]),) * 3 + (torch.tensor([[0], [1]]),),
        (torch.tensor([[0.5]]),) * 4,
    ],
)
def test_kept_that_cannot_be_are_refused(kept):
    backbone = of_timm(*KINDS["convnext"])
    with pytest.raises(InvalidInput):
        backbone(torch.zeros(1, *backbone.input_size), kept)


@pytest.mark.parametrize("shape", [(1, 3, 96, 96), (1, 1, *SIZE), (3, *SIZE), (0, 3, *SIZE)])
def test_images_that_cannot_be_are_refused(shape):
    backbone = of_timm(*KINDS["swin"])
    with pytest.raises(InvalidInput):
        backbone(torch.zeros(shape))


def test_tokens_cannot_be_merged():
    backbone = of_timm(*KINDS["swin"])
    with pytest.raises(UnsupportedModel, match="cannot merge"):
        backbone(torch.zeros(1, *backbone.input_size), merging=8)
    assert torch.equal(
        backbone(torch.zeros(1, *backbone.input_size), merging=0),
        backbone(torch.zeros(1, *backbone.input_size)),
    )


def test_loading_by_name_at_any_size():
    backbone = load_backbone("convnext_atto", pretrained=False, img_size=(64, 96))
    assert isinstance(backbone, PixelBackbone)
    assert backbone.input_size == (3, 64, 96)
    assert backbone.grids == ((16, 24), (8, 12), (4, 6), (2, 3))
    assert backbone.grid == (16, 24)
    with pytest.raises(InvalidInput):
        load_backbone("convnext_atto", pretrained=False, img_size=3)
    with pytest.raises(InvalidInput, match="drops pruned patches"):
        load_backbone("test_vit", pretrained=False, residual="zero")


@torch.inference_mode()
def test_without_a_classifier_it_gives_an_embedding():
    model = timm.create_model("convnext_tiny", num_classes=0, **KINDS["convnext"][1])
    backbone = prunable(model, ENTRY, img_size=SIZE)
    assert backbone.headless
    assert len(backbone.labels) == 0
    images = torch.randn(2, 3, *SIZE)
    assert backbone(images, kept_of(backbone, 0.5, 2)).shape == (2, 96)
    unpooled = timm.create_model("convnext_tiny", num_classes=0, global_pool="", **KINDS["convnext"][1])
    with pytest.raises(UnsupportedModel, match="does not pool"):
        prunable(unpooled, ENTRY)


def test_a_kin_that_is_written_otherwise_is_refused():
    with torch.device("meta"), pytest.raises(UnsupportedModel):
        prunable(timm.create_model("swinv2_cr_tiny_224"), ENTRY)
    assert isinstance(timm.create_model("test_convnext"), nn.Module)
