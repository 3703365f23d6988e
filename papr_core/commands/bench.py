"""`papr bench`: a backbone timed plain and pruned on this machine."""

import argparse
import json
from typing import Any

import torch

from papr_core.bench import DTYPES, MAP_KEEP, bench, speed_map, what_it_is_worth
from papr_core.commands.options import (
    add_device,
    add_reduction,
    add_weights_dir,
    given_reduction,
    use_weights_dir,
)
from papr_core.commands.terminal import steps_bar, table
from papr_core.devices import chosen_device
from papr_core.errors import InvalidInput
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.pruning.reductions import reduction_in

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `papr bench` takes."""
    add = parser.add_argument
    add("--backbone", default=DEFAULT_BACKBONE, metavar="NAME", help="the model (default: %(default)s)")
    add("--proposal", metavar="NAME", help="the ConvNet that looks first (default: the backbone alone)")
    add("--keep", type=float, nargs="+", metavar="Z", help="keep ratios (default: 0.5; of a map 0.2 to 1)")
    add_reduction(parser)
    add("--batch-size", type=int, default=32, metavar="N", help="pictures at once (default: %(default)s)")
    add("--rounds", type=int, metavar="N", help="measured rounds (default: 15; of a map 3 a batch)")
    add_device(parser)
    add("--dtype", choices=tuple(DTYPES), default="float32", help="of weights and pictures")
    add_weights_dir(parser)
    add("--threads", type=int, metavar="N", help="of torch on a CPU (default: its own choice)")
    add("--compile", action="store_true", help="compile the models with torch.compile")
    add("--map", action="store_true", help="speed end to end for batches of 1 to 64 and each keep ratio")
    add("--figure", metavar="FILE", help="also draw the map (.png, .svg or .pdf)")
    add("--json", action="store_true", help="print one JSON object instead of a table")


def run(arguments: argparse.Namespace) -> int:
    """`papr bench`: a table, or one JSON object, on stdout."""
    use_weights_dir(arguments)
    if arguments.threads is not None:
        if arguments.threads < 1:
            raise InvalidInput(f"Torch runs on at least one thread, not on {arguments.threads}.")
        torch.set_num_threads(arguments.threads)
    if arguments.map:
        return _map(arguments)
    if arguments.figure:
        raise InvalidInput("A figure is drawn of a map: add --map.")
    found = bench(
        arguments.backbone,
        arguments.proposal,
        keep=arguments.keep or [0.5],
        reduction=given_reduction(arguments),
        batch_size=arguments.batch_size,
        rounds=15 if arguments.rounds is None else arguments.rounds,
        device=chosen_device(arguments.device),
        dtype=arguments.dtype,
        compiled=arguments.compile,
    )
    print(json.dumps(found) if arguments.json else _report(found))
    return 0


def _map(arguments: argparse.Namespace) -> int:
    if given_reduction(arguments) is not None or arguments.compile:
        raise InvalidInput("A map is of keep ratios alone, not of a reduction or compiled models.")
    with steps_bar() as progress:
        found = speed_map(
            arguments.backbone,
            arguments.proposal or DEFAULT_PROPOSAL,
            keep=arguments.keep or MAP_KEEP,
            rounds=3 if arguments.rounds is None else arguments.rounds,
            device=chosen_device(arguments.device),
            dtype=arguments.dtype,
            progress=lambda done, of: progress("Batches", done, of),
        )
    if arguments.figure:
        from papr_core.figures import save_figure, speed_figure

        title = f"{found['backbone']}: speed-up end to end on {found['machine']}"
        save_figure(
            speed_figure(found["speedup"], found["batches"], found["keep"], title=title), arguments.figure
        )
    print(json.dumps(found) if arguments.json else _map_report(found))
    return 0


def _map_report(found: dict[str, Any]) -> str:
    head = ("Batch", "Plain/s", *(f"Keep {ratio:g}" for ratio in found["keep"]), "Looking", "Reading")
    rows = [
        (
            str(batch),
            f"{plain:.1f}",
            *(f"{speed:.2f}" for speed in speeds),
            f"{100 * looking:.0f} %",
            f"{100 * reading:.0f} %",
        )
        for batch, plain, speeds, looking, reading in zip(
            *(found[key] for key in ("batches", "plain_images_per_second", "speedup", "looking", "reading"))
        )
    ]
    load = "" if found["load"] is None else f", load {found['load']:.1f} before"
    lines = [
        f"{found['backbone']} pruned by {found['proposal']}, random weights, {found['dtype']},"
        f" {found['machine']}, {found['device']}, {found['threads']} threads, torch {found['torch']},"
        f" {found['day']}{load}.",
        f"Speed-ups from files to answers, medians of {min(found['rounds'])} to"
        f" {max(found['rounds'])} rounds; looking is the ConvNet's pass"
        " as a share of the plain backbone's; reading, what goes by before the backbone runs, of the whole.",
        "",
        table(head, rows),
        "",
        *what_it_is_worth(found),
    ]
    return "\n".join(lines)


def _report(found: dict[str, Any]) -> str:
    parts = (
        found["backbone"] + (f" pruned by {found['proposal']}" if found["proposal"] else ""),
        f"random weights, {found['dtype']}, batch {found['batch_size']}",
        f"{found['machine']}, {found['device']}, {found['threads']} threads, torch {found['torch']}",
        "compiled" if found["compiled"] else "not compiled",
    )
    lines = [
        (
            row["measured"],
            f"{row['keep']:g}",
            reduction.label if (reduction := reduction_in(row)) else "-",
            f"{row['plain_images_per_second']:.1f}",
            f"{row['pruned_images_per_second']:.1f}",
            f"{row['speedup']:.2f} ({row['speedup_low']:.2f} to {row['speedup_high']:.2f})",
            "-" if row["promised"] is None else f"{row['promised']:.2f}",
            "-" if row["promised"] is None else f"{row['share_of_promise']:.2f}",
            f"{row['n']}",
        )
        for row in found["rows"]
    ]
    head = ("Measured", "Keep", "Reduction", "Plain/s", "Pruned/s", "Speed-up", "Promised", "Kept of it", "n")
    share = found["pixel_share"]
    said = "" if share is None else f"\nPixel operators take {100 * share:.1f} % of the plain model's time."
    note = "Speed-ups are medians, with the middle half of the rounds."
    return f"{', '.join(parts)}.{said}\n{note}\n\n{table(head, lines)}"
