"""What Compare shows and how it follows the hand: one screen, play, linked patches, targets, by hand."""

import json
import re
import time

import numpy as np
import pytest
from page_server import png

pytest.importorskip("playwright")
from page_visits import answered, queued, quiet, settled, upload
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

WINDOWS = [(1280, 720), (1440, 900), (1920, 1080)]


def bottom(page: Page, selector: str) -> float:
    box = page.locator(selector).bounding_box()
    return box["y"] + box["height"]


@pytest.mark.parametrize(("width", "height"), WINDOWS)
def test_what_it_is_slider_cards_and_curve_are_on_one_screen(visit, width, height):
    page = visit(width=width, height=height)
    expect(page.locator(".p-idea strong")).to_have_text(
        "A tiny ConvNet looks first and says where to look; the large model then sees only those patches."
    )
    page.wait_for_function(
        "document.querySelector('.p-idea').textContent.endsWith(' here.')"
    )  # its last words
    tops = page.evaluate(
        "[...document.querySelectorAll('.p-card')].map(card => card.getBoundingClientRect().top)"
    )
    assert len(tops) == 4
    assert max(tops) - min(tops) < 1  # one row
    assert bottom(page, ".p-frame") <= height
    assert page.locator("#ratio").bounding_box()["y"] >= 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelector('#rail-rest').scrollIntoView()")
    page.wait_for_function(  # the slider stays
        "(box => box.y >= 0 && box.bottom <= innerHeight)"
        "(document.querySelector('#ratio').getBoundingClientRect())"
    )


def test_the_opening_says_what_the_convnet_is_and_what_is_saved(visit):
    page = visit()
    idea = page.locator(".p-idea")
    parameters, label = page.evaluate(
        "[papr.store.answer.models.proposal.parameters, papr.store.answer.looks.label]"
    )
    expect(idea).to_contain_text(f"It has {parameters / 1e6:.1f} million parameters")
    expect(idea).to_contain_text(f"takes this for “{label}”")
    saving = page.evaluate("papr.store.answer.saving")
    assert len(saving["pruned"]) == 1000
    assert saving["pruned"] == sorted(saving["pruned"])
    cost = saving["proposal"] + saving["pruned"][199]
    page.evaluate("papr.setPercent(20)")
    share = round(100 * (1 - cost / saving["pruned"][-1]))
    words = f"saves {share}\u00a0% of" if share > 0 else "saves no multiply-accumulates"
    expect(idea).to_contain_text(f"Keeping 20\u00a0% {words}")
    expect(idea).to_contain_text(re.compile(r"times as (fast|long) here\.$"))  # measured once it rests
    expect(page.locator(".p-many")).to_contain_text(
        "python -m papr_core evaluate FOLDER --proposal tiny_proposal"
    )


def test_play_sweeps_and_marks_where_the_answer_is_lost(visit):
    page = visit()
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("papr.store.view.percent < 70")
    assert not queued(page)  # nothing is asked while it moves
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.wait_for_function("papr.store.view.percent === 5")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    assert page.evaluate("papr.store.view.percent") == 40  # where it stood
    lost = page.evaluate("document.querySelector('.p-frame .p-chart').dataset.lost").split()
    expected = page.evaluate("""() => papr.lines().filter(method => {
      const points = [...method.points].sort((a, b) => b[0] - a[0]);
      return points[0][4] === 1 && points.some(([k, , , , kept]) => kept === 0 && k >= 5);
    }).map(method => method.name)""")
    assert sorted(lost) == sorted(expected)
    assert expected  # or this test says nothing
    expect(page.locator(".p-lost-here")).to_have_count(len(expected))
    page.evaluate("papr.setPercent(60)")
    expect(page.locator(".p-lost-here")).to_have_count(len(expected))  # they stay
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("papr.store.view.percent < 95")
    slider = page.get_by_role("slider", name=re.compile("range slider for Patches kept"))
    at_once = slider.evaluate("""slider => {
      slider.value = 97;
      slider.dispatchEvent(new Event("input", {bubbles: true}));
      return papr.store.view.percent;
    }""")
    assert at_once == 97  # who moves it has it, before the sweep's next step
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    page.wait_for_timeout(300)
    assert page.evaluate("papr.store.view.percent") == 97
    with answered(page):
        upload(page, png(31))
    expect(page.locator(".p-lost-here")).to_have_count(0)


def test_play_without_motion_goes_in_few_steps(visit):
    page = visit(reduced_motion="reduce")
    seen = page.evaluate("""async () => {
      const seen = new Set();
      papr.store.onchange(what => what === "ratio" && seen.add(papr.store.view.percent));
      document.querySelector(".p-play").click();
      while (papr.store.view.percent !== 5) await new Promise(done => setTimeout(done, 50));
      return [...seen];
    }""")
    assert 5 <= len(seen) <= 9


def test_snap_to_the_fewest_patches(visit):
    page = visit()
    row = page.locator(".p-fewest tbody tr", has=page.get_by_role("button")).first
    fewest = int(row.locator("td").last.text_content())
    row.get_by_role("button").click()
    page.wait_for_function("k => papr.kept() === k", arg=fewest)
    page.wait_for_function("papr.lines().every(m => papr.now(m).exact)")
    name = row.locator("th").text_content()
    kept = page.evaluate("name => papr.now(papr.lines().find(m => m.title === name)).point.kept", name)
    assert kept


def test_the_areas_stand_on_the_card_and_say_what_they_are(visit, tmp_path):
    """Best patches first with the curves; worst first only where it is asked for."""
    page = visit(width=390, height=844, link="?methods=papr,smaller,by-hand")
    settled(page)
    areas = "Object.fromEntries(papr.store.answer.methods.map(m => [m.name, m.areas]))"
    best, worst = page.evaluate(areas)["papr"]
    assert worst is None
    card = page.locator("[data-method=papr] .p-area")
    expect(card).to_have_text(f"Area {100 * best:.1f}")
    for name in ("smaller", "by-hand"):
        expect(page.locator(f"#stage [data-method={name}] .p-area")).to_have_text("No area")
    about = page.locator(".p-about-areas")
    expect(about).to_contain_text("from 3 to 100 patches, best patches first")
    expect(about).to_contain_text("48 more passes a method")
    with answered(page):
        about.get_by_role("button", name="Worst first too").click()
    found = page.evaluate(areas)
    best, worst = found["papr"]
    chance = found["random"][0]
    assert found["random"][1] == chance
    expect(card).to_have_text(f"Area {100 * best:.1f} / {100 * worst:.1f}")
    title = card.get_attribute("title")
    assert f"worst first {100 * worst:.1f} % (low is good)" in title
    assert f"chance gets {100 * chance:.1f} % either way" in title
    page.get_by_role("button", name="Enlarge PaPr", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("The same, worst patches first (low is good)")
    page.keyboard.press("Escape")
    page.wait_for_function("location.search.includes('worst=true')")
    with page.expect_download() as waiting:
        page.locator("#stage [data-save=json]").click()
    waiting.value.save_as(tmp_path / "manifest.json")
    (papr, *_) = json.loads((tmp_path / "manifest.json").read_text())["numbers"]["methods"]
    assert papr["areas"] == {"insertion": pytest.approx(best), "deletion": pytest.approx(worst)}
    page.asked.clear()
    about.get_by_role("button", name="Best first only").click()
    expect(card).to_have_text(f"Area {100 * best:.1f}")
    assert quiet(page)  # what is known is not asked again


def test_a_patch_pointed_at_is_shown_in_every_card_with_its_rank(visit):
    page = visit()
    picture = page.locator("[data-method=papr] .p-picture")
    box = picture.bounding_box()
    page.mouse.move(box["x"] + 0.35 * box["width"], box["y"] + 0.65 * box["height"])  # row 6, column 3
    for name in ("papr", "cam", "grad-cam", "score-cam"):
        order = page.evaluate("name => papr.cards().find(m => m.name === name).order", name)
        card = page.locator(f"[data-method={name}]")
        expect(card.locator(".p-rank")).to_have_text(f"rank {order.index(63) + 1} of 100")
        assert card.locator(".p-here").get_attribute("x") == "3"
        assert card.locator(".p-here").get_attribute("y") == "6"
    page.mouse.move(5, 5)
    expect(page.locator("[data-method=cam] .p-rank")).to_be_hidden()
    picture.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-method=cam] .p-rank")).to_be_visible()
    expect(page.locator(".p-section-cards [aria-live]")).to_have_text(
        re.compile(r"Row 7, column 6: rank \d+ with PaPr, \d+ with CAM")
    )


def test_map_and_difference_are_a_switch_away(visit):
    page = visit()
    canvas = "document.querySelector('[data-method=cam] canvas').toDataURL()"
    before = page.evaluate(canvas)
    page.get_by_role("radio", name="Map", exact=True).click()
    page.wait_for_function(f"before => {canvas} !== before", arg=before)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Difference")).to_be_checked()
    overlap = page.evaluate("""() => {
      const [ours, theirs] = ["papr", "cam"].map(name =>
        new Set(papr.cards().find(m => m.name === name).order.slice(0, papr.kept())));
      const both = [...ours].filter(patch => theirs.has(patch)).length;
      return both / (2 * ours.size - both);
    }""")
    expect(page.locator("[data-method=cam] .p-overlap")).to_have_text(f"IoU {overlap:.2f}")
    expect(page.locator("[data-method=papr] .p-overlap")).to_be_hidden()
    assert quiet(page)


def test_a_chosen_target_is_what_everything_speaks_of(visit):
    page = visit()
    own = page.evaluate("papr.store.answer.full.index")
    with answered(page):
        page.evaluate("own => papr.controls({target: (own + 1) % 12})", own)
    target = page.evaluate("papr.store.answer.target.label")
    assert page.evaluate("papr.store.answer.explain.mode") == "target"  # unless told otherwise
    expect(page.locator("[data-method=cam] .p-aside")).to_contain_text(f"xplains “{target}”, the target")
    expect(page.locator(".p-verdict")).to_have_text(
        re.compile(rf"\(\d+\.\d\s%\).*“{re.escape(target)}” first")
    )
    expect(page.locator(".p-basis")).to_contain_text(f"Unpruned, “{target}” has")
    expect(page.locator(".p-basis")).to_contain_text("the model’s own answer is")
    for name in ("papr", "cam"):
        top, index = page.evaluate(
            "name => [papr.now(papr.cards().find(m => m.name === name)).point.top[0][0],"
            " papr.store.answer.target.index]",
            name,
        )
        badge = page.locator(f"[data-method={name}] .p-badge")
        expect(badge).to_have_text("First" if top == index else "Not first")
        assert target in badge.get_attribute("title")
    page.get_by_label("The ConvNet’s own answer").check()
    page.wait_for_function("papr.store.answer.explain.mode === 'proposal'")
    settled(page)


def test_the_axis_fits_a_small_target(visit):
    page = visit()
    indices = page.evaluate("papr.store.answer.full.top.map(([i]) => i)")
    with answered(page):
        page.evaluate("i => papr.controls({target: i})", next(i for i in range(12) if i not in indices))
    highest = page.evaluate(
        "Math.max(papr.store.answer.full.confidence,"
        " ...papr.lines().flatMap(m => m.points.map(point => point[3])))"
    )
    top = max(
        float(text) for text in page.locator(".p-frame .p-axes text").all_text_contents() if "%" not in text
    )
    assert top / 100 >= highest
    assert top == 100 or top / 100 <= 2.6 * highest


def test_patches_by_hand_stand_in_the_verdict_with_their_own_count(visit):
    page = visit()
    page.get_by_role("checkbox", name="By hand", exact=True).check()
    card = page.locator("[data-method=by-hand]")
    page.wait_for_function(  # it comes into view by itself
        "(box => box.y >= 0 && box.y < innerHeight)"
        "(document.querySelector('[data-method=by-hand]').getBoundingClientRect())"
    )
    card.get_by_role("button", name="Start from PaPr").click()
    expect(card.locator(".p-badge")).to_have_text(re.compile("Kept|Lost"))
    page.evaluate("papr.setPercent(20)")
    page.wait_for_function("papr.lines().every(m => papr.now(m).exact)")
    expect(card.locator(".p-tally")).to_have_text("40 of 100")
    expect(page.locator(".p-basis")).to_contain_text(
        "20 of 100 patches kept (20\u00a0%); by hand 40 (40\u00a0%)"
    )
    said = page.locator(".p-verdict")
    expect(said).to_have_text(re.compile(r" By hand, with 40 patches, (keeps|loses) it\.$"))
    page.evaluate("papr.setPercent(40)")
    page.wait_for_function("papr.lines().every(m => papr.now(m).exact)")
    expect(said).not_to_contain_text("with 40 patches")


def test_painting_works_in_the_enlarged_view_which_fits_the_window(visit):
    page = visit(width=1280, height=720)
    page.get_by_role("checkbox", name="By hand", exact=True).check()
    page.get_by_role("button", name="Enlarge By hand").click()
    dialog = page.get_by_role("dialog")
    grid = dialog.get_by_role("grid")
    box = grid.bounding_box()
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= 720
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.05 * box["height"])
    page.wait_for_function("String(papr.store.view.hand) === '2'")
    expect(dialog.locator("figcaption")).to_contain_text("1 of 100")


def test_cells_are_wide_enough_for_a_finger(visit):
    page = visit(width=390, height=844, has_touch=True)
    page.evaluate("papr.controls({methods: ['papr', 'by-hand']})")
    card = page.locator("[data-method=by-hand]")
    expect(card).to_be_visible()
    side = card.get_by_role("grid").bounding_box()["width"]
    assert side / 14 >= 24  # of a ViT of 224 pixels


def test_random_says_what_is_a_mean_and_what_one_draw(visit):
    page = visit()
    page.get_by_role("checkbox", name="Random", exact=True).check()
    card = page.locator("[data-method=random]")
    expect(card.locator(".p-aside")).to_have_text(
        re.compile("number is the mean of 5 draws; mask and answers are those of draw 1")
    )


def test_cam_and_its_twin_are_explained_and_both_lines_show(visit):
    page = visit()
    expect(page.locator("[data-method=grad-cam] .p-aside")).to_have_text(
        re.compile("^CAM by construction: one linear layer")
    )
    expect(page.locator("path.p-grad-cam.p-dashed")).to_have_count(1)
    page.get_by_role("checkbox", name="CAM", exact=True).uncheck()
    expect(page.locator("path.p-grad-cam.p-dashed")).to_have_count(0)


def test_a_wide_picture_offers_its_other_shapes(visit):
    page = visit()
    with answered(page):
        upload(page, png(12, (640, 200)), "wide.png")
    shape = page.get_by_role("group", name="How the picture comes to the model’s shape")
    expect(shape).to_contain_text("The crop leaves out 69\u00a0% of this picture")
    before = page.evaluate("papr.store.answer.full.confidence")
    with answered(page):
        shape.get_by_role("button", name="Squash").click()
    assert page.evaluate("papr.store.answer.picture.fit") == "squash"
    assert page.evaluate("papr.store.answer.full.confidence") != before
    page.wait_for_function("location.search.includes('fit=squash')")
    with answered(page):  # another picture is cropped first
        upload(page, png(13), "square.png")
    expect(shape).to_be_hidden()


def test_pictures_are_drawn_at_their_own_resolution(visit):
    page = visit()
    with answered(page):
        upload(page, png(14, (1200, 1200)), "large.png")
    page.wait_for_function("papr.draw.picture.naturalWidth === 890")  # 10 patches of 89 pixels
    page.get_by_role("button", name="Enlarge PaPr", exact=True).click()
    assert page.get_by_role("dialog").locator("canvas").first.evaluate("canvas => canvas.width") > 400


def test_a_step_of_the_slider_is_short_at_four_cards_of_896_pixels(visit):
    """In time of the page's own thread, drawing included."""
    page = visit()
    page.evaluate("papr.ask.rest = () => {}")
    took = page.evaluate("""() => {
      const canvases = [0, 1, 2, 3].map(() => document.createElement("canvas"));
      const methods = papr.cards();
      const times = [];
      for (let percent = 90; percent > 10; percent -= 1) {
        papr.store.view.percent = percent;
        const start = performance.now();
        canvases.forEach((canvas, i) =>
          papr.draw.mask(canvas, papr.draw.picture, papr.now(methods[i]).patches,
            { rows: 10, columns: 10, cell: 90, look: "dim", dark: false }));
        times.push(performance.now() - start);
      }
      return times.slice(1);
    }""")
    assert sum(took) > 0
    assert np.median(took) < 20


def test_back_and_forward_go_through_tabs_and_answers(visit):
    page = visit()
    page.wait_for_timeout(400)
    with answered(page):
        page.get_by_role("button", name="Example: Chelsea the cat").click()
    page.wait_for_function("location.search.includes('picture=chelsea')")
    page.get_by_role("tab", name="Learn").click()
    page.wait_for_function("location.search.includes('tab=learn')")
    page.go_back()
    expect(page.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true")
    assert page.evaluate("papr.store.answer.picture.id") == "chelsea"
    page.wait_for_timeout(400)
    page.go_back()
    page.wait_for_function("papr.store.answer.picture.id !== 'chelsea'")
    settled(page)
    page.wait_for_timeout(400)
    page.go_forward()
    page.wait_for_function("papr.store.answer.picture.id === 'chelsea'")


def test_a_link_with_a_method_that_is_not_known_says_so(visit):
    page = visit(link="?methods=papr,magic-cam")
    expect(page.locator("#intake")).to_contain_text(
        "The link names a method “magic-cam”, which this page does not know"
    )
    expect(page.locator(".p-card")).to_have_count(1)


def test_typing_a_target_replaces_what_stands_there(visit):
    page = visit()
    field = page.get_by_label("Target class").first
    field.click()
    page.wait_for_timeout(100)
    page.keyboard.type("thing 7")
    expect(field).to_have_value("thing 7")


def test_cite_and_copy_link(visit):
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Cite").click()
    expect(page.get_by_role("dialog")).to_contain_text("@inproceedings{mahmud2024papr")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_a_model_without_weights_is_said_to_the_visitor_and_the_rest_to_the_owner(visit):
    page = visit()
    page.evaluate("papr.controls({backbone: 'vit_base_patch16_224.augreg_in21k_ft_in1k'})")
    says = page.locator("#note-models .p-says")
    expect(says).to_contain_text("This page does not have the weights of that model; choose another one.")
    more = says.locator("details")
    expect(more).to_contain_text("downloads are off")
    assert not more.evaluate("details => details.open")
    says.get_by_text("For the owner of this page").click()
    assert more.evaluate("details => details.open")
    expect(page.locator(".p-card")).to_have_count(4)
    for tab in ("Learn", "Proposals"):  # opened later, they say so too: theirs is the pair that was there
        page.get_by_role("tab", name=tab).click()
        told = page.locator(".p-says:visible", has_text="This page does not have the weights of that model")
        expect(told).to_have_count(1)


def test_a_slow_method_comes_to_a_picture_whose_other_curves_are_known(visit):
    page = visit()
    with answered(page):
        page.evaluate("papr.controls({methods: ['papr']})")
        page.get_by_role("button", name="Example: Chelsea the cat").click()
    with answered(page):
        page.get_by_role("checkbox", name="Score-CAM", exact=True).check()
    expect(page.locator("[data-method=score-cam] .p-badge")).to_have_text(re.compile("Kept|Lost"))
    expect(page.locator("#opening .p-says")).to_have_text("")


def test_back_to_a_picture_of_ones_own_brings_its_name(visit):
    page = visit()
    with answered(page):
        upload(page, png(21), "mine.png")
    page.wait_for_timeout(400)
    with answered(page):
        page.get_by_role("button", name="Example: Chelsea the cat").click()
    page.wait_for_function("location.search.includes('picture=chelsea')")
    page.go_back()
    expect(page.locator("#intake .p-name")).to_have_text("mine.png")

    # a slow answer leaves no step between, of the old picture with what is set for the new one
    with answered(page):
        page.evaluate("papr.controls({fit: 'pad'})")
    page.wait_for_function("location.search.includes('fit=pad')")
    page.route("**/queue/join*", lambda route: (time.sleep(0.7), route.continue_()))
    with answered(page):
        page.get_by_role("button", name="Example: Chelsea the cat").click()
    page.wait_for_function("location.search.includes('picture=chelsea')")
    page.unroute("**/queue/join*")
    with answered(page):
        page.go_back()
    shown = page.evaluate("papr.store.answer.picture")
    assert (shown["name"], shown["fit"]) == ("mine.png", "pad")


def test_back_to_a_method_that_the_answer_lacks_brings_it(visit):
    page = visit()
    layercam = page.get_by_role("checkbox", name="LayerCAM", exact=True)
    with answered(page):
        layercam.check()
    page.wait_for_function("location.search.includes('layer-cam')")
    layercam.uncheck()
    page.wait_for_function("!location.search.includes('layer-cam')")
    with answered(page):
        page.evaluate("papr.controls({target: 5})")
    page.wait_for_function("location.search.includes('target=5')")
    with answered(page):
        page.go_back()
    page.wait_for_function("!location.search.includes('target=5')")
    page.go_back()
    expect(page.locator("[data-method=layer-cam] .p-badge")).to_have_text(re.compile("Kept|Lost"))
