"""The tables of the model card, in Markdown, from what `evaluate --json` printed.

python -m papr_core evaluate --data runs/heldout.tar ... --json > assets/evaluation.json
python recipes/card_table.py assets/evaluation.json
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
    """One table a subset: top-1 (%) with its interval for each method and keep ratio, then differences."""
    parts = [f"{result['backbone']} pruned by {result['proposal']}, {result['classes']} classes compete.\n"]
    for subset, title in SUBSETS.items():
        rows = [row for row in result["rows"] if row["subset"] == subset]
        if not rows:
            continue
        ratios = sorted({row["keep"] for row in rows if row["method"] != "full"}, reverse=True)
        full = next(row for row in rows if row["method"] == "full")
        parts.append(f"{title}: n = {full['n']}, full model {_interval(full)}.\n")
        parts.append("| method | " + " | ".join(f"{ratio:g}" for ratio in ratios) + " |")
        parts.append("|---" * (len(ratios) + 1) + "|")
        for method in dict.fromkeys(row["method"] for row in rows if row["method"] != "full"):
            cells = {row["keep"]: _interval(row) for row in rows if row["method"] == method}
            parts.append(f"| {method} | " + " | ".join(cells[ratio] for ratio in ratios) + " |")
        for difference in dict.fromkeys(
            (d["method"], d["minus"]) for d in result["differences"] if d["subset"] == subset
        ):
            cells = {
                d["keep"]: f"{d['top1']:+.1f} ({d['low']:+.1f} to {d['high']:+.1f})"
                for d in result["differences"]
                if d["subset"] == subset and (d["method"], d["minus"]) == difference
            }
            shown = " | ".join(cells.get(ratio, "") for ratio in ratios)
            parts.append(f"| *{difference[0]} less {difference[1]}* | {shown} |")
        parts.append("")
    return "\n".join(parts)


def _interval(row: dict) -> str:
    return f"{row['top1']:.1f} ({row['top1_low']:.1f} to {row['top1_high']:.1f})"


if __name__ == "__main__":
    print(tables(json.loads(Path(sys.argv[1]).read_text())))
