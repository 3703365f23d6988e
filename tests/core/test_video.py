"""Clips pruned by an image pair, frame by frame: against slow loops, and what the commands print."""

import json
import math

import numpy as np
import pytest
import torch
from clip_maker import bad_clips, encode
from conftest import ROOT
from page_server import BACKBONE, PROPOSAL, picture, write_pair
from PIL import Image

from papr_core import InvalidInput, Stopped, UnsupportedModel, prune_clip
from papr_core.commands.main import main
from papr_core.comparison.clip_pair import FramePair
from papr_core.comparison.video import (
    STILL,
    VIDEO_METHODS,
    check_pair,
    find_pair,
    footage_map,
    full_answer,
    masked_frames,
    open_footage,
    pruned,
)
from papr_core.cost import backbone_gmacs, proposal_gmacs
from papr_core.data.clips import Clip, ClipInfo
from papr_core.methods.table import METHODS, method_map
from papr_core.models import weights
from papr_core.models.embedded import DEFAULT_PROPOSAL
from papr_core.pruning.significance import patch_significance

FRAMES = 11


def clip_of(pictures) -> Clip:
    """Pictures as a clip, four a second."""
    pictures = tuple(pictures)
    width, height = pictures[0].size
    info = ClipInfo("none", width, height, len(pictures) / 4, len(pictures))
    return Clip(pictures, tuple(i / 4 for i in range(len(pictures))), info)


@pytest.fixture(scope="module")
def clip():
    """Noise that changes, then stands on a flat ground: frames that differ in what they show."""
    ground = [Image.new("RGB", (200, 180), (90 + 5 * i, 120, 110)) for i in range(FRAMES)]
    for i, frame in enumerate(ground):
        if i % 3:
            frame.paste(picture(i, (40 + 12 * i, 40 + 12 * i)), (10 * i % 60, 5))
    return clip_of(ground)


@pytest.fixture(scope="module")
def footage(pair, clip):
    return open_footage(clip, find_pair(*pair))


@pytest.fixture(scope="module")
def full(footage):
    return full_answer(footage)


def explained(footage, full):
    from papr_core.comparison.seen import find_explained, find_target

    pair = footage.pair
    aim = find_target(full.mean(dim=0), pair.backbone, None)
    return find_explained(footage.proposal_probabilities, pair.proposal, pair.backbone, aim, "proposal")


# Against a slow loop


@pytest.mark.parametrize("ratio", [0.02, 0.3, 0.7, 1.0])
def test_the_budget_is_spent_over_all_frames_together(ratio, pair, clip, footage, full):
    proposal, backbone = pair
    found = footage_map(footage, "papr", explained(footage, full))
    result = pruned(footage, found, full, ratio)

    crops = [backbone.fit(frame) for frame in clip.frames]
    maps, answers = [], []
    with torch.inference_mode():
        for crop in crops:
            maps.append(patch_significance(proposal.features(proposal.view(crop)), backbone.grid)[0])
        scores = torch.stack(maps).flatten()
        tokens = FRAMES * (backbone.num_patches + backbone.num_prefix_tokens)
        count = min(len(scores), max(1, math.floor(ratio * tokens + 1e-6)))
        best = sorted(range(len(scores)), key=lambda i: (-float(scores[i]), i))[:count]
        for i, crop in enumerate(crops):
            mine = sorted(
                patch - i * backbone.num_patches for patch in best if patch // backbone.num_patches == i
            )
            assert result.each_frame()[i] == mine
            if mine:
                logits = backbone(backbone.view(crop), torch.tensor([mine]))
                answers.append(logits.softmax(dim=-1)[0])
    assert len(result.kept) == count == sum(map(len, result.each_frame()))
    torch.testing.assert_close(result.pruned[0], torch.stack(answers).mean(dim=0), atol=1e-5, rtol=1e-4)
    if ratio == 0.02:
        assert len(answers) < FRAMES  # frames that keep nothing are not run
    if ratio < 1:
        assert len({len(patches) for patches in result.each_frame()}) > 1


def test_ratio_one_is_the_full_model(footage, full, clip, pair):
    result = pruned(footage, footage_map(footage, "papr", explained(footage, full)), full, 1.0)
    assert torch.equal(result.pruned[0], result.full)
    assert result.kept_answer
    backbone = pair[1]
    with torch.inference_mode():
        plain = [backbone(backbone.view(backbone.fit(frame))).softmax(dim=-1)[0] for frame in clip.frames]
    torch.testing.assert_close(result.full, torch.stack(plain).mean(dim=0), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("method", ["papr", "cam", "grad-cam", "reversed"])
def test_each_frame_gets_the_map_it_has_as_a_picture(method, pair, clip, footage, full):
    proposal, backbone = pair
    explain = explained(footage, full)
    found = footage_map(footage, method, explain)
    assert found.significance.shape == (1, FRAMES, *backbone.grid)
    assert (found.explain is None) == (not METHODS[method].uses_class)
    for i in (0, 4, 10):
        seen = proposal.view(backbone.fit(clip.frames[i]))
        with torch.inference_mode():
            features = proposal.features(seen).clone()
        alone = method_map(method, proposal, seen, features, class_index=explain.index, grid=backbone.grid)
        alone = patch_significance(alone[:, 0], backbone.grid)[0]
        torch.testing.assert_close(found.significance[0, i], alone, atol=1e-5, rtol=1e-4)


def test_random_is_fair_to_frames_nests_and_repeats(footage, full):
    explain = explained(footage, full)
    found = footage_map(footage, "random", explain)
    assert len(found.significance) == 5
    again = footage_map(footage, "random", explain)
    assert torch.equal(found.significance, again.significance)
    assert not torch.equal(found.significance, footage_map(footage, "random", explain, seed=1).significance)
    few, many = found.kept(200), found.kept(400)
    for draw in range(5):
        assert set(few[draw].tolist()) <= set(many[draw].tolist())
        counts = [len(patches) for patches in footage.pair.each_frame(many[draw], FRAMES)]
        assert 20 < min(counts) <= max(counts) < 53  # about 36 of 100 each
    result = pruned(footage, found, full, 0.3)
    told = result.to_dict()["pruned"]
    assert told["confidence_low"] < told["confidence"] < told["confidence_high"]
    assert len(result.pruned) == 5


def test_centre_is_the_middle_of_each_frame(footage, full):
    found = footage_map(footage, "center", explained(footage, full))
    result = pruned(footage, found, full, 0.3)
    counts = [frame["kept"] for frame in result.to_dict()["frames"]]
    assert max(counts) - min(counts) <= 8  # as many patches as lie equally far from the middle
    for kept in result.each_frame():
        assert {44, 45, 54, 55} <= set(kept)
        assert not {0, 9, 90, 99} & set(kept)


def test_reversed_keeps_what_papr_drops_first(footage, full):
    explain = explained(footage, full)
    best = footage_map(footage, "papr", explain).kept(300)[0].tolist()
    worst = footage_map(footage, "reversed", explain).kept(footage.num_patches - 300)[0].tolist()
    assert sorted(best + worst) == list(range(footage.num_patches))


def test_scaled_features_keep_the_same_patches_and_equal_ones_the_first(footage, full):
    from dataclasses import replace

    explain = explained(footage, full)
    kept = footage_map(footage, "papr", explain).kept(333)
    for factor in (1e-3, 7.0):
        scaled = replace(footage, features=footage.features * factor)
        assert torch.equal(footage_map(scaled, "papr", explain).kept(333), kept)
    flat = replace(footage, features=torch.ones_like(footage.features))
    found = footage_map(flat, "papr", explain)
    assert found.constant
    assert found.kept(5)[0].tolist() == [0, 1, 2, 3, 4]
    assert any("constant" in note for note in pruned(flat, found, full, 0.01).notes)


def test_all_methods_of_clips_and_no_other(footage, full, pair):
    explain = explained(footage, full)
    for method in VIDEO_METHODS:
        assert footage_map(footage, method, explain).name == method
    with pytest.raises(InvalidInput, match="Score-CAM is not offered for clips"):
        footage_map(footage, "score-cam", explain)
    with pytest.raises(InvalidInput, match="no method 'magic'"):
        prune_clip(footage.clip, method="magic")


# Costs, clips and notes


def test_costs_are_those_of_the_frames_run(footage, full, pair):
    proposal, backbone = pair
    for ratio in (0.02, 0.4):
        result = pruned(footage, footage_map(footage, "papr", explained(footage, full)), full, ratio)
        tokens = backbone.num_patches + backbone.num_prefix_tokens
        once = {
            count: backbone_gmacs(backbone, 1 if count == backbone.num_patches else count / tokens)
            for count in {len(patches) for patches in result.each_frame()} - {0}
        }
        expected = sum(once[len(patches)] for patches in result.each_frame() if patches)
        expected += FRAMES * proposal_gmacs(proposal)
        assert result.gmacs_pruned == pytest.approx(expected, rel=1e-9)
        assert result.gmacs_full == pytest.approx(FRAMES * backbone_gmacs(backbone), rel=1e-9)
    random = pruned(footage, footage_map(footage, "random", explained(footage, full)), full, 0.4)
    assert random.gmacs_pruned < result.gmacs_pruned  # it needs no ConvNet


def test_a_still_clip_is_told(pair):
    still = clip_of([picture(1)] * 4)
    result = prune_clip(still, proposal=pair[0], backbone=pair[1])
    assert result.notes == (STILL,)
    counts = [frame["kept"] for frame in result.to_dict()["frames"]]
    assert max(counts) - min(counts) <= 4  # ties go to the first frames
    moving = prune_clip(clip_of(map(picture, range(4))), proposal=pair[0], backbone=pair[1])
    assert moving.notes == ()


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_stillness_is_seen_through_compression_and_noise_and_a_small_thing_moves(codec, tmp_path):
    from app.moving import moving_clip
    from papr_core.comparison.footage import _still
    from papr_core.data.clips import read_clip

    def still(frames) -> bool:
        clip = read_clip(encode(tmp_path / "clip.mp4", [np.asarray(f) for f in frames], codec=codec))
        return _still([frame.resize((112, 112)) for frame in clip.frames])

    scene = np.asarray(Image.open(ROOT / "assets" / "examples" / "coffee.jpg"))
    assert still([scene] * 12)
    noise = [np.random.default_rng(i).normal(0, 6, scene.shape) for i in range(12)]
    assert still([np.clip(scene + one, 0, 255).astype(np.uint8) for one in noise])
    assert not still(moving_clip(picture(3), frames=12, side=320, size=0.08, beside=None).frames)


def test_the_shown_frames_have_the_grid_of_the_crops(footage, full):
    result = pruned(footage, footage_map(footage, "papr", explained(footage, full)), full, 0.3)
    assert footage.shown[0].size == (320, 320)  # twice 160
    for frame, masked, kept in zip(footage.shown, masked_frames(result, "black"), result.each_frame()):
        blocks = masked.reshape(10, 32, 10, 32, 3).transpose(0, 2, 1, 3, 4).reshape(100, 32, 32, 3)
        plain = np.asarray(frame).reshape(10, 32, 10, 32, 3).transpose(0, 2, 1, 3, 4).reshape(100, 32, 32, 3)
        for patch in range(100):
            assert np.array_equal(blocks[patch], plain[patch] if patch in kept else 0 * plain[patch])


def test_each_frame_says_what_its_kept_patches_say_alone(footage, full):
    result = pruned(footage, footage_map(footage, "papr", explained(footage, full)), full, 0.05)
    said, told = result.said_in_frames(), result.to_dict()["frames"]
    backbone, rows = footage.pair.backbone, []
    for image, patches, (plain, kept), frame, row in zip(
        footage.backbone_images, result.each_frame(), said, told, full, strict=True
    ):
        assert plain == int(row.argmax())
        assert frame["kept_answer"] == (plain == kept)
        if patches:
            with torch.inference_mode():
                rows.append(backbone(image[None], torch.tensor([patches]))[0].softmax(dim=0))
            assert kept == int(rows[-1].argmax())
        else:
            assert kept is None
    torch.testing.assert_close(result.pruned[0], torch.stack(rows).mean(dim=0))


def test_a_saved_clip_is_complete_and_plays_as_fast(footage, full, tmp_path):
    from papr_core import read_clip

    result = pruned(footage, footage_map(footage, "papr", explained(footage, full)), full, 0.3)
    folder = result.save(tmp_path / "saved")
    assert sorted(path.name for path in folder.iterdir()) == [
        "figure.png",
        "masked.mp4",
        "original.mp4",
        "video.json",
    ]
    assert list(tmp_path.iterdir()) == [folder]
    assert json.loads((folder / "video.json").read_text()) == json.loads(json.dumps(result.to_dict()))
    for name in ("original.mp4", "masked.mp4"):
        written = read_clip(folder / name)
        assert len(written) == FRAMES
        assert written.times == pytest.approx(footage.clip.times, abs=0.01)
    assert Image.open(folder / "figure.png").width > 1500


# Order, stop, models that do not fit


def test_progress_is_told_and_stop_ends_it(clip, pair):
    told = []
    prune_clip(clip, proposal=pair[0], backbone=pair[1], progress=lambda *step: told.append(step))
    assert {what for what, _, _ in told} == {"ConvNet", "Full model", "Pruned model"}

    def stop(what, done, of):
        if what == "Full model":
            raise Stopped

    with pytest.raises(Stopped):
        prune_clip(clip, proposal=pair[0], backbone=pair[1], progress=stop)


def test_backbones_without_tokens_or_classes_are_refused(pair):
    from types import SimpleNamespace

    with pytest.raises(UnsupportedModel, match="choose a ViT"):
        FramePair(pair[0], SimpleNamespace(family="pixels", name="convnext", headless=False))
    with pytest.raises(UnsupportedModel, match="no classifier"):
        FramePair(pair[0], SimpleNamespace(family="tokens", name="dino", headless=True))
    with pytest.raises(UnsupportedModel, match="no classifier"):  # by its name, before it is loaded
        check_pair(DEFAULT_PROPOSAL, "vit_small_patch14_reg4_dinov2.lvd142m")


@pytest.mark.parametrize("ratio", [0, 1.1, -1, float("nan")])
def test_a_ratio_that_is_none_is_refused_before_the_clip_is_read(ratio, pair):
    with pytest.raises(InvalidInput, match="keep ratio"):
        prune_clip("missing.mp4", proposal=pair[0], backbone=pair[1], keep_ratio=ratio)


# The commands


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_pair(tmp_path_factory.mktemp("video"))
    encode(folder / "clip.mp4", [np.asarray(picture(i // 2, (96, 80))) for i in range(12)])
    return folder


@pytest.fixture
def papr(folder, capsys):
    def run(*words):
        names = ("--weights-dir", folder, "--proposal", PROPOSAL, "--backbone", BACKBONE)
        code = main([str(word) for word in (*words, *names)])
        out = capsys.readouterr()
        assert "Traceback" not in out.out + out.err
        return code, out.out, out.err

    with weights.configured():
        yield run


def test_the_command_prints_the_library_s_numbers(papr, folder, tmp_path):
    code, out, err = papr("video", folder / "clip.mp4", "--keep", "0.3", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    with weights.configured(weights_dir=folder):
        found = prune_clip(
            folder / "clip.mp4", proposal=PROPOSAL, backbone=BACKBONE, keep_ratio=0.3
        ).to_dict()
    for changing in (told, found):
        changing.pop("seconds")
    assert told == found
    assert {"frames", "full", "pruned", "patches", "kept", "gmacs_full", "gmacs_pruned"} <= told.keys()
    assert sum(frame["kept"] for frame in told["frames"]) == told["kept"]

    code, out, _ = papr("video", folder / "clip.mp4", "--method", "random", "--out", tmp_path / "out")
    assert code == 0
    assert "H.264, 96 x 80" in out
    assert "Random keeps" in out
    assert (tmp_path / "out" / "masked.mp4").exists()


def test_each_bad_clip_gets_a_sentence_and_the_others_go_on(papr, folder, tmp_path):
    cases = {**bad_clips(tmp_path), "missing": (tmp_path / "missing.mp4", "no file")}
    paths = [path for path, _ in cases.values()]
    code, out, err = papr("video", *paths, folder / "clip.mp4", "--json")
    assert code == 2
    assert json.loads(out)["clip"].endswith("clip.mp4")
    said = err.splitlines()
    assert len(said) == len(cases)
    for sentence, (path, words) in zip(said, cases.values()):
        assert sentence.startswith("papr: ")
        assert f"{path.name}: " in sentence
        assert words in sentence
    code, out, err = papr("video", paths[0])
    assert (code, out) == (2, "")
    assert err.startswith("papr: ")
    assert err.count("\n") == 1


def test_wrong_words_are_refused(papr, folder):
    for words, said in (
        (("--keep", "0"), "keep ratio"),
        (("--method", "score-cam"), "not offered for clips"),
        (("--method", "magic"), "no method"),
        (("--target", "nothing like it"), "no class"),
    ):
        code, _, err = papr("video", folder / "clip.mp4", *words)
        assert code == 2
        assert said in err


def test_the_figure_command(papr, folder, tmp_path):
    out = tmp_path / "figure.png"
    code, said, _ = papr("figure", "video", folder / "clip.mp4", "--out", out)
    assert code == 0
    assert str(out.name) in said
    assert out.stat().st_size > 3000
