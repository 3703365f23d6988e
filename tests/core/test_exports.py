"""The public names, and what an import costs."""

import ast
import graphlib
import importlib
import importlib.util
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import papr_core

ROOT = Path(__file__).resolve().parents[2]
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
            module = "." * node.level + (node.module or "")
            found |= {module, *(f"{module}.{item.name}" for item in node.names)}
    return found


FILES = {name: Path(importlib.util.find_spec(name).origin) for name in MODULES}
ARROWS = {name: imports(path) & {*MODULES} - {name} for name, path in FILES.items()}
BASE = {"errors", "devices", "saving"}  # what every room but the first may use
STOREYS = (
    {"pruning"},
    {"models", "data"},
    {"figures", "methods", "datasets"},
    {"evaluation", "comparison", "training", "cost", "bench", "export"},
    {"commands"},
)


def room(name: str) -> str:
    return name.split(".")[1]


def test_arrows_point_one_way():
    """The page imports the library, never the other way; inside, no circle of modules or of rooms, and each
    room imports its own storey and those below."""
    list(graphlib.TopologicalSorter(ARROWS).static_order())  # raises CycleError
    rooms = {}
    for name, targets in ARROWS.items():
        rooms.setdefault(room(name), set()).update(room(target) for target in targets)
    rooms = {name: targets - {name} for name, targets in rooms.items()}
    list(graphlib.TopologicalSorter(rooms).static_order())
    assert set(rooms) == BASE.union(*STOREYS)
    for name in BASE:
        assert rooms[name] <= {"errors"}, name
    below = set(BASE)
    for storey in STOREYS:
        below |= storey
        for name in storey:
            assert rooms[name] <= below, name


def test_the_page_and_the_library_keep_apart():
    for name, path in FILES.items():
        assert not roots(path) & {"", "app", "gradio"}, name  # "": relative, which no arrow would show
    for path in (ROOT / "app").rglob("*.py"):
        assert not roots(path) & {"torch", "timm"}, path


def test_the_page_goes_by_two_names():
    """`app` here, `papr_page` in a wheel: what it says of itself is relative."""
    for path in (ROOT / "app").rglob("*.py"):
        assert not roots(path) & {"app", "papr_page"}, path


def roots(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


def test_the_papers_maths_stand_alone():
    for name in MODULES:
        if room(name) == "pruning":
            own = {"papr_core.errors", *(other for other in MODULES if room(other) == "pruning")}
            assert ARROWS[name] <= own, name
            outside = roots(FILES[name]) - set(sys.stdlib_module_names)
            assert outside <= {"torch", "papr_core"}, name
    for name in MODULES:
        if room(name) == "figures":
            outside = {other for other in ARROWS[name] if room(other) != "figures"}
            assert outside <= {"papr_core.errors"}, name


def test_only_commands_read_arguments_and_print():
    for name, path in FILES.items():
        if room(name) == "commands":
            continue
        assert "argparse" not in imports(path), name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.Name) and node.id in ("print", "input")), name
            assert not (isinstance(node, ast.Attribute) and ast.unparse(node) in STREAMS), name
    assert not [name for name in ARROWS if room(name) != "commands" and "commands" in map(room, ARROWS[name])]
    for path in (ROOT / "app").rglob("*.py"):
        assert not any(target.startswith("papr_core.commands") for target in imports(path)), path


STREAMS = ("sys.stdout", "sys.stderr", "sys.stdin", "sys.argv", "sys.exit")


def test_few_modules_stand_at_the_top():
    assert len(list((ROOT / "papr_core").glob("*.py"))) <= 12


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
