"""Compare with a backbone that has no classifier: a cosine everywhere, and no class anywhere."""

import json
import re

import pytest
from page_server import BACKBONE, HEADLESS

pytest.importorskip("playwright")
from page_visits import PATIENCE, answered, settled
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_the_cosine_stands_where_the_confidence_stood(visit, tmp_path):
    page = visit(link=f"?backbone={HEADLESS}&methods=papr,cam,random")
    page.wait_for_function("name => papr.store.answer.models.backbone.name === name", arg=HEADLESS)
    settled(page)
    stage = page.locator("#stage")
    expect(stage.locator(".p-verdict")).to_have_text(
        re.compile(r"^(PaPr|CAM|Random) stays nearest to the unpruned embedding, at a cosine of 0\.\d{3}; ")
    )
    expect(stage.locator(".p-basis")).to_contain_text("no class and no target")
    expect(stage.locator(".p-card .p-about").first).to_have_text("Cosine to the unpruned embedding")
    expect(stage.locator(".p-curve-part .p-heading")).to_have_text(
        "Cosine to the unpruned embedding by patches kept"
    )
    expect(stage.locator(".p-legend")).to_contain_text("unpruned 1")
    expect(stage.locator(".p-fewest-part .p-heading")).to_contain_text(
        "Cosine to the unpruned embedding, 40 patches"
    )
    seen = re.sub(r"Explains\s+“[^”]*”", "", stage.inner_text())
    for words in ("onfidence", "Kept", "Lost", "“"):
        assert words not in seen, words
    expect(page.get_by_label("Target class").first).to_have_value(re.compile("No classes"))
    expect(page.locator(".p-models")).to_contain_text("no classes")
    shown = page.evaluate("papr.now(papr.cards()[0]).point.confidence")
    expect(stage.locator("[data-method=papr] .p-big")).to_have_text(f"{shown:.3f}")
    with page.expect_download(timeout=PATIENCE) as waiting:
        page.locator("#stage [data-save=json]").click()
    waiting.value.save_as(tmp_path / "manifest.json")
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    assert manifest["numbers"]["measure"] == "cosine"
    assert manifest["numbers"]["methods"][0]["confidence"] == pytest.approx(shown, abs=2e-6)

    page.get_by_role("button", name="Enlarge PaPr", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("Cosine to the unpruned embedding")
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Learn").click()
    expect(page.locator("#learn")).to_contain_text("has no classifier")
    expect(page.locator("[data-step=answer]")).to_be_hidden()
    page.get_by_role("tab", name="Compare").click()
    with answered(page):  # and back
        page.evaluate("name => papr.controls({backbone: name})", BACKBONE)
    expect(stage.locator(".p-card .p-about").first).to_contain_text("Confidence on")
    expect(stage.locator(".p-badge:visible").first).to_have_text(re.compile("Kept|Lost"))


def test_what_needs_a_class_is_refused_in_its_place(visit):
    page = visit(link=f"?backbone={HEADLESS}")
    page.wait_for_function("name => papr.store.answer.models.backbone.name === name", arg=HEADLESS)
    settled(page)
    page.get_by_label("The target class").check()
    expect(page.locator("#note-explain")).to_contain_text("no target to explain")
    expect(page.get_by_label("The ConvNet’s own answer")).to_be_checked()
