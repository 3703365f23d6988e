"""Run the cells of docs/quickstart.ipynb and store what they show, small enough for a repository.

    PYTHONPATH=. python docs/run_quickstart.py

Jupyter does the same, with pictures several times as large.
"""

import ast
import base64
import contextlib
import io
import json
import os
import re
from pathlib import Path
from typing import Any

from PIL import Image

FILE = Path(__file__).with_name("quickstart.ipynb")


def main() -> None:
    FILE.write_text(json.dumps(executed(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def executed() -> dict[str, Any]:
    """The notebook with the outputs of a run now, in the folder where it lies."""
    notebook = json.loads(FILE.read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    with contextlib.chdir(FILE.parent):
        for count, cell in enumerate(cells, 1):
            cell["execution_count"] = count
            cell["outputs"] = outputs("".join(cell["source"]), names, count)
    return notebook


def outputs(source: str, names: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """What a cell prints, and what its last expression is."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, FILE.name, "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), FILE.name, "eval"), names)
    found: list[dict[str, Any]] = []
    if text := printed.getvalue():
        found.append({"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)})
    if value is not None:
        text = re.sub(r" at 0x[0-9A-F]+", "", repr(value))  # an address is another each time
        data = {"text/plain": text.splitlines(keepends=True)}
        if hasattr(value, "_repr_png_"):
            data = {"image/png": small(value._repr_png_())} | data
        result = {"data": data, "execution_count": count, "metadata": {}}
        found.append(result | {"output_type": "execute_result"})
    return found


def small(png: bytes) -> str:
    """A picture 900 pixels wide at most and of 128 colours, as a notebook holds it."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.thumbnail((900, 900))
    stream = io.BytesIO()
    picture.quantize(128).save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()


if __name__ == "__main__":
    os.environ.pop("PAPR_WEIGHTS", None)
    main()
