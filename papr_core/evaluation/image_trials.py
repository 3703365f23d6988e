"""An evaluation's models on pictures, batch by batch: the proposal runs once, a map serves all ratios."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from torch import Tensor

from papr_core import cost
from papr_core.devices import device_of
from papr_core.evaluation.accuracy import FULL
from papr_core.evaluation.records import Records
from papr_core.evaluation.trials import Clock, Plan, judged
from papr_core.methods import table as _methods

__all__ = ["ImageTrials"]


class ImageTrials:
    """Pictures through a pair of image models; patches, kept: of the backbone, and of each configuration."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.patches = plan.backbone.num_patches
        self.kept = [plan.backbone.num_kept(ratio) for _, ratio, _ in plan.configurations]

    def measure(self, batches: Iterable[Sequence[int]]) -> Iterator[Records]:
        """Records of these batches of images (places in the data), one by one."""
        plan, clock = self.plan, Clock(device_of(self.plan.backbone))
        spent = torch.tensor(self._gmacs())
        for chosen, images, views in self._loaded(batches):
            right, scores = _measure_batch(plan, chosen, images, views, clock)
            costs = spent.expand(len(chosen), -1).unsqueeze(2)
            yield Records(
                index=np.array(chosen, np.int64),
                right=right.numpy(),
                scores=torch.cat([scores, costs], dim=2).numpy(),
                calls=clock.taken(plan.configurations),
            )

    def _gmacs(self) -> list[float]:
        """Of each configuration: the backbone plus one pass of the proposal, the full model's included."""
        plan, once = self.plan, cost.proposal_gmacs(self.plan.proposal)
        settings = [(ratio, reduction) for _, ratio, reduction in plan.configurations]
        spent = {
            (ratio, reduction): once + cost.backbone_gmacs(plan.backbone, ratio, reduction=reduction)
            for ratio, reduction in set(settings)
        }
        return [spent[setting] for setting in settings]

    def _loaded(self, batches: Iterable[Sequence[int]]) -> Iterator[tuple[list[int], Tensor, Tensor]]:
        """(places, the backbone's images, the proposal's images), read ahead by threads."""
        plan = self.plan

        def load(i: int) -> tuple[Tensor, Tensor]:
            crop = plan.backbone.fit(plan.data.read(i), plan.fit)
            return plan.backbone.view(crop), plan.proposal.view(crop)

        def stack(ahead: deque) -> tuple[list[int], Tensor, Tensor]:
            chosen, jobs = ahead.popleft()
            crops, views = zip(*(job.result() for job in jobs))
            return chosen, torch.cat(crops), torch.cat(views)

        pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
        ahead = deque()
        try:
            for batch in batches:
                chosen = list(batch)
                ahead.append((chosen, [pool.submit(load, i) for i in chosen]))
                if len(ahead) > 2:
                    yield stack(ahead)
            while ahead:
                yield stack(ahead)
        finally:
            pool.shutdown(cancel_futures=True)


@torch.no_grad()  # not inference mode: some methods take gradients of what is made here
def _measure_batch(
    plan: Plan, chosen: Sequence[int], images: Tensor, views: Tensor, clock: Clock
) -> tuple[Tensor, Tensor]:
    """right (B,) and what is judged (B, configurations, TOP + 2)."""
    backbone, proposal = plan.backbone, plan.proposal
    images, views = images.to(device_of(backbone)), views.to(device_of(proposal))
    folders = torch.tensor([plan.data.class_indices[i] for i in chosen])
    features = proposal.features(views)
    answered = plan.proposal_contest.logits(proposal.logits(features)).argmax(dim=1)
    maps = {
        name: _methods.method_map(
            name,
            proposal,
            views,
            features,
            class_index=plan.explained(answered, folders),
            grid=backbone.grid,
            keys=[plan.data.samples[i][0] for i in chosen],
        )
        for name in plan.methods
    }  # (B, draws, h, w) each
    truth = plan.backbone_contest.places[folders]
    scores, answers = [], None
    for configuration in plan.configurations:
        name, ratio, reduction = configuration
        selections = [None] if name == FULL else [backbone.select(one, ratio) for one in maps[name].unbind(1)]
        call = partial(backbone, reduction=reduction) if reduction else backbone
        several = [
            plan.backbone_contest.logits(clock(configuration, call, images, kept)) for kept in selections
        ]
        if answers is None:
            answers = several[0].argmax(dim=1)
        scores.append(torch.stack([judged(logits, truth, answers) for logits in several]).mean(dim=0))
    return plan.proposal_right(answered, folders), torch.stack(scores, dim=1)
