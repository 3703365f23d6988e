"""What is tried on every picture or clip of an evaluation, and how an answer is judged.

image_trials.py and clip_trials.py run the models; a trial of either kind has the same parts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from papr_core.data.datasets import Dataset
from papr_core.devices import now
from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.evaluation.accuracy import FULL, Configuration
from papr_core.evaluation.records import TOP
from papr_core.methods import table as _methods
from papr_core.models.backbones.base import Backbone
from papr_core.models.labels import match_classes
from papr_core.models.proposals.base import Proposal
from papr_core.pruning.reductions import AnyReduction, settled

__all__ = ["Clock", "Contest", "Plan", "configurations", "judged", "make_plan"]


@dataclass(frozen=True)
class Plan:
    """Data, models, and what is tried: `configurations`, the full model first.

    backbone_contest, proposal_contest: which classes compete. explain_truth: a CAM explains the true class,
    else the proposal's answer.
    """

    data: Dataset
    backbone: Backbone
    proposal: Proposal
    configurations: tuple[Configuration, ...]
    backbone_contest: "Contest"
    proposal_contest: "Contest"
    explain_truth: bool
    fit: str

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for name, _, _ in self.configurations if name != FULL))

    def explained(self, answered: Tensor, folders: Tensor) -> Tensor:
        """The proposal's class that a CAM explains, (B,), for its answers (B,) among those that compete."""
        contest = self.proposal_contest
        return contest.classes[contest.places[folders] if self.explain_truth and contest.known else answered]

    def proposal_right(self, answered: Tensor, folders: Tensor) -> Tensor:
        """(B,): 1 where the proposal's answer is the true class, else 0; NaN where it does not know it."""
        contest = self.proposal_contest
        return (
            (answered == contest.places[folders]).float()
            if contest.known
            else torch.full(folders.shape, torch.nan)
        )


class Contest:
    """Which of a model's classes compete (`classes`), and which of these a folder means (`places`)."""

    def __init__(self, folders: Sequence[int] | None, model: Proposal | Backbone, restrict: bool) -> None:
        every = torch.arange(len(model.labels))
        truth = None if folders is None else torch.tensor(folders)  # a class of the model for each folder
        self.classes = every if truth is None or not restrict else truth.unique()
        self.places = None if truth is None else torch.searchsorted(self.classes, truth)

    @property
    def known(self) -> bool:
        """Whether the model knows the data's classes."""
        return self.places is not None

    def logits(self, logits: Tensor) -> Tensor:
        """(B, all classes of the model) to (B, those that compete), on the CPU, float32 at least."""
        return logits.to("cpu", torch.promote_types(logits.dtype, torch.float32))[:, self.classes]


def configurations(
    methods: Sequence[str], ratios: Sequence[float], reductions: Sequence[AnyReduction]
) -> tuple[Configuration, ...]:
    """All that is tried, the full model first; a reduction alone where nothing is pruned."""
    at = {ratio: list(dict.fromkeys(settled(each, ratio) for each in reductions)) for ratio in ratios}
    return (
        (FULL, 1.0, None),
        *((FULL, 1.0, reduction) for reduction in at.get(1.0, ()) if reduction),
        *(
            (name, ratio, reduction)
            for ratio in ratios
            if ratio < 1
            for reduction in at[ratio]
            for name in methods
        ),
    )


def make_plan(
    data: Dataset,
    backbone: Backbone,
    proposal: Proposal,
    *,
    configurations: Sequence[Configuration],
    classes: str,
    explain: str,
    fit: str,
) -> Plan:
    """Match the folders to both models' classes; see `evaluate`.

    Raises:
        InvalidInput, UnsupportedModel: in one sentence, what does not fit.
    """
    if backbone.headless:
        raise UnsupportedModel(f"{backbone.name} has no classifier, so it can be neither right nor wrong.")
    for _, _, reduction in configurations:
        if reason := backbone.reduction_refusal(reduction):
            raise UnsupportedModel(reason)
    plan = Plan(
        data=data,
        backbone=backbone,
        proposal=proposal,
        configurations=tuple(configurations),
        backbone_contest=Contest(match_classes(data.classes, backbone.labels), backbone, classes == "data"),
        proposal_contest=_proposal_contest(data, proposal, classes == "data"),
        explain_truth=explain == "target",
        fit=fit,
    )
    needy = [name for name in plan.methods if _methods.METHODS[name].uses_class]
    if plan.explain_truth and needy and not plan.proposal_contest.known:
        raise InvalidInput(
            f"{proposal.name} does not know all classes of {data.path.name},"
            f" so {', '.join(needy)} cannot explain the true class: explain the proposal's own answer."
        )
    return plan


def _proposal_contest(data: Dataset, proposal: Proposal, restrict: bool) -> Contest:
    """A proposal need not know the classes: its map is there all the same."""
    try:
        return Contest(match_classes(data.classes, proposal.labels), proposal, restrict)
    except InvalidInput:
        return Contest(None, proposal, restrict)


def judged(logits: Tensor, truth: Tensor, answers: Tensor) -> Tensor:
    """What is noted of a batch: logits (B, C), true class (B,), the full model's answer (B,) to (B, TOP + 2).

    Top-1 .. top-10 and answer kept are 0 or 1, confidence is the true class's softmax. Of classes with equal
    logits the lower index is ahead.
    """
    own = logits.gather(1, truth[:, None])  # (B, 1)
    tied_before = (logits == own) & (torch.arange(logits.shape[1]) < truth[:, None])
    rank = ((logits > own) | tied_before).sum(dim=1, keepdim=True)
    top = rank < torch.arange(1, TOP + 1)
    confidence = logits.softmax(dim=1).gather(1, truth[:, None])
    kept = logits.argmax(dim=1) == answers
    return torch.cat([top.float(), confidence.float(), kept[:, None].float()], dim=1)


class Clock:
    """Calls a backbone and notes how long each configuration took: (seconds, images), call by call."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.calls: dict[Configuration, list[tuple[float, int]]] = {}

    def __call__(
        self, configuration: Configuration, backbone: Callable, *inputs: Any, images: int | None = None
    ) -> Tensor:
        """backbone(*inputs), which answers so many images (by default, as many as its answer has rows)."""
        start = now(self.device)
        answer = backbone(*inputs)
        spent = (now(self.device) - start, len(answer) if images is None else images)
        self.calls.setdefault(configuration, []).append(spent)
        return answer

    def taken(self, configurations: Sequence[Configuration]) -> list[list[tuple[float, int]]]:
        """The calls of each of these so far; they are forgotten here."""
        calls, self.calls = self.calls, {}
        return [calls.get(configuration, []) for configuration in configurations]
