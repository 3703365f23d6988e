"""Accuracy of a pruned backbone on labelled images or clips, method by method and ratio by ratio.

The question of the PaPr paper's tables (https://arxiv.org/abs/2403.16020, Tables 1, 8 and 9, Fig. 4), asked
of any pair and any method of ours, controls included, and split by whether the proposal itself was right (its
"challenging" cases).

Two steps that know nothing of each other: every image gives a record (rank of the true class, its confidence,
whether the full model's answer was kept; for each method and ratio), and records give rows. So a run may be
shared out over processes (torchrun), or ended and resumed, and its rows are those of one.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from papr_core import cost
from papr_core.comparison.video import check_method, load_pair
from papr_core.data.datasets import Dataset, open_dataset
from papr_core.data.images import FITS
from papr_core.devices import device_of
from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.evaluation.accuracy import rows_and_differences
from papr_core.evaluation.boxes import boxes_of
from papr_core.evaluation.budgets import by_mass
from papr_core.evaluation.by_class import class_rows
from papr_core.evaluation.cascade import cascade_rows
from papr_core.evaluation.class_map import named_folders, read_class_map
from papr_core.evaluation.clip_trials import ClipTrials, Views
from papr_core.evaluation.configurations import Configuration, configurations
from papr_core.evaluation.curves import curve_configurations, curve_rows
from papr_core.evaluation.image_trials import ImageTrials
from papr_core.evaluation.measuring import Progress, measured, partial_records
from papr_core.evaluation.records import TOP, PartialRecords, gathered
from papr_core.evaluation.results import made_with
from papr_core.evaluation.trials import Plan, make_plan
from papr_core.methods import table as _methods
from papr_core.models.backbones import load_backbone
from papr_core.models.backbones.base import Backbone
from papr_core.models.catalog import sees_clips
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.models.given import adopted
from papr_core.models.labels import known_classes, match_classes
from papr_core.models.proposals import load_proposal
from papr_core.models.proposals.base import Proposal
from papr_core.pruning.reductions import AnyReduction, settings_of, settled
from papr_core.pruning.selection import num_kept

__all__ = ["KEEP", "METHODS", "evaluate"]

KEEP = (1.0, 0.7, 0.5, 0.3)
METHODS = ("papr", "random", "center", "cam")


def evaluate(
    data: str | os.PathLike | Dataset,
    *,
    backbone: str | Backbone | nn.Module | None = None,
    proposal: str | Proposal | nn.Module | None = None,
    keep: Sequence[float] = KEEP,
    reductions: Sequence[AnyReduction] = (None,),
    methods: Sequence[str] | None = None,
    explain: str = "proposal",
    classes: str = "model",
    class_map: str | os.PathLike | None = None,
    fit: str = "crop",
    views: str | None = None,
    boxes: str | os.PathLike | None = None,
    curves: bool = False,
    cascade: bool = False,
    mass: Sequence[float] = (),
    limit: int | None = None,
    split: str | None = None,
    labels: str | os.PathLike | None = None,
    numbered: bool = False,
    unmatched: str = "refuse",
    colour: str = "srgb",
    batch_size: int = 32,
    resume: str | os.PathLike | None = None,
    strict: bool = False,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
    downloading: Progress | None = None,
) -> dict | None:
    """Accuracy of a backbone on data, by method and keep ratio: the object that `evaluate --json` prints.

    data: class folders, an archive of them, or an open data set; `limit` images of it, balanced over classes.
    split: of a root with train/, val/ and test/, by default val; labels: a list of the images' classes
    instead of class folders (`data/listings.py`); numbered: folders 0, 1, ... are places of the logits of a
    model that names no classes; unmatched: folders that match no class are an error ("refuse") or left out
    ("skip"). colour: "srgb" sees pictures with an embedded profile as they are meant; "timm" as timm does,
    without it. Folder names, or what a file `class_map` calls them, are matched to the backbone's labels, and
    to the proposal's where they can be (else nothing is split by whether the proposal was right, and
    `proposal_top1` is null).
    methods: names of `papr_core.METHODS` (not by-hand); by default papr, random, center and, where the
    proposal allows it, cam. random is five draws: each image counts with the mean over its draws, which
    depend on the image's name alone.
    reductions: what happens inside the blocks, each with each keep ratio.
    explain: which class a CAM explains, the proposal's own answer or the true class ("target").
    classes: which classes compete, all that the models know ("model") or those of the folders ("data"), then
    for the proposal too.
    backbone, proposal: names, loaded to `device`, or loaded models, or models that you built
    (`as_backbone`), which stay where they are; by default the
    pair that the page starts with, and X3D-S for a backbone of clips.
    views: of a clip, places x times ("3x5"): each view is pruned by itself, the probabilities are averaged
    over views, a CAM explains each view's own answer, and costs and speed are those of one view ("1x1", the
    default, is `prune_clip`'s). With views, or with models of clips, data are clips; else they are images
    where there are any.
    boxes: a file of boxes (`boxes.boxes_of`; by default `boxes.csv` in the data or beside them), for the
    pointing game and the share of kept patches in boxes.
    curves: also `curves`, areas while patches are dropped and painted over. cascade: also `cascade`, the
    ConvNet answering where it is sure. mass: also `mass`, a budget a picture for each of these shares of the
    map. All three are of pictures.
    resume: a folder, in which every process keeps what it has found; the same call with the same folder
    goes on where an ended one stopped (see records.py). It works over processes and machines alike.
    strict: an image that cannot be read, or is listed and not there, ends the run; else it is left
    out, and `left_out` or `passed_over` names it.
    progress: called as progress(images done, of); downloading: as downloading(bytes, of) while weights come.

    Percentages from 0 to 100; intervals are 95 %, of 2000 seeded bootstrap resamples of the images of a
    subset, the same for all rows, so that differences are paired. `gmacs_backbone`, `gmacs_proposal` and
    `gmacs` are the account of `cost.spent`: a pass of the proposal is charged where one is made. `patches`
    and `kept` are those of an image or a view. `images_per_second` (of clips: views) is the backbone's call
    alone, the first batch not counted; `images_per_second_end_to_end` adds, a picture, its reading and
    cropping in one thread and, where the proposal looks, its pass and the map. `per_class` has a row a
    folder. The head says all that decided the numbers; a model with random weights has no hash, null.

    >>> import papr_core
    >>> found = papr_core.evaluate("tests/data/caltech101-200", keep=[1, 0.4], methods=["papr"], limit=2)
    >>> [(row["method"], row["kept"]) for row in found["rows"] if row["subset"] == "all"]
    [('full', 196), ('papr', 78)]

    Under torchrun every process evaluates its share of the batches; the first gives the result, the others
    None.

    Raises:
        InvalidInput and its kin: in one sentence.
    """
    reductions, mass = _several(reductions), _several(mass)
    methods = None if methods is None else _several(methods)
    ratios = _checked_ratios(_several(keep))
    for value, allowed, what in (
        (explain, ("proposal", "target"), "explain"),
        (classes, ("model", "data"), "classes"),
        (fit, FITS, "fit"),
        (unmatched, ("refuse", "skip"), "unmatched"),
    ):
        if value not in allowed:
            raise InvalidInput(f"{what} is one of {', '.join(allowed)}, not {value!r}.")
    _check_names(methods)
    if batch_size < 1:
        raise InvalidInput(f"The batch size is {batch_size}; it must be at least 1.")
    proposal, backbone = adopted(proposal, backbone)
    of_clips = any(
        model is not None and sees_clips(model, role)
        for model, role in ((backbone, "backbone"), (proposal, "proposal"))
    )
    how = {"split": split, "labels": labels, "colour": colour}
    data = _opened(data, limit, how, clips=of_clips or views is not None)
    if strict:
        data.check_listed()
    of_clips = data.kind == "clips"
    if of_clips and (curves or cascade or mass or boxes):
        raise InvalidInput("Curves, a cascade, a budget by mass and boxes are for pictures, not for clips.")
    asked_views = Views.parse(views or "1x1")
    if of_clips:
        told = (lambda what, done, of: downloading(done, of)) if downloading else None
        pair = load_pair(proposal, backbone, device=device, progress=told)
        backbone, proposal = pair.backbone, pair.proposal
    else:
        backbone = DEFAULT_BACKBONE if backbone is None else backbone
        proposal = DEFAULT_PROPOSAL if proposal is None else proposal
        if isinstance(backbone, str):
            backbone = load_backbone(backbone, device=device, progress=downloading)
        if isinstance(proposal, str):
            proposal = load_proposal(proposal, device=device, progress=downloading)
    mapped = None if class_map is None else read_class_map(class_map)
    if unmatched == "skip":
        data = _matched(data, backbone, numbered, mapped)
    names = _methods_for(proposal, backbone, methods, of_clips)
    tried = configurations(names, ratios, reductions)
    if curves:
        plain = configurations(names, ratios)
        tried = tuple(dict.fromkeys((*tried, *plain, *curve_configurations(names, ratios))))

    def planned(tried: Sequence[Configuration]) -> Plan:
        return make_plan(
            data,
            backbone,
            proposal,
            configurations=tried,
            classes=classes,
            explain=explain,
            fit=fit,
            class_map=mapped,
            boxes=None if of_clips else boxes_of(data, boxes),
            strict=strict,
            numbered=numbered,
        )

    plan = planned(tried)
    trials = ClipTrials(plan, pair, asked_views) if of_clips else ImageTrials(plan)
    about = {
        "data": str(data.path),
        "kind": data.kind,
        "classes": classes,
        "fit": fit,
        **({"split": data.split} if data.split else {}),
        **({} if of_clips else {"colour": data.colour}),
        **({"views": str(asked_views)} if of_clips else {}),
        "backbone": backbone.name,
        "proposal": proposal.name,
    }
    partial = partial_records(resume, plan, about) if resume is not None else None
    records = gathered(measured(trials, batch_size, partial, progress))
    if records is not None and not len(records):
        why = records.left_out[min(records.left_out)]
        raise InvalidInput(f"None of the {data.kind} of {data.path} can be read: {why}")
    budgets = None
    if mass:  # every process takes part

        def kept_in(name: str, plan: Plan) -> PartialRecords | None:
            return None if resume is None else partial_records(Path(resume) / name, plan, about)

        budgets = by_mass(planned, names, mass, batch_size, progress, kept_in)
    if records is None:
        return None
    left_out = [{"picture": data.samples[i][0], "reason": why} for i, why in sorted(records.left_out.items())]
    by_proposal = plan.proposal_contest.known
    rows, differences = rows_and_differences(
        records,
        plan.configurations,
        patches=trials.patches,
        full=1.0 in ratios and None in [settled(each, 1.0) for each in reductions],
        split=by_proposal,
    )
    alone = 100 * records.proposal.mean(axis=0)
    looking, keys = cost.proposal_gmacs(proposal), [key for key, _ in data.samples]
    result = {
        **about,
        "explain": explain,
        **settings_of(reductions),
        "backbone_sha256": backbone.sha256,
        "proposal_sha256": proposal.sha256,
        "proposal_parameters": sum(part.numel() for part in proposal.parameters()),
        "proposal_gmacs": looking,
        "data_sha256": hashlib.sha256("\n".join(keys).encode()).hexdigest(),  # of the pictures' names
        **made_with(device_of(backbone)),
        "n": len(records),
        "left_out": left_out,
        "passed_over": data.left_out.rows(),
        "proposal_top1": float(alone[0]) if by_proposal else None,
        "proposal_topk": alone[:TOP].tolist() if by_proposal else None,
        "rows": rows,
        "differences": differences,
        "per_class": class_rows(
            records,
            plan.configurations,
            classes=data.class_indices,
            folders=data.classes,
            labels=plan.class_names,
        ),
    }
    if curves:
        result["curves"] = curve_rows(records, plan.configurations)
    if cascade:
        first = "papr" if "papr" in names else names[0]
        result["cascade"] = cascade_rows(records, plan.configurations, keys, looking, method=first)
    if mass:
        result["mass"] = budgets
    return result


def _matched(
    data: Dataset, backbone: Backbone, numbered: bool, class_map: Mapping[str, str] | None
) -> Dataset:
    """Without the folders that are no classes of the backbone's."""
    named = dict(zip(data.classes, named_folders(data.classes, class_map)))
    known = {*known_classes([*named.values()], backbone.labels, numbered=numbered)}
    there = {folder for folder, name in named.items() if name in known}
    for key, folder in data.samples:
        if folder not in there:
            data.left_out(f"is of a class that {backbone.name} does not know", key)
    if not there:
        match_classes([*named.values()], backbone.labels, numbered=numbered)  # refuses all of them
    return data.only(there)


def _opened(
    data: str | os.PathLike | Dataset, limit: int | None, how: dict[str, Any], *, clips: bool
) -> Dataset:
    if not isinstance(data, Dataset):
        return open_dataset(data, limit=limit, kind="clips" if clips else None, **how)
    if limit is not None:
        raise InvalidInput("A limit goes with a path; an open data set has its own.")
    if clips and data.kind != "clips":
        raise InvalidInput(f"{data.path} was opened as {data.kind}; models and views of clips need clips.")
    return data


def _checked_ratios(keep: Sequence[float]) -> list[float]:
    if not keep:
        raise InvalidInput("Give at least one keep ratio, above 0 and at most 1.")
    for ratio in keep:
        num_kept(1, ratio)  # refuses what is outside (0, 1]
    return list(dict.fromkeys(map(float, keep)))


def _several(told: Any) -> list:
    """What is told of one or several, as a list."""
    return list(told) if isinstance(told, Iterable) and not isinstance(told, str) else [told]


def _check_names(names: Sequence[str] | None) -> None:
    for name in names or ():
        if _methods.find_method(name).kind == "choice":
            raise InvalidInput(
                f"{name} is one visitor's choice of patches; it cannot be evaluated on many images."
            )


def _methods_for(
    proposal: Proposal, backbone: Backbone, names: Sequence[str] | None, clips: bool
) -> tuple[str, ...]:
    if names is None:
        return tuple(name for name in METHODS if _methods.refusal(name, proposal) is None)
    for name in names:
        if clips:
            check_method(name, proposal)
        elif reason := _methods.refusal(name, proposal, backbone):
            raise UnsupportedModel(reason)
    return tuple(dict.fromkeys(names))
