"""What the README and its companions say is true: the code runs, commands parse, the table is the table."""

from __future__ import annotations

import json
import re
import shlex
import tomllib

import pytest
import yaml
from conftest import ROOT

from papr_core import __version__
from papr_core.commands.main import COMMANDS, Parser, command_module
from papr_core.methods.table import METHODS

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_python_example_runs(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("PAPR_WEIGHTS", raising=False)
    (code,) = blocks("python")
    assert len(code.strip().splitlines()) <= 12
    exec(compile(code, "README.md", "exec"), {})
    answer, verdict = capsys.readouterr().out.strip().split("\n", 1)
    assert answer.startswith("espresso")
    assert verdict


def test_every_command_of_the_readme_is_one():
    lines = [line for block in blocks("sh") for line in block.splitlines() if "papr_core" in line]
    assert {line.split("papr_core ")[1].split()[0] for line in lines} == set(COMMANDS)
    for line in lines:
        arguments = shlex.split(line.split("papr_core ", 1)[1])
        parser = Parser()
        command_module(arguments[0]).add_arguments(parser)
        parser.parse_args(arguments[1:])


def test_the_table_of_methods_is_the_table():
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z+-]+)` \| .+? \| (yes|no) \| (.+?) \|$", page, flags=re.MULTILINE)
    assert [name for name, *_ in rows] == list(METHODS)
    for name, explains, needs in rows:
        method = METHODS[name]
        assert (explains == "yes") == method.uses_class, name
        assert ("one linear layer" in needs) == (method.needs == "class_weights"), name
        assert (needs == "nothing") == (not method.looks), name


def test_the_front_matter_is_a_spaces():
    space = yaml.safe_load(README.split("---")[1])
    wanted = {"sdk": "gradio", "sdk_version": "6.31.0", "app_file": "app.py", "python_version": "3.11"}
    assert space.items() >= (wanted | {"license": "apache-2.0"}).items()
    assert (ROOT / space["app_file"]).exists()


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "docs/api.md",
        "docs/benchmarks.md",
        "docs/design.md",
        "docs/hosting.md",
        "docs/troubleshooting.md",
        "tests/data/caltech101-200/README.md",
    ],
)
def test_links_and_pictures_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+?)\)", text):
        if "://" not in link:
            assert ((ROOT / name).parent / link).exists(), link


def test_versions_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert project["version"] == citation["version"] == __version__
    assert project["license"] == citation["license"] == "Apache-2.0"


def test_requirements_have_both_bounds():
    for name in ("requirements.txt", "requirements-test.txt", "requirements-mcp.txt"):
        lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines()]
        for line in filter(None, lines):
            assert re.fullmatch(r"[A-Za-z0-9_-]+>=[\d.]+,<[\d.]+", line), line


def test_one_name_is_told_everywhere():
    name = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"]
    for file in ("README.md", "CHANGELOG.md", "app/start.py"):
        assert name in (ROOT / file).read_text(encoding="utf-8"), file


def test_the_readme_is_short():
    assert len(README.splitlines()) < 150


def test_a_commit_is_looked_at_as_ci_does():
    """Each linter of .ci/run is a hook, and each hook a line of .ci/run."""
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = {hook["entry"] for hook in local["hooks"]}
    lines = {line.strip().removesuffix(" &") for line in (ROOT / ".ci" / "run").read_text().splitlines()}
    linters = {line for line in lines if re.match(r"(ruff|mypy|npm run)\b", line)}
    assert hooks == linters


def test_a_number_has_one_home():
    """The README's table is the evaluation that ships, and stands in docs/benchmarks.md too."""
    found = json.loads((ROOT / "results" / "mobilenetv1_025.json").read_text())
    rows = re.findall(r"^\| (0\.\d) \| (.+) \|$", README, flags=re.MULTILINE)
    benchmarks = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert rows
    for keep, cells in rows:
        alike = {"subset": "all", "keep": float(keep)}
        top1 = {row["method"]: row["top1"] for row in found["rows"] if row.items() >= alike.items()}
        less = {
            row["minus"]: "{top1:+.1f} ({low:+.1f} to {high:+.1f})".format(**row)
            for row in found["differences"]
            if row.items() >= (alike | {"method": "papr"}).items()
        }
        wanted = [f"{top1[name]:.1f}" for name in ("papr", "random", "cam", "smaller")]
        assert cells.split(" | ") == [*wanted, less["random"], less["cam"], less["smaller"]]
        begin, end = f"| {keep} | {wanted[0]} | {wanted[1]} |", f"| {less['random']} | {less['cam']} |"
        assert any(line.startswith(begin) and line.endswith(end) for line in benchmarks.splitlines()), keep


def test_the_held_out_photographs_are_small_and_credited():
    folder = ROOT / "tests" / "data" / "caltech101-200"
    pictures = list(folder.glob("*/*.webp"))
    assert len(pictures) == 200
    assert sum(picture.stat().st_size for picture in pictures) < 2_000_000
    credit = (folder / "README.md").read_text()
    assert "CC BY 4.0" in credit
    counts = re.findall(r"^\| `(n\d{8})` \| .+ \| `(\w+)` \| (\d+) \|$", credit, flags=re.MULTILINE)
    for wnid, source, count in counts:
        assert len(list((folder / wnid).glob(f"{source}_*.webp"))) == int(count), (wnid, source)
    assert sum(int(count) for *_, count in counts) == 200
