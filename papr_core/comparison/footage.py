"""One clip in steps: its frames and what the proposal sees in them, each method's map, the plain answer.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 5. Written from the paper. What `scene` is for a picture; `video`
goes all the steps at once. How the frames go through the models is the pair's (`ClipPair`).
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from papr_core.comparison.clip_pair import ClipPair, Step
from papr_core.comparison.maps import MethodMap, finished, map_of
from papr_core.comparison.seen import Explained, Seen
from papr_core.data.clips import Clip
from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.methods import table as _methods
from papr_core.methods.table import METHODS
from papr_core.models.backbones.base import Backbone
from papr_core.models.proposals.base import Proposal

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "STILL",
    "VIDEO_METHODS",
    "Footage",
    "NamedProgress",
    "Partial",
    "check_method",
    "clip_map",
    "early_map",
    "footage_map",
    "full_answer",
    "open_footage",
    "shown_frames",
    "step_of",
]

VIDEO_METHODS = ("papr", "cam", "grad-cam", "random", "center", "reversed")
STILL = "Nothing moves in this clip, so time adds no information."
_SHOWN = 320  # pixels that a frame has at least on its shorter side, for the eye
_BLOCKS = 14  # across and down a frame, in which it is looked for movement
_MOVING = 6.0  # of 255: what compression and a camera's noise do to the mean of a still block stays below

NamedProgress = Callable[[str, int, int], None]  # (what, done, of)
Partial = Callable[[list[Tensor]], None]


@dataclass(frozen=True, eq=False, kw_only=True)
class Footage(Seen):
    """The sampled frames of a clip, cropped once by the backbone's rule, and the proposal's pass over them.

    shown: the crops at a size for the eye, the same region and grid; backbone_images (F, 3, H, W); pair: how
    they go through both models; still: nothing moves.
    """

    name: str
    clip: Clip
    pair: ClipPair
    shown: "tuple[Image.Image, ...]"
    still: bool

    def __len__(self) -> int:
        return len(self.shown)

    @property
    def grid(self) -> tuple[int, int, int]:
        """(T, rows, columns) of the clip's patches."""
        return self.pair.grid(len(self))


def open_footage(
    clip: Clip,
    pair: ClipPair,
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
    seen, features, probabilities = pair.look(crops, step_of(progress, "ConvNet", partial))
    return Footage(
        name=name,
        clip=clip,
        pair=pair,
        proposal=pair.proposal,
        backbone=pair.backbone,
        shown=shown,
        backbone_images=images,
        proposal_images=seen,
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


def check_method(name: str, proposal: Proposal | None = None) -> None:
    """Raise InvalidInput or UnsupportedModel for a method that does not work on clips, or with a proposal."""
    _methods.find_method(name)
    if name not in VIDEO_METHODS:
        offered = ", ".join(VIDEO_METHODS)
        raise InvalidInput(f"{METHODS[name].title} is not offered for clips; there are {offered}.")
    if proposal is not None and (reason := _methods.refusal(name, proposal)):
        raise UnsupportedModel(reason)


def footage_map(footage: Footage, method: str, explain: Explained, *, seed: int = 0) -> MethodMap:
    """One method's map. explain: see `seen.find_explained`.

    Raises:
        InvalidInput: no such method for clips. UnsupportedModel: not with this proposal.
    """
    check_method(method, footage.proposal)
    looked = (footage.proposal_images, footage.features)
    return map_of(footage, method, explain, lambda: footage.pair.coarse(*looked, method, explain.index, seed))


def clip_map(
    pair: ClipPair, seen: Tensor, features: Tensor, method: str, class_index: int, seed: int
) -> tuple[Tensor, bool]:
    """A method's significance (D, T, rows, columns) on the CPU, from what `pair.look` gave; and whether the
    map is constant (then it is made exactly so)."""
    coarse = pair.coarse(seen, features, method, class_index, seed)
    _, significance, constant = finished(coarse, pair.backbone.grid)
    return significance, constant


def early_map(pair: ClipPair, features: Sequence[Tensor], method: str) -> Tensor | None:
    """The significance (f, rows, columns) of the frames seen so far, from `open_footage`'s `partial`; None of
    a method that needs more than their features (the class that a CAM explains is known at the end)."""
    if METHODS[method].uses_class or not METHODS[method].looks:
        return None
    seen = torch.cat(list(features))
    return clip_map(pair, seen, seen, method, 0, 0)[0][0]


# Answers


def full_answer(
    footage: Footage, *, progress: NamedProgress | None = None, partial: Partial | None = None
) -> Tensor:
    """The backbone's plain probabilities, (F, C) frame by frame; their mean is its answer to the clip.

    partial: called between batches of frames with the probabilities (f, C) of each batch so far.
    """
    return footage.pair.full(footage.backbone_images, step_of(progress, "Full model", partial))


def step_of(progress: NamedProgress | None, what: str, partial: Partial | None = None) -> Step:
    """What a pair's `step` is, of one thing that is done."""

    def step(done: int, of: int, found: Sequence[Tensor] = ()) -> None:
        if partial and any(map(len, found)):
            partial(list(found))
        if progress:
            progress(what, done, of)

    return step
