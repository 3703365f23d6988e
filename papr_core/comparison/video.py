"""The main job on clips: from a clip to the kept patches, the masked clip and what the backbone still says.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 5, Fig. 8, 18 and 19. Written from the paper.

What `comparison` is for a picture: `prune_clip` goes the steps of `footage` and then `pruned`; the page goes
them one by one.
"""

import json
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

from papr_core.comparison.clip_pair import ClipPair, FramePair, TubePair, check_backbone
from papr_core.comparison.footage import (
    STILL,
    VIDEO_METHODS,
    Footage,
    NamedProgress,
    Partial,
    check_method,
    clip_map,
    early_map,
    footage_map,
    full_answer,
    open_footage,
    shown_frames,
    step_of,
)
from papr_core.comparison.maps import MethodMap
from papr_core.comparison.results import rounded, top_classes, top_dicts
from papr_core.comparison.seen import ClassLabel, class_label
from papr_core.cost import spent
from papr_core.data.clips import Clip, read_clip, write_clip
from papr_core.devices import as_probabilities
from papr_core.errors import UnsupportedModel
from papr_core.methods.table import METHODS
from papr_core.models.backbones.base import Backbone
from papr_core.models.catalog import find, sees_clips
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.models.proposals.base import Proposal
from papr_core.pruning.selection import DEFAULT_KEEP_RATIO
from papr_core.saving import saved_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

__all__ = [
    "DEFAULT_CLIP_PROPOSAL",
    "STILL",
    "VIDEO_METHODS",
    "Footage",
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
    aim, explained = footage.classes(full.mean(dim=0), target, explain)
    found = footage_map(footage, method, explained, seed=seed)
    return pruned(footage, found, full, keep_ratio, target=aim, progress=progress)


def load_pair(
    proposal: str | Proposal | None = None,
    backbone: str | Backbone | None = None,
    *,
    device: str | torch.device = "cpu",
    progress: NamedProgress | None = None,
) -> ClipPair:
    """Two models by their names, of pictures or of clips; by default the page's own, and X3D-S for a
    backbone of clips.

    Raises:
        UnsupportedModel: two that do not go together; and all that loading a model may say.
    """
    from papr_core.models.backbones import load_backbone
    from papr_core.models.proposals import load_proposal

    def told(what: str) -> Callable[[int, int], None] | None:
        return step_of(progress, what) if progress else None

    backbone = DEFAULT_BACKBONE if backbone is None else backbone
    if proposal is None:
        proposal = DEFAULT_CLIP_PROPOSAL if sees_clips(backbone, "backbone") else DEFAULT_PROPOSAL
    check_pair(proposal, backbone)  # before anything is downloaded
    if isinstance(proposal, str):
        proposal = load_proposal(proposal, device=device, progress=told("ConvNet's weights"))
    if isinstance(backbone, str):
        backbone = load_backbone(backbone, device=device, progress=told("Backbone's weights"))
    return find_pair(proposal, backbone)


def find_pair(proposal: Proposal, backbone: Backbone) -> ClipPair:
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


# Answers


def pruned(
    footage: Footage,
    found: MethodMap,
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
    answers: list[Tensor] = []
    run: dict[tuple[int, ...], Tensor] = {}
    for draw in kept:
        key = tuple(draw.tolist())
        if key not in run:
            step = step_of(progress, "Pruned model", None if run else partial)
            run[key] = pair.answer(footage.backbone_images, draw, full, step)
        answers.append(run[key].nanmean(dim=0))
    seconds = time.perf_counter() - start
    whole = full.mean(dim=0)
    answer = class_label(pair.backbone.labels, int(whole.argmax()))
    looks, alone = METHODS[found.name].looks, pair.gmacs(frames, kept[0])
    return PrunedClip(
        footage=footage,
        method=found,
        keep_ratio=float(keep_ratio),
        kept=kept[0],
        target=target or answer,
        answer=answer,
        full=whole,
        pruned=torch.stack(answers),
        framewise=(full, next(iter(run.values()))) if len(full) == frames > 1 else None,
        gmacs_full=pair.gmacs(frames),
        gmacs_pruned=spent(alone, pair.looking_gmacs(frames), looks=looks)["gmacs"],
        seconds=found.seconds + seconds,
    )


@dataclass(frozen=True, eq=False)
class Glance:
    """One picture of a stream: order (N,) of its patches, the most significant first; the backbone's
    probabilities (C,) from the first `kept` of them alone, and `full` (C,) from all; seconds: both models,
    pruned; full_seconds: the plain backbone."""

    order: Tensor
    kept: int
    probabilities: Tensor
    full: Tensor
    seconds: float
    full_seconds: float


def glance(
    picture: "Image.Image",
    pair: ClipPair,
    *,
    method: str = "papr",
    keep_ratio: float = DEFAULT_KEEP_RATIO,
) -> Glance:
    """Prune one picture of a stream (a webcam's), squashed to the backbone's size, and run the plain
    backbone beside.

    Raises:
        UnsupportedModel: models of clips. InvalidInput: as `check_method` and `selection.num_kept` say.
    """
    if isinstance(pair, TubePair):
        raise UnsupportedModel(f"{pair.backbone.name} looks at whole clips: choose two models of pictures.")
    check_method(method, pair.proposal)
    start = time.perf_counter()
    crops = [pair.backbone.fit(picture, "squash")]
    kept = pair.num_kept(1, keep_ratio)
    seen, features, probabilities = pair.look(crops, step_of(None, ""))
    significance, _ = clip_map(pair, seen, features, method, int(probabilities.argmax()), 0)
    order = significance[0].flatten().argsort(descending=True, stable=True)
    images = pair.view(crops)
    with torch.inference_mode():
        probabilities = as_probabilities(pair.backbone(images, order[None, :kept].sort().values))[0]
        pruned_at = time.perf_counter()
        full = as_probabilities(pair.backbone(images))[0]
    return Glance(order, kept, probabilities, full, pruned_at - start, time.perf_counter() - pruned_at)


@dataclass(frozen=True, eq=False)
class PrunedClip:
    """One clip, pruned by one method at one keep ratio.

    kept (k,): patches of the clip that stay, of the first draw; full (C,) and pruned (D, C): probabilities of
    the plain and the pruned backbone; framewise: the same of the first draw frame by frame, (F, C) each, NaN
    in a frame that keeps nothing, or None where the backbone answers to the clip as a whole; gmacs_pruned:
    with the proposal, where the method looks at the clip; seconds: map and pruned answer.
    """

    footage: Footage
    method: MethodMap
    keep_ratio: float
    kept: Tensor
    target: ClassLabel
    answer: ClassLabel
    full: Tensor
    pruned: Tensor
    framewise: tuple[Tensor, Tensor] | None
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

    def said_in_frames(self) -> list[tuple[int, int | None]] | None:
        """In each sampled frame the top-1 of all its patches and of those kept, None where none is; where
        they differ, that frame's answer is lost. None for a backbone that answers to the clip as a whole."""
        if self.framewise is None:
            return None
        full, kept = self.framewise
        seen = ~kept[:, 0].isnan()
        tops = kept.nan_to_num(0).argmax(dim=-1).tolist()
        each = zip(full.argmax(dim=-1).tolist(), tops, seen.tolist())
        return [(top, pruned if there else None) for top, pruned, there in each]

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
        said = self.said_in_frames()
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
                {
                    "time": rounded(when),
                    "kept": len(patches),
                    "kept_answer": said[i][0] == said[i][1] if said else None,
                }
                for i, (when, patches) in enumerate(zip(footage.clip.times, self.each_frame()))
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

    def figure(self, columns: int = 8, *, look: str = "dim", beside: "PrunedClip | None" = None) -> "Figure":
        """Two rows: sampled frames, evenly, and the same with pruned patches masked (Fig. 8, 18, 19). beside:
        the same clip at the same keep ratio by another method, in a row below."""
        from papr_core.data.clips import evenly
        from papr_core.figures import Frame, clip_figure

        shown, times = self.footage.shown, self.footage.clip.times
        rows = [one.each_frame() for one in (self, beside) if one]
        frames = [
            Frame(np.asarray(shown[i]), tuple(np.array(each[i], dtype=np.int64) for each in rows), times[i])
            for i in evenly(columns)(len(self.footage))
        ]
        titles = [METHODS[one.method.name].title for one in (self, beside) if one]
        return clip_figure(
            frames,
            self.footage.grid[1:],
            titles=titles if beside else (),
            note=self._caption(titles),
            look=look,
        )

    @property
    def caption(self) -> str:
        """One line for below a figure."""
        return self._caption([METHODS[self.method.name].title])

    def _caption(self, titles: Sequence[str]) -> str:
        models = self.footage.pair
        kept = f"{len(self.kept)} of {self.footage.num_patches} patches kept ({100 * self.keep_ratio:g} %)"
        return (
            f"{' and '.join(titles)}. ConvNet: {models.proposal.title}. "
            f"Pruned: {models.backbone.title}. {kept}."
        )

    def save(
        self, folder: str | os.PathLike, *, look: str = "dim", beside: "PrunedClip | None" = None
    ) -> Path:
        """Write original.mp4, masked.mp4 (both of the sampled frames), figure.png and video.json into a
        folder; gives its path. look: of pruned patches. beside: the same clip at the same keep ratio by
        another method, which then stands to the right in masked.mp4, below in the figure, and under
        `beside` in video.json. Files of these names are replaced; a failure leaves nothing half done."""
        from papr_core.figures import save_figure

        with saved_folder(folder) as draft:
            fps = self.footage.clip.fps
            write_clip(self.footage.shown, draft / "original.mp4", fps)
            masked = zip(*(masked_frames(one, look) for one in (self, beside) if one))
            write_clip([np.concatenate(both, axis=1) for both in masked], draft / "masked.mp4", fps)
            save_figure(self.figure(look=look, beside=beside), draft / "figure.png")
            told = self.to_dict() | ({"beside": beside.to_dict()} if beside else {})
            text = json.dumps(told, indent=2, allow_nan=False, ensure_ascii=False)
            (draft / "video.json").write_text(text + "\n", encoding="utf-8")
        return Path(folder)


def masked_frames(result: PrunedClip, look: str = "dim", *, night: bool = False) -> list[np.ndarray]:
    """The frames with every pruned patch faded out, (H, W, 3) each. look, night: as for pictures."""
    from papr_core.figures import masked_image

    grid = result.footage.grid[1:]
    return [
        masked_image(np.asarray(frame), patches, grid, look=look, night=night)
        for frame, patches in zip(result.footage.shown, result.each_frame())
    ]
