"""The numbers of a figure of methods as a table, for LaTeX or a spreadsheet."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from papr_core.errors import InvalidInput
from papr_core.figures.methods import Cut, Row

__all__ = ["TABLES", "numbers_table"]

TABLES = ("csv", "tex")

_TEX = str.maketrans({
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_"},
})  # fmt: skip


def numbers_table(rows: Sequence[Row], kind: str, *, note: str = "") -> str:
    """What `methods_figure` shows of these rows, in numbers.

    csv: a line for each picture, method and keep ratio, shares from 0 to 1. tex: a tabular for booktabs, a
    line a method, with confidences in percent (or cosines); note: a comment above it.

    Raises:
        InvalidInput: another kind, or no rows.
    """
    if not rows:
        raise InvalidInput("A table needs at least one picture.")
    if kind == "csv":
        return _csv(rows)
    if kind == "tex":
        return _tex(rows, note)
    raise InvalidInput(f"A table can be {' or '.join(TABLES)}, not {kind!r}.")


def _csv(rows: Sequence[Row]) -> str:
    classes = rows[0].backbone_confidence is not None
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n").writerow
    measure = "confidence" if classes else "cosine"
    write(
        [
            "picture",
            "class",
            "method",
            "keep_ratio",
            "kept",
            "patches",
            measure,
            "draws",
            "unpruned_answer",
            "kept_answer",
            "top1",
        ]
    )
    for row in rows:
        patches = row.grid[0] * row.grid[1]
        label = row.label if classes else ""
        answer = row.answer[0] if row.answer else label
        full = row.backbone_confidence if classes else 1.0
        write(
            [
                row.name,
                label,
                "unpruned",
                1,
                patches,
                patches,
                f"{full:.6f}",
                1,
                answer,
                "yes" if classes else "",
                answer,
            ]
        )
        for panel in row.panels:
            for ratio, cut in zip(row.keep, panel.cuts):
                if cut:
                    same = cut.top1 == answer if row.chosen else cut.kept_answer
                    kept = {True: "yes", False: "no", None: ""}[same]
                    share = "" if panel.significance is None else f"{ratio:g}"  # by hand: no ratio
                    number = f"{cut.confidence:.6f}"
                    write(
                        [row.name, label, panel.title, share, cut.made or len(cut.kept), patches, number]
                        + [cut.draws, answer, kept, cut.top1]
                    )
    return text.getvalue()


def _tex(rows: Sequence[Row], note: str) -> str:
    classes, keep = rows[0].backbone_confidence is not None, rows[0].keep
    each = 2 if classes else 1  # columns a keep ratio
    width = 1 + each * len(keep)
    measure = r"\%" if classes else "cosine"
    lines = [f"% {' '.join(note.split())}"] if note else []
    lines += [
        "% needs \\usepackage{booktabs}",
        f"\\begin{{tabular}}{{l{'rl'[:each] * len(keep)}}}",
        "\\toprule",
    ]
    heads = [f"\\multicolumn{{{each}}}{{c}}{{keep {100 * ratio:.3g}\\,\\%}}" for ratio in keep]
    lines.append(" & ".join(["", *heads]) + r" \\")
    lines.append(" & ".join(["method", *[measure, "answer"][:each] * len(keep)]) + r" \\")
    for row in rows:
        about = [row.label if classes else "cosine to the unpruned embedding"]
        if row.backbone_confidence is not None:
            about.append(f"unpruned {100 * row.backbone_confidence:.1f} %")
        if row.answer:
            about.append(f"its answer: {row.answer[0]}")
        name = Path(row.name).name
        head = f"{name}: {', '.join(about)}" if name else ", ".join(about)
        lines += ["\\midrule", f"\\multicolumn{{{width}}}{{l}}{{\\emph{{{head.translate(_TEX)}}}}} \\\\"]
        for panel in row.panels:
            cells = [cell for cut in panel.cuts for cell in _cells(row, cut, classes)]
            lines.append(" & ".join([panel.title.translate(_TEX), *cells]) + r" \\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def _cells(row: Row, cut: Cut | None, classes: bool) -> list[str]:
    if cut is None:
        return ["", ""][: 2 if classes else 1]
    if not classes:
        return [f"{cut.confidence:.3f}"]
    return [f"{100 * cut.confidence:.1f}", row.marks[0] if cut.kept_answer else row.marks[1]]
