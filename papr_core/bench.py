"""Speed of a pruned backbone beside the plain one on this machine, and what its operators promise.

Every round times plain and pruned once, in a new order, and a speed-up is the median over rounds of plain's
time by the pruned time of the same round, so a machine that slows down slows both. Three of them, as far as
there is a proposal:

backbone     the backbone's call on a batch of tensors, kept patches given;
pair         with the proposal's pass, the map and the selection in the pruned time;
end to end   from JPEG files to answers, decoding and cropping in both times.

Promised is plain by pruned multiply-accumulates; for ConvNeXt and Swin 1 / (1 - s + s z), s the measured
share of time in pixel operators (PaPr, https://arxiv.org/abs/2403.16020, Sec. 3.4). Weights are random: speed
does not depend on them. Before anything is timed, pruned answers are checked against single images.
"""

import io
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from papr_core import cost
from papr_core.data.images import read_image
from papr_core.errors import InvalidInput, PaprError, Stopped, UnsupportedModel
from papr_core.models.backbones import load_backbone
from papr_core.models.backbones.base import Backbone
from papr_core.models.catalog import sees_clips
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.models.given import as_backbone, as_proposal
from papr_core.models.proposals import load_proposal
from papr_core.models.proposals.base import Proposal
from papr_core.models.pruned import Pruned
from papr_core.pruning.reductions import AnyReduction, settled, words_of
from papr_core.pruning.reductions.base import Reduction
from papr_core.pruning.selection import num_kept
from papr_core.pruning.significance import channel_mean
from papr_core.saving import versions

__all__ = ["DTYPES", "MAP_BATCHES", "MAP_KEEP", "bench", "machine", "speed_map", "what_it_is_worth"]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
WARM_UP = 2  # rounds
MAP_KEEP, MAP_BATCHES = (0.2, 0.4, 0.6, 0.8, 1.0), (1, 2, 4, 8, 16, 32, 64)

Progress = Callable[[int, int], None]


def bench(
    backbone: str | Backbone | nn.Module = DEFAULT_BACKBONE,
    proposal: str | Proposal | nn.Module | None = None,
    *,
    keep: Sequence[float] = (0.5,),
    reduction: AnyReduction = None,
    batch_size: int = 32,
    rounds: int = 15,
    device: str | torch.device = "cpu",
    dtype: str = "float32",
    compiled: bool = False,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Time a backbone plain and pruned, interleaved: the object that `bench --json` prints.

    backbone, proposal: names, built with random weights on `device`, or loaded models, or models that you
    built (`as_backbone`), or what `prune` gives, both in one. Without a proposal only the backbone's own
    call is timed, with random patches kept. keep 1 is timed with a reduction only. progress: called as
    progress(rounds done, of); stop: asked between calls; Stopped when it says so.

    Raises:
        InvalidInput and its kin, Stopped: in one sentence.
    """
    settings = _settings(keep, reduction)
    if dtype not in DTYPES:
        raise InvalidInput(f"The type is one of {', '.join(DTYPES)}, not {dtype!r}.")
    if batch_size < 1 or rounds < 2:
        raise InvalidInput("A measurement takes at least one picture a batch, and two rounds.")
    backbone, proposal = _models(backbone, proposal, device, dtype)
    for setting in settings:
        if reason := backbone.reduction_refusal(setting.reduction):
            raise UnsupportedModel(reason)
    with torch.inference_mode():
        work = _Work(backbone, proposal, settings, batch_size)
        work.check()
        share = _pixel_share(work, stop) if backbone.by_stage else None
        if compiled:
            work.compile()
        times = _measure(work.runs(), rounds, work.wait, progress, stop)
    return {
        "backbone": backbone.name,
        "proposal": proposal.name if proposal is not None else None,
        "machine": machine(work.device),
        "device": str(work.device),
        "dtype": dtype,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "compiled": compiled,
        "batch_size": batch_size,
        "pixel_share": share,
        "rows": [row for setting in settings for row in _rows(work, times, setting, share)],
    }


def _models(
    backbone: str | Backbone | nn.Module,
    proposal: str | Proposal | nn.Module | None,
    device: str | torch.device,
    dtype: str,
) -> tuple[Backbone, Proposal | None]:
    if isinstance(backbone, Pruned) and proposal is None:
        proposal = backbone.proposal
    if not isinstance(backbone, str):
        backbone = as_backbone(backbone)
    if not isinstance(proposal, str | Proposal | None):
        proposal = as_proposal(proposal)
    if proposal is not None and sees_clips(proposal, "proposal") != sees_clips(backbone, "backbone"):
        raise UnsupportedModel(
            "One of the two models looks at clips and one at pictures: choose two of a kind."
        )
    if isinstance(backbone, str):
        backbone = load_backbone(backbone, pretrained=False, device=device).to(DTYPES[dtype])
    if isinstance(proposal, str):
        proposal = load_proposal(proposal, pretrained=False, device=device).to(DTYPES[dtype])
    return backbone, proposal


def speed_map(
    backbone: str | Backbone | nn.Module = DEFAULT_BACKBONE,
    proposal: str | Proposal | nn.Module = DEFAULT_PROPOSAL,
    *,
    keep: Sequence[float] = MAP_KEEP,
    batches: Sequence[int] = MAP_BATCHES,
    rounds: int = 3,
    device: str | torch.device = "cpu",
    dtype: str = "float32",
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """What pruning is worth end to end, from JPEG files to answers, for each batch size and keep ratio: the
    object that `bench --map --json` prints. The ConvNet always looks, at keep 1 too, so that what looking
    costs is seen.

    speedup, speedup_low, speedup_high: a row a batch, a column a keep ratio, medians over interleaved rounds
    and the ends of their middle half. A number a batch: rounds, of which small batches, whose rounds are
    short, have up to eight times as many as asked for; plain_images_per_second; looking, the ConvNet's pass
    as a share of the plain backbone's; reading, the share of the plain way's time that goes by before the
    backbone runs. day: in UTC; load: how many processes ran or waited on the machine in the minute before,
    None where the system does not say. Others: see `bench`.

    Raises:
        InvalidInput and its kin, Stopped: in one sentence.
    """
    settings = [_Setting(ratio, None) for ratio in keep]
    for ratio in keep:
        num_kept(1, ratio)  # refuses what is outside (0, 1]
    if not settings or not batches or min(batches) < 1 or rounds < 2:
        raise InvalidInput("A map takes keep ratios, batches from 1 up, and two rounds at least.")
    if dtype not in DTYPES:
        raise InvalidInput(f"The type is one of {', '.join(DTYPES)}, not {dtype!r}.")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # not on Windows
    backbone, found = _models(backbone, proposal, device, dtype)
    if found is None:
        raise InvalidInput("A map is of a pair: name the ConvNet that looks too.")
    proposal = found
    speeds: dict[str, list[list[float]]] = {"speedup": [], "speedup_low": [], "speedup_high": []}
    turns, plains, looking, reading = [], [], [], []
    for done, batch in enumerate(batches):
        with torch.inference_mode():
            work = _Work(backbone, proposal, settings, batch)
            runs: dict[tuple[str, _Setting | None], Callable[[], object]] = {
                ("end to end", None): partial(work.whole, None),
                ("backbone", None): partial(work.call, work.images),
                ("looking", None): partial(work.select, work.views, keep[0]),
            }
            for setting in settings:
                runs["end to end", setting] = partial(work.whole, setting, looks=True)
            turns.append(rounds * max(1, 8 // batch))
            times = _measure(runs, turns[-1], work.wait, None, stop)
        whole = times["end to end", None]
        quarters = [_quarters(whole, times["end to end", setting]) for setting in settings]
        for i, key in enumerate(("speedup_low", "speedup", "speedup_high")):
            speeds[key].append([quarter[i] for quarter in quarters])
        plains.append(len(work.files) / statistics.median(whole))
        looking.append(_median_ratio(times["looking", None], times["backbone", None]))
        reading.append(max(0.0, 1 - _median_ratio(times["backbone", None], whole)))
        if progress:
            progress(done + 1, len(batches))
    return {
        "backbone": backbone.name,
        "proposal": proposal.name,
        "machine": machine(work.device),
        "device": str(work.device),
        "dtype": dtype,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "versions": versions(),
        "day": datetime.now(UTC).date().isoformat(),
        "load": load,
        "keep": list(keep),
        "batches": list(batches),
        "rounds": turns,
        **speeds,
        "plain_images_per_second": plains,
        "looking": looking,
        "reading": reading,
    }


def what_it_is_worth(found: dict[str, Any]) -> list[str]:
    """What a map says, in sentences: at which keep ratios batches gain, neighbours that are alike in one; and
    where none does, why. A gain is one of three rounds in four."""
    keys = ("batches", "speedup", "looking", "reading", "speedup_low")
    rows = list(zip(*(found[key] for key in keys)))
    ratios = sorted(found["keep"])

    def gaining(row: tuple) -> tuple[float, ...]:
        return tuple(sorted(ratio for ratio, low in zip(found["keep"], row[4]) if low > 1))

    sentences = []
    for ratio_set, group in groupby(rows, gaining):
        alike = list(group)
        batches, one = [row[0] for row in alike], len(alike) == 1
        who = f"Batch {batches[0]} gains" if one else f"Batches of {batches[0]} to {batches[-1]} gain"
        best = max(max(row[1]) for row in alike)
        if ratio_set:
            until = list(ratio_set) == ratios[: len(ratio_set)]
            listed = ", ".join(f"{ratio:g}" for ratio in ratio_set)
            where = f"ratios up to {ratio_set[-1]:g}" if until else f"ratios of {listed}"
            sentences.append(f"{who} at keep {where}, at most {best:.2f} times.")
            losing = [ratio for ratio, speed in zip(found["keep"], alike[0][1]) if speed < 1 > ratio]
            if batches[0] == 1 and losing:
                sentences.append(
                    f"From {min(losing):g} on the patches dropped do not pay for the ConvNet's pass, which"
                    f" takes {100 * alike[0][2]:.0f} % of the plain backbone's time at batch 1."
                )
            continue
        looking, reading = (
            f"{100 * min(row[i] for row in alike):.0f}"
            + ("" if one else f" to {100 * max(row[i] for row in alike):.0f}")
            for i in (2, 3)
        )
        sentences.append(
            f"{who} nothing: the ConvNet's pass takes {looking} % of the plain backbone's time, and reading"
            f" the picture{'' if batches == [1] else 's'}, {reading} % of the plain way's, takes as long as"
            f" before (at best {best:.2f} times)."
        )
    return sentences


def _quarters(before: Sequence[float], after: Sequence[float]) -> list[float]:
    return statistics.quantiles([a / b for a, b in zip(before, after)], n=4)


def _median_ratio(before: Sequence[float], after: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(before, after))


@dataclass(frozen=True)
class _Setting:
    """What is done to a backbone: a keep ratio, and a reduction or None."""

    keep: float
    reduction: Reduction | None


def _settings(keep: Sequence[float], reduction: AnyReduction) -> list[_Setting]:
    for ratio in keep:
        num_kept(1, ratio)  # refuses what is outside (0, 1]
    found = [_Setting(ratio, settled(reduction, ratio)) for ratio in keep]
    found = [setting for setting in found if setting.keep < 1 or setting.reduction]
    if not found:
        raise InvalidInput(
            "Nothing is pruned: give a keep ratio below 1, or reduce tokens (such as --tome-r 8)."
        )
    return found


class _Work:
    """The models, a batch of pictures, and the calls that are timed."""

    def __init__(
        self, backbone: Backbone, proposal: Proposal | None, settings: list[_Setting], batch_size: int
    ) -> None:
        self.backbone, self.proposal, self.settings = backbone, proposal, settings
        parameter = next(backbone.parameters())
        self.device, self.dtype = parameter.device, parameter.dtype
        self.call: Callable[..., Any] = backbone
        self.frames = backbone.input_size[0] if backbone.sees_clips else 1  # of each clip; a picture is one
        self.files = [_picture(seed) for seed in range(batch_size * self.frames)]
        self.images, self.views = self.read(proposal is not None)
        coarse = [7] * len(backbone.grid)
        maps = torch.rand(batch_size, *coarse, generator=torch.Generator().manual_seed(0))
        self.kept = {}
        for setting in settings:
            ratio = setting.keep
            chosen = self.select(self.views, ratio) if proposal is not None else backbone.select(maps, ratio)
            self.kept[setting] = None if ratio == 1 else self._there(chosen)

    def _there(self, kept: Any) -> Any:
        return (
            tuple(rows.to(self.device) for rows in kept) if isinstance(kept, tuple) else kept.to(self.device)
        )

    def read(self, for_both: bool) -> tuple[Tensor, Tensor | None]:
        """The batch from the files, as the backbone sees it, and the proposal where it looks too."""
        crops = [self.backbone.fit(read_image(file)) for file in self.files]
        images = torch.cat([self.backbone.view(crop) for crop in crops]).to(self.device, self.dtype)
        seen: list[Any] = crops
        if self.backbone.sees_clips:  # (B, frames, 3, H, W)
            images = images.unflatten(0, (-1, self.frames))
            seen = [crops[i : i + self.frames] for i in range(0, len(crops), self.frames)]
        if not for_both or self.proposal is None:
            return images, None
        return images, torch.cat([self.proposal.view(one) for one in seen]).to(self.device, self.dtype)

    def select(self, views: Tensor | None, ratio: float) -> Any:
        if self.proposal is None or views is None:
            raise RuntimeError("There is no proposal to rank by.")
        return self.backbone.select(channel_mean(self.proposal.features(views)), ratio)

    def pruned(self, setting: _Setting, images: Tensor, kept: Any) -> Tensor:
        if setting.reduction is None:
            return self.call(images, kept)
        return self.call(images, kept, reduction=setting.reduction)

    def pair(self, setting: _Setting) -> Tensor:
        kept = None if setting.keep == 1 else self.select(self.views, setting.keep)
        return self.pruned(setting, self.images, kept)

    def whole(self, setting: _Setting | None, looks: bool | None = None) -> Tensor:
        looks = setting is not None and setting.keep < 1 if looks is None else looks
        images, views = self.read(looks)
        if setting is None:
            return self.call(images)
        return self.pruned(setting, images, self.select(views, setting.keep) if looks else None)

    def check(self) -> None:
        plain = self.backbone(self.images)
        near = 1e-3 if self.dtype == torch.float32 else 0.1
        for setting, kept in self.kept.items():
            batch = self.pruned(setting, self.images, kept)
            first = tuple(rows[:1] for rows in kept) if isinstance(kept, tuple) else kept
            first = first[:1] if isinstance(first, Tensor) else first
            single = self.pruned(setting, self.images[:1], first)
            if setting.reduction is None and not torch.allclose(batch[:1], single, near, near):
                raise PaprError("A batch differs from its single pictures, so its speed means nothing.")
            if torch.equal(batch, plain):
                raise PaprError("Nothing was pruned, so there is no speed to measure.")

    def compile(self) -> None:
        """Whole with all that is done inside; a ViT that only drops patches in timm's own model."""
        if not self.backbone.by_stage and not any(setting.reduction for setting in self.settings):
            self.backbone.model.compile()
        else:
            self.call = torch.compile(self.backbone)

    def runs(self) -> dict[tuple[str, _Setting | None], Callable[[], object]]:
        """(what, setting) -> what is timed; no setting is the plain model."""
        runs: dict[tuple[str, _Setting | None], Callable[[], object]]
        runs = {("backbone", None): lambda: self.call(self.images)}
        for setting, kept in self.kept.items():
            runs["backbone", setting] = partial(self.pruned, setting, self.images, kept)
        if self.proposal is not None:
            runs["end to end", None] = partial(self.whole, None)
            for setting in self.settings:
                runs["pair", setting] = partial(self.pair, setting)
                runs["end to end", setting] = partial(self.whole, setting)
        return runs

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _measure(
    runs: dict,
    rounds: int,
    wait: Callable[[], None],
    progress: Progress | None,
    stop: Callable[[], bool] | None,
) -> dict:
    """Seconds of each run in each round; the order is drawn anew each round, and some rounds warm up."""
    times: dict[Any, list[float]] = {name: [] for name in runs}
    draw = random.Random(0)
    for turn in range(-WARM_UP, rounds):
        for name in draw.sample(list(runs), len(runs)):
            if stop and stop():
                raise Stopped
            wait()
            start = time.perf_counter()
            runs[name]()
            wait()
            if turn >= 0:
                times[name].append(time.perf_counter() - start)
        if progress and turn >= 0:
            progress(turn + 1, rounds)
    return times


def _rows(work: _Work, times: dict, setting: _Setting, share: float | None) -> Iterator[dict[str, Any]]:
    backbone = work.backbone
    plain = cost.backbone_gmacs(backbone)
    pruned = cost.backbone_gmacs(backbone, setting.keep, reduction=setting.reduction)
    looking = work.proposal if setting.keep < 1 else None
    pair = cost.spent(pruned, cost.proposal_gmacs(looking) if looking is not None else 0.0)
    by_share = None if share is None else 1 / (1 - share + share * setting.keep)
    promised = {"backbone": by_share or plain / pruned, "pair": plain / pair["gmacs"]}
    for what in ("backbone", "pair", "end to end"):
        if (what, setting) not in times:
            continue
        before = times["end to end" if what == "end to end" else "backbone", None]
        after = times[what, setting]
        low, middle, high = _quarters(before, after)
        promise = promised.get(what)
        yield {
            "measured": what,
            "keep": setting.keep,
            **words_of(setting.reduction),
            "n": len(after),
            "gmacs_full": plain,
            **(cost.spent(pruned) if what == "backbone" else pair),
            "plain_images_per_second": len(work.files) / statistics.median(before),
            "pruned_images_per_second": len(work.files) / statistics.median(after),
            "speedup": middle,
            "speedup_low": low,
            "speedup_high": high,
            "promised": promise,
            "share_of_promise": middle / promise if promise else None,
        }


def _pixel_share(work: _Work, stop: Callable[[], bool] | None, rounds: int = 5) -> float:
    """The share of the plain model's time that its pixel operators take: median of some rounds."""
    shares = []
    with _clocked(_pixel_operators(work.backbone.model), work.wait) as spent:
        for turn in range(-1, rounds):
            if stop and stop():
                raise Stopped
            spent.clear()
            work.wait()
            start = time.perf_counter()
            work.backbone(work.images)
            work.wait()
            if turn >= 0:
                shares.append(sum(spent) / (time.perf_counter() - start))
    return statistics.median(shares)


def _pixel_operators(model: Any) -> list[nn.Module]:
    stages = model.stages if hasattr(model, "stages") else model.layers
    blocks = [block for stage in stages for block in stage.blocks]
    return [part for block in blocks for part in (getattr(block, "norm2", None) or block.norm, block.mlp)]


@contextmanager
def _clocked(modules: list[nn.Module], wait: Callable[[], None]) -> Iterator[list[float]]:
    """The seconds of each call of these modules, noted while the block lasts."""
    spent, started = [], []

    def begin(*_: object) -> None:
        wait()
        started.append(time.perf_counter())

    def end(*_: object) -> None:
        wait()
        spent.append(time.perf_counter() - started.pop())

    hooks = [module.register_forward_pre_hook(begin) for module in modules]
    hooks += [module.register_forward_hook(end) for module in modules]
    try:
        yield spent
    finally:
        for hook in hooks:
            hook.remove()


def machine(device: str | torch.device) -> str:
    """The name of the processor behind a device."""
    if str(device).startswith("cuda"):
        return torch.cuda.get_device_name(device)
    try:
        with open("/proc/cpuinfo") as file:
            return next(entry.split(":")[1].strip() for entry in file if entry.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _picture(seed: int) -> bytes:
    """A JPEG file of 500 x 375 pixels, smooth noise: decoding takes what a photograph's takes."""
    from PIL import Image

    draw = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (24, 32, 3), generator=draw, dtype=torch.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse.numpy()).resize((500, 375)).save(file, "JPEG", quality=90)
    return file.getvalue()
