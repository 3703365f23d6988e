"""Compare with a backbone that has no classifier: a cosine everywhere, and no class anywhere."""

import json
import re

import pytest
from page_server import BACKBONE, HEADLESS, PROPOSAL, client

pytest.importorskip("playwright")
from page_visits import PATIENCE, answered, settled
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_the_cosine_stands_where_the_confidence_stood(visit, tmp_path):
    page = visit(link=f"?backbone={HEADLESS}&methods=papr,cam,random")
    page.wait_for_function("name => papr.store.answer.models.backbone.name === name", arg=HEADLESS)
    settled(page)
    stage = page.locator("#stage")
    expect(page.locator("#opening .p-verdict")).to_have_text(
        re.compile(r"^(PaPr|CAM|Random) stays nearest to the unpruned embedding, at a cosine of 0\.\d{3}; ")
    )
    expect(page.locator("#opening .p-basis")).to_contain_text("no class and no target")
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
    page.get_by_label("The target class").click()  # not check(): the refusal may take it back at once
    expect(page.locator("#note-explain")).to_contain_text("no target to explain")
    expect(page.get_by_label("The target, where you chose one")).to_be_checked()


def test_classes_are_typed_where_the_backbone_reads_texts(visit, address, weights_folder, tmp_path):
    """A small random CLIP in the owner's folder, chosen from the list."""
    from gradio_client import handle_file
    from towers import CLASSES, write_towers

    from papr_core import compare, load_proposal
    from papr_core.models import weights
    from papr_core.models.zero_shot import zero_shot

    for path in weights_folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    write_towers(tmp_path / "both", "CLIP")
    with weights.configured(weights_dir=tmp_path, downloads=False):
        page = visit()
        form = page.locator(".p-typed")
        expect(form).to_be_hidden()
        with answered(page):
            page.get_by_label("Backbone").first.fill("hf:both")
            page.get_by_role("option", name="hf:both").click()
        expect(form).to_be_visible()
        expect(page.locator("#stage .p-card .p-about").first).to_have_text("Cosine to the unpruned embedding")
        field = page.get_by_label("Classes, divided by semicolons")
        with answered(page):
            field.fill(CLASSES)
            page.get_by_role("button", name="Use these classes").click()
        example = page.evaluate("papr.store.answer.picture.id")
        wanted = compare(
            _example(example),
            proposal=load_proposal(PROPOSAL),
            backbone=zero_shot("hf:both", CLASSES),
            methods=["papr"],
            curve=False,
        )
        shown = page.evaluate("papr.now(papr.cards()[0]).point.confidence")
        assert shown == pytest.approx(wanted.methods[0].confidence, abs=1e-4)
        assert page.evaluate("papr.store.answer.target.label") == wanted.target.label
        told = client(address).predict(
            image=handle_file(_example(example)),
            proposal=PROPOSAL,
            backbone="hf:both",
            methods=["papr"],
            classes=CLASSES,
            api_name="/compare",
        )
        assert told["target"]["label"] == wanted.target.label
        assert told["methods"][0]["confidence"] == pytest.approx(wanted.methods[0].confidence, abs=1e-6)
        page.wait_for_function("location.search.includes('classes=')")
        again = visit(link=page.evaluate("location.search"))
        expect(again.get_by_label("Classes, divided by semicolons")).to_have_value(CLASSES)
        settled(again)
        assert again.evaluate("papr.now(papr.cards()[0]).point.confidence") == shown
        with page.expect_download(timeout=PATIENCE) as waiting:
            page.get_by_role("button", name="Manifest (json)").click()
        manifest = json.loads(waiting.value.path().read_text())
        assert manifest["models"]["backbone"]["classes"] == CLASSES.split("; ")
        field.fill("a mug")
        field.press("Enter")
        expect(page.locator("#note-classes .p-says")).to_contain_text("at least two different classes")
        assert page.evaluate("papr.store.answer.models.backbone.typed") == CLASSES  # what was shown stays
        with answered(page):
            page.get_by_role("button", name="None", exact=True).click()
        expect(page.locator("#stage .p-card .p-about").first).to_have_text("Cosine to the unpruned embedding")
        with answered(page):
            page.evaluate("name => papr.controls({backbone: name})", BACKBONE)
        expect(form).to_be_hidden()


def _example(id: str):
    from app.session import examples

    return examples()[id].path
