"""The excerpts that Learn shows, against the features themselves."""

import pytest
import torch
from page_server import picture

from papr_core.comparison import lesson
from papr_core.comparison.lesson import open_lesson
from papr_core.comparison.scene import open_scene, scene_map


@pytest.fixture(scope="module")
def scene(pair):
    return open_scene(picture(), *pair)


def test_the_mean_comes_about_channel_by_channel_and_ends_as_paprs_map(scene):
    shown = open_lesson(scene)
    features = scene.features[0]
    assert shown.size == tuple(features.shape[1:])
    assert shown.num_channels == len(features)
    assert (shown.steps[0], shown.steps[-1]) == (1, len(features))
    assert list(shown.steps) == sorted(set(shown.steps))
    for n, mean in zip(shown.steps, shown.means, strict=True):
        expected = torch.stack([features[k] for k in range(n)]).mean(dim=0).flatten()
        assert mean == pytest.approx(expected.tolist(), rel=1e-4, abs=1e-6)
    assert shown.means[-1] == scene_map(scene, "papr").coarse.flatten().tolist()


def test_the_channels_shown_are_those_that_vary_most(scene):
    shown = open_lesson(scene)
    spread = [float(channel.std()) for channel in scene.features[0]]
    assert list(shown.shown) == sorted(range(len(spread)), key=lambda k: -spread[k])[: lesson.CHANNELS]
    for channel, values in zip(shown.shown, shown.maps, strict=True):
        assert values == scene.features[0, channel].flatten().tolist()


def test_the_quantiles_are_of_all_channels_at_a_place(scene):
    shown = open_lesson(scene)
    h, w = shown.size
    for place in (0, h * w - 1):
        values = sorted(scene.features[0, :, place // w, place % w].tolist())
        assert shown.quantiles[place][0] == pytest.approx(values[0])
        assert shown.quantiles[place][-1] == pytest.approx(values[-1])
        assert shown.quantiles[place][lesson.QUANTILES // 2] == pytest.approx(
            (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2, abs=1e-6
        )


def test_whether_the_convnet_agrees(pair, scene):
    shown = open_lesson(scene)
    best = int(scene.proposal_probabilities.argmax())
    assert (shown.answer.index, shown.confidence) == (best, float(scene.proposal_probabilities[best]))
    assert shown.agrees == (best == scene.answer.index)
