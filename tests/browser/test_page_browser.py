"""What a visitor does, in a real browser, on a small random pair; no outside request, no console error."""

import base64
import io
import json
import re
import threading

import numpy as np
import pytest
from page_server import BACKBONE, NAMES, OTHER, png, visitors_files
from PIL import Image

from app.session import examples

pytest.importorskip("playwright")
from page_visits import PATIENCE, answered, hour_passes, queued, quiet, settled, upload
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


# A new ratio as the native slider brings it, until the frame that shows it.
STEP = """percent => new Promise(done => {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => done();
  papr.controls({percent});
  requestAnimationFrame(() => channel.port2.postMessage(0));
})"""


def slider(page: Page):
    return page.get_by_role("slider", name=re.compile("range slider for Patches kept"))


def test_the_page_is_complete_on_arrival(visit):
    page = visit()
    expect(page.locator(".p-verdict")).to_have_text(re.compile(r"(keep|lose|loses|keeps) .*“.+”|keep it"))
    expect(page.locator(".p-badge:visible").first).to_have_text(re.compile("Kept|Lost"))
    expect(page.locator(".p-fewest tbody tr")).to_have_count(5)  # four methods, and random
    assert page.locator(".p-curve.p-m").count() == 5
    assert page.locator(".p-band").count() == 1
    expect(page.locator(".p-fewest")).not_to_contain_text("…")
    assert quiet(page)  # nobody had to compute anything


def test_an_example(visit):
    page = visit()
    with answered(page):
        page.get_by_role("button", name="Example: Chelsea the cat").click()
    expect(page.locator("#intake .p-name")).to_have_text("Chelsea the cat")
    assert page.evaluate("papr.store.answer.picture.id") == "chelsea"
    expect(page.get_by_role("button", name="Example: Chelsea the cat")).to_have_attribute(
        "aria-pressed", "true"
    )
    caption = page.locator("#intake .p-caption")
    expect(caption).to_have_text(examples()["chelsea"].caption + " (40\u00a0% kept, default models).")
    with answered(page):
        upload(page, png(), "one.png")
    expect(caption).to_have_text("")


def test_upload_with_a_name_that_is_code(visit):
    page = visit()
    name = "${1+1}<img src=x onerror=alert(1)>.png"
    with answered(page):
        upload(page, png(), name)
    expect(page.locator("#intake .p-name")).to_have_text(name)
    assert page.locator("#intake .p-name img").count() == 0
    shown = " ".join(page.locator(".p-top .p-label").all_text_contents())
    assert any(label.split(",")[0] in shown for label in NAMES)


def test_a_ratio_that_is_none_gets_a_sentence_until_it_is_one(visit):
    page = visit()
    box = page.get_by_label("number input for Patches kept, %")
    says, shown = page.locator("#ratio .p-says"), page.locator(".p-basis").text_content()
    for wrong in ("0", "250"):
        box.fill(wrong)
        expect(says).to_contain_text("above 0 and at most at 100 %")
        expect(page.locator(".p-basis")).to_have_text(shown)
    box.fill("40")
    expect(says).to_have_text("")
    assert quiet(page)


def test_the_slider_asks_only_at_rest(visit):
    page = visit()
    handle = slider(page)
    box = handle.bounding_box()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    for step in range(20):
        page.mouse.move(box["x"] + (0.4 - 0.012 * step) * box["width"], box["y"] + box["height"] / 2)
        page.wait_for_timeout(20)
    page.wait_for_function("percent => papr.store.view.percent === percent", arg=float(handle.input_value()))
    kept = page.evaluate("papr.kept()")
    assert kept < 30
    assert quiet(page)
    assert "at k = " in page.locator(".p-where").first.text_content() or page.evaluate(
        "papr.cards().every(m => papr.now(m).exact)"
    )
    page.mouse.up()
    page.wait_for_function("papr.lines().every(m => papr.now(m).exact)")
    assert len(queued(page)) == 1
    expect(page.locator(".p-where").first).to_have_text("")
    expect(page.locator(".p-basis")).to_contain_text(f"{kept} of 100 patches kept")


def test_the_slider_with_the_keyboard_and_the_curve(visit):
    page = visit()
    slider(page).focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".p-basis")).to_contain_text("43 of 100 patches kept")
    curve = page.get_by_role("slider", name="Patches kept, on the curve")
    curve.focus()
    page.keyboard.press("PageDown")
    page.wait_for_function("papr.store.view.percent === 33")
    expect(slider(page)).to_have_value("33")  # the native control follows
    page.wait_for_function("papr.lines().every(m => papr.now(m).exact)")
    box = page.locator(".p-frame").bounding_box()
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + 40)
    page.wait_for_function("papr.store.view.percent > 80")


def test_moving_costs_little(visit):
    """In time of the page's own thread, which other work on this machine does not lengthen."""
    page = visit()
    page.evaluate("papr.ask.rest = () => {}")
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy() -> float:
        metrics = devtools.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

    steps = []
    for percent in range(90, 10, -4):
        before = busy()
        page.evaluate(STEP, percent)
        steps.append(1000 * (busy() - before))
    assert page.evaluate("papr.kept()") < 20
    assert 0 < np.median(steps) < 50


def test_looks_ask_nothing(visit):
    page = visit()
    page.get_by_role("button", name="Display").click()
    drawn = "document.querySelector('.p-card canvas').toDataURL()"
    before = page.evaluate(drawn)
    page.get_by_role("combobox", name="Dropped patches look").or_(
        page.get_by_label("Dropped patches look")
    ).first.click()
    page.get_by_role("option", name="Black").click()
    page.wait_for_function("papr.store.view.look === 'black'")
    page.wait_for_function(f"before => {drawn} !== before", arg=before)
    assert quiet(page)


def test_another_target(visit):
    page = visit()
    field = page.get_by_label("Target class").first
    field.click()
    field.fill("thing 7")
    with answered(page):
        page.get_by_role("option", name="thing 7, kind 7").click()
    assert page.evaluate("papr.store.answer.target.index") == 7
    expect(page.locator(".p-about").first).to_have_text("Confidence on “thing 7”")
    with answered(page):
        page.get_by_label("The target class").check()
    assert page.evaluate("papr.store.answer.explain.mode") == "target"
    expect(page.locator("[data-method=cam] .p-aside")).to_contain_text("“thing 7”, the target")


def test_another_backbone_brings_its_own_classes(visit):
    page = visit()
    field = page.get_by_role("listbox", name="Backbone").or_(page.get_by_label("Backbone"))
    field.first.click()
    with answered(page):
        page.get_by_role("option", name=OTHER).click()
    assert page.evaluate("papr.store.answer.models.backbone.name") == OTHER
    expect(page.locator(".p-models")).to_contain_text("4 classes")
    field = page.get_by_label("Target class").first
    field.click()
    expect(page.get_by_role("option", name="gamma")).to_be_visible()
    with answered(page):
        page.get_by_role("option", name="gamma").click()
    assert page.evaluate("papr.store.answer.target.label") == "gamma"
    # the proposal knows no such class: said where it was asked, and everything stays
    page.get_by_label("The target class").click()  # not check(): the refusal may take it back at once
    expect(page.locator("#note-explain")).to_contain_text("knows no class that matches")
    expect(page.get_by_label("The target, where you chose one")).to_be_checked()
    assert page.evaluate("papr.store.view.explain") == "auto"
    expect(page.locator(".p-basis")).to_contain_text("knows no class that matches 'gamma'")
    expect(page.locator(".p-card")).to_have_count(4)


def test_other_methods_and_controls(visit):
    page = visit()
    with answered(page):
        page.get_by_role("checkbox", name="LayerCAM", exact=True).check()
    page.get_by_role("checkbox", name="Random", exact=True).check()  # computed for the curve already
    expect(page.locator(".p-card")).to_have_count(6)
    expect(page.locator("[data-method=random] .p-change")).to_have_text(
        re.compile(r"mean of 5: [\d.]+–[\d.]+")
    )
    page.asked.clear()
    page.get_by_role("checkbox", name="CAM", exact=True).uncheck()
    expect(page.locator("[data-method=cam]")).to_have_count(0)
    assert quiet(page)


def test_patches_by_hand(visit):
    page = visit()
    page.get_by_role("checkbox", name="By hand", exact=True).check()
    card = page.locator("[data-method=by-hand]")
    expect(card).to_contain_text("Click or paint the patches to keep")
    card.scroll_into_view_if_needed()
    cells = card.get_by_role("gridcell")
    expect(cells).to_have_count(100)
    box = card.get_by_role("grid").bounding_box()
    side = box["width"] / 10

    def at(column, row):
        return box["x"] + (column + 0.5) * side, box["y"] + (row + 0.5) * side

    page.mouse.move(*at(2, 3))
    page.mouse.down()
    page.mouse.move(*at(5, 3), steps=12)
    page.mouse.up()
    page.wait_for_function("String(papr.store.view.hand) === '32,33,34,35'")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")  # adds the one below the first
    page.wait_for_function("String(papr.store.view.hand) === '32,33,34,35,42'")
    expect(card.locator(".p-badge")).to_have_text(re.compile("Kept|Lost"))
    expect(card.locator(".p-big")).to_have_text(re.compile(r"\d"))
    card.get_by_role("button", name="Start from PaPr").click()
    page.wait_for_function("papr.store.view.hand.length === papr.kept()")
    page.wait_for_function("papr.now(papr.cards().find(m => m.name === 'by-hand')).point")
    paprs, ours = (
        page.evaluate(f"papr.now(papr.cards().find(m => m.name === '{name}')).point.confidence")
        for name in ("papr", "by-hand")
    )
    assert paprs == pytest.approx(ours, abs=1e-5)
    card.get_by_role("button", name="Clear").click()
    expect(card).to_contain_text("Click or paint the patches to keep")
    page.mouse.click(*at(9, 0))  # nothing lies over the corner
    page.wait_for_function("String(papr.store.view.hand) === '9'")


def test_stop_and_go_on(visit, monkeypatch):
    from papr_core.methods import cams

    gate, real = threading.Event(), cams.score_cam

    def slow(*args, progress=None, **kwargs):
        done = 0
        while not gate.wait(0.05):
            done = (done + 1) % 400
            progress(done, 400)  # raises Stopped once the visitor has stopped
        return real(*args, progress=progress, **kwargs)

    monkeypatch.setattr(cams, "score_cam", slow)
    page = visit()
    upload(page, png(5))
    expect(page.locator("#intake .p-name")).to_have_text("mine.png")
    card = page.locator("[data-method=score-cam]")
    expect(card).to_contain_text(re.compile(r"\d+ of 400 maps scored"))
    expect(page.locator("[data-method=papr] .p-badge")).to_have_text(re.compile("Kept|Lost"))
    # quick work is not held up: another visitor gets a card meanwhile
    other = visit()
    upload(other, png(6), "other.png")
    expect(other.locator("#intake .p-name")).to_have_text("other.png")
    other.wait_for_function("papr.now(papr.cards()[0]).exact")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".p-working")).to_contain_text("Stopped")
    expect(card).to_contain_text("Stopped.")
    gate.set()
    page.get_by_role("button", name="Continue").click()
    settled(page)
    settled(other)


def test_stop_takes_a_question_back_and_continue_asks_it_again(visit, monkeypatch):
    from app.parts.run import Run

    fetched, real = threading.Event(), Run.load

    def download(run, told):
        while not fetched.wait(0.05):
            run.asker.check()
            told(0, 1, "Downloading")
        return real(run, told)

    monkeypatch.setattr(Run, "load", download)
    monkeypatch.setattr(Run, "ready", lambda run: run.question.backbone != OTHER or fetched.is_set())
    by_hand = "papr.now(papr.cards().find(m => m.name === 'by-hand')).exact"
    page = visit()
    page.evaluate("papr.controls({methods: ['papr', 'by-hand']})")
    page.evaluate("papr.store.view.hand = [1, 2, 50], papr.ask.hand()")
    page.wait_for_function(by_hand)
    page.evaluate("name => papr.controls({backbone: name})", OTHER)
    upload(page, png(7), "new.png")
    expect(page.locator(".p-working")).to_contain_text("Downloading")
    page.evaluate("papr.say('picture', 'This file has 60 MB')")
    page.wait_for_timeout(1200)  # two payloads
    expect(page.locator("#intake .p-says")).to_have_text("This file has 60 MB")

    page.get_by_role("button", name="Stop").click()
    assert page.evaluate("papr.store.view.backbone") == BACKBONE
    expect(page.get_by_label("Backbone")).to_have_value(BACKBONE)
    page.evaluate("papr.setPercent(33)")  # which asks the backbone of the answer that is shown
    page.wait_for_function("papr.cards().every(m => papr.now(m).exact)")
    expect(page.locator("#opening .p-says").first).to_have_text("")

    fetched.set()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_function("papr.store.answer.picture.name === 'new.png'")
    assert page.evaluate("papr.store.answer.models.backbone.name") == OTHER
    settled(page)
    assert page.evaluate("papr.store.view.hand") == []
    page.evaluate("papr.store.view.hand = [1, 2, 50], papr.ask.hand()")
    page.wait_for_function(by_hand)
    with answered(page):  # another question about the same patches
        page.evaluate("papr.controls({target: 2})")
    page.wait_for_function(by_hand)


def test_a_closed_tab_frees_the_machine(visit, endless_score_cam):
    page = visit(link="?methods=papr,score-cam,ablation-cam")
    upload(page, png(9))
    # Gradio learns of a closed tab by the stream of results, so there has to be one
    expect(page.locator("[data-method=score-cam]")).to_contain_text("1 of 400 maps scored")
    expect(page.locator("[data-method=ablation-cam] .p-waiting")).to_have_text("After Score-CAM …")
    other = visit()
    upload(other, png(10))  # who waits for the machine reads the same above the cards and on one
    for place in (".p-section-verdict .p-working", "[data-method=score-cam] .p-waiting"):
        expect(other.locator(place)).to_contain_text("Waiting for the machine …")
    other.close()
    page.close()
    _, stopped = endless_score_cam
    assert stopped.wait(PATIENCE / 1000)


def test_downloads(visit, tmp_path):
    page = visit()
    begins = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml", "npz": b"PK", "json": b"{"}
    for kind, head in begins.items():
        with page.expect_download(timeout=PATIENCE) as waiting:
            page.locator(f"[data-save={kind}]").click()
        assert waiting.value.suggested_filename.endswith(f".{kind}")
        file = tmp_path / f"file.{kind}"
        waiting.value.save_as(file)
        assert file.read_bytes().startswith(head)
        expect(page.locator(f"[data-save={kind}]")).to_be_enabled()
    manifest = json.loads((tmp_path / "file.json").read_bytes())
    assert manifest["models"]["backbone"]["sha256"]
    shown = page.evaluate("papr.now(papr.cards()[0]).point.confidence")
    assert manifest["numbers"]["methods"][0]["confidence"] == pytest.approx(shown, abs=1e-5)


# What the screen draws of a method with what is set, as (map, kept patches).
DRAWN = """name => {
  const method = papr.cards().find(m => m.name === name);
  const [map, kept] = ["", ""].map(() => document.createElement("canvas"));
  papr.draw.map(map, method);
  papr.draw.kept(kept, papr.now(method).patches);
  return [map, kept].map(canvas => canvas.toDataURL("image/png").split(",")[1]);
}"""


def test_a_downloaded_figure_is_what_the_screen_shows(visit, tmp_path):
    """Colours, scale, opacity, look, methods, ratio: once it was inferno and dimmed whatever was chosen."""
    page = visit()
    for look, colours, scale in (
        ("black", "viridis", "raw"),
        ("blur", "gray", "shared"),
        ("dim", "turbo", "image"),
    ):
        page.evaluate(
            "set => papr.controls({...set, opacity: 0.8, percent: 25, methods: ['papr', 'cam']})",
            {"look": look, "colours": colours, "scale": scale},
        )
        page.wait_for_function("papr.lines().every(m => papr.now(m).exact)")
        with page.expect_download(timeout=PATIENCE) as waiting:
            page.locator("[data-save=svg]").click()
        waiting.value.save_as(tmp_path / "file.svg")
        expect(page.locator("[data-save=svg]")).to_be_enabled()
        text = (tmp_path / "file.svg").read_text()
        assert "25 %" in text
        shown = [decoded(data) for data in re.findall(r'href="data:image/png;base64,([^"]+)"', text)]
        assert len(shown) == 1 + 2 * 2  # the picture, two methods
        for i, name in enumerate(("papr", "cam")):
            for drawn, saved in zip(map(decoded, page.evaluate(DRAWN, name)), shown[1 + 2 * i :]):
                assert np.abs(drawn - saved).mean() < 6, (look, colours, scale, name)


def decoded(data: str) -> np.ndarray:
    """A picture in base64, small enough that sizes do not matter. matplotlib's lie upside down in an SVG."""
    image = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
    return np.asarray(image.resize((40, 40), Image.Resampling.BOX), dtype=np.float32)


def test_a_figure_for_a_paper(visit, tmp_path):
    page = visit()
    page.get_by_text("Figure for a paper").click()
    fold = page.locator(".p-print")
    expect(fold.get_by_label("Width, cm")).to_be_hidden()
    fold.get_by_label("Width of the figure").select_option("0")
    fold.get_by_label("Width, cm").fill("10")
    fold.get_by_label("Methods").select_option("rows")
    fold.get_by_label("Second share of patches, %").fill("10")
    begins = {"figure": b"%PDF", "curve": b"%PDF", "table-csv": b"picture,", "table-tex": b"% ConvNet"}
    for kind, head in begins.items():
        with page.expect_download(timeout=PATIENCE) as waiting:
            fold.locator(f"[data-save={kind}]").click()
        waiting.value.save_as(tmp_path / kind)
        assert (tmp_path / kind).read_bytes().startswith(head)
        expect(fold.locator(f"[data-save={kind}]")).to_be_enabled()
    assert b"/MediaBox [ 0 0 283.46" in (tmp_path / "figure").read_bytes()  # 10 cm in points
    fold.get_by_label("Width, cm").fill("3")
    fold.locator("[data-save=figure]").click()
    expect(page.locator(".p-saver .p-says")).to_contain_text("do not fit into 3 cm")


def test_what_was_brought_and_made_is_deleted(visit):
    others = visitors_files()  # of pages served before
    page = visit()
    with answered(page):
        upload(page, png(8), "to be deleted.png")
    with page.expect_download(timeout=PATIENCE):
        page.locator("[data-save=json]").click()
    left = {path.name for path in visitors_files()}
    assert any("deleted" in name for name in left)
    assert "papr-manifest.json" in left
    hour_passes()
    assert visitors_files() <= others
    with answered(page):  # what was decoded stays for a while
        page.get_by_role("checkbox", name="LayerCAM", exact=True).check()


BAD = {
    "text": (b"this is no picture", "notes.png", "not an image"),
    "cut off": (png()[:900], "cut.png", "damaged or cut off"),
    "empty": (b"", "empty.png", "is empty"),
}


def test_a_broken_file_gets_one_sentence_and_nothing_is_lost(visit):
    page = visit()
    before = page.locator(".p-verdict").text_content()
    says = page.locator("#intake .p-says")
    for data, name, sentence in BAD.values():
        upload(page, data, name)
        expect(says).to_contain_text(sentence)
        page.wait_for_function("papr.store.fresh && !papr.store.working")
        expect(page.locator(".p-card")).to_have_count(4)
        assert page.locator(".p-verdict").text_content() == before
        assert "Traceback" not in page.locator("body").text_content()
        assert "/tmp/" not in says.text_content()
    with answered(page):  # and the next one works
        upload(page, png(4), "good.png")
    expect(says).to_have_text("")


def test_a_ratio_out_of_range_is_said_under_the_slider(visit):
    page = visit()
    page.evaluate("papr.controls({percent: 0})")
    expect(page.locator("#note-ratio")).to_contain_text("above 0")
    page.evaluate("papr.controls({percent: 40.5})")
    expect(page.locator("#note-ratio .p-says")).to_have_text("")


def test_an_unknown_model_is_said_under_the_models(visit):
    page = visit()
    page.evaluate("papr.controls({backbone: 'vit_does_not_exist'})")
    expect(page.locator("#note-models .p-says")).to_contain_text("vit_does_not_exist")
    expect(page.locator(".p-card")).to_have_count(4)
    page.evaluate("papr.controls({backbone: '../../etc/passwd'})")
    expect(page.locator("#note-models .p-says")).to_contain_text("etc/passwd")


def test_paste_and_camera(visit):
    page = visit()
    page.evaluate(
        """data => {
          const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
          const event = new ClipboardEvent("paste", {clipboardData: new DataTransfer(), bubbles: true});
          event.clipboardData.items.add(new File([bytes], "pasted.png", {type: "image/png"}));
          document.dispatchEvent(event);
        }""",
        __import__("base64").b64encode(png(3)).decode(),
    )
    expect(page.locator("#intake .p-name")).to_have_text("pasted.png")
    settled(page)
    page.get_by_role("button", name="Camera").click()
    page.wait_for_function("document.querySelector('.p-camera video')?.videoWidth > 0")
    with answered(page):
        page.get_by_role("button", name="Take the picture").click()
    expect(page.locator("#intake .p-name")).to_have_text("camera.jpg")


def test_a_card_can_be_enlarged(visit):
    page = visit()
    opener = page.get_by_role("button", name="Enlarge CAM", exact=True)
    opener.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("heading")).to_have_text("CAM")
    assert dialog.locator("canvas").first.evaluate("canvas => canvas.width >= canvas.clientWidth")
    page.keyboard.press("ArrowLeft")
    expect(dialog.get_by_role("heading")).to_have_text("PaPr")
    page.keyboard.press("ArrowRight")
    expect(dialog.get_by_role("heading")).to_have_text("CAM")
    for _ in range(8):  # the focus stays inside
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
    dialog.get_by_role("slider", name="Patches kept, %").fill("20")
    page.wait_for_function("papr.store.view.percent === 20")
    dialog.get_by_role("button", name="Next").click()
    expect(dialog.get_by_role("heading")).to_have_text("Grad-CAM")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Enlarge CAM"


def test_light_and_dark(visit):
    page = visit(color_scheme="light")
    assert not page.evaluate("papr.dark()")
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate("papr.dark()")
    page.reload()
    expect(page.locator(".p-card")).to_have_count(4)
    assert page.evaluate("papr.dark()")


def test_on_a_phone(visit):
    page = visit(width=390, height=844)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    order = [
        page.locator(selector).bounding_box()["y"]
        for selector in ("#intake", ".p-idea", ".p-verdict", "#ratio", ".p-cards", ".p-frame", "#rail-rest")
    ]
    assert order == sorted(order)
    folded = page.get_by_role("button", name="Methods and target")
    expect(page.locator("#choices")).to_be_hidden()
    assert folded.bounding_box()["y"] < 844
    folded.click()
    expect(page.get_by_label("Target class").first).to_be_visible()
    folded.click()
    cards = page.locator(".p-cards")
    assert cards.evaluate("node => node.scrollWidth > node.clientWidth")  # they are swiped
    page.evaluate("document.querySelector('.p-frame').scrollIntoView()")
    page.wait_for_function(  # stays in sight
        "scrollY > 300 && (y => y >= 0 && y < 60)(document.querySelector('#ratio').getBoundingClientRect().y)"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility(visit, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = visit(color_scheme=scheme)
    page.get_by_role("checkbox", name="By hand", exact=True).check()
    expect(page.locator("[data-method=by-hand]")).to_have_count(1)
    for large in (False, True):  # and once with the dialog open
        if large:
            page.get_by_role("button", name="Enlarge PaPr", exact=True).click()
            expect(page.get_by_role("dialog")).to_be_visible()
        page.wait_for_function("document.getAnimations().every(one => one.playState !== 'running')")
        found = axe.Axe().run(page).response["violations"]
        serious = [
            f"{item['id']}: {item['help']}: {[node['html'][:160] for node in item['nodes'][:4]]}"
            for item in found
            if item["impact"] in ("serious", "critical")
        ]
        assert not serious, "\n".join(serious)


def test_the_browser_counts_patches_as_the_library_does(visit):
    from papr_core import num_kept

    page = visit()
    cases = [(n, p, z / 100) for n in (196, 100, 144, 1) for p in (0, 1, 5) for z in range(1, 101, 3)] + [
        (196, 1, 1.0)
    ]
    counted = page.evaluate("cases => cases.map(([n, p, z]) => papr.numKept(n, p, z))", cases)
    assert counted == [num_kept(n, z, p) for n, p, z in cases]
    # stage by stage a ratio keeps others than its count would
    exact = page.evaluate("""() => {
      const { answer, view } = papr.store;
      const point = [papr.kept(), 0.5, 0.5, 0.5, 1, []];
      const found = points => papr.pointAt({ name: "other", points }, papr.kept()).exact;
      answer.by_stage = true;
      return [[point], [[...point, 0.41]], [point, [...point, view.percent / 100]]].map(found);
    }""")
    assert exact == [False, False, True]
