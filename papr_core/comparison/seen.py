"""What a pair of models has before any method: pictures as each sees them, the proposal's pass, which classes
are meant. A `Scene` is that of a picture, a `Footage` that of a clip.

*Target* is the class whose confidence is reported, *explain* the class that a class activation map explains.
A backbone without a classifier has neither target nor answer.
"""

import math
from dataclasses import dataclass

from torch import Tensor

from papr_core.errors import InvalidInput
from papr_core.models.backbones.base import Backbone
from papr_core.models.labels import Labels, match
from papr_core.models.proposals.base import Proposal

__all__ = [
    "ClassLabel",
    "Explained",
    "Seen",
    "class_label",
    "explain_refusal",
    "find_explained",
    "find_target",
    "matched",
]


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


@dataclass(frozen=True, eq=False, kw_only=True)
class Seen:
    """A picture, or the F frames of a clip, as a pair of models sees them.

    proposal_images and backbone_images, as each model sees them: (1, 3, h, w) and (1, 3, H, W) of a picture,
    of a clip as its pair says (`ClipPair`); features of the proposal, (1, K, h, w) of a picture;
    proposal_probabilities (C,), on the CPU; seconds: the proposal's pass.
    """

    proposal: Proposal
    backbone: Backbone
    proposal_images: Tensor
    backbone_images: Tensor
    features: Tensor
    proposal_probabilities: Tensor
    seconds: float

    @property
    def grid(self) -> tuple[int, ...]:
        """Patches: (rows, columns), of a clip (T, rows, columns)."""
        raise NotImplementedError

    @property
    def num_patches(self) -> int:
        return math.prod(self.grid)

    @property
    def proposal_answer(self) -> ClassLabel:
        """The proposal's own top-1."""
        return class_label(self.proposal.labels, int(self.proposal_probabilities.argmax()))

    def classes(
        self, full: Tensor, target: int | str | None, explain: int | str
    ) -> tuple[ClassLabel | None, Explained]:
        """Target and explain (`find_target`, `find_explained`) by the full model's probabilities (C,)."""
        aim = find_target(full, self.backbone, target)
        return aim, find_explained(self.proposal_probabilities, self.proposal, self.backbone, aim, explain)


def explain_refusal(proposal: Proposal, backbone: Backbone, target: int) -> str | None:
    """Why `explain="target"` cannot be had for a class of the backbone, in a sentence; None where it can."""
    if matched(backbone.labels, proposal.labels, target) is not None:
        return None
    return (
        f"{proposal.name} knows no class that matches {backbone.labels[target]!r} ({proposal.labels.name} "
        f"against {backbone.labels.name}), so it cannot explain the target, only its own answer."
    )


def find_target(probabilities: Tensor, backbone: Backbone, target: int | str | None) -> ClassLabel | None:
    """The class under study: as named, or the top-1 of the full model's probabilities (C,); None of a model
    without a classifier."""
    if backbone.headless:
        if target is not None:
            raise InvalidInput(f"{backbone.name} has no classifier, so there is no class to choose.")
        return None
    index = int(probabilities.argmax()) if target is None else backbone.labels.find(target)
    return class_label(backbone.labels, index)


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
    elif explain == "target":
        if target is None:
            raise InvalidInput(f"{backbone.name} has no classifier, so there is no target to explain.")
        same = matched(backbone.labels, proposal.labels, target.index)
        if same is None:
            raise InvalidInput(explain_refusal(proposal, backbone, target.index))
        mode, index = "target", same
    else:
        mode, index = "class", proposal.labels.find(explain)
    return Explained(mode, index, proposal.labels[index])


def matched(source: Labels, to: Labels, index: int) -> int | None:
    """The class of another set that is this one, by name; None where there is none."""
    return index if source == to else match(source, to)[index]


def class_label(labels: Labels, index: int) -> ClassLabel:
    """A class of a set, with its name."""
    return ClassLabel(index, labels[index])
