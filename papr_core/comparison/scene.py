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

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from papr_core.comparison.maps import MethodMap, map_of
from papr_core.comparison.seen import (
    ClassLabel,
    Explained,
    Seen,
    class_label,
    find_explained,
    find_target,
    matched,
)
from papr_core.devices import as_probabilities, device_of, now
from papr_core.errors import Stopped
from papr_core.methods import table as methods
from papr_core.methods.budget import fed, fed_count, num_fed
from papr_core.methods.controls import Patches, checked_patches
from papr_core.methods.gaze import Gaze
from papr_core.methods.table import METHODS
from papr_core.models.backbones.base import Backbone
from papr_core.models.proposals.base import Proposal
from papr_core.pruning.shrinking import Shrunk

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Scene", "answers", "open_scene", "scene_map", "scene_notes"]

# What is known before any method: the two models' plain answers


@dataclass(frozen=True, eq=False, kw_only=True)
class Scene(Seen):
    """One crop and what both models say of it, unpruned.

    crop: PIL image of the backbone's size; fine_crop: the same at the picture's own resolution, for the eye;
    full_probabilities (C,), on the CPU; flat: the crop is of one colour; gaze: the backbone and its view of
    the crop, for methods that look there.

    Of a backbone without a classifier: target None, full_probabilities (1,) the cosine to itself, 1, and
    embedding (D,), else None.
    """

    crop: "Image.Image"
    fine_crop: "Image.Image"
    full_probabilities: Tensor
    target: ClassLabel | None
    explain: Explained
    flat: bool
    gaze: Gaze
    embedding: Tensor | None = None

    @property
    def grid(self) -> tuple[int, int]:
        """Patches of the backbone: (rows, columns)."""
        rows, columns = self.backbone.grid
        return rows, columns

    @property
    def answer(self) -> ClassLabel | None:
        """The full model's top-1."""
        if self.embedding is not None:
            return None
        return class_label(self.backbone.labels, int(self.full_probabilities.argmax()))

    @property
    def full_confidence(self) -> float:
        """The full model's probability of the target, or 1."""
        return self.number(self.full_probabilities)

    @property
    def proposal_agrees(self) -> bool | None:
        """Whether the proposal's own top-1 is the full model's too; None where it knows no such class."""
        if self.answer is None:
            return None
        same = matched(self.backbone.labels, self.proposal.labels, self.answer.index)
        return None if same is None else same == self.proposal_answer.index

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
        same = matched(self.backbone.labels, self.proposal.labels, self.target.index)
        return None if same is None else float(self.proposal_probabilities[same])

    def with_classes(self, *, target: int | str | None = None, explain: int | str = "proposal") -> "Scene":
        """The same scene for another target or another explained class; no model runs."""
        aim, explained = self.classes(self.full_probabilities, target, explain)
        return replace(self, target=aim, explain=explained)


def open_scene(
    image: "Image.Image",
    proposal: Proposal,
    backbone: Backbone,
    *,
    target: int | str | None = None,
    explain: int | str = "proposal",
    fit: str = "crop",
    watch: bool = False,
) -> Scene:
    """Crop an image once, by the backbone's rule, and run both models on it.

    target: a class of the backbone, by index or name; None is the full model's top-1.
    explain: "proposal", "target", or a class of the proposal by index or name. watch: oracles will be asked
    for, so the backbone's plain pass is the one that they need.

    Raises:
        UnknownClass: no such class. InvalidInput: "target" where the proposal has no class that matches, or a
            `fit` that does not exist.
    """
    crop = backbone.fit(image, fit)
    device = device_of(proposal)
    proposal_images = proposal.view(crop).to(device)
    backbone_images = backbone.view(crop).to(device_of(backbone))
    gaze = Gaze(backbone, backbone_images)
    with torch.inference_mode():
        start = now(device)
        features = proposal.features(proposal_images)
        seconds = now(device) - start
        proposal_logits = proposal.logits(features)
        full_logits = gaze.watched.logits if watch else backbone(backbone_images)
    proposal_probabilities = as_probabilities(proposal_logits)[0]
    embedding = full_logits[0].float().cpu() if backbone.headless else None
    full_probabilities = torch.ones(1) if backbone.headless else as_probabilities(full_logits)[0]
    aim = find_target(full_probabilities, backbone, target)
    return Scene(
        crop=crop,
        fine_crop=backbone.fine_crop(image, fit),
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
        flat=all(low == high for low, high in crop.getextrema()),  # type: ignore[misc]  # it has three bands
        gaze=gaze,
        embedding=embedding,
    )


# Maps


def scene_map(
    scene: Scene,
    method: str,
    *,
    seed: int = 0,
    patches: Patches | None = None,
    progress: methods.Progress | None = None,
) -> MethodMap:
    """One method's map. progress: see `methods.method_map`; it may raise `Stopped`.

    Raises:
        InvalidInput: no such method, or by-hand without patches. UnsupportedModel: not with this proposal.
    """
    found = map_of(
        scene,
        method,
        scene.explain,
        lambda: methods.method_map(
            method,
            scene.proposal,
            scene.proposal_images,
            scene.features,
            class_index=scene.explain.index,
            grid=scene.grid,
            seed=seed,
            patches=patches,
            gaze=scene.gaze,
            progress=progress,
        )[0],
    )
    if METHODS[method].kind == "oracle":  # a whole pass, whoever asked for it first
        return replace(found, seconds=scene.gaze.seconds)
    return (
        replace(found, count=len(checked_patches(patches, scene.num_patches)))
        if method == "by-hand"
        else found
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
    as many patches as were chosen. Of the smaller picture k is how many patches it has: at least as many as
    asked for (`budget.num_fed`).

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
                by_ratio = keep_ratio if one.count is None else None
                if by_ratio is not None and count == scene.backbone.num_kept(by_ratio):
                    chosen = fed(one.name, scene.backbone, one.coarse, by_ratio)
                else:
                    chosen = fed_count(one.name, scene.backbone, one.coarse, count)
                seen = num_fed(one.name, scene.backbone, count)
                for draw in range(len(one.coarse)):
                    kept[one.name, draw, seen] = _of_draw(chosen, draw)
        yield from _run(scene, kept, stop)


def _of_draw(chosen: Tensor | tuple[Tensor, ...] | Shrunk, draw: int) -> tuple[Tensor, ...] | Shrunk:
    """One draw's patches, (k,) a stage."""
    return chosen if isinstance(chosen, Shrunk) else tuple(stage[draw] for stage in _stages(chosen))


def _run(scene: Scene, kept: dict, stop: Callable[[], bool] | None) -> Iterator[tuple[tuple, Tensor]]:
    backbone = scene.backbone
    keys = {key: _key(patches) for key, patches in kept.items()}
    everything = backbone.select_count(torch.zeros(1, *scene.grid), scene.num_patches)
    whole = _key(_of_draw(everything, 0))
    found = {whole: scene.full_probabilities, Shrunk(scene.grid): scene.full_probabilities}
    waiting = {keys[key]: patches for key, patches in kept.items() if keys[key] not in found}
    selected = {key: patches for key, patches in waiting.items() if not isinstance(patches, Shrunk)}
    calls = [[key] for key in waiting if key not in selected]
    for together in [list(selected), *calls] if selected else calls:
        if stop and stop():
            raise Stopped
        if together[0] in selected:
            stages = zip(*(selected[key] for key in together))
            rows = tuple(torch.stack(stage).to(scene.backbone_images.device) for stage in stages)
            given = rows if isinstance(everything, tuple) else rows[0]  # (M, k) a stage
        else:
            given = waiting[together[0]]
        with torch.inference_mode():
            out = backbone(scene.backbone_images, given)
        unpruned = scene.embedding
        found.update(zip(together, as_probabilities(out) if unpruned is None else _cosines(unpruned, out)))
    for key in kept:
        yield key, found[keys[key]]


def _key(patches: tuple[Tensor, ...] | Shrunk) -> Hashable:
    """Equal where the backbone is called alike."""
    return patches if isinstance(patches, Shrunk) else tuple(tuple(stage.tolist()) for stage in patches)


def _stages(kept: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """What `select` gives, as a tensor a stage."""
    return kept if isinstance(kept, tuple) else (kept,)


def _cosines(whole: Tensor, embeddings: Tensor) -> Tensor:
    """Embeddings (M, D) to their cosines to the unpruned one (D,): (M, 1)."""
    return F.cosine_similarity(embeddings.float().cpu(), whole[None], dim=1).unsqueeze(1)


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
