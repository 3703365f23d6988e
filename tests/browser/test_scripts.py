"""The page's scripts: their own tests under Node, and how they come to the browser."""

import os
import re
import shutil
import socket
import socketserver
import subprocess
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress

import pytest
from conftest import ROOT

from app import scripts


def test_the_pure_parts_under_node():
    node = shutil.which("node") or shutil.which("nodejs")
    if node is None and os.environ.get("CI") == "true":
        pytest.fail("The tests of the page's scripts need Node (Debian: apt-get install nodejs).")
    if node is None:
        pytest.skip("no Node on this machine (Debian: apt-get install nodejs)")
    tests = sorted(str(path) for path in (ROOT / "tests" / "js").glob("*.test.js"))
    done = subprocess.run([node, "--test", *tests], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_address_follows_the_content(monkeypatch):
    now = scripts.address("main.js")
    assert re.fullmatch(r"\./scripts/[0-9a-f]{16}/main\.js", now)
    assert now in scripts.boot()
    changed = {**scripts.modules(), "words.js": b"// another"}
    monkeypatch.setattr(scripts, "modules", lambda: changed)
    scripts.version.cache_clear()
    assert scripts.address("main.js") != now
    monkeypatch.undo()
    scripts.version.cache_clear()
    assert scripts.address("main.js") == now


def get(url: str) -> tuple[int, dict, str]:
    try:
        with urllib.request.urlopen(url, timeout=60) as told:
            return told.status, dict(told.headers), told.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), ""


def test_the_page_serves_its_modules_and_nothing_else_of_the_folder(address):
    _, headers, _ = get(f"{address}/")
    ahead = re.findall(r"<\./(scripts/\w+/\w+\.js)>; rel=modulepreload", headers["link"])
    assert [path.rpartition("/")[2] for path in ahead] == scripts.first()
    assert set(scripts.first()) < set(scripts.modules())  # the other tabs' are not fetched ahead
    for name, text in scripts.modules().items():
        status, headers, body = get(f"{address}/scripts/{scripts.version()}/{name}")
        assert (status, body) == (200, text.decode()), name
        assert headers["content-type"] == "text/javascript; charset=utf-8"
        assert headers["cache-control"] == "public, max-age=31536000, immutable"
    for path in ("0" * 16 + "/main.js", f"{scripts.version()}/boot.js", f"{scripts.version()}/../look.py"):
        assert get(f"{address}/scripts/{path}")[0] == 404, path


@contextmanager
def arriving(browser, url: str, delay: float = 0):
    """A visit that shows four cards without a mistake. delay: seconds by which the scripts come late."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page, troubles = context.new_page(), []
    page.set_default_timeout(180_000)
    page.on("pageerror", lambda error: troubles.append(str(error)))

    def heard(said):
        # under a path Gradio still asks for /manifest.json at the top
        if said.type == "error" and said.location.get("url", url).startswith(url):
            troubles.append(f"{said.text} ({said.location})")

    page.on("console", heard)

    def late(route):
        page.wait_for_timeout(1000 * delay)
        route.continue_()

    if delay:
        page.route("**/scripts/*/main.js", late)
    page.goto(url)
    page.wait_for_function("document.querySelectorAll('.p-card').length === 4")
    page.wait_for_function("papr.draw.picture")
    yield page
    context.close()
    assert not troubles


@pytest.mark.browser
def test_gradio_may_mount_its_components_before_the_scripts_have_come(browser, address):
    with arriving(browser, address, delay=3) as page:
        assert page.evaluate("typeof MAIN") == "undefined"  # boot.js leaves nothing but papr
        page.get_by_role("tab", name="Cost").click()
        page.wait_for_function("papr.costs?.found")


@pytest.mark.browser
def test_a_proxy_may_serve_the_page_under_a_path(browser, weights_folder):
    import page_server

    from papr_core.models import weights

    with (
        weights.configured(),
        page_server.running(weights_folder, root_path="/some/where") as demo,
        stripping_proxy("/some/where", int(demo.address.rpartition(":")[2])) as outside,
        arriving(browser, f"{outside}/some/where/") as page,
    ):
        loaded = page.evaluate("performance.getEntriesByType('resource').map(e => e.name)")
        ours = [url for url in loaded if "/scripts/" in url]
        assert {url.rpartition("/")[2] for url in ours} == set(scripts.first())
        assert all(url.startswith(f"{outside}/some/where/scripts/") for url in ours)
        page.get_by_role("tab", name="Learn").click()
        page.wait_for_function("document.querySelector('.p-experiment')")


@contextmanager
def stripping_proxy(prefix: str, port: int):
    """What stands before many pages: requests below the prefix go on without it. Gives its address."""

    def pipe(source, sink):
        with suppress(OSError):
            while block := source.recv(65536):
                sink.sendall(block)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    class Proxy(socketserver.StreamRequestHandler):
        rbufsize = 0  # the body stays in the socket

        def handle(self):
            head = []
            while (line := self.rfile.readline()) not in (b"", b"\r\n"):
                head.append(line)
            if not head or not head[0].split()[1].startswith(prefix.encode() + b"/"):
                return
            head[0] = head[0].replace(prefix.encode(), b"", 1)
            head = [line for line in head if not line.lower().startswith(b"connection:")]
            with socket.create_connection(("127.0.0.1", port)) as inside:
                inside.sendall(b"".join(head) + b"Connection: close\r\n\r\n")
                threading.Thread(target=pipe, args=(self.connection, inside), daemon=True).start()
                pipe(inside, self.connection)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close = True, False

    with Server(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
