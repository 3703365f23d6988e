"""`prune`: laws for every architecture of transformers on small random models, timm's kin beside them, and
that a caller's model is left as it was."""

import copy
import json
import os
import warnings

import pytest
import timm
import torch
import transformers
from threads import at_once
from torch import nn
from torch.nn import functional as F

from papr_core import (
    InvalidInput,
    ToMe,
    UnsupportedModel,
    as_backbone,
    bench,
    compare,
    evaluate,
    load_backbone,
    load_proposal,
    prune,
)
from papr_core.data.images import read_image
from papr_core.models import preprocessing, weights
from papr_core.models.labels import imagenet
from papr_core.pruning.dense import written_back

SIDE, PATCHES = 48, 36
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "image_size": SIDE,
    "patch_size": 8,
}
# class of transformers, its configuration, prefix tokens
KINDS = {
    "ViTForImageClassification": ("ViTConfig", {"num_labels": 5}, 1),
    "ViTModel": ("ViTConfig", {}, 1),
    "DeiTForImageClassification": ("DeiTConfig", {"num_labels": 5}, 2),
    "DeiTForImageClassificationWithTeacher": ("DeiTConfig", {"num_labels": 5}, 2),
    "Dinov2ForImageClassification": ("Dinov2Config", {"num_labels": 5}, 1),
    "Dinov2WithRegistersForImageClassification": ("Dinov2WithRegistersConfig", {"num_labels": 5}, 5),
    "DINOv3ViTModel": ("DINOv3ViTConfig", {"num_register_tokens": 2}, 3),
    "CLIPVisionModel": ("CLIPVisionConfig", {}, 1),
    "CLIPVisionModelWithProjection": ("CLIPVisionConfig", {"projection_dim": 12}, 1),
    "SiglipVisionModel": ("SiglipVisionConfig", {}, 0),
    "VideoMAEForVideoClassification": ("VideoMAEConfig", {"num_labels": 5, "num_frames": 4}, 0),
}
TIMM = {
    "ViT": ("test_vit", {"img_size": 96}),
    "ViT, distilled": ("deit_tiny_distilled_patch16_224", {"depth": 2, "img_size": 96}),
    "ConvNeXt": ("test_convnext", {}),
    "Swin": (
        "swin_tiny_patch4_window7_224",
        {"img_size": 56, "depths": (1, 1), "embed_dim": 12, "num_heads": (1, 2)},
    ),
}


def lively(model: nn.Module) -> nn.Module:
    """Random weights big enough that a dropped patch shows in the answer."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3, generator=generator)
            elif name.endswith("gamma"):
                parameter.fill_(1)  # a new ConvNeXt's blocks do next to nothing
    return model.eval()


def of_transformers(kind: str, **changes) -> nn.Module:
    config, settings, _ = KINDS[kind]
    made = getattr(transformers, config)(**SMALL | settings | changes)
    return lively(getattr(transformers, kind)(made))


def answer(output) -> torch.Tensor:
    """The tensor that matters in an output of transformers."""
    for name in ("logits", "image_embeds", "pooler_output"):
        if getattr(output, name, None) is not None:
            return getattr(output, name)
    return output


@pytest.fixture(scope="module", params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(kind) -> nn.Module:
    return of_transformers(kind)


@pytest.fixture(scope="module")
def images(kind) -> torch.Tensor:
    shape = (3, 4, 3, SIDE, SIDE) if kind.startswith("VideoMAE") else (3, 3, SIDE, SIDE)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def x3d():
    torch.manual_seed(0)
    return load_proposal("x3d_xs", pretrained=False)


@pytest.fixture(scope="module")
def pruned(model, kind, x3d):
    proposal = x3d if kind.startswith("VideoMAE") else "mobilenetv1_025"
    return prune(model, proposal, 0.4, mean=(0.5,) * 3, std=(0.25,) * 3)


def near(found, truth) -> bool:
    return torch.allclose(found, truth, rtol=1e-3, atol=1e-4 * float(truth.abs().max()))


@torch.inference_mode()
def test_ratio_one_is_the_library_s_own_forward(model, pruned, images, kind):
    truth = model(images)
    every = torch.arange(pruned.backbone.num_patches).expand(3, -1)
    assert torch.equal(pruned.backbone(images), answer(truth))
    assert torch.equal(pruned.backbone(images, every), answer(truth))
    pruned.keep_ratio = 1
    try:
        whole = pruned(pixel_values=images)
    finally:
        pruned.keep_ratio = 0.4
    assert type(whole) is type(truth)
    assert torch.equal(answer(whole), answer(truth))
    assert pruned.backbone.num_prefix_tokens == KINDS[kind][2]


@torch.inference_mode()
def test_pruned_differs_and_order_and_batch_do_not_matter(pruned, images):
    backbone = pruned.backbone
    coarse = torch.rand(3, *[4] * len(backbone.grid), generator=torch.Generator().manual_seed(2))
    kept = backbone.select(coarse, 0.4)
    found = backbone(images, kept)
    assert not near(found, backbone(images))
    assert near(backbone(images, kept.flip(1)), found)
    singles = [backbone(images[i : i + 1], kept[i : i + 1]) for i in range(3)]
    assert near(torch.cat(singles), found)
    assert near(backbone(images[:1], kept), backbone(images[:1].expand_as(images), kept))
    tokens = backbone.forward_features(images, kept)
    assert tokens.shape[:2] == (3, backbone.num_prefix_tokens + kept.shape[1])


@torch.inference_mode()
def test_a_dropped_patch_is_not_seen_and_a_kept_one_is(pruned, images, kind):
    if kind.startswith("VideoMAE"):
        pytest.skip("test_tubelets.py does it over time")
    kept = torch.tensor([[3, 8, 9, 30]])
    truth = pruned.backbone(images[:1], kept)

    def painted(patch: int) -> torch.Tensor:
        picture = images[:1].clone()
        row, column = divmod(patch, 6)
        picture[:, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 3
        return pruned.backbone(picture, kept)

    assert torch.equal(painted(10), truth)
    assert not torch.equal(painted(8), truth)


@torch.inference_mode()
def test_the_wrapper_keeps_what_the_proposal_says(pruned, images):
    found = pruned.details(images)
    coarse = pruned.map(images)
    assert torch.equal(found.kept, pruned.backbone.select(coarse, 0.4))
    assert torch.equal(answer(found.output), answer(pruned(images)))
    assert torch.equal(answer(pruned(images)), pruned.backbone(images, found.kept))
    assert found.significance.shape == (3, *pruned.backbone.grid)


def test_gradients_flow_and_the_loss_is_the_library_s(kind, model, x3d, images):
    if not KINDS[kind][1].get("num_labels") or "Teacher" in kind:
        pytest.skip("no loss of its own")
    proposal = x3d if kind.startswith("VideoMAE") else "mobilenetv1_025"
    tuned = prune(copy.deepcopy(model), proposal, 0.5, mean=(0.5,) * 3, std=(0.5,) * 3).train()
    assert tuned.backbone.model.training
    assert not tuned.proposal.training
    tuned(images, labels=torch.tensor([0, 1, 4])).loss.backward()
    assert all(part.grad is not None for part in tuned.backbone.model.classifier.parameters())
    assert not any(part.requires_grad or part.grad is not None for part in tuned.proposal.parameters())


def test_a_model_is_left_as_it_was(model, pruned, images, kind, x3d):
    plain = of_transformers(kind)

    def hooks(module: nn.Module) -> int:
        return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())

    assert hooks(model) == hooks(plain)
    assert [type(part) for part in model.modules()] == [type(part) for part in plain.modules()]
    ours = pruned.backbone.model.state_dict()
    assert ours.keys() == model.state_dict().keys()
    assert all(ours[key].data_ptr() == value.data_ptr() for key, value in model.state_dict().items())
    proposal = x3d if kind.startswith("VideoMAE") else "mobilenetv1_025"
    moved = prune(model, proposal, mean=(0.5,) * 3, std=(0.5,) * 3).double()
    assert all(part.dtype == torch.float32 for part in [*model.parameters(), *x3d.parameters()])
    with torch.inference_mode():
        assert answer(moved(images.double())).dtype == torch.float64


@torch.inference_mode()
@pytest.mark.parametrize("name", ["CLIPVisionModelWithProjection", "DINOv3ViTModel"])
def test_it_compiles_whole_once_for_all_ratios_and_exports(name):
    backbone = as_backbone(of_transformers(name), mean=(0.5,) * 3, std=(0.5,) * 3)
    _compiles_and_exports(backbone)


@torch.inference_mode()
@pytest.mark.parametrize("name", ["eva02_tiny_patch14_224", "test_convnext"])
def test_timm_s_compile_whole_once_for_all_ratios_and_export(name):
    arguments = {"depth": 1, "img_size": 56} if name.startswith("eva") else {}
    _compiles_and_exports(as_backbone(lively(timm.create_model(name, **arguments))))


def _compiles_and_exports(backbone) -> None:
    draw = torch.Generator().manual_seed(0)
    pictures = torch.randn(2, *backbone.input_size, generator=draw)
    coarse = torch.rand(2, 7, 7, generator=draw)
    count = 0

    def counting(graph, inputs):
        nonlocal count
        count += 1
        return graph

    torch._dynamo.reset()
    compiled = torch.compile(backbone, fullgraph=True, dynamic=True, backend=counting)
    for ratio in (0.3, 0.5, 0.7):
        kept = backbone.select(coarse, ratio)
        assert near(compiled(pictures, kept), backbone(pictures, kept))
    assert count == 1
    torch._dynamo.reset()
    if backbone.by_stage:
        return
    batch, many = torch.export.Dim("batch"), torch.export.Dim("many")
    exported = torch.export.export(
        backbone, (pictures, kept), dynamic_shapes=({0: batch}, {0: batch, 1: many})
    ).module()
    one = backbone.select(coarse[:1], 0.4)
    assert near(exported(pictures[:1], one), backbone(pictures[:1], one))


# timm's models, and what both have in common


@pytest.fixture(params=TIMM)
def of_timm(request) -> nn.Module:
    name, arguments = TIMM[request.param]
    return lively(timm.create_model(name, num_classes=6, **arguments))


def test_timm_s_models_come_as_they_are_and_stay_so(of_timm):
    before = {key: (value.data_ptr(), value._version) for key, value in of_timm.state_dict().items()}
    parts = {key: type(part) for key, part in of_timm.named_modules()}
    of_timm.train()
    wrapped = prune(of_timm, keep_ratio=0.5, labels=[f"thing {i}" for i in range(6)], name="mine")
    size = wrapped.backbone.input_size
    pictures = torch.randn(2, *size)
    with torch.inference_mode():
        found = wrapped(pictures)
        wrapped.keep_ratio = 1
        of_timm.eval()
        assert torch.equal(wrapped(pictures), of_timm(pictures))
        assert not near(found, of_timm(pictures))
        features = wrapped.backbone.forward_features(pictures)
        assert near(wrapped.backbone.forward_head(features), of_timm(pictures))
    assert parts == {key: type(part) for key, part in of_timm.named_modules()}
    assert before == {key: (value.data_ptr(), value._version) for key, value in of_timm.state_dict().items()}
    assert wrapped.backbone.labels.names[3] == "thing 3"
    assert repr(wrapped).startswith("Pruned('mine' by 'mobilenetv1_025'")
    assert wrapped.backbone.sha256 == prune(of_timm).backbone.sha256


def test_training_the_one_trains_the_other_until_it_is_moved():
    model = lively(timm.create_model("test_vit", num_classes=3))
    tuned = prune(model, keep_ratio=0.5).train()
    step = torch.optim.SGD(tuned.parameters(), lr=0.1)
    before = model.head.weight.clone()
    tuned(torch.randn(2, 3, 160, 160)).square().mean().backward()
    step.step()
    assert not torch.equal(model.head.weight, before)
    assert model.head.weight is tuned.backbone.model.head.weight
    tuned.half()
    assert model.head.weight.dtype == torch.float32


def test_the_conversion_is_the_two_pipelines():
    """The wrapper's images, converted, against the crop that each model views on its own."""
    model = timm.create_model("test_vit", num_classes=3, img_size=224).eval()
    crop = read_image("assets/examples/coffee.jpg").resize((224, 224))
    wrapped = prune(model, mean=(0.48, 0.45, 0.40), std=(0.27, 0.26, 0.28))
    converted = wrapped.proposal.adapt(wrapped.backbone.denormalise(wrapped.backbone.view(crop)))
    torch.testing.assert_close(converted, wrapped.proposal.view(crop), rtol=0, atol=2e-6)
    larger = crop.resize((320, 320))  # and of another size, to a grey level or two
    small = wrapped.proposal.adapt(torch.from_numpy(_array(larger)))
    grey = 1 / 255 / min(wrapped.proposal._view.std)
    assert float((small - wrapped.proposal.view(larger)).abs().max()) < 2.1 * grey


def _array(picture):
    import numpy as np

    return np.array(picture, dtype=np.float32).transpose(2, 0, 1)[None] / 255


def test_means_come_from_the_model_from_the_caller_or_with_a_warning(tmp_path):
    named = timm.create_model("vit_tiny_patch16_224.augreg_in21k_ft_in1k", depth=1)
    assert as_backbone(named)._view.mean == (0.5, 0.5, 0.5)
    assert as_backbone(named).labels == imagenet()
    bare = timm.models.VisionTransformer(img_size=32, patch_size=8, depth=1, embed_dim=12, num_heads=2)
    with pytest.warns(UserWarning, match="0.5 is taken; give mean="):
        assert as_backbone(bare)._view.std == (0.5, 0.5, 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert as_backbone(bare, mean=(0, 0, 0), std=(1, 1, 1))._view.std == (1, 1, 1)
    model = of_transformers("Dinov2ForImageClassification", id2label={i: f"thing {i}" for i in range(5)})
    with pytest.warns(UserWarning, match="Dinov2ForImageClassification"):
        as_backbone(model)
    model.save_pretrained(tmp_path)
    settings = {
        "image_mean": [0.1, 0.2, 0.3],
        "image_std": [0.4, 0.5, 0.6],
        "size": {"shortest_edge": 64},
        "crop_size": {"height": 56, "width": 56},
        "resample": 2,
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    loaded = as_backbone(transformers.AutoModelForImageClassification.from_pretrained(tmp_path))
    assert loaded._view.mean == (0.1, 0.2, 0.3)
    assert loaded._view.crop_pct == 56 / 64
    assert loaded._view.interpolation == "bilinear"
    assert loaded.grid == (7, 7)  # DINOv2 takes any size, and is used at its preprocessor's
    assert loaded.labels.names[4] == "thing 4"


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("ViT", {}, {}),  # each side on its own
        ("ViT", {"resample": 1, "do_normalize": False}, {}),
        ("ViT", {"rescale_factor": 1 / 127.5, "image_mean": [1, 1, 1], "image_std": [1, 1, 1]}, {}),
        ("ViT", {"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [127.5] * 3}, {}),
        ("ViT", {}, {"size": 224}),  # as older files have it
        ("DeiT", {}, {}),
        ("Siglip", {}, {}),
        ("CLIP", {}, {}),
        ("CLIP", {}, {"size": 224, "crop_size": 224}),
        ("Bit", {"size": {"shortest_edge": 256}}, {}),  # DINOv2's
    ],
)
def test_what_a_model_sees_is_what_its_preprocessor_gives(tmp_path, kind, given, said):
    processor = getattr(transformers, f"{kind}ImageProcessor")(**given)
    processor.save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "preprocessor_config.json").read_text()) | said
    picture = read_image("assets/examples/coffee.jpg")
    expected = processor(images=picture, return_tensors="pt")["pixel_values"]
    view = preprocessing.view_of(settings, preprocessing.size_in(settings), "it")
    assert float((view.tensor(view.fit(picture)) - expected).abs().mean()) < 0.002


def test_halves_wrapped_and_one_output():
    model = lively(timm.create_model("test_vit", img_size=96, num_classes=1000))
    how = {"methods": ["papr", "attention", "smaller"], "curve": False}
    for type_ in (torch.float16, torch.bfloat16):
        halves = copy.deepcopy(model).to(type_)
        assert compare("assets/examples/coffee.jpg", backbone=halves, **how).full_confidence > 0
    averaged = torch.optim.swa_utils.AveragedModel(nn.DataParallel(model))
    images = torch.randn(1, 3, 96, 96)
    with torch.inference_mode():
        assert torch.equal(prune(averaged, keep_ratio=1)(images), model(images))
    convnet = timm.create_model("test_resnet")  # whose norms hold a number that is no list
    compare("assets/examples/coffee.jpg", proposal=convnet, backbone=model, methods=["papr"], curve=False)


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (lambda: timm.create_model("test_vit", num_classes=1), "gives one number"),
        (lambda: of_transformers("ViTForImageClassification", num_labels=1), "gives one number"),
        (
            lambda: of_transformers("ViTForImageClassification", problem_type="multi_label_classification"),
            "several of its labels",
        ),
        (lambda: of_transformers("ViTForImageClassification", problem_type="regression"), "a quantity"),
    ],
)
def test_what_is_no_confidence_is_not_told_as_one(build, why):
    wrapped = prune(build(), mean=(0.5,) * 3, std=(0.5,) * 3)  # which gives the model's own output
    with pytest.raises(UnsupportedModel, match=f"asked for its confidence: .*{why}"):
        compare("assets/examples/coffee.jpg", backbone=wrapped, methods=["papr"])
    with pytest.raises(UnsupportedModel, match=f"asked for its confidence: .*{why}"):
        evaluate("tests/data/caltech101-200", backbone=wrapped, limit=2)


def test_what_is_no_number_is_not_told_as_an_answer():
    model = timm.create_model("test_vit")
    nn.init.constant_(model.head.weight, float("nan"))
    with pytest.raises(InvalidInput, match="no numbers"):
        compare("assets/examples/coffee.jpg", backbone=model, methods=["papr"], curve=False)
    with pytest.raises(InvalidInput, match="no numbers"):
        evaluate("tests/data/caltech101-200", backbone=model, methods=["papr"], keep=[0.5], limit=2)


def test_another_size_of_picture():
    model = of_transformers("ViTForImageClassification")
    wide = as_backbone(model, mean=(0.5,) * 3, std=(0.5,) * 3, img_size=(SIDE, 64))
    pictures = torch.randn(1, 3, SIDE, 64)
    with torch.inference_mode():
        whole = wide(pictures)
        assert torch.equal(whole, model(pictures, interpolate_pos_encoding=True).logits)
        assert wide(pictures, wide.select(torch.rand(1, 7, 7), 0.4)).shape == whole.shape
        assert torch.equal(wide.own_output(pictures, interpolate_pos_encoding=True).logits, whole)
    assert wide.grid == (6, 8)


def test_compare_evaluate_and_bench_take_them():
    model = lively(timm.create_model("test_vit", img_size=96))
    result = compare("assets/examples/coffee.jpg", backbone=model, methods=["papr"], curve=False)
    assert result.models["backbone"]["name"].startswith("test_vit")
    wrapped = prune(model, labels=imagenet(), name="mine")
    found = evaluate("tests/data/caltech101-200", backbone=wrapped, methods=["papr"], keep=[0.5], limit=2)
    assert found["backbone"] == "mine"
    assert found["backbone_sha256"] == wrapped.backbone.sha256
    timed = bench.bench(wrapped, keep=[0.5], batch_size=1, rounds=2)
    assert timed["backbone"] == "mine"
    assert {row["measured"] for row in timed["rows"]} == {"backbone", "pair", "end to end"}


def test_sixteen_threads_share_one():
    wrapped = prune(of_transformers("DINOv3ViTModel"), mean=(0.5,) * 3, std=(0.5,) * 3)
    pictures = torch.randn(8, 1, 3, SIDE, SIDE)
    backbone = wrapped.backbone
    jobs = [(i % 8, None if i % 5 == 0 else 4 + i % 16) for i in range(64)]

    @torch.inference_mode()
    def run(job):
        kept = None if job[1] is None else torch.arange(job[1]).unsqueeze(0)
        return backbone(pictures[job[0]], kept)

    truth = [run(job) for job in jobs]
    assert all(near(a, b) for a, b in zip(at_once(run, jobs), truth))
    assert len({round(float(one[0, 0]), 4) for one in truth}) > 20


@torch.inference_mode()
def test_autocast_and_reductions():
    wrapped = prune("vit_tiny_patch8_112.tiny200", keep_ratio=0.5, reduction=ToMe(2))
    pictures = torch.randn(2, *wrapped.backbone.input_size)
    plain = wrapped(pictures)
    wrapped.reduction = None
    assert not near(wrapped(pictures), plain)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.isfinite(wrapped(pictures)).all()


def test_a_classifier_can_be_made_anew(of_timm):
    for model in (of_timm, of_transformers("ViTForImageClassification")):
        backbone = as_backbone(model, mean=(0.5,) * 3, std=(0.5,) * 3)
        backbone.reset_classifier(3, ["a", "b", "c"])
        pictures = torch.randn(1, *backbone.input_size)
        with torch.inference_mode():
            assert backbone(pictures).shape == (1, 3)
            assert model(pictures) is not None  # with its own classifier
        assert backbone.labels.names == ("a", "b", "c")
        assert backbone.get_classifier() is not None
        backbone.reset_classifier(0)
        assert backbone.headless


# Dense features


def _slow_grid(tokens, kept, grid, fill, embedded):
    rows, columns = grid
    found = torch.zeros(len(tokens), tokens.shape[2], rows, columns)
    for image in range(len(tokens)):
        places = {int(place): i for i, place in enumerate(kept[image])}
        for place in range(rows * columns):
            row, column = divmod(place, columns)
            if place in places:
                value = tokens[image, places[place]]
            elif fill == "embedding":
                value = embedded[image, place]
            elif fill == "nearest":
                best = min(
                    sorted(places), key=lambda p: (p // columns - row) ** 2 + (p % columns - column) ** 2
                )
                value = tokens[image, places[best]]
            else:
                value = 0
            found[image, :, row, column] = value
    return found


@pytest.mark.parametrize("fill", ["zero", "nearest", "embedding"])
def test_tokens_are_written_back_to_their_places(fill):
    tokens, embedded = torch.randn(2, 4, 3), torch.randn(2, 20, 3)
    kept = torch.tensor([[0, 7, 13, 19], [2, 3, 10, 16]])
    found = written_back(tokens, kept, (4, 5), fill=fill, embedded=embedded)
    assert torch.equal(found, _slow_grid(tokens, kept, (4, 5), fill, embedded))


@torch.inference_mode()
@pytest.mark.parametrize(
    "name", ["Dinov2WithRegistersForImageClassification", "SiglipVisionModel", "DINOv3ViTModel", "test_vit"]
)
def test_dense_features(name):
    if name == "test_vit":
        backbone = as_backbone(lively(timm.create_model("test_vit", reg_tokens=2, img_size=96)))
    else:
        backbone = as_backbone(of_transformers(name), mean=(0.5,) * 3, std=(0.5,) * 3)
    pictures = torch.randn(2, *backbone.input_size)
    kept = backbone.select(torch.rand(2, 4, 4), 0.4)
    whole = backbone.dense(pictures)
    tokens = backbone.forward_features(pictures)[:, backbone.num_prefix_tokens :]
    assert torch.equal(whole.flatten(2).transpose(1, 2), tokens)
    found = backbone.dense(pictures, kept, fill="zero").flatten(2)
    there = torch.zeros(2, backbone.num_patches, dtype=torch.bool).scatter(1, kept, True)
    assert torch.equal((found != 0).any(dim=1), there)
    pruned = backbone.forward_features(pictures, kept)[:, backbone.num_prefix_tokens :]
    for fill in ("nearest", "embedding"):
        filled = backbone.dense(pictures, kept, fill=fill).flatten(2)
        assert torch.equal(filled.gather(2, kept.unsqueeze(1).expand(-1, filled.shape[1], -1)).mT, pruned)
    assert F.cosine_similarity(whole, backbone.dense(pictures, kept, fill="nearest")).mean() > 0


# Refusals


def quantised():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own way is on its way out
        return torch.ao.quantization.quantize_dynamic(timm.create_model("test_vit"), {nn.Linear})


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (lambda: timm.create_model("resnet18"), "no place where patches can be dropped"),
        (lambda: timm.create_model("test_vit", in_chans=1), "reads 1 channels"),
        (lambda: nn.Linear(3, 3), "no place where patches can be dropped"),
        (lambda: object(), "a model that you built, not a object"),
        (
            lambda: transformers.BeitForImageClassification(transformers.BeitConfig(**SMALL)),
            "bias for each pair of positions",
        ),
        (lambda: of_transformers("ViTModel", num_channels=1), "reads 1 channels"),
        (lambda: transformers.ViTMAEModel(transformers.ViTMAEConfig(**SMALL)), "drops its own patches"),
        (lambda: timm.create_model("test_vit").to("meta"), "meta device.*load its weights first"),
        (quantised, "quantised"),
    ],
)
def test_what_cannot_be_pruned_is_refused_in_one_sentence(build, why):
    with pytest.raises(UnsupportedModel, match=why) as caught:
        prune(build())
    assert str(caught.value).count(". ") == 0


def test_other_wrong_arguments_are_refused(x3d):
    model = timm.create_model("test_vit", num_classes=3)
    for arguments, why in (
        ({"keep_ratio": 0}, "above 0 and at most 1"),
        ({"keep_ratio": 1.5}, "above 0 and at most 1"),
        ({"proposal": x3d}, "x3d_xs looks at clips"),
        ({"proposal": timm.create_model("test_vit")}, "cannot be a proposal"),
        ({"labels": ["a", "b"]}, "2 entries, but the model has 3"),
        ({"mean": (0.5,) * 3}, "give both, or neither"),
        ({"mean": (0.5,), "std": (0.5,)}, "three numbers each"),
        ({"mean": 0.5, "std": 0.5}, "three numbers each"),
        ({"mean": (124, 116, 104), "std": (58, 57, 57)}, "divide by 255"),
        ({"reduction": 8}, r"a value such as ToMe\(8\), not 8"),
        ({"img_size": 96}, "built for one size"),
    ):
        with pytest.raises(InvalidInput, match=why):
            prune(model, **arguments)
    wrapped = prune(model)
    for wrong in (torch.zeros(1, 3, 100, 100), torch.zeros(1, 1, 160, 160), torch.zeros(3, 160, 160), None):
        with pytest.raises(InvalidInput, match="takes normalised images"):
            wrapped(wrong)
    with pytest.raises(InvalidInput, match="above 0"):
        wrapped.keep_ratio = -1
    with pytest.raises(InvalidInput, match="is a backbone already"):
        prune(wrapped.backbone, labels=["a", "b", "c"])
    with pytest.raises(InvalidInput, match="pictures alone, not labels"):
        wrapped(torch.zeros(1, 3, 160, 160), labels=torch.tensor([0]))
    clips = prune(of_transformers("VideoMAEForVideoClassification"), x3d, mean=(0.5,) * 3, std=(0.5,) * 3)
    with pytest.raises(InvalidInput, match="bool_masked_pos"):  # which renumbers what there is to keep
        clips(torch.zeros(1, 4, 3, SIDE, SIDE), bool_masked_pos=torch.zeros(1, 72, dtype=torch.bool))


def test_a_proposal_that_was_built_here_is_merged_in_a_copy():
    convnet = timm.create_model("mobileone_s0").eval()
    branches = sum(1 for _ in convnet.modules())
    wrapped = prune(timm.create_model("test_vit", num_classes=3, img_size=224), convnet)
    assert sum(1 for _ in convnet.modules()) == branches > sum(1 for _ in wrapped.proposal.model.modules())
    assert all(part.requires_grad for part in convnet.parameters())


# By name


@torch.inference_mode()
def test_load_backbone_takes_classes_type_and_size():
    backbone = load_backbone(num_classes=7, dtype=torch.bfloat16, img_size=112)
    pictures = torch.randn(1, 3, 112, 112, dtype=torch.bfloat16)
    assert backbone(pictures).shape == (1, 7)
    assert backbone(pictures).dtype == torch.bfloat16
    assert (backbone.grid, len(backbone.labels)) == ((7, 7), 7)
    assert backbone.sha256 != load_backbone().sha256  # it is no longer the file's
    embedded = load_backbone(num_classes=0)
    assert embedded.headless
    assert embedded(torch.zeros(1, 3, 224, 224)).shape == (1, 192)
    with pytest.raises(InvalidInput, match="from 0 up, not -1"):
        load_backbone(num_classes=-1)
    with pytest.raises(InvalidInput, match="floating point"):
        load_backbone(dtype=torch.int64)


def test_own_weights_lie_in_several_folders(tmp_path, monkeypatch):
    from safetensors.torch import save_file

    folders = [tmp_path / "first", tmp_path / "second"]
    for number, folder in enumerate(folders):
        folder.mkdir()
        for name in ("both", f"only{number}"):
            model = timm.create_model("test_vit", num_classes=2 + number)
            save_file(model.state_dict(), folder / f"{name}.safetensors")
            config = {"architecture": "test_vit", "num_classes": 2 + number}
            (folder / f"{name}.json").write_text(json.dumps(config))
    monkeypatch.setenv("PAPR_WEIGHTS", os.pathsep.join(map(str, folders)))
    assert weights.own_models() == ("both", "only0", "only1")
    assert len(load_backbone("both").labels) == 2  # the first folder counts
    assert len(load_backbone("only1").labels) == 3


def test_the_wrapper_compiles_whole_is_copied_saved_and_goes_into_ddp(tmp_path):
    wrapped = prune(of_transformers("ViTForImageClassification"), mean=(0.5,) * 3, std=(0.5,) * 3)
    pictures = torch.randn(2, 3, SIDE, SIDE)
    with torch.inference_mode():
        truth = wrapped(pictures).logits
        torch._dynamo.reset()
        compiled = torch.compile(wrapped, fullgraph=True, backend="eager")
        assert near(compiled(pictures).logits, truth)
        assert torch.equal(copy.deepcopy(wrapped)(pictures).logits, truth)
        torch.save(wrapped, tmp_path / "whole.pt")
        assert torch.equal(torch.load(tmp_path / "whole.pt", weights_only=False)(pictures).logits, truth)
    torch._dynamo.reset()
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/ddp", rank=0, world_size=1)
    try:
        shared = nn.parallel.DistributedDataParallel(wrapped.train())
        for _ in range(2):  # the second call fails where a parameter had no gradient
            shared(pictures).logits.sum().backward()
    finally:
        torch.distributed.destroy_process_group()
    assert wrapped.backbone.model.classifier.weight.grad is not None
