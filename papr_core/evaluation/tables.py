"""Evaluations as tables: columns and cells, and how Markdown, CSV and LaTeX write them."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from papr_core.pruning.reductions import reduction_in

__all__ = ["COLUMNS", "FORMATS", "cells_of", "overview", "written"]

FORMATS = ("md", "csv", "latex")
COLUMNS = (
    "pictures",
    "method",
    "keep",
    "reduction",
    "patches",
    "top-1",
    "95 % low",
    "95 % high",
    "top-5",
    "confidence",
    "answers kept",
    "GMACs backbone",
    "GMACs ConvNet",
    "GMACs",
    "images/s",
    "images/s end to end",
)
SUBSETS = {"all": "all", "proposal_right": "ConvNet right", "proposal_wrong": "ConvNet wrong"}
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def cells_of(row: Mapping[str, Any]) -> list[str]:
    """A row of a result as cells of `COLUMNS`; what an older file does not say is empty."""
    reduction = reduction_in(row)
    end_to_end = row.get("images_per_second_end_to_end")
    return [
        SUBSETS[row["subset"]],
        row["method"],
        f"{row['keep']:.4g}",
        reduction.label if reduction else "-",
        str(row["kept"]),
        *(f"{row[key]:.1f}" for key in ("top1", "top1_low", "top1_high")),
        f"{row['topk'][4]:.1f}",
        f"{row['confidence']:.1f}",
        f"{row['answers_kept']:.1f}",
        *(f"{row[key]:.3f}" for key in ("gmacs_backbone", "gmacs_proposal", "gmacs")),
        f"{row['images_per_second']:.1f}",
        "-" if end_to_end is None else f"{end_to_end:.1f}",
    ]


def overview(results: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Head and cells of one table of several results: a row a configuration on all pictures, with the pair,
    and what measured it. Results of other pictures stand in it too, told apart by their columns."""
    head = ["backbone", "ConvNet", "data", "fit", "n", *COLUMNS[1:], "machine"]
    rows = []
    for result in results:
        machine = result.get("hardware", {}).get("machine", "-")
        data, fit = result["data"].rpartition("/")[2], result.get("fit", "-")
        first = [result["backbone"], result["proposal"], data, fit, str(result["n"])]
        rows += [[*first, *cells_of(row)[1:], machine] for row in result["rows"] if row["subset"] == "all"]
    return head, rows


def written(head: Sequence[str], rows: Sequence[Sequence[str]], how: str) -> str:
    """A table as md, csv or latex (booktabs). Words of others are data: nothing in a cell can end it.

    >>> from papr_core.evaluation.tables import written
    >>> print(written(["method", "top-1"], [["papr", "56.5"]], "md"))
    | method | top-1 |
    |---|---|
    | papr | 56.5 |
    """
    if how == "csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([head, *rows])
        return text.getvalue().rstrip("\n")
    if how == "md":
        lines = [_line(head), "|---" * len(head) + "|", *map(_line, rows)]
        return "\n".join(lines)
    numbers = ["r" if all(re.match(r"[+-]?\d|-$", row[i]) for row in rows) else "l" for i in range(len(head))]
    lines = [
        rf"\begin{{tabular}}{{{''.join(numbers)}}}",
        r"\toprule",
        _latex(head),
        r"\midrule",
        *map(_latex, rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def _latex(cells: Sequence[str]) -> str:
    plain = ("".join(_LATEX.get(sign, sign) for sign in " ".join(cell.split())) for cell in cells)
    return " & ".join(plain) + r" \\"
