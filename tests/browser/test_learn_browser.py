"""Learn in a real browser: seven steps in step with Compare, three experiments, what holds, a talk."""

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
    shown = evidence(titles(), 0.4)
    expect(page.get_by_label("What else could the budget have bought?")).to_contain_text(shown["meaning"])
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
    shown = evidence(titles(), 0.4)["convnets"]
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


def test_order_and_rank_are_written_alike_and_no_bracket_is_stretched(visit):
    page = learn(visit())
    ranked, dropped = (step(page, name).locator("math") for name in ("rank", "drop"))
    expect(ranked).to_contain_text("M=argsort(P)")
    assert dropped.text_content() == "X′={xM1,…,xMk}"  # the first k of that order
    expect(step(page, "rank").locator(".p-say")).to_contain_text("its place in that order, its rank")
    brackets = page.evaluate(
        "[...document.querySelectorAll('.p-say mo')].filter(mo => /^[(){}⌊⌋∣]$/.test(mo.textContent))"
        ".map(mo => [mo.getAttribute('stretchy'),"
        " mo.getBoundingClientRect().height / parseFloat(getComputedStyle(mo).fontSize)])"
    )
    assert len(brackets) > 20
    for stretchy, lines in brackets:
        assert (stretchy, lines < 1.6) == ("false", True)


def test_the_line_is_pulled_on_the_picture_itself(visit):
    page = learn(visit())
    stretch = step(page, "stretch")
    stretch.locator("canvas").scroll_into_view_if_needed()
    box, before = stretch.locator("canvas").bounding_box(), pixels(page, "stretch")
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.2 * box["width"], middle, steps=4)
    expect(stretch.get_by_role("slider")).to_have_value("20")
    page.mouse.up()
    page.mouse.move(box["x"] + 0.8 * box["width"], middle)
    expect(stretch.get_by_role("slider")).to_have_value("20")
    assert pixels(page, "stretch") != before


def test_the_story_ends_with_what_is_saved_at_the_ratio_that_is_set(visit):
    page = learn(visit())
    saved = step(page, "saved")
    expect(saved).to_contain_text(re.compile(r"(times as fast|times as long) here\."))  # measured
    saved.get_by_role("slider").fill("30")
    full, looking, pruned = page.evaluate(
        "(({pruned, proposal}) => [pruned.at(-1), proposal, pruned[Math.round(0.3 * pruned.length) - 1]])"
        "(papr.store.answer.saving)"
    )
    for value in (full, looking, pruned):
        expect(saved.locator(".p-cost-bars")).to_contain_text(f"{value:.3f} billion")
    share = round(100 * (1 - (looking + pruned) / full))
    expect(saved).to_contain_text(f"saves {share}\xa0%" if share > 0 else "saves no multiply-accumulates")


def test_what_holds_is_drawn_as_differences_around_zero(visit):
    from app.parts.evidence import evidence

    page = learn(visit())
    shown = evidence(titles(), 0.4)
    for i, one in enumerate(shown["sets"]):
        part = page.locator(".p-set:not(.p-convnets)").nth(i)
        assert part.locator("table").is_hidden()  # the numbers are there for who wants them
        groups = [subset for subset in one["subsets"].values() if subset["differences"]]
        expect(part.locator(".p-forest h4")).to_have_text(
            [f"{subset['title']}, n = {subset['n']:,}" for subset in groups]
        )
        values = [
            point[1:]
            for subset in groups
            for points in subset["differences"].values()
            for point in points
            if point[0] == 0.4
        ]
        rows = part.locator("li.p-forest-row")
        expect(rows).to_have_count(len(values))
        for row, (_, low, high) in zip(rows.all(), values):
            words = " to ".join(f"{value:+.1f}".replace("-", "−") for value in (low, high))
            expect(row.locator(".p-points")).to_contain_text(f"({words})")
            clear = "ahead" if low > 0 else "behind" if high < 0 else "open"
            expect(row).to_have_attribute("data-clear", clear)
            zero, start, end = row.evaluate(
                "row => { const box = one => row.querySelector(one).getBoundingClientRect();"
                " return [box('.p-zero').left, box('.p-range').left, box('.p-range').right]; }"
            )
            assert (start > zero, end < zero) == (low > 0, high < 0) or min(abs(low), abs(high)) < 0.2
    part.locator("summary").click()
    expect(part.locator("table")).to_be_visible()


def test_a_talk_shows_one_part_at_a_time_and_the_arrow_keys_go_through_it(visit):
    page = learn(visit())
    small = page.evaluate(
        "parseFloat(getComputedStyle(document.querySelector('.p-step .p-say > p')).fontSize)"
    )
    page.get_by_role("button", name="Present").click()
    parts = page.locator("[data-slide]:visible")
    where = page.get_by_role("toolbar", name="Presentation").locator(".p-note")
    expect(where).to_have_text(re.compile(r"^1 of \d+$"))
    expect(parts).to_have_count(1)
    page.wait_for_function("document.fullscreenElement?.classList.contains('papr-learn')")
    page.keyboard.press("ArrowRight")
    expect(where).to_contain_text("2 of")
    expect(parts).to_have_attribute("data-step", "features")
    large = page.evaluate("parseFloat(getComputedStyle(document.querySelector('.p-on .p-say > p')).fontSize)")
    assert large >= 1.4 * small
    page.keyboard.press("ArrowLeft")
    expect(where).to_contain_text("1 of")
    count = int(where.text_content().split()[-1])
    for _ in range(4 * count):
        page.keyboard.press("PageDown")
        expect(parts).to_have_count(1)
        if page.get_by_role("button", name="Next", exact=True).is_disabled():
            break
    expect(where).to_have_text(f"{count} of {count}")
    page.set_viewport_size({"width": 900, "height": 420})  # too low for anything: then a slide has pages
    expect(where).to_have_text(f"{count} of {count}, goes on below")
    page.keyboard.press("PageDown")
    page.wait_for_function("document.querySelector('.p-present').scrollTop > 100")
    expect(where).to_contain_text(f"{count} of {count}")
    page.keyboard.press("PageUp")
    page.wait_for_function("document.querySelector('.p-present').scrollTop === 0")
    page.get_by_role("button", name="End", exact=True).click()
    page.wait_for_function("!document.fullscreenElement")
    expect(page.locator(".p-experiment").first).to_be_visible()
    expect(page.get_by_role("button", name="Present")).to_be_focused()


@pytest.mark.parametrize("width", [390, 1920])
def test_learn_fits(visit, width):
    page = learn(visit(width=width, height=844))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sides = [box["width"] for box in (step(page, "rank").locator("canvas").bounding_box(),)]
    assert sides[0] >= (300 if width == 390 else 500)
