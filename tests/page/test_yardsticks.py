"""Controls, oracles and the library's CAMs on Compare; a plugin's method on a page that is really started."""

import subprocess
import sys
import time
from dataclasses import replace

import pytest
from page_server import BACKBONE, HEADLESS, PROPOSAL
from test_page import ROOT, at_rest, last, payloads

NEW = ["attention", "rollout", "smaller", "checkerboard", "edges", "hires-cam", "ablation-cam", "fem"]


def test_the_page_and_the_library_give_the_same_numbers(shared):
    from papr_core import compare
    from papr_core.pruning.shrinking import ladder

    answer = last(shared, methods=NEW)
    wanted = compare(
        shared.pixels(shared.find("coffee")),
        proposal=shared.model("proposal", PROPOSAL),
        backbone=shared.model("backbone", BACKBONE),
        methods=NEW,
    ).to_dict()
    assert answer["working"] is None
    shown = {method["name"]: method for method in answer["methods"]}
    for expected in wanted["methods"]:
        method = shown[expected["name"]]
        points = {point[0]: point for point in method["points"]}
        assert points[expected["kept"]][1] == pytest.approx(expected["confidence"], abs=2e-6)
        assert method["fewest"] == expected["fewest_patches"]
        assert method["complete"]
        assert not method["constant"]
    sizes = [list(size.grid) for size in ladder((10, 10))]
    assert shown["smaller"]["sizes"] == sizes
    assert "map" not in shown["smaller"]
    assert {point[0] for point in shown["smaller"]["points"]} == {rows * columns for rows, columns in sizes}
    assert sorted(shown["attention"]["order"][:40]) == wanted["methods"][0]["indices"]
    point = at_rest(shared, methods=["smaller"], keep_ratio=0.3)["points"]["smaller"]
    assert point[0] == 36, "30 of 101 tokens are 30 patches, and 6 x 6 is the nearest size with as many"


def test_the_slow_one_waits_in_the_slow_queue_and_tells_how_far_it_is(shared, monkeypatch):
    from app.session import Asker

    check = Asker.check
    # asked before each step: as slow as a larger ConvNet
    monkeypatch.setattr(Asker, "check", lambda asker: (time.sleep(0.01), check(asker)))
    *_, quick = payloads(shared, "quick", methods=["hires-cam", "ablation-cam"])
    assert quick["more"]
    shown = {method["name"]: method for method in quick["methods"]}
    assert "points" in shown["hires-cam"]
    assert "waiting" in shown["ablation-cam"]
    steps = payloads(shared, "slow", methods=["hires-cam", "ablation-cam"])
    assert any(step["working"] == "Ablation-CAM" and step["progress"] for step in steps)
    assert {method["name"]: method for method in steps[-1]["methods"]}["ablation-cam"]["complete"]


def test_refused_on_the_card_where_there_is_no_vit(shared):
    from papr_core import load_backbone

    shared.settings = replace(shared.settings, any_model=True)
    name = shared.allowed("backbone", "test_convnext").name
    shared.models.put(("backbone", name), load_backbone(name, pretrained=False))
    answer = last(shared, backbone=name, methods=["papr", "attention", "smaller", "checkerboard"])
    shown = {method["name"]: method for method in answer["methods"]}
    assert shown["attention"]["refused"].startswith(f"ViT attention does not work with {name}: it has no")
    assert shown["smaller"]["refused"].startswith(f"Smaller picture does not work with {name}: it is no ViT")
    assert shown["checkerboard"]["complete"]


def test_a_plugin_that_is_none_ends_the_start_in_one_sentence():
    done = subprocess.run(
        [sys.executable, "app.py", "--plugin", "no.py"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "There is no plugin 'no.py'."


@pytest.mark.parametrize("backbone", [BACKBONE, HEADLESS])
def test_the_areas_of_a_card_are_the_librarys_and_the_worst_patches_come_last(shared, backbone):
    from papr_core import compare

    asked = {"methods": ["papr", "cam", "smaller"], "backbone": backbone}
    plain = {method["name"]: method.get("areas") for method in last(shared, **asked)["methods"]}
    assert plain["smaller"] is None
    assert plain["papr"][1] is None, "nothing runs that was not asked for"
    steps = payloads(shared, "slow", worst=True, **asked)
    wanted = compare(
        shared.pixels(shared.find("coffee")),
        proposal=shared.model("proposal", PROPOSAL),
        backbone=shared.model("backbone", backbone),
        methods=["papr", "cam", "random"],
        deletion=True,
    ).to_dict()
    shown = {method["name"]: method.get("areas") for method in steps[-1]["methods"]}
    for expected in wanted["methods"]:
        areas = expected["areas"]
        assert shown[expected["name"]] == pytest.approx([areas["insertion"], areas["deletion"]], abs=3e-6)
    assert shown["smaller"] is None
    first = next(step for step in steps if step["working"] == "Computing with the worst patches first")
    assert all(method["complete"] for method in first["methods"] if "points" in method), "curves come first"
    (quick,) = payloads(shared, "quick", worst=True, **asked)[-1:]
    assert {method["name"]: method.get("areas") for method in quick["methods"]} == shown, "and stay known"
    assert not quick["more"]
