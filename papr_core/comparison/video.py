"""The main job on clips: from a clip to the kept patches, the masked clip and what the backbone still says.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 5, Fig. 8, 18 and 19. Written from the paper.

`open_footage` samples and crops the frames and runs the proposal, `footage_map` makes one method's map,
`full_answer` and `pruned` run the backbone; the page goes these steps one by one, `prune_clip` all at once.
An image pair goes frame by frame (framewise.py), a pair of video networks over all tubelets (tubewise.py).
"""

import json
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from papr_core.comparison.framewise import FramePair, Step, check_backbone
from papr_core.comparison.results import rounded, top_classes, top_dicts
from papr_core.comparison.scene import ClassLabel, Explained, find_explained, find_target
from papr_core.comparison.tubewise import TubePair
from papr_core.data.clips import Clip, read_clip, write_clip
from papr_core.devices import as_probabilities
from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.methods import table as _methods
from papr_core.methods.table import METHODS
from papr_core.models.backbones.base import Backbone
from papr_core.models.catalog import find, sees_clips
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.models.proposals.base import Proposal
from papr_core.pruning.selection import DEFAULT_KEEP_RATIO, top_patches
from papr_core.pruning.significance import constant_as_zeros
from papr_core.saving import saved_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

__all__ = [
    "DEFAULT_CLIP_PROPOSAL",
    "VIDEO_METHODS",
    "Footage",
    "FootageMap",
    "Glance",
    "PrunedClip",
    "check_method",
    "check_pair",
    "clip_map",
    "early_map",
    "find_pair",
    "footage_map",
    "full_answer",
    "glance",
    "load_pair",
    "masked_frames",
    "open_footage",
    "prune_clip",
    "pruned",
    "shown_frames",
]

DEFAULT_CLIP_PROPOSAL = "x3d_s"
VIDEO_METHODS = ("papr", "cam", "grad-cam", "random", "center", "reversed")
STILL = "Nothing moves in this clip, so time adds no information."
_SHOWN = 320  # pixels that a frame has at least on its shorter side, for the eye
_BLOCKS = 14  # across and down a frame, in which it is looked for movement
_MOVING = 6.0  # of 255: what compression and a camera's noise do to the mean of a still block stays below

NamedProgress = Callable[[str, int, int], None]  # (what, done, of)
Partial = Callable[[list[Tensor]], None]


def prune_clip(
    clip: "str | os.PathLike | bytes | Clip",
    *,
    proposal: str | Proposal | None = None,
    backbone: str | Backbone | None = None,
    keep_ratio: float = DEFAULT_KEEP_RATIO,
    method: str = "papr",
    target: int | str | None = None,
    explain: int | str = "proposal",
    seed: int = 0,
    name: str | None = None,
    progress: NamedProgress | None = None,
) -> "PrunedClip":
    """Prune one clip by one method and see what the backbone still says.

    clip: a path, a file's bytes, or frames that were read. proposal, backbone: names, or loaded models
    (`load_pair`). target, explain: classes, as for pictures (`compare`). name: of the clip, for a reader.
    progress: called as progress(what, done, of); it may raise `Stopped`.

    >>> import papr_core
    >>> from papr_core.data.clips import Clip, ClipInfo
    >>> cup = papr_core.read_image("assets/examples/coffee.jpg")
    >>> info = ClipInfo("none", *cup.size, seconds=1.0, frames=2)
    >>> clip = Clip(frames=(cup, cup), times=(0.0, 0.5), info=info)
    >>> result = papr_core.prune_clip(clip, keep_ratio=0.3)
    >>> result
    PrunedClip(2 frames, espresso, 'papr': 118 of 392 patches)
    >>> [len(patches) for patches in result.each_frame()]
    [59, 59]

    Raises:
        InvalidInput and its kin, WeightsUnavailable, Stopped: each in one sentence.
    """
    check_method(method)
    pair = load_pair(proposal, backbone)
    pair.num_kept(1, keep_ratio)  # a ratio that is none is refused before anything runs
    check_method(method, pair.proposal)
    if name is None:
        name = os.fspath(clip) if isinstance(clip, (str, os.PathLike)) else "clip"
    clip = clip if isinstance(clip, Clip) else read_clip(clip, pair.pick)
    footage = open_footage(clip, pair, name=name, progress=progress)
    full = full_answer(footage, progress=progress)
    aim = find_target(full.mean(dim=0), pair.backbone, target)
    seen = footage.proposal_probabilities
    explained = find_explained(seen, pair.proposal, pair.backbone, aim, explain)
    found = footage_map(footage, method, explained, seed=seed)
    return pruned(footage, found, full, keep_ratio, target=aim, progress=progress)


def check_method(name: str, proposal: Proposal | None = None) -> None:
    """Raise InvalidInput or UnsupportedModel for a method that does not work on clips, or with a proposal."""
    _methods.find_method(name)
    if name not in VIDEO_METHODS:
        offered = ", ".join(VIDEO_METHODS)
        raise InvalidInput(f"{METHODS[name].title} is not offered for clips; there are {offered}.")
    if proposal is not None and (reason := _methods.refusal(name, proposal)):
        raise UnsupportedModel(reason)


def load_pair(
    proposal: str | Proposal | None = None,
    backbone: str | Backbone | None = None,
    *,
    device: str | torch.device = "cpu",
    progress: NamedProgress | None = None,
) -> FramePair | TubePair:
    """Two models by their names, of pictures or of clips; by default the page's own, and X3D-S for a
    backbone of clips.

    Raises:
        UnsupportedModel: two that do not go together; and all that loading a model may say.
    """
    from papr_core.models.backbones import load_backbone
    from papr_core.models.proposals import load_proposal

    def told(what: str) -> Callable[[int, int], None] | None:
        return _step(progress, what) if progress else None

    backbone = backbone or DEFAULT_BACKBONE
    proposal = proposal or (DEFAULT_CLIP_PROPOSAL if sees_clips(backbone, "backbone") else DEFAULT_PROPOSAL)
    check_pair(proposal, backbone)  # before anything is downloaded
    if isinstance(proposal, str):
        proposal = load_proposal(proposal, device=device, progress=told("ConvNet's weights"))
    if isinstance(backbone, str):
        backbone = load_backbone(backbone, device=device, progress=told("Backbone's weights"))
    return find_pair(proposal, backbone)


def find_pair(proposal: Proposal, backbone: Backbone) -> FramePair | TubePair:
    """How this pair goes about a clip. Raises UnsupportedModel for two that do not go together."""
    check_pair(proposal, backbone)
    return (TubePair if sees_clips(backbone, "backbone") else FramePair)(proposal, backbone)


def check_pair(proposal: str | Proposal, backbone: str | Backbone) -> None:
    """Raise UnsupportedModel for two that do not go together, by their names before they are loaded."""
    looks, pruned = sees_clips(proposal, "proposal"), sees_clips(backbone, "backbone")
    if looks != pruned:
        models = (proposal, backbone) if looks else (backbone, proposal)
        of_clips, other = (model if isinstance(model, str) else model.name for model in models)
        raise UnsupportedModel(f"{of_clips} looks at clips and {other} at pictures: choose two of a kind.")
    if isinstance(backbone, str) and not pruned:
        entry = find(backbone, "backbone")
        check_backbone(entry.name, entry.family, headless=entry.headless)


# Frames, and what the proposal sees in them


@dataclass(frozen=True, eq=False)
class Footage:
    """The sampled frames of a clip, cropped once by the backbone's rule, and the proposal's pass over them.

    shown: the crops at a size for the eye, the same region and grid; images (F, 3, H, W) as the backbone
    sees them; seen and features: the proposal's; proposal_probabilities (C,) of the clip, on the CPU;
    seconds: the proposal's pass; still: nothing moves.
    """

    name: str
    clip: Clip
    pair: FramePair | TubePair
    shown: "tuple[Image.Image, ...]"
    images: Tensor
    seen: Tensor
    features: Tensor
    proposal_probabilities: Tensor
    seconds: float
    still: bool

    def __len__(self) -> int:
        return len(self.shown)

    @property
    def grid(self) -> tuple[int, int, int]:
        """(T, rows, columns) of the clip's patches."""
        return self.pair.grid(len(self))

    @property
    def num_patches(self) -> int:
        return math.prod(self.grid)


def open_footage(
    clip: Clip,
    pair: FramePair | TubePair,
    *,
    name: str = "clip",
    progress: NamedProgress | None = None,
    partial: Partial | None = None,
) -> Footage:
    """Crop the frames, by the backbone's rule, and run the proposal on them.

    partial: called between batches of frames with the features (f, K, h, w) of each batch so far.
    """
    crops = [pair.backbone.fit(frame) for frame in clip.frames]
    shown = shown_frames(clip.frames, pair.backbone)
    images = pair.view(crops)
    start = time.perf_counter()
    seen, features, probabilities = pair.look(crops, _step(progress, "ConvNet", partial))
    return Footage(
        name=name,
        clip=clip,
        pair=pair,
        shown=shown,
        images=images,
        seen=seen,
        features=features,
        proposal_probabilities=probabilities,
        seconds=time.perf_counter() - start,
        still=_still(crops),
    )


def shown_frames(frames: "Sequence[Image.Image]", backbone: Backbone) -> "tuple[Image.Image, ...]":
    """What a backbone sees of frames, at a size for the eye: `Footage.shown`, before anything has run."""
    times = max(1, math.ceil(_SHOWN / min(backbone.input_size[-2:])))
    return tuple(backbone.fit(frame, times=times) for frame in frames)


def _still(crops: "Sequence[Image.Image]") -> bool:
    """Whether in no frame any block differs from the first frame's by more than compression makes it."""
    from PIL import Image

    size = (_BLOCKS, _BLOCKS)
    means = [np.asarray(crop.resize(size, Image.Resampling.BOX), dtype=np.int16) for crop in crops]
    return all(np.abs(mean - means[0]).mean(axis=-1).max() < _MOVING for mean in means[1:])


# Maps


@dataclass(frozen=True, eq=False)
class FootageMap:
    """One method's map of a clip, on the CPU: significance (D, T, rows, columns), D draws (five of random,
    else one). seconds: to make it, the proposal's pass included where the method looks. constant: no spread,
    so it ranks nothing and patches go by their index. explain: the class explained, None where none is."""

    name: str
    significance: Tensor
    seconds: float
    constant: bool
    explain: Explained | None

    def kept(self, count: int) -> Tensor:
        """The patches of the clip that stay, (D, k) ascending, counted frame by frame, row by row."""
        return top_patches(self.significance, count)


def footage_map(footage: Footage, method: str, explain: Explained, *, seed: int = 0) -> FootageMap:
    """One method's map. explain: see `scene.find_explained`.

    Raises:
        InvalidInput: no such method for clips. UnsupportedModel: not with this proposal.
    """
    check_method(method, footage.pair.proposal)
    start = time.perf_counter()
    significance, constant = clip_map(
        footage.pair, footage.seen, footage.features, method, explain.index, seed
    )
    about = METHODS[method]
    return FootageMap(
        name=method,
        significance=significance,
        seconds=time.perf_counter() - start + (footage.seconds if about.looks else 0),
        constant=constant,
        explain=explain if about.uses_class else None,
    )


def clip_map(
    pair: FramePair | TubePair, seen: Tensor, features: Tensor, method: str, class_index: int, seed: int
) -> tuple[Tensor, bool]:
    """A method's significance (D, T, rows, columns) on the CPU, from what `pair.look` gave; and whether the
    map is constant (then it is made exactly so)."""
    coarse = pair.coarse(seen, features, method, class_index, seed).detach().float().cpu()
    coarse, constant = constant_as_zeros(coarse)
    return pair.significance(coarse), constant


def early_map(pair: FramePair | TubePair, features: Sequence[Tensor], method: str) -> Tensor | None:
    """The significance (f, rows, columns) of the frames seen so far, from `open_footage`'s `partial`; None of
    a method that needs more than their features (the class that a CAM explains is known at the end)."""
    if METHODS[method].uses_class or not METHODS[method].looks:
        return None
    features = torch.cat(list(features))
    coarse = pair.coarse(features, features, method, 0, 0).detach().float().cpu()
    return pair.significance(coarse)[0]


# Answers


def full_answer(
    footage: Footage, *, progress: NamedProgress | None = None, partial: Partial | None = None
) -> Tensor:
    """The backbone's plain probabilities, (F, C) frame by frame; their mean is its answer to the clip.

    partial: called between batches of frames with the probabilities (f, C) of each batch so far.
    """
    return footage.pair.full(footage.images, _step(progress, "Full model", partial))


def pruned(
    footage: Footage,
    found: FootageMap,
    full: Tensor,
    keep_ratio: float,
    *,
    target: ClassLabel | None = None,
    progress: NamedProgress | None = None,
    partial: Partial | None = None,
) -> "PrunedClip":
    """Keep a map's best patches of the whole clip and see what the backbone says.

    full: `full_answer`. target: the class reported; None is the full model's top-1. partial: called between
    batches of frames with the probabilities (f, C) of each batch so far, of the first draw.

    Raises:
        InvalidInput: a keep ratio that is none.
    """
    pair, frames = footage.pair, len(footage)
    start = time.perf_counter()
    kept = found.kept(pair.num_kept(frames, keep_ratio))
    answers, run = [], {}
    for draw in kept:
        key = tuple(draw.tolist())
        if key not in run:
            step = _step(progress, "Pruned model", None if run else partial)
            run[key] = pair.answer(footage.images, draw, full, step)
        answers.append(run[key])
    seconds = time.perf_counter() - start
    whole = full.mean(dim=0)
    looked = pair.looking_gmacs(frames) if METHODS[found.name].looks else 0.0
    return PrunedClip(
        footage=footage,
        method=found,
        keep_ratio=float(keep_ratio),
        kept=kept[0],
        target=target or find_target(whole, pair.backbone, None),
        answer=find_target(whole, pair.backbone, None),
        full=whole,
        pruned=torch.stack(answers),
        gmacs_full=pair.gmacs(frames),
        gmacs_pruned=looked + pair.gmacs(frames, kept[0]),
        seconds=found.seconds + seconds,
    )


@dataclass(frozen=True, eq=False)
class Glance:
    """One picture of a stream: order (N,) of its patches, the most significant first; the backbone's
    probabilities (C,) from the first `kept` of them alone; seconds, both models."""

    order: Tensor
    kept: int
    probabilities: Tensor
    seconds: float


def glance(
    picture: "Image.Image",
    pair: FramePair | TubePair,
    *,
    method: str = "papr",
    keep_ratio: float = DEFAULT_KEEP_RATIO,
) -> Glance:
    """Prune one picture of a stream (a webcam's), squashed to the backbone's size; no plain pass runs.

    Raises:
        UnsupportedModel: models of clips. InvalidInput: as `check_method` and `selection.num_kept` say.
    """
    if isinstance(pair, TubePair):
        raise UnsupportedModel(f"{pair.backbone.name} looks at whole clips: choose two models of pictures.")
    check_method(method, pair.proposal)
    start = time.perf_counter()
    crops = [pair.backbone.fit(picture, "squash")]
    kept = pair.num_kept(1, keep_ratio)
    seen, features, probabilities = pair.look(crops, _step(None, ""))
    coarse = pair.coarse(seen, features, method, int(probabilities.argmax()), 0).detach().float().cpu()
    order = pair.significance(coarse[:1]).flatten().argsort(descending=True, stable=True)
    with torch.inference_mode():
        logits = pair.backbone(pair.view(crops), order[None, :kept].sort().values)
    return Glance(order, kept, as_probabilities(logits)[0], time.perf_counter() - start)


@dataclass(frozen=True, eq=False)
class PrunedClip:
    """One clip, pruned by one method at one keep ratio.

    kept (k,): patches of the clip that stay, of the first draw; full (C,) and pruned (D, C): probabilities of
    the plain and the pruned backbone; gmacs_pruned: with the proposal, where the method looks at the clip;
    seconds: map and pruned answer.
    """

    footage: Footage
    method: FootageMap
    keep_ratio: float
    kept: Tensor
    target: ClassLabel
    answer: ClassLabel
    full: Tensor
    pruned: Tensor
    gmacs_full: float
    gmacs_pruned: float
    seconds: float

    def __repr__(self) -> str:
        kept = f"{len(self.kept)} of {self.footage.num_patches} patches"
        return f"PrunedClip({len(self.footage)} frames, {self.target.label}, {self.method.name!r}: {kept})"

    @property
    def kept_answer(self) -> bool:
        """Whether the full model's top-1 stays on top (for random: in the first draw)."""
        return int(self.pruned[0].argmax()) == self.answer.index

    def each_frame(self) -> list[list[int]]:
        """The patches that each sampled frame keeps, counted row by row in it."""
        return [patches.tolist() for patches in self.footage.pair.each_frame(self.kept, len(self.footage))]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know to read the result rightly, a sentence each."""
        notes = []
        if self.footage.still:
            notes.append(STILL)
        if self.method.constant:
            notes.append("The map is constant: patches are kept in the order of their index.")
        if not self.footage.clip.exact:
            notes.append("This clip is long or large, so frames near its keyframes stand in for even ones.")
        return tuple(notes)

    def to_dict(self) -> dict[str, Any]:
        """The object that `video --json` prints."""
        footage, found, index = self.footage, self.method, self.target.index
        labels = footage.pair.backbone.labels
        confidences = self.pruned[:, index].tolist()
        info = footage.clip.info
        return {
            "clip": footage.name,
            "proposal": footage.pair.proposal.name,
            "backbone": footage.pair.backbone.name,
            "method": found.name,
            "keep_ratio": self.keep_ratio,
            "target": asdict(self.target),
            "explain": asdict(found.explain) if found.explain else None,
            "source": {**asdict(info), "seconds": rounded(info.seconds), "exact": footage.clip.exact},
            "grid": list(footage.grid),
            "frames": [
                {"time": rounded(when), "kept": len(patches)}
                for when, patches in zip(footage.clip.times, self.each_frame())
            ],
            "full": {
                "confidence": rounded(float(self.full[index])),
                "top": top_dicts(top_classes(self.full, labels)),
            },
            "pruned": {
                "confidence": rounded(statistics.fmean(confidences)),
                "confidence_low": rounded(min(confidences)),
                "confidence_high": rounded(max(confidences)),
                "kept_answer": self.kept_answer,
                "top": top_dicts(top_classes(self.pruned[0], labels)),
            },
            "patches": footage.num_patches,
            "kept": len(self.kept),
            "gmacs_full": rounded(self.gmacs_full),
            "gmacs_pruned": rounded(self.gmacs_pruned),
            "seconds": rounded(self.seconds),
            "notes": list(self.notes),
        }

    def figure(self, columns: int = 8) -> "Figure":
        """Two rows: sampled frames, evenly, and the same with pruned patches masked (Fig. 8, 18, 19)."""
        from papr_core.data.clips import evenly
        from papr_core.figures import Frame, clip_figure

        each, grid = self.each_frame(), self.footage.grid[1:]
        shown, times = self.footage.shown, self.footage.clip.times
        frames = [
            Frame(np.asarray(shown[i]), np.array(each[i], dtype=np.int64), times[i])
            for i in evenly(columns)(len(self.footage))
        ]
        return clip_figure(frames, grid, note=self.caption)

    @property
    def caption(self) -> str:
        """One line for below a figure."""
        models = self.footage.pair
        kept = f"{len(self.kept)} of {self.footage.num_patches} patches kept ({100 * self.keep_ratio:g} %)"
        return (
            f"{METHODS[self.method.name].title}. ConvNet: {models.proposal.title}. "
            f"Pruned: {models.backbone.title}. {kept}."
        )

    def save(self, folder: str | os.PathLike) -> Path:
        """Write original.mp4, masked.mp4 (both of the sampled frames), figure.png and video.json into a
        folder; gives its path. Files of these names are replaced; a failure leaves nothing half done."""
        from papr_core.figures import save_figure

        with saved_folder(folder) as draft:
            fps = self.footage.clip.fps
            write_clip(self.footage.shown, draft / "original.mp4", fps)
            write_clip(masked_frames(self), draft / "masked.mp4", fps)
            save_figure(self.figure(), draft / "figure.png")
            text = json.dumps(self.to_dict(), indent=2, allow_nan=False, ensure_ascii=False)
            (draft / "video.json").write_text(text + "\n", encoding="utf-8")
        return Path(folder)


def masked_frames(result: PrunedClip, look: str = "dim") -> list[np.ndarray]:
    """The frames with every pruned patch faded out, (H, W, 3) each. look: as for pictures."""
    from papr_core.figures import masked_image

    grid = result.footage.grid[1:]
    return [
        masked_image(np.asarray(frame), patches, grid, look=look)
        for frame, patches in zip(result.footage.shown, result.each_frame())
    ]


def _step(progress: NamedProgress | None, what: str, partial: Partial | None = None) -> Step:
    def step(done: int, of: int, found: Sequence[Tensor] = ()) -> None:
        if partial and any(map(len, found)):
            partial(list(found))
        if progress:
            progress(what, done, of)

    return step
