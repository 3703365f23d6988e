"""Proposals in a real browser: rows as the library computes them, masks and shares made in the browser."""

import re

import pytest
from page_server import BACKBONE, PROPOSAL, SECOND

pytest.importorskip("playwright")
from page_visits import PATIENCE, quiet
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def opened(page: Page, rows: int = 2) -> Page:
    page.get_by_role("tab", name="Proposals").click()
    expect(page.locator(".p-row")).to_have_count(rows)
    expect(page.locator(".p-row .p-columns:visible")).to_have_count(rows)
    return page


def box(page: Page, name: str):
    return page.locator("#convnets").get_by_label(name)


def mask(page: Page, column: int = 3) -> str:
    return page.evaluate(f"document.querySelectorAll('.p-row canvas')[{column - 1}].toDataURL()")


@pytest.fixture(scope="module")
def wanted(address):
    """What the library says of the example."""
    from app.parts.arrival import EXAMPLE
    from app.session import examples
    from papr_core import load_proposal
    from papr_core.comparison.agreement import compare_proposals

    return compare_proposals(
        examples()[EXAMPLE].path,
        [load_proposal(PROPOSAL), load_proposal(SECOND)],
        controls=[PROPOSAL, SECOND],
        backbone=BACKBONE,
        keep=(0.5, 0.3),
    )


def test_the_rows_are_those_of_the_library(visit, wanted):
    page = opened(visit())
    expect(page.locator("#looks .p-verdict")).to_contain_text("Untrained, this ConvNet keeps")
    box(page, SECOND).check()
    expect(page.locator(".p-row .p-columns:visible")).to_have_count(4)
    expected = wanted.to_dict()
    for row in expected["proposals"]:
        name = f"untrained:{row['name']}" if row["untrained"] else row["name"]
        card = page.locator(f"[data-convnet='{name}']")
        expect(card).to_contain_text(f"{row['gmacs']:.3f}")
        if not row["untrained"]:
            expect(card).to_contain_text(f"{100 * row['confidence']:.1f} %")
    for share in expected["agreement"]:
        text = f"{round(100 * share['kept_by_all'])} % of the same patches at {100 * share['keep']:.0f} %"
        expect(page.locator("#looks .p-verdict")).to_contain_text(text)
    alike = " and ".join(f"{round(100 * share['alike'])} %" for share in expected["agreement"])
    expect(page.locator("#looks .p-basis")).to_contain_text(f"They decide alike on {alike} of all patches")
    sizes = [row["parameters"] / 1e6 for row in expected["proposals"] if not row["untrained"]]
    words = f"Two ConvNets, from {min(sizes):.1f} to {max(sizes):.1f} million parameters, keep"
    expect(page.locator("#looks .p-verdict")).to_contain_text(words)
    expect(page.locator("#looks .p-basis")).to_contain_text("50 and 30 of 100 patches kept")


def test_the_sliders_act_without_a_request(visit):
    page = opened(visit())
    page.wait_for_timeout(300)
    page.asked.clear()
    before = [mask(page, 2), mask(page, 3)]
    page.get_by_role("slider", name=re.compile("third column")).fill("80")
    page.get_by_role("slider", name=re.compile("fourth column")).fill("11")
    page.wait_for_function(
        "before => document.querySelectorAll('.p-row canvas')[2].toDataURL() !== before", arg=before[1]
    )
    assert mask(page, 2) != before[0]
    expect(page.locator(".p-row figcaption").nth(2)).to_have_text("80 % kept")
    expect(page.locator("#looks .p-basis")).to_contain_text("80 and 11 of 100 patches kept")
    page.get_by_label("Each also untrained").uncheck()
    expect(page.locator(".p-row")).to_have_count(1)
    assert quiet(page)
    page.wait_for_function(
        "['keep-high=80', 'keep-low=11', 'untrained=false'].every(part => location.search.includes(part))"
    )


def test_another_picture_brings_other_rows_and_a_link_opens_them(visit):
    page = opened(visit(link=f"?convnets={SECOND},{PROPOSAL}&untrained=false&keep-low=20"))
    before = page.evaluate("document.querySelector('.p-row canvas').toDataURL()")
    page.locator("#looks").get_by_role("button", name="Example: Chelsea the cat").click()
    page.wait_for_function(
        "before => document.querySelector('.p-row canvas').toDataURL() !== before", arg=before
    )
    page.wait_for_function("papr.store.answer.picture.id === 'chelsea'")
    expect(page.locator(".p-row .p-columns:visible")).to_have_count(2)
    expect(page.locator(".p-row").first).to_have_attribute("data-convnet", SECOND)
    expect(page.get_by_role("slider", name=re.compile("fourth column"))).to_have_value("20")
    expect(box(page, SECOND)).to_be_checked()


def test_what_is_not_here_is_said_where_it_would_stand(visit):
    page = opened(visit())
    rail = page.locator("#convnets")
    expect(rail.get_by_role("group", name="On this machine", exact=True)).to_contain_text(SECOND)
    expect(rail.get_by_role("group", name="Not on this machine", exact=True)).to_contain_text("ResNet-50")
    assert rail.get_by_label("ResNet-50").count() == 0
    box(page, PROPOSAL).click()
    expect(rail).to_contain_text("Keep at least one ConvNet")
    expect(box(page, PROPOSAL)).to_be_checked()
    other = visit(link=f"?convnets={PROPOSAL},resnet18.a1_in1k,no_such_net&untrained=false")
    other.get_by_role("tab", name="Proposals").click()
    missing = other.locator("[data-convnet='resnet18.a1_in1k']")
    expect(missing).to_contain_text("This page does not have the weights of that model")
    owners = missing.locator("details")
    expect(owners).not_to_have_attribute("open", "")
    owners.get_by_text("For the owner of this page").click()
    expect(owners).to_have_attribute("open", "")
    expect(owners).to_contain_text("downloads are off")
    expect(other.locator("[data-convnet=no_such_net]")).to_contain_text("no_such_net")
    expect(other.locator(".p-row .p-columns:visible")).to_have_count(1)


def test_the_figure_is_the_commands(visit, wanted, tmp_path):
    from papr_core.figures import figure_bytes

    page = opened(visit(link=f"?convnets={PROPOSAL},{SECOND}"), rows=4)
    files = {}
    for kind in ("svg", "pdf", "png"):
        with page.expect_download(timeout=PATIENCE) as waiting:
            page.locator(f"#looks [data-save={kind}]").click()
        waiting.value.save_as(tmp_path / "file")
        files[kind] = (tmp_path / "file").read_bytes()
        expect(page.locator(f"#looks [data-save={kind}]")).to_be_enabled()
    assert files["pdf"].startswith(b"%PDF")
    assert files["png"].startswith(b"\x89PNG")
    assert files["svg"] == figure_bytes(wanted.figure(), "svg")


def test_on_a_phone_the_controls_come_after_the_first_row(visit):
    page = opened(visit(width=390, height=844))
    tops = page.evaluate(
        "['.papr-looks .p-verdict', '.p-row:first-child', '#proposals-ratios', '#convnets',"
        " '.p-row:nth-child(2)', '.papr-looks .p-saver']"
        ".map(one => document.querySelector(one).getBoundingClientRect().top)"
    )
    assert tops == sorted(tops)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    before = mask(page, 2)
    page.get_by_role("slider", name=re.compile("third column")).fill("20")
    page.wait_for_function(
        "before => document.querySelectorAll('.p-row canvas')[1].toDataURL() !== before", arg=before
    )
