"""The tables of the model card, in Markdown, from what `evaluate --json` printed.

python -m papr_core evaluate --data runs/heldout.tar ... --out results/NAME.json
python recipes/card_table.py results/NAME.json
Of several evaluations of one backbone: one table that compares their ConvNets.
"""

import json
import sys
from pathlib import Path

SUBSETS = {
    "all": "All images",
    "proposal_right": "The proposal is right",
    "proposal_wrong": "The proposal is wrong",
}


def tables(result: dict) -> str:
    """One table a subset: top-1 (%) with its interval for each method, a column a keep ratio (and number of
    merged tokens), then differences. Exits with a sentence where the full model was not evaluated."""
    parts = [f"{result['backbone']} pruned by {result['proposal']}, {result['classes']} classes compete.\n"]
    for subset, title in SUBSETS.items():
        rows = [row for row in result["rows"] if row["subset"] == subset]
        if not rows:
            continue
        plain = [row for row in rows if row["method"] == "full" and not row.get("tome_r")]
        if not plain:
            sys.exit("These rows lack the full model, to which a table compares: evaluate with keep 1 too.")
        rows = [row for row in rows if row not in plain]
        columns = sorted({_column(row) for row in rows}, key=lambda column: (-column[0], column[1]))
        heads = [f"{keep:g}, r {r}" if r else f"{keep:g}" for keep, r in columns]
        parts.append(f"{title}: n = {plain[0]['n']}, full model {_interval(plain[0])}.\n")
        parts.append(_line("method", heads))
        parts.append("|---" * (len(columns) + 1) + "|")
        for method in dict.fromkeys(row["method"] for row in rows):
            cells = {_column(row): _interval(row) for row in rows if row["method"] == method}
            name = "merged alone" if method == "full" else method
            parts.append(_line(name, [cells.get(column, "") for column in columns]))
        differences = [one for one in result["differences"] if one["subset"] == subset]
        for pair in dict.fromkeys((one["method"], one["minus"]) for one in differences):
            cells = {
                _column(one): f"{one['top1']:+.1f} ({one['low']:+.1f} to {one['high']:+.1f})"
                for one in differences
                if (one["method"], one["minus"]) == pair
            }
            parts.append(_line(f"*{pair[0]} less {pair[1]}*", [cells.get(column, "") for column in columns]))
        parts.append("")
    return "\n".join(parts)


def _column(row: dict) -> tuple[float, int]:
    return row["keep"], row.get("tome_r", 0)


def _line(first: str, cells: list[str]) -> str:
    return f"| {first} | {' | '.join(cells)} |"


def _interval(row: dict) -> str:
    return f"{row['top1']:.1f} ({row['top1_low']:.1f} to {row['top1_high']:.1f})"


def convnets(results: list[dict], keeps: tuple[float, ...] = (0.5, 0.4, 0.3)) -> str:
    """One table of several ConvNets that prune one backbone: PaPr's top-1, and how far it is ahead of CAM and
    of chance, with intervals; a row a ConvNet and subset."""
    lines = [
        _line(
            "pictures",
            [
                "ConvNet",
                f"PaPr at {' / '.join(f'{keep:g}' for keep in keeps)}",
                *(f"PaPr less {other} at {keep:g}" for other in ("CAM", "random") for keep in keeps),
            ],
        )
    ]
    lines.append("|---" * (3 + 2 * len(keeps)) + "|")
    for subset, title in SUBSETS.items():
        for result in results:
            rows = {
                row["keep"]: row
                for row in result["rows"]
                if (row["subset"], row["method"]) == (subset, "papr")
            }
            if not rows:
                continue
            less = {
                (one["minus"], one["keep"]): f"{one['top1']:+.1f} ({one['low']:+.1f} to {one['high']:+.1f})"
                for one in result["differences"]
                if one["subset"] == subset
            }
            top = " / ".join(f"{rows[keep]['top1']:.1f}" for keep in keeps)
            cells = [less[other, keep] for other in ("cam", "random") for keep in keeps]
            n = next(iter(rows.values()))["n"]
            lines.append(_line(f"{title}, n = {n}", [f"`{result['proposal']}`", top, *cells]))
    return "\n".join(lines)


if __name__ == "__main__":
    read = [json.loads(Path(path).read_text()) for path in sys.argv[1:]]
    print(convnets(read) if len(read) > 1 else tables(*read))
