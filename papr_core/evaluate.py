"""Accuracy of a pruned backbone on labelled images, method by method and ratio by ratio, with intervals.

The question of the PaPr paper's tables (https://arxiv.org/abs/2403.16020, Table 1 and Fig. 4), asked of any
pair and any method of ours, controls included, and split by whether the proposal itself was right (its
"challenging" cases).

Two steps that know nothing of each other: every image gives a record (rank of the true class, its confidence,
whether the full model's answer was kept; for each method and ratio), and records give rows. So a run may be
shared out over processes (torchrun), and its rows are those of one.
"""

import argparse
import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from papr_core import cost, weights
from papr_core import methods as _methods
from papr_core.backbones import load_backbone
from papr_core.catalog import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.datasets import Dataset, match_classes, open_dataset
from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.images import FITS
from papr_core.merging import LAYERS, Merging, as_published
from papr_core.proposals import load_proposal
from papr_core.selection import num_kept

__all__ = ["add_arguments", "evaluate", "run"]

KEEP = (1.0, 0.7, 0.5, 0.3)
METHODS = ("papr", "random", "center", "cam")
FULL = "full"
TOP = 10
ROUNDS = 2000  # of the bootstrap

Progress = Callable[[int, int], None]
_Configuration = tuple[str, float, int]  # method, keep ratio, tokens merged a block


def evaluate(
    data: str | os.PathLike | Dataset,
    *,
    backbone: str | nn.Module = DEFAULT_BACKBONE,
    proposal: str | nn.Module = DEFAULT_PROPOSAL,
    keep: Sequence[float] = KEEP,
    tome_r: Sequence[int] = (0,),
    tome_layers: str | None = None,
    methods: Sequence[str] | None = None,
    explain: str = "proposal",
    classes: str = "model",
    fit: str = "crop",
    limit: int | None = None,
    batch_size: int = 32,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
    downloading: Progress | None = None,
) -> dict | None:
    """Accuracy of a backbone on data, by method and keep ratio: the object that `evaluate --json` prints.

    data: class folders, a tar of them, or an open data set; `limit` images of it, balanced over classes.
    Folder names are matched to the backbone's labels, and to the proposal's where they can be (else nothing
    is split by whether the proposal was right, and `proposal_top1` is null).
    methods: names of METHODS in methods.py (not by-hand); by default papr, random, center and, where the
    proposal allows it, cam. random is five draws: each image counts with the mean over its draws, which
    depend on the image's name alone.
    tome_r: tokens merged in each block, each number with each keep ratio; tome_layers: "all" blocks or the
    "second_half", by default all where nothing is pruned, else the second half.
    explain: which class a CAM explains, the proposal's own answer or the true class ("target").
    classes: which classes compete, all that the models know ("model") or those of the folders ("data"), then
    for the proposal too.
    backbone, proposal: names, loaded to `device`, or loaded models, which stay where they are.
    progress: called as progress(images done, of); downloading: as downloading(bytes, of) while weights come.

    Percentages from 0 to 100; intervals are 95 %, of 2000 seeded bootstrap resamples of the images of a
    subset, the same for all rows, so that differences are paired. `gmacs` is the backbone at this keep plus
    one pass of the proposal, keep 1 included. `images_per_second` is the backbone's call alone, the first
    batch not counted.

    Under torchrun every process evaluates its share of the images; the first gives the result, the others
    None.

    Raises:
        InvalidInput and its kin: in one sentence.
    """
    ratios = _checked_ratios(keep)
    for value, allowed, what in (
        (explain, ("proposal", "target"), "explain"),
        (classes, ("model", "data"), "classes"),
        (fit, FITS, "fit"),
    ):
        if value not in allowed:
            raise InvalidInput(f"{what} is one of {', '.join(allowed)}, not {value!r}.")
    _check_names(methods)
    if batch_size < 1:
        raise InvalidInput(f"The batch size is {batch_size}; it must be at least 1.")
    if not isinstance(data, Dataset):
        data = open_dataset(data, limit=limit)
    elif limit is not None:
        raise InvalidInput("A limit goes with a path; an open data set has its own.")
    if isinstance(backbone, str):
        backbone = load_backbone(backbone, device=device, progress=downloading)
    if isinstance(proposal, str):
        proposal = load_proposal(proposal, device=device, progress=downloading)
    names, merged = _methods_for(proposal, methods), list(dict.fromkeys(tome_r))
    for r in merged:
        if as_published(r, 1.0, tome_layers).active and (reason := backbone.merging_refusal()):
            raise UnsupportedModel(reason)
    if backbone.headless:
        raise UnsupportedModel(f"{backbone.name} has no classifier, so it can be neither right nor wrong.")
    task = _Task(
        data=data,
        backbone=backbone,
        proposal=proposal,
        configurations=(
            (FULL, 1.0, 0),
            *((FULL, 1.0, r) for r in merged if r and 1.0 in ratios),
            *((name, ratio, r) for ratio in ratios if ratio < 1 for r in merged for name in names),
        ),
        tome_layers=tome_layers,
        backbone_contest=_Contest(match_classes(data.classes, backbone.labels), backbone, classes == "data"),
        proposal_contest=_proposal_contest(data, proposal, classes == "data"),
        explain_truth=explain == "target",
        fit=fit,
        batch_size=batch_size,
    )
    task.check()
    rank, processes = _share()
    records = _gathered(_measure(task, range(rank, len(data), processes), progress), rank, processes)
    if records is None:
        return None
    rows, differences = _summarise(task, records, 1.0 in ratios and 0 in merged)
    return {
        "data": str(data.path),
        "n": len(data),
        "classes": classes,
        "fit": fit,
        "backbone": backbone.name,
        "proposal": proposal.name,
        "proposal_top1": None if task.proposal_contest.places is None else 100 * float(records.right.mean()),
        "rows": rows,
        "differences": differences,
    }


def _checked_ratios(keep: Sequence[float]) -> list[float]:
    ratios = list(dict.fromkeys(float(ratio) for ratio in keep))
    if not ratios:
        raise InvalidInput("Give at least one keep ratio, above 0 and at most 1.")
    for ratio in ratios:
        num_kept(1, ratio)  # refuses what is outside (0, 1]
    return ratios


def _check_names(names: Sequence[str] | None) -> None:
    for name in names or ():
        if _methods.find_method(name).kind == "choice":
            raise InvalidInput(
                f"{name} is one visitor's choice of patches; it cannot be evaluated on many images."
            )


def _methods_for(proposal: nn.Module, names: Sequence[str] | None) -> tuple[str, ...]:
    if names is None:
        return tuple(name for name in METHODS if _methods.refusal(name, proposal) is None)
    for name in names:
        if reason := _methods.refusal(name, proposal):
            raise UnsupportedModel(reason)
    return tuple(dict.fromkeys(names))


class _Contest:
    """Which of a model's classes compete (`classes`), and which of these a folder means (`places`)."""

    def __init__(self, folders: Sequence[int] | None, model: nn.Module, restrict: bool) -> None:
        every = torch.arange(len(model.labels))
        truth = None if folders is None else torch.tensor(folders)  # a class of the model for each folder
        self.classes = every if truth is None or not restrict else truth.unique()
        self.places = None if truth is None else torch.searchsorted(self.classes, truth)

    def logits(self, logits: Tensor) -> Tensor:
        """(B, all classes of the model) to (B, those that compete), float32 on the CPU."""
        return logits.float().cpu()[:, self.classes]


def _proposal_contest(data: Dataset, proposal: nn.Module, restrict: bool) -> _Contest:
    """A proposal need not know the classes: its map is there all the same."""
    try:
        return _Contest(match_classes(data.classes, proposal.labels), proposal, restrict)
    except InvalidInput:
        return _Contest(None, proposal, restrict)


@dataclass
class _Task:
    """What is to be measured; `configurations` are (method, ratio, merged r), the full model first."""

    data: Dataset
    backbone: nn.Module
    proposal: nn.Module
    configurations: "tuple[_Configuration, ...]"
    tome_layers: str | None
    backbone_contest: _Contest
    proposal_contest: _Contest
    explain_truth: bool
    fit: str
    batch_size: int

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for name, _, _ in self.configurations if name != FULL))

    def merging(self, ratio: float, r: int) -> Merging | None:
        return as_published(r, ratio, self.tome_layers) if r else None

    def check(self) -> None:
        needy = [name for name in self.methods if _methods.METHODS[name].uses_class]
        if self.explain_truth and needy and self.proposal_contest.places is None:
            raise InvalidInput(
                f"{self.proposal.name} does not know all classes of {self.data.path.name},"
                f" so {', '.join(needy)} cannot explain the true class: explain the proposal's own answer."
            )


@dataclass
class _Records:
    """Measured images: their places in the data, and what came out for each configuration."""

    index: np.ndarray  # (n,)
    right: np.ndarray  # (n,) 1 where the proposal's answer was the true class, NaN where it does not know it
    scores: np.ndarray  # (n, configurations, TOP + 2), 0 to 1: top-1 .. top-10, confidence, answer kept
    calls: "dict[_Configuration, list[tuple[float, int]]]"  # of the backbone: seconds, images


def _measure(task: _Task, indices: Sequence[int], progress: Progress | None) -> _Records:
    """Run the models over these images, batch by batch."""
    clock = _Clock(_device(task.backbone))
    right, scores = [torch.zeros(0)], [torch.zeros(0, len(task.configurations), TOP + 2)]
    done = 0
    for chosen, images, views in _batches(task, indices):
        of_batch = _measure_batch(task, chosen, images, views, clock)
        right.append(of_batch[0])
        scores.append(of_batch[1])
        done += len(chosen)
        if progress:
            progress(done, len(indices))
    return _Records(
        np.array(indices, dtype=np.int64), torch.cat(right).numpy(), torch.cat(scores).numpy(), clock.calls
    )


@torch.no_grad()  # not inference mode: some methods take gradients of what is made here
def _measure_batch(
    task: _Task, chosen: Sequence[int], images: Tensor, views: Tensor, clock: "_Clock"
) -> tuple[Tensor, Tensor]:
    """right (B,) and scores (B, configurations, TOP + 2). The proposal runs once, a map serves all ratios."""
    backbone, proposal, contest = task.backbone, task.proposal, task.proposal_contest
    images, views = images.to(_device(backbone)), views.to(_device(proposal))
    folders = torch.tensor([task.data.class_indices[i] for i in chosen])
    features = proposal.features(views)
    answered = contest.logits(proposal.logits(features)).argmax(dim=1)
    known = contest.places is not None
    right = (answered == contest.places[folders]).float() if known else torch.full(folders.shape, torch.nan)
    maps = {
        name: _methods.method_map(
            name,
            proposal,
            views,
            features,
            class_index=contest.classes[
                contest.places[folders] if task.explain_truth and known else answered
            ],
            grid=backbone.grid,
            keys=[task.data.samples[i][0] for i in chosen],
        )
        for name in task.methods
    }  # (B, draws, h, w) each
    truth = task.backbone_contest.places[folders]
    scores, answers = [], None
    for configuration in task.configurations:
        name, ratio, r = configuration
        selections = [None] if name == FULL else [backbone.select(one, ratio) for one in maps[name].unbind(1)]
        call = partial(backbone, merging=task.merging(ratio, r)) if r else backbone
        several = [
            task.backbone_contest.logits(clock(configuration, call, images, kept)) for kept in selections
        ]
        if answers is None:
            answers = several[0].argmax(dim=1)
        scores.append(torch.stack([_scores(logits, truth, answers) for logits in several]).mean(dim=0))
    return right, torch.stack(scores, dim=1)


def _batches(task: _Task, indices: Sequence[int]) -> Iterator[tuple[list[int], Tensor, Tensor]]:
    """(indices, the backbone's images, the proposal's images), read ahead by threads."""

    def load(i: int) -> tuple[Tensor, Tensor]:
        crop = task.backbone.fit(task.data.read(i), task.fit)
        return task.backbone.view(crop), task.proposal.view(crop)

    def stack(ahead: deque) -> tuple[list[int], Tensor, Tensor]:
        chosen, jobs = ahead.popleft()
        crops, views = zip(*(job.result() for job in jobs))
        return chosen, torch.cat(crops), torch.cat(views)

    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    ahead = deque()
    try:
        for start in range(0, len(indices), task.batch_size):
            chosen = list(indices[start : start + task.batch_size])
            ahead.append((chosen, [pool.submit(load, i) for i in chosen]))
            if len(ahead) > 2:
                yield stack(ahead)
        while ahead:
            yield stack(ahead)
    finally:
        pool.shutdown(cancel_futures=True)


def _scores(logits: Tensor, truth: Tensor, answers: Tensor) -> Tensor:
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
    return torch.cat([top.float(), confidence, kept[:, None].float()], dim=1)


class _Clock:
    """Calls the backbone and notes how long each configuration took: (seconds, images), call by call."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.calls: dict[_Configuration, list[tuple[float, int]]] = {}

    def __call__(self, configuration: _Configuration, backbone: Callable, *inputs: Tensor | None) -> Tensor:
        self._wait()
        start = time.perf_counter()
        logits = backbone(*inputs)
        self._wait()
        self.calls.setdefault(configuration, []).append((time.perf_counter() - start, len(logits)))
        return logits

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _device(module: nn.Module) -> torch.device:
    return next(module.parameters()).device


def _share() -> tuple[int, int]:
    """This process's number and how many there are, as torchrun tells them."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def _gathered(records: _Records, rank: int, processes: int) -> _Records | None:
    """The records of all processes, sorted by index, in the first process; None in the others."""
    parts = [records]
    if processes > 1:
        from torch import distributed

        parts = [None] * processes if rank == 0 else None
        joined = distributed.is_initialized()
        if (
            not joined
        ):  # only now: the processes need each other for nothing else, and may take unequally long
            distributed.init_process_group("gloo", timeout=timedelta(days=1))
        distributed.gather_object(records, parts)
        if not joined:
            distributed.destroy_process_group()
    if parts is None:
        return None
    order = np.concatenate([part.index for part in parts]).argsort()
    return _Records(
        index=np.concatenate([part.index for part in parts])[order],
        right=np.concatenate([part.right for part in parts])[order],
        scores=np.concatenate([part.scores for part in parts])[order],
        calls={key: [call for part in parts for call in part.calls.get(key, ())] for key in records.calls},
    )


def _summarise(task: _Task, records: _Records, full: bool) -> tuple[list[dict], list[dict]]:
    """The rows and the differences of all subsets; `full`: with the full model's rows."""
    subsets = {"all": np.ones(len(records.index), dtype=bool)}
    if task.proposal_contest.places is not None:
        subsets |= {"proposal_right": records.right == 1, "proposal_wrong": records.right == 0}
    spent = _spent(task)
    rows, differences = [], []
    for subset, members in subsets.items():
        scores = records.scores[members].astype(np.float64)  # (n, configurations, TOP + 2)
        if not len(scores):
            continue
        means = 100 * scores.mean(axis=0)
        resampled = 100 * _bootstrap(scores[:, :, 0])  # (rounds, configurations)
        for c, (method, ratio, r) in enumerate(task.configurations):
            if c == 0 and not full:
                continue
            low, high = _interval(resampled[:, c])
            row = {
                "subset": subset,
                "method": method,
                "keep": ratio,
                "tome_r": r,
                "n": len(scores),
                "patches": task.backbone.num_patches,
                "kept": task.backbone.num_kept(ratio),
                "top1": means[c, 0],
                "top1_low": low,
                "top1_high": high,
                "topk": means[c, :TOP].tolist(),
                "confidence": means[c, TOP],
                "answers_kept": means[c, TOP + 1],
                "gmacs": spent[ratio, r],
                "images_per_second": _rate(records.calls[method, ratio, r]),
            }
            rows.append(_plain(row))
        for ours, other in _pairs(task):
            method, ratio, r = task.configurations[ours]
            low, high = _interval(resampled[:, ours] - resampled[:, other])
            row = {
                "subset": subset,
                "method": method,
                "minus": task.configurations[other][0],
                "keep": ratio,
                **({"tome_r": r} if r else {}),
                "n": len(scores),
                "top1": means[ours, 0] - means[other, 0],
                "low": low,
                "high": high,
            }
            differences.append(_plain(row))
    return rows, differences


def _spent(task: _Task) -> dict[tuple[float, int], float]:
    once = cost.proposal_gmacs(task.proposal)
    settings = {(ratio, r) for _, ratio, r in task.configurations}
    return {
        (ratio, r): once + cost.backbone_gmacs(task.backbone, ratio, merging=task.merging(ratio, r))
        for ratio, r in settings
    }


def _pairs(task: _Task) -> Iterator[tuple[int, int]]:
    """(PaPr's configuration, another's), as places; without PaPr the first method stands for it."""
    ours = "papr" if "papr" in task.methods else next(iter(task.methods), None)
    for place, (name, ratio, r) in enumerate(task.configurations):
        if name not in (FULL, ours):
            yield task.configurations.index((ours, ratio, r)), place


def _plain(row: dict) -> dict:
    return {key: float(value) if isinstance(value, np.floating) else value for key, value in row.items()}


def _bootstrap(values: np.ndarray, rounds: int = ROUNDS, seed: int = 0) -> np.ndarray:
    """Means of resampled rows: (n, columns) to (rounds, columns). Every column sees the same resamples."""
    n = len(values)
    draw = np.random.default_rng(seed)
    at_once = max(1, 2_000_000 // n)
    means = []
    for start in range(0, rounds, at_once):
        several = min(at_once, rounds - start)
        picks = draw.integers(0, n, (several, n)) + n * np.arange(several)[:, None]
        counts = np.bincount(picks.ravel(), minlength=several * n).reshape(several, n)
        means.append(counts @ values / n)
    return np.concatenate(means)


def _interval(resampled: np.ndarray) -> np.ndarray:
    """The middle 95 % of resampled values, (rounds, ...) to (2, ...)."""
    return np.percentile(resampled, (2.5, 97.5), axis=0)


def _rate(calls: Sequence[tuple[float, int]]) -> float:
    """Images a second; the first call warms up, and counts only where it is the only one."""
    seconds, images = (sum(part) for part in zip(*(calls[1:] or calls)))
    return images / max(seconds, 1e-9)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `papr evaluate` takes."""
    add = parser.add_argument
    add("--data", required=True, metavar="DIR_or_TAR", help="class folders, or a .tar or .tar.gz of them")
    add("--backbone", default=DEFAULT_BACKBONE, help="the model that is pruned (default: %(default)s)")
    add("--proposal", default=DEFAULT_PROPOSAL, help="the ConvNet that looks first (default: %(default)s)")
    add(
        "--keep",
        nargs="+",
        type=float,
        default=KEEP,
        metavar="Z",
        help="keep ratios (default: 1 0.7 0.5 0.3)",
    )
    known = ", ".join(name for name, method in _methods.METHODS.items() if method.kind != "choice")
    add("--methods", nargs="+", metavar="METHOD", help=f"of {known} (default: {' '.join(METHODS)})")
    explained = (
        "the class that a CAM explains: the proposal's answer or the true class (default: %(default)s)"
    )
    add("--explain", choices=("proposal", "target"), default="proposal", help=explained)
    merged = "tokens merged in each block; several numbers: each with each keep ratio (default: 0)"
    add("--tome-r", nargs="+", type=int, default=[0], metavar="R", help=merged)
    where = "the blocks that merge (default: all where nothing is pruned, else the second half)"
    add("--tome-layers", choices=LAYERS, help=where)
    competing = "the classes that compete: all the model's, or those of the data (default: %(default)s)"
    add("--classes", choices=("model", "data"), default="model", help=competing)
    fitted = "how a picture is brought to the model's size (default: %(default)s)"
    add("--fit", choices=FITS, default="crop", help=fitted)
    add("--limit", type=int, metavar="N", help="so many images, balanced over classes, always the same")
    add("--batch-size", type=int, default=32, metavar="N", help="images at once (default: %(default)s)")
    add("--device", help="cpu, cuda, cuda:1 ... (default: cuda where there is one)")
    add("--weights-dir", metavar="DIR", help="a folder with weights of your own (also PAPR_WEIGHTS)")
    add("--json", action="store_true", help="print one JSON object instead of tables")


def run(arguments: argparse.Namespace) -> int:
    """`papr evaluate`, alone or under torchrun: tables, or one JSON object, on stdout; progress on stderr."""
    if arguments.weights_dir:
        weights.configure(weights_dir=arguments.weights_dir)
    rank, _ = _share()
    show = rank == 0
    with _bar(show, unit=" images") as progress, _bar(show, unit="B", unit_scale=True) as downloading:
        result = evaluate(
            arguments.data,
            backbone=arguments.backbone,
            proposal=arguments.proposal,
            keep=arguments.keep,
            tome_r=arguments.tome_r,
            tome_layers=arguments.tome_layers,
            methods=arguments.methods,
            explain=arguments.explain,
            classes=arguments.classes,
            fit=arguments.fit,
            limit=arguments.limit,
            batch_size=arguments.batch_size,
            device=arguments.device or _default_device(),
            progress=progress,
            downloading=downloading,
        )
    if result is not None:
        sys.stdout.write(json.dumps(result) + "\n" if arguments.json else _tables(result))
    return 0


def _default_device() -> str:
    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{os.environ.get('LOCAL_RANK', 0)}"


@contextmanager
def _bar(show: bool, **look: object) -> Iterator[Progress]:
    """A progress bar on stderr, which appears with its first step."""
    from tqdm import tqdm

    with tqdm(file=sys.stderr, disable=not show, delay=1e-3, **look) as bar:

        def progress(done: int, of: int) -> None:
            if of != bar.total:
                bar.reset(of)
            bar.update(done - bar.n)
            if done == of:
                bar.refresh()

        yield progress


_SUBSETS = {
    "all": "all images",
    "proposal_right": "images on which the proposal is right",
    "proposal_wrong": "images on which the proposal is wrong",
}


def _tables(result: dict) -> str:
    """The result for people: a table a subset, with PaPr's differences below."""
    competing = (
        "all classes that a model knows" if result["classes"] == "model" else "only the classes of the data"
    )
    right = result["proposal_top1"]
    lines = [
        f"{result['data']}: {result['n']} images, fit: {result['fit']}; {competing} compete.",
        f"Backbone {result['backbone']}; proposal {result['proposal']}, "
        + ("which does not know all these classes." if right is None else f"right on {right:.1f} %."),
        "Percent, with 95 % intervals; GMACs of the backbone at this ratio plus one pass of the proposal.",
    ]
    for subset, title in _SUBSETS.items():
        rows = [row for row in result["rows"] if row["subset"] == subset]
        differences = [row for row in result["differences"] if row["subset"] == subset]
        if not rows and not differences:
            continue
        lines += ["", f"{title}: {(rows or differences)[0]['n']}"]
        lines += (
            [_HEAD] * bool(rows) + [_line(row) for row in rows] + [_difference(row) for row in differences]
        )
    return "\n".join(lines) + "\n"


_HEAD = (
    f"{'method':<11}{'keep':>6}{'r':>4}{'patches':>9}{'top-1':>8}{'interval':>15}{'top-5':>8}{'conf.':>8}"
    f"{'answers kept':>14}{'GMACs':>9}{'images/s':>10}"
)


def _line(row: dict) -> str:
    interval = f"{row['top1_low']:.1f} to {row['top1_high']:.1f}"
    return (
        f"{row['method']:<11}{row['keep']:>6.4g}{row['tome_r']:>4}{row['kept']:>9}{row['top1']:>8.1f}{interval:>15}"
        f"{row['topk'][4]:>8.1f}{row['confidence']:>8.1f}{row['answers_kept']:>14.1f}"
        f"{row['gmacs']:>9.3f}{row['images_per_second']:>10.1f}"
    )


def _difference(row: dict) -> str:
    return (
        f"{row['method']} less {row['minus']} at {row['keep']:.4g}"
        f"{', r ' + str(row['tome_r']) if 'tome_r' in row else ''}: "
        f"{row['top1']:+.1f} ({row['low']:+.1f} to {row['high']:+.1f})"
    )
