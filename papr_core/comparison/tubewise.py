"""A pair of video networks on a clip: all its tubelets are ranked at once.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 5. Written from the paper.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from papr_core.comparison.framewise import Step, control_map
from papr_core.cost import backbone_gmacs, proposal_gmacs
from papr_core.data.clips import Pick, strided
from papr_core.devices import as_probabilities, device_of
from papr_core.methods.table import METHODS, method_map
from papr_core.models.backbones.base import Backbone
from papr_core.models.proposals.base import Proposal
from papr_core.pruning.reductions.base import Reduction
from papr_core.pruning.significance import patch_significance

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["STRIDE", "TubePair"]

STRIDE = 4  # frames from one that VideoMAE sees to the next


class TubePair:
    """A video ConvNet and a backbone of tubelets: what `framewise.FramePair` is for two models of images."""

    def __init__(self, proposal: Proposal, backbone: Backbone) -> None:
        self.proposal, self.backbone = proposal, backbone
        self._costs: dict[tuple[int, Reduction | None], float] = {}

    @property
    def pick(self) -> Pick:
        """The frames that it sees: every fourth, from the middle of the clip."""
        return self.picks(1)[0]

    def picks(self, times: int) -> list[Pick]:
        """The frames that it sees at each of so many times, from the start of the clip to its end."""
        wheres = [i / (times - 1) for i in range(times)] if times > 1 else [0.5]
        return [strided(self.backbone.input_size[0], STRIDE, where) for where in wheres]

    def grid(self, frames: int) -> tuple[int, int, int]:
        """(T, rows, columns) of the clip's tubelets, whatever was sampled."""
        return self.backbone.grid

    def num_kept(self, frames: int, keep_ratio: float) -> int:
        """How many tubelets of the clip stay."""
        return self.backbone.num_kept(keep_ratio)

    def view(self, crops: "Sequence[Image.Image]") -> Tensor:
        """The backbone's crops of all frames as it wants them, (F, 3, H, W)."""
        return torch.cat([self.backbone.view(crop) for crop in crops]).to(device_of(self.backbone))

    def look(self, crops: "Sequence[Image.Image]", step: Step) -> tuple[Tensor, Tensor, Tensor]:
        """The proposal's pass: what it sees (1, 3, T, h, w), its features (1, K, t, h', w') and its
        probabilities (C,)."""
        step(0, 1)
        seen = self.proposal.view(crops).to(device_of(self.proposal))
        with torch.inference_mode():
            features = self.proposal.features(seen)
            probabilities = as_probabilities(self.proposal.logits(features))[0]
        step(1, 1)
        return seen, features.clone(), probabilities

    def coarse(self, seen: Tensor, features: Tensor, method: str, class_index: int, seed: int) -> Tensor:
        """A method's map before it is resized, (D, t, h, w)."""
        if not METHODS[method].looks:
            return control_map(method, self.proposal, seen, features, self.backbone.grid, seed)
        return method_map(
            method, self.proposal, seen, features, class_index=class_index, grid=self.backbone.grid
        )[0]

    def significance(self, coarse: Tensor) -> Tensor:
        """(D, t, h, w) resized in space and time, trilinear: (D, T, rows, columns)."""
        return patch_significance(coarse, self.backbone.grid)

    def full(self, images: Tensor, step: Step, reduction: Reduction | None = None) -> Tensor:
        """The backbone's answer from all tubelets, which may be reduced: (1, C)."""
        step(0, 1)
        with torch.inference_mode():
            row = as_probabilities(self.backbone(images.unsqueeze(0), reduction=reduction))
        step(1, 1)
        return row

    def answer(
        self, images: Tensor, kept: Tensor, full: Tensor, step: Step, reduction: Reduction | None = None
    ) -> Tensor:
        """The backbone's answer (C,) from kept tubelets (k,) alone, which may be reduced; `full` (1, C) is
        the plain one from all of them."""
        if reduction is None and len(kept) == self.backbone.num_patches:
            return full[0]
        step(0, 1)
        with torch.inference_mode():
            row = as_probabilities(
                self.backbone(images.unsqueeze(0), kept.unsqueeze(0), reduction=reduction)
            )[0]
        step(1, 1)
        return row

    def each_frame(self, kept: Tensor, frames: int) -> list[Tensor]:
        """The tubelets (k,), ascending, as patches of each frame; the frames of a tubelet share them."""
        times, rows, columns = self.backbone.grid
        per = rows * columns
        edges = torch.searchsorted(kept, torch.arange(times + 1) * per).tolist()
        each = [kept[edges[i] : edges[i + 1]] - i * per for i in range(times)]
        return [each[i * times // frames] for i in range(frames)]

    def gmacs(self, frames: int, kept: Tensor | None = None, reduction: Reduction | None = None) -> float:
        """Billions of multiply-accumulates of the backbone, plain or with these tubelets (k,), or reduced."""
        everything = self.backbone.num_patches
        count = everything if kept is None else len(kept)
        if (count, reduction) not in self._costs:
            self._costs[count, reduction] = backbone_gmacs(
                self.backbone, count / everything, reduction=reduction
            )
        return self._costs[count, reduction]

    def looking_gmacs(self, frames: int) -> float:
        """The same of the proposal's features."""
        return self._looking

    @cached_property
    def _looking(self) -> float:
        return proposal_gmacs(self.proposal)
