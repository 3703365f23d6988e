"""What is tried on every picture or clip of an evaluation, and how an answer is judged.

image_trials.py and clip_trials.py run the models; a trial of either kind has the same parts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from papr_core.data.datasets import Dataset
from papr_core.devices import check_answers, now
from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.evaluation.boxes import Box
from papr_core.evaluation.class_map import named_folders
from papr_core.evaluation.configurations import FULL, Configuration
from papr_core.evaluation.records import TOP, Records
from papr_core.methods import table as _methods
from papr_core.models.backbones.base import Backbone
from papr_core.models.labels import match_classes
from papr_core.models.proposals.base import Proposal

__all__ = ["Clock", "Contest", "Plan", "judged", "make_plan"]


@dataclass(frozen=True)
class Plan:
    """Data, models, and what is tried: `configurations`, the full model first.

    backbone_contest, proposal_contest: which classes compete. explain_truth: a CAM explains the true class,
    else the proposal's answer. boxes: of pictures that have some, by their places.
    strict: what cannot be read is an error, else it is left out.
    """

    data: Dataset
    backbone: Backbone
    proposal: Proposal
    configurations: tuple[Configuration, ...]
    backbone_contest: "Contest"
    proposal_contest: "Contest"
    explain_truth: bool
    fit: str
    boxes: Mapping[int, list[Box]] | None = None
    strict: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.method for one in self.configurations if one.method != FULL))

    def explained(self, answered: Tensor, folders: Tensor) -> Tensor:
        """The proposal's class that a CAM explains, (B,), for its answers (B,) among those that compete."""
        contest = self.proposal_contest
        return contest.classes[contest.places[folders] if self.explain_truth and contest.known else answered]

    @property
    def class_names(self) -> list[str]:
        """What each class folder means to the backbone."""
        contest = self.backbone_contest
        return [self.backbone.labels[int(contest.classes[place])] for place in contest.places]

    def proposal_scores(self, logits: Tensor, folders: Tensor) -> Tensor:
        """Of the proposal's logits (B, C) among the classes that compete: (B, TOP + 1), as in `Records`."""
        contest = self.proposal_contest
        sure = logits.softmax(dim=1).amax(dim=1, keepdim=True).float()
        if not contest.known:
            return torch.cat([sure.new_full((len(sure), TOP), torch.nan), sure], dim=1)
        return torch.cat([judged(logits, contest.places[folders], folders)[:, :TOP], sure], dim=1)


class Contest:
    """Which of a model's classes compete (`classes`), and which of these a folder means (`places`)."""

    def __init__(self, folders: Sequence[int] | None, model: Proposal | Backbone, restrict: bool) -> None:
        every = torch.arange(len(model.labels))
        truth = None if folders is None else torch.tensor(folders)  # a class of the model for each folder
        self.classes = every if truth is None or not restrict else truth.unique()
        self._places = None if truth is None else torch.searchsorted(self.classes, truth)

    @property
    def known(self) -> bool:
        """Whether the model knows the data's classes."""
        return self._places is not None

    @property
    def places(self) -> Tensor:
        """For each folder the place of its class in `classes`, where the model knows it."""
        if self._places is None:
            raise RuntimeError("This model does not know the data's classes.")
        return self._places

    def logits(self, logits: Tensor) -> Tensor:
        """(B, all classes of the model) to (B, those that compete), on the CPU, float32 at least."""
        return logits.to("cpu", torch.promote_types(logits.dtype, torch.float32))[:, self.classes]


def make_plan(
    data: Dataset,
    backbone: Backbone,
    proposal: Proposal,
    *,
    configurations: Sequence[Configuration],
    classes: str,
    explain: str,
    fit: str,
    class_map: Mapping[str, str] | None = None,
    boxes: Mapping[int, list[Box]] | None = None,
    strict: bool = False,
    numbered: bool = False,
) -> Plan:
    """Match the folders to both models' classes, by what the class map calls them; see `evaluate`.

    Raises:
        InvalidInput, UnsupportedModel: in one sentence, what does not fit.
    """
    if backbone.headless:
        raise UnsupportedModel(f"{backbone.name} has no classifier, so it can be neither right nor wrong.")
    for configuration in configurations:
        if reason := backbone.reduction_refusal(configuration.reduction):
            raise UnsupportedModel(reason)
    named = named_folders(data.classes, class_map)
    plan = Plan(
        data=data,
        backbone=backbone,
        proposal=proposal,
        configurations=tuple(configurations),
        backbone_contest=Contest(
            match_classes(named, backbone.labels, numbered=numbered), backbone, classes == "data"
        ),
        proposal_contest=_proposal_contest(named, proposal, classes == "data", numbered),
        explain_truth=explain == "target",
        fit=fit,
        boxes=boxes,
        strict=strict,
    )
    needy = [name for name in plan.methods if _methods.METHODS[name].uses_class]
    if plan.explain_truth and needy and not plan.proposal_contest.known:
        raise InvalidInput(
            f"{proposal.name} does not know all classes of {data.path.name},"
            f" so {', '.join(needy)} cannot explain the true class: explain the proposal's own answer."
        )
    return plan


def _proposal_contest(named: Sequence[str], proposal: Proposal, restrict: bool, numbered: bool) -> Contest:
    """A proposal need not know the classes: its map is there all the same."""
    try:
        return Contest(match_classes(named, proposal.labels, numbered=numbered), proposal, restrict)
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
    check_answers(confidence)
    kept = logits.argmax(dim=1) == answers
    return torch.cat([top.float(), confidence.float(), kept[:, None].float()], dim=1)


class Clock:
    """Notes how long each configuration's backbone took, and what comes before it, call by call."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.calls: dict[Configuration, list[tuple[float, int]]] = {}
        self.before: dict[str, list[tuple[float, int]]] = {}

    def __call__(
        self, configuration: Configuration, backbone: Callable, *inputs: Any, images: int | None = None
    ) -> Tensor:
        """backbone(*inputs), which answers so many images (by default, as many as its answer has rows)."""
        start = now(self.device)
        answer = backbone(*inputs)
        spent = (now(self.device) - start, len(answer) if images is None else images)
        self.calls.setdefault(configuration, []).append(spent)
        return answer

    @contextmanager
    def noting(self, what: str, images: int) -> Iterator[None]:
        """The block's seconds, as one of `Records.before`."""
        start = now(self.device)
        yield
        self.note(what, now(self.device) - start, images)

    def note(self, what: str, seconds: float, images: int) -> None:
        self.before.setdefault(what, []).append((seconds, images))

    def renote(self, what: str, seconds: float, images: int) -> None:
        """Other seconds than were noted last."""
        self.before[what][-1] = (seconds, images)

    def records(
        self, configurations: Sequence[Configuration], index: Sequence[int], proposal: Tensor, scores: Tensor
    ) -> Records:
        """Records of these images with all that was noted so far; it is forgotten here."""
        calls, self.calls = self.calls, {}
        before, self.before = self.before, {}
        return Records(
            index=np.array(index, np.int64),
            proposal=proposal.numpy(),
            scores=scores.numpy(),
            calls=[calls.get(configuration, []) for configuration in configurations],
            before=before,
        )
