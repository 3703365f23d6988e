"""`papr figure`: figures for paper and slides."""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from papr_core import figures
from papr_core.commands.compare import add_comparison, comparisons_at
from papr_core.commands.options import add_reduction, add_weights_dir, given_reduction, use_weights_dir
from papr_core.commands.terminal import plain
from papr_core.commands.video import add_video, pruned_clips
from papr_core.comparison.agreement import compare_proposals
from papr_core.comparison.mosaic import merge_picture
from papr_core.comparison.printed import printed_figure, save_table
from papr_core.devices import chosen_device
from papr_core.errors import InvalidInput
from papr_core.evaluation import album, tradeoff
from papr_core.evaluation.processes import share
from papr_core.evaluation.results import read_results
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.pruning.reductions import SHOWN
from papr_core.pruning.selection import DEFAULT_KEEP_RATIO

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `papr figure` takes."""
    kinds = parser.add_subparsers(dest="figure", metavar="FIGURE", required=True)
    text = (
        "a row a picture: the picture with both models' confidence, then each method's map and what it keeps"
    )
    figure = kinds.add_parser("methods", help=text, description=text[0].upper() + text[1:] + ".")
    add_comparison(figure, several=True)
    _display_arguments(figure)
    _paper_arguments(figure)
    layout = "methods in columns (the default) or in rows"
    figure.add_argument("--layout", choices=figures.LAYOUTS, default=figures.LAYOUTS[0], help=layout)
    figure.add_argument("--no-numbers", action="store_true", help="pictures alone, without confidences")
    table = "also write the numbers, as .csv or as .tex (a tabular)"
    figure.add_argument("--table", metavar="FILE", type=Path, help=table)
    stop = "stop at a picture that cannot be read, not go on without it"
    figure.add_argument("--strict", action="store_true", help=stop)
    out = "a .pdf, .png or .svg file; for a folder of pictures a folder, which gets a .png for each"
    figure.add_argument("--out", metavar="FILE", type=Path, required=True, help=out)
    text = "confidence against patches kept, a line a method, of one picture"
    figure = kinds.add_parser("curve", help=text, description=text[0].upper() + text[1:] + ".")
    add_comparison(figure)
    _paper_arguments(figure)
    figure.add_argument("--out", metavar="FILE", type=Path, required=True, help="a .pdf, .png or .svg file")
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
    text = "accuracy against the ConvNet's cost, from evaluate with several proposals"
    _drawn(kinds, "convnets", text, _pareto_arguments)
    text = "where PaPr gains and loses against CAM and chance, class by class, from the same files"
    _drawn(kinds, "classes", text, _classes_arguments)


def _display_arguments(parser: argparse.ArgumentParser) -> None:
    add, usual = parser.add_argument, figures.Display()
    add("--look", choices=figures.LOOKS, default=usual.look, help="of dropped patches (default: dim)")
    colours = f"of the map (default: {usual.colours})"
    add("--colours", choices=figures.COLOURS, default=usual.colours, help=colours)
    add("--opacity", type=float, default=usual.opacity, help=f"of the map, 0 to 1 (default: {usual.opacity})")
    scale = "colours over each map by itself (image, the default), all maps together, or 0 to 1"
    add("--scale", choices=figures.SCALES, default=usual.scale, help=scale)


def _paper_arguments(parser: argparse.ArgumentParser) -> None:
    one, two, usual = figures.ONE_COLUMN, figures.TWO_COLUMNS, figures.Paper()
    width = (
        f"of the figure: one column of a paper is {one:g}, two are {two:g} (default: as its pictures need)"
    )
    parser.add_argument("--width", metavar="CM", type=float, help=width)
    size = f"of all text (default: {usual.text:g})"
    parser.add_argument("--text", metavar="POINTS", type=float, default=usual.text, help=size)


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


def _classes_arguments(parser: argparse.ArgumentParser) -> None:
    _results_arguments(parser)
    parser.add_argument("--keep", type=float, default=DEFAULT_KEEP_RATIO, help="keep ratio (%(default)s)")


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
    results = read_results(args.results)
    if args.figure == "pareto":
        return tradeoff.pareto_figure(results, method=args.method), "Accuracy against cost."
    if args.figure == "convnets":
        return tradeoff.convnets_figure(results, method=args.method), "Accuracy against the ConvNet's cost."
    if args.figure == "classes":
        return tradeoff.classes_figure(results, keep=args.keep), "Gains and losses, class by class."
    return tradeoff.topk_figure(results), "Accuracy against k."


_DRAWN = {
    "proposals": _proposals_figure,
    "merged": _merged_figure,
    "pareto": _results_figure,
    "topk": _results_figure,
    "convnets": _results_figure,
    "classes": _results_figure,
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
    if args.figure == "curve":
        return _curve(args)
    return _methods(args)


def _methods(args: argparse.Namespace) -> int:
    paper, display = _paper(args), _display(args)
    if args.table and args.table.suffix.lower().lstrip(".") not in figures.TABLES:
        raise InvalidInput(f"A table is written as .csv or .tex, not as {args.table.name!r}.")
    if args.table and not args.table.parent.is_dir():
        raise InvalidInput(f"There is no folder {args.table.parent} for {args.table.name}.")
    pictures = []
    for _, found in comparisons_at(args, args.keep, curve=False):
        pictures.append(found)
        if not found and args.strict:
            return 2
    drawn = [found for found in pictures if found]
    if drawn:
        figures.save_figure(printed_figure(drawn, paper=paper, display=display), args.out)
        said = f"{len(drawn)} of {len(pictures)} pictures are in {args.out}."
        if args.table:
            said += f" The numbers are in {save_table(drawn, args.table)}."
        caption = f" {drawn[0][0].caption_at(drawn[0])}" if paper.width else ""
        print(plain(said + caption))
    return 0 if len(drawn) == len(pictures) else 2


def _curve(args: argparse.Namespace) -> int:
    if len(args.images) > 1:
        raise InvalidInput("A curve is of one picture: name one.")
    paper = _paper(args)
    _, found = next(comparisons_at(args, [args.keep], curve=True))
    if found:
        figures.save_figure(found[0].curve_figure(paper=paper), args.out)
        print(plain(f"The curve is {args.out}. {found[0].caption}"))
    return 0 if found else 2


def _paper(args: argparse.Namespace) -> figures.Paper:
    """Raises InvalidInput."""
    layout, numbers = getattr(args, "layout", figures.LAYOUTS[0]), not getattr(args, "no_numbers", False)
    return figures.Paper(layout, args.width, args.text, numbers)


def _display(args: argparse.Namespace) -> figures.Display:
    """Raises InvalidInput."""
    return figures.Display(args.look, args.colours, args.opacity, args.scale)


def _album(args: argparse.Namespace) -> int:
    """A figure for each picture of a folder; under torchrun every process draws its share."""
    if args.out.suffix.lower().lstrip(".") in figures.FORMATS:
        raise InvalidInput(f"A folder of pictures gets a folder of figures, not one file {args.out.name!r}.")
    if args.table:
        raise InvalidInput("A folder of pictures gets no table: name the pictures.")
    paper, display = _paper(args), _display(args)
    asked = ("proposal", "backbone", "keep", "methods", "target", "explain", "patches", "fit")
    drawn_as = ("layout", "width", "text", "no_numbers", "look", "colours", "opacity", "scale")
    told = (*asked, *drawn_as)
    waiting, there = album.waiting(args.images[0], args.out, {key: getattr(args, key) for key in told})
    args.images = [str(picture) for picture, _ in waiting]
    args.device = chosen_device(args.device)
    drawn, left_out = 0, []
    for (picture, file), (_, found) in zip(waiting, comparisons_at(args, args.keep, curve=False)):
        if not found:
            left_out.append(picture)
            if args.strict:
                break
        else:
            figure = printed_figure([found], paper=paper, display=display)
            album.write(file, figures.figure_bytes(figure, "png"))
            drawn += 1
    rank, processes = share()
    who = f"Process {rank} of {processes}: " if processes > 1 else ""
    without = f", {len(left_out)} left out" if left_out else ""
    print(plain(f"{who}{drawn} figures drawn into {args.out}, {there} were there{without}."))
    return 2 if left_out and (args.strict or not drawn + there) else 0
