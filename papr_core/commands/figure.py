"""`papr figure`: figures for paper and slides."""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from papr_core import figures
from papr_core.commands.compare import add_comparison, comparisons
from papr_core.commands.options import add_reduction, add_weights_dir, given_reduction, use_weights_dir
from papr_core.commands.terminal import plain
from papr_core.commands.video import add_video, pruned_clips
from papr_core.comparison.agreement import compare_proposals
from papr_core.comparison.mosaic import merge_picture
from papr_core.devices import chosen_device
from papr_core.errors import InvalidInput
from papr_core.evaluation import album, tradeoff
from papr_core.evaluation.records import share
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.pruning.reductions import SHOWN

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `papr figure` takes."""
    kinds = parser.add_subparsers(dest="figure", metavar="FIGURE", required=True)
    text = (
        "a row a picture: the picture with both models' confidence, then each method's map and what it keeps"
    )
    figure = kinds.add_parser("methods", help=text, description=text[0].upper() + text[1:] + ".")
    add_comparison(figure)
    out = "a .pdf, .png or .svg file; for a folder of pictures a folder, which gets a .png for each"
    figure.add_argument("--out", metavar="FILE", type=Path, required=True, help=out)
    text = "frames of a clip, and the same frames with pruned patches masked"
    figure = kinds.add_parser("video", help=text, description=text[0].upper() + text[1:] + ".")
    add_video(figure, "CLIP")
    figure.add_argument("--out", metavar="FILE", type=Path, required=True, help="a .pdf, .png or .svg file")

    _drawn(kinds, "proposals", "what several ConvNets keep of one picture, a row each", _proposals_arguments)
    _drawn(
        kinds, "merged", "a picture's tokens after a reduction such as ToMe, as a mosaic", _merged_arguments
    )
    _drawn(kinds, "pareto", "accuracy against cost, from what evaluate --json printed", _pareto_arguments)
    _drawn(kinds, "topk", "accuracy against k, a line a model, from the same files", _results_arguments)


def _drawn(kinds: Any, name: str, text: str, add_arguments: Callable) -> None:
    figure = kinds.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    add_arguments(figure)
    figure.add_argument("--out", metavar="FILE", type=Path, required=True, help="a .pdf, .png or .svg file")


def _proposals_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("image", metavar="IMAGE", help="a picture's file")
    add("--proposals", metavar="NAME", nargs="+", required=True, help="the ConvNets, a row each")
    add("--untrained", metavar="NAME", nargs="+", default=[], help="ConvNets with random weights, a control")
    add("--backbone", metavar="NAME", help=f"whose crop and patches (default: {DEFAULT_BACKBONE})")
    add("--keep", metavar="RATIO", type=float, nargs="+", default=[0.5, 0.3], help="default: 0.5 0.3")
    add("--json", action="store_true", help="print what is drawn as one JSON object")
    add_weights_dir(parser)


def _merged_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("image", metavar="IMAGE", help="a picture's file")
    add("--backbone", metavar="NAME", help=f"the ViT that reduces (default: {DEFAULT_BACKBONE})")
    add("--proposal", metavar="NAME", help=f"the ConvNet that ranks patches (default: {DEFAULT_PROPOSAL})")
    add("--keep", metavar="RATIO", type=float, default=1.0, help="patches kept before (default: 1, all)")
    add_reduction(parser, default=SHOWN)
    add("--json", action="store_true", help="print what is drawn as one JSON object")
    add_weights_dir(parser)


def _results_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", metavar="FILE", nargs="+", help="what evaluate --json printed")


def _pareto_arguments(parser: argparse.ArgumentParser) -> None:
    _results_arguments(parser)
    parser.add_argument("--method", default="papr", help="whose accuracy, where patches are pruned (papr)")


def _proposals_figure(args: argparse.Namespace) -> tuple[Any, str]:
    use_weights_dir(args)
    found = compare_proposals(
        args.image,
        args.proposals,
        backbone=args.backbone or DEFAULT_BACKBONE,
        keep=args.keep,
        controls=args.untrained,
        name=args.image,
    )
    return found.figure(), json.dumps(found.to_dict(), allow_nan=False) if args.json else found.caption


def _merged_figure(args: argparse.Namespace) -> tuple[Any, str]:
    use_weights_dir(args)
    found = merge_picture(
        args.image,
        proposal=args.proposal or DEFAULT_PROPOSAL,
        backbone=args.backbone or DEFAULT_BACKBONE,
        keep=args.keep,
        reduction=given_reduction(args, SHOWN),
        name=args.image,
    )
    return found.figure(), json.dumps(found.to_dict(), allow_nan=False) if args.json else found.caption


def _results_figure(args: argparse.Namespace) -> tuple[Any, str]:
    results = tradeoff.read_results(args.results)
    if args.figure == "pareto":
        return tradeoff.pareto_figure(results, method=args.method), "Accuracy against cost."
    return tradeoff.topk_figure(results), "Accuracy against k."


_DRAWN = {
    "proposals": _proposals_figure,
    "merged": _merged_figure,
    "pareto": _results_figure,
    "topk": _results_figure,
}


def run(args: argparse.Namespace) -> int:
    """`papr figure`: figures into files."""
    if args.figure == "methods" and len(args.images) == 1 and os.path.isdir(args.images[0]):
        return _album(args)
    if args.out.suffix.lower().lstrip(".") not in figures.FORMATS:
        raise InvalidInput(f"A figure is written as .png, .pdf or .svg, not as {args.out.name!r}.")
    if not args.out.parent.is_dir():
        raise InvalidInput(f"There is no folder {args.out.parent} for {args.out.name}.")
    if args.figure in _DRAWN:
        figure, said = _DRAWN[args.figure](args)
        figures.save_figure(figure, args.out)
        as_json = getattr(args, "json", False)
        print(said if as_json else plain(f"{said} The figure is {args.out}."))
        return 0
    if args.figure == "video":
        _, result = next(pruned_clips(args))
        if result is not None:
            figures.save_figure(result.figure(), args.out)
            print(f"{plain(result.caption)} The figure is {plain(str(args.out))}.")
        return 2 if result is None else 0
    found = [comparison for _, comparison in comparisons(args, curve=False)]
    drawn = [comparison for comparison in found if comparison is not None]
    if drawn:
        rows = [comparison.figure_row() for comparison in drawn]
        figures.save_figure(figures.methods_figure(rows, note=drawn[0].caption), args.out)
        print(f"{len(drawn)} of {len(found)} pictures are in {plain(str(args.out))}.")
    return 0 if len(drawn) == len(found) else 2


def _album(args: argparse.Namespace) -> int:
    """A figure for each picture of a folder; under torchrun every process draws its share."""
    if args.out.suffix.lower().lstrip(".") in figures.FORMATS:
        raise InvalidInput(f"A folder of pictures gets a folder of figures, not one file {args.out.name!r}.")
    told = ("proposal", "backbone", "keep", "methods", "target", "explain", "patches", "fit")
    waiting, there = album.waiting(args.images[0], args.out, {key: getattr(args, key) for key in told})
    args.images = [str(picture) for picture, _ in waiting]
    args.device = chosen_device(args.device)
    drawn = 0
    for (_, file), (_, comparison) in zip(waiting, comparisons(args, curve=False)):
        if comparison is not None:
            figure = figures.methods_figure([comparison.figure_row()], note=comparison.caption)
            album.write(file, figures.figure_bytes(figure, "png"))
            drawn += 1
    rank, processes = share()
    who = f"Process {rank} of {processes}: " if processes > 1 else ""
    print(plain(f"{who}{drawn} figures drawn into {args.out}, {there} were there."))
    return 0 if drawn == len(waiting) else 2
