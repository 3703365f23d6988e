"""A plugin's method on a page that is really started: in the list, on a card, in a figure, by the API."""

import os
import subprocess
import sys
import time
import urllib.request

import pytest
from page_server import BACKBONE, PROPOSAL, client, free_port

pytest.importorskip("playwright")
from conftest import ROOT
from page_visits import PATIENCE, settled, visiting
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

PLUGIN = """
import papr_core

papr_core.register_method("channel-max", lambda call: call.features.amax(1), title="Channel max")
"""


@pytest.fixture
def started(weights_folder, tmp_path):
    """`app.py --plugin FILE`: its address."""
    plugin = tmp_path / "channel_max.py"
    plugin.write_text(PLUGIN)
    port = free_port()
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(tmp_path / "temp"), "GRADIO_SERVER_PORT": str(port)}
    words = ["--plugin", str(plugin), "--weights-dir", str(weights_folder)]
    server = subprocess.Popen([sys.executable, "app.py", *words], cwd=ROOT, env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 150
        there = False
        while not there and time.monotonic() < until and server.poll() is None:
            try:
                there = urllib.request.urlopen(address, timeout=20).status == 200
            except OSError:
                time.sleep(0.3)
        assert there
        yield address
    finally:
        server.terminate()
        server.wait(30)


def test_a_plugins_method_has_a_card_a_colour_and_a_place_in_a_figure(started, browser, tmp_path):
    from gradio_client import handle_file

    with visiting(browser, started) as visit:
        page = visit()
        settled(page)
        page.get_by_label("Channel max", exact=True).click()
        card = page.locator("#stage .p-card[data-method=channel-max]")
        expect(card.locator("h3")).to_have_text("Channel max")
        settled(page)
        area = page.evaluate("papr.store.answer.methods.find(m => m.name === 'channel-max').areas[0]")
        expect(card.locator(".p-area")).to_have_text(f"Area {100 * area:.1f}")
        colours = page.evaluate(
            "names => names.map(one => getComputedStyle(document.querySelector(`.p-swatch.p-${one}`)))"
            ".map(style => style.backgroundColor)",
            ["papr", "cam", "grad-cam", "score-cam", "channel-max", "random"],
        )
        assert len({*colours}) == 6, "one of its own"
        line = page.locator(".p-curve.p-channel-max")
        assert line.evaluate("node => getComputedStyle(node).stroke") == colours[4]
        expect(page.locator(".p-legend")).to_contain_text("Channel max")
        expect(page.locator(".p-fewest tbody")).to_contain_text("Channel max")
        page.wait_for_function("location.search.includes('channel-max')")
        page.get_by_text("Figure for a paper").click()
        fold = page.locator(".p-print")
        fold.get_by_label("Format").select_option("svg")
        for kind in ("figure", "curve"):
            with page.expect_download(timeout=PATIENCE) as waiting:
                fold.locator(f"[data-save={kind}]").click()
            waiting.value.save_as(tmp_path / f"{kind}.svg")
            expect(fold.locator(f"[data-save={kind}]")).to_be_enabled()
            assert "Channel max" in (tmp_path / f"{kind}.svg").read_text()
    api = client(started)
    found = api.predict(
        handle_file(ROOT / "assets/examples/coffee.jpg"),
        proposal=PROPOSAL, backbone=BACKBONE, methods=["channel-max"], deletion=True, api_name="/compare",
    )  # fmt: skip
    (method,) = found["methods"]
    assert method["name"] == "channel-max"
    assert 0 < method["areas"]["deletion"] < 1
