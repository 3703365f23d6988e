"""What all tests share: no network, small random models, and the page on them."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import tempfile
import threading
from pathlib import Path

import pytest

# Tensors are small here: more threads wait for each other, on a busy machine several times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Two files of tests run at once, in processes of their own: what one page keeps on disk is not another's.
os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="papr-tests-")
atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

ROOT = Path(__file__).resolve().parent.parent
os.environ.pop("PAPR_WEIGHTS", None)  # a developer's own models are not what is tested


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Names and addresses outside this machine are refused; local servers (the page, gloo) are reached."""
    connect, lookup = socket.socket.connect, socket.getaddrinfo
    local = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "", None, socket.gethostname()}

    def guarded_lookup(host, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        if name not in local:
            raise OSError(f"tests have no network, and something asked for {name}")
        return lookup(host, *args, **kwargs)

    def guarded_connect(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in local:
            raise OSError(f"tests have no network, and something asked for {address[0]}")
        return connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", guarded_lookup)
    monkeypatch.setattr(socket.socket, "connect", guarded_connect)


@pytest.fixture(autouse=True, scope="module")
def settings_end_with_the_file():
    """A page in this process sets the weights folder and downloads for good; the next file has its own."""
    from papr_core.models import weights

    with weights.configured():
        yield


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory) -> Path:
    """The small random models of page_server.py; no test writes into it."""
    from page_server import write_pair

    return write_pair(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def pair(weights_folder):
    """A small proposal and backbone with random weights, loaded."""
    from page_server import BACKBONE, PROPOSAL

    from papr_core import load_backbone, load_proposal
    from papr_core.models import weights

    with weights.configured(weights_dir=weights_folder):
        yield load_proposal(PROPOSAL), load_backbone(BACKBONE)


@pytest.fixture
def shared(weights_folder, tmp_path, monkeypatch):
    """What the visitors of one page on the small pair share; uploads lie in tmp_path."""
    from page_server import settings

    from app import session, uploads
    from papr_core.models import weights

    monkeypatch.setattr(uploads, "upload_folder", lambda: str(tmp_path.resolve()))
    with weights.configured():
        yield session.Shared(settings(weights_folder))


@pytest.fixture
def endless_score_cam(monkeypatch):
    """Score-CAM goes on until it is stopped: the events (began, stopped)."""
    from papr_core import Stopped
    from papr_core.methods import cams

    began, stopped, given_up = (threading.Event() for _ in range(3))

    def score(*args, progress=None, **kwargs):
        began.set()
        try:
            while not given_up.wait(0.05):
                progress(1, 400)
        except Stopped:
            stopped.set()
            raise

    monkeypatch.setattr(cams, "score_cam", score)
    yield began, stopped
    given_up.set()


# The page in a browser (page_visits.py); a test that asks for `visit` is marked `browser`.


@pytest.fixture
def http(demo):
    """Asks the page that a file's own `demo` runs."""
    import httpx

    with httpx.Client(base_url=demo.address, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def page_for_browsers(weights_folder, tmp_path_factory):
    """One server for the browser tests of all files: its address."""
    pytest.importorskip("playwright")
    import page_visits

    with page_visits.served(weights_folder, tmp_path_factory.mktemp("page")) as url:
        yield url


@pytest.fixture(scope="module")
def address(page_for_browsers, weights_folder):
    from papr_core.models import weights

    with weights.configured(weights_dir=weights_folder, downloads=False):  # which end with each file
        yield page_for_browsers


@pytest.fixture(scope="session")
def browser_profile(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def browser(browser_profile):
    pytest.importorskip("playwright")
    import page_visits

    with page_visits.chrome(browser_profile) as started:
        yield started


@pytest.fixture
def visit(browser, address):
    import page_visits

    with page_visits.visiting(browser, address) as open_page:
        yield open_page
