"""What hosts need: the Space's front matter, the container, the owner's words, an end that leaves nothing."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement
from page_server import free_port

README = (ROOT / "README.md").read_text(encoding="utf-8")
SPACE = yaml.safe_load(README.split("---")[1])
TEXT = (".py", ".md", ".txt", ".toml", ".js", ".css", ".html", ".json", ".cff", ".csv")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def instructions() -> list[tuple[str, str]]:
    """(instruction, words) of the Dockerfile, comments away, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def test_the_front_matter_fits_the_requirements():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    needs = {
        one.name: one for line in lines if (text := line.split("#")[0].strip()) for one in [Requirement(text)]
    }
    assert needs["gradio"].specifier.contains(SPACE["sdk_version"])
    assert isinstance(SPACE["python_version"], str)
    assert len(SPACE["short_description"]) <= 60
    project = (ROOT / "pyproject.toml").read_text()
    assert f'requires-python = ">={SPACE["python_version"]}"' in project


def test_what_a_space_preloads_is_the_papers_pair():
    from papr_core.models import catalog, weights

    named = [line.split()[0] for line in SPACE["preload_from_hub"]]
    pair = ["mobileone_s0.apple_in1k", "vit_base_patch16_224.augreg_in21k_ft_in1k"]
    for name, repository in zip(pair, named, strict=True):
        assert name in {**catalog.PROPOSALS, **catalog.BACKBONES}
        assert weights.read_config(name)["pretrained_cfg"]["hf_hub_id"] == repository


def test_the_dockerfile_copies_what_there_is_and_runs_as_a_user():
    found = instructions()
    base = next(words for kind, words in found if kind == "FROM")
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", base)
    for words in [words for kind, words in found if kind == "COPY"]:
        *sources, _ = [word for word in words.split() if not word.startswith("--")]
        assert all((ROOT / source).exists() for source in sources), words
    kinds = [kind for kind, _ in found]
    user = next(words for kind, words in found if kind == "USER")
    assert user != "root"
    assert any(f"useradd --create-home --uid 1000 {user}" in words for kind, words in found if kind == "RUN")
    assert kinds.index("USER") < kinds.index("CMD") == len(kinds) - 1
    assert ("EXPOSE", "7860") in found
    assert any("GRADIO_SERVER_PORT=7860" in words for kind, words in found if kind == "ENV")
    assert json.loads(found[-1][1]) == ["python", "app.py"]


def test_the_dockerfile_asks_for_the_torch_of_the_requirements():
    needed = (ROOT / "requirements.txt").read_text()
    for package in ("torch", "torchvision"):
        (asked,) = re.findall(rf'"({package}>=[^"]+)"', DOCKERFILE)
        assert f"\n{asked}\n" in needed


def test_the_builder_gives_pip_no_words_of_ours():
    assert ("ARG", 'PIP_ARGS=""') in instructions()
    (asked,) = [words for kind, words in instructions() if kind == "RUN" and "torch" in words]
    assert "pip install --no-cache-dir $PIP_ARGS" in asked


def test_no_address_of_a_package_registry_stands_in_the_repository():
    """pip's own default is enough, and a mirror is the reader's to name."""
    hosts = r"(pypi|pythonhosted|npmjs|download\.pytorch)\.(org|com)"
    folders = ("app", "assets", "benchmarks", "docs", "papr_core", "recipes", "tests", ".ci")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*")] + list(ROOT.iterdir())
    for path in files:
        if path.is_file() and (path.suffix in TEXT or path.name in ("Dockerfile", ".dockerignore", "run")):
            assert not re.search(hosts, path.read_text(encoding="utf-8")), path


def test_the_builder_is_sent_what_is_copied_and_no_more():
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [word for kind, words in instructions() if kind == "COPY" for word in words.split()[:-1]]
    assert sorted(kept) == sorted({word for word in copied if not word.startswith("--")})


def test_what_is_fetched_ahead_is_named_as_in_the_lists(capsys, monkeypatch):
    from papr_core.commands.main import main
    from papr_core.models.embedded import EMBEDDED

    assert main(["models", "--fetch", *EMBEDDED]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"{name}: embedded" for name in EMBEDDED]
    preload = re.search(r'PRELOAD="(.+?)"', (ROOT / "docs" / "hosting.md").read_text())[1]
    for name in shlex.split(preload):  # there is no network here
        assert main(["models", "--fetch", name]) != 0
        assert f"The weights of {name}." in capsys.readouterr().err


# (environment, words on the command line, what comes of it: (any_model, downloads), or a part of the refusal)
OWNERS = [
    ({}, "", (True, True)),  # on this machine alone anything is allowed
    ({}, "--host localhost", (True, True)),
    ({}, "--host 0.0.0.0", (False, False)),  # elsewhere the catalogue, and no downloads
    ({"GRADIO_SERVER_NAME": "0.0.0.0"}, "", (False, False)),
    ({"GRADIO_SERVER_NAME": "0.0.0.0"}, "--host 127.0.0.1", (True, True)),
    ({}, "--host 0.0.0.0 --models any --downloads yes", (True, True)),
    ({}, "--models catalogue --downloads no", (False, False)),
    ({"GRADIO_SERVER_NAME": "0.0.0.0", "PAPR_DOWNLOADS": "yes"}, "--device cuda", (False, True)),
    ({"PAPR_MODELS": "everything"}, "", "PAPR_MODELS is one of"),
    ({"PAPR_DEVICE": "cuda"}, "", (True, True)),
]


def test_what_the_owner_allows_by_words_or_by_the_environment():
    code = (
        "import contextlib, io, json, os, sys\n"
        "from app.start import parse, settings_of\n"
        f"for environment, words, _ in {OWNERS!r}:\n"
        "    told = io.StringIO()\n"
        "    os.environ.update(environment)\n"
        "    sys.argv = ['app.py', *words.split()]\n"
        "    with contextlib.redirect_stderr(told), contextlib.suppress(SystemExit):\n"
        "        settings = settings_of(parse())\n"
        "        told = [settings.any_model, settings.downloads, settings.device]\n"
        "    print(json.dumps(told if isinstance(told, list) else told.getvalue()))\n"
        "    for name in environment: os.environ.pop(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert not done.returncode, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for (environment, words, wanted), told in zip(OWNERS, found, strict=True):
        if isinstance(wanted, str):
            assert wanted in told
        else:
            device = "cuda" if "cuda" in f"{environment} {words}" else "cpu"
            assert told == [*wanted, device], (environment, words)


@pytest.mark.parametrize(
    ("environment", "words", "names", "frames"),
    [
        ({}, "", (), 0),
        ({}, "--host 0.0.0.0", (), 3),  # Hugging Face's
        ({"PAPR_HOSTS": "papr.example.org Other.example"}, "", ("papr.example.org", "other.example"), 0),
        ({"PAPR_FRAMES": ""}, "--host 0.0.0.0", (), 0),
        ({}, "--frames=https://a.example --hosts=b.example", ("b.example",), 1),
        ({"PAPR_FRAMES": "https://a.example; script-src *"}, "", None, None),  # refused
        ({}, "--frames *", None, None),
    ],
)
def test_the_owner_names_the_page_and_who_frames_it(monkeypatch, capsys, environment, words, names, frames):
    from app.start import parse, sites_of

    for name in ("PAPR_HOSTS", "PAPR_FRAMES", "GRADIO_SERVER_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["app.py", *words.split()])
    if names is None:
        with pytest.raises(SystemExit):
            parse()
        assert "--frames takes sites such as" in capsys.readouterr().err
    else:
        sites = sites_of(parse())
        assert (sites.names, len(sites.frames)) == (names, frames)


@pytest.mark.skipif(os.name == "nt", reason="no SIGTERM there")
def test_a_stopped_page_leaves_no_files(tmp_path):
    port = free_port()
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(tmp_path), "GRADIO_SERVER_PORT": str(port)}
    server = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 120
        while time.monotonic() < until and server.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/robots.txt", timeout=10).close()
                break
            except OSError:
                time.sleep(0.2)
        assert [path.name[:10] for path in tmp_path.iterdir()] == ["papr-page-"]
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
        assert not list(tmp_path.iterdir())
    finally:
        server.kill()
