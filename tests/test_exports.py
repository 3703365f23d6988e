"""The public names, and what an import costs."""

import ast
import graphlib
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import papr_core

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(papr_core.__path__, "papr_core.")
    if not module.name.endswith("__main__")
)
HEAVY = ("timm", "gradio", "matplotlib", "av", "transformers", "PIL", "huggingface_hub", "pytorch_grad_cam")


def test_the_public_list_is_what_is_exported():
    assert sorted(papr_core.__all__) == sorted(papr_core._PUBLIC)
    for name in papr_core.__all__:
        assert getattr(papr_core, name) is not None
    assert set(papr_core.__all__) <= set(dir(papr_core))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        papr_core.nothing  # noqa: B018


def test_no_public_name_hides_a_module():
    assert not set(papr_core.__all__) & {name.split(".")[1] for name in MODULES}


@pytest.mark.parametrize("name", MODULES)
def test_each_module_says_what_it_is_and_what_it_exports(name):
    module = importlib.import_module(name)
    assert module.__doc__
    assert len(module.__doc__.splitlines()[0]) > 20
    exported = getattr(module, "__all__", None)
    assert exported is not None, f"{name} has no __all__"
    for public in exported:
        assert hasattr(module, public), f"{name}.{public}"
    tree = ast.parse(Path(module.__file__).read_text())
    defined = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    public = {item for item in defined if not item.startswith("_")}
    assert public <= set(exported) | {"main"}, f"{name}: {public - set(exported)}"


def imports(path: Path) -> set[str]:
    """What a file imports anywhere, as `module` and as `module.name`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {item.name for item in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{item.name}" for item in node.names)}
    return found


def test_arrows_point_one_way():
    """The page imports the library, never the other way; inside, no circle; pure functions stand alone."""
    files = {name: Path(importlib.import_module(name).__file__) for name in MODULES}
    arrows = {name: imports(path) & {*MODULES} - {name} for name, path in files.items()}
    list(graphlib.TopologicalSorter(arrows).static_order())  # raises CycleError
    for name in ("significance", "selection", "figures"):
        assert arrows[f"papr_core.{name}"] <= {"papr_core.errors"}
    assert not [name for name in arrows if "papr_core.commands.main" in arrows[name]]
    for name, path in files.items():
        assert not {item.partition(".")[0] for item in imports(path)} & {"app", "gradio"}, name
    for path in (ROOT / "app").rglob("*.py"):
        assert not {item.partition(".")[0] for item in imports(path)} & {"torch", "timm"}, path


def imported(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_and_its_functions_brings_nothing_heavy():
    assert imported("import papr_core") == set()
    assert (
        imported("from papr_core import patch_significance, select_patches, load_backbone, load_proposal")
        == set()
    )


def test_that_test_can_fail():
    assert imported("import PIL") == {"PIL"}
