"""An evaluation's models on pictures, batch by batch: the proposal runs once, a map serves all trials."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from papr_core import cost
from papr_core.devices import device_of
from papr_core.errors import UnreadableImage
from papr_core.evaluation.boxes import box_mask, in_boxes, pointed
from papr_core.evaluation.configurations import FULL, Configuration
from papr_core.evaluation.painting import canvas, painted
from papr_core.evaluation.records import BOXES, COSTS, KEPT, TOP, WIDTH, Records
from papr_core.evaluation.trials import Clock, Plan, judged
from papr_core.methods import table as _methods
from papr_core.methods.budget import fed, num_fed
from papr_core.methods.gaze import Gaze
from papr_core.methods.table import METHODS
from papr_core.pruning.selection import num_in_mass
from papr_core.pruning.significance import patch_significance

__all__ = ["ImageTrials"]


@dataclass(frozen=True)
class _Batch:
    """Pictures by their places in the data: what each model sees (B, 3, H, W), each crop's mask of its boxes
    or None, and the threads' seconds for the crops, and for what the proposal sees. left_out: what could not
    be read, and why."""

    chosen: list[int]
    images: Tensor
    views: Tensor
    masks: list[np.ndarray | None]
    read: float
    viewed: float
    left_out: dict[int, str]


class ImageTrials:
    """Pictures through a pair of image models; patches: of the backbone."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.patches = plan.backbone.num_patches
        self._at = cache(partial(cost.backbone_gmacs, plan.backbone))  # a ratio is counted once
        self._by_ratio = cache(partial(cost.gmacs_by_ratio, plan.backbone))
        self._looking = cost.proposal_gmacs(plan.proposal)

    def measure(self, batches: Iterable[Sequence[int]]) -> Iterator[Records]:
        """Records of these batches of images (places in the data), one by one."""
        plan, clock = self.plan, Clock(device_of(self.plan.backbone))
        for batch in self._loaded(batches):
            if not batch.chosen:
                yield replace(Records.none(len(plan.configurations)), left_out=batch.left_out)
                continue
            clock.note("read", batch.read, len(batch.chosen))
            proposal, scores = self._measure_batch(batch, clock)
            found = clock.records(plan.configurations, batch.chosen, proposal, scores)
            yield replace(found, left_out=batch.left_out)

    def _loaded(self, batches: Iterable[Sequence[int]]) -> Iterator[_Batch]:
        """Read ahead by threads."""
        plan = self.plan

        def load(i: int) -> tuple | str:
            start = time.thread_time()
            try:
                picture = plan.data.read(i)
            except UnreadableImage as error:
                if plan.strict:
                    raise
                return str(error.__cause__ or error)
            crop = plan.backbone.fit(picture, plan.fit)
            image, between = plan.backbone.view(crop), time.thread_time()
            view, end = plan.proposal.view(crop), time.thread_time()
            boxes = (plan.boxes or {}).get(i)
            mask = box_mask(boxes, picture.size, plan.backbone, plan.fit) if boxes else None
            return image, view, mask, between - start, end - between

        def stack(ahead: deque) -> _Batch:
            chosen, jobs = ahead.popleft()
            loaded = {i: job.result() for i, job in zip(chosen, jobs)}
            left_out = {i: why for i, why in loaded.items() if isinstance(why, str)}
            there = [i for i in chosen if i not in left_out]
            if not there:
                return _Batch([], torch.empty(0), torch.empty(0), [], 0.0, 0.0, left_out)
            crops, views, masks, read, viewed = zip(*(loaded[i] for i in there))
            seen = torch.cat(crops), torch.cat(views), list(masks)
            return _Batch(there, *seen, sum(read), sum(viewed), left_out)

        pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
        ahead: deque = deque()
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
    def _measure_batch(self, batch: _Batch, clock: Clock) -> tuple[Tensor, Tensor]:
        """The proposal's (B, TOP + 1) and what is noted of each configuration (B, configurations, WIDTH)."""
        plan, count = self.plan, len(batch.chosen)
        backbone, proposal = plan.backbone, plan.proposal
        images, views = batch.images.to(device_of(backbone)), batch.views.to(device_of(proposal))
        folders = torch.tensor([plan.data.class_indices[i] for i in batch.chosen])
        clock.note("look", batch.viewed, 0)
        with clock.noting("look", count):
            features = proposal.features(views)
        answers = plan.proposal_contest.logits(proposal.logits(features))
        maps, gaze = {}, Gaze(backbone, images)  # (B, draws, h, w) each
        for name in plan.methods:
            with clock.noting(name, count):
                maps[name] = _methods.method_map(
                    name,
                    proposal,
                    views,
                    features,
                    class_index=plan.explained(answers.argmax(dim=1), folders),
                    grid=backbone.grid,
                    keys=[plan.data.samples[i][0] for i in batch.chosen],
                    gaze=gaze,
                )
            if METHODS[name].kind == "oracle":  # a whole pass, whoever asked for it first
                clock.renote(name, gaze.seconds, count)
        truth, full = plan.backbone_contest.places[folders], None
        scores = torch.full((count, len(plan.configurations), WIDTH), torch.nan)
        over = cache(lambda paint: canvas(images, paint, backbone))
        for c, configuration in enumerate(plan.configurations):
            if configuration.method == FULL:
                draws = [_Answered(*self._whole(configuration, images, clock))]
            else:
                # what is painted over is a whole picture each time: one draw of chance has to do
                several_maps = maps[configuration.method][:, : 1 if configuration.painted else None]
                draws = [
                    _Answered(*self._pruned(configuration, images, coarse, clock, over))
                    for coarse in several_maps.unbind(1)
                ]
            several = [plan.backbone_contest.logits(one.logits) for one in draws]
            full = several[0].argmax(dim=1) if full is None else full
            judgements = torch.stack([judged(logits, truth, full) for logits in several])
            scores[:, c, : TOP + 2] = judgements.mean(dim=0)
            scores[:, c, COSTS] = torch.stack([one.costs for one in draws]).mean(dim=0)
            scores[:, c, KEPT] = torch.stack([one.counts for one in draws]).mean(dim=0)
            if plan.boxes and configuration.plain and configuration.ranks:
                coarse = maps[configuration.method]
                scores[:, c, BOXES] = self._in_boxes(batch.masks, coarse, [one.kept for one in draws])
        return plan.proposal_scores(answers, folders), scores

    def _whole(self, configuration: Configuration, images: Tensor, clock: Clock) -> tuple:
        answer = clock(configuration, self._call(configuration), images)
        return answer, None, *self._noted(configuration, [self.patches] * len(images))

    def _pruned(
        self,
        configuration: Configuration,
        images: Tensor,
        coarse: Tensor,
        clock: Clock,
        over: Callable[[str], Tensor],
    ) -> tuple:
        """Of one draw's maps (B, h, w): logits (B, C), kept, costs (B, 2) and counts (B,)."""
        backbone, ranked = self.plan.backbone, -coarse if configuration.worst else coarse
        call = self._call(configuration)
        if configuration.mass is not None:
            return self._by_mass(configuration, images, ranked, clock, call)
        kept = fed(configuration.method, backbone, ranked, configuration.keep)
        count = num_fed(configuration.method, backbone, backbone.num_kept(configuration.keep))
        noted = self._noted(configuration, [count] * len(images))
        if configuration.painted is None:
            return clock(configuration, call, images, kept), kept, *noted
        seen = painted(images, backbone.shown_patches(kept), backbone.grid, over(configuration.painted))
        return clock(configuration, call, seen), kept, *noted

    def _by_mass(
        self, configuration: Configuration, images: Tensor, ranked: Tensor, clock: Clock, call: Callable
    ) -> tuple:
        """The same where the pictures keep unequal numbers: each number is a batch of its own."""
        backbone = self.plan.backbone
        assert configuration.mass is not None  # or nothing makes the numbers unequal
        counts = num_in_mass(patch_significance(ranked, backbone.grid), configuration.mass)
        answers: list = [None] * len(images)
        for count in counts.unique().tolist():
            members = (counts == count).nonzero()[:, 0]
            kept = backbone.select_count(ranked[members], count)
            rows = clock(configuration, call, images[members.to(images.device)], kept)
            for member, row in zip(members.tolist(), rows):
                answers[member] = row
        return torch.stack(answers), None, *self._noted(configuration, counts.tolist())

    def _noted(self, configuration: Configuration, counts: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Costs (B, 2) and counts (B,) of pictures that keep so many patches."""
        accounts = [
            cost.spent(self._gmacs(configuration, count), self._looking, looks=configuration.looks)
            for count in counts
        ]
        parts = [(account["gmacs_backbone"], account["gmacs_proposal"]) for account in accounts]
        return torch.tensor(parts), torch.tensor(counts, dtype=torch.float32)

    def _gmacs(self, configuration: Configuration, count: int) -> float:
        """Of the backbone where so many patches stay; a painted picture is a whole one."""
        backbone = self.plan.backbone
        if configuration.mass is not None:
            tokens = backbone.num_patches + backbone.num_prefix_tokens
            looked = self._at(1.0) if METHODS[configuration.method].kind == "oracle" else 0.0
            return looked + self._by_ratio()(1.0 if count == backbone.num_patches else count / tokens)
        whole = configuration.painted is not None or configuration.method == FULL
        ratio = 1.0 if whole else configuration.keep
        # most methods spend the ratio on patches, as PaPr does: one count for all of them
        other = configuration.method if configuration.counted_apart else "papr"
        return self._at(ratio, reduction=configuration.reduction, method=other)

    def _call(self, configuration: Configuration) -> Callable:
        backbone, reduction = self.plan.backbone, configuration.reduction
        return partial(backbone, reduction=reduction) if reduction else backbone

    def _in_boxes(self, masks: Sequence[np.ndarray | None], maps: Tensor, kept: Sequence[Any]) -> Tensor:
        """What boxes say of maps (B, draws, h, w) and of what each draw keeps: (B, 4), NaN without boxes."""
        backbone = self.plan.backbone
        found = torch.full((len(masks), 4), torch.nan)
        shown = [backbone.shown_patches(draw) for draw in kept]
        for i, mask in enumerate(masks):
            if mask is None or not mask.any():
                continue
            draws = []
            for draw, coarse in enumerate(maps[i]):
                strongest = pointed(patch_significance(coarse[None], backbone.grid)[0], mask)
                share = in_boxes(shown[draw][i], backbone.grid, mask)
                draws.append([*strongest, share, float(mask.mean())])
            found[i] = torch.tensor(draws).float().mean(dim=0)
        return found


@dataclass(frozen=True)
class _Answered:
    """One draw of a configuration on a batch: logits (B, C), kept as `select` gives it (None of buckets and
    of the whole), costs (B, 2) and counts (B,)."""

    logits: Tensor
    kept: Any
    costs: Tensor
    counts: Tensor
