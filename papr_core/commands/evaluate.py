"""`papr evaluate`: accuracy against keep ratio on labelled images or clips."""

import argparse
import json
import sys

from papr_core.commands.options import (
    add_device,
    add_reduction,
    add_weights_dir,
    given_reductions,
    use_weights_dir,
)
from papr_core.commands.terminal import bar
from papr_core.data.images import FITS
from papr_core.devices import chosen_device
from papr_core.evaluation.records import share
from papr_core.evaluation.run import KEEP, METHODS, evaluate
from papr_core.methods.table import METHODS as ALL_METHODS
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.pruning.reductions import reduction_in

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `papr evaluate` takes."""
    add = parser.add_argument
    add("--data", required=True, metavar="DIR_or_TAR", help="class folders, or a .tar or .tar.gz of them")
    add("--backbone", help=f"the model that is pruned (default: {DEFAULT_BACKBONE})")
    looking = f"the ConvNet that looks first (default: {DEFAULT_PROPOSAL}, or x3d_s for a model of clips)"
    add("--proposal", help=looking)
    add(
        "--keep",
        nargs="+",
        type=float,
        default=KEEP,
        metavar="Z",
        help="keep ratios (default: 1 0.7 0.5 0.3)",
    )
    known = ", ".join(name for name, method in ALL_METHODS.items() if method.kind != "choice")
    add("--methods", nargs="+", metavar="METHOD", help=f"of {known} (default: {' '.join(METHODS)})")
    explained = (
        "the class that a CAM explains: the proposal's answer or the true class (default: %(default)s)"
    )
    add("--explain", choices=("proposal", "target"), default="proposal", help=explained)
    add_reduction(parser, several=True)
    competing = "the classes that compete: all the model's, or those of the data (default: %(default)s)"
    add("--classes", choices=("model", "data"), default="model", help=competing)
    fitted = "how a picture is brought to the model's size (default: %(default)s)"
    add("--fit", choices=FITS, default="crop", help=fitted)
    seen = "of a clip: places x times, such as 3x5 as in the paper (default: 1x1); data are clips then"
    add("--views", metavar="PxT", help=seen)
    add("--limit", type=int, metavar="N", help="so many images, balanced over classes, always the same")
    add("--batch-size", type=int, default=32, metavar="N", help="images at once (default: %(default)s)")
    kept = "keep what is found in DIR batch by batch, and go on where an ended run with the same DIR stopped"
    add("--resume", metavar="DIR", help=kept)
    add_device(parser)
    add_weights_dir(parser)
    add("--json", action="store_true", help="print one JSON object instead of tables")


def run(arguments: argparse.Namespace) -> int:
    """`papr evaluate`, alone or under torchrun: tables, or one JSON object, on stdout; progress on stderr."""
    use_weights_dir(arguments)
    rank, _ = share()
    show = rank == 0
    with bar(show, unit=" images") as progress, bar(show, unit="B", unit_scale=True) as downloading:
        result = evaluate(
            arguments.data,
            backbone=arguments.backbone,
            proposal=arguments.proposal,
            keep=arguments.keep,
            reductions=given_reductions(arguments),
            methods=arguments.methods,
            explain=arguments.explain,
            classes=arguments.classes,
            fit=arguments.fit,
            views=arguments.views,
            limit=arguments.limit,
            batch_size=arguments.batch_size,
            resume=arguments.resume,
            device=chosen_device(arguments.device),
            progress=progress,
            downloading=downloading,
        )
    if result is not None:
        sys.stdout.write(json.dumps(result) + "\n" if arguments.json else _tables(result))
    return 0


_SUBSETS = {
    "all": "all {}",
    "proposal_right": "{} on which the proposal is right",
    "proposal_wrong": "{} on which the proposal is wrong",
}


def _tables(result: dict) -> str:
    """The result for people: a table a subset, with PaPr's differences below."""
    competing = (
        "all classes that a model knows" if result["classes"] == "model" else "only the classes of the data"
    )
    right = result["proposal_top1"]
    seen = f", {result['views']} views each" if "views" in result else ""
    explained = "the true class" if result["explain"] == "target" else "the proposal's answer"
    lines = [
        f"{result['data']}: {result['n']} {result['kind']}{seen}, fit: {result['fit']}; {competing} compete.",
        f"Backbone {result['backbone']}; proposal {result['proposal']}, "
        + ("which does not know all these classes." if right is None else f"right on {right:.1f} %."),
        f"A CAM explains {explained}.",
        "Percent, with 95 % intervals; GMACs of the backbone at this ratio plus one pass of the proposal.",
    ]
    for subset, title in _SUBSETS.items():
        rows = [row for row in result["rows"] if row["subset"] == subset]
        differences = [row for row in result["differences"] if row["subset"] == subset]
        if not rows and not differences:
            continue
        lines += ["", f"{title.format(result['kind'])}: {(rows or differences)[0]['n']}"]
        lines += (
            [_HEAD] * bool(rows) + [_line(row) for row in rows] + [_difference(row) for row in differences]
        )
    return "\n".join(lines) + "\n"


_HEAD = (
    f"{'method':<11}{'keep':>6}{'reduction':>11}{'patches':>9}{'top-1':>8}{'interval':>15}{'top-5':>8}{'conf.':>8}"
    f"{'answers kept':>14}{'GMACs':>9}{'images/s':>10}"
)


def _line(row: dict) -> str:
    interval = f"{row['top1_low']:.1f} to {row['top1_high']:.1f}"
    reduction = reduction_in(row)
    return (
        f"{row['method']:<11}{row['keep']:>6.4g}{reduction.label if reduction else '-':>11}{row['kept']:>9}"
        f"{row['top1']:>8.1f}{interval:>15}"
        f"{row['topk'][4]:>8.1f}{row['confidence']:>8.1f}{row['answers_kept']:>14.1f}"
        f"{row['gmacs']:>9.3f}{row['images_per_second']:>10.1f}"
    )


def _difference(row: dict) -> str:
    reduction = reduction_in(row)
    more = f", {reduction.label}" if reduction else ""
    return (
        f"{row['method']} less {row['minus']} at {row['keep']:.4g}{more}: "
        f"{row['top1']:+.1f} ({row['low']:+.1f} to {row['high']:+.1f})"
    )
