"""A backbone, its proposal and the selection between them as one file: an ONNX graph, or a torch program.

The file takes images as the backbone's own preprocessing gives them and answers with logits, the patches kept
and the proposal's map. PaPr, https://arxiv.org/abs/2403.16020, Sec. 3, is a fixed program once the keep ratio
is: a fixed count of patches, whichever they are. ONNX (opset 20) is written by torch.export; ties go to the
lower index there too, by the definition of its TopK.

`export_parts` writes the two networks apart, for who chooses the patches himself: any count of them, by any
method. The page's browser does (app/static/js/runtime.js).
"""

import copy
import json
import logging
import os
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from papr_core import __version__
from papr_core.errors import InvalidInput, PaprError, UnsupportedModel, reason
from papr_core.methods.cams import cam
from papr_core.models.backbones.base import Backbone
from papr_core.models.given import twin
from papr_core.models.proposals.base import Proposal
from papr_core.models.pruned import Pruned
from papr_core.pruning.reductions import settled, words_of
from papr_core.pruning.significance import channel_mean, constant_as_zeros, patch_significance
from papr_core.saving import saved_file

__all__ = ["FORMATS", "OUTPUTS", "PARTS", "export", "export_parts", "facts", "timings"]

FORMATS = ("onnx", "torch")
OUTPUTS = ("logits", "kept", "map")
PARTS = ("proposal.onnx", "backbone.onnx")
OPSET = 20
NEAR = 1e-4  # what a file's answers may differ by from PyTorch's, of the largest of them
FEW = 1024  # numbers of a weight that is not worth storing as halves
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def export(
    pruned: Pruned,
    file: str | os.PathLike,
    *,
    format: str = "onnx",
    batch: int | None = None,
    half: bool = False,
) -> dict[str, Any]:
    """Write a pruned model to a file, check it against PyTorch, and give what its metadata say with `file`,
    `megabytes` and `difference`, the largest of the check (of logits, as a share of the largest).

    format: "onnx", or "torch" for `torch.export.load`. batch: images at once; None for any number. half:
    weights in float16; images and answers stay float32, and the check allows a hundredth.

    The graph has one input, images (B, 3, H, W), float32, and the outputs logits (B, C), kept (B, k), int64,
    counted in the shown stage of a ConvNeXt or Swin, and map (B, h, w).

    Raises:
        InvalidInput: a wrong argument, or packages that are missing. UnsupportedModel: it cannot be written.
        PaprError: the file does not say what PyTorch says; nothing is left behind.
    """
    if format not in FORMATS:
        raise InvalidInput(f"A model is exported as {' or '.join(FORMATS)}, not as {format!r}.")
    if batch is not None and (not isinstance(batch, int) or batch < 1):
        raise InvalidInput(f"A fixed batch has at least one image, not {batch!r}.")
    _check_pruned(pruned)
    if format == "onnx":
        _check_packages()
    path = Path(file)
    if not path.parent.is_dir():
        raise InvalidInput(f"There is no folder {path.parent}.")
    pruned = twin(pruned).eval()  # the caller's stays in its own mode
    about = facts(pruned, batch=batch, half=half)
    graph = _Graph(pruned, half=half)
    with saved_file(path) as draft:
        try:
            _write(graph, draft, format, batch, about)
            difference = _checked(draft, format, pruned, batch or 3, half)  # 2 were traced
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    return {**about, "file": path.name, "megabytes": path.stat().st_size / 1e6, "difference": difference}


def export_parts(pruned: Pruned, folder: str | os.PathLike) -> dict[str, Any]:
    """Write both networks of a pruned model as ONNX files of their own, one picture at a time, into a folder;
    check them against PyTorch, and give what their metadata say with `megabytes` and `difference` (as
    `export`), each by the file's name in PARTS.

    Both take the crop as its bytes, (1, H, W, 3), uint8: sizes and normalisation are inside. proposal.onnx
    takes also explained, (1,), int64, the class that CAM explains, below 0 the network's own answer, and
    gives logits (1, C) and significance (M, H, W): PaPr's map on the patch grid, and CAM's where the proposal
    has one (`maps` of the metadata names them); a constant map is zeros. backbone.onnx takes also kept,
    (1, k), int64, any number of patches, ascending, and gives logits (1, C).

    Weights that lose nothing by it are stored in float16; all is computed in float32.

    Raises:
        InvalidInput: packages or the folder are missing. UnsupportedModel: it cannot be written.
        PaprError: a file does not say what PyTorch says.
    """
    _check_pruned(pruned)
    pruned = twin(pruned).eval()  # the caller's stays in its own mode
    backbone, proposal, path = pruned.backbone, pruned.proposal, Path(folder)
    if backbone.by_stage:
        raise UnsupportedModel(
            f"{backbone.name} takes its patches stage by stage; ViTs are exported in parts."
        )
    _check_packages()
    if not path.is_dir():
        raise InvalidInput(f"There is no folder {path}.")
    about = {key: value for key, value in facts(pruned).items() if key not in ("keep_ratio", "kept", "batch")}
    about["maps"] = ["papr"] if proposal.class_weights is None else ["papr", "cam"]
    draw = torch.Generator().manual_seed(0)
    height, width = backbone.input_size[-2:]
    crop = torch.randint(0, 256, (1, height, width, 3), generator=draw, dtype=torch.uint8)
    kept = [torch.randperm(backbone.num_patches, generator=draw)[:k].sort().values[None] for k in (2, 1)]
    explained = [torch.tensor([index]) for index in (1, -1)]
    parts = (
        (_Looks(proposal, backbone.grid).eval(), "explained", explained, None, ["logits", "significance"]),
        (_Sees(backbone).eval(), "kept", kept, {1: torch.export.Dim("k", min=1)}, ["logits"]),
    )
    about["megabytes"], about["difference"] = {}, {}
    told = dict(about)
    for name, (graph, given, values, shape, outputs) in zip(PARTS, parts):
        with saved_file(path / name) as draft:
            found = _onnx(graph, (crop, values[0]), (None, shape), ["crop", given], outputs)
            found.model.metadata_props["papr"] = json.dumps(about)
            found.save(str(draft))
            _as_halves(draft)
            run = _session(draft)
            with torch.inference_mode():
                truths = [graph(crop, value) for value in values]
            differences = [
                _apart(run(crop=crop, **{given: value}), truth) for value, truth in zip(values, truths)
            ]
            if not all(one <= NEAR for one in differences):  # nor where one is NaN
                draft.unlink(missing_ok=True)
                raise PaprError(f"{name} differs from PyTorch by {max(differences):.1e}, so it is not kept.")
        told["megabytes"][name] = (path / name).stat().st_size / 1e6
        told["difference"][name] = max(differences)
    return told


def facts(pruned: Pruned, *, batch: int | None = None, half: bool = False) -> dict[str, Any]:
    """What a file says of itself, under the key "papr" of its metadata: models and their weights' hashes,
    keep ratio, counts, size, mean and standard deviation of the images, labels."""
    backbone, proposal = pruned.backbone, pruned.proposal
    view = backbone._view
    return {
        "papr": __version__,
        "backbone": backbone.name,
        "backbone_sha256": backbone.sha256,
        "proposal": proposal.name,
        "proposal_sha256": proposal.sha256,
        "keep_ratio": pruned.keep_ratio,
        **words_of(settled(pruned.reduction, pruned.keep_ratio)),
        "grid": list(backbone.grid),
        "patches": backbone.num_patches,
        "kept": backbone.num_kept(pruned.keep_ratio),
        "input_size": list(backbone.input_size),
        "mean": list(view.mean),
        "std": list(view.std),
        "crop_pct": view.crop_pct,
        "interpolation": view.interpolation,
        "batch": batch,
        "half": half,
        "opset": OPSET,
        "labels": list(backbone.labels.names),
    }


class _Graph(nn.Module):
    """What is written: the whole of a pruned model, images to logits, kept and map."""

    def __init__(self, pruned: Pruned, *, half: bool) -> None:
        super().__init__()
        if half:  # a copy with tensors of its own: the caller's stay
            pruned = copy.deepcopy(pruned).half()
        self.pruned, self.half_weights = pruned, half

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        pruned = self.pruned
        seen = images.half() if self.half_weights else images
        coarse = pruned.map(images)
        kept = pruned.backbone.select(coarse, pruned.keep_ratio)
        logits = pruned.backbone(seen, kept, reduction=settled(pruned.reduction, pruned.keep_ratio))
        return logits.float(), pruned.backbone.shown_patches(kept), coarse


class _Looks(nn.Module):
    """The proposal's part of `export_parts`."""

    def __init__(self, proposal: Proposal, grid: Sequence[int]) -> None:
        super().__init__()
        self.proposal, self.grid = proposal, grid

    def forward(self, crop: Tensor, explained: Tensor) -> tuple[Tensor, Tensor]:
        features = self.proposal.features(self.proposal.adapt(_as_images(crop)))
        logits = self.proposal.logits(features)
        maps, weights = [channel_mean(features)], self.proposal.class_weights
        if weights is not None:
            maps.append(cam(features, weights, torch.where(explained < 0, logits.argmax(dim=1), explained)))
        coarse = torch.cat([constant_as_zeros(one)[0] for one in maps])
        return logits, patch_significance(coarse, self.grid)


class _Sees(nn.Module):
    """The backbone's part of `export_parts`."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, crop: Tensor, kept: Tensor) -> Tensor:
        return self.backbone(self.backbone.normalise(_as_images(crop)), kept)


def _as_images(crop: Tensor) -> Tensor:
    """Bytes (B, H, W, 3) to pictures (B, 3, H, W) in 0..1."""
    return crop.permute(0, 3, 1, 2).float() / 255


class _Plain(nn.Module):
    """The backbone alone, for comparison."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> Tensor:
        return self.backbone(images)


def _write(graph: nn.Module, file: Path, format: str, batch: int | None, about: dict[str, Any]) -> None:
    pruned: Any = getattr(graph, "pruned", graph)
    device = next(graph.parameters()).device
    images = torch.zeros(batch or 2, *pruned.backbone.input_size, device=device)
    shapes = None if batch else ({0: torch.export.Dim("batch", min=1)},)
    names = OUTPUTS if isinstance(graph, _Graph) else OUTPUTS[:1]
    if format == "torch":
        with _exporting(pruned.backbone.name, format):
            program = torch.export.export(graph, (images,), dynamic_shapes=shapes)
            torch.export.save(program, file, extra_files={"papr.json": json.dumps(about)})
        return
    found = _onnx(graph, (images,), shapes, ["images"], names)
    found.model.metadata_props["papr"] = json.dumps(about)
    found.save(str(file))


def _onnx(graph: Any, inputs: tuple, shapes: Any, given: Sequence[str], outputs: Sequence[str]) -> Any:
    """A module as torch's ONNX program, with its inputs and outputs by these names."""
    name = next(part.name for part in graph.modules() if isinstance(part, Backbone | Proposal))
    with _exporting(name, "onnx"):
        return torch.onnx.export(
            torch.export.export(graph, inputs, dynamic_shapes=shapes),
            input_names=list(given),
            output_names=list(outputs),
            dynamo=True,
            opset_version=OPSET,
            custom_translation_table={torch.ops.aten.sort.stable: _sort},
            verbose=False,
        )


@contextmanager
def _exporting(name: str, format: str) -> Iterator[None]:
    """torch's exporters at work on a model of this name: what they raise becomes a sentence."""
    try:
        with torch.no_grad(), _quiet():
            yield
    except PaprError:
        raise
    except Exception as error:  # they raise dozens of kinds
        raise UnsupportedModel(f"{name} cannot be exported as {format} ({reason(error)}).") from error


def _as_halves(file: Path) -> None:
    """Store the weights of an ONNX file that are halves already, to the last bit, as halves: a Cast makes
    float32 of them again when the file is opened."""
    import numpy as np
    import onnx

    model = onnx.load(str(file))
    casts = []
    for weight in model.graph.initializer:
        if weight.data_type != onnx.TensorProto.FLOAT or np.prod(weight.dims) < FEW:
            continue
        values = onnx.numpy_helper.to_array(weight)
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        if np.array_equal(halves.astype(np.float32), values):
            name, stored = weight.name, f"{weight.name}.half"
            weight.CopyFrom(onnx.numpy_helper.from_array(halves, stored))
            casts.append(onnx.helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    onnx.save(model, str(file))


def _sort(self: Any, stable: bool | None = None, dim: int = -1, descending: bool = False) -> Any:
    """torch's stable sort in ONNX: a TopK of everything, which by its definition puts the lower of equal
    elements' indices first."""
    from onnxscript import opset20 as op

    size = op.Reshape(op.Gather(op.Shape(self), op.Constant(value_int=dim)), op.Constant(value_ints=[1]))
    return op.TopK(self, size, axis=dim, largest=int(descending), sorted=1)


def _checked(file: Path, format: str, pruned: Pruned, images: int, half: bool) -> float:
    """The largest difference of the file's logits to PyTorch's on random images, as a share of the
    largest."""
    draw = torch.Generator().manual_seed(0)
    pictures = torch.randn(images, *pruned.backbone.input_size, generator=draw)
    run = _opened(file, format)
    device = next(pruned.backbone.parameters()).device
    with torch.inference_mode():
        details = pruned.details(pictures.to(device))
        kept = pruned.backbone.shown_patches(details.kept).cpu()
        truth = pruned.backbone(
            pictures.to(device), details.kept, reduction=settled(pruned.reduction, pruned.keep_ratio)
        ).cpu()
    logits, chosen, _ = run(pictures)
    if not torch.isfinite(logits).all():
        why = " (float16 ends at 65504)" if half and torch.isfinite(truth).all() else ""
        raise PaprError(f"The {format} file answers with NaN or infinity{why}, so it is not kept.")
    difference = float((logits - truth).abs().max() / truth.abs().max().clamp(min=1e-6))
    if difference > (1e-2 if half else NEAR) or (not half and not torch.equal(chosen, kept)):
        raise PaprError(f"The {format} file differs from PyTorch by {difference:.1e}, so it is not kept.")
    return difference


def _opened(file: Path, format: str) -> Callable[[Tensor], list[Tensor]]:
    """A file as a function of images on the CPU."""
    if format == "torch":
        program = torch.export.load(file).module()

        def run_torch(images: Tensor) -> list[Tensor]:
            with torch.inference_mode():
                return [one.cpu() for one in program(images)]

        return run_torch
    run = _session(file)
    return lambda images: run(images=images)


def _session(file: Path) -> Callable[..., list[Tensor]]:
    """An ONNX file as a function of its inputs by name, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def run(**inputs: Tensor) -> list[Tensor]:
        found = session.run(None, {name: value.numpy() for name, value in inputs.items()})
        return [torch.from_numpy(one) for one in found]

    return run


def _apart(found: Any, truth: Any) -> float:
    """The largest difference of outputs, as a share of the largest value of each."""
    pairs = zip(found, truth if isinstance(truth, tuple) else (truth,))
    return max(float((one - other).abs().max() / other.abs().max().clamp(min=1e-6)) for one, other in pairs)


def timings(
    pruned: Pruned, file: str | os.PathLike, *, batches: Sequence[int] = (1, 32), rounds: int = 5
) -> list[dict[str, Any]]:
    """What an ONNX file with any batch is worth here, on the CPU: a row for plain and pruned, ONNX Runtime
    and PyTorch, with `megabytes` of the weights and images per second for each batch, medians of interleaved
    rounds on as many threads."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "plain.onnx")
        _write(_Plain(pruned.backbone), plain, "onnx", None, {})
        runs: dict[tuple[str, str], Callable[[Tensor], Any]] = {
            ("plain", "ONNX Runtime"): _opened(plain, "onnx"),
            ("pruned", "ONNX Runtime"): _opened(Path(file), "onnx"),
            ("plain", "PyTorch"): pruned.backbone,
            ("pruned", "PyTorch"): pruned,
        }
        sizes = {
            ("plain", "ONNX Runtime"): plain.stat().st_size,
            ("pruned", "ONNX Runtime"): os.stat(file).st_size,
            ("plain", "PyTorch"): _bytes(pruned.backbone),
            ("pruned", "PyTorch"): _bytes(pruned),
        }
        speeds: dict[tuple[str, str], dict[str, float]] = {key: {} for key in runs}
        order = random.Random(0)
        with torch.inference_mode():
            for batch in batches:
                images = torch.randn(batch, *pruned.backbone.input_size)
                spent: dict[tuple[str, str], list[float]] = {key: [] for key in runs}
                for turn in range(-1, rounds):
                    for key in order.sample(list(runs), len(runs)):
                        start = time.perf_counter()
                        runs[key](images)
                        if turn >= 0:
                            spent[key].append(time.perf_counter() - start)
                for key, seconds in spent.items():
                    speeds[key][str(batch)] = batch / statistics.median(seconds)
    return [
        {"model": what, "by": by, "megabytes": sizes[what, by] / 1e6, "images_per_second": speeds[what, by]}
        for what, by in runs
    ]


def _bytes(module: nn.Module) -> int:
    return sum(value.numel() * value.element_size() for value in module.state_dict().values())


def _check_pruned(pruned: Any) -> None:
    if not isinstance(pruned, Pruned):
        raise InvalidInput(f"What papr_core.prune gives is exported, not a {type(pruned).__name__}.")
    if pruned.backbone.sees_clips:
        raise UnsupportedModel(f"{pruned.backbone.name} looks at clips; models of pictures are exported.")


def _check_packages() -> None:
    from importlib.util import find_spec

    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise InvalidInput(
            f"ONNX files need {', '.join(missing)}: pip install -r requirements-export.txt; format torch"
            " needs none of them."
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """torch's exporters tell their users what only their makers can use."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
