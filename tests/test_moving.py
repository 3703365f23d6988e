"""The clip made on the spot: what moves, what stays, and where both are said to be."""

import numpy as np
from page_server import picture

from papr_core.moving import moving_clip


def test_only_the_object_moves_and_is_where_it_is_said_to_be():
    made = moving_clip(picture(3), frames=5, side=112, seed=1)
    frames = np.stack([np.asarray(frame, dtype=np.int16) for frame in made.frames])
    moved = (np.abs(np.diff(frames, axis=0)).max(axis=-1) > 8).any(axis=0)  # (H, W)
    rows, columns = np.mgrid[:112, :112] + 0.5
    near = [np.hypot(columns - x, rows - y) <= made.radius + 1 for x, y in made.objects]
    assert moved.sum() > 1000
    assert not (moved & ~np.any(near, axis=0)).any()
    still = made.covered((112, 112), made.still)
    assert not (moved & still).any()
    assert frames[0][still].std() > 2 * frames[0][~still & ~near[0]].std()  # more texture than the ground
    xs = [x for x, _ in made.objects]
    assert xs == sorted(xs)
    assert xs[-1] - xs[0] > 40


def test_it_is_the_same_each_time_and_another_for_another_seed():
    one, same, other = (moving_clip(picture(3), frames=2, side=64, seed=seed) for seed in (0, 0, 2))
    assert np.array_equal(one.frames[1], same.frames[1])
    assert not np.array_equal(one.frames[1], other.frames[1])
    assert moving_clip(picture(3), frames=1, side=64, seed=1).objects[0][1] > one.objects[0][1]
