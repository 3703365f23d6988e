"""The Video page without a browser: questions about clips, step by step, against the library; caches."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import page_server
import pytest
from clip_maker import bad_clips, encode
from page_server import BACKBONE, OTHER, PROPOSAL


@pytest.fixture
def page(shared):
    """What the visitors of one page share: (shared, clips)."""
    from app import clips

    return shared, clips.Clips()


def film(path: Path, frames: int = 8, still: bool = False) -> Path:
    return encode(path, [np.asarray(page_server.picture(0 if still else i, (96, 80))) for i in range(frames)])


def run(page, **change):
    from app.parts.clip_run import ClipRun
    from app.parts.question import Question

    shared, clips = page
    asked = {
        "visitor": "v",
        "seq": 1,
        "proposal": PROPOSAL,
        "backbone": BACKBONE,
        "keep_ratio": 0.4,
        "methods": ["papr"],
        "target": None,
        "explain": "proposal",
    }
    return ClipRun(shared, clips, Question.read({**asked, **change}, shared))


def payloads(page, **change):
    from app.parts import clip_view

    asked = run(page, **change)
    return clip_view.payloads(asked, asked.steps())


def last(page, **change) -> dict:
    return list(payloads(page, **change))[-1]


@pytest.mark.parametrize(
    ("method", "explain", "target"),
    [("papr", "proposal", None), ("cam", "target", 4), ("random", "proposal", 2)],
)
def test_the_last_payload_says_what_the_library_says(page, tmp_path, method, explain, target):
    from papr_core import load_backbone, load_proposal, prune_clip

    path = film(tmp_path / "film.mp4")
    told = last(page, upload=str(path), methods=[method], explain=explain, target=target, keep_ratio=0.3)
    pair = {"proposal": load_proposal(PROPOSAL), "backbone": load_backbone(BACKBONE)}
    result = prune_clip(path, **pair, keep_ratio=0.3, method=method, explain=explain, target=target)
    expected = result.to_dict()
    assert told["answer"]["count"] == expected["kept"]
    assert told["patches"] == expected["patches"]
    assert sorted(told["method"]["order"][: expected["kept"]]) == result.kept.tolist()
    for name, key in (("confidence", "confidence"), ("low", "confidence_low"), ("high", "confidence_high")):
        assert told["answer"][name] == pytest.approx(expected["pruned"][key], abs=2e-6)
    assert told["answer"]["kept"] == expected["pruned"]["kept_answer"]
    assert told["full"]["confidence"] == pytest.approx(expected["full"]["confidence"], abs=2e-6)
    assert [p for _, p in told["full"]["top"]] == pytest.approx(
        [one["probability"] for one in expected["full"]["top"]], abs=2e-6
    )
    assert (told["full"]["gmacs"], told["answer"]["gmacs"]) == (
        expected["gmacs_full"],
        expected["gmacs_pruned"],
    )
    assert told["times"] == [frame["time"] for frame in expected["frames"]]
    assert (told["prefix"], told["grid"]) == (8 * pair["backbone"].num_prefix_tokens, [8, 10, 10])
    assert json.loads(json.dumps(told)) == told


def test_frames_then_masks_then_answers_then_the_clip(page, tmp_path):
    path = film(tmp_path / "film.mp4")
    seen = []
    for told in payloads(page, upload=str(path)):
        seen += [
            name
            for name in ("footage", "method", "full", "answer", "masked")
            if name in told and name not in seen
        ]
    assert seen == ["footage", "method", "full", "answer", "masked"]
    assert told["working"] is None
    frames = run(page, picture=told["clip"]["id"]).frames()
    assert frames["footage"] == told["footage"]
    assert len(frames["frames"]) == 8


def test_a_second_method_stands_beside_the_first_and_says_what_it_says_alone(page, tmp_path):
    path = film(tmp_path / "film.mp4")
    both = list(payloads(page, upload=str(path), methods=["papr", "reversed"]))
    told, picture = both[-1], both[-1]["clip"]["id"]
    assert told["working"] is None
    assert [one["working"] for one in both if one.get("masked")][0]  # the first is there before the second
    beside = told["beside"]
    for one, name in ((told, "papr"), (beside, "reversed")):
        alone = last(page, picture=picture, methods=[name])
        assert one["method"]["name"] == name
        assert one["method"]["order"] == alone["method"]["order"]
        assert one["answer"] == alone["answer"]
        assert one["masked"] == alone["masked"]
        frames = one["answer"]["frames"]
        assert len(frames) == 8
        assert all((full == kept) == same for full, kept, same in frames)
    known = " ".join(one["method"]["id"] for one in (told, beside))
    again = last(page, picture=picture, methods=["papr", "reversed"], has=known)
    assert again["method"]["order"] is again["beside"]["method"]["order"] is None


def test_the_masked_clip_is_dark_on_a_dark_page(page, tmp_path):
    import av

    path = film(tmp_path / "film.mp4")
    picture = last(page, upload=str(path))["clip"]["id"]
    for night, bright in ((False, True), (True, False)):
        told = last(page, picture=picture, night=night, keep_ratio=0.1)
        with av.open(io.BytesIO(base64.b64decode(told["masked"].split(",")[1]))) as container:
            shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
        kept = [p for p in told["method"]["order"][: told["answer"]["count"]] if p < 100]
        cells = shown.reshape(10, 32, 10, 32, 3)[:, 8:-8, :, 8:-8].mean(axis=(1, 3, 4)).flatten()
        dropped = np.delete(cells, kept)
        assert (dropped > 190).all() if bright else (dropped < 90).all()


def test_both_clips_are_written_as_browsers_play_them(page, tmp_path):
    import av

    told = last(page, upload=str(film(tmp_path / "film.mp4")), look="black")
    original = run(page, picture=told["clip"]["id"], kind="original").frames()["clip"]
    for address in (told["masked"], original):
        head, body = address.split(",")
        assert head == "data:video/mp4;base64"
        with av.open(io.BytesIO(base64.b64decode(body))) as container:
            context = container.streams.video[0].codec_context
            assert (context.name, context.profile, context.pix_fmt) == ("h264", "High", "yuv420p")
            assert container.streams.video[0].frames == 8
    with av.open(io.BytesIO(base64.b64decode(told["masked"].split(",")[1]))) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
    kept = {p for p in told["method"]["order"][: told["answer"]["count"]] if p < 100}
    cells = shown.reshape(10, 32, 10, 32, 3)[:, 8:-8, :, 8:-8].mean(axis=(1, 3, 4)).flatten()
    assert all(value < 12 for patch, value in enumerate(cells) if patch not in kept)
    assert np.mean([cells[patch] for patch in kept]) > 40


def test_another_ratio_runs_neither_the_convnet_nor_the_plain_model(page, tmp_path, monkeypatch):
    from papr_core.comparison import video

    told = last(page, upload=str(film(tmp_path / "film.mp4")))
    for name in ("open_footage", "footage_map", "full_answer"):
        monkeypatch.setattr(video, name, lambda *_, **__: pytest.fail("what is there ran again"))
    again = last(page, picture=told["clip"]["id"], keep_ratio=0.2, has=told["method"]["id"])
    assert again["answer"]["count"] < told["answer"]["count"]
    assert again["method"]["order"] is again["method"]["map"] is None  # the browser has them
    assert again["method"]["id"] == told["method"]["id"]
    monkeypatch.setattr(video, "pruned", lambda *_, **__: pytest.fail("what is there ran again"))
    assert last(page, picture=told["clip"]["id"], keep_ratio=0.2)["answer"] == again["answer"]


def test_a_still_clip_says_that_nothing_moves(page, tmp_path):
    from papr_core.comparison.video import STILL

    assert last(page, upload=str(film(tmp_path / "still.mp4", still=True)))["notes"] == [STILL]
    assert STILL not in last(page, upload=str(film(tmp_path / "film.mp4")))["notes"]


def test_each_bad_clip_gets_one_sentence_in_its_place(page, tmp_path):
    from app.session import explain_error
    from papr_core import PaprError

    for case, (path, words) in bad_clips(tmp_path).items():
        with pytest.raises(PaprError, match=words) as caught:
            last(page, upload=str(path))
        said = explain_error(caught.value)
        assert said["where"] == "clip", case
        assert str(tmp_path) not in said["text"]


@pytest.mark.parametrize(
    ("change", "where", "words"),
    [
        ({"methods": ["score-cam"]}, "method", "not offered for clips"),
        ({"methods": []}, "method", "no method"),
        ({"target": 99}, "target", "99"),
        (
            {"backbone": "videomae-base-finetuned-kinetics", "proposal": "x3d_s"},
            "models",
            "downloads are off|not on this",
        ),
        ({"proposal": "slow_r101"}, "models", "two of a kind"),  # before it is looked for
        (
            {"proposal": "slow_r101", "backbone": "videomae-base-finetuned-kinetics"},
            "models",
            "Nobody has published",
        ),
        ({"backbone": "vit_giant_patch14_224"}, "models", "only the models of the list"),
        ({"look": "sparkling"}, "look", "sparkling"),
        ({"picture": "0" * 64, "upload": None}, "clip", "deleted here"),
        ({"picture": None, "upload": None}, "clip", "Choose a clip"),
        ({"upload": "/etc/passwd"}, "clip", "no longer there"),
    ],
)
def test_bad_questions_get_a_sentence_in_their_place(page, tmp_path, change, where, words):
    from app.session import explain_error
    from papr_core import PaprError

    with pytest.raises(PaprError, match=words) as caught:
        last(page, **{"upload": str(film(tmp_path / "film.mp4")), **change})
    assert explain_error(caught.value)["where"] == where


def test_a_newer_question_stops_the_older_one(page, tmp_path):
    from papr_core import Stopped

    steps = run(page, upload=str(film(tmp_path / "film.mp4"))).steps()
    next(steps)
    page[0].newest("v", 2)
    with pytest.raises(Stopped):
        list(steps)


def test_a_clip_is_found_by_its_content_alone_and_gone_with_its_file(page, tmp_path):
    from papr_core import InvalidInput

    path = film(tmp_path / "mine.mp4")
    told = last(page, upload=str(path), name="mine")
    assert last(page, picture=told["clip"]["id"], name="yours")["clip"]["name"] == "yours"
    path.unlink()
    with pytest.raises(InvalidInput, match="deleted here"):
        last(page, picture=told["clip"]["id"])


def test_what_is_kept_of_clips_is_bounded(page, tmp_path):
    _, clips = page
    clips.cache.max_bytes = 3_000_000
    for i in range(3):
        path = encode(
            tmp_path / f"{i}.mp4", [np.asarray(page_server.picture(i + j, (96, 80))) for j in range(4)]
        )
        last(page, upload=str(path))
    assert clips.cache.bytes <= 3_000_000


def test_the_methods_of_the_page_are_those_of_clips():
    from app.pages import video
    from papr_core.comparison.video import VIDEO_METHODS

    assert video.METHODS == VIDEO_METHODS


def test_a_direct_call_downloads_nothing(page):
    from dataclasses import replace

    from app.parts.live import live
    from papr_core import InvalidInput

    page[0].settings = replace(page[0].settings, downloads=True)
    frame, stream = page_server.picture(5, (160, 160)), io.BytesIO()
    frame.save(stream, "PNG")
    frame = base64.b64encode(stream.getvalue()).decode()
    for pair in (
        {"proposal": PROPOSAL, "backbone": "vit_base_patch16_224.augreg_in21k_ft_in1k"},
        {"proposal": "x3d_s", "backbone": "videomae-base-finetuned-kinetics"},
    ):
        with pytest.raises(InvalidInput, match="has to be downloaded first: choose the clip again"):
            run(page, picture="moving-cup", **pair).frames()
        asked = {"seq": 1, "keep_ratio": 0.3, "methods": ["papr"], "explain": "proposal", "frame": frame}
        with pytest.raises(InvalidInput, match="has to be downloaded first: stop the camera"):
            live(page[0], json.dumps(asked | pair))


def test_live_masks_one_picture_as_compare_would(page):
    import torch

    from app.parts.live import live
    from app.session import explain_error
    from papr_core import InvalidInput, PaprError, compare, load_backbone, load_proposal

    picture = page_server.picture(5, (160, 160))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    asked = {
        "seq": 1,
        "proposal": PROPOSAL,
        "backbone": OTHER,
        "keep_ratio": 0.3,
        "methods": ["papr"],
        "explain": "proposal",
    }
    frame = base64.b64encode(stream.getvalue()).decode()
    told = live(page[0], json.dumps({**asked, "frame": frame}))
    pair = {"proposal": load_proposal(PROPOSAL), "backbone": load_backbone(OTHER)}
    (expected,) = compare(picture, **pair, keep_ratio=0.3, methods=("papr",)).methods
    assert sorted(told["order"][: told["kept"]]) == list(expected.indices)
    assert told["top"][0][1] == pytest.approx(expected.top[0][1], abs=1e-4)
    with torch.inference_mode():
        plain = pair["backbone"](pair["backbone"].view(pair["backbone"].fit(picture))).softmax(dim=-1)
    assert told["full"][0][1] == pytest.approx(float(plain.max()), abs=1e-4)
    for bad, where, words in (
        ({"frame": "no picture"}, "live", "did not arrive whole"),
        ({"frame": base64.b64encode(b"text").decode()}, "live", "not an image"),
        ({"frame": frame, "methods": ["score-cam"]}, "method", "not offered"),
        ({"frame": frame, "methods": []}, "method", "no method"),
    ):
        with pytest.raises(PaprError, match=words) as caught:
            live(page[0], json.dumps({**asked, **bad}))
        assert explain_error(caught.value)["where"] == where
    with pytest.raises(InvalidInput):
        live(page[0], "{")
