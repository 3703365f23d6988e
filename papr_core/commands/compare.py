"""`papr compare`: pictures pruned by several methods, and what the backbone still says."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from papr_core.commands.options import add_weights_dir, folder_names, use_weights_dir
from papr_core.commands.terminal import Progress, complain, plain, table
from papr_core.comparison.comparison import Comparison, compare
from papr_core.data.images import FITS
from papr_core.errors import InvalidInput, PaprError, UnsupportedModel
from papr_core.methods.controls import checked_patches
from papr_core.methods.table import DEFAULT_METHODS, METHODS, find_method, refusal
from papr_core.models.backbones import load_backbone
from papr_core.models.catalog import check_sees_pictures
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.models.labels import short_label
from papr_core.models.proposals import load_proposal
from papr_core.pruning.selection import DEFAULT_KEEP_RATIO, num_kept

__all__ = ["add_arguments", "add_comparison", "comparisons", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `papr compare` takes."""
    add_comparison(parser)
    out = "write figure, maps and manifest: into DIR for one picture, into DIR/NAME for several"
    parser.add_argument("--out", metavar="DIR", type=Path, help=out)
    parser.add_argument("--json", action="store_true", help="print one JSON object a picture, a line each")


def run(args: argparse.Namespace) -> int:
    """`papr compare`: a report, or a JSON object, a picture."""
    names = folder_names(args.images)
    failed = False
    for index, (image, comparison) in enumerate(comparisons(args, curve=True)):
        failed |= comparison is None
        if comparison is None:
            continue
        folder = None
        if args.out is not None:
            folder = comparison.save(args.out if len(args.images) == 1 else args.out / names[index])
        if args.json:
            print(json.dumps(comparison.to_dict(), allow_nan=False), flush=True)
        else:
            print(_report(image, comparison), end="\n\n", flush=True)
            if folder:
                print(f"Figure, maps and manifest are in {plain(str(folder))}.", end="\n\n", flush=True)
    return 2 if failed else 0


def _report(image: str, comparison: Comparison) -> str:
    """What a person reads: the verdict, then a line a method."""
    num_patches = comparison.methods[0].patches
    unpruned = ", ".join(
        f"{short_label(label)} {100 * share:.1f} %" for label, share in comparison.full_top[:3]
    )
    marks = {True: "kept", False: "lost", None: ""}
    lines = []
    for method in comparison.methods:
        several = METHODS[method.name].draws > 1
        ends = (method.confidence_low, method.confidence_high)
        low, high = (comparison.shown(end).removesuffix(" %") for end in ends)
        lines.append((
            method.title,
            f"{method.kept}",
            comparison.shown(method.confidence) + (f" ({low} to {high})" if several else ""),
            marks[method.kept_answer],
            short_label(method.top[0][0]) if method.top else "",
            "-" if method.fewest_patches is None else f"{method.fewest_patches}",
            f"{100 * method.overlap_with_papr:.0f} %",
            f"{method.seconds:.3f} s",
        ))  # fmt: skip
    measure = comparison.measure.capitalize()
    head = ("Method", "Kept", measure, "Answer", "Top-1", "Fewest", "As PaPr", "Map in")
    about = (
        f"on “{short_label(comparison.target.label)}”" if comparison.target else "to the unpruned embedding"
    )
    full = f" Unpruned: {unpruned}." if unpruned else ""
    said = [
        image,
        comparison.verdict,
        f"{100 * comparison.keep_ratio:g} % of {num_patches} patches kept.{full}",
        f"{measure} {about}.{_explained(comparison)}",
        *comparison.notes,
        "",
        table(head, lines),
    ]
    return "\n".join(line if "\n" in line else plain(line) for line in said)


def _explained(comparison: Comparison) -> str:
    explaining = [method.title for method in comparison.methods if METHODS[method.name].uses_class]
    if not explaining:
        return ""
    whose = {"proposal": "the ConvNet's own answer", "target": "the target", "class": "as asked"}
    label, mode = comparison.explain.label, comparison.explain.mode
    return f" {', '.join(explaining)}: explaining “{short_label(label)}”, {whose[mode]}."


# What compare and figure share


def add_comparison(parser: argparse.ArgumentParser) -> None:
    """Pictures, models and methods, for every command that compares."""

    def add(*flags: str, help: str, **kwargs: Any) -> None:
        parser.add_argument(*flags, help=help, **kwargs)

    known = ", ".join(name for name, method in METHODS.items() if method.kind != "choice")
    methods = f"of {known} (default: {' '.join(DEFAULT_METHODS)})"
    target = "the class whose confidence is reported: index or name (default: the full model's answer)"
    explain = (
        "the class that CAMs explain: proposal (the ConvNet's own answer, the default), target, or a class"
    )
    patches = "patches to keep by hand, counted row by row from 0; adds the method by-hand"
    add("images", metavar="IMAGE", nargs="+", help="a picture's file")
    add("--proposal", metavar="NAME", help=f"the ConvNet that ranks patches (default: {DEFAULT_PROPOSAL})")
    add("--backbone", metavar="NAME", help=f"the model that is pruned (default: {DEFAULT_BACKBONE})")
    share = "keep ratio, 0 to 1 (default: %(default)s)"
    add("--keep", metavar="RATIO", type=float, default=DEFAULT_KEEP_RATIO, help=share)
    add("--methods", metavar="METHOD", nargs="+", help=methods)
    add("--target", metavar="CLASS", help=target)
    add("--explain", metavar="WHAT", default="proposal", help=explain)
    add("--patches", metavar="I", type=int, nargs="+", help=patches)
    add("--fit", choices=FITS, default="crop", help="how a picture gets the model's shape")
    add("--device", default="cpu", help="cpu (the default), cuda, cuda:1, ...")
    add_weights_dir(parser)


def comparisons(args: argparse.Namespace, *, curve: bool) -> Iterator[tuple[str, Comparison | None]]:
    """(image, comparison) of each picture; one that fails gives a sentence and None, and the others go on."""
    use_weights_dir(args)
    _check(args)
    check_sees_pictures(
        proposal=args.proposal or DEFAULT_PROPOSAL, backbone=args.backbone or DEFAULT_BACKBONE
    )
    with Progress() as progress:
        proposal = load_proposal(
            args.proposal or DEFAULT_PROPOSAL, device=args.device, progress=progress.of("ConvNet's weights")
        )
        backbone = load_backbone(
            args.backbone or DEFAULT_BACKBONE, device=args.device, progress=progress.of("Backbone's weights")
        )
        _check_with(args, proposal, backbone)
        for image in args.images:
            try:
                comparison = compare(
                    image,
                    proposal=proposal,
                    backbone=backbone,
                    keep_ratio=args.keep,
                    methods=args.methods or DEFAULT_METHODS,
                    target=args.target,
                    explain=args.explain,
                    patches=args.patches,
                    fit=args.fit,
                    curve=curve,
                    progress=progress,
                )
            except PaprError as error:
                progress.clear()
                complain(error, about=image if len(args.images) > 1 else "")
                comparison = None
            progress.clear()
            yield image, comparison


def _check(args: argparse.Namespace) -> None:
    """Refuse at once what needs no model to be wrong."""
    num_kept(100, args.keep)
    for name in args.methods or ():
        find_method(name)
    if "by-hand" in (args.methods or ()) and not args.patches:
        raise InvalidInput("by-hand needs --patches, the patches that are to stay.")


def _check_with(args: argparse.Namespace, proposal: Any, backbone: Any) -> None:
    """Refuse once, not once a picture, what does not fit the models."""
    if args.target is not None:
        backbone.labels.find(args.target)
    if args.explain not in ("proposal", "target"):
        proposal.labels.find(args.explain)
    if args.patches is not None:
        checked_patches(args.patches, backbone.num_patches)
    for name in args.methods or ():
        if reason := refusal(name, proposal):
            raise UnsupportedModel(reason)
