"""Two models on a clip, which goes through them in parts: two of images frame by frame, two of clips at once.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 5, prunes images and, with video networks, clips. Frame by frame
lies between: no video weights are needed, and the top patches of the whole clip stay, so frames that show
more keep more. Written from the paper; the rule is ours (design, decision 9).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from papr_core.comparison.maps import on_grid
from papr_core.cost import backbone_gmacs, gmacs_by_ratio, proposal_gmacs
from papr_core.data.clips import Pick, evenly, strided
from papr_core.devices import as_probabilities, device_of
from papr_core.errors import UnsupportedModel
from papr_core.methods.table import METHODS, method_map
from papr_core.models.backbones.base import Backbone
from papr_core.models.proposals.base import Proposal
from papr_core.pruning.reductions.base import Reduction
from papr_core.pruning.selection import num_kept

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["STRIDE", "ClipPair", "FramePair", "Step", "TubePair", "check_backbone"]

FRAMES = 32
STRIDE = 4  # frames from one that VideoMAE sees to the next
_BATCH = 8  # parts at once

# step(done, of, found): called before each batch and after the last; found: what those so far gave, of a clip
# in several parts
Step = Callable[..., None]


class ClipPair:
    """A proposal and a backbone on a clip of F frames, in B parts, whose patches (T, rows, columns) are all
    ranked together."""

    def __init__(self, proposal: Proposal, backbone: Backbone) -> None:
        self.proposal, self.backbone = proposal, backbone
        self._costs: dict[tuple[int, Reduction | None], float] = {}

    # In which the two kinds differ

    def picks(self, times: int) -> list[Pick]:
        """The frames that it sees at each of so many times of a clip."""
        raise NotImplementedError

    def num_parts(self, frames: int) -> int:
        """B."""
        raise NotImplementedError

    def seen(self, crops: "Sequence[Image.Image]") -> Tensor:
        """The backbone's crops of all frames as the proposal wants them, (B, 3, ...)."""
        raise NotImplementedError

    def parts(self, images: Tensor) -> Tensor:
        """The frames as the backbone wants them (F, 3, H, W), in parts."""
        raise NotImplementedError

    # What they share

    @property
    def pick(self) -> Pick:
        """The frames of a clip that it sees."""
        return self.picks(1)[0]

    def grid(self, frames: int) -> tuple[int, int, int]:
        """(T, rows, columns) of a clip's patches."""
        times, rows, columns = (self.num_parts(frames), *self.backbone.grid)[-3:]
        return times, rows, columns

    def num_kept(self, frames: int, keep_ratio: float) -> int:
        """How many patches of the whole clip stay."""
        parts, backbone = self.num_parts(frames), self.backbone
        return num_kept(
            parts * backbone.num_patches, keep_ratio, num_prefix_tokens=parts * backbone.num_prefix_tokens
        )

    def view(self, crops: "Sequence[Image.Image]") -> Tensor:
        """The backbone's crops of all frames as it wants them, (F, 3, H, W)."""
        return torch.cat([self.backbone.view(crop) for crop in crops]).to(device_of(self.backbone))

    def look(self, crops: "Sequence[Image.Image]", step: Step) -> tuple[Tensor, Tensor, Tensor]:
        """The proposal's pass: what it sees (B, 3, ...), its features (B, K, ...) and its probabilities of
        the clip (C,), the mean over parts."""
        seen = self.seen(crops).to(device_of(self.proposal))
        features: list[Tensor] = []
        probabilities = []
        with torch.inference_mode():
            for batch in _batches(len(seen), step, features):
                features.append(self.proposal.features(seen[batch]))
                probabilities.append(as_probabilities(self.proposal.logits(features[-1])))
        # a copy is no inference tensor: gradients are taken with respect to it
        return seen, torch.cat(features).clone(), torch.cat(probabilities).mean(dim=0)

    def coarse(self, seen: Tensor, features: Tensor, method: str, class_index: int, seed: int) -> Tensor:
        """A method's map before it is resized, (D, t, h, w).

        Random is drawn over all patches of the clip at once; the centre is that of each time step.
        """
        if METHODS[method].looks:
            maps = method_map(
                method, self.proposal, seen, features, class_index=class_index, grid=self.backbone.grid
            )  # (B, D, h, w) or (1, D, t, h, w)
            return maps.transpose(0, 1).reshape(maps.shape[1], -1, *maps.shape[-2:])
        grid = self.grid(len(features))
        of_frame = method == "center"
        maps = method_map(
            method, self.proposal, seen[:1], features[:1], grid=grid[1:] if of_frame else grid, seed=seed
        )[0]
        return maps.unsqueeze(1).expand(-1, *grid) if of_frame else maps

    def significance(self, coarse: Tensor) -> Tensor:
        """(D, t, h, w) resized, frame by frame or in space and time: (D, T, rows, columns)."""
        return on_grid(coarse, self.backbone.grid)

    def full(self, images: Tensor, step: Step, reduction: Reduction | None = None) -> Tensor:
        """The backbone's answer to each part, all of whose tokens may be reduced: (B, C). Their mean is its
        answer to the clip."""
        parts = self.parts(images)
        rows: list[Tensor] = []
        with torch.inference_mode():
            for batch in _batches(len(parts), step, rows):
                rows.append(as_probabilities(self.backbone(parts[batch], reduction=reduction)))
        return torch.cat(rows)

    def answer(
        self, images: Tensor, kept: Tensor, full: Tensor, step: Step, reduction: Reduction | None = None
    ) -> Tensor:
        """The backbone's answer to each part from kept patches (k,) alone, which may be reduced, (B, C): NaN
        where a part keeps nothing. The mean over the others is its answer to the clip.

        Parts with as many patches share a batch; one that keeps nothing is not run, and one that keeps all
        has its answer in `full` (B, C) already. step: is given the rows that are there so far.
        """
        parts, each = self.parts(images), self._split(kept, self.num_parts(len(images)))
        groups: dict[int, list[int]] = defaultdict(list)
        for part, patches in enumerate(each):
            groups[len(patches)].append(part)
        answers = torch.full_like(full, torch.nan)
        whole = groups.pop(self.backbone.num_patches, []) if reduction is None else []
        answers[whole] = full[whole]
        groups.pop(0, None)
        rows = [full[whole]]
        told = rows if len(each) > 1 else []
        waiting = [group[i : i + _BATCH] for group in groups.values() for i in range(0, len(group), _BATCH)]
        with torch.inference_mode():
            for done, some in enumerate(waiting):
                step(done, len(waiting), told)
                patches = torch.stack([each[part] for part in some]).to(images.device)
                rows.append(as_probabilities(self.backbone(parts[some], patches, reduction=reduction)))
                answers[some] = rows[-1]
        step(len(waiting), len(waiting), told)
        return answers

    def each_frame(self, kept: Tensor, frames: int) -> list[Tensor]:
        """Patches of the clip (k,), ascending, as patches of each frame, counted row by row in it; the frames
        of a tubelet share them."""
        times = self.grid(frames)[0]
        each = self._split(kept, times)
        return [each[i * times // frames] for i in range(frames)]

    def _split(self, kept: Tensor, pieces: int) -> list[Tensor]:
        """Patches (k,), ascending, as those of each of so many equal pieces of the clip."""
        per = self.backbone.num_patches * self.num_parts(pieces) // pieces
        edges = torch.searchsorted(kept, torch.arange(pieces + 1) * per).tolist()
        return [kept[edges[i] : edges[i + 1]] - i * per for i in range(pieces)]

    def gmacs(self, frames: int, kept: Tensor | None = None, reduction: Reduction | None = None) -> float:
        """Billions of multiply-accumulates of the backbone on a clip, plain or with these patches (k,), or
        reduced."""
        parts = self.num_parts(frames)
        everything = [self.backbone.num_patches] * parts
        counts = everything if kept is None else [len(patches) for patches in self._split(kept, parts)]
        return sum(self._part_gmacs(count, reduction) for count in counts if count)

    def _part_gmacs(self, count: int, reduction: Reduction | None) -> float:
        if (count, reduction) not in self._costs:
            backbone, everything = self.backbone, self.backbone.num_patches
            ratio = 1 if count == everything else count / (everything + backbone.num_prefix_tokens)
            self._costs[count, reduction] = (
                backbone_gmacs(backbone, ratio, reduction=reduction) if reduction else self._at_ratio(ratio)
            )
        return self._costs[count, reduction]

    @cached_property
    def _at_ratio(self) -> Callable[[float], float]:
        return gmacs_by_ratio(self.backbone)

    def looking_gmacs(self, frames: int) -> float:
        """The same of the proposal's features."""
        return self.num_parts(frames) * self._looking

    @cached_property
    def _looking(self) -> float:
        return proposal_gmacs(self.proposal)


def _batches(count: int, step: Step, found: list[Tensor]) -> Iterator[slice]:
    told = found if count > 1 else []
    for start in range(0, count, _BATCH):
        step(start, count, told)
        yield slice(start, start + _BATCH)
    step(count, count, told)


class FramePair(ClipPair):
    """A ConvNet and a ViT of images: a clip's parts are its frames, (F, 3, H, W), and so are its time steps.

    Raises:
        UnsupportedModel: a backbone whose patches are not tokens, or that has no classes.
    """

    def __init__(self, proposal: Proposal, backbone: Backbone) -> None:
        check_backbone(backbone.name, backbone.family, backbone.headless)
        super().__init__(proposal, backbone)

    def picks(self, times: int) -> list[Pick]:
        """The frames that it sees at each of so many times: evenly in as many equal parts of the clip."""
        return [evenly(FRAMES, part, times) for part in range(times)]

    def num_parts(self, frames: int) -> int:
        return frames

    def seen(self, crops: "Sequence[Image.Image]") -> Tensor:
        return torch.cat([self.proposal.view(crop) for crop in crops])

    def parts(self, images: Tensor) -> Tensor:
        return images


def check_backbone(name: str, family: str | None, headless: bool) -> None:
    """Raise UnsupportedModel for a backbone that has no classes, or whose patches are not tokens. family:
    None where not known."""
    if headless:
        raise UnsupportedModel(f"{name} has no classifier, so a clip gets no answer from it.")
    if family not in ("tokens", None):
        why = "a clip's frames keep unequal numbers of patches, and it needs equal ones"
        raise UnsupportedModel(f"{name} cannot prune a clip: {why}; choose a ViT.")


class TubePair(ClipPair):
    """A video ConvNet and a backbone of tubelets: a clip is one part, (1, F, 3, H, W), seen by the ConvNet as
    (1, 3, T, h, w); its grid is the backbone's own, whatever was sampled."""

    def picks(self, times: int) -> list[Pick]:
        """The frames that it sees, every fourth, at each of so many times from the clip's start to its end;
        once, from its middle."""
        wheres = [i / (times - 1) for i in range(times)] if times > 1 else [0.5]
        return [strided(self.backbone.input_size[0], STRIDE, where) for where in wheres]

    def num_parts(self, frames: int) -> int:
        return 1

    def seen(self, crops: "Sequence[Image.Image]") -> Tensor:
        return self.proposal.view(crops)

    def parts(self, images: Tensor) -> Tensor:
        return images.unsqueeze(0)
