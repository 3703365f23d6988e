"""The public endpoints: the snippets as people copy them, what is told of them, and MCP by a real client."""

import inspect
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import page_server
import pytest
from page_server import BACKBONE, PROPOSAL

from app.parts import api
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def page(weights_folder):
    """The page on the small random pair: its address."""
    with page_server.running(weights_folder, **_mcp()) as demo:
        yield demo.address


def _mcp() -> dict:
    from app.page import mcp_refusal

    return {} if mcp_refusal() else {"mcp_server": True}


@pytest.fixture
def photo(tmp_path):
    (tmp_path / "photo.png").write_bytes(page_server.png())
    return tmp_path / "photo.png"


@pytest.fixture
def film(tmp_path):
    """A clip whose frames differ in what they show."""
    from clip_maker import encode

    frames = [np.asarray(page_server.picture(i // 4, (96, 80))) for i in range(12)]
    return encode(tmp_path / "film.mp4", frames)


def copied(text: str, page: str, photo: Path, film: Path) -> str:
    return text.replace("ADDRESS", page).replace("PICTURE", str(photo)).replace("CLIP", str(film))


def run(command: list[str], **options) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def expected(photo: Path) -> dict[str, float]:
    """What the library says of that picture."""
    from papr_core import compare, load_backbone, load_proposal

    methods = ("papr", "random")
    result = compare(
        photo, proposal=load_proposal(PROPOSAL), backbone=load_backbone(BACKBONE), methods=methods
    )
    return {method.name: method.confidence for method in result.methods}


def pruned(film: Path, **asked) -> dict:
    from papr_core import load_backbone, load_proposal, prune_clip

    return prune_clip(
        film, proposal=load_proposal(PROPOSAL), backbone=load_backbone(BACKBONE), **asked
    ).to_dict()


def test_the_python_call_runs_as_it_is_copied(page, photo, film):
    environment = {**os.environ, "HF_HUB_DISABLE_TELEMETRY": "1"}
    told = run([sys.executable, "-c", copied(api.PYTHON, page, photo, film)], env=environment).splitlines()
    rows = [line.split() for line in told if line.split()[0] in ("papr", "random")]
    assert {name: float(value) for name, value, _ in rows} == pytest.approx(expected(photo), abs=2e-6)
    result = pruned(film, keep_ratio=0.3)
    best = result["pruned"]["top"][0]
    assert told[-3] == f"{best} {[frame['kept'] for frame in result['frames']]}"
    assert float(told[-2]) > 0
    assert DEFAULT_PROPOSAL in told[-1]


def test_the_curl_call_runs_as_it_is_copied(page, photo, film):
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("no curl or no bash on this machine")
    told = run(["bash", "-euc", copied(api.SHELL, page, photo, film)])
    assert "event: complete" in told
    (result,) = json.loads(told.split("data: ")[-1])
    found = {method["name"]: method["confidence"] for method in result["methods"]}
    assert found == pytest.approx(expected(photo), abs=2e-6)


def test_models_and_cost_say_what_the_commands_print(page, capsys):

    from papr_core.commands.main import main

    def printed(*command):
        assert main([*command, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    client = page_server.client(page)
    models = {model["name"]: model for model in client.predict(api_name="/models")}
    assert list(models.values()) == printed("models")
    assert models[BACKBONE]["weights"] == "local"
    told = client.predict(DEFAULT_BACKBONE, DEFAULT_PROPOSAL, 0.4, api_name="/cost")
    pair = ["--backbone", DEFAULT_BACKBONE, "--proposal", DEFAULT_PROPOSAL]
    assert told == printed("cost", *pair, "--keep", "0.4")
    assert str(ROOT) not in json.dumps([models, told])


BAD = {
    "model": ({"backbone": "../../etc/passwd"}, "no backbone"),
    "not of the list": ({"backbone": "vit_giant_patch14_224"}, "only the models of the list"),
    "ratio": ({"keep_ratio": 0}, "above 0"),
    "ratio a text": ({"keep_ratio": "much"}, "number"),
    "layers": ({"tome_r": 2, "tome_layers": "some"}, "some"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_question_of_cost_gets_a_sentence(page, case):
    from gradio_client.exceptions import AppError

    change, sentence = BAD[case]
    with pytest.raises(AppError, match=sentence) as caught:
        page_server.client(page).predict(**change, api_name="/cost")
    assert "Traceback" not in str(caught.value)
    assert str(ROOT) not in str(caught.value)


def test_a_clip_gets_what_the_command_prints_and_a_bad_question_a_sentence(page, film, tmp_path):
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    client = page_server.client(page)
    asked = {"method": "cam", "target": "thing 5, kind 5", "explain": "target"}
    told = client.predict(clip=handle_file(film), keep_ratio=0.5, **asked, api_name="/video")
    expected = pruned(film, keep_ratio=0.5, name="film.mp4", **asked)
    assert {**told, "seconds": 0} == {**expected, "seconds": 0}
    assert str(tmp_path) not in json.dumps(told)
    for change, sentence in (
        ({"keep_ratio": 0}, "above 0"),
        ({"method": "score-cam"}, "not offered for clips"),
        ({"target": "unicorn"}, "unicorn"),
        ({"backbone": "videomae-base-finetuned-kinetics"}, "downloads are off|not on this machine"),
        ({"backbone": "../../etc/passwd"}, "no backbone"),
        ({"proposal": "x3d_s"}, "downloads are off|not on this machine|two of a kind"),
    ):
        with pytest.raises(AppError, match=sentence):
            client.predict(clip=handle_file(film), **change, api_name="/video")


@pytest.mark.parametrize("model", [{"proposal": "mobileone_s0"}, {"backbone": "vit_base_patch16_224"}])
@pytest.mark.parametrize("name", ["compare", "video"])
def test_a_download_ends_with_the_caller(shared, monkeypatch, tmp_path, name, model):
    from gradio.exceptions import Error

    from app.session import Asker
    from papr_core.models import weights

    def fetch(source, progress=None):
        if source.path is None:
            progress(1, 1000)
            pytest.fail("it went on for nobody")
        return source

    monkeypatch.setattr(weights, "fetch", fetch)
    monkeypatch.setattr(Asker, "gone", lambda self: True)
    (tmp_path / "photo.png").write_bytes(page_server.png())
    call = api.ENDPOINTS[name][0](shared)
    with pytest.raises(Error, match="Stopped"):
        call({"path": str((tmp_path / "photo.png").resolve())}, **model)


def test_each_bad_clip_gets_its_sentence(page, tmp_path):
    from clip_maker import bad_clips
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    client = page_server.client(page)
    for case, (path, sentence) in bad_clips(tmp_path).items():
        with pytest.raises(AppError, match=sentence) as caught:
            client.predict(clip=handle_file(path), api_name="/video")
        assert "\n" not in str(caught.value), case
        assert str(tmp_path) not in str(caught.value), case
    stolen = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
    with pytest.raises(AppError) as caught:
        client.predict(clip=stolen, api_name="/video")
    assert "root:" not in str(caught.value)


def test_every_input_and_output_is_told():
    from app.session import Settings, Shared

    shared = Shared(Settings())
    told = {one["name"]: one for one in api.document(shared)["endpoints"]}
    assert list(told) == list(api.ENDPOINTS)
    for name, (make, queue) in api.ENDPOINTS.items():
        parameters = inspect.signature(make(shared)).parameters
        assert [one["name"] for one in told[name]["inputs"]] == list(parameters)
        assert all(one["about"] and one["type"] for one in told[name]["inputs"]), name
        assert all(one["name"] and one["about"] for one in told[name]["outputs"]), name
        assert queue in ("quick", "slow")


def test_mcp_without_its_package_is_refused_in_a_sentence(monkeypatch):
    from importlib.metadata import PackageNotFoundError

    from app import page

    def none(name):
        raise PackageNotFoundError(name)

    for found, refused in (("1.30.0", False), ("2.3.0", True)):
        monkeypatch.setattr(page, "version", lambda name, found=found: found)
        assert (page.mcp_refusal() is not None) == refused
    monkeypatch.setattr(page, "version", none)
    assert "requirements-mcp.txt" in page.mcp_refusal()


def test_an_mcp_client_lists_and_calls_the_tools(page, photo):
    if not _mcp():
        pytest.skip("mcp below 2 is not installed: requirements-mcp.txt")
    import asyncio
    import base64

    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    picture = "data:image/png;base64," + base64.b64encode(photo.read_bytes()).decode()

    async def talk():
        async with (
            streamablehttp_client(f"{page}/gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            asked = {"image": picture, "methods": ["papr", "random"]}
            compared = await session.call_tool("compare", asked)
            cost = await session.call_tool("cost", {"keep_ratio": 0.5})
            stolen = await session.call_tool("compare", {"image": f"{page}/gradio_api/file=/etc/passwd"})
            return tools, compared, cost, stolen

    tools, compared, cost, stolen = asyncio.run(talk())
    assert set(tools) == set(api.ENDPOINTS)
    assert "Prune one image" in tools["compare"].description
    assert "keep_ratio" in tools["compare"].inputSchema["properties"]
    found = {one["name"]: one["confidence"] for one in _object(compared)["methods"]}
    assert found == pytest.approx(expected(photo), abs=2e-6)
    assert _object(cost)["gmacs_full"] > 0
    assert stolen.isError
    assert "root:" not in stolen.content[0].text


def _object(result) -> dict:
    assert not result.isError, result.content
    text = result.content[0].text
    try:
        return json.loads(text)
    except ValueError:
        import ast

        return ast.literal_eval(text)
