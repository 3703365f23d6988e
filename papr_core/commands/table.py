"""`papr table`: what `papr evaluate --out` wrote, by anyone, as one table and one figure."""

import argparse
from pathlib import Path

from papr_core.commands import terminal
from papr_core.evaluation.results import read_results, results_in
from papr_core.evaluation.tables import FORMATS, overview, written
from papr_core.evaluation.tradeoff import overview_figure

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `papr table` takes."""
    add = parser.add_argument
    add(
        "results",
        metavar="DIR_or_FILE",
        nargs="+",
        type=Path,
        help="what evaluate --out wrote, or folders of it",
    )
    add("--format", choices=("table", *FORMATS), default="table", help="of the printed table")
    add("--figure", metavar="FILE", type=Path, help="also accuracy against cost, as .pdf, .png or .svg")
    add("--method", default="papr", help="whose accuracy the figure shows (papr)")


def run(arguments: argparse.Namespace) -> int:
    """`papr table`: on stdout."""
    files = [file for path in arguments.results for file in (results_in(path) if path.is_dir() else [path])]
    results = read_results(files)
    if arguments.figure is not None:
        from papr_core.figures import save_figure

        save_figure(overview_figure(results, method=arguments.method), arguments.figure)
    head, rows = overview(results)
    print(
        terminal.table(head, rows) if arguments.format == "table" else written(head, rows, arguments.format)
    )
    return 0
