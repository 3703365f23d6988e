"""An evaluation's models on clips: every clip is seen in several views, and their probabilities are averaged.

As the PaPr paper tests video networks (https://arxiv.org/abs/2403.16020, Tables 8 and 9: "3x5"), a view is a
place along the frame's longer side and a time of the clip. Each is pruned by itself, and the cost is that of
one. Written from the paper.
"""

import re
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from papr_core.comparison.clip_pair import ClipPair, FramePair
from papr_core.comparison.video import clip_map
from papr_core.cost import spent
from papr_core.data.clips import read_clip
from papr_core.devices import device_of
from papr_core.errors import InvalidInput, UnreadableClip
from papr_core.evaluation.configurations import FULL, Configuration
from papr_core.evaluation.records import BOXES, WIDTH, Records
from papr_core.evaluation.trials import Clock, Plan, judged
from papr_core.pruning.selection import top_patches

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ClipTrials", "Views"]

_MOST_VIEWS = 100


@dataclass(frozen=True)
class Views:
    """How often a clip is seen: `places` along the longer side, each at `times` of the clip."""

    places: int = 1
    times: int = 1

    @classmethod
    def parse(cls, text: str) -> "Views":
        """From "3x5", places x times. Raises InvalidInput."""
        found = re.fullmatch(r"\s*(\d{1,3})\s*[x×]\s*(\d{1,3})\s*", text)
        views = cls(*map(int, found.groups())) if found else None
        if views is None or not 1 <= views.places * views.times <= _MOST_VIEWS:
            raise InvalidInput(
                f"Views are places x times, such as 1x1 or 3x5, at most {_MOST_VIEWS} in all, not {text!r}."
            )
        return views

    def __str__(self) -> str:
        return f"{self.places}x{self.times}"


class ClipTrials:
    """Clips through a pair of either kind (`video.find_pair`), in several views.

    patches, kept: of a view with as many frames as the pair looks at, and of each configuration.

    Raises:
        InvalidInput: a reduction frame by frame, or several places of frames that are not cropped.
    """

    def __init__(self, plan: Plan, pair: ClipPair, views: Views) -> None:
        if plan.fit != "crop" and views.places > 1:
            raise InvalidInput(
                f"Several places of a frame are cropped out of it, so fit is crop, not {plan.fit}."
            )
        if not all(one.plain for one in plan.configurations):
            raise InvalidInput("Curves, a budget by mass and boxes are for pictures, not for clips.")
        if isinstance(pair, FramePair) and any(one.reduction for one in plan.configurations):
            raise InvalidInput("Tokens of clips are reduced with a backbone of clips (VideoMAE) only.")
        self.plan, self.pair, self.views = plan, pair, views
        frames = len(pair.picks(1)[0](1 << 20))
        self.patches = int(np.prod(pair.grid(frames)))
        self.kept = [pair.num_kept(frames, one.keep) for one in plan.configurations]

    def measure(self, batches: Iterable[Sequence[int]]) -> Iterator[Records]:
        """Records of these batches of clips (places in the data), clip by clip; the next is read ahead."""
        clock = Clock(device_of(self.plan.backbone))
        waiting = [i for batch in batches for i in batch]
        if not waiting:
            return
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(self._read, waiting[0])
            for place, i in enumerate(waiting):
                clips, seconds = coming.result()
                if not isinstance(clips, str):
                    clock.note("read", seconds, len(clips) * self.views.places)
                if place + 1 < len(waiting):
                    coming = pool.submit(self._read, waiting[place + 1])
                if isinstance(clips, str):
                    yield replace(Records.none(len(self.plan.configurations)), left_out={i: clips})
                    continue
                proposal, scores = self._measure_clip(i, clips, clock)
                yield clock.records(self.plan.configurations, [i], proposal, scores.unsqueeze(0))

    def _read(self, i: int) -> "tuple[list[list[Image.Image]] | str, float]":
        """The frames of each time of a clip, which is opened as often, so each has its own way to decode, or
        why it cannot be read; and the thread's seconds."""
        data, start = self.plan.data, time.thread_time()
        try:
            source = data.source(i)
            picks = self.pair.picks(self.views.times)
            frames = [list(read_clip(source, pick, exact=True).frames) for pick in picks]
            return frames, time.thread_time() - start
        except (UnreadableClip, OSError) as error:
            if not self.plan.strict:
                return str(error), time.thread_time() - start
            raise UnreadableClip(f"{data.samples[i][0]} in {data.path.name}: {error}") from error

    @torch.no_grad()  # as for pictures
    def _measure_clip(self, i: int, clips: "list[list[Image.Image]]", clock: Clock) -> tuple[Tensor, Tensor]:
        """The proposal's (1, TOP + 1) and scores (configurations, WIDTH)."""
        plan, count = self.plan, len(clips) * self.views.places
        folder = torch.tensor([plan.data.class_indices[i]])
        seen, costs = torch.zeros(()), dict.fromkeys(plan.configurations, torch.zeros(2))
        answers: dict[Configuration, Tensor] = {}
        for number, crops in enumerate(self._crops(clips)):
            probabilities, of_view = self._view(f"{plan.data.samples[i][0]} {number}", crops, folder, clock)
            seen = seen + probabilities / count
            for configuration, (draws, account) in of_view.items():
                answers[configuration] = answers.get(configuration, 0.0) + draws / count  # (D, C)
                parts = torch.tensor([account["gmacs_backbone"], account["gmacs_proposal"]])
                costs[configuration] = costs[configuration] + parts / count
        proposal = plan.proposal_scores(plan.proposal_contest.logits(_logs(seen[None])), folder)
        truth = plan.backbone_contest.places[folder]
        full = plan.backbone_contest.logits(_logs(answers[plan.configurations[0]])).argmax(dim=1)
        scores = torch.full((len(plan.configurations), WIDTH), torch.nan)
        for c, configuration in enumerate(plan.configurations):
            logits = plan.backbone_contest.logits(_logs(answers[configuration]))
            judgement = judged(logits, truth.expand(len(logits)), full).mean(dim=0)
            kept = torch.tensor([float(self.kept[c])])
            scores[c, : BOXES.start] = torch.cat([judgement, costs[configuration], kept])
        return proposal, scores

    def _crops(self, clips: "list[list[Image.Image]]") -> "Iterator[list[Image.Image]]":
        """The backbone's crops of every view, time by time."""
        places = self.views.places
        for frames in clips:
            for place in range(places):
                where = place / (places - 1) if places > 1 else 0.5
                yield [
                    self.plan.backbone.fit(_window(frame, where, self.plan), self.plan.fit)
                    for frame in frames
                ]

    def _view(
        self, key: str, crops: "list[Image.Image]", folder: Tensor, clock: Clock
    ) -> tuple[Tensor, dict]:
        """The proposal's probabilities (C,), and for each configuration the answers (D, C) and `spent`."""
        plan, pair = self.plan, self.pair
        with clock.noting("read", 0):
            images = pair.view(crops)
        with clock.noting("look", 1):
            seen, features, probabilities = pair.look(crops, _silent)
        answered = plan.proposal_contest.logits(_logs(probabilities[None])).argmax(dim=1)
        explained = int(plan.explained(answered, folder))
        maps, seed = {}, zlib.crc32(key.encode())
        for name in plan.methods:
            with clock.noting(name, 1):
                maps[name], _ = clip_map(pair, seen, features, name, explained, seed)
        looked = pair.looking_gmacs(len(crops))
        found, full = {}, None
        for configuration in plan.configurations:
            name, reduction = configuration.method, configuration.reduction
            # frame by frame there is none
            more: dict[str, Any] = {"reduction": reduction} if reduction else {}
            if name == FULL:
                rows = clock(configuration, partial(pair.full, **more), images, _silent, images=1)
                full = rows if full is None else full
                account = spent(pair.gmacs(len(crops), **more))
                found[configuration] = rows.mean(dim=0, keepdim=True), account
                continue
            kept = top_patches(maps[name], pair.num_kept(len(crops), configuration.keep))
            draws = [
                clock(configuration, partial(pair.answer, **more), images, draw, full, _silent, images=1)
                for draw in kept
            ]
            costs = [pair.gmacs(len(crops), draw, **more) for draw in kept]
            account = spent(sum(costs) / len(costs), looked, looks=configuration.looks)
            found[configuration] = torch.stack([rows.nanmean(dim=0) for rows in draws]), account
        return probabilities, found


def _window(frame: "Image.Image", where: float, plan: Plan) -> "Image.Image":
    """The part of a frame of the backbone's shape, so far along the longer side (0 start, 1 end); the middle
    is the frame itself, which the backbone's own crop cuts."""
    if where == 0.5:
        return frame
    height, width = plan.backbone.input_size[-2:]
    ratio = min(frame.width / width, frame.height / height)
    across, down = min(frame.width, round(width * ratio)), min(frame.height, round(height * ratio))
    left, top = round((frame.width - across) * where), round((frame.height - down) * where)
    return frame.crop((left, top, left + across, top + down))


def _logs(probabilities: Tensor) -> Tensor:
    """Probabilities (B, C) as logits."""
    return probabilities.double().log()


def _silent(done: int, of: int, found: Sequence[Tensor] = ()) -> None:
    """Progress within a clip is not told."""
