"""One picture in steps: both models' plain answers, each method's map, the pruned backbone's answers.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 4.5 and Fig. 7 and 12 to 17. Written from the paper.

`open_scene` runs both models once on the plain image, `scene_map` makes one method's map, `answers` runs the
backbone on what is kept; `results.method_result` reads the numbers off. The page goes these steps one by one,
`comparison.compare` all at once. Whatever depends on image, proposal and method is left of `answers`, so a
moved slider costs one batch of the backbone.

*Target* is the class whose confidence is reported, *explain* the class that a class activation map explains.
A backbone without a classifier has neither target nor answer: the number is then the cosine between its
embedding of what is kept and of the whole picture.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from papr_core.devices import as_probabilities, device_of, now
from papr_core.errors import InvalidInput, Stopped
from papr_core.methods import table as methods
from papr_core.methods.controls import checked_patches
from papr_core.methods.table import METHODS
from papr_core.models.backbones.base import Backbone
from papr_core.models.labels import Labels, match
from papr_core.models.proposals.base import Proposal
from papr_core.pruning.significance import constant_as_zeros, patch_significance

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "ClassLabel",
    "Explained",
    "MethodMap",
    "Scene",
    "answers",
    "coarse_counts",
    "curve_counts",
    "explain_refusal",
    "find_explained",
    "find_target",
    "open_scene",
    "scene_map",
    "scene_notes",
]

CURVE_POINTS = 49


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

    Of a backbone without a classifier: target None, full_probabilities (1,) the cosine to itself, 1, and
    embedding (D,), else None.
    """

    crop: "Image.Image"
    proposal: Proposal
    backbone: Backbone
    proposal_images: Tensor
    backbone_images: Tensor
    features: Tensor
    proposal_probabilities: Tensor
    full_probabilities: Tensor
    target: ClassLabel | None
    explain: Explained
    seconds: float
    flat: bool
    embedding: Tensor | None = None

    @property
    def grid(self) -> tuple[int, int]:
        """Patches of the backbone: (rows, columns)."""
        return self.backbone.grid

    @property
    def num_patches(self) -> int:
        return self.backbone.num_patches

    @property
    def answer(self) -> ClassLabel | None:
        """The full model's top-1."""
        if self.embedding is not None:
            return None
        return _label(self.backbone.labels, int(self.full_probabilities.argmax()))

    @property
    def full_confidence(self) -> float:
        """The full model's probability of the target, or 1."""
        return self.number(self.full_probabilities)

    def number(self, answer: Tensor) -> float:
        """What is reported of an answer (C,): the target's probability, or the cosine."""
        return float(answer[self.target.index if self.target else 0])

    def keeps(self, answer: Tensor) -> bool | None:
        """Whether an answer (C,) has the full model's top-1; None where there is none."""
        return int(answer.argmax()) == self.answer.index if self.answer else None

    @property
    def proposal_confidence(self) -> float | None:
        """The proposal's probability of the target; None where none of its classes matches."""
        if self.target is None:
            return None
        matched = _matched(self.backbone.labels, self.proposal.labels, self.target.index)
        return None if matched is None else float(self.proposal_probabilities[matched])

    def with_classes(self, *, target: int | str | None = None, explain: int | str = "proposal") -> "Scene":
        """The same scene for another target or another explained class; no model runs."""
        aim = find_target(self.full_probabilities, self.backbone, target)
        return replace(
            self,
            target=aim,
            explain=find_explained(self.proposal_probabilities, self.proposal, self.backbone, aim, explain),
        )


def open_scene(
    image: "Image.Image",
    proposal: Proposal,
    backbone: Backbone,
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
    device = device_of(proposal)
    proposal_images = proposal.view(crop).to(device)
    backbone_images = backbone.view(crop).to(device_of(backbone))
    with torch.inference_mode():
        start = now(device)
        features = proposal.features(proposal_images)
        seconds = now(device) - start
        proposal_logits, full_logits = proposal.logits(features), backbone(backbone_images)
    proposal_probabilities = as_probabilities(proposal_logits)[0]
    embedding = full_logits[0].float().cpu() if backbone.headless else None
    full_probabilities = torch.ones(1) if backbone.headless else as_probabilities(full_logits)[0]
    aim = find_target(full_probabilities, backbone, target)
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
        explain=find_explained(proposal_probabilities, proposal, backbone, aim, explain),
        seconds=seconds,
        flat=all(low == high for low, high in crop.getextrema()),
        embedding=embedding,
    )


def explain_refusal(proposal: Proposal, backbone: Backbone, target: int) -> str | None:
    """Why `explain="target"` cannot be had for a class of the backbone, in a sentence; None where it can."""
    if _matched(backbone.labels, proposal.labels, target) is not None:
        return None
    return (
        f"{proposal.name} knows no class that matches {backbone.labels[target]!r} ({proposal.labels.name} "
        f"against {backbone.labels.name}), so it cannot explain the target; let it explain its own answer."
    )


def find_target(probabilities: Tensor, backbone: Backbone, target: int | str | None) -> ClassLabel | None:
    """The class under study: as named, or the top-1 of the full model's probabilities (C,); None of a model
    without a classifier."""
    if backbone.headless:
        if target is not None:
            raise InvalidInput(f"{backbone.name} has no classifier, so there is no class to choose.")
        return None
    index = int(probabilities.argmax()) if target is None else backbone.labels.find(target)
    return _label(backbone.labels, index)


def find_explained(
    probabilities: Tensor,
    proposal: Proposal,
    backbone: Backbone,
    target: ClassLabel | None,
    explain: int | str,
) -> Explained:
    """The proposal's class that a class activation map explains, from the proposal's probabilities (C,)."""
    if explain == "proposal":
        mode, index = "proposal", int(probabilities.argmax())
    elif explain == "target" and target is None:
        raise InvalidInput(f"{backbone.name} has no classifier, so there is no target to explain.")
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

    @property
    def curve_counts(self) -> tuple[int, ...]:
        """Where its full curve stands. Of several draws, whose band is smooth and whose every count costs as
        many passes, that is the coarse one."""
        counts = coarse_counts if len(self.coarse) > 1 else curve_counts
        return counts(self.significance[0].numel())


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
    start = now(device)
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
    seconds = now(device) - start + (scene.seconds if METHODS[method].looks else 0)
    coarse, constant = constant_as_zeros(maps[0].detach().float().cpu())  # (D, h, w)
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
    keep_ratio: float | None = None,
    stop: Callable[[], bool] | None = None,
) -> Iterator[tuple[tuple[str, int, int], Tensor]]:
    """What the backbone says when only the k best patches of each map are kept, for each k of `counts`.

    Gives ((method, draw, k), probabilities (C,) on the CPU), count by count in the order asked;
    `dict(answers(...))` has them all. All maps and draws of one count go through the backbone in one batch,
    equal sets of patches once, and all N patches not at all: that answer is known. By-hand counts once, with
    as many patches as were chosen.

    Of a backbone without a classifier the probabilities are (1,), the cosine to the unpruned embedding.
    keep_ratio: the ratio that gave one of the counts, which a ConvNeXt or Swin takes stage by stage.
    stop: asked before every batch. Raises Stopped when it says so.
    """
    maps = list(maps)
    counts = list(dict.fromkeys(counts))
    for count in dict.fromkeys(counts + [one.count for one in maps if one.count]):
        kept = {}  # (method, draw, count) -> patches
        for one in maps:
            if one.count == count or (one.count is None and count in counts):
                at_ratio = keep_ratio is not None and one.count is None
                if at_ratio and count == scene.backbone.num_kept(keep_ratio):
                    chosen = scene.backbone.select(one.coarse, keep_ratio)
                else:
                    chosen = scene.backbone.select_count(one.coarse, count)
                for draw, patches in enumerate(zip(*_stages(chosen))):
                    kept[one.name, draw, count] = patches  # (k,) a stage
        yield from _run(scene, kept, stop)


def _run(scene: Scene, kept: dict, stop: Callable[[], bool] | None) -> Iterator[tuple[tuple, Tensor]]:
    backbone = scene.backbone
    keys = {key: tuple(tuple(stage.tolist()) for stage in patches) for key, patches in kept.items()}
    everything = _stages(backbone.select_count(torch.zeros(1, *scene.grid), scene.num_patches))
    found = {tuple(tuple(stage[0].tolist()) for stage in everything): scene.full_probabilities}
    waiting = {keys[key]: patches for key, patches in kept.items() if keys[key] not in found}
    if waiting:
        if stop and stop():
            raise Stopped
        device = scene.backbone_images.device
        rows = tuple(torch.stack(stage).to(device) for stage in zip(*waiting.values()))  # (M, k) a stage
        with torch.inference_mode():
            out = backbone(scene.backbone_images, rows if len(everything) > 1 else rows[0])
        found.update(zip(waiting, as_probabilities(out) if scene.embedding is None else _cosines(scene, out)))
    for key in kept:
        yield key, found[keys[key]]


def _stages(kept: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """What `select` gives, as a tensor a stage."""
    return kept if isinstance(kept, tuple) else (kept,)


def _cosines(scene: Scene, embeddings: Tensor) -> Tensor:
    """Embeddings (M, D) to their cosines to the unpruned one, (M, 1)."""
    return F.cosine_similarity(embeddings.float().cpu(), scene.embedding[None], dim=1).unsqueeze(1)


def curve_counts(num_patches: int, points: int = CURVE_POINTS) -> tuple[int, ...]:
    """Where the full curve stands: k = ceil(N i / points) for i = 1 to points, ascending, each once."""
    return tuple(sorted({math.ceil(num_patches * i / points) for i in range(1, points + 1)}))


def coarse_counts(num_patches: int, points: int = CURVE_POINTS) -> tuple[int, ...]:
    """The part of the full curve that comes first: every sixth point, both ends among them."""
    counts = curve_counts(num_patches, points)
    return tuple(sorted({*counts[::6], counts[-1]}))


def scene_notes(scene: Scene, maps: Iterable[MethodMap]) -> tuple[str, ...]:
    """What a reader must know to read the maps of this scene rightly, a sentence each."""
    notes = []
    if about := scene.backbone.about_patches:
        notes.append(about)
    if scene.flat:
        notes.append(
            "This picture is of one colour: its maps are constant but for what padding does at the border, "
            "so they rank nothing."
        )
    empty = [one.title for one in maps if one.constant]
    if empty:
        whose = "map is" if len(empty) == 1 else "maps are"
        notes.append(
            f"The {whose} constant for {', '.join(empty)}: patches are kept in the order of their index."
        )
    return tuple(notes)
