"""The embedded models: there without a network, small, quick, and right often enough to show pruning."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from email import message_from_string
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from page_server import free_port

import papr_core
from papr_core.data.images import read_image
from papr_core.models.embedded import (
    ASSETS,
    DEFAULT_BACKBONE,
    DEFAULT_PROPOSAL,
    EMBEDDED,
    EMBEDDED_BACKBONES,
    EMBEDDED_PROPOSALS,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def offline(monkeypatch):
    def refused(*_):
        raise AssertionError("something asked for the network")

    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr(socket.socket, "connect", refused)


@pytest.fixture(scope="module")
def pair():
    return papr_core.load_proposal(), papr_core.load_backbone()


@pytest.mark.parametrize("name", EMBEDDED)
def test_each_loads_from_the_repository_without_a_network(name, offline):
    model = (papr_core.load_proposal if name in EMBEDDED_PROPOSALS else papr_core.load_backbone)(name)
    assert model.weights.kind == "embedded"
    assert model.weights.path.parent == ASSETS
    assert len(model.labels) == (200 if name.endswith("tiny200") else 1000)
    assert model.labels.synsets is not None


def test_what_is_embedded_is_what_lies_there():
    assert {path.stem for path in ASSETS.glob("*.safetensors")} == set(EMBEDDED)
    assert {path.stem for path in ASSETS.glob("*.json")} == set(EMBEDDED)
    assert max(path.stat().st_size for path in ASSETS.rglob("*") if path.is_file()) < 30e6
    assert sum(map(len, (EMBEDDED_PROPOSALS, EMBEDDED_BACKBONES))) == len(set(EMBEDDED))


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Where the wheel, built as `pip install .` builds it, was installed; no repository is near."""
    folder = tmp_path_factory.mktemp("wheel")
    source, site = folder / "source", folder / "site"
    for name in ("papr_core", "app", "assets", "results"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyi"))
    for path in [ROOT / "pyproject.toml", ROOT / "setup.py", ROOT / "README.md", ROOT / "LICENSE"]:
        shutil.copy(path, source)
    for path in ROOT.glob("requirements*.txt"):
        shutil.copy(path, source)
    pip = [sys.executable, "-m", "pip"]
    build = [*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, source]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    install = [*pip, "install", "-q", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run(install, check=True, capture_output=True, timeout=300)
    return site


def installed(site: Path) -> dict[str, str]:
    """The environment in which what was installed is found, and nothing of the repository."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PAPR_")}
    return environment | {"PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}


def test_the_wheel_holds_all_and_asks_for_the_pages_packages_only_where_the_page_is_wanted(site):
    files = [path.relative_to(ROOT) for path in (ROOT / "papr_core").rglob("*.*") if _ships(path)]
    files += [Path("papr_page", *path.parts[1:]) for path in _of("app")]
    files += [Path("papr_core", path) for folder in ("assets", "results") for path in _of(folder)]
    assert [path for path in files if not (site / path).is_file()] == []
    assert {path.name for path in site.iterdir() if path.suffix != ".dist-info"} == {
        "bin", "papr_core", "papr_page",
    }  # fmt: skip
    (metadata,) = site.glob("papr_patches-*.dist-info/METADATA")
    needs = [Requirement(line) for line in message_from_string(metadata.read_text()).get_all("Requires-Dist")]
    library = {one.name for one in needs if one.marker is None}
    page = {one.name for one in needs if one.marker and one.marker.evaluate({"extra": "page"})}
    assert library >= {"torch", "timm", "numpy", "pillow", "safetensors"}
    assert page == {"gradio"}
    assert library.isdisjoint(page)


def _of(folder: str) -> list[Path]:
    return [path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.*") if _ships(path)]


def _ships(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyi"


LIBRARY = """
import json, sys
sys.modules["gradio"] = None
import papr_core
from papr_core.commands.main import main
models = papr_core.load_proposal(), papr_core.load_backbone()
print(json.dumps([str(model.weights.path) for model in models]))
sys.exit(main(["compare", sys.argv[1], "--methods", "papr", "--json"]))
"""


def test_the_installed_library_has_the_pair_and_needs_no_gradio(site, tmp_path):
    picture = shutil.copy(ASSETS / "examples" / "coffee.jpg", tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", LIBRARY, picture],
        cwd=tmp_path, env=installed(site), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    paths, result = map(json.loads, done.stdout.splitlines())
    assert paths == [
        str(site / "papr_core" / "assets" / f"{name}.safetensors")
        for name in (DEFAULT_PROPOSAL, DEFAULT_BACKBONE)
    ]
    assert result["target"]["label"] == "espresso"


def test_the_page_without_gradio_says_what_to_install(site, tmp_path):
    code = "import sys; sys.modules['gradio'] = sys.modules['anyio'] = None; "
    code += "from papr_page.start import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, env=installed(site), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "The page needs more than the library: pip install 'papr-patches[page]'.\n"


def test_the_installed_page_starts_anywhere_and_is_complete_on_arrival(site, tmp_path):
    pytest.importorskip("gradio")
    port = free_port()
    with (tmp_path / "said.txt").open("w") as said:
        server = subprocess.Popen(
            [site / "bin" / "papr-page", "--port", str(port)],
            cwd=tmp_path, env=installed(site), stdout=said, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        config = None
        until = time.monotonic() + 300
        while config is None and time.monotonic() < until and server.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/config", timeout=60) as answer:
                    config = answer.read().decode()
            except OSError:
                time.sleep(0.3)
        assert config is not None, (tmp_path / "said.txt").read_text()
        ready = json.loads((ROOT / "app" / "static" / "arrival.json").read_text(encoding="utf-8"))
        assert json.dumps(ready["answer"]["target"]["label"]) in config  # the example with its answer
        assert "data:image/jpeg;base64," in config
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
            assert "Inter UI" in answer.read().decode()  # the page's own look came along
    finally:
        server.kill()
        server.wait(60)


def test_the_second_loading_takes_little_of_the_processor(pair):
    """Processor time, not the clock's: the target is half a second, and a busy machine must not decide."""
    start = time.process_time()
    papr_core.load_proposal()
    papr_core.load_backbone()
    assert time.process_time() - start < 2.0


def test_a_bundled_photograph_is_named(pair, offline):
    proposal, backbone = pair
    crop = backbone.fit(read_image(ASSETS / "examples" / "coffee.jpg"))
    with torch.inference_mode():
        for model in (proposal, backbone):
            assert model.labels[int(model(model.view(crop)).argmax())] == "espresso"
