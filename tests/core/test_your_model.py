"""docs/your-model.md: its code runs, block after block, in an empty folder."""

import re
import shutil
from importlib.util import find_spec

from conftest import ROOT

BLOCK = re.compile(r"^```python( onnx)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_code_of_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "assets" / "examples" / "coffee.jpg", "photo.jpg")
    for label in ("disc", "star"):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        shutil.copy("photo.jpg", f"pictures/{label}/one.jpg")
    blocks = BLOCK.findall((ROOT / "docs" / "your-model.md").read_text(encoding="utf-8"))
    assert len(blocks) >= 7
    known: dict = {}
    for needs_onnx, code in blocks:
        if not needs_onnx or all(map(find_spec, ("onnx", "onnxscript", "onnxruntime"))):
            exec(compile(code, "docs/your-model.md", "exec"), known)
    assert known["told"]["difference"] < 1e-4
