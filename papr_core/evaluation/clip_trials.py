"""An evaluation's models on clips: every clip is seen in several views, and their probabilities are averaged.

As the PaPr paper tests video networks (https://arxiv.org/abs/2403.16020, Tables 8 and 9: "3x5"), a view is a
place along the frame's longer side and a time of the clip. Each is pruned by itself, and the cost is that of
one. Written from the paper.
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from papr_core.comparison.framewise import FramePair
from papr_core.comparison.tubewise import TubePair
from papr_core.comparison.video import clip_map
from papr_core.data.clips import read_clip
from papr_core.devices import device_of
from papr_core.errors import InvalidInput, UnreadableClip
from papr_core.evaluation.accuracy import FULL
from papr_core.evaluation.records import Records
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

    def __init__(self, plan: Plan, pair: FramePair | TubePair, views: Views) -> None:
        if plan.fit != "crop" and views.places > 1:
            raise InvalidInput(
                f"Several places of a frame are cropped out of it, so fit is crop, not {plan.fit}."
            )
        if isinstance(pair, FramePair) and any(reduction for _, _, reduction in plan.configurations):
            raise InvalidInput("Tokens of clips are reduced with a backbone of clips (VideoMAE) only.")
        self.plan, self.pair, self.views = plan, pair, views
        frames = len(pair.picks(1)[0](1 << 20))
        self.patches = int(np.prod(pair.grid(frames)))
        self.kept = [pair.num_kept(frames, ratio) for _, ratio, _ in plan.configurations]

    def measure(self, batches: Iterable[Sequence[int]]) -> Iterator[Records]:
        """Records of these batches of clips (places in the data), clip by clip; the next is read ahead."""
        clock = Clock(device_of(self.plan.backbone))
        waiting = [i for batch in batches for i in batch]
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(self._read, waiting[0]) if waiting else None
            for place, i in enumerate(waiting):
                clips = coming.result()
                if place + 1 < len(waiting):
                    coming = pool.submit(self._read, waiting[place + 1])
                right, scores = self._measure_clip(i, clips, clock)
                yield Records(
                    index=np.array([i], np.int64),
                    right=right.numpy(),
                    scores=scores.unsqueeze(0).numpy(),
                    calls=clock.taken(self.plan.configurations),
                )

    def _read(self, i: int) -> "list[list[Image.Image]]":
        """The frames of each time of a clip, which is opened as often: so each has its own way to decode."""
        data = self.plan.data
        source = data.source(i)
        try:
            picks = self.pair.picks(self.views.times)
            return [list(read_clip(source, pick, exact=True).frames) for pick in picks]
        except UnreadableClip as error:
            raise UnreadableClip(f"{data.samples[i][0]} in {data.path.name}: {error}") from error

    @torch.no_grad()  # as for pictures
    def _measure_clip(self, i: int, clips: "list[list[Image.Image]]", clock: Clock) -> tuple[Tensor, Tensor]:
        """right (1,) and scores (configurations, TOP + 3)."""
        plan, count = self.plan, len(clips) * self.views.places
        folder = torch.tensor([plan.data.class_indices[i]])
        seen, answers, spent = 0.0, {}, dict.fromkeys(plan.configurations, 0.0)
        for number, crops in enumerate(self._crops(clips)):
            probabilities, of_view = self._view(f"{plan.data.samples[i][0]} {number}", crops, folder, clock)
            seen = seen + probabilities / count
            for configuration, (draws, gmacs) in of_view.items():
                answers[configuration] = answers.get(configuration, 0.0) + draws / count  # (D, C)
                spent[configuration] += gmacs / count
        right = plan.proposal_right(plan.proposal_contest.logits(_logs(seen[None])).argmax(dim=1), folder)
        truth = plan.backbone_contest.places[folder]
        full = plan.backbone_contest.logits(_logs(answers[plan.configurations[0]])).argmax(dim=1)
        scores = []
        for configuration in plan.configurations:
            logits = plan.backbone_contest.logits(_logs(answers[configuration]))
            judgement = judged(logits, truth.expand(len(logits)), full).mean(dim=0)
            scores.append(torch.cat([judgement, torch.tensor([spent[configuration]])]))
        return right, torch.stack(scores)

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
        """The proposal's probabilities (C,), and for each configuration the answers (D, C) and GMACs."""
        plan, pair = self.plan, self.pair
        images = pair.view(crops)
        seen, features, probabilities = pair.look(crops, _silent)
        answered = plan.proposal_contest.logits(_logs(probabilities[None])).argmax(dim=1)
        explained = int(plan.explained(answered, folder))
        maps, seed = {}, zlib.crc32(key.encode())
        for name in plan.methods:
            maps[name], _ = clip_map(pair, seen, features, name, explained, seed)
        looked = pair.looking_gmacs(len(crops))
        found, full = {}, None
        for configuration in plan.configurations:
            name, ratio, reduction = configuration
            more = {"reduction": reduction} if reduction else {}  # frame by frame there is none
            if name == FULL:
                rows = clock(configuration, partial(pair.full, **more), images, _silent, images=1)
                full = rows if full is None else full
                found[configuration] = (
                    rows.mean(dim=0, keepdim=True),
                    looked + pair.gmacs(len(crops), **more),
                )
                continue
            kept = top_patches(maps[name], pair.num_kept(len(crops), ratio))
            draws = [
                clock(configuration, partial(pair.answer, **more), images, draw, full, _silent, images=1)
                for draw in kept
            ]
            costs = [pair.gmacs(len(crops), draw, **more) for draw in kept]
            found[configuration] = torch.stack(draws), looked + sum(costs) / len(costs)
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
