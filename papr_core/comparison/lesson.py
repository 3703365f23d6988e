"""The first steps of PaPr in numbers small enough to look at: features, and how their mean comes about.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 3.1 and Eq. 2. Written from the paper. What follows the mean (the
resized map, the ranks, the answers) is in the scene's own maps and answers.
"""

from dataclasses import dataclass

import torch

from papr_core.comparison.scene import Scene
from papr_core.comparison.seen import ClassLabel

__all__ = ["Lesson", "open_lesson"]

CHANNELS = 24
QUANTILES = 17


@dataclass(frozen=True, eq=False)
class Lesson:
    """The proposal's last features (K, h, w) of one scene, in excerpts.

    size: (h, w); num_channels: K. shown: the channels that vary most over the picture, strongest first, and
    maps (len(shown), h * w), their values. steps: counts n from 1 to K, and means (len(steps), h * w), the
    mean over the first n channels: the last is PaPr's map. quantiles (h * w, 17): at each place, evenly
    spaced quantiles of the K values whose mean the map is.
    answer, confidence: the proposal's own top-1; agrees: it is the backbone's too (None: it knows no such
    class).
    """

    size: tuple[int, int]
    num_channels: int
    shown: tuple[int, ...]
    maps: list[list[float]]
    steps: tuple[int, ...]
    means: list[list[float]]
    quantiles: list[list[float]]
    answer: ClassLabel
    confidence: float
    agrees: bool | None


def open_lesson(scene: Scene) -> Lesson:
    """The excerpts of a scene's features; no model runs."""
    features = scene.features[0].float().cpu()  # (K, h, w)
    num_channels, height, width = features.shape
    flat = features.flatten(1)  # (K, h * w)
    shown = flat.std(dim=1, correction=0).argsort(descending=True, stable=True)[:CHANNELS]
    steps = _steps(num_channels)
    running = flat.cumsum(dim=0) / torch.arange(1, num_channels + 1)[:, None]
    running[-1] = flat.mean(dim=0)  # PaPr's own, to the bit
    places = torch.linspace(0, 1, QUANTILES)
    answer = scene.proposal_answer
    return Lesson(
        size=(height, width),
        num_channels=num_channels,
        shown=tuple(shown.tolist()),
        maps=flat[shown].tolist(),
        steps=steps,
        means=running[[n - 1 for n in steps]].tolist(),
        quantiles=torch.quantile(flat, places, dim=0).T.tolist(),
        answer=answer,
        confidence=float(scene.proposal_probabilities[answer.index]),
        agrees=scene.proposal_agrees,
    )


def _steps(num_channels: int) -> tuple[int, ...]:
    """Some twenty counts from 1 to K, each about a third more than the one before."""
    steps, n = [], 1
    while n < num_channels:
        steps.append(n)
        n = max(n + 1, round(n * 1.35))
    return (*steps, num_channels)
