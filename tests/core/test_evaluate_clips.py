"""`evaluate` on clips against a plain loop over views: frame by frame, and with video networks."""

import functools
import json

import numpy as np
import pytest
import torch
from clip_maker import encode
from page_server import picture
from test_evaluate import WNIDS, numbers_of, save_model
from test_tubelets import small

from papr_core import (
    InvalidInput,
    ToMe,
    UnsupportedModel,
    load_backbone,
    load_proposal,
    prune_clip,
    read_clip,
)
from papr_core.comparison.video import find_pair
from papr_core.cost import backbone_gmacs, proposal_gmacs
from papr_core.evaluation.clip_trials import Views
from papr_core.evaluation.run import evaluate
from papr_core.models import weights
from papr_core.models.backbones.tubelets import TubeletBackbone
from papr_core.models.catalog import BACKBONES
from papr_core.pruning.reductions import asked
from papr_core.pruning.significance import patch_significance

KEEP = (0.6, 0.25)


def write_clips(folder, classes, lengths):
    """Two short clips a class, wide and tall, of pictures that change every third frame."""
    for c, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i, size in enumerate(((96, 64), (48, 72))):
            frames = [np.asarray(picture(10 * c + i + j // 3, size)) for j in range(lengths[i])]
            encode(folder / name / f"{i}.mp4", frames)
    return folder


@pytest.fixture(scope="module")
def frame_pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    save_model(folder, "small_vit", "test_vit", 48, img_size=48, patch_size=8)
    save_model(folder, "small_net", "test_resnet", 64)
    with weights.configured(weights_dir=folder):
        yield load_proposal("small_net"), load_backbone("small_vit")


@pytest.fixture(scope="module")
def video_pair():
    torch.manual_seed(0)
    proposal = load_proposal("x3d_xs", pretrained=False)
    return proposal, TubeletBackbone(small(), BACKBONES["videomae-small-finetuned-kinetics"])


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("clips") / "scenes", WNIDS[:2], (4, 6))


@pytest.fixture(scope="module")
def actions(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("clips") / "actions", ("air_drumming", "abseiling"), (9, 33))


def slow_crops(picture, backbone, place, places):
    """A frame's crop at a place along its longer side: resized to the input's size by its shorter side."""
    if 2 * place == places - 1:
        return backbone.fit(picture)
    width, height = picture.size
    side = min(width, height)
    left, top = (round((length - side) * place / (places - 1)) for length in (width, height))
    return backbone.fit(picture.crop((left, top, left + side, top + side)))


spent, looked_for = functools.cache(backbone_gmacs), functools.cache(proposal_gmacs)


def slow_answers(crops, proposal, backbone):
    """What a view says: the proposal's probabilities, and (method, ratio) -> (probabilities, GMACs)."""
    if backbone.family == "tubelets":
        seen, clip = proposal.view(crops), torch.cat([backbone.view(crop) for crop in crops])[None]
        features = proposal.features(seen)
        looked, frames = proposal.logits(features).softmax(-1)[0], 1
        scores = patch_significance(features.mean(dim=1), backbone.grid)
    else:
        views = [proposal.view(crop) for crop in crops]
        features = torch.cat([proposal.features(view) for view in views])
        looked, frames = proposal.logits(features).softmax(-1).mean(dim=0), len(crops)
        scores = torch.cat([patch_significance(one[None].mean(dim=1), backbone.grid) for one in features])
    each, scores = backbone.num_patches, scores.flatten()

    def answered(kept):
        if backbone.family == "tubelets":
            return backbone(clip, kept[None]).softmax(-1)[0], spent(backbone, len(kept) / each)
        rows, costs = [], []
        for i, crop in enumerate(crops):
            mine = kept[(kept >= i * each) & (kept < (i + 1) * each)] - i * each
            if len(mine):
                rows.append(backbone(backbone.view(crop), mine[None]).softmax(-1)[0])
                ratio = 1 if len(mine) == each else len(mine) / (each + backbone.num_prefix_tokens)
                costs.append(spent(backbone, ratio))
        return torch.stack(rows).mean(dim=0), sum(costs)

    found = {("full", 1.0): answered(torch.arange(len(scores)))}
    for ratio in KEEP:
        k = int(ratio * frames * (each + backbone.num_prefix_tokens) + 1e-6)
        order = sorted(range(len(scores)), key=lambda i: (-float(scores[i]), i))
        found["papr", ratio] = answered(torch.tensor(sorted(order[:k])))
    looking = frames * looked_for(proposal)
    charged = {"full": 0.0, "papr": looking}  # where nothing is pruned, no ConvNet looks
    return looked, {key: (answer, cost + charged[key[0]]) for key, (answer, cost) in found.items()}


@torch.no_grad()
def plain_loop(folder, proposal, backbone, places, times):
    """(method, ratio) -> a row a clip: top-1 .. top-10, confidence, answer kept, GMACs; and who was right."""
    noted, right = {}, []
    for path in sorted(folder.rglob("*.mp4")):
        frames = read_clip(path, range).frames
        count, views = len(frames), []
        for t in range(times):
            if backbone.family == "tubelets":
                start = round((count - 29) * t / (times - 1)) if count >= 29 else None
                wanted = (
                    range(start, start + 29, 4)
                    if start is not None
                    else [round(i * (count - 1) / 7) for i in range(8)]
                )
            else:
                wanted = range(t * count // times, (t + 1) * count // times)
            for place in range(places):
                crops = [slow_crops(frames[i], backbone, place, places) for i in wanted]
                views.append(slow_answers(crops, proposal, backbone))
        classes = [name.casefold() for name in backbone.labels.synsets or backbone.labels.names]
        truth = classes.index(path.parent.name.replace("_", " "))
        right.append(int(torch.stack([looked for looked, _ in views]).mean(dim=0).argmax()) == truth)
        full = int(torch.stack([found["full", 1.0][0] for _, found in views]).mean(dim=0).argmax())
        for key in views[0][1]:
            mean = torch.stack([found[key][0] for _, found in views]).mean(dim=0)
            order = sorted(range(len(mean)), key=lambda c: -float(mean[c]))
            noted.setdefault(key, []).append(
                [float(truth in order[:k]) for k in range(1, 11)]
                + [float(mean[truth]), float(order[0] == full)]
                + [sum(found[key][1] for _, found in views) / len(views)]
            )
    return {key: np.array(rows) for key, rows in noted.items()}, np.array(right)


@pytest.mark.parametrize("kind", ["frames", "tubelets"])
def test_agrees_with_a_plain_loop(kind, scenes, actions, request):
    folder, pair = (scenes, "frame_pair") if kind == "frames" else (actions, "video_pair")
    proposal, backbone = request.getfixturevalue(pair)
    result = evaluate(
        folder, proposal=proposal, backbone=backbone, keep=(1, *KEEP), methods=("papr",), views="3x2"
    )
    expected, right = plain_loop(folder, proposal, backbone, 3, 2)
    assert (result["kind"], result["views"]) == ("clips", "3x2")
    assert result["n"] == len(right) == 2 * len(list(folder.iterdir()))
    assert result["proposal_top1"] == pytest.approx(100 * right.mean())
    members = {"all": np.ones(len(right), bool), "proposal_right": right, "proposal_wrong": ~right}
    assert len(result["rows"]) == 3 * len([subset for subset in members if members[subset].any()])
    for row in result["rows"]:
        rows = expected[row["method"], row["keep"]][members[row["subset"]]].mean(axis=0)
        assert row["topk"] == pytest.approx(100 * rows[:10], abs=1e-3)
        assert row["confidence"] == pytest.approx(100 * rows[10], abs=1e-2)
        assert row["answers_kept"] == pytest.approx(100 * rows[11], abs=1e-3)
        assert row["gmacs"] == pytest.approx(rows[12], rel=1e-5)
        assert row["images_per_second"] > 0
    json.dumps(result, allow_nan=False)


def test_one_view_is_the_video_command_s(frame_pair, scenes):
    proposal, backbone = frame_pair
    result = evaluate(scenes, proposal=proposal, backbone=backbone, keep=(0.4,), methods=("papr", "cam"))
    assert result["views"] == "1x1"
    truth = {wnid: i for i, wnid in enumerate(WNIDS)}
    for row in result["rows"]:
        if row["subset"] != "all":
            continue
        confidences = []
        for path in sorted(scenes.rglob("*.mp4")):
            pruned = prune_clip(path, proposal=proposal, backbone=backbone, method=row["method"])
            confidences.append(100 * float(pruned.pruned[0, truth[path.parent.name]]))
        assert row["confidence"] == pytest.approx(np.mean(confidences), abs=1e-3)


def test_random_repeats_and_a_run_is_resumed(frame_pair, scenes, tmp_path):
    proposal, backbone = frame_pair
    how = {"proposal": proposal, "backbone": backbone, "keep": (0.4,), "methods": ("random",), "views": "1x2"}
    one = dict(numbers_of(evaluate(scenes, **how)))
    assert dict(numbers_of(evaluate(scenes, **how, resume=tmp_path))) == one
    (file,) = tmp_path.glob("*.jsonl")
    lines = file.read_text().splitlines(keepends=True)
    assert len(lines) == 1 + 4  # its task, and a clip a line
    file.write_text("".join(lines[:3]) + "[]\n7\nnot ours\n{}\n" + lines[3][:200])
    measured = []
    result = evaluate(scenes, **how, resume=tmp_path, progress=lambda done, of: measured.append(done))
    assert dict(numbers_of(result)) == one
    assert measured == [2, 3, 4]


def test_merging_goes_with_video_networks(video_pair, frame_pair, actions, scenes):
    proposal, backbone = video_pair
    how = {"keep": (1, 0.5), "reductions": [None, asked({"tome_r": 2})], "methods": ("papr",)}
    result = evaluate(actions, proposal=proposal, backbone=backbone, **how)
    costs = {(row["keep"], row["tome_r"]): row["gmacs"] for row in result["rows"] if row["subset"] == "all"}
    looked = proposal_gmacs(proposal)
    for (ratio, r), cost in costs.items():
        reduction = ToMe.as_published(r, ratio) if r else None
        alone = backbone_gmacs(backbone, ratio, reduction=reduction)
        assert cost == pytest.approx(alone + (looked if ratio < 1 else 0), rel=1e-6)
    with pytest.raises(InvalidInput, match="VideoMAE"):
        evaluate(scenes, proposal=frame_pair[0], backbone=frame_pair[1], **how)


@pytest.mark.parametrize("text", ["", "3", "0x5", "3x", "-1x2", "3x5x2", "99x99", "axb"])
def test_views_that_are_none_are_refused(text, scenes):
    with pytest.raises(InvalidInput, match="places x times"):
        Views.parse(text)


def test_what_does_not_go_with_clips_is_refused(frame_pair, video_pair, scenes, actions, tmp_path):
    proposal, backbone = frame_pair
    how = {"proposal": proposal, "backbone": backbone}
    for given, error, words in (
        ({"methods": ("score-cam",)}, InvalidInput, "not offered for clips"),
        ({"views": "3x1", "fit": "pad"}, InvalidInput, "cropped out of it"),
        ({"proposal": video_pair[0]}, UnsupportedModel, "choose two of a kind"),
    ):
        with pytest.raises(error, match=words):
            evaluate(scenes, **(how | given))
    with pytest.raises(UnsupportedModel, match="head is more than that"):
        evaluate(actions, proposal=video_pair[0], backbone=video_pair[1], methods=("cam",))
    (tmp_path / WNIDS[0]).mkdir()
    (tmp_path / WNIDS[0] / "cut.mp4").write_bytes((scenes / WNIDS[0] / "0.mp4").read_bytes()[:900])
    with pytest.raises(InvalidInput, match=r"cut\.mp4 in .*damaged or cut off"):
        evaluate(tmp_path, strict=True, **how)
    with pytest.raises(
        InvalidInput, match="None of the clips of .* can be read: The clip is damaged or cut off"
    ):
        evaluate(tmp_path, **how)
    (tmp_path / WNIDS[0] / "cut.mp4").rename(tmp_path / WNIDS[0] / "cut.txt")
    with pytest.raises(InvalidInput, match="holds no clips"):
        evaluate(tmp_path, **how, views="1x1")


def test_pairs_say_which_frames_they_see_at_each_time(frame_pair, video_pair):
    by_frame, by_tube = find_pair(*frame_pair), find_pair(*video_pair)
    assert by_frame.pick(300) == by_frame.picks(1)[0](300)
    thirds = [pick(300) for pick in by_frame.picks(3)]
    assert [(min(part) // 100, max(part) // 100, len(part)) for part in thirds] == [
        (i, i, 32) for i in range(3)
    ]
    assert [pick(2) for pick in by_frame.picks(5)] == [[0], [0], [0], [1], [1]]
    assert [pick(300)[0] for pick in by_tube.picks(5)] == [0, 68, 136, 203, 271]
