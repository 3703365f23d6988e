"""Brings evaluations to today's account: what was measured stays, the columns of cost are counted anew.

    python recipes/recount_evaluations.py results/*.json

Until November 2026 `evaluate` charged one pass of the ConvNet to every row, also where none looks. The
columns follow from the names of the models (`papr_core.cost.spent`), so nothing has to be measured again.
"""

import json
import sys
from pathlib import Path

from papr_core.evaluation.results import recounted

for path in map(Path, sys.argv[1:]):
    result = recounted(json.loads(path.read_text(encoding="utf-8")))
    path.write_text(json.dumps(result) + "\n", encoding="utf-8")
    print(path)
