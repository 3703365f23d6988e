"""The main job: one image in, every method's patches and the pruned backbone's answers out.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 4.5 and Fig. 7 and 12 to 17. Written from the paper.

`compare` does it all at once. The page does the same in steps, with the same functions: `open_scene` runs
both models once on the plain image, `scene_map` makes one method's map, `answers` runs the backbone on what
is kept, `method_result` reads the numbers off. Whatever depends on image, proposal and method is left of
`answers`, so a moved slider costs one batch of the backbone.

*Target* is the class whose confidence is reported, *explain* the class that a class activation map explains.
"""

import json
import math
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from papr_core import __version__, methods
from papr_core.catalog import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.errors import InvalidInput, Stopped
from papr_core.images import read_image
from papr_core.labels import Labels, match
from papr_core.methods import DEFAULT_METHODS, METHODS, checked_patches, find_method
from papr_core.significance import patch_significance

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from PIL import Image

__all__ = [
    "ClassLabel",
    "Comparison",
    "Curve",
    "Explained",
    "MethodMap",
    "MethodResult",
    "Scene",
    "answers",
    "coarse_counts",
    "compare",
    "comparison",
    "curve_counts",
    "explain_refusal",
    "method_result",
    "model_facts",
    "open_scene",
    "scene_map",
    "scene_notes",
    "short_label",
    "top_classes",
]

DEFAULT_KEEP_RATIO = 0.4
CURVE_POINTS = 49
SCHEMA = 1

Found = Mapping[tuple[str, int, int], Tensor]


# What is known before any method: the two models' plain answers


@dataclass(frozen=True)
class ClassLabel:
    """A class of the backbone: its index and its name."""

    index: int
    label: str


@dataclass(frozen=True)
class Explained:
    """The proposal's class that a class activation map explains, and how it was chosen.

    mode: proposal (the proposal's own top-1) | target (the class under study) | class (named by the caller).
    """

    mode: str
    index: int
    label: str


@dataclass(frozen=True, eq=False)
class Scene:
    """One crop and what both models say of it, unpruned.

    crop: PIL image of the backbone's size; proposal_images (1, 3, h, w) and backbone_images (1, 3, H, W), as
    each model sees it; features (1, K, h, w) of the proposal; proposal_probabilities and full_probabilities
    (C,), on the CPU; seconds: the proposal's pass; flat: the crop is of one colour.
    """

    crop: "Image.Image"
    proposal: nn.Module
    backbone: nn.Module
    proposal_images: Tensor
    backbone_images: Tensor
    features: Tensor
    proposal_probabilities: Tensor
    full_probabilities: Tensor
    target: ClassLabel
    explain: Explained
    seconds: float
    flat: bool

    @property
    def grid(self) -> tuple[int, int]:
        """Patches of the backbone: (rows, columns)."""
        return self.backbone.grid

    @property
    def num_patches(self) -> int:
        return self.backbone.num_patches

    @property
    def answer(self) -> ClassLabel:
        """The full model's top-1."""
        return _label(self.backbone.labels, int(self.full_probabilities.argmax()))

    def with_classes(self, *, target: int | str | None = None, explain: int | str = "proposal") -> "Scene":
        """The same scene for another target or another explained class; no model runs."""
        aim = _target(self.full_probabilities, self.backbone, target)
        return replace(
            self,
            target=aim,
            explain=_explained(self.proposal_probabilities, self.proposal, self.backbone, aim, explain),
        )


def open_scene(
    image: "Image.Image",
    proposal: nn.Module,
    backbone: nn.Module,
    *,
    target: int | str | None = None,
    explain: int | str = "proposal",
    fit: str = "crop",
) -> Scene:
    """Crop an image once, by the backbone's rule, and run both models on it.

    target: a class of the backbone, by index or name; None is the full model's top-1.
    explain: "proposal", "target", or a class of the proposal by index or name.

    Raises:
        UnknownClass: no such class. InvalidInput: "target" where the proposal has no class that matches, or a
            `fit` that does not exist.
    """
    crop = backbone.fit(image, fit)
    device = next(proposal.parameters()).device
    proposal_images = proposal.view(crop).to(device)
    backbone_images = backbone.view(crop).to(next(backbone.parameters()).device)
    with torch.inference_mode():
        start = _now(device)
        features = proposal.features(proposal_images)
        seconds = _now(device) - start
        proposal_logits, full_logits = proposal.logits(features), backbone(backbone_images)
    proposal_probabilities = _probabilities(proposal_logits)[0]
    full_probabilities = _probabilities(full_logits)[0]
    aim = _target(full_probabilities, backbone, target)
    return Scene(
        crop=crop,
        proposal=proposal,
        backbone=backbone,
        proposal_images=proposal_images,
        backbone_images=backbone_images,
        features=features.detach().clone(),  # not an inference tensor: gradients are taken with respect to it
        proposal_probabilities=proposal_probabilities,
        full_probabilities=full_probabilities,
        target=aim,
        explain=_explained(proposal_probabilities, proposal, backbone, aim, explain),
        seconds=seconds,
        flat=all(low == high for low, high in crop.getextrema()),
    )


def explain_refusal(proposal: nn.Module, backbone: nn.Module, target: int) -> str | None:
    """Why `explain="target"` cannot be had for a class of the backbone, in a sentence; None where it can."""
    if _matched(backbone.labels, proposal.labels, target) is not None:
        return None
    return (
        f"{proposal.name} knows no class that matches {backbone.labels[target]!r} ({proposal.labels.name} "
        f"against {backbone.labels.name}), so it cannot explain the target; let it explain its own answer."
    )


def _target(probabilities: Tensor, backbone: nn.Module, target: int | str | None) -> ClassLabel:
    index = int(probabilities.argmax()) if target is None else backbone.labels.find(target)
    return _label(backbone.labels, index)


def _explained(
    probabilities: Tensor, proposal: nn.Module, backbone: nn.Module, target: ClassLabel, explain: int | str
) -> Explained:
    if explain == "proposal":
        mode, index = "proposal", int(probabilities.argmax())
    elif explain == "target":
        if reason := explain_refusal(proposal, backbone, target.index):
            raise InvalidInput(reason)
        mode, index = "target", _matched(backbone.labels, proposal.labels, target.index)
    else:
        mode, index = "class", proposal.labels.find(explain)
    return Explained(mode, index, proposal.labels[index])


def _matched(source: Labels, to: Labels, index: int) -> int | None:
    return index if source == to else match(source, to)[index]


def _label(labels: Labels, index: int) -> ClassLabel:
    return ClassLabel(index, labels[index])


# Maps


@dataclass(frozen=True, eq=False)
class MethodMap:
    """One method's map of a scene, on the CPU.

    coarse (D, h, w) as the method gives it, significance (D, H, W) on the patch grid, D draws (five of
    random, else one). seconds: to make it, the proposal's pass included where the method looks at the image.
    constant: it has no spread, so it ranks nothing: it is given as zeros, and patches go by their index.
    count: how many patches were chosen, for by-hand; None where the keep ratio decides.
    """

    name: str
    coarse: Tensor
    significance: Tensor
    seconds: float
    constant: bool
    count: int | None = None

    @property
    def title(self) -> str:
        return METHODS[self.name].title


def scene_map(
    scene: Scene,
    method: str,
    *,
    seed: int = 0,
    patches: Sequence[int] | None = None,
    progress: methods.Progress | None = None,
) -> MethodMap:
    """One method's map. progress: see `methods.method_map`; it may raise `Stopped`.

    Raises:
        InvalidInput: no such method, or by-hand without patches. UnsupportedModel: not with this proposal.
    """
    device = scene.features.device
    start = _now(device)
    maps = methods.method_map(
        method,
        scene.proposal,
        scene.proposal_images,
        scene.features,
        class_index=scene.explain.index,
        grid=scene.grid,
        seed=seed,
        patches=patches,
        progress=progress,
    )
    seconds = _now(device) - start + (scene.seconds if METHODS[method].looks else 0)
    coarse = maps[0].detach().float().cpu()  # (D, h, w)
    low, high = float(coarse.min()), float(coarse.max())
    constant = high - low <= 1e-6 * max(abs(low), abs(high))
    if constant:
        coarse = torch.zeros_like(coarse)  # or rounding would rank its patches
    return MethodMap(
        name=method,
        coarse=coarse,
        significance=patch_significance(coarse, scene.grid),
        seconds=seconds,
        constant=constant,
        count=len(checked_patches(patches, scene.num_patches)) if method == "by-hand" else None,
    )


# Answers


def answers(
    scene: Scene,
    maps: Iterable[MethodMap],
    counts: Iterable[int],
    *,
    stop: Callable[[], bool] | None = None,
) -> Iterator[tuple[tuple[str, int, int], Tensor]]:
    """What the backbone says when only the k best patches of each map are kept, for each k of `counts`.

    Gives ((method, draw, k), probabilities (C,) on the CPU), count by count in the order asked;
    `dict(answers(...))` has them all. All maps and draws of one count go through the backbone in one batch,
    equal sets of patches once, and all N patches not at all: that answer is known. By-hand counts once, with
    as many patches as were chosen.

    stop: asked before every batch. Raises Stopped when it says so.
    """
    maps = list(maps)
    counts = list(dict.fromkeys(counts))
    for count in dict.fromkeys(counts + [one.count for one in maps if one.count]):
        kept = {}  # (method, draw, count) -> patches
        for one in maps:
            if one.count == count or (one.count is None and count in counts):
                for draw, patches in enumerate(scene.backbone.select_count(one.coarse, count)):
                    kept[one.name, draw, count] = patches
        yield from _run(scene, kept, stop)


def _run(scene: Scene, kept: dict, stop: Callable[[], bool] | None) -> Iterator[tuple[tuple, Tensor]]:
    distinct = {tuple(patches.tolist()): patches for patches in kept.values()}
    found = {tuple(range(scene.num_patches)): scene.full_probabilities}
    waiting = [key for key in distinct if key not in found]
    if waiting:
        if stop and stop():
            raise Stopped
        rows = torch.stack([distinct[key] for key in waiting]).to(scene.backbone_images.device)  # (M, k)
        with torch.inference_mode():
            logits = scene.backbone(scene.backbone_images, rows)
        found.update(zip(waiting, _probabilities(logits)))
    for key, patches in kept.items():
        yield key, found[tuple(patches.tolist())]


def curve_counts(num_patches: int, points: int = CURVE_POINTS) -> tuple[int, ...]:
    """Where the full curve stands: k = ceil(N i / points) for i = 1 to points, ascending, each once."""
    return tuple(sorted({math.ceil(num_patches * i / points) for i in range(1, points + 1)}))


def coarse_counts(num_patches: int, points: int = CURVE_POINTS) -> tuple[int, ...]:
    """The part of the full curve that comes first: every sixth point, both ends among them."""
    counts = curve_counts(num_patches, points)
    return tuple(sorted({*counts[::6], counts[-1]}))


# Numbers


@dataclass(frozen=True, eq=False)
class Curve:
    """The target's confidence over kept patches: counts (n), confidence and kept_answer (D, n), D draws."""

    counts: tuple[int, ...]
    confidence: tuple[tuple[float, ...], ...]
    kept_answer: tuple[tuple[bool, ...], ...]

    @property
    def fewest_patches(self) -> int | None:
        """The smallest k from which the full model's top-1 stays on top up to N; of several draws the
        median."""
        each = []
        for kept in self.kept_answer:
            fewest = math.inf
            for count, right in zip(reversed(self.counts), reversed(kept)):
                if not right:
                    break
                fewest = count
            each.append(fewest)
        median = statistics.median_low(each)
        return None if median == math.inf else median


@dataclass(frozen=True, eq=False)
class MethodResult:
    """One method's numbers, as issue and page define them. For random: confidence is the mean of the draws,
    confidence_low and _high their range, fewest_patches their median, all else the first draw."""

    name: str
    kept: int
    patches: int
    indices: tuple[int, ...]
    confidence: float
    confidence_low: float
    confidence_high: float
    top: tuple[tuple[str, float], ...]
    kept_answer: bool
    seconds: float
    overlap_with_papr: float
    fewest_patches: int | None
    curve: Curve | None = None

    @property
    def title(self) -> str:
        return METHODS[self.name].title

    def to_dict(self) -> dict[str, Any]:
        """As in `compare --json`."""
        return {
            "name": self.name,
            "kept": self.kept,
            "patches": self.patches,
            "indices": list(self.indices),
            "confidence": _rounded(self.confidence),
            "confidence_low": _rounded(self.confidence_low),
            "confidence_high": _rounded(self.confidence_high),
            "top": _top_dicts(self.top),
            "kept_answer": self.kept_answer,
            "seconds": _rounded(self.seconds),
            "overlap_with_papr": _rounded(self.overlap_with_papr),
            "fewest_patches": self.fewest_patches,
        }


def method_result(
    scene: Scene,
    one: MethodMap,
    found: Found,
    count: int,
    *,
    papr: MethodMap,
    curve: Sequence[int] | None = None,
) -> MethodResult:
    """One method's numbers at `count` kept patches, from what `answers` gave.

    papr: the scene's PaPr map, with which the patches are compared. curve: the counts of the full curve,
    where `answers` has run them all; None leaves the curve out, and fewest_patches with it.
    """
    draws = range(len(one.coarse))
    kept = one.count or count
    indices = scene.backbone.select_count(one.coarse[:1], kept)[0].tolist()
    shared = {*indices} & {*scene.backbone.select_count(papr.coarse[:1], count)[0].tolist()}
    confidences = [float(found[one.name, draw, kept][scene.target.index]) for draw in draws]
    first = found[one.name, 0, kept]
    drawn = None if curve is None or one.count else _curve(scene, one, found, curve)
    return MethodResult(
        name=one.name,
        kept=kept,
        patches=scene.num_patches,
        indices=tuple(indices),
        confidence=statistics.fmean(confidences),
        confidence_low=min(confidences),
        confidence_high=max(confidences),
        top=top_classes(first, scene.backbone.labels),
        kept_answer=int(first.argmax()) == scene.answer.index,
        seconds=one.seconds,
        overlap_with_papr=len(shared) / kept,
        fewest_patches=drawn.fewest_patches if drawn else None,
        curve=drawn,
    )


def _curve(scene: Scene, one: MethodMap, found: Found, counts: Sequence[int]) -> Curve:
    rows = [[found[one.name, draw, count] for count in counts] for draw in range(len(one.coarse))]
    return Curve(
        counts=tuple(counts),
        confidence=tuple(tuple(float(point[scene.target.index]) for point in row) for row in rows),
        kept_answer=tuple(tuple(int(point.argmax()) == scene.answer.index for point in row) for row in rows),
    )


def top_classes(probabilities: Tensor, labels: Labels, count: int = 5) -> tuple[tuple[str, float], ...]:
    """The most probable classes, (name, probability), best first."""
    best = probabilities.topk(min(count, len(probabilities)))
    return tuple((labels[index], value) for value, index in zip(best.values.tolist(), best.indices.tolist()))


def _probabilities(logits: Tensor) -> Tensor:
    return logits.float().softmax(dim=-1).cpu()


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _rounded(value: float) -> float:
    return round(value, 6)  # what differs beyond that depends on the batch a picture ran in


def _top_dicts(top: Iterable[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"label": label, "probability": _rounded(probability)} for label, probability in top]


# All at once


@dataclass(frozen=True, eq=False)
class Comparison:
    """One image's comparison, complete in itself: no model is needed to save or show it.

    image: its name; crop; scene numbers (target, answer, explain, probabilities); methods: a MethodResult
    each; maps: the MethodMap of each, by name; models: facts of both; settings; notes: what a reader must
    know.
    """

    image: str
    crop: "Image.Image"
    models: dict[str, dict[str, Any]]
    keep_ratio: float
    grid: tuple[int, int]
    target: ClassLabel
    answer: ClassLabel
    explain: Explained
    full_confidence: float
    full_top: tuple[tuple[str, float], ...]
    proposal_confidence: float | None
    proposal_top: tuple[tuple[str, float], ...]
    methods: tuple[MethodResult, ...]
    maps: dict[str, MethodMap]
    settings: dict[str, Any]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The object that `compare --json` prints."""
        return {
            "image": self.image,
            "proposal": self.models["proposal"]["name"],
            "backbone": self.models["backbone"]["name"],
            "keep_ratio": self.keep_ratio,
            "target": asdict(self.target),
            "explain": asdict(self.explain),
            "full": {"confidence": _rounded(self.full_confidence), "top": _top_dicts(self.full_top)},
            "methods": [method.to_dict() for method in self.methods],
        }

    def manifest(self) -> dict[str, Any]:
        """What makes the result repeatable: versions, models, their weights' hashes, settings, numbers."""
        return {
            "schema": SCHEMA,
            "versions": _versions(),
            "models": self.models,
            "settings": self.settings,
            "grid": list(self.grid),
            "answer": asdict(self.answer),
            "numbers": self.to_dict(),
            "curves": {
                method.name: {
                    "patches": list(method.curve.counts),
                    "confidence": [[_rounded(value) for value in row] for row in method.curve.confidence],
                    "kept_answer": [list(row) for row in method.curve.kept_answer],
                }
                for method in self.methods
                if method.curve
            },
            "proposal_answer": {"confidence": self.proposal_confidence, "top": _top_dicts(self.proposal_top)},
            "notes": list(self.notes),
        }

    def arrays(self) -> "dict[str, np.ndarray]":
        """The maps as they go into maps.npz: METHOD (D, H, W) on the patch grid, METHOD/coarse (D, h, w),
        METHOD/kept (k,), and the crop (H, W, 3)."""
        import numpy as np

        arrays = {"crop": np.asarray(self.crop)}
        for method in self.methods:
            arrays[method.name] = self.maps[method.name].significance.numpy()
            arrays[f"{method.name}/coarse"] = self.maps[method.name].coarse.numpy()
            arrays[f"{method.name}/kept"] = np.array(method.indices, dtype=np.int64)
        return arrays

    def figure(self) -> "Figure":
        """The picture with both confidences, each method's map and what it keeps (the paper's Fig. 7)."""
        from papr_core.figures import methods_figure

        return methods_figure([self.figure_row()], note=self.caption)

    @property
    def caption(self) -> str:
        """One line for below a figure: the models, the keep ratio and the patches kept."""
        proposal, backbone = self.models["proposal"]["title"], self.models["backbone"]["title"]
        num_patches = math.prod(self.grid)
        count = next((one.kept for one in self.methods if one.name != "by-hand"), None)
        kept = f" {count} of {num_patches} patches kept ({100 * self.keep_ratio:g} %)." if count else ""
        return f"ConvNet: {proposal}. Pruned: {backbone}.{kept}"

    def figure_row(self) -> Any:
        """This comparison as a row of `figures.methods_figure`."""
        import numpy as np

        from papr_core.figures import Panel, Row

        return Row(
            image=np.asarray(self.crop),
            label=short_label(self.target.label),
            proposal_confidence=self.proposal_confidence,
            backbone_confidence=self.full_confidence,
            panels=tuple(
                Panel(
                    title=method.title,
                    significance=self.maps[method.name].significance[0].numpy(),
                    kept=np.array(method.indices),
                    confidence=method.confidence,
                    kept_answer=method.kept_answer,
                    note=self._panel_note(method),
                )
                for method in self.methods
            ),
        )

    def _panel_note(self, method: MethodResult) -> str:
        about = METHODS[method.name]
        if about.draws > 1:
            return f"draw 1; % is the mean of {about.draws}"
        if about.uses_class:
            return f"explains {short_label(self.explain.label)}"
        return f"{method.kept} patches" if method.name == "by-hand" else ""

    def curve_figure(self) -> "Figure":
        """Confidence against the share of patches kept. Raises InvalidInput where no curve was computed."""
        from papr_core.figures import Line, curve_figure

        lines = [
            Line(METHODS[one.name].title, one.name, one.curve.counts, one.curve.confidence)
            for one in self.methods
            if one.curve
        ]
        if not lines:
            raise InvalidInput("This comparison has no curve; compare with curve=True.")
        return curve_figure(
            lines,
            num_patches=math.prod(self.grid),
            label=short_label(self.target.label),
            full_confidence=self.full_confidence,
            keep_ratio=self.keep_ratio,
        )

    def save(self, folder: str | os.PathLike) -> Path:
        """Write figure.png, curve.png (where there is one), maps.npz and manifest.json into a folder; give
        its path.

        Files of these names are replaced, others are left alone; all are written beside the folder first, so
        a failure leaves nothing half done.
        """
        folder = Path(folder)
        try:
            return self._save(folder)
        except OSError as error:
            raise InvalidInput(f"{folder} cannot be written: {error.strerror or error}.") from error

    def _save(self, folder: Path) -> Path:
        import numpy as np

        from papr_core.figures import save_figure

        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            save_figure(self.figure(), draft / "figure.png")
            if any(method.curve for method in self.methods):
                save_figure(self.curve_figure(), draft / "curve.png")
            np.savez_compressed(draft / "maps.npz", **self.arrays())
            manifest = json.dumps(
                self.manifest(), sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False
            )
            (draft / "manifest.json").write_text(manifest + "\n", encoding="utf-8")
            folder.mkdir(exist_ok=True)
            for file in sorted(
                draft.iterdir(), key=lambda file: file.suffix == ".json"
            ):  # the manifest comes last
                os.replace(file, folder / file.name)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return folder

    @property
    def verdict(self) -> str:
        """One sentence: which methods keep the full model's answer, and which lose it."""
        kept = [method.title for method in self.methods if method.kept_answer]
        lost = [method.title for method in self.methods if not method.kept_answer]
        answer = f"“{short_label(self.answer.label)}”"
        said = []
        if kept:
            said.append(f"{_listed(kept)} {'keeps' if len(kept) == 1 else 'keep'} {answer}")
        if lost:
            said.append(f"{_listed(lost)} {'loses' if len(lost) == 1 else 'lose'} {'it' if kept else answer}")
        return ", ".join(said) + "."

    def _repr_png_(self) -> bytes:
        from papr_core.figures import figure_bytes

        return figure_bytes(self.figure(), "png")

    def _repr_html_(self) -> str:
        import base64
        from html import escape

        rows = "".join(
            f"<tr><td>{escape(method.title)}</td><td>{method.kept} of {method.patches}</td>"
            f"<td>{100 * method.confidence:.1f} %</td>"
            f"<td>{'kept' if method.kept_answer else 'lost'}</td></tr>"
            for method in self.methods
        )
        picture = base64.b64encode(self._repr_png_()).decode()
        target = escape(short_label(self.target.label))
        return (
            f"<p>{escape(self.verdict)}</p>"
            f'<img alt="Maps and kept patches of each method" style="max-width:100%" '
            f'src="data:image/png;base64,{picture}">'
            f"<table><tr><th>Method</th><th>Patches</th><th>Confidence on {target}</th><th>Answer</th></tr>"
            f"{rows}</table>"
        )


def compare(
    image: "str | os.PathLike | bytes | Image.Image | np.ndarray",
    *,
    proposal: str | nn.Module = DEFAULT_PROPOSAL,
    backbone: str | nn.Module = DEFAULT_BACKBONE,
    keep_ratio: float = DEFAULT_KEEP_RATIO,
    methods: Sequence[str] = DEFAULT_METHODS,
    target: int | str | None = None,
    explain: int | str = "proposal",
    patches: Sequence[int] | None = None,
    fit: str = "crop",
    curve: bool = True,
    seed: int = 0,
    name: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Comparison:
    """Prune one image by several methods and see what the backbone still says.

    image: a path, a file's bytes, a PIL image or an array (H, W, 3). proposal, backbone: names, or loaded
    models. target, explain, fit: see `open_scene`. patches: the choice of `by-hand`, which they add to the
    methods. curve: also run the full curve, without which fewest_patches is None. name: of the image, for a
    reader. progress: called as progress(what, done, of); it may raise `Stopped`.

    >>> comparison = papr_core.compare("lion.jpg", keep_ratio=0.4)  # doctest: +SKIP
    >>> comparison.methods[0].kept_answer  # doctest: +SKIP
    True

    Raises:
        InvalidInput and its kin, WeightsUnavailable, Stopped: each in one sentence.
    """
    from papr_core.backbones import load_backbone
    from papr_core.proposals import load_proposal

    tell = progress or (lambda what, done, of: None)
    names = _method_names(methods, patches)
    proposal = load_proposal(proposal) if isinstance(proposal, str) else proposal
    backbone = load_backbone(backbone) if isinstance(backbone, str) else backbone
    count = backbone.num_kept(keep_ratio)
    if name is None:
        name = os.fspath(image) if isinstance(image, (str, os.PathLike)) else "image"
    scene = open_scene(read_image(image), proposal, backbone, target=target, explain=explain, fit=fit)

    def drawing(method: str) -> Callable[[int, int], None]:
        return lambda done, of: tell(METHODS[method].title, done, of)

    maps = {
        method: scene_map(scene, method, seed=seed, patches=patches, progress=drawing(method))
        for method in names
    }
    papr = maps.get("papr") or scene_map(scene, "papr")
    steps = curve_counts(scene.num_patches) if curve else ()
    order = {k: i for i, k in enumerate(dict.fromkeys((count, *steps)))}
    found: dict[tuple[str, int, int], Tensor] = {}
    for key, probabilities in answers(scene, maps.values(), order):
        found[key] = probabilities
        tell("Confidence", order.get(key[2], len(order)), len(order))
    return comparison(
        scene,
        maps,
        found,
        keep_ratio,
        papr=papr,
        name=name,
        settings={
            "methods": list(maps),
            "target": target,
            "explain": explain,
            "patches": None if patches is None else list(checked_patches(patches, scene.num_patches)),
            "fit": fit,
            "seed": seed,
            "curve": bool(curve),
        },
    )


def comparison(
    scene: Scene,
    maps: Mapping[str, MethodMap],
    found: Found,
    keep_ratio: float,
    *,
    papr: MethodMap,
    name: str = "image",
    settings: Mapping[str, Any] = types.MappingProxyType({}),
) -> Comparison:
    """A Comparison of what was computed in steps: `open_scene`, `scene_map`, `answers`.

    found holds what the maps keep at the ratio, and may hold the full curve: a curve that is not whole is
    left out. settings: what a manifest says of how it was asked; the keep ratio and the device are added.
    """
    proposal, backbone = scene.proposal, scene.backbone
    count, steps = backbone.num_kept(keep_ratio), curve_counts(scene.num_patches)

    def whole(one: MethodMap) -> bool:
        return all((one.name, draw, step) in found for draw in range(len(one.coarse)) for step in steps)

    matched = _matched(backbone.labels, proposal.labels, scene.target.index)
    return Comparison(
        image=name,
        crop=scene.crop,
        models={"proposal": model_facts(proposal), "backbone": model_facts(backbone)},
        keep_ratio=float(keep_ratio),
        grid=scene.grid,
        target=scene.target,
        answer=scene.answer,
        explain=scene.explain,
        full_confidence=float(scene.full_probabilities[scene.target.index]),
        full_top=top_classes(scene.full_probabilities, backbone.labels),
        proposal_confidence=None if matched is None else float(scene.proposal_probabilities[matched]),
        proposal_top=top_classes(scene.proposal_probabilities, proposal.labels),
        methods=tuple(
            method_result(scene, one, found, count, papr=papr, curve=steps if whole(one) else None)
            for one in maps.values()
        ),
        maps=dict(maps),
        settings={"keep_ratio": float(keep_ratio), **settings, "device": str(scene.features.device)},
        notes=scene_notes(scene, maps.values()),
    )


def _method_names(names: Sequence[str], patches: Sequence[int] | None) -> list[str]:
    if isinstance(names, str):
        names = [names]
    chosen = list(dict.fromkeys(find_method(name).name for name in names))
    if patches is not None and "by-hand" not in chosen:
        chosen.append("by-hand")
    if not chosen:
        raise InvalidInput(f"Choose at least one method of {', '.join(METHODS)}.")
    return chosen


def scene_notes(scene: Scene, maps: Iterable[MethodMap]) -> tuple[str, ...]:
    """What a reader must know to read the maps of this scene rightly, a sentence each."""
    notes = []
    if scene.flat:
        notes.append(
            "This picture is of one colour: its maps are constant but for what padding does at the border, "
            "so they rank nothing."
        )
    empty = [one.title for one in maps if one.constant]
    if empty:
        whose = "map is" if len(empty) == 1 else "maps are"
        notes.append(
            f"The {whose} constant for {_listed(empty)}: patches are kept in the order of their index."
        )
    return tuple(notes)


def model_facts(model: nn.Module) -> dict[str, Any]:
    """What a manifest says of a model: name, title, label set, input size, the weights' origin and hash."""
    return {
        "name": model.name,
        "title": model.title,
        "labels": model.labels.name,
        "input_size": list(model.input_size),
        "weights": model.weights.kind if model.weights else "random",
        "sha256": model.sha256,
    }


def short_label(label: str) -> str:
    """The first of a class's names: "tabby, tabby cat" is "tabby"."""
    return label.split(",")[0].strip()


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"papr": __version__, "python": platform.python_version()}
    for package in ("torch", "timm", "numpy", "pillow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


class _CallableModule(types.ModuleType):
    """`papr_core.compare` is this module and, by its name, the library's main function: both work."""

    __call__ = staticmethod(compare)


sys.modules[__name__].__class__ = _CallableModule
