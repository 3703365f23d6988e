"""The address bar holds the view: what is set is written there, and a link opens it again."""

import re
from urllib.parse import parse_qs, urlparse

import pytest
from page_server import BACKBONE, OTHER, PROPOSAL, png

from app.parts.arrival import EXAMPLE

pytest.importorskip("playwright")
from page_visits import queued, settled, upload
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def written(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlparse(page.url).query, True).items()}


def view(page: Page) -> dict:
    return page.evaluate("({...papr.store.view, picture: papr.store.answer.picture.id})")


def test_a_link_opens_the_view_that_it_was_taken_from(visit, browser, address):
    page = visit()
    page.get_by_role("slider", name=re.compile("range slider for Patches kept")).fill("23")
    page.get_by_role("checkbox", name="LayerCAM", exact=True).check()
    page.get_by_role("checkbox", name="Random", exact=True).check()
    page.get_by_role("checkbox", name="By hand", exact=True).check()
    page.get_by_role("button", name="Example: Chelsea the cat").click()
    page.wait_for_function("papr.store.answer.picture.id === 'chelsea'")
    page.evaluate("papr.controls({target: 5})")
    page.wait_for_function("papr.store.answer.target.index === 5")
    page.evaluate(
        "papr.controls({explain: 'target', look: 'black', opacity: 0.25, colours: 'viridis', scale: 'raw'})"
    )
    page.wait_for_function("papr.store.answer.explain.mode === 'target'")
    settled(page)
    for patch in (3, 50):
        page.locator(f"[data-method=by-hand] [data-patch='{patch}']").click()
    page.get_by_role("tab", name="Learn").click()
    page.wait_for_function("location.search.includes('tab=learn')")
    link = written(page)
    assert link == {
        "keep": "23",
        "methods": "papr,cam,grad-cam,score-cam,layer-cam,random,by-hand",
        "hand": "10x10-1000000000002",
        "picture": "chelsea",
        "target": "5",
        "explain": "target",
        "look": "black",
        "opacity": "0.25",
        "colours": "viridis",
        "scale": "raw",
        "tab": "learn",
    }
    opened = visit(link="?" + urlparse(page.url).query)
    expect(opened.get_by_role("tab", name="Learn")).to_have_attribute("aria-selected", "true")
    settled(opened)
    assert view(opened) == view(page)
    assert opened.evaluate("papr.store.answer.key") == page.evaluate("papr.store.answer.key")
    opened.get_by_role("tab", name="Compare").click()
    # the native controls say the same
    expect(opened.get_by_role("slider", name=re.compile("range slider for Patches kept"))).to_have_value("23")
    expect(opened.get_by_role("checkbox", name="Random", exact=True)).to_be_checked()
    expect(opened.get_by_role("checkbox", name="LayerCAM", exact=True)).to_be_checked()
    expect(opened.get_by_label("The target class")).to_be_checked()
    expect(opened.get_by_label("Target class").first).to_have_value(re.compile("thing 5"))


def test_a_link_to_another_pair_brings_its_classes(visit):
    page = visit(link=f"?backbone={OTHER}&target=2&methods=papr,by-hand&hand=14x14-8")
    page.wait_for_function("name => papr.store.answer.models.backbone.name === name", arg=OTHER)
    settled(page)
    assert page.evaluate("papr.store.answer.target.label") == "gamma"
    expect(page.get_by_label("Target class").first).to_have_value("gamma")
    expect(page.locator("#intake")).to_contain_text("are of a grid of 14 × 14; here it is 10 × 10")
    assert page.evaluate("papr.store.view.hand") == []


def test_nothing_set_nothing_written_and_nothing_asked(visit):
    page = visit()
    page.wait_for_timeout(600)
    assert not written(page)
    assert not queued(page)
    page.evaluate("papr.controls({percent: 30})")
    page.wait_for_function("location.search === '?keep=30'")
    page.evaluate("papr.controls({percent: 40})")
    page.wait_for_function("location.search === ''")


def test_a_visitors_own_picture_is_never_in_a_link(visit):
    page = visit()
    upload(page, png(4), "my secret name.png")
    expect(page.locator("#intake .p-name")).to_have_text("my secret name.png")
    settled(page)
    page.wait_for_function("location.search.includes('picture=own')")
    id = page.evaluate("papr.store.answer.picture.id")
    assert id not in page.url
    assert "secret" not in page.url
    page.reload()
    expect(page.locator("#intake")).to_contain_text("A link never holds one")
    assert page.evaluate("papr.store.answer.picture.id") == EXAMPLE
    page.get_by_role("button", name="Example: Chelsea the cat").click()
    expect(page.locator("#intake")).not_to_contain_text("A link never holds one")


def test_a_link_to_an_example_that_is_gone_says_so(visit):
    page = visit(link="?picture=lion&clip=words")
    expect(page.locator("#intake")).to_contain_text("The example that this link names is no longer here")
    assert page.evaluate("papr.store.answer.picture.id") == EXAMPLE
    page.get_by_role("button", name="Example: Chelsea the cat").click()
    expect(page.locator("#intake")).not_to_contain_text("no longer here")
    page.get_by_role("tab", name="Video", exact=True).click()
    expect(page.locator("#clip-intake")).to_contain_text("The clip that this link names is no longer here")
    page.get_by_role("button", name="Example clip: A cup before leaves").click()
    expect(page.locator("#clip-intake")).not_to_contain_text("no longer here")


BAD = [
    "?keep=0&methods=rm,-rf&target=-1&explain=all&look=pink&opacity=7&colours=no&scale=x&picture=../../etc/passwd",
    "?keep=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&tab=%24%7B1%2B1%7D&opacity=NaN",
    "?backbone=../../etc/passwd",
    "?proposal=%3Cimg%20src=x%20onerror=alert(1)%3E",
    "?target=999999",
]


@pytest.mark.parametrize("link", BAD)
def test_a_link_that_makes_no_sense_leaves_a_whole_page(visit, link):
    page = visit(link=link)
    settled(page)
    expect(page.locator(".p-card")).not_to_have_count(0)
    models = page.evaluate("[papr.store.view.proposal, papr.store.view.backbone]")
    assert models == [PROPOSAL, BACKBONE]
    assert page.evaluate("papr.store.view.percent") == 40
    said = page.locator(".p-says").all_text_contents()
    assert any(said) == ("backbone" in link or "proposal" in link or "target=9" in link)
