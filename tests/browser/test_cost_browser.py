"""Cost in a real browser: counts live, the paper's tables, and a measurement that can be stopped."""

import json
import re
import threading

import pytest
from page_server import BACKBONE, OTHER, PROPOSAL

pytest.importorskip("playwright")
from page_visits import PATIENCE
from playwright.sync_api import Page, expect

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
    choice = page.get_by_label("Show")
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
