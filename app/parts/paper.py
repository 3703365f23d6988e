"""The paper's costs beside ours, as the page shows them: counted once by papr_core and shipped.

Counting all rows takes a while, and they change only with timm and the data, so they are written by

    python -m app.parts.paper

and a test counts them again.
"""

import json
from pathlib import Path
from typing import Any

__all__ = ["FILE", "compute", "read"]

FILE = Path(__file__).resolve().parent.parent / "static" / "paper_costs.json"


def read() -> dict[str, Any]:
    """{"rows", "others", "counted_with"}: see `papr_core.cost.paper_rows` and `other_methods`."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def compute(rows: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The same from the library itself. rows: of `paper_rows`, where they are at hand."""
    from importlib.metadata import version

    from papr_core.cost import other_methods, paper_rows

    return {
        "rows": [_short(row) for row in (paper_rows() if rows is None else rows)],
        "others": other_methods(),
        "counted_with": f"timm {version('timm')}",
    }


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """A row with our figures as far as anybody reads them."""
    ours = {key: None if row[key] is None else round(row[key], 4) for key in ("gmacs", "difference_percent")}
    return {**row, **ours}


def main() -> None:
    FILE.write_text(json.dumps(compute(), ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
