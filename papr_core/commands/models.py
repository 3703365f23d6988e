"""`papr models`: what models there are, and where their weights are."""

import argparse
import json
from typing import Any

from papr_core.commands.options import add_weights_dir, use_weights_dir
from papr_core.commands.terminal import complain, table
from papr_core.models.listing import fetch_models, model_rows

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `papr models` takes."""
    parser.add_argument("--json", action="store_true", help="print one JSON array instead of a table")
    fetch = "bring the weights of these models to this machine, as preparation, and say where they are"
    parser.add_argument("--fetch", nargs="+", metavar="NAME", help=fetch)
    add_weights_dir(parser)


def run(args: argparse.Namespace) -> int:
    """`papr models`: a table, or one JSON array, on stdout."""
    use_weights_dir(args)
    if args.fetch:
        for source in fetch_models(args.fetch):
            print(f"{source.name}: {source.kind}, {source.megabytes:.0f} MB")
        return 0
    rows = model_rows(complain=complain)
    if args.json:
        print(json.dumps(rows))
        return 0
    head = ("Name", "Title", "Input", "Classes", "Weights", "SHA-256", "Licence")
    for role, title in (
        ("proposal", "Proposals: ConvNets that rank patches"),
        ("backbone", "Backbones: pruned"),
    ):
        print(f"{title}\n\n{table(head, [_model_line(row) for row in rows if row['role'] == role])}\n")
    return 0


def _model_line(row: dict[str, Any]) -> tuple[str, ...]:
    size = "" if row["megabytes"] is None else f"{row['megabytes']:.0f} MB"
    where = f"{row['weights']} {'of ' if row['weights'] == 'download' and size else ''}{size}".strip()
    licence = row["licence"] if len(row["licence"]) <= 24 else row["licence"][:23] + "…"
    pixels, digest = "x".join(map(str, row["input_size"][1:])), (row["sha256"] or "")[:12]
    return row["name"], row["title"], pixels, row["labels"], where, digest, licence
