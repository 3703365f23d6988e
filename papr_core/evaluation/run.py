"""Accuracy of a pruned backbone on labelled images or clips, method by method and ratio by ratio.

The question of the PaPr paper's tables (https://arxiv.org/abs/2403.16020, Tables 1, 8 and 9, Fig. 4), asked
of any pair and any method of ours, controls included, and split by whether the proposal itself was right (its
"challenging" cases).

Two steps that know nothing of each other: every image gives a record (rank of the true class, its confidence,
whether the full model's answer was kept; for each method and ratio), and records give rows. So a run may be
shared out over processes (torchrun), or ended and resumed, and its rows are those of one.
"""

import os
from collections.abc import Callable, Sequence

import torch

from papr_core.comparison.video import check_method, load_pair
from papr_core.data.datasets import Dataset, open_dataset
from papr_core.data.images import FITS
from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.evaluation.accuracy import rows_and_differences
from papr_core.evaluation.clip_trials import ClipTrials, Views
from papr_core.evaluation.image_trials import ImageTrials
from papr_core.evaluation.records import PartialRecords, Records, gathered, joined, share
from papr_core.evaluation.trials import Plan, configurations, make_plan
from papr_core.methods import table as _methods
from papr_core.models.backbones import load_backbone
from papr_core.models.backbones.base import Backbone
from papr_core.models.catalog import sees_clips
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.models.proposals import load_proposal
from papr_core.models.proposals.base import Proposal
from papr_core.pruning.reductions import AnyReduction, settings_of, settled, words_of
from papr_core.pruning.selection import num_kept

__all__ = ["KEEP", "METHODS", "evaluate"]

KEEP = (1.0, 0.7, 0.5, 0.3)
METHODS = ("papr", "random", "center", "cam")

Progress = Callable[[int, int], None]


def evaluate(
    data: str | os.PathLike | Dataset,
    *,
    backbone: str | Backbone | None = None,
    proposal: str | Proposal | None = None,
    keep: Sequence[float] = KEEP,
    reductions: Sequence[AnyReduction] = (None,),
    methods: Sequence[str] | None = None,
    explain: str = "proposal",
    classes: str = "model",
    fit: str = "crop",
    views: str | None = None,
    limit: int | None = None,
    batch_size: int = 32,
    resume: str | os.PathLike | None = None,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
    downloading: Progress | None = None,
) -> dict | None:
    """Accuracy of a backbone on data, by method and keep ratio: the object that `evaluate --json` prints.

    data: class folders, a tar of them, or an open data set; `limit` images of it, balanced over classes.
    Folder names are matched to the backbone's labels, and to the proposal's where they can be (else nothing
    is split by whether the proposal was right, and `proposal_top1` is null).
    methods: names of `papr_core.METHODS` (not by-hand); by default papr, random, center and, where the
    proposal allows it, cam. random is five draws: each image counts with the mean over its draws, which
    depend on the image's name alone.
    reductions: what happens inside the blocks, each with each keep ratio.
    explain: which class a CAM explains, the proposal's own answer or the true class ("target").
    classes: which classes compete, all that the models know ("model") or those of the folders ("data"), then
    for the proposal too.
    backbone, proposal: names, loaded to `device`, or loaded models, which stay where they are; by default the
    pair that the page starts with, and X3D-S for a backbone of clips.
    views: of a clip, places x times ("3x5"): each view is pruned by itself, the probabilities are averaged
    over views, a CAM explains each view's own answer, and costs and speed are those of one view ("1x1", the
    default, is `prune_clip`'s). With views, or with models of clips, data are clips; else they are images
    where there are any.
    resume: a folder, in which every process keeps what it has found; the same call with the same folder
    goes on where an ended one stopped (see records.py). It works over processes and machines alike.
    progress: called as progress(images done, of); downloading: as downloading(bytes, of) while weights come.

    Percentages from 0 to 100; intervals are 95 %, of 2000 seeded bootstrap resamples of the images of a
    subset, the same for all rows, so that differences are paired. `gmacs` is the backbone at this keep plus
    one pass of the proposal, keep 1 included; `patches` and `kept` are those of an image or a view.
    `images_per_second` (of clips: views) is the backbone's call alone, the first batch not counted. The head
    says all that decided the numbers; a model with random weights has no hash, null.

    >>> import papr_core
    >>> found = papr_core.evaluate("tests/data/caltech101-200", keep=[1, 0.4], methods=["papr"], limit=2)
    >>> [(row["method"], row["kept"]) for row in found["rows"] if row["subset"] == "all"]
    [('full', 196), ('papr', 78)]

    Under torchrun every process evaluates its share of the batches; the first gives the result, the others
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
    of_clips = sees_clips(backbone or DEFAULT_BACKBONE, "backbone") or sees_clips(
        proposal or DEFAULT_PROPOSAL, "proposal"
    )
    data = _opened(data, limit, clips=of_clips or views is not None)
    of_clips = data.kind == "clips"
    views = Views.parse(views or "1x1")
    if of_clips:
        told = (lambda what, done, of: downloading(done, of)) if downloading else None
        pair = load_pair(proposal, backbone, device=device, progress=told)
        backbone, proposal = pair.backbone, pair.proposal
    else:
        backbone, proposal = backbone or DEFAULT_BACKBONE, proposal or DEFAULT_PROPOSAL
        if isinstance(backbone, str):
            backbone = load_backbone(backbone, device=device, progress=downloading)
        if isinstance(proposal, str):
            proposal = load_proposal(proposal, device=device, progress=downloading)
    names = _methods_for(proposal, methods, of_clips)
    plan = make_plan(
        data,
        backbone,
        proposal,
        configurations=configurations(names, ratios, reductions),
        classes=classes,
        explain=explain,
        fit=fit,
    )
    trials = ClipTrials(plan, pair, views) if of_clips else ImageTrials(plan)
    about = {
        "data": str(data.path),
        "kind": data.kind,
        "classes": classes,
        "fit": fit,
        **({"views": str(views)} if of_clips else {}),
        "backbone": backbone.name,
        "proposal": proposal.name,
    }
    partial = _partial(resume, plan, about) if resume is not None else None
    records = gathered(_measured(trials, batch_size, partial, progress))
    if records is None:
        return None
    split = plan.proposal_contest.known
    rows, differences = rows_and_differences(
        records,
        plan.configurations,
        patches=trials.patches,
        kept=trials.kept,
        full=1.0 in ratios and None in [settled(each, 1.0) for each in reductions],
        split=split,
    )
    return {
        **about,
        "explain": explain,
        **settings_of(reductions),
        "backbone_sha256": backbone.sha256,
        "proposal_sha256": proposal.sha256,
        "proposal_parameters": sum(part.numel() for part in proposal.parameters()),
        "n": len(data),
        "proposal_top1": 100 * float(records.right.mean()) if split else None,
        "rows": rows,
        "differences": differences,
    }


def _partial(folder: str | os.PathLike, plan: Plan, about: dict) -> PartialRecords:
    task = about | {
        "backbone weights": plan.backbone.sha256,
        "proposal weights": plan.proposal.sha256,
        "folders": plan.data.classes if about["classes"] == "data" else None,  # they compete then
        "what the proposal knows": plan.proposal_contest.known,
        "methods, keep and reductions": [
            (name, ratio, words_of(reduction)) for name, ratio, reduction in plan.configurations
        ],
        "explain": "target" if plan.explain_truth else "proposal",
    }
    return PartialRecords(folder, task, [key for key, _ in plan.data.samples], len(plan.configurations))


def _measured(
    trials: ImageTrials | ClipTrials,
    batch_size: int,
    partial: PartialRecords | None,
    progress: Progress | None,
) -> Records:
    """This process's share, what it finds in the folder of partial records and what it measures.

    Every batch belongs to one process, whatever was measured before: so processes that see different states
    of the folder neither leave a batch out nor measure it twice.
    """
    everything = range(len(trials.plan.data))
    batches = [everything[i : i + batch_size] for i in range(0, len(everything), batch_size)]
    rank, processes = share()
    mine = batches[rank::processes]
    found = [Records.none(len(trials.plan.configurations))]
    if partial is not None:
        found.append(partial.found.of([i for batch in mine for i in batch]))
    there = {i for records in found for i in records.index.tolist()}
    waiting = [left for batch in mine if (left := [i for i in batch if i not in there])]
    of = sum(map(len, mine))
    if progress and there:
        progress(len(there), of)
    for records in trials.measure(waiting):
        if partial is not None:
            partial.add(records)
        found.append(records)
        if progress:
            progress(sum(map(len, found)), of)
    return joined(found)


def _opened(data: str | os.PathLike | Dataset, limit: int | None, *, clips: bool) -> Dataset:
    if not isinstance(data, Dataset):
        return open_dataset(data, limit=limit, kind="clips" if clips else None)
    if limit is not None:
        raise InvalidInput("A limit goes with a path; an open data set has its own.")
    if clips and data.kind != "clips":
        raise InvalidInput(f"{data.path} was opened as {data.kind}; models and views of clips need clips.")
    return data


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


def _methods_for(proposal: Proposal, names: Sequence[str] | None, clips: bool) -> tuple[str, ...]:
    if names is None:
        return tuple(name for name in METHODS if _methods.refusal(name, proposal) is None)
    for name in names:
        if clips:
            check_method(name, proposal)
        elif reason := _methods.refusal(name, proposal):
            raise UnsupportedModel(reason)
    return tuple(dict.fromkeys(names))
