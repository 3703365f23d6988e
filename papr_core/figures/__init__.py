"""Maps, masks, curves and tables for paper and slides: arrays in, a matplotlib Figure out. No model runs.

The layouts are those of PaPr's Fig. 5 to 8 and 12 to 19, https://arxiv.org/abs/2403.16020. Figures are made
without pyplot, so nothing global is touched, and text is never read as mathematics: a label may hold what it
likes.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from papr_core.figures.charts import (
        Compared,
        Line,
        Series,
        curve_figure,
        differences_figure,
        series_figure,
        speed_figure,
    )
    from papr_core.figures.display import COLOURS, LOOKS, SCALES, Display
    from papr_core.figures.files import FORMATS, figure_bytes, save_figure
    from papr_core.figures.methods import Cut, Panel, Row, at_ratios, methods_figure
    from papr_core.figures.paper import LAYOUTS, ONE_COLUMN, TWO_COLUMNS, Paper
    from papr_core.figures.pictures import masked_image, mosaic_image, overlaid_image
    from papr_core.figures.rows import Frame, Looked, clip_figure, mosaic_figure, proposals_figure
    from papr_core.figures.tables import TABLES, numbers_table

# Name -> the module it lives in, imported when first asked for: whoever wants the names of the looks alone
# (the page, on its start) does not wait for matplotlib.
_PUBLIC = {
    "COLOURS": "display",
    "Compared": "charts",
    "Cut": "methods",
    "Display": "display",
    "FORMATS": "files",
    "Frame": "rows",
    "LAYOUTS": "paper",
    "LOOKS": "display",
    "Line": "charts",
    "Looked": "rows",
    "ONE_COLUMN": "paper",
    "Panel": "methods",
    "Paper": "paper",
    "Row": "methods",
    "SCALES": "display",
    "Series": "charts",
    "TABLES": "tables",
    "TWO_COLUMNS": "paper",
    "at_ratios": "methods",
    "clip_figure": "rows",
    "curve_figure": "charts",
    "differences_figure": "charts",
    "figure_bytes": "files",
    "masked_image": "pictures",
    "methods_figure": "methods",
    "mosaic_figure": "rows",
    "mosaic_image": "pictures",
    "numbers_table": "tables",
    "overlaid_image": "pictures",
    "proposals_figure": "rows",
    "save_figure": "files",
    "series_figure": "charts",
    "speed_figure": "charts",
}

__all__ = [
    "COLOURS",
    "FORMATS",
    "LAYOUTS",
    "LOOKS",
    "ONE_COLUMN",
    "SCALES",
    "TABLES",
    "TWO_COLUMNS",
    "Compared",
    "Cut",
    "Display",
    "Frame",
    "Line",
    "Looked",
    "Panel",
    "Paper",
    "Row",
    "Series",
    "at_ratios",
    "clip_figure",
    "curve_figure",
    "differences_figure",
    "figure_bytes",
    "masked_image",
    "methods_figure",
    "mosaic_figure",
    "mosaic_image",
    "numbers_table",
    "overlaid_image",
    "proposals_figure",
    "save_figure",
    "series_figure",
    "speed_figure",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'papr_core.figures' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"papr_core.figures.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value
