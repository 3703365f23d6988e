"""docs/formats.md: each row names the test that shows it, and that test is there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    line
    for line in (ROOT / "docs" / "formats.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("|") and not line.startswith(("| what |", "|---"))
]


def test_every_row_is_tested():
    tests = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(ROWS) > 40
    for row in ROWS:
        named = re.findall(r"`(test_\w+)` \|$", row)
        assert len(named) == 1, row
        assert named[0] in tests, row
