"""The main job: each number against its definition, batching, stopping, saving, threads."""

import dataclasses
import json
import math
import statistics
import threading

import numpy as np
import pytest
import torch
from page_server import BACKBONE, NAMES, PROPOSAL, write_pair
from PIL import Image

import papr_core
from papr_core import compare as compare_module
from papr_core import load_backbone, load_proposal, weights
from papr_core.compare import (
    ClassLabel,
    Curve,
    answers,
    coarse_counts,
    compare,
    curve_counts,
    explain_refusal,
    method_result,
    open_scene,
    scene_map,
    top_classes,
)
from papr_core.errors import InvalidInput, PaprError, Stopped, UnknownClass, UnreadableImage, UnsupportedModel
from papr_core.labels import Labels
from papr_core.methods import METHODS
from papr_core.selection import num_kept

NUM_PATCHES = 100
QUICK = ("papr", "cam", "grad-cam", "random", "center", "reversed")
METHOD_KEYS = {
    "name", "kept", "patches", "indices", "confidence", "confidence_low", "confidence_high", "top",
    "kept_answer", "seconds", "overlap_with_papr", "fewest_patches",
}  # fmt: skip


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = write_pair(tmp_path_factory.mktemp("pair"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights._settings, "weights_dir", folder)
        yield load_proposal(PROPOSAL), load_backbone(BACKBONE)


def picture(seed=0, size=(200, 180)):
    noise = np.random.default_rng(seed).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def scene(pair):
    return open_scene(picture(), *pair)


@pytest.fixture(scope="module")
def comparison(pair):
    proposal, backbone = pair
    return compare(
        picture(), proposal=proposal, backbone=backbone, methods=[*QUICK, "by-hand"], patches=[7, 3, 3]
    )


class Spy(torch.nn.Module):
    """A backbone that notes each call."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone, self.calls = backbone, []

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("backbone"), name)

    def forward(self, images, kept=None):
        self.calls.append((len(images), None if kept is None else tuple(kept.shape)))
        return self.backbone(images, kept)


def test_the_scene_holds_both_plain_answers(pair, scene):
    proposal, backbone = pair
    assert scene.crop.size == (160, 160)
    with torch.no_grad():
        expected = backbone.model(backbone.view(backbone.fit(picture())))[0].softmax(-1)
        assert torch.allclose(scene.full_probabilities, expected, atol=1e-6)
        logits = proposal.model(proposal.view(scene.crop))[0]
        assert torch.allclose(scene.proposal_probabilities, logits.softmax(-1), atol=1e-6)
    assert scene.target == scene.answer == ClassLabel(int(expected.argmax()), NAMES[int(expected.argmax())])
    assert (scene.explain.mode, scene.explain.index) == ("proposal", int(logits.argmax()))
    assert not scene.flat


@pytest.mark.parametrize(
    ("target", "explain", "expected"),
    [
        (5, "proposal", (5, "proposal", None)),
        ("thing 6", "target", (6, "target", 6)),
        ("kind 6", 3, (6, "class", 3)),
        (None, "thing 9, kind 9", (None, "class", 9)),
    ],
)
def test_target_and_explain_are_two_things(pair, scene, target, explain, expected):
    other = open_scene(picture(), *pair, target=target, explain=explain)
    aim, mode, explained = expected
    assert other.target.index == (scene.answer.index if aim is None else aim)
    own = int(scene.proposal_probabilities.argmax())
    assert (other.explain.mode, other.explain.index) == (mode, own if explained is None else explained)
    again = scene.with_classes(target=target, explain=explain)
    assert (again.target, again.explain) == (other.target, other.explain)
    assert again.features is scene.features, "nothing runs again"


@pytest.mark.parametrize(
    "wanted", [{"target": "a unicorn"}, {"target": 12}, {"explain": "a unicorn"}, {"explain": -1}]
)
def test_an_unknown_class_is_refused(pair, wanted):
    with pytest.raises(UnknownClass):
        open_scene(picture(), *pair, **wanted)


def test_explaining_the_target_is_refused_where_the_labels_do_not_match(pair, monkeypatch):
    proposal, backbone = pair
    assert explain_refusal(proposal, backbone, 4) is None
    names = [f"other {i}" for i in range(len(NAMES))]
    names[2] = NAMES[4]
    monkeypatch.setattr(proposal, "labels", Labels("others", tuple(names)))
    assert open_scene(picture(), proposal, backbone, target=4, explain="target").explain.index == 2
    with pytest.raises(InvalidInput, match="knows no class that matches 'thing 5, kind 5'"):
        open_scene(picture(), proposal, backbone, target=5, explain="target")
    assert "own answer" in explain_refusal(proposal, backbone, 5)
    found = compare(picture(), proposal=proposal, backbone=backbone, methods=["papr"], target=5, curve=False)
    assert found.proposal_confidence is None


@pytest.mark.parametrize("name", QUICK)
def test_answers_are_those_of_each_kept_set_alone(pair, scene, name):
    _, backbone = pair
    one = scene_map(scene, name)
    counts = (1, 7, 40, 99, 100)
    found = dict(answers(scene, [one], counts))
    assert set(found) == {(name, draw, k) for draw in range(METHODS[name].draws) for k in counts}
    for (_, draw, k), probabilities in found.items():
        kept = backbone.select_count(one.coarse[draw : draw + 1], k)
        with torch.no_grad():
            alone = backbone(scene.backbone_images, kept)[0].softmax(-1)
        assert torch.allclose(probabilities, alone, atol=1e-5)
        assert probabilities.device.type == "cpu" and not probabilities.is_inference()  # noqa: PT018


def test_one_batch_a_count_equal_sets_once_and_all_patches_never(pair, scene):
    spy = Spy(pair[1])
    watched = dataclasses.replace(scene, backbone=spy)
    maps = [scene_map(scene, name) for name in ("papr", "random", "reversed")]
    twin = dataclasses.replace(maps[0], name="cam")
    found = dict(answers(watched, [*maps, twin], (30, 60, 30, NUM_PATCHES)))
    assert spy.calls == [(1, (1 + 5 + 1, 30)), (1, (1 + 5 + 1, 60))]
    assert len(found) == 3 * (1 + 5 + 1 + 1)
    for k in (30, 60):
        assert torch.equal(found["papr", 0, k], found["cam", 0, k])
    assert all(torch.equal(found[key], scene.full_probabilities) for key in found if key[2] == NUM_PATCHES)


def test_by_hand_is_a_point_at_its_own_count(scene):
    one = scene_map(scene, "by-hand", patches=[9, 4, 50])
    papr = scene_map(scene, "papr")
    found = dict(answers(scene, [one, papr], [40]))
    assert set(found) == {("by-hand", 0, 3), ("papr", 0, 40)}
    result = method_result(scene, one, found, 40, papr=papr, curve=curve_counts(NUM_PATCHES))
    assert (result.kept, result.indices, result.fewest_patches, result.curve) == (3, (4, 9, 50), None, None)
    assert dict(answers(scene, [one], [])).keys() == {("by-hand", 0, 3)}
    assert set(dict(answers(scene, [one, papr], [3]))) == {("by-hand", 0, 3), ("papr", 0, 3)}


def test_a_stop_is_obeyed_before_the_next_batch(pair, scene):
    spy = Spy(pair[1])
    watched = dataclasses.replace(scene, backbone=spy)
    steps = iter([False, False, True])
    with pytest.raises(Stopped):
        dict(answers(watched, [scene_map(scene, "papr")], range(1, 50), stop=lambda: next(steps)))
    assert len(spy.calls) == 2


@pytest.mark.parametrize("num_patches", [1, 4, 49, 100, 196, 256, 1024])
def test_the_curve_stands_where_decision_18_says(num_patches):
    counts = curve_counts(num_patches)
    assert list(counts) == sorted({math.ceil(num_patches * i / 49) for i in range(1, 50)})
    assert counts[-1] == num_patches
    coarse = coarse_counts(num_patches)
    assert set(coarse) <= set(counts)
    assert coarse[-1] == num_patches
    assert coarse[0] == counts[0]
    assert len(coarse) <= 10


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
    images, counts = scene.backbone_images, curve_counts(NUM_PATCHES)

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
    for name in ("papr", "random"):
        draws = scene_map(scene, name).coarse
        with torch.no_grad():
            tops = [backbone(images, backbone.select_count(draws, k)).argmax(1) for k in counts]
        right = torch.stack(tops, dim=1) == answer  # (draws, counts)
        fewest = [min(counts[i] for i in range(len(counts)) if row[i:].all()) for row in right]
        assert by_name[name]["fewest_patches"] == statistics.median(fewest)
    assert by_name["papr"]["overlap_with_papr"] == 1
    assert by_name["random"]["confidence_low"] < by_name["random"]["confidence_high"]


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
    assert "patches are kept in the order of their index" in compare_module.scene_notes(constant, [one])[1]
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
    assert manifest["curves"]["random"]["patches"] == list(curve_counts(NUM_PATCHES))
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
    verdict = comparison.verdict
    for method in comparison.methods:
        assert method.title in verdict
    lost = dataclasses.replace(comparison.methods[0], kept_answer=False)
    kept = dataclasses.replace(comparison.methods[1], kept_answer=True)
    answer = "“thing 3”"
    three = dataclasses.replace(comparison, answer=ClassLabel(3, "thing 3, kind 3"))
    assert dataclasses.replace(three, methods=(lost,)).verdict == f"PaPr loses {answer}."
    assert dataclasses.replace(three, methods=(kept,)).verdict == f"CAM keeps {answer}."
    assert dataclasses.replace(three, methods=(kept, lost)).verdict == f"CAM keeps {answer}, PaPr loses it."


def test_the_module_is_its_own_function_whichever_way_it_is_reached(pair):
    import papr_core.compare as module

    assert papr_core.compare is module
    assert papr_core.compare.open_scene is open_scene
    proposal, backbone = pair
    found = papr_core.compare(picture(), proposal=proposal, backbone=backbone, methods=["papr"], curve=False)
    assert isinstance(found, papr_core.Comparison)


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
    found, errors, start = {}, [], threading.Barrier(16)

    def work(worker):
        try:
            start.wait()
            for i in range(worker, len(jobs), 16):
                found[i] = run(jobs[i])
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for i, one in enumerate(expected):
        assert [row[:2] for row in found[i]] == [row[:2] for row in one]
        assert [row[2] for row in found[i]] == pytest.approx([row[2] for row in one], abs=2e-4)


def test_the_real_pair_agrees_on_a_lion(real_weights, monkeypatch):
    """An off-the-shelf pair and the lion that ships with Gradio."""
    gradio = pytest.importorskip("gradio")
    from pathlib import Path

    from conftest import REAL_BACKBONE, REAL_PROPOSAL

    monkeypatch.setattr(weights._settings, "weights_dir", real_weights)
    lion = Path(gradio.__file__).parent / "media_assets" / "images" / "lion.jpg"
    found = compare(
        lion, proposal=REAL_PROPOSAL, backbone=REAL_BACKBONE, methods=["papr", "cam", "reversed"], curve=False
    )
    assert found.target.index == 291
    papr, cam, reverse = found.methods
    assert papr.kept_answer and cam.kept_answer  # noqa: PT018
    assert papr.confidence > reverse.confidence + 0.3
    assert reverse.overlap_with_papr == 0
