"""The page below a path: mounted in another application, and behind a server that takes its path away."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from page_server import client, free_port, png, running, settings

from papr_core.models import weights


@pytest.fixture(scope="module")
def mounted(weights_folder):
    """An application with a route of its own and the page at /papr: its address."""
    from app import page
    from app.uploads import own_temp_folder

    own_temp_folder()
    application = FastAPI()
    application.get("/gradio_api/hello")(lambda: {"said": "hello"})
    with weights.configured(), socket.socket() as listening:
        page.mount(application, "/papr", settings(weights_folder))
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(application, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)


def test_the_page_answers_below_its_path_and_leaves_the_others(mounted, tmp_path):
    from gradio_client import handle_file

    (tmp_path / "one.png").write_bytes(png())
    api = client(f"{mounted}/papr/")
    answer = api.predict(handle_file(str(tmp_path / "one.png")), api_name="/compare")
    assert answer["proposal"] == "tiny_proposal"
    with httpx.Client(base_url=mounted, timeout=60) as http:
        assert http.get("/gradio_api/hello").json() == {"said": "hello"}
        page = http.get("/papr/")
        script = page.headers["link"].split(">")[0].removeprefix("<./")
        assert http.get(f"/papr/{script}").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("path", ["monitoring", "gradio_api/file=/etc/passwd", "gradio_api/stream/x"])
def test_the_gate_stands_below_the_path_too(mounted, path):
    answer = httpx.get(f"{mounted}/papr/{path}", timeout=60)
    assert answer.status_code == 404
    assert set(answer.json()) == {"error", "detail"}


def test_behind_a_server_that_takes_its_path_away(weights_folder):
    with running(weights_folder, root_path="/papr") as demo:
        headers = {"x-forwarded-host": "example.org", "x-forwarded-proto": "https"}
        config = httpx.get(f"{demo.address}/config", headers=headers, timeout=60).json()
        assert config["root"].endswith("/papr")


def test_gradio_s_own_command_starts_it(tmp_path):
    """It runs app.py in a process of its own and a second time in a thread of that."""
    port = free_port()
    root = Path(__file__).resolve().parents[2]
    told = {
        "GRADIO_WATCH_DIRS": str(root),
        "GRADIO_WATCH_MODULE_NAME": "app",
        "GRADIO_WATCH_DEMO_PATH": "app.py",
    }
    told |= {"GRADIO_WATCH_DEMO_NAME": "demo", "GRADIO_SERVER_PORT": str(port), "HF_HUB_OFFLINE": "1"}
    log = tmp_path / "log"
    with log.open("w") as file:
        page = subprocess.Popen(
            [sys.executable, "-u", "app.py"], cwd=root, env={**os.environ, **told}, stdout=file, stderr=file
        )
        try:
            for _ in range(240):
                try:
                    assert httpx.get(f"http://127.0.0.1:{port}/", timeout=60).status_code == 200
                    break
                except httpx.HTTPError:
                    time.sleep(0.25)
            else:
                pytest.fail(log.read_text())
        finally:
            page.terminate()
            page.wait(20)
    assert "Traceback" not in log.read_text()
