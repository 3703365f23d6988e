"""`papr evaluate`: accuracy against keep ratio on labelled images or clips."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from papr_core.commands.options import (
    add_device,
    add_plugin,
    add_reduction,
    add_weights_dir,
    given_reductions,
    use_plugins,
    use_weights_dir,
)
from papr_core.commands.terminal import bar, table, tell_left_out, tell_passed_over
from papr_core.data.colours import COLOURS
from papr_core.data.datasets import SPLITS
from papr_core.data.images import FITS
from papr_core.devices import chosen_device
from papr_core.errors import InvalidInput
from papr_core.evaluation.processes import share
from papr_core.evaluation.results import write_result
from papr_core.evaluation.run import KEEP, METHODS, evaluate
from papr_core.evaluation.tables import COLUMNS, FORMATS, cells_of, written
from papr_core.methods.table import METHODS as ALL_METHODS
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.pruning.reductions import reduction_in

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `papr evaluate` takes."""
    add = parser.add_argument
    add("--data", required=True, metavar="DIR_or_TAR", help="class folders, or a .tar, .zip, ... of them")
    add("--backbone", help=f"the model that is pruned (default: {DEFAULT_BACKBONE})")
    looking = f"the ConvNet that looks first (default: {DEFAULT_PROPOSAL}, or x3d_s for a model of clips)"
    add("--proposal", nargs="+", metavar="NAME", help=f"{looking}; several: each in turn")
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
    named = "what the folders mean: a folder a line, in the order of the classes, as timm has it; or JSON"
    add("--class-map", metavar="FILE", help=named)
    fitted = "how a picture is brought to the model's size (default: %(default)s)"
    add("--fit", choices=FITS, default="crop", help=fitted)
    seen = "of a clip: places x times, such as 3x5 as in the paper (default: 1x1); data are clips then"
    add("--views", metavar="PxT", help=seen)
    found = "boxes, for the pointing game: CSV (file, x0, y0, x1, y1) or COCO's JSON (default: boxes.csv)"
    add("--boxes", metavar="FILE", help=found)
    areas = "also areas under the curves, best and worst patches first, dropped and painted over"
    add("--curves", action="store_true", help=areas)
    first = "also a cascade: the ConvNet answers where it is sure enough, the backbone the rest"
    add("--cascade", action="store_true", help=first)
    budget = "also a budget a picture: the fewest patches that hold this share of the map, 0 to 1"
    add("--mass", nargs="+", type=float, default=[], metavar="M", help=budget)
    add("--split", choices=tuple(SPLITS), help="of a folder with train/, val/, ... in it (default: val)")
    add("--labels", metavar="FILE", help="a list of the pictures' classes, where there are no class folders")
    numbered = "folders 0, 1, ... are places of the logits, for a model that names no classes"
    add("--numbered", action="store_true", help=numbered)
    unmatched = "folders that match no class of the model's (default: %(default)s)"
    add("--unmatched", choices=("refuse", "skip"), default="refuse", help=unmatched)
    colours = (
        "pictures with a colour profile: in the colours that are meant, or without it as timm (default: srgb)"
    )
    add("--colour", choices=COLOURS, default="srgb", help=colours)
    add("--limit", type=int, metavar="N", help="so many images, balanced over classes, always the same")
    add("--batch-size", type=int, default=32, metavar="N", help="images at once (default: %(default)s)")
    kept = "keep what is found in DIR batch by batch, and go on where an ended run with the same DIR stopped"
    add("--resume", metavar="DIR", help=kept)
    add("--strict", action="store_true", help="stop at a picture that cannot be read, not go on without it")
    add_device(parser)
    add_plugin(parser)
    add_weights_dir(parser)
    add("--json", action="store_true", help="print one JSON object instead of tables")
    add("--format", choices=("table", *FORMATS), default="table", help="of the printed rows")
    written_to = "also a .json file for `papr table`, with versions and hardware"
    add("--out", metavar="FILE", type=Path, help=written_to)


def run(arguments: argparse.Namespace) -> int:
    """`papr evaluate`, alone or under torchrun: tables, or one JSON object, on stdout; progress on stderr."""
    use_weights_dir(arguments)
    use_plugins(arguments)
    if arguments.out is not None and arguments.out.suffix != ".json":
        raise InvalidInput(f"A result is written as .json, not as {arguments.out.name!r}.")
    rank, _ = share()
    names = list(dict.fromkeys(arguments.proposal or [None]))
    found = []
    for name in names:
        with (
            bar(rank == 0, unit=" images") as progress,
            bar(rank == 0, unit="B", unit_scale=True) as downloading,
        ):
            found.append(
                evaluate(
                    arguments.data,
                    backbone=arguments.backbone,
                    proposal=name,
                    keep=arguments.keep,
                    reductions=given_reductions(arguments),
                    methods=arguments.methods,
                    explain=arguments.explain,
                    classes=arguments.classes,
                    class_map=arguments.class_map,
                    fit=arguments.fit,
                    views=arguments.views,
                    boxes=arguments.boxes,
                    curves=arguments.curves,
                    cascade=arguments.cascade,
                    mass=arguments.mass,
                    limit=arguments.limit,
                    split=arguments.split,
                    labels=arguments.labels,
                    numbered=arguments.numbered,
                    unmatched=arguments.unmatched,
                    colour=arguments.colour,
                    strict=arguments.strict,
                    batch_size=arguments.batch_size,
                    resume=_resumed(arguments.resume, name if len(names) > 1 else None),
                    device=chosen_device(arguments.device),
                    progress=progress,
                    downloading=downloading,
                )
            )
    results = [result for result in found if result is not None]
    if not results:  # another process tells it
        return 0
    tell_passed_over(results[0]["data"], results[0]["passed_over"])
    tell_left_out(results[0]["left_out"], results[0]["kind"])
    whole = results[0] if len(results) == 1 else {"results": results}
    if arguments.out is not None:
        write_result(arguments.out, whole)
    if arguments.json:
        sys.stdout.write(json.dumps(whole) + "\n")
    elif arguments.format == "table":
        sys.stdout.write("\n".join(_tables(result) for result in results))
    else:
        sys.stdout.write(_rows(results, arguments.format) + "\n")
    return 0


def _resumed(folder: str | None, proposal: str | None) -> str | Path | None:
    """Each ConvNet of a sweep in a folder of its own."""
    return Path(folder) / proposal if folder is not None and proposal is not None else folder


def _rows(results: Sequence[dict], how: str) -> str:
    """The rows of all results as one table; of several with the ConvNet before."""
    if len(results) == 1:
        return written(COLUMNS, [cells_of(row) for row in results[0]["rows"]], how)
    rows = [[result["proposal"], *cells_of(row)] for result in results for row in result["rows"]]
    return written(["ConvNet", *COLUMNS], rows, how)


_SUBSETS = {
    "all": "all {}",
    "proposal_right": "{} on which the proposal is right",
    "proposal_wrong": "{} on which the proposal is wrong",
}


def _tables(result: dict) -> str:
    """The result for people: a table a subset, with PaPr's differences below, then what else was asked."""
    competing = (
        "all classes that a model knows" if result["classes"] == "model" else "only the classes of the data"
    )
    right = result["proposal_top1"]
    seen = f", {result['views']} views each" if "views" in result else ""
    explained = "the true class" if result["explain"] == "target" else "the proposal's answer"
    split = f" ({result['split']})" if "split" in result else ""
    colours = {"srgb": ", in sRGB", "timm": ", colour profiles ignored", None: ""}[result.get("colour")]
    lines = [
        f"{result['data']}{split}: {result['n']} {result['kind']}{seen}{colours}, fit: {result['fit']};"
        f" {competing} compete.",
        f"Backbone {result['backbone']}; proposal {result['proposal']}, "
        + ("which does not know all these classes." if right is None else f"right on {right:.1f} %."),
        f"A CAM explains {explained}.",
        "Percent, with 95 % intervals; GMACs of the backbone and, where it looks, one pass of the proposal;"
        " images a second of the backbone alone, and from file to answer.",
    ]
    wide = max((len(row["method"]) for row in result["rows"]), default=0)
    wide = max(wide, len("method")) + 1
    for subset, title in _SUBSETS.items():
        rows = [row for row in result["rows"] if row["subset"] == subset]
        differences = [row for row in result["differences"] if row["subset"] == subset]
        if not rows and not differences:
            continue
        lines += ["", f"{title.format(result['kind'])}: {(rows or differences)[0]['n']}"]
        lines += (
            [f"{'method':<{wide}}{_HEAD}"] * bool(rows)
            + [_line(row, wide) for row in rows]
            + [_difference(row) for row in differences]
        )
    for part, told in (
        ("boxes", _boxes),
        ("curves", _curves),
        ("cascade", _cascade),
        ("mass", _mass),
    ):
        boxed = [row for row in result["rows"] if "n_boxes" in row]
        asked = boxed if part == "boxes" else result.get(part)
        lines += ["", *told(asked)] if asked else []
    return "\n".join(lines) + "\n"


_HEAD = (
    f"{'keep':>6}{'reduction':>11}{'patches':>9}{'top-1':>8}{'interval':>15}{'top-5':>8}{'conf.':>8}"
    f"{'answers kept':>14}{'GMACs':>9}{'+ ConvNet':>11}{'images/s':>10}{'in all':>8}"
)


def _line(row: dict, wide: int) -> str:
    """wide: the column of names."""
    interval = f"{row['top1_low']:.1f} to {row['top1_high']:.1f}"
    reduction = reduction_in(row)
    return (
        f"{row['method']:<{wide}}{row['keep']:>6.4g}{reduction.label if reduction else '-':>11}"
        f"{row['kept']:>9}{row['top1']:>8.1f}{interval:>15}"
        f"{row['topk'][4]:>8.1f}{row['confidence']:>8.1f}{row['answers_kept']:>14.1f}"
        f"{row['gmacs_backbone']:>9.3f}{row['gmacs_proposal']:>11.3f}"
        f"{row['images_per_second']:>10.1f}{row['images_per_second_end_to_end']:>8.1f}"
    )


def _difference(row: dict) -> str:
    reduction = reduction_in(row)
    more = f", {reduction.label}" if reduction else ""
    return (
        f"{row['method']} less {row['minus']} at {row['keep']:.4g}{more}: "
        f"{row['top1']:+.1f} ({row['low']:+.1f} to {row['high']:+.1f})"
    )


def _signed(row: dict, name: str) -> str:
    if name not in row:
        return "-"
    return f"{row[name]:+.1f} ({row[f'{name}_low']:+.1f} to {row[f'{name}_high']:+.1f})"


def _boxes(rows: Sequence[dict]) -> list[str]:
    def told(value: float, ends: Sequence[float], digits: int) -> str:
        return f"{value:.{digits}f} ({ends[0]:.{digits}f} to {ends[1]:.{digits}f})"

    head = ("pictures", "method", "keep", "n", "strongest in a box", "within 15 px", "kept in boxes")
    cells = [
        (
            row["subset"].replace("_", " "),
            row["method"],
            f"{row['keep']:.4g}",
            str(row["n_boxes"]),
            f"{row['pointing']:.1f}",
            told(row["pointing_15"], row["pointing_15_interval"], 1),
            f"{row['in_boxes']:.1f}",
            told(row["box_share"], row["box_share_interval"], 2),
        )
        for row in rows
    ]
    title = (
        "Pointing game and share of the kept patches in boxes, percent; times chance is over the boxes' area"
    )
    return [title, table((*head, "times chance"), cells)]


def _curves(rows: Sequence[dict]) -> list[str]:
    head = ("method", "order", "of", "removed", "area", "interval", "less random", "less dropped")
    cells = [
        (
            row["method"],
            row["order"],
            row["value"],
            row["removed"],
            f"{row['area']:.1f}",
            f"{row['area_low']:.1f} to {row['area_high']:.1f}",
            _signed(row, "less_random"),
            _signed(row, "less_dropped"),
        )
        for row in rows
    ]
    span = f"{rows[0]['keep'][0]:g} to 1"
    said = "insertion keeps the best patches (high is good), deletion the worst (low is good)"
    return [f"Areas under the curves over keep {span}, percent: {said}", table(head, cells)]


def _cascade(rows: Sequence[dict]) -> list[str]:
    def cells(then: dict, told: dict[str, Any], less: str) -> tuple[str, ...]:
        return (
            f"{then['method']} {then['keep']:.4g}",
            f"{told['t']:g}",
            f"{told['n']}" if "n" in told else "",
            f"{told['answered']:.1f}",
            f"{told['top1']:.1f} ({told['top1_low']:.1f} to {told['top1_high']:.1f})",
            less,
            f"{told['gmacs']:.3f}",
            f"{1000 * told['seconds']:.1f}",
        )

    head = ("then", "t", "n", "answered early", "top-1", "less the backbone alone", "GMACs", "ms")
    lines = [
        "Cascade: the ConvNet answers where it is at least t sure. Thresholds from one half, on the other"
    ]
    chosen = []
    for row in rows:
        mean, low, high = row["chosen"]["less_alone"]
        chosen.append(cells(row["then"], row["chosen"], f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"))
    lines += [table(head, chosen), "", f"Over thresholds, all {rows[0]['n']}:"]
    along = [
        cells(row["then"], point, f"{point['top1'] - row['alone']:+.1f}")
        for row in rows
        for point in row["curve"]
        if round(100 * point["t"]) % 10 == 0
    ]
    return [*lines, table(head, along)]


def _mass(rows: Sequence[dict]) -> list[str]:
    head = ("method", "mass", "patches", "middle 90 %", "top-1", "GMACs", "one ratio", "its top-1", "less it")
    cells = [
        (
            row["method"],
            f"{row['mass']:g}",
            f"{row['kept']:.1f}",
            f"{row['kept_5']:.0f} to {row['kept_95']:.0f}",
            f"{row['top1']:.1f} ({row['top1_low']:.1f} to {row['top1_high']:.1f})",
            f"{row['gmacs']:.3f}",
            f"{row['fixed']['keep']:.3f}",
            f"{row['fixed']['top1']:.1f}",
            _signed(row, "less_fixed"),
        )
        for row in rows
    ]
    return ["A budget a picture, beside one ratio for all at the same mean cost", table(head, cells)]
