"""The embedded pair in the visitor's browser: an option of the page, and the static folder; numbers as the
server's, and no request for them."""

import base64
import functools
import http.server
import io
import json
import os
import re
import threading

import numpy as np
import pytest
from conftest import ROOT
from page_server import picture
from PIL import Image

import papr_core
from papr_core.errors import InvalidInput

pytest.importorskip("playwright")
import page_server
import page_visits
from page_visits import answered, queued, quiet, settled
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

NEAR = 1e-3
ON = "papr.here.on() && papr.lines().every(m => papr.now(m).exact)"
SHOWN = "Object.fromEntries(papr.cards().map(m => [m.name, papr.now(m).point]))"
# What the page's server says of the same methods, or of patches by hand.
TRUTH = (
    """async change => (await papr.store.server.numbers(JSON.stringify(papr.ask.question(change)))).points"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The static folder, written once: it takes half a minute. It lies below another."""
    from app import static_folder

    folder = tmp_path_factory.mktemp("site") / "some" / "where"
    try:
        told = static_folder.write(folder, lambda _: None)
    except InvalidInput as error:  # node_modules or requirements-export.txt
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    assert told["fetched"] < 20
    return folder


@pytest.fixture(scope="module")
def demo(site):
    """The page on the embedded pair, with what browsers can run."""
    from app.parts import arrival
    from app.session import Settings

    with page_server.running(None, given=Settings(runtime=str(site / "runtime"))) as demo:
        arrival.warm_up(demo.shared)
        yield demo


@pytest.fixture
def visit(browser, demo):
    with page_visits.visiting(browser, demo.address) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def files(site):
    """The folder on a plain web server, under a path: its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    serve = functools.partial(Quiet, directory=str(site.parent.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/some/where"
        server.shutdown()


@pytest.fixture
def visit_site(browser, files):
    with page_visits.visiting(browser, files) as open_page:
        yield open_page


def moved(page: Page, percent: int) -> dict[str, dict]:
    """The slider at rest there: each card's point, and nothing was asked for it."""
    page.asked.clear()
    page.evaluate("percent => papr.controls({percent})", percent)
    page.wait_for_function(f"papr.store.view.percent === {percent} && {ON}")
    assert quiet(page)
    assert page.asked == []  # nor how fast the pair is on the server
    return page.evaluate(SHOWN)


def same(shown: dict[str, dict], truth: dict[str, list]) -> None:
    """Points of the browser and packed ones of the server."""
    assert set(shown) == set(truth)
    assert shown
    for name, point in shown.items():
        k, *values, kept, top = truth[name]
        assert point["k"] == k, name
        found = [point["confidence"], point["low"], point["high"]]
        assert found == pytest.approx(values, abs=NEAR), name
        assert (point["kept"], point["top"][0][0]) == (bool(kept), top[0][0]), name
        shares = [p for _, p in top[: len(point["top"])]]  # the library names more
        assert [p for _, p in point["top"]] == pytest.approx(shares, abs=NEAR), name


def test_run_here_asks_the_server_nothing_and_says_the_same(visit):
    page = visit()
    switch, line = page.get_by_label("Run it here"), page.locator(".p-run-here .p-note")
    expect(line).to_contain_text(re.compile(r"Fetches 1\d MB"))
    assert not [url for url in page.asked if "/runtime/" in url]
    switch.click()
    page.wait_for_function(ON)
    plain = page.evaluate("papr.store.view.methods")
    methods = {"methods": plain}
    for percent in (63, 9):
        same(moved(page, percent), page.evaluate(TRUTH, methods))
    random = page.get_by_role("checkbox", name="Random", exact=True)
    random.check()
    shown = moved(page, 37)
    assert shown["random"]["low"] < shown["random"]["high"]  # all five draws are here
    same(shown, page.evaluate(TRUTH, {"methods": [*plain, "random"]}))
    random.uncheck()
    expect(line).to_contain_text(re.compile(r"computed in this browser: \d+ ms a pass of \d+ patches"))

    with answered(page):  # another target, and the CAMs explain it
        page.evaluate("papr.controls({target: 281})")
    same(moved(page, 55), page.evaluate(TRUTH, methods))
    assert page.evaluate("papr.store.answer.target.chosen")

    with answered(page):  # another picture: its crop comes once
        page.get_by_role("button", name="Example: Chelsea the cat").click()
    page.wait_for_function(ON)
    same(moved(page, 34), page.evaluate(TRUTH, methods))

    page.asked.clear()
    page.evaluate("papr.controls({methods: ['papr', 'by-hand']})")
    page.get_by_role("button", name="Start from PaPr").click()
    page.get_by_role("button", name="Invert").click()
    hand = "papr.cards().find(m => m.name === 'by-hand')"
    page.wait_for_function(f"papr.now({hand}).k > 100 && papr.now({hand}).exact")
    assert queued(page) == []
    patches = page.evaluate("papr.store.view.hand")
    truth = page.evaluate(TRUTH, {"methods": ["by-hand"], "patches": patches})
    same({"by-hand": page.evaluate(f"papr.now({hand}).point")}, truth)

    page.evaluate("papr.controls({methods: ['papr', 'smaller']})")
    settled(page)
    expect(line).to_contain_text("Smaller picture: the server")

    switch.click()
    page.asked.clear()
    page.evaluate("papr.controls({percent: 71})")
    page.wait_for_function("papr.lines().every(m => papr.now(m).exact)")
    assert len(queued(page)) >= 1


def test_a_backbone_that_was_not_exported_is_the_servers(visit):
    page = visit()
    page.get_by_label("Run it here").click()
    page.wait_for_function(ON)
    with answered(page):
        page.evaluate("papr.controls({backbone: 'vit_tiny_patch8_112.tiny200'})")
    expect(page.locator(".p-run-here .p-note")).to_contain_text("Only ViT-Ti/16 was exported")
    page.evaluate("papr.controls({percent: 71})")
    page.wait_for_function("papr.lines().every(m => papr.now(m).exact)")
    assert queued(page)


def test_what_is_fetched_is_these_files_and_no_others(demo, site):
    import httpx

    from app import runtime, scripts

    about = runtime.read(site / "runtime")
    with httpx.Client(base_url=demo.address, timeout=60) as client:
        for name in runtime.FILES:
            found = client.get(f"/runtime/{about['hash']}/{name}")
            assert found.content == (site / "runtime" / name).read_bytes()
            assert "immutable" in found.headers["cache-control"]
        for path in (f"{about['hash']}/about.json", f"{'0' * 16}/ort.js", f"{about['hash']}/..%2fsite.json"):
            assert client.get(f"/runtime/{path}").status_code == 404
        worker = client.get(scripts.address("runtime_worker.js").removeprefix("."))
        assert worker.headers["content-security-policy"].startswith("default-src 'self'; script-src 'self'")


def test_half_a_folder_is_none(site, tmp_path):
    from app import runtime

    assert runtime.read(None) is runtime.read(tmp_path) is None
    for path in (site / "runtime").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert runtime.offered(tmp_path)["backbone"]["title"] == "ViT-Ti/16"
    (tmp_path / "backbone.onnx.gz").write_bytes(b"cut short")
    assert runtime.offered(tmp_path) is None
    package = json.loads((ROOT / "package.json").read_text())
    assert package["dependencies"]["onnxruntime-web"] == runtime.VERSION


def test_a_page_without_the_folder_says_nothing_of_it(browser, address):
    with page_visits.visiting(browser, address) as open_page:
        assert not open_page().get_by_label("Run it here").is_visible()


# the static folder


def as_compared(image, percent: int, methods: list[str], **more) -> dict[str, list]:
    """The library's numbers as packed points."""
    result = papr_core.compare(image, keep_ratio=percent / 100, methods=methods, curve=False, **more)
    return {
        one.name: [
            *(one.kept, one.confidence, one.confidence_low, one.confidence_high, one.kept_answer),
            [[_names().index(label), p] for label, p in one.top],
        ]
        for one in result.methods
    }


@functools.cache
def _names() -> tuple[str, ...]:
    return tuple(papr_core.load_backbone().labels.names)


def test_the_static_folder_computes_all_by_itself(visit_site):
    from app.session import examples

    page = visit_site(bypass_csp=True)  # which would not let this test look inside
    page.wait_for_function(ON)
    first = next(iter(examples().values()))
    methods = ["papr", "cam", "random", "reversed"]
    assert page.evaluate("papr.store.view.methods") == methods
    same(page.evaluate(SHOWN), as_compared(first.path, 40, methods))
    expect(page.locator(".p-verdict")).to_have_text(re.compile(r"(keep|lose|loses|keeps) .*“.+”|keep it"))
    same(moved(page, 27), as_compared(first.path, 27, methods))
    page.wait_for_function("papr.lines().every(m => papr.store.extra.points[m.name].length > 9)")  # the curve

    page.get_by_label("Target class").select_option("281")
    page.wait_for_function(f"papr.store.answer.target.index === 281 && {ON}")
    same(page.evaluate(SHOWN), as_compared(first.path, 27, methods, target=281, explain="target"))
    page.get_by_label("Target class").select_option("")

    page.get_by_label("Checkerboard").check()
    page.get_by_label("Centre").check()
    page.get_by_role("button", name="Example: Chelsea the cat").click()
    page.wait_for_function(f"papr.store.answer.picture.id === 'chelsea' && {ON}")
    same(
        page.evaluate(SHOWN),
        as_compared(examples()["chelsea"].path, 27, [*methods, "center", "checkerboard"]),
    )


def test_its_own_policy_lets_it_run(browser, files):
    """As a visitor comes, with nothing looked at from within."""
    page, troubles, asked = browser.new_page(), [], []
    page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda sent: asked.append(sent.url))
    page.goto(files + "/")
    expect(page.locator(".p-badge:visible").last).to_have_text(re.compile("Kept|Lost"))
    expect(page.locator(".p-card .p-big")).to_have_count(4)
    page.get_by_role("slider", name="Patches kept", exact=True).fill("7")
    expect(page.locator(".p-basis")).to_contain_text("13 of 196 patches kept")
    expect(page.locator(".p-where").first).to_have_text("")
    expect(page.locator("#timed")).to_contain_text(re.compile(r"took \d+ ms"))
    assert len(asked) > 20
    assert all(url.startswith((files + "/", "data:", "blob:")) for url in asked)
    assert not troubles
    page.close()


def test_an_own_picture_is_cut_as_pillow_cuts_it(visit_site):
    page = visit_site(bypass_csp=True)  # which would not let this test look inside
    page.wait_for_function(ON)
    backbone = papr_core.load_backbone()
    cut = """async data => {
      const { cropFrom } = await import(new URL("scripts/brought.js", document.baseURI).href);
      const bits = Uint8Array.from(atob(data), c => c.charCodeAt(0));
      const file = new File([bits], "own.png", {type: "image/png"});
      const { bytes } = await cropFrom(file, 224, 0.9);
      return btoa(Array.from(bytes, b => String.fromCharCode(b)).join(""));
    }"""
    rng = np.random.default_rng(0)
    for size in ((701, 533), (97, 131), (248, 248), (331, 247)):
        noisy = np.clip(np.asarray(picture(1, size)) + rng.normal(0, 40, (*size[::-1], 3)), 0, 255)
        image = Image.fromarray(noisy.astype(np.uint8))
        stream = io.BytesIO()
        image.save(stream, "PNG")
        found = base64.b64decode(page.evaluate(cut, base64.b64encode(stream.getvalue()).decode()))
        assert found == backbone.fit(image).tobytes(), size
    page_visits.upload(page, stream.getvalue(), "own.png")
    page.wait_for_function(f"papr.store.answer.picture.name === 'own.png' && {ON}")
    same(page.evaluate(SHOWN), as_compared(image, 40, page.evaluate("papr.store.view.methods")))
    page_visits.upload(page, b"no picture", "broken.png")
    expect(page.locator("#intake .p-says")).to_contain_text("cannot read the file as a picture")
    assert page.evaluate("papr.store.answer.picture.name") == "own.png"


def test_who_lacks_what_it_needs_is_told(tmp_path, monkeypatch):
    from app import runtime, static_folder

    monkeypatch.setattr(runtime, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match=r"npm install onnxruntime-web@1"):
        static_folder.write(tmp_path / "site", lambda _: None)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").touch()
    with pytest.raises(InvalidInput, match="not empty"):
        static_folder.write(tmp_path / "photos", lambda _: None)
