"""Cost in a real browser: counts live, the paper's tables, and a measurement that can be stopped."""

import json
import re
import threading

import pytest
from page_server import BACKBONE, OTHER, PROPOSAL

pytest.importorskip("playwright")
from page_visits import PATIENCE
from playwright.sync_api import Page, expect

from papr_core.errors import Stopped

pytestmark = pytest.mark.browser


def opened(page: Page) -> Page:
    page.get_by_role("tab", name="Cost").click()
    expect(page.locator("#costs .p-verdict strong")).to_have_text(re.compile("GMACs"))
    expect(page.locator(".p-quoted tbody tr")).not_to_have_count(0)
    return page


def shown(page: Page) -> dict[str, str]:
    rows = page.locator("[data-cost]")
    return {row.get_attribute("data-cost"): row.locator(".p-strong").text_content() for row in rows.all()}


def test_the_numbers_are_those_of_the_command(visit, capsys):
    from papr_core.commands.main import main

    page = opened(visit())
    page.get_by_role("slider", name=re.compile("range slider for Patches kept")).fill("33")
    page.get_by_role("slider", name=re.compile("range slider for Merged tokens")).fill("4")
    page.get_by_text("All", exact=True).click()
    page.wait_for_function(
        "(f => f.keep === 0.33 && f.tome_r === 4 && f.tome_layers === 'all')(papr.costs.found)"
    )
    folder = page.evaluate("papr.costs.found")
    command = ["cost", "--backbone", BACKBONE, "--proposal", PROPOSAL, "--keep", "0.33", "--tome-r", "4"]
    assert main([*command, "--tome-layers", "all", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {key: folder[key] for key in printed} == printed
    expect(page.locator("#costs .p-basis")).to_contain_text(f"{printed['kept']} of 100 patches kept")
    told = shown(page)
    for name, value in (("full", "gmacs_full"), ("proposal", "gmacs_proposal"), ("pruned", "gmacs_pruned")):
        assert told[name] == f"{printed[value]:.3f}"
    parts = ["cost-keep=33", "tome-r=4", "tome-layers=all", "tab=cost"]
    page.wait_for_function("parts => parts.every(part => location.search.includes(part))", arg=parts)
    again = visit(link=f"?{'&'.join(parts)}")
    again.wait_for_function("papr.costs?.found?.keep === 0.33")
    assert shown(again) == told
    expect(again.get_by_role("slider", name=re.compile("range slider for Merged tokens"))).to_have_value("4")


def test_what_cannot_be_counted_is_said_under_the_controls_and_nothing_is_lost(visit):
    page = opened(visit())
    before = shown(page)
    page.evaluate("papr.costs.set({backbone: 'convnext_tiny.fb_in22k_ft_in1k', tome_r: 8})")
    expect(page.locator("#note-cost")).to_contain_text("cannot merge tokens")
    assert shown(page) == before
    page.evaluate("papr.costs.set({tome_r: 0})")
    expect(page.locator("#costs .p-basis")).to_contain_text("counted in stage 3, 14 x 14")
    expect(page.locator("#note-cost .p-says")).to_have_text("")
    page.evaluate("papr.costs.set({backbone: '<img src=x onerror=alert(1)>'})")
    expect(page.locator("#note-cost")).to_contain_text("<img src=x")


def test_the_papers_tables_stand_beside_ours(visit):
    from app.parts import paper

    page = opened(visit())
    choice = page.locator("#p-paper-table")
    choice.select_option("all")
    rows = paper.read()["rows"]
    expect(page.locator(".p-quoted").first.locator("tbody tr:not(:has([scope=rowgroup]))")).to_have_count(70)
    choice.select_option("2")
    page.wait_for_function("location.search.includes('table=2')")
    reading = page.locator("[data-reading]", has_text="0.43 (printed 0.4)")
    expect(reading).to_contain_text("our reading")
    ours = next(row["gmacs"] for row in rows if row["table"] == 2 and row["keep"] == 0.43)
    expect(reading).to_contain_text(f"7.72{ours:.3f}")
    expect(page.locator(".p-paper")).to_contain_text("not rebuilt here")
    expect(page.get_by_role("region", name="Other methods, quoted")).to_contain_text("TokenFusion")


def test_images_per_second_are_measured_and_the_measurement_can_be_stopped(visit, monkeypatch):
    from papr_core import bench

    page = opened(visit())
    button = page.get_by_role("button", name="Measure images per second")
    button.click()
    expect(page.locator("[data-measured]")).to_have_count(3)
    expect(page.locator(".p-speed")).to_contain_text(f"{BACKBONE} at 40 %, {PROPOSAL}, batch 8, medians of 7")
    expect(page.locator("[data-measured=backbone]")).to_contain_text("×")
    expect(button).to_be_enabled()

    started, ended, real = threading.Event(), threading.Event(), bench.bench

    def slow(*args, stop, **kwargs):
        started.set()
        while not ended.wait(0.05):
            if stop():
                ended.set()
        return real(*args, stop=stop, **kwargs)

    monkeypatch.setattr(bench, "bench", slow)
    button.click()
    assert started.wait(PATIENCE / 1000)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".p-speed")).to_contain_text("Stopped.")
    assert ended.wait(PATIENCE / 1000)
    expect(page.locator("[data-measured]")).to_have_count(3)  # what was measured stays
    page.evaluate("papr.costs.set({percent: 100})")
    expect(button).to_be_disabled()


def test_a_measurement_is_bounded(visit, monkeypatch):
    from app.parts import speed

    monkeypatch.setattr(speed, "SECONDS", 0)
    page = opened(visit(link=f"?cost-backbone={OTHER}"))
    button = page.get_by_role("button", name="Measure images per second")
    button.click()
    says = page.locator(".p-speed .p-says")
    expect(says).to_contain_text(f"python -m papr_core bench --backbone {OTHER}")
    page.evaluate("papr.costs.set({backbone: 'mae_finetuned_vit_huge'})")
    page.wait_for_function("papr.costs.found.backbone === 'mae_finetuned_vit_huge'")
    button.click()
    expect(says).to_contain_text("too large to be measured on this page")


def test_what_pruning_is_worth_ships_and_can_be_measured_for_a_pair(visit, monkeypatch):
    from app.parts import speed
    from papr_core import bench

    found = json.loads(speed.MAP.read_text())
    assert (found["batches"], found["keep"]) == (list(bench.MAP_BATCHES), list(bench.MAP_KEEP))
    page = opened(visit(width=390, height=844))
    shipped, own = (page.locator(f"[data-map={name}]") for name in ("shipped", "own"))
    cells = shipped.locator(".p-heat td")
    expect(cells).to_have_text([f"{value:.2f}" for row in found["speedup"] for value in row])
    gaining = sum(low > 1 for row in found["speedup_low"] for low in row)
    expect(shipped.locator("[data-gains=yes]")).to_have_count(gaining)
    expect(shipped.locator(".p-worth-says")).to_have_text(" ".join(bench.what_it_is_worth(found)))
    expect(shipped).to_contain_text(f"{found['machine']}, torch {found['torch']}, {found['day']}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    monkeypatch.setattr(bench, "MAP_BATCHES", (1, 2))
    expect(own).to_be_hidden()
    button = page.get_by_role("button", name="Make one for the models chosen here")
    button.click()
    expect(page.locator(".p-worth [role=status]")).to_have_text("Measured.")
    expect(own.locator(".p-heat tbody tr")).to_have_count(2)
    expect(own.locator("caption")).to_contain_text(f"{BACKBONE}, pruned by {PROPOSAL}")

    started, ended = threading.Event(), threading.Event()

    def slow(*args, stop, **kwargs):
        started.set()
        while not ended.wait(0.05):
            if stop():
                ended.set()
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(bench, "speed_map", slow)
        button.click()
        assert started.wait(PATIENCE / 1000)
        page.locator(".p-worth").get_by_role("button", name="Stop").click()
        expect(page.locator(".p-worth")).to_contain_text("Stopped.")
        assert ended.wait(PATIENCE / 1000)
    expect(own.locator(".p-heat tbody tr")).to_have_count(2)  # what was measured stays
    monkeypatch.setattr(speed, "SECONDS", 0)
    button.click()
    by_hand = f"bench --map --backbone {BACKBONE} --proposal {PROPOSAL}"
    expect(page.locator(".p-worth .p-says")).to_contain_text(by_hand)
    page.evaluate("papr.costs.set({proposal: ''})")
    expect(button).to_be_disabled()


def test_cascades_are_drawn_as_they_ship(visit):
    from app.parts import cascades

    found = cascades.read({})
    page = opened(visit())
    part = page.locator(".p-cascade")
    rows = part.locator("tbody tr")
    expect(rows).to_have_count(len(found["convnets"]))
    expect(part.locator(".p-charts .p-curve")).to_have_count(3 * len(found["convnets"]))
    expect(part.locator(".p-cascade-says li").first).to_contain_text("GMACs a picture")
    key, _ = found["thens"][1]
    part.get_by_label("The rest is answered by").select_option(key)
    part.get_by_role("slider", name="t").fill("0")  # the ConvNet answers all
    first = found["convnets"][0]["thens"][key]["curve"][0]
    expect(rows.first).to_contain_text(f"100.0 %{first[2]:.1f} %")


def test_a_table_wider_than_a_phone_says_that_it_scrolls(visit):
    page = opened(visit(width=390, height=844))
    table = page.get_by_role("region", name="The paper’s costs and ours")
    hint = page.locator(".p-scrolled", has=table).locator(".p-more")
    expect(hint).to_be_visible()
    expect(hint).to_contain_text("scroll sideways")
    table.evaluate("box => box.scrollTo(box.scrollWidth, 0)")
    expect(hint).to_be_hidden()  # nothing more to the right
    page.set_viewport_size({"width": 1440, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
