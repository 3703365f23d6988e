"""docs/quickstart.ipynb runs, and shows what it stores."""

import base64
import importlib.util
import json

import pytest
from conftest import ROOT

SCRIPT = ROOT / "docs" / "run_quickstart.py"


@pytest.fixture(scope="module")
def runner():
    spec = importlib.util.spec_from_file_location("run_quickstart", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shown(notebook: dict) -> list[list[str]]:
    """The texts of each code cell, a picture's too; the pictures themselves may differ in a pixel."""
    cells = [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [[text(output) for output in outputs] for outputs in cells]


def text(output: dict) -> str:
    if output["output_type"] == "stream":
        return "".join(output["text"])
    return "".join(output["data"]["text/plain"])


def test_it_runs_and_shows_what_it_stores(runner, monkeypatch):
    monkeypatch.delenv("PAPR_WEIGHTS", raising=False)
    stored = json.loads(runner.FILE.read_text(encoding="utf-8"))
    assert shown(runner.executed()) == shown(stored), "PYTHONPATH=. python docs/run_quickstart.py"


def test_what_it_stores_is_small(runner):
    notebook = json.loads(runner.FILE.read_text(encoding="utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    pictures = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 3
    assert max(len(base64.b64decode(picture)) for picture in pictures) < 200_000
    assert [cell["execution_count"] for cell in notebook["cells"] if cell["cell_type"] == "code"] == [
        *range(1, 10)
    ]
