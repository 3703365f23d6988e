"""What stands around the pages, and what must hold on every one: tabs, footer, accessibility, phones."""

import http.server
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("playwright")
from page_visits import DEMO, queued
from playwright.sync_api import Page, expect

from app.page import PAGES

pytestmark = pytest.mark.browser
SCHEMES = ("light", "dark")


def opened(page: Page, title: str) -> Page:
    page.get_by_role("tab", name=title, exact=True).click()
    expect(page.get_by_role("tab", name=title, exact=True)).to_have_attribute("aria-selected", "true")
    expect(
        page.locator("#pages .tabitem:visible canvas, #pages .tabitem:visible table").first
    ).to_be_visible()
    if title == "Video":  # its buttons come with the clip
        page.wait_for_function(
            "papr.clip?.answer && papr.clip.fresh && !papr.clip.working && papr.clip.exact()"
        )
    page.wait_for_timeout(500)
    return page


def test_the_footer_says_what_happens_to_pictures_and_how_to_call(visit, address):
    from app.parts import api
    from papr_core import __version__

    page = visit(permissions=["clipboard-read", "clipboard-write", "camera"])
    footer = page.locator(".papr-footer")
    expect(footer).to_contain_text("is shown to nobody else")
    expect(footer).to_contain_text(f"papr {__version__}")
    footer.get_by_role("button", name="API").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Call this page from a program")).to_be_visible()
    for name in api.ENDPOINTS:
        expect(dialog.get_by_role("heading", name=f"/{name}")).to_have_count(1)
    copies = dialog.get_by_role("button", name="Copy")
    for i, text in enumerate((api.PYTHON, api.SHELL)):
        copies.nth(i).click()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == text.replace("ADDRESS", address).replace("PICTURE", "photo.jpg").replace(
            "CLIP", "clip.mp4"
        )
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert not queued(page)


def test_a_full_queue_is_said_where_it_was_asked_and_nothing_waits_for_ever(visit, monkeypatch):
    page = visit(expected="503")
    for title in ("Video", "Cost"):
        opened(page, title)
    monkeypatch.setattr(DEMO[0]._queue, "max_size", 0)
    sentence = "The server did not take this up"
    page.get_by_role("button", name="Measure images per second").click()
    expect(page.locator("#costs .p-says").filter(has_text=sentence)).to_be_visible()
    expect(page.get_by_role("button", name="Measure images per second")).to_be_enabled()
    for title, ask, screen in (
        ("Compare", "papr.controls({explain: 'target'})", "#stage"),
        ("Video", "papr.clip.controls({method: 'random'})", "#clip-stage"),
    ):
        opened(page, title)
        head = screen.replace("#stage", "#opening")  # where Compare speaks
        says = page.locator(f"{head} .p-says").filter(has_text=sentence)
        page.evaluate(ask)
        expect(says).to_be_visible()
        expect(page.locator(f"{head} .p-working")).to_be_hidden()
        page.evaluate("papr.say(null); papr.clip.say(null)")
        page.locator(f"{screen} [data-save=json]").click()
        expect(page.locator(f"{screen} .p-says").filter(has_text=sentence)).to_be_visible()
        expect(page.locator(f"{screen} [data-save=json]")).to_be_enabled()
    assert page.evaluate("[papr.store.view.explain, papr.clip.view.method]") == ["auto", "papr"]
    page.get_by_role("tab", name="Proposals", exact=True).click()
    expect(page.locator("#convnets .p-says")).to_contain_text(sentence)
    expect(page.locator("#looks").get_by_role("button", name="Continue")).to_be_visible()


def test_the_tabs_work_with_the_keyboard(visit):
    page = visit()
    first, last = list(PAGES)[0], list(PAGES)[-1]
    page.get_by_role("tab", name=first, exact=True).focus()
    for _ in range(len(PAGES) - 1):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name=last, exact=True)).to_have_attribute("aria-selected", "true")


def test_every_page_fits_a_phone(visit):
    page = visit(width=390, height=844)
    for title in PAGES:
        opened(page, title)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, title
        expect(page.get_by_role("tab", name=title, exact=True)).to_be_in_viewport()
    opened(page, "Compare")  # the slider, its words and its number stand on one line
    parts = ["#ratio .head label", "#ratio input[type=number]", "#ratio input[type=range]"]
    boxes = [page.locator(part).bounding_box() for part in parts]
    middles = [box["y"] + box["height"] / 2 for box in boxes]
    assert max(middles) - min(middles) <= 2


# What an audit asks, as far as it can be asked without axe (which runs too where it is installed).
AUDIT = (Path(__file__).resolve().parents[1] / "audit.js").read_text(encoding="utf-8").split("\n", 1)[1]


# Where the focus is: [whether it was at this button or input a round ago, in which part of the page, the
# control before if it looked no different while it had the focus]. Gradio's lists may take the focus back
# once, which is no round.
FOCUS = """() => {
  const node = document.activeElement;
  if (!node || node === document.body) return null;
  const look = (node) => {
    const found = [];
    for (let one = node, i = 0; one && i < 4; one = one.parentElement, i++) {
      const { outline, boxShadow, borderColor, backgroundColor } = getComputedStyle(one);
      found.push(outline, boxShadow, borderColor, backgroundColor);
    }
    return found.join();
  };
  const [before, looked] = window.focusedBefore ?? [];
  const list = before?.role === "combobox"; // Gradio's keep their look while their options are open
  const unseen = before?.checkVisibility() && before !== node && !list && look(before) === looked;
  window.focusedBefore = [node, look(node)];
  const which = ".papr > section, #rail, #clip-rail, .papr-footer";
  const parts = [...document.querySelectorAll(which)];
  const told = unseen ? before.outerHTML.slice(0, 160) : null;
  const again = window.reached.slice(0, -3).includes(node);
  if (node.matches("#pages .tabitem button, #pages .tabitem input")) window.reached.push(node);
  return [again, parts.indexOf(node.closest(which)), told];
}"""


def test_the_keyboard_reaches_every_control_in_the_order_of_reading_and_shows_where_it_is(visit):
    page = visit()
    page.add_style_tag(content="* { transition: none !important }")
    for title in PAGES:
        opened(page, title)
        page.get_by_role("tab", name=title, exact=True).focus()
        page.evaluate("window.reached = []")
        places, unseen = [], []
        for _ in range(400):
            page.keyboard.press("Tab")
            at = page.evaluate(FOCUS)
            if at is None:  # Gradio's lists let go of the focus for one press; the next one goes on
                continue
            unseen += filter(None, at[2:])
            if at[0]:
                break  # round once
            if at[1] >= 0:
                places.append(at[1])
        assert places == sorted(places), title
        assert not unseen, f"{title}: {unseen}"
        missed = page.evaluate(
            """() => [...document.querySelectorAll("#pages .tabitem button, #pages .tabitem input")]
              .filter((node) => !window.reached.includes(node) && node.checkVisibility() && node.tabIndex >= 0
                && !node.disabled && node.type !== "radio" && node.getClientRects().length)
              .map(node => node.outerHTML.slice(0, 160))"""
        )
        assert not missed, f"{title}: {missed[:5]}"
    opened(page, "Compare")
    accordion = page.locator("#rail").get_by_role("button", name="Display")
    for is_open in ("true", "false"):
        accordion.press("Enter")
        expect(accordion).to_have_attribute("aria-expanded", is_open)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_accessibility_of_every_page(visit, scheme):
    page, axe = visit(color_scheme=scheme), find_spec("axe_playwright_python")
    for title in PAGES:
        opened(page, title)
        troubles = page.evaluate(AUDIT)
        if axe:
            from axe_playwright_python.sync_playwright import Axe

            troubles += [
                f"{item['id']}: {item['help']}: {[node['html'][:160] for node in item['nodes'][:4]]}"
                for item in Axe().run(page).response["violations"]
                if item["impact"] in ("serious", "critical")
            ]
        assert not troubles, f"{title}: " + "\n".join(troubles[:12])


def test_another_site_cannot_show_the_page_in_a_frame_and_its_scripts_do_not_run(browser, address):
    """What the policy says (tests/page/test_gate.py), a browser does."""

    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"<iframe src='{address}/'></iframe>".encode())

        def log_message(self, *told):
            pass

    other = http.server.HTTPServer(("localhost", 0), Other)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    context = browser.new_context()
    try:
        page, said = context.new_page(), []
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"http://localhost:{other.server_port}/")
        page.wait_for_timeout(2000)
        assert any("frame-ancestors" in text for text in said)
        assert not page.frames[1].locator("#header").count()
        page.goto(address)  # the visitor is on the page, and something writes script into it
        page.wait_for_function("window.papr?.ready")
        page.evaluate(
            "() => { const script = document.createElement('script'); script.textContent = 'window.run = 1';"
            " document.body.append(script); document.body.insertAdjacentHTML('beforeend',"
            ' \'<img src="nothing:" onerror="window.run = 2">\') }'
        )
        page.wait_for_timeout(500)
        assert page.evaluate("window.run") is None
    finally:
        context.close()
        other.shutdown()
        other.server_close()
