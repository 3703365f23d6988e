"""The main job at once: each number against its definition, refusals, stopping, saving, threads."""

import dataclasses
import json
import math
import statistics
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from page_server import BACKBONE, HEADLESS, NAMES, PROPOSAL, picture
from PIL import Image
from threads import at_once

import papr_core
from papr_core import compare, load_backbone, load_proposal
from papr_core.comparison.maps import coarse_counts, curve_counts
from papr_core.comparison.results import Curve, top_classes
from papr_core.comparison.scene import open_scene, scene_map, scene_notes
from papr_core.comparison.seen import ClassLabel
from papr_core.errors import InvalidInput, PaprError, Stopped, UnknownClass, UnreadableImage, UnsupportedModel
from papr_core.models import weights
from papr_core.pruning.selection import num_kept

NUM_PATCHES = 100
QUICK = ("papr", "cam", "grad-cam", "random", "center", "reversed")
METHOD_KEYS = {
    "name", "kept", "patches", "indices", "confidence", "confidence_low", "confidence_high", "top",
    "kept_answer", "seconds", "overlap_with_papr", "fewest_patches", "areas",
}  # fmt: skip


@pytest.fixture(scope="module")
def comparison(pair):
    proposal, backbone = pair
    return compare(
        picture(),
        proposal=proposal,
        backbone=backbone,
        methods=[*QUICK, "by-hand"],
        patches=[7, 3, 3],
        deletion=True,
    )


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ([[True] * 5], 10),
        ([[False, True, False, True, True]], 40),
        ([[False] * 4 + [True]], 50),
        ([[True] * 4 + [False]], None),
        ([[True] * 5, [False] * 5, [False, True, True, True, True]], 20),
        ([[True] * 5, [False] * 5, [False] * 5], None),
    ],
)
def test_fewest_patches(kept, expected):
    curve = Curve((10, 20, 30, 40, 50), tuple((0.0,) * 5 for _ in kept), tuple(map(tuple, kept)))
    assert curve.fewest_patches == expected


def test_each_number_is_what_issue_and_page_say(pair, comparison):
    proposal, backbone = pair
    count = num_kept(NUM_PATCHES, 0.4, backbone.num_prefix_tokens)
    shown = comparison.to_dict()
    scene = open_scene(picture(), proposal, backbone)
    target, answer = scene.target.index, scene.answer.index
    by_name = {method["name"]: method for method in shown["methods"]}
    assert list(by_name) == [*QUICK, "by-hand"]
    images = scene.backbone_images

    def probabilities(kept):
        with torch.no_grad():
            return backbone(images, kept)[0].softmax(-1)

    for name, method in by_name.items():
        assert set(method) == METHOD_KEYS
        draws = scene_map(scene, name, patches=[3, 7]).coarse
        k = 2 if name == "by-hand" else count
        kept = [backbone.select_count(draw[None], k) for draw in draws]
        alone = [probabilities(one) for one in kept]
        confidences = [float(one[target]) for one in alone]
        assert (method["kept"], method["patches"]) == (k, NUM_PATCHES)
        assert method["indices"] == kept[0][0].tolist() == sorted(set(method["indices"]))
        assert method["confidence"] == pytest.approx(statistics.fmean(confidences), abs=2e-6)
        assert method["confidence_low"] == pytest.approx(min(confidences), abs=2e-6)
        assert method["confidence_high"] == pytest.approx(max(confidences), abs=2e-6)
        assert method["kept_answer"] == (int(alone[0].argmax()) == answer)
        best = top_classes(alone[0], backbone.labels)
        assert [one["label"] for one in method["top"]] == [label for label, _ in best]
        assert [one["probability"] for one in method["top"]] == pytest.approx([p for _, p in best], abs=2e-6)
        shared = len({*method["indices"]} & {*by_name["papr"]["indices"]})
        assert method["overlap_with_papr"] == pytest.approx(shared / k, abs=1e-6)
        assert method["seconds"] >= 0
    assert by_name["by-hand"]["fewest_patches"] is None
    for name, counts in (("papr", curve_counts(NUM_PATCHES)), ("random", coarse_counts(NUM_PATCHES))):
        draws = scene_map(scene, name).coarse
        with torch.no_grad():
            tops = [backbone(images, backbone.select_count(draws, k)).argmax(1) for k in counts]
        right = torch.stack(tops, dim=1) == answer  # (draws, counts)
        fewest = [min(counts[i] for i in range(len(counts)) if row[i:].all()) for row in right]
        assert by_name[name]["fewest_patches"] == statistics.median(fewest)
    assert by_name["papr"]["overlap_with_papr"] == 1
    assert by_name["random"]["confidence_low"] < by_name["random"]["confidence_high"]


def by_a_plain_loop(scene, draws, counts) -> float:
    """Percent of the target's confidence over the shares of patches that stay, patch by patch."""
    areas = []
    for draw in draws:
        ranked = draw.flatten().argsort(descending=True, stable=True)
        heights = []
        for k in counts:
            with torch.no_grad():
                out = scene.backbone(scene.backbone_images, ranked[:k].sort().values[None])
            target = scene.target
            whole = scene.embedding
            heights.append(
                float(out[0].softmax(-1)[target.index])
                if target
                else float(torch.cosine_similarity(out[0], whole, dim=0))
            )
        total = 0.0
        for (a, b), (low, high) in zip(pairwise(counts), pairwise(heights)):
            total += (b - a) / NUM_PATCHES * (low + high) / 2
        areas.append(total / ((counts[-1] - counts[0]) / NUM_PATCHES))
    return statistics.fmean(areas)


@pytest.mark.parametrize("target", [None, 4])
def test_the_areas_are_those_of_a_plain_loop(pair, comparison, target):
    """Best patches first and worst first; chance's is the same either way, and by hand there is no order."""
    if target is not None:
        comparison = compare(
            picture(), proposal=pair[0], backbone=pair[1], methods=QUICK, target=target, deletion=True
        )
    scene = open_scene(picture(), *pair, target=target)
    shown = {method["name"]: method["areas"] for method in comparison.to_dict()["methods"]}
    for name in ("papr", "cam", "center"):
        (best,) = scene_map(scene, name).significance
        counts = curve_counts(NUM_PATCHES)
        assert shown[name]["insertion"] == pytest.approx(by_a_plain_loop(scene, [best], counts), abs=3e-6)
        assert shown[name]["deletion"] == pytest.approx(by_a_plain_loop(scene, [-best], counts), abs=3e-6)
    draws = scene_map(scene, "random").significance
    chance = by_a_plain_loop(scene, draws, coarse_counts(NUM_PATCHES))
    assert shown["random"] == {"insertion": pytest.approx(chance, abs=3e-6)} | {
        "deletion": pytest.approx(chance, abs=3e-6)
    }
    assert shown["reversed"]["deletion"] == pytest.approx(shown["papr"]["insertion"], abs=1e-4)
    assert shown.get("by-hand") is None
    written = comparison.manifest()
    assert written["settings"]["deletion"] is True
    assert set(written["curves_worst_first"]) == {*QUICK} - {"random"}
    assert written["curves_worst_first"]["papr"]["patches"] == list(counts)


def test_an_area_needs_a_curve_and_an_order(pair):
    proposal, backbone = pair
    given = {"proposal": proposal, "backbone": backbone, "methods": ["papr", "smaller", "random"]}
    assert [one.areas for one in compare(picture(), curve=False, deletion=True, **given).methods] == [
        None
    ] * 3
    papr, smaller, random = compare(picture(), **given).to_dict()["methods"]
    assert smaller["areas"] is None
    assert papr["areas"]["deletion"] is None, "only where it was asked for"
    assert random["areas"]["deletion"] == random["areas"]["insertion"]


def test_without_classes_the_area_is_of_the_cosine(pair, weights_folder):
    with weights.configured(weights_dir=weights_folder):
        backbone = load_backbone(HEADLESS)
    found = compare(picture(), proposal=pair[0], backbone=backbone, methods=["papr"], deletion=True)
    scene = open_scene(picture(), pair[0], backbone)
    (best,) = scene_map(scene, "papr").significance
    counts = curve_counts(NUM_PATCHES)
    areas = found.methods[0].areas
    assert areas.insertion == pytest.approx(by_a_plain_loop(scene, [best], counts), abs=3e-6)
    assert areas.deletion == pytest.approx(by_a_plain_loop(scene, [-best], counts), abs=3e-6)


def test_the_json_object_is_the_one_of_the_issue(comparison):
    shown = comparison.to_dict()
    assert set(shown) == {
        "image",
        "proposal",
        "backbone",
        "keep_ratio",
        "target",
        "explain",
        "full",
        "methods",
    }
    assert (shown["proposal"], shown["backbone"], shown["keep_ratio"]) == (PROPOSAL, BACKBONE, 0.4)
    assert set(shown["target"]) == {"index", "label"}
    assert set(shown["explain"]) == {"mode", "index", "label"}
    assert set(shown["full"]) == {"confidence", "top"}
    assert shown["full"]["top"][0] == {
        "label": comparison.answer.label,
        "probability": shown["full"]["confidence"],
    }
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown


def test_the_target_changes_the_confidence_and_nothing_else(pair):
    proposal, backbone = pair
    first = compare(picture(), proposal=proposal, backbone=backbone, methods=["papr"], curve=False)
    other = (first.target.index + 1) % len(NAMES)
    second = compare(
        picture(), proposal=proposal, backbone=backbone, methods=["papr"], curve=False, target=other
    )
    one, two = first.methods[0], second.methods[0]
    assert one.confidence != two.confidence
    assert (one.indices, one.top, one.kept_answer) == (two.indices, two.top, two.kept_answer)
    assert first.full_confidence != second.full_confidence
    assert (one.fewest_patches, one.curve) == (None, None)


def test_a_picture_of_one_colour_works_and_says_so(pair):
    proposal, backbone = pair
    flat = Image.new("RGB", (64, 64), (40, 90, 200))
    found = compare(
        flat, proposal=proposal, backbone=backbone, methods=["papr", "score-cam", "center"], curve=False
    )
    assert any("one colour" in note for note in found.notes)
    assert all(math.isfinite(method.confidence) for method in found.methods)
    constant = dataclasses.replace(
        open_scene(flat, proposal, backbone), features=torch.full((1, 96, 5, 5), 0.25)
    )
    one = scene_map(constant, "papr")
    assert one.constant
    assert not scene_map(constant, "center").constant
    assert "patches are kept in the order of their index" in scene_notes(constant, [one])[1]
    assert constant.backbone.select_count(one.coarse, 3).tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({"keep_ratio": 0}, InvalidInput),
        ({"keep_ratio": 1.01}, InvalidInput),
        ({"keep_ratio": math.nan}, InvalidInput),
        ({"methods": ["nothing"]}, InvalidInput),
        ({"methods": []}, InvalidInput),
        ({"methods": ["by-hand"]}, InvalidInput),
        ({"patches": [100]}, InvalidInput),
        ({"patches": []}, InvalidInput),
        ({"fit": "stretch"}, InvalidInput),
        ({"target": "nobody"}, UnknownClass),
        ({"image": b"no picture"}, UnreadableImage),
        ({"image": b""}, UnreadableImage),
        ({"proposal": "no_such_model"}, papr_core.UnknownModel),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(pair, wanted, error):
    wanted = {"image": picture(), "proposal": pair[0], "backbone": pair[1], "curve": False, **wanted}
    with pytest.raises(error) as caught:
        compare(wanted.pop("image"), **wanted)
    assert isinstance(caught.value, PaprError)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)  # noqa: PT018


def test_a_method_that_does_not_fit_the_proposal_is_refused(pair):
    proposal = load_proposal("mobilenetv3_small_050", pretrained=False)
    with pytest.raises(UnsupportedModel, match="one linear layer"):
        compare(picture(), proposal=proposal, backbone=pair[1], methods=["cam"], curve=False)


def test_progress_may_stop_it_anywhere(pair):
    proposal, backbone = pair
    seen = []
    wanted = {"proposal": proposal, "backbone": backbone, "methods": ["score-cam"], "curve": False}
    compare(picture(), **wanted, progress=lambda *step: seen.append(step))
    assert {what for what, _, _ in seen} == {"Score-CAM", "Confidence"}
    assert all(0 <= done <= of for _, done, of in seen)
    for at in ("Score-CAM", "Confidence"):

        def stop(what, done, of, at=at):
            if what == at:
                raise Stopped

        with pytest.raises(Stopped):
            compare(picture(), **wanted, progress=stop)


def test_saving_writes_figure_maps_and_manifest(comparison, tmp_path):
    folder = comparison.save(tmp_path / "new" / "result")
    assert sorted(file.name for file in folder.iterdir()) == [
        "curve.png",
        "figure.png",
        "manifest.json",
        "maps.npz",
    ]
    assert [file.name for file in folder.parent.iterdir()] == ["result"]
    assert Image.open(folder / "figure.png").size[0] > 1000
    text = (folder / "manifest.json").read_text(encoding="utf-8")
    manifest = json.loads(text, parse_constant=pytest.fail)
    assert text == json.dumps(manifest, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
    assert manifest["numbers"] == json.loads(json.dumps(comparison.to_dict()))
    assert len(manifest["models"]["proposal"]["sha256"]) == 64
    assert set(manifest["versions"]) >= {"papr", "python", "torch", "timm"}
    assert manifest["settings"]["keep_ratio"] == 0.4
    assert manifest["curves"]["papr"]["patches"] == list(curve_counts(NUM_PATCHES))
    assert manifest["curves"]["random"]["patches"] == list(coarse_counts(NUM_PATCHES))
    maps = np.load(folder / "maps.npz")
    assert maps["papr"].shape == (1, 10, 10)
    assert maps["random"].shape == (5, 10, 10)
    assert maps["papr/kept"].tolist() == list(comparison.methods[0].indices)
    assert maps["crop"].shape == (160, 160, 3)
    (folder / "notes.txt").write_text("mine")
    comparison.save(folder)
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_failed_save_leaves_nothing(comparison, tmp_path, monkeypatch):
    def fails(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", fails)
    with pytest.raises(InvalidInput, match="cannot be written: No space left"):
        comparison.save(tmp_path / "result")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot be written"):
        comparison.save(tmp_path / "file")


def test_it_shows_itself_in_a_notebook(pair, comparison):
    proposal, backbone = pair
    shown = compare(picture(), proposal=proposal, backbone=backbone, methods=["papr"], target=1, curve=False)
    page = shown._repr_html_()
    assert "data:image/png;base64," in page
    assert "<img src=x" not in page, "a label is text"
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert comparison._repr_png_().startswith(b"\x89PNG")


def test_it_is_frozen(comparison):
    with pytest.raises(dataclasses.FrozenInstanceError):
        comparison.keep_ratio = 0.5


def test_the_verdict_names_who_keeps_and_who_loses(comparison):
    lost = dataclasses.replace(comparison.methods[0], kept_answer=False)
    kept = dataclasses.replace(comparison.methods[1], kept_answer=True)
    answer = "“thing 3”"
    three = dataclasses.replace(comparison, answer=ClassLabel(3, "thing 3, kind 3"))
    assert dataclasses.replace(three, methods=(lost,)).verdict == f"PaPr loses {answer}."
    assert dataclasses.replace(three, methods=(kept,)).verdict == f"CAM keeps {answer}."
    assert dataclasses.replace(three, methods=(kept, lost)).verdict == f"CAM keeps {answer}, PaPr loses it."


def test_sixteen_threads_share_one_pair(pair):
    proposal, backbone = pair
    jobs = [(seed, ratio) for seed in range(8) for ratio in (0.2, 0.55, 0.9)]

    def run(job):
        seed, ratio = job
        found = compare(
            picture(seed), proposal=proposal, backbone=backbone, keep_ratio=ratio, methods=QUICK, curve=False
        )
        return [(m.indices, m.kept_answer, round(m.confidence, 4)) for m in found.methods]

    expected = [run(job) for job in jobs]
    for one, alone in zip(at_once(run, jobs), expected):
        assert [row[:2] for row in one] == [row[:2] for row in alone]
        assert [row[2] for row in one] == pytest.approx([row[2] for row in alone], abs=2e-4)


def test_the_default_pair_agrees_on_a_lion():
    """The lion that ships with Gradio."""
    gradio = pytest.importorskip("gradio")
    from pathlib import Path

    lion = Path(gradio.__file__).parent / "media_assets" / "images" / "lion.jpg"
    found = compare(lion, methods=["papr", "cam", "reversed"], curve=False)
    assert found.target.index == 291
    papr, cam, reverse = found.methods
    assert papr.kept_answer and cam.kept_answer  # noqa: PT018
    assert papr.confidence > reverse.confidence + 0.3
    assert reverse.overlap_with_papr == 0


def test_page_and_library_say_who_keeps_the_answer_alike():
    """tests/js/verdict.test.js holds the page to the same sentences."""
    from papr_core.comparison.comparison import keepers

    cases = json.loads((Path(__file__).parent.parent / "data" / "verdicts.json").read_text(encoding="utf-8"))
    assert len(cases) == 10
    for case in cases:
        assert keepers("“lion”", case["kept"], case["lost"]) == case["says"]
