"""The main job in steps: both plain answers, which class is meant, the answer to each kept set."""

import dataclasses
import math
import time

import pytest
import torch
from page_server import NAMES, picture

from papr_core import compare, load_backbone, load_proposal
from papr_core.comparison.maps import coarse_counts, curve_counts
from papr_core.comparison.results import method_result
from papr_core.comparison.saving import measured_speedup
from papr_core.comparison.scene import answers, open_scene, scene_map, scene_notes
from papr_core.comparison.seen import ClassLabel, explain_refusal
from papr_core.errors import InvalidInput, Stopped, UnknownClass
from papr_core.methods.table import METHODS
from papr_core.models.labels import Labels

NUM_PATCHES = 100


@pytest.fixture(scope="module")
def scene(pair):
    return open_scene(picture(), *pair)


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
    assert open_scene(picture(), proposal, backbone, target=5).proposal_confidence is None


@pytest.mark.parametrize("name", ["papr", "cam", "grad-cam", "random", "center", "reversed"])
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


@pytest.fixture(scope="module", params=["convnext_atto", "swin_tiny_patch4_window7_224"])
def by_stage(request):
    backbone = load_backbone(request.param, pretrained=False)
    return open_scene(picture(), load_proposal("test_resnet", pretrained=False), backbone)


def test_a_hierarchical_backbone_is_asked_stage_by_stage(by_stage):
    scene, backbone = by_stage, by_stage.backbone
    maps = [scene_map(scene, name) for name in ("papr", "random", "center")]
    count = backbone.num_kept(0.65)
    found = dict(answers(scene, maps, [count, scene.num_patches], keep_ratio=0.65))
    with torch.inference_mode():
        kept = backbone.select(maps[0].coarse, 0.65)
        truth = backbone(scene.backbone_images, kept).softmax(-1)[0]
    torch.testing.assert_close(found["papr", 0, count], truth, rtol=1e-3, atol=1e-5)
    assert torch.equal(found["center", 0, scene.num_patches], scene.full_probabilities)
    assert len({key for key in found if key[0] == "random"}) == 10
    notes = scene_notes(scene, maps)
    assert any("stage 3, 14 x 14" in note for note in notes)


def test_without_a_classifier_the_number_is_a_cosine():
    backbone = load_backbone("vit_small_patch16_dinov3", pretrained=False, img_size=96)
    proposal = load_proposal("test_resnet", pretrained=False)
    models = {"proposal": proposal, "backbone": backbone}
    found = compare(picture(), **models, methods=("papr", "random"), keep_ratio=0.5, curve=True)
    assert (found.measure, found.target, found.answer, found.full_top) == ("cosine", None, None, ())
    said = found.to_dict()
    assert said["target"] is None
    for method in found.methods:
        assert method.kept_answer is None
        assert method.fewest_patches is None
        assert method.top == ()
        assert -1 <= method.confidence < 1
        assert method.curve.confidence[0][-1] == 1
    assert found.verdict.startswith("Cosine to the unpruned embedding: PaPr ")
    scene = open_scene(found.crop, proposal, backbone)
    one = scene_map(scene, "papr")
    with torch.inference_mode():
        pruned = backbone(scene.backbone_images, backbone.select(one.coarse, 0.5))[0]
        full = backbone(scene.backbone_images)[0]
    cosine = float(torch.nn.functional.cosine_similarity(pruned, full, dim=0))
    assert found.methods[0].confidence == pytest.approx(cosine, abs=1e-4)
    assert found.figure() is not None
    assert found.curve_figure() is not None
    found.manifest()
    for wrong in ({"target": 3}, {"explain": "target"}):
        with pytest.raises(InvalidInput, match="no classifier"):
            compare(picture(), **models, methods=("papr",), curve=False, **wrong)


def test_what_else_the_machine_does_is_not_in_the_speed_up(scene):
    class Disturbed(Spy):
        def forward(self, images, kept=None):
            answer = super().forward(images, kept)
            pruned = sum(kept is not None for _, kept in self.calls)
            time.sleep(0.03 if kept is None else 0.1 * (pruned % 3 > 0))  # two of three pruned passes
            return answer

    disturbed = Disturbed(scene.backbone)
    assert measured_speedup(dataclasses.replace(scene, backbone=disturbed), 0.4, seconds=60) > 1
    assert [kept for _, kept in disturbed.calls] == [None, (1, 40)] * 10  # one round goes before
