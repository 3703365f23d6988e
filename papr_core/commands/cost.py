"""`papr cost`: what a configuration costs, or the paper's own table beside our counts."""

import argparse
import json
from typing import Any

from papr_core.commands.options import add_reduction, add_weights_dir, given_reduction, use_weights_dir
from papr_core.commands.terminal import table
from papr_core.cost import PAPER, estimate, paper_rows
from papr_core.errors import InvalidInput
from papr_core.pruning.reductions import reduction_in

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `papr cost` takes."""
    add = parser.add_argument
    add("--backbone", metavar="NAME", help="the model that is pruned")
    add(
        "--proposal", metavar="NAME", help="the ConvNet that looks first (default: none, and none is counted)"
    )
    add("--keep", type=float, default=1.0, metavar="Z", help="keep ratio, 0 to 1 (default: 1)")
    add_reduction(parser)
    add("--proposal-input", type=int, metavar="PIXELS", help="what the proposal sees (default: its own size)")
    add_weights_dir(parser)
    add("--paper", action="store_true", help="the paper's own table beside ours")
    add("--json", action="store_true", help="print JSON instead of a table")


def run(arguments: argparse.Namespace) -> int:
    """`papr cost`: one configuration, or the paper's table."""
    use_weights_dir(arguments)
    if arguments.paper:
        rows = paper_rows()
        print(json.dumps(rows) if arguments.json else _paper_table(rows))
        return 0
    if arguments.backbone is None:
        raise InvalidInput("Say which model is pruned (--backbone), or ask for the paper's table (--paper).")
    found = estimate(
        arguments.backbone,
        arguments.proposal,
        keep=arguments.keep,
        reduction=given_reduction(arguments),
        proposal_input=arguments.proposal_input,
    )
    print(json.dumps(found) if arguments.json else _report(found))
    return 0


def _report(found: dict[str, Any]) -> str:
    reduced = f", {reduction.about}" if (reduction := reduction_in(found)) else ""
    saved = 1 - found["gmacs_pruned"] / found["gmacs_full"]
    looking = (
        f"{found['gmacs_proposal']:.3f} GMACs of it are one pass of {found['proposal']}"
        if found["gmacs_proposal"]
        else "no proposal looks"
    )
    return "\n".join([
        f"{found['backbone']}: {found['kept']} of {found['patches']} patches kept{reduced}.",
        f"Full   {found['gmacs_full']:9.3f} GMACs",
        f"Pruned {found['gmacs_pruned']:9.3f} GMACs, {100 * abs(saved):.1f} %"
        f" {'less' if saved >= 0 else 'more'}; {looking}.",
    ])  # fmt: skip


def _paper_table(rows: list[dict[str, Any]]) -> str:
    head = ("Table", "Backbone", "Proposal", "Keep", "Reduction", "Paper", "Ours", "Difference", "Note")
    lines = [
        (
            f"{row['table']}",
            f"{row['backbone']}, {row['input']}" if "x" in row["input"] else row["backbone"],
            row["proposal"] or "",
            f"{row['keep']:g}",
            reduction.label if (reduction := reduction_in(row)) else "",
            f"{row['paper_gmacs']:.2f}",
            "-" if row["gmacs"] is None else f"{row['gmacs']:.3f}",
            "" if row["gmacs"] is None else f"{row['difference_percent']:+.2f} %",
            row["note"],
        )
        for row in rows
    ]
    return (
        f"Billions of multiply-accumulates a picture, as printed in {PAPER}, and counted here.\n\n"
        + table(head, lines)
    )
