"""`papr compare`: pictures pruned by several methods, and what the backbone still says."""

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from papr_core.commands.options import (
    add_output,
    add_plugin,
    add_question,
    add_weights_dir,
    check_classes,
    use_plugins,
    use_weights_dir,
)
from papr_core.commands.terminal import Progress, each, reported, table
from papr_core.comparison.comparison import Comparison, compare_ratios
from papr_core.comparison.results import MethodResult
from papr_core.data.images import FITS, read_image
from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.methods.controls import checked_patches
from papr_core.methods.table import DEFAULT_METHODS, METHODS, find_method, refusal
from papr_core.models.backbones import load_backbone
from papr_core.models.backbones.base import Backbone
from papr_core.models.catalog import check_sees_pictures
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.models.labels import short_label
from papr_core.models.proposals import load_proposal
from papr_core.models.zero_shot import zero_shot
from papr_core.pruning.selection import num_kept

__all__ = ["add_arguments", "add_comparison", "comparisons", "comparisons_at", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `papr compare` takes."""
    add_comparison(parser)
    worst = "also the area while the worst patches stay: as many passes again as the curve takes"
    parser.add_argument("--deletion", action="store_true", help=worst)
    add_output(parser, "figure, maps and manifest", "picture")


def run(args: argparse.Namespace) -> int:
    """`papr compare`: a report, or a JSON object, a picture."""
    found = comparisons(args, curve=True, deletion=args.deletion)
    return reported(args, args.images, found, _report, "Figure, maps and manifest")


def _report(comparison: Comparison) -> list[str]:
    """What a person reads: the verdict, then a line a method."""
    num_patches = comparison.methods[0].patches
    unpruned = ", ".join(
        f"{short_label(label)} {100 * share:.1f} %" for label, share in comparison.full_top[:3]
    )
    marks = {True: "kept", False: "lost", None: ""}
    orders = [*_AREAS][: 2 if comparison.settings["deletion"] else 1]
    lines = []
    for method in comparison.methods:
        ends = (method.confidence_low, method.confidence_high)
        low, high = (comparison.shown(end).removesuffix(" %") for end in ends)
        lines.append((
            method.title,
            f"{method.kept}",
            comparison.shown(method.confidence) + f" ({low} to {high})" * (METHODS[method.name].draws > 1),
            marks[method.kept_answer],
            short_label(method.top[0][0]) if method.top else "",
            "-" if method.fewest_patches is None else f"{method.fewest_patches}",
            *(_area(comparison, method, order) for order in orders),
            f"{100 * method.overlap_with_papr:.0f} %",
            f"{method.seconds:.3f} s",
        ))  # fmt: skip
    measure = comparison.measure.capitalize()
    names = [_AREAS[order] for order in orders]
    head = ("Method", "Kept", measure, "Answer", "Top-1", "Fewest", *names, "As PaPr", "Map in")
    about = (
        f"on “{short_label(comparison.target.label)}”" if comparison.target else "to the unpruned embedding"
    )
    full = f" Unpruned: {unpruned}." if unpruned else ""
    return [
        comparison.image,
        comparison.verdict,
        f"{100 * comparison.keep_ratio:g} % of {num_patches} patches kept.{full}",
        f"{measure} {about}.{_explained(comparison)}",
        *comparison.notes,
        "",
        table(head, lines),
        _about_areas(comparison),
    ]


_AREAS = {"insertion": "Area", "deletion": "Worst first"}  # how the columns are called


def _area(comparison: Comparison, method: MethodResult, order: str) -> str:
    value = getattr(method.areas, order, None)
    return "-" if value is None else comparison.shown(value)


def _about_areas(comparison: Comparison) -> str:
    least = next((one.curve.counts[0] for one in comparison.methods if one.areas and one.curve), None)
    if least is None:
        return "Area: none, for no method here has an order of patches."
    turned = "; worst first: the same where the worst patches stay (low is good)"
    return (
        f"Area: the mean {comparison.measure} from {least} patches to all, the best first (high is good)"
        f"{turned if comparison.settings['deletion'] else ''}. By chance both are the same."
    )


def _explained(comparison: Comparison) -> str:
    explaining = [method.title for method in comparison.methods if METHODS[method.name].uses_class]
    if not explaining:
        return ""
    whose = {"proposal": "the ConvNet's own answer", "target": "the target", "class": "as asked"}
    label, mode = comparison.explain.label, comparison.explain.mode
    return f" {', '.join(explaining)}: explaining “{short_label(label)}”, {whose[mode]}."


# What compare and figure share


def add_comparison(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Pictures, models and methods, for every command that compares; several: keep ratios."""
    add = parser.add_argument
    known = ", ".join(name for name, method in METHODS.items() if method.kind != "choice")
    methods = f"of {known} (default: {' '.join(DEFAULT_METHODS)})"
    patches = "patches to keep by hand, counted row by row from 0; adds the method by-hand"
    add("images", metavar="IMAGE", nargs="+", help="a picture's file")
    add_question(parser, DEFAULT_PROPOSAL, several=several)
    add("--methods", metavar="METHOD", nargs="+", help=methods)
    typed = "of a CLIP or SigLIP (hf:OWNER/NAME): the classes, as texts divided by semicolons"
    add("--classes", metavar="TEXTS", help=typed)
    add("--patches", metavar="I", type=int, nargs="+", help=patches)
    add("--fit", choices=FITS, default="crop", help="how a picture gets the model's shape")
    stretched = "grey of more than 8 bits from its own darkest to its brightest value (12 bits in 16)"
    add("--stretch", action="store_true", help=stretched)
    add_plugin(parser)
    add_weights_dir(parser)


def comparisons(
    args: argparse.Namespace, *, curve: bool, deletion: bool = False
) -> Iterator[tuple[str, Comparison | None]]:
    """(image, comparison) of each picture; one that fails gives a sentence and None, and the others go on."""
    for image, found in comparisons_at(args, [args.keep], curve=curve, deletion=deletion):
        yield image, found[0] if found else None


def comparisons_at(
    args: argparse.Namespace, ratios: Sequence[float], *, curve: bool, deletion: bool = False
) -> Iterator[tuple[str, tuple[Comparison, ...]]]:
    """The same at several keep ratios; of a picture that fails, none."""
    use_weights_dir(args)
    use_plugins(args)
    _check(args, ratios)
    check_sees_pictures(
        proposal=args.proposal or DEFAULT_PROPOSAL, backbone=args.backbone or DEFAULT_BACKBONE
    )
    with Progress() as progress:
        proposal = load_proposal(
            args.proposal or DEFAULT_PROPOSAL, device=args.device, progress=progress.of("ConvNet's weights")
        )
        backbone: Backbone
        if args.classes is not None:
            backbone = zero_shot(args.backbone or DEFAULT_BACKBONE, args.classes).to(args.device)
        else:
            backbone = load_backbone(
                args.backbone or DEFAULT_BACKBONE,
                device=args.device,
                progress=progress.of("Backbone's weights"),
            )
        _check_with(args, proposal, backbone)

        def compared(image: str) -> tuple[Comparison, ...]:
            return compare_ratios(
                read_image(image, stretch=True) if args.stretch else image,
                ratios,
                name=image,
                proposal=proposal,
                backbone=backbone,
                methods=args.methods or DEFAULT_METHODS,
                target=args.target,
                explain=args.explain,
                patches=args.patches,
                fit=args.fit,
                curve=curve,
                deletion=deletion,
                progress=progress,
            )

        for image, found in each(args.images, compared, progress):
            yield image, found or ()


def _check(args: argparse.Namespace, ratios: Sequence[float]) -> None:
    """Refuse at once what needs no model to be wrong."""
    for ratio in ratios:
        num_kept(100, ratio)
    for name in args.methods or ():
        find_method(name)
    if "by-hand" in (args.methods or ()) and not args.patches:
        raise InvalidInput("by-hand needs --patches, the patches that are to stay.")


def _check_with(args: argparse.Namespace, proposal: Any, backbone: Any) -> None:
    """Refuse once, not once a picture, what does not fit the models."""
    check_classes(args, proposal, backbone)
    if args.patches is not None:
        checked_patches(args.patches, backbone.num_patches)
    for name in args.methods or ():
        if reason := refusal(name, proposal, backbone):
            raise UnsupportedModel(reason)
