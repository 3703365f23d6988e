"""The clip made on the spot: what moves, what stays, and where both are said to be."""

import numpy as np
import pytest
import torch
from conftest import ROOT
from page_server import picture
from PIL import Image, ImageDraw, ImageOps

from app.moving import moving_clip
from papr_core import load_backbone, load_proposal, read_image
from papr_core.comparison.video import find_pair
from papr_core.evaluation.accuracy import bootstrap, interval
from papr_core.pruning.selection import top_patches


def on_disc(made, centre, backbone):
    """Which patches of a backbone, which crops a frame its own way, lie on the disc by half or more: (N,)."""
    mask, (rows, columns) = Image.new("L", made.frames[0].size), backbone.grid
    corners = [value + sign * made.radius for sign in (-1, 1) for value in centre]
    ImageDraw.Draw(mask).ellipse(corners, fill=255)
    shown = np.asarray(backbone.fit(mask.convert("RGB")).convert("L"), dtype=np.float32)
    shares = shown.reshape(rows, len(shown) // rows, columns, -1).mean(axis=(1, 3))
    return torch.from_numpy(shares >= 127.5).flatten()


def test_only_the_object_moves_and_is_where_it_is_said_to_be():
    made = moving_clip(picture(3), frames=5, side=112, seed=1)
    frames = np.stack([np.asarray(frame, dtype=np.int16) for frame in made.frames])
    moved = (np.abs(np.diff(frames, axis=0)).max(axis=-1) > 8).any(axis=0)  # (H, W)
    rows, columns = np.mgrid[:112, :112] + 0.5
    near = [np.hypot(columns - x, rows - y) <= made.radius + 1 for x, y in made.objects]
    assert moved.sum() > 1000
    assert not (moved & ~np.any(near, axis=0)).any()
    still = np.hypot(columns - made.still[0], rows - made.still[1]) <= made.radius
    assert not (moved & still).any()
    assert frames[0][still].std() > 2 * frames[0][~still & ~near[0]].std()  # more texture than the ground
    xs = [x for x, _ in made.objects]
    assert xs == sorted(xs)
    assert xs[-1] - xs[0] > 40


def test_it_is_the_same_each_time_and_another_for_another_seed():
    one, same, other = (moving_clip(picture(3), frames=2, side=64, seed=seed) for seed in (0, 0, 2))
    assert np.array_equal(one.frames[1], same.frames[1])
    assert not np.array_equal(one.frames[1], other.frames[1])
    assert moving_clip(picture(3), frames=1, side=64, beside=False).still is None
    assert moving_clip(picture(3), frames=1, side=64, beside=None).still is None
    assert moving_clip(picture(3), frames=1, side=64, seed=1).objects[0][1] > one.objects[0][1]


def test_over_a_photograph_and_with_an_edge_that_fades():
    photograph = picture(4, (300, 200))
    hard, soft = (
        moving_clip(picture(3), frames=2, side=64, beside=None, ground=photograph, feather=feather)
        for feather in (0, 0.5)
    )
    still = np.asarray(ImageOps.fit(photograph, (64, 64)), dtype=np.int16)
    differs = [
        np.abs(np.asarray(made.frames[0], dtype=np.int16) - still).max(axis=-1) for made in (hard, soft)
    ]
    (x, y), (rows, columns) = hard.objects[0], np.mgrid[:64, :64] + 0.5
    away = np.hypot(columns - x, rows - y)
    for differ in differs:
        assert not differ[away > hard.radius + 1].any()  # the photograph as it is
        assert differ[away < hard.radius / 2 - 1].mean() > 20
    edge = (away > 0.8 * hard.radius) & (away < hard.radius)
    assert differs[1][edge].mean() < 0.4 * differs[0][edge].mean()


EXAMPLES = ("chelsea.jpg", "coffee.jpg")


@pytest.mark.parametrize(("beside", "least"), [("noise", 2.2), ("tiles", 1.2)])
def test_kept_patches_of_the_embedded_pair_follow_the_object(beside, least):
    """Of as many patches as the object covers, the share on it is more than twice chance beside still noise,
    frame by frame as it moves. Beside its own shuffled tiles it is above chance too, and so is theirs: the
    map is drawn to edges and colours, whether they make a thing or not."""
    pair = find_pair(load_proposal(), load_backbone())
    data = ROOT / "tests" / "data" / "caltech101-200"
    pictures = [ROOT / "assets" / "examples" / name for name in EXAMPLES]
    pictures += [sorted(folder.iterdir())[2] for folder in sorted(data.iterdir()) if folder.is_dir()]
    shares = []
    for seed, path in enumerate(pictures):
        made = moving_clip(read_image(path), frames=6, side=224, beside=beside, seed=seed)
        seen, features, _ = pair.look([pair.backbone.fit(frame) for frame in made.frames], lambda *_: None)
        scores = pair.significance(pair.coarse(seen, features, "papr", 0, 0))
        on = torch.cat([on_disc(made, centre, pair.backbone) for centre in made.objects])
        kept = top_patches(scores, int(on.sum()))[0]
        shares.append((float(on[kept].float().mean()), float(on.float().mean())))
        if beside == "noise":  # in every frame, wherever the object is by then
            for frame, patches in enumerate(pair.each_frame(kept, 6)):
                assert on.view(6, -1)[frame][patches].sum() > len(patches) / 4
    low, _ = interval(bootstrap(np.array(shares))).T[0]
    assert low > least * np.mean(shares, axis=0)[1]
