"""The examples are what they are said to be, computed again with the embedded pair; so are the clips."""

import functools
import json
import runpy

import numpy as np
import pytest
import torch
from conftest import ROOT
from test_moving import on_disc

from app.clips import FPS, encoded, example_clips, made
from app.parts.arrival import EXAMPLE
from app.session import EXAMPLES, examples
from papr_core import read_clip, read_image
from papr_core.comparison.video import load_pair, prune_clip
from papr_core.pruning.selection import DEFAULT_KEEP_RATIO, top_patches

RECIPE = runpy.run_path(str(ROOT / "recipes" / "examples.py"))
LISTED = RECIPE["read_list"]()
WANTED = {"differ", "all-keep", "papr-loses", "convnet-wrong", "small", "cluttered", "no-class"}


@pytest.fixture(scope="module")
def pair():
    return RECIPE["Pair"]()


@pytest.fixture(scope="module")
def facts(pair):
    """What is computed of the example of an id, once."""
    return functools.cache(lambda id: RECIPE["measured"](pair, read_image(examples()[id].path)))


@pytest.mark.parametrize("entry", LISTED, ids=lambda entry: entry["id"])
def test_an_example_is_of_the_kinds_that_it_claims(entry, pair, facts):
    found = facts(entry["id"])
    assert entry["kinds"] == RECIPE["kinds"](entry, found, pair)
    assert entry["keeps"] == found.keeps


def test_a_claim_that_does_not_hold_is_seen(pair, facts):
    """The recipe's rules can fail: the same picture with another box, name or word of a person."""
    by_id = {entry["id"]: entry for entry in LISTED}

    def kinds(id: str, **change) -> list[str]:
        return RECIPE["kinds"]({**by_id[id], **change}, facts(id), pair)

    assert "small" not in kinds(
        "ball", box=[0.0, 0.0, 0.3, 0.3]
    )  # without this corner the ball is still there
    assert "small" not in kinds("ball", box=[0.0, 0.0, 1.0, 1.0])
    assert "convnet-wrong" not in kinds("cheetah", shows="dowitcher")
    assert "cluttered" not in kinds("llama", by_hand=[])
    assert "no-class" not in kinds("cheetah", by_hand=["no-class"])


def test_there_is_an_example_of_each_kind_and_the_first_is_one_on_which_methods_differ():
    assert 8 <= len(LISTED) <= 10
    assert {kind for entry in LISTED for kind in entry["kinds"]} >= WANTED
    assert {kind for entry in LISTED for kind in entry["kinds"]} <= set(RECIPE["KINDS"])
    assert list(examples())[0] == LISTED[0]["id"] == EXAMPLE
    assert {"differ", "convnet-wrong"} <= set(LISTED[0]["kinds"])
    for entry in LISTED:
        assert len(entry["caption"].split()) <= 9, entry["caption"]


def test_every_picture_is_small_and_credited():
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    rows = [row.strip("| \n").split(" | ") for row in table.splitlines() if row.startswith("| `")]
    credits = {row[0].strip("`"): row[1:] for row in rows}
    pictures = {path.name: path for path in EXAMPLES.iterdir() if path.suffix not in (".md", ".json")}
    assert set(credits) == set(pictures)
    assert all(path.stat().st_size < 100_000 for path in pictures.values())
    for entry in LISTED:
        if "file" in entry:
            assert credits[entry["file"]] == [entry[key] for key in ("title", "credit", "licence", "source")]
    for one in example_clips().values():
        for who in (credits[part["file"]] for part in clip(one.id)["parts"]):
            assert who[1] in one.credit
            assert who[2] in one.credit


def clip(id: str) -> dict:
    """A line of clips.json, and its two parts."""
    listed = json.loads((EXAMPLES / "clips.json").read_text(encoding="utf-8"))
    one = next(one for one in listed if one["id"] == id)
    return {**one, "parts": [one["object"], one["ground"]]}


@pytest.mark.parametrize("id", example_clips())
def test_in_a_clip_the_full_model_names_the_thing_and_papr_follows_it(id):
    """Of as many patches as the thing covers, PaPr has three times as many on it as chance; at the default
    ratio it keeps nearly all of the thing's own."""
    pair = load_pair()
    moving = made(id)
    read = read_clip(encoded(moving.frames, FPS), pair.pick)
    answer = prune_clip(read, proposal=pair.proposal, backbone=pair.backbone)
    assert clip(id)["shows"] in answer.answer.label
    assert float(answer.full.max()) > 0.4
    assert answer.kept_answer

    crops = [pair.backbone.fit(frame) for frame in moving.frames]
    seen, features, _ = pair.look(crops, lambda *_: None)
    scores = pair.significance(pair.coarse(seen, features, "papr", 0, 0))  # (1, patches of the clip)
    on = torch.cat([on_disc(moving, centre, pair.backbone) for centre in moving.objects])
    most = on.float().mean()
    kept = top_patches(scores, int(on.sum()))[0]
    assert on[kept].float().mean() > 3 * most
    kept = top_patches(scores, pair.num_kept(len(crops), DEFAULT_KEEP_RATIO))[0]
    assert on[kept].sum() > 0.85 * on.sum()


def test_a_clip_is_the_same_each_time_and_quick_to_send():
    for id in example_clips():
        one, same = made(id), made(id)
        assert all(np.array_equal(a, b) for a, b in zip(one.frames, same.frames))
        assert len(encoded(one.frames, FPS)) < 300_000
