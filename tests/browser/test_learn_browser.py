"""Learn in a real browser: six steps in step with Compare, three experiments, what holds."""

import json
import re

import pytest
from page_server import NAMES

pytest.importorskip("playwright")
from page_visits import queued, settled, upload
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def learn(page: Page) -> Page:
    page.get_by_role("tab", name="Learn").click()
    expect(page.locator("[data-step=features] .p-caption").first).to_contain_text("Channel")
    return page


def step(page: Page, name: str):
    return page.locator(f"[data-step={name}]")


def pixels(page: Page, name: str, place: int = 0) -> str:
    return page.evaluate(
        "([name, place]) => document.querySelectorAll(`[data-step=${name}] canvas`)[place].toDataURL()",
        [name, place],
    )


def test_learn_is_complete_on_arrival_and_every_picture_moves(visit):
    page = learn(visit())
    assert not queued(page)
    moves = {
        "features": ("Channel", 0),
        "mean": ("Place", 0),
        "stretch": ("The line", 0),
        "rank": ("Patches kept, %", 0),
        "drop": ("Patches kept, %", 2),
    }
    for name, (label, place) in moves.items():
        before = pixels(page, name, place)
        slider = step(page, name).get_by_role("slider", name=label, exact=True)
        value = int(slider.input_value())
        slider.fill(str(value - 5 if value > 10 else value + 5))
        page.wait_for_timeout(100)
        assert pixels(page, name, place) != before, name
    channels = step(page, "features").get_by_role("slider", name="Channels in the mean")
    channels.fill(channels.get_attribute("max"))
    expect(step(page, "features")).to_contain_text("this is PaPr’s map")


def test_learn_is_in_step_with_compare(visit):
    page = learn(visit())
    step(page, "answer").get_by_role("slider").fill("25")
    page.wait_for_function("papr.lines().every(m => papr.now(m).exact)")
    kept = page.evaluate("papr.kept()")
    expect(step(page, "rank")).to_contain_text(f"the {kept} most significant of 100 patches stay")
    expect(step(page, "drop")).to_contain_text(f"After: {kept + 1} tokens")
    said = page.evaluate("papr.now(papr.store.answer.methods[0]).point.confidence")
    expect(step(page, "answer")).to_contain_text(f"{100 * said:.1f} % with {kept}.")
    page.get_by_role("tab", name="Compare").click()
    expect(page.locator(".p-basis")).to_contain_text(f"{kept} of 100 patches kept")
    expect(page.get_by_role("slider", name=re.compile("range slider for Patches kept"))).to_have_value("25")


def test_another_picture_brings_its_own_lesson(visit):
    page = learn(visit())
    first = pixels(page, "features")
    upload(page, b"no picture", "notes.png")
    expect(page.locator("#learn .p-says").first).to_contain_text("not an image")
    page.locator("#learn").get_by_role("button", name="Example: Chelsea the cat").click()
    page.wait_for_function("papr.store.answer.picture.id === 'chelsea'")
    settled(page)
    expect(page.locator("#learn .p-says").first).to_have_text("")
    expect(page.locator("#learn .p-name")).to_contain_text("Chelsea the cat")
    page.wait_for_function(
        "before => document.querySelector('[data-step=features] canvas').toDataURL() !== before", arg=first
    )
    page.wait_for_function(
        "['cam', 'reversed'].every(n => papr.store.answer.methods.find(m => m.name === n)?.complete)"
    )
    # the ConvNet's classes are hostile text, and stay text
    question = page.locator(".p-experiment").nth(2)
    expect(question).to_contain_text("The ConvNet says “")
    assert question.locator("img").count() == 0
    assert any(name.split(",")[0] in question.text_content() for name in NAMES)
    page.get_by_role("tab", name="Compare").click()
    expect(page.locator(".p-card")).to_have_count(4)  # what Learn asked for shows no card


def test_an_experiment_reveals_what_was_computed_after_the_guess(visit):
    page = learn(visit())
    cards = page.locator(".p-experiment")
    expect(cards).to_have_count(3)
    for i in range(3):
        card = cards.nth(i)
        expect(card.locator(".p-reveal")).to_be_hidden()
        card.get_by_role("group", name="Your guess").get_by_role("button").first.click()
        expect(card.locator(".p-found")).to_have_text(
            re.compile(r"(Your guess was right|Not as you guessed)")
        )
    fewest = page.evaluate(
        "['papr', 'reversed'].map(n => papr.store.answer.methods.find(m => m.name === n).fewest)"
    )
    right = 0 if fewest[0] > fewest[1] else 1 if fewest[0] < fewest[1] else 2
    true = cards.first.locator(".p-tools button[data-state=right]")
    expect(true).to_have_text(["PaPr", "PaPr reversed", "Both at the same count"][right])
    expect(cards.first.locator(".p-found")).to_contain_text(f"down to {fewest[0]} of 100 patches")
    cards.nth(1).get_by_role("slider").fill("12")
    page.wait_for_function("papr.now(papr.store.answer.methods.find(m => m.name === 'reversed')).exact")
    page.locator("#learn").get_by_role("button", name="Example: A cheetah").click()
    settled(page)
    expect(cards.first.locator(".p-reveal")).to_be_hidden()  # another picture, another guess


def titles() -> dict[str, str]:
    """Of the models, as the page has them."""
    from app.parts.arrival import FILE

    choices = json.loads(FILE.read_text(encoding="utf-8"))["choices"]
    return {name: title for role in ("proposal", "backbone") for title, name in choices[role]}


def test_what_holds_shows_the_numbers_that_ship(visit):
    from app.parts.evidence import evidence

    page = learn(visit())
    shown = evidence(titles())
    for claim in shown["claims"]:
        expect(page.locator(".p-claims")).to_contain_text(claim["claim"])
    for i, one in enumerate(shown["sets"]):
        part = page.locator(".p-set:not(.p-convnets)").nth(i)
        for finding in one["findings"].values():
            expect(page.locator(".p-claims")).to_contain_text(finding["text"])
        part.get_by_role("slider").fill("0")
        keep = one["keeps"][-1]
        expect(part.locator("caption")).to_contain_text(f"{100 * keep:.0f} % of the patches kept")
        papr = next(line for line in one["subsets"]["all"]["lines"] if line["name"] == "papr")
        _, top1, low, high = next(point for point in papr["points"] if point[0] == keep)
        expect(part.locator("tbody tr", has_text="PaPr").first).to_contain_text(
            f"{top1:.1f}{low:.1f} to {high:.1f}"
        )


def test_what_holds_compares_the_convnets(visit):
    from app.parts.evidence import evidence

    page = learn(visit())
    shown = evidence(titles())["convnets"]
    part = page.locator(".p-convnets")
    for i, keep in enumerate(reversed(shown["keeps"])):
        part.get_by_role("slider").fill(str(i))
        expect(part.locator("caption")).to_contain_text(f"{100 * float(keep):.0f} % of the patches kept")
        rows = [(s, one) for s in shown["subsets"] for one in shown["rows"] if s in one["subsets"]]
        expect(part.locator("tbody tr")).to_have_count(len(rows))
        for line, (subset, one) in zip(part.locator("tbody tr").all(), rows):
            value, low, high = one["subsets"][subset]["top1"]["papr"][keep]
            expect(line).to_contain_text(f"{value:.1f} ({low:.1f} to {high:.1f})")
            expect(line).to_contain_text(f"{one['parameters'] / 1e6:.1f} M")


@pytest.mark.parametrize("width", [390, 1920])
def test_learn_fits(visit, width):
    page = learn(visit(width=width, height=844))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sides = [box["width"] for box in (step(page, "rank").locator("canvas").bounding_box(),)]
    assert sides[0] >= (300 if width == 390 else 500)
