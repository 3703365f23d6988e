"""Exported files say what PyTorch says: ONNX in ONNX Runtime (where it is installed) and torch's own."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import timm
import torch
from conftest import ROOT
from test_prune import lively

from papr_core import InvalidInput, PaprError, ToMe, UnsupportedModel, compare, load_proposal, prune
from papr_core.commands.main import main
from papr_core.data.images import read_image
from papr_core.export import PARTS, export, export_parts
from papr_core.methods.table import method_map
from papr_core.pruning.selection import top_patches
from papr_core.pruning.significance import patch_significance

EXAMPLES = sorted(
    path for path in (ROOT / "assets" / "examples").iterdir() if path.suffix in (".jpg", ".webp")
)
KINDS = {
    "ViT and ToMe": ("test_vit", {"img_size": 96, "depth": 2}, ToMe(2)),
    "ConvNeXt": ("convnext_atto", {"depths": (1, 1, 1, 1), "dims": (8, 8, 16, 16)}, None),
    "Swin": (
        "swin_tiny_patch4_window7_224",
        {"img_size": 56, "depths": (1, 1), "embed_dim": 12, "num_heads": (1, 2)},
        None,
    ),
}
# What a reader without torch does with the file: Pillow and numpy alone.
READER = """
import json, sys
import numpy as np, onnxruntime
from PIL import Image, ImageOps
session = onnxruntime.InferenceSession(sys.argv[1])
about = json.loads(session.get_modelmeta().custom_metadata_map["papr"])
side, kind = about["input_size"][1], Image.Resampling[about["interpolation"].upper()]
scaled = int(side / about["crop_pct"])
found = []
for file in json.load(sys.stdin):
    picture = ImageOps.exif_transpose(Image.open(file)).convert("RGB")
    short, long = sorted(picture.size)
    size = (scaled, int(scaled * long / short))
    size = size if picture.width <= picture.height else size[::-1]
    left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
    crop = picture.resize(size, kind).crop((left, top, left + side, top + side))
    values = (np.asarray(crop, np.float32) / 255 - about["mean"]) / about["std"]
    logits, kept, _ = session.run(None, {"images": values.transpose(2, 0, 1)[None].astype(np.float32)})
    odds = np.exp(logits[0] - logits[0].max())
    best = int(odds.argmax())
    share = float(odds[best] / odds.sum())
    found.append({"label": about["labels"][best], "share": share, "kept": kept[0].tolist()})
print(json.dumps({"torch": "torch" in sys.modules, "found": found}))
"""


def small(kind: str):
    name, arguments, reduction = KINDS[kind]
    model = lively(timm.create_model(name, num_classes=5, **arguments))
    return prune(model, "resnet10t_112.tiny200", 0.4, reduction=reduction)


def exported(tmp_path_factory, name: str, *options: str) -> tuple[Path, dict]:
    """The default pair at keep 0.4, written by the command, and what that printed."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    file = tmp_path_factory.mktemp("export") / name
    with redirect_stdout(io.StringIO()) as printed:
        assert main(["export", "--out", str(file), "--rounds", "0", "--json", *options]) == 0
    return file, json.loads(printed.getvalue())


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory):
    return exported(tmp_path_factory, "pair.onnx")[0]


def read_without_torch(file: Path, pictures: list[Path]) -> list[dict]:
    done = subprocess.run(
        [sys.executable, "-c", READER, str(file)],
        input=json.dumps([str(path) for path in pictures]),
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    told = json.loads(done.stdout)
    assert not told["torch"]
    return told["found"]


def truths(pictures: list[Path], many: int = 40) -> Iterator[tuple[str, float, list[int]]]:
    """Of each picture what the pair says in PyTorch: its answer, the confidence, the patches kept."""
    pair = prune("vit_tiny_patch16_224.augreg_in21k_ft_in1k", "mobilenetv1_025", 0.4)
    backbone = pair.backbone
    for start in range(0, len(pictures), many):
        crops = [backbone.fit(read_image(path)) for path in pictures[start : start + many]]
        with torch.inference_mode():
            found = pair.details(torch.cat([backbone.view(crop) for crop in crops]))
        for odds, kept in zip(found.output.softmax(dim=1), found.kept):
            best = int(odds.argmax())
            yield backbone.labels[best], float(odds[best]), kept.tolist()


def test_a_process_without_torch_classifies_the_photographs_as_pytorch_does_and_the_page(onnx_file):
    """The page's examples, and one test picture in ten."""
    pictures = EXAMPLES + sorted((ROOT / "tests" / "data" / "caltech101-200").glob("*/*.webp"))[::10]
    assert len(pictures) > 25
    found = read_without_torch(onnx_file, pictures)
    differ = 0
    for path, one, (label, share, kept) in zip(pictures, found, truths(pictures)):
        assert one["label"] == label, path
        assert one["share"] == pytest.approx(share, abs=2e-3), path
        differ += one["kept"] != kept  # two patches may score alike but for the last bit
    assert differ <= 1
    for path, one in list(zip(EXAMPLES, found))[:3]:  # as the page asks
        truth = compare(path, methods=["papr"], curve=False).methods[0]
        assert one["label"] == truth.top[0][0]
        assert one["share"] == pytest.approx(truth.top[0][1], abs=2e-3)


def test_in_halves_the_answers_are_the_same_within_two_points(tmp_path_factory):
    file, told = exported(tmp_path_factory, "half.onnx", "--half")
    assert told["half"]
    assert told["difference"] < 1e-2
    assert told["megabytes"] < 14  # of 24.8 MB in float32
    for path, one, (label, share, kept) in zip(
        EXAMPLES, read_without_torch(file, EXAMPLES), truths(EXAMPLES)
    ):
        assert one["label"] == label, path
        assert one["share"] == pytest.approx(share, abs=0.02), path
        assert len({*one["kept"]} & {*kept}) >= 0.95 * len(kept), path


@pytest.mark.parametrize("kind", KINDS)
def test_other_families_in_onnx(kind, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    told = export(small(kind), tmp_path / "model.onnx")  # which checks it with a batch of 3
    assert told["difference"] < 1e-4
    assert told["tome_r"] == (2 if kind == "ViT and ToMe" else 0)


def test_equal_scores_go_to_the_lower_index_in_onnx_too(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from papr_core.export import _sort

    class Top(torch.nn.Module):
        def forward(self, scores):
            return top_patches(scores, 5)

    scores = torch.tensor([[1.0, 2.0, 2.0, 0.0, 2.0, 1.0, 2.0, 1.0], [0.0] * 8])
    table = {torch.ops.aten.sort.stable: _sort}
    program = torch.onnx.export(
        Top().eval(), (scores,), dynamo=True, custom_translation_table=table, verbose=False
    )
    program.save(str(tmp_path / "top.onnx"))
    session = onnxruntime.InferenceSession(str(tmp_path / "top.onnx"))
    (found,) = session.run(None, {session.get_inputs()[0].name: scores.numpy()})
    assert found.tolist() == top_patches(scores, 5).tolist() == [[0, 1, 2, 4, 6], [0, 1, 2, 3, 4]]


def test_both_networks_apart_for_any_count_of_patches(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    wrapped = prune(lively(timm.create_model("test_vit", img_size=96, depth=2)), "resnet10t_112.tiny200")
    blocks = wrapped.backbone.model.blocks
    with torch.no_grad():  # the one weight is a half to the last bit, the other is not
        blocks[0].mlp.fc1.weight.copy_(blocks[0].mlp.fc1.weight.half())
        blocks[1].mlp.fc1.weight.add_(1e-5)
    told = export_parts(wrapped, tmp_path)
    assert max(told["difference"].values()) < 1e-4
    assert told["maps"] == ["papr", "cam"]
    kinds = [one.data_type for one in onnx.load(tmp_path / PARTS[1]).graph.initializer]
    assert onnx.TensorProto.FLOAT16 in kinds
    assert onnx.TensorProto.FLOAT in kinds

    looks, sees = (onnxruntime.InferenceSession(tmp_path / name) for name in PARTS)
    crop = torch.randint(0, 256, (1, 96, 96, 3), dtype=torch.uint8)
    images = crop.permute(0, 3, 1, 2) / 255
    proposal, backbone = wrapped.proposal, wrapped.backbone
    with torch.inference_mode():
        features = proposal.features(proposal.adapt(images))
        for k in (1, 2, backbone.num_patches):
            kept = torch.randperm(backbone.num_patches)[:k].sort().values[None]
            (found,) = sees.run(None, {"crop": crop.numpy(), "kept": kept.numpy()})
            truth = backbone(backbone.normalise(images), kept)
            torch.testing.assert_close(torch.from_numpy(found), truth, rtol=1e-3, atol=1e-4)
        own = int(proposal.logits(features).argmax())
        for given, explained in ((-1, own), (7, 7)):
            _, maps = looks.run(None, {"crop": crop.numpy(), "explained": torch.tensor([given]).numpy()})
            for name, found in zip(told["maps"], maps, strict=True):
                coarse = method_map(
                    name, proposal, images, features, class_index=explained, grid=backbone.grid
                )
                truth = patch_significance(coarse[:, 0], backbone.grid)[0]
                torch.testing.assert_close(torch.from_numpy(found), truth, rtol=1e-3, atol=1e-4)
    with pytest.raises(InvalidInput, match="There is no folder"):
        export_parts(wrapped, tmp_path / "nowhere")
    with pytest.raises(UnsupportedModel, match="by stage"):
        export_parts(small("ConvNeXt"), tmp_path)


def test_torch_s_own_format_needs_nothing_else(tmp_path):
    wrapped = small("ViT and ToMe").train()
    told = export(wrapped, tmp_path / "model.pt2", format="torch")
    assert wrapped.training  # as it was found, and so its parts
    assert wrapped.backbone.model.blocks[0].training
    wrapped.eval()
    extra = {"papr.json": ""}
    program = torch.export.load(tmp_path / "model.pt2", extra_files=extra).module()
    pictures = torch.randn(4, *wrapped.backbone.input_size)
    with torch.inference_mode():
        logits, kept, coarse = program(pictures)
        truth = wrapped.details(pictures)
    torch.testing.assert_close(logits, truth.output, rtol=1e-3, atol=1e-4)
    assert torch.equal(kept, truth.kept)
    assert coarse.shape[0] == 4
    about = json.loads(extra["papr.json"])
    assert about.items() <= told.items()
    assert about["backbone_sha256"] == wrapped.backbone.sha256


def test_what_cannot_be_exported_is_refused_and_nothing_is_left(tmp_path, monkeypatch):
    wrapped = small("ViT and ToMe")
    for arguments, why in (
        ({"format": "tflite"}, "onnx or torch"),
        ({"format": "torch", "batch": 0}, "at least one image"),
    ):
        with pytest.raises(InvalidInput, match=why):
            export(wrapped, tmp_path / "x", **arguments)
    with pytest.raises(InvalidInput, match="There is no folder"):
        export(wrapped, tmp_path / "nowhere" / "x", format="torch")
    from test_prune import of_transformers

    clips = prune(
        of_transformers("VideoMAEForVideoClassification"),
        load_proposal("x3d_xs", pretrained=False),
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
    )
    with pytest.raises(UnsupportedModel, match="looks at clips"):
        export(clips, tmp_path / "x", format="torch")
    with pytest.raises(InvalidInput, match="What papr_core.prune gives is exported, not a TokenBackbone"):
        export(wrapped.backbone, tmp_path / "x", format="torch")
    broken = small("ViT and ToMe")
    broken.backbone.get_classifier().bias.data[0] = torch.nan
    with pytest.raises(PaprError, match="answers with NaN or infinity, so it is not kept"):
        export(broken, tmp_path / "x", format="torch")
    monkeypatch.setattr("papr_core.export._PACKAGES", ("no_such_package",))
    with pytest.raises(InvalidInput, match="no_such_package: pip install -r requirements-export.txt"):
        export(wrapped, tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())
    assert main(["export", "--out", str(tmp_path / "x"), "--batch", "many"]) == 2
