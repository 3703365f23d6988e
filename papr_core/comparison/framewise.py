"""An image pair on a clip: each frame is seen by itself, the budget is spent over all of them together.

PaPr, https://arxiv.org/abs/2403.16020, prunes images and, with video networks, clips. This lies between: no
video weights are needed, and the top patches of the whole clip stay, so frames that show more keep more.
Written from the paper; the rule is ours (design, decision 9).
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from papr_core.cost import backbone_gmacs, proposal_gmacs
from papr_core.data.clips import Pick, evenly
from papr_core.devices import as_probabilities, device_of
from papr_core.errors import UnsupportedModel
from papr_core.methods.table import METHODS, method_map
from papr_core.models.backbones.base import Backbone
from papr_core.models.proposals.base import Proposal
from papr_core.pruning.selection import num_kept
from papr_core.pruning.significance import patch_significance

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["FramePair", "check_backbone", "control_map"]

FRAMES = 32
_BATCH = 8  # frames at once

# step(done, of, found): called before each batch and after the last; found: what those so far gave, if told
Step = Callable[..., None]


class FramePair:
    """A ConvNet and a ViT of images on a clip of F frames, whose patches are a grid (F, rows, columns).

    pick: the frames of a clip that it sees.

    Raises:
        UnsupportedModel: a backbone whose patches are not tokens, or that has no classes.
    """

    pick = staticmethod(evenly(FRAMES))

    def __init__(self, proposal: Proposal, backbone: Backbone) -> None:
        check_backbone(backbone.name, backbone.family, backbone.headless)
        self.proposal, self.backbone = proposal, backbone

    def picks(self, times: int) -> list[Pick]:
        """The frames that it sees at each of so many times: evenly in as many equal parts of the clip."""
        return [evenly(FRAMES, part, times) for part in range(times)]

    def grid(self, frames: int) -> tuple[int, int, int]:
        """(F, rows, columns) of a clip's patches."""
        return (frames, *self.backbone.grid)

    def num_kept(self, frames: int, keep_ratio: float) -> int:
        """How many patches of the whole clip stay."""
        backbone = self.backbone
        return num_kept(
            frames * backbone.num_patches, keep_ratio, num_prefix_tokens=frames * backbone.num_prefix_tokens
        )

    def view(self, crops: "Sequence[Image.Image]") -> Tensor:
        """The backbone's crops of all frames as it wants them, (F, 3, H, W)."""
        return torch.cat([self.backbone.view(crop) for crop in crops]).to(device_of(self.backbone))

    def look(self, crops: "Sequence[Image.Image]", step: Step) -> tuple[Tensor, Tensor, Tensor]:
        """The proposal's pass: what it sees (F, 3, h, w), its features (F, K, h', w') and its probabilities
        of the clip (C,), the mean over frames."""
        seen = torch.cat([self.proposal.view(crop) for crop in crops]).to(device_of(self.proposal))
        features, probabilities = [], []
        with torch.inference_mode():
            for batch in _batches(range(len(seen)), step, features):
                features.append(self.proposal.features(seen[batch]))
                probabilities.append(as_probabilities(self.proposal.logits(features[-1])))
        # a copy is no inference tensor: gradients are taken with respect to it
        return seen, torch.cat(features).clone(), torch.cat(probabilities).mean(dim=0)

    def coarse(self, seen: Tensor, features: Tensor, method: str, class_index: int, seed: int) -> Tensor:
        """A method's map before it is resized, (D, F, h, w).

        Random is drawn over all patches of the clip at once; the centre is that of each frame.
        """
        if METHODS[method].looks:
            maps = method_map(
                method, self.proposal, seen, features, class_index=class_index, grid=self.backbone.grid
            )  # (F, 1, h, w)
            return maps.transpose(0, 1)
        return control_map(method, self.proposal, seen[:1], features[:1], self.grid(len(features)), seed)

    def significance(self, coarse: Tensor) -> Tensor:
        """(D, F, h, w) resized frame by frame: (D, F, rows, columns)."""
        maps = patch_significance(coarse.flatten(0, 1), self.backbone.grid)
        return maps.unflatten(0, coarse.shape[:2])

    def full(self, images: Tensor, step: Step) -> Tensor:
        """The backbone's plain answer to each frame: (F, C). Their mean is its answer to the clip."""
        rows: list[Tensor] = []
        with torch.inference_mode():
            for batch in _batches(range(len(images)), step, rows):
                rows.append(as_probabilities(self.backbone(images[batch])))
        return torch.cat(rows)

    def answer(self, images: Tensor, kept: Tensor, full: Tensor, step: Step) -> Tensor:
        """The backbone's answer to the clip from kept patches (k,) alone: the mean (C,) over the frames run.

        Frames with as many patches share a batch; one that keeps nothing is not run, and one that keeps all
        has its answer in `full` (F, C) already.
        """
        each = self.each_frame(kept, len(images))
        groups: dict[int, list[int]] = defaultdict(list)
        for frame, patches in enumerate(each):
            groups[len(patches)].append(frame)
        whole = groups.pop(self.backbone.num_patches, [])
        groups.pop(0, None)
        rows = [full[whole]]
        waiting = [group[i : i + _BATCH] for group in groups.values() for i in range(0, len(group), _BATCH)]
        with torch.inference_mode():
            for done, frames in enumerate(waiting):
                step(done, len(waiting), rows)
                patches = torch.stack([each[frame] for frame in frames]).to(images.device)
                rows.append(as_probabilities(self.backbone(images[frames], patches)))
        step(len(waiting), len(waiting), rows)
        return torch.cat(rows).mean(dim=0)

    def each_frame(self, kept: Tensor, frames: int) -> list[Tensor]:
        """Patches of the clip (k,), ascending, as patches of each frame, counted row by row in it."""
        per = self.backbone.num_patches
        edges = torch.searchsorted(kept, torch.arange(frames + 1) * per).tolist()
        return [kept[edges[i] : edges[i + 1]] - i * per for i in range(frames)]

    def gmacs(self, frames: int, kept: Tensor | None = None) -> float:
        """Billions of multiply-accumulates of the backbone on a clip, plain or with these patches (k,)."""
        if kept is None:
            return frames * self._frame_gmacs(self.backbone.num_patches)
        return sum(
            self._frame_gmacs(len(patches)) for patches in self.each_frame(kept, frames) if len(patches)
        )

    def _frame_gmacs(self, count: int) -> float:
        return sum(
            cost * math.prod((count - other) / (place - other) for other, _ in self._costs if other != place)
            for place, cost in self._costs
        )

    @cached_property
    def _costs(self) -> list[tuple[int, float]]:
        """GMACs at up to three counts of patches, which tell those at all counts: attention's grow with the
        square of the tokens, all others in proportion."""
        backbone, everything = self.backbone, self.backbone.num_patches
        tokens = everything + backbone.num_prefix_tokens
        return [
            (count, backbone_gmacs(backbone, 1 if count == everything else count / tokens))
            for count in sorted({1, (everything + 1) // 2, everything})
        ]

    def looking_gmacs(self, frames: int) -> float:
        """The same of the proposal's features."""
        return frames * self._looking

    @cached_property
    def _looking(self) -> float:
        return proposal_gmacs(self.proposal)


def control_map(
    method: str, proposal: Proposal, seen: Tensor, features: Tensor, grid: tuple[int, int, int], seed: int
) -> Tensor:
    """Random or centre on a clip's grid (T, rows, columns): (D, T, rows, columns)."""
    if method == "center":
        return method_map(method, proposal, seen, features, grid=grid[1:])[0].unsqueeze(1).expand(-1, *grid)
    return method_map(method, proposal, seen, features, grid=grid, seed=seed)[0]


def check_backbone(name: str, family: str | None, headless: bool) -> None:
    """Raise UnsupportedModel for a backbone that has no classes, or whose patches are not tokens. family:
    None where not known."""
    if headless:
        raise UnsupportedModel(f"{name} has no classifier, so a clip gets no answer from it.")
    if family not in ("tokens", None):
        why = "a clip's frames keep unequal numbers of patches, and it needs equal ones"
        raise UnsupportedModel(f"{name} cannot prune a clip: {why}; choose a ViT.")


def _batches(frames: range, step: Step, found: list[Tensor]) -> Iterator[slice]:
    for start in range(0, len(frames), _BATCH):
        step(start, len(frames), found)
        yield slice(start, start + _BATCH)
    step(len(frames), len(frames), found)
