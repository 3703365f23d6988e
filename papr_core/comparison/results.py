"""One method's numbers, read off the pruned backbone's answers: at one keep ratio, and along the curve."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from papr_core.comparison.areas import area
from papr_core.comparison.maps import MethodMap
from papr_core.comparison.scene import Scene
from papr_core.methods.budget import num_fed
from papr_core.methods.table import METHODS
from papr_core.models.labels import Labels

__all__ = ["Areas", "Curve", "Found", "MethodResult", "method_result", "rounded", "top_classes", "top_dicts"]

Found = Mapping[tuple[str, int, int], Tensor]  # (method, draw, k) -> probabilities, as `scene.answers` gives


@dataclass(frozen=True, eq=False)
class Curve:
    """The target's confidence (or the cosine) over kept patches: counts (n), confidence and kept_answer
    (D, n), D draws; kept_answer is None where there is no answer."""

    counts: tuple[int, ...]
    confidence: tuple[tuple[float, ...], ...]
    kept_answer: tuple[tuple[bool, ...], ...] | None

    def to_dict(self) -> dict[str, Any]:
        """As in a manifest."""
        return {
            "patches": list(self.counts),
            "confidence": [[rounded(value) for value in row] for row in self.confidence],
            "kept_answer": [list(row) for row in self.kept_answer or ()],
        }

    @property
    def area(self) -> float:
        """The mean height over keep ratios (`areas.area`), in the confidence's unit: of several draws the
        mean."""
        ratios = [count / self.counts[-1] for count in self.counts]
        return float(area(ratios, np.asarray(self.confidence)).mean())

    @property
    def fewest_patches(self) -> int | None:
        """The smallest k from which the full model's top-1 stays on top up to N; of several draws the
        median."""
        if self.kept_answer is None:
            return None
        each = []
        for kept in self.kept_answer:
            fewest = math.inf
            for count, right in zip(reversed(self.counts), reversed(kept)):
                if not right:
                    break
                fewest = count
            each.append(fewest)
        median = statistics.median_low(each)
        return None if median == math.inf else int(median)


@dataclass(frozen=True)
class Areas:
    """Under one method's curves: insertion, the best patches first (high is good), and deletion, the worst
    first (low is good; None where that curve was not run). Of chance both are the same, for its order is
    chance either way. From 0 to 1, or in cosines."""

    insertion: float
    deletion: float | None

    def to_dict(self) -> dict[str, float | None]:
        """As in `compare --json`."""
        deletion = self.deletion
        return {
            "insertion": rounded(self.insertion),
            "deletion": deletion if deletion is None else rounded(deletion),
        }


@dataclass(frozen=True, eq=False)
class MethodResult:
    """One method's numbers, as issue and page define them. For random: confidence is the mean of the draws,
    confidence_low and _high their range, fewest_patches their median, all else the first draw. Of a backbone
    without a classifier confidence is the cosine; top is empty, kept_answer and fewest_patches are None.
    curve: the best patches first, and worst_first, where they were run."""

    name: str
    kept: int
    patches: int
    indices: tuple[int, ...]
    confidence: float
    confidence_low: float
    confidence_high: float
    top: tuple[tuple[str, float], ...]
    kept_answer: bool | None
    seconds: float
    overlap_with_papr: float
    fewest_patches: int | None
    curve: Curve | None = None
    worst_first: Curve | None = None

    def __repr__(self) -> str:
        return f"MethodResult({self.name!r}, {self.kept} of {self.patches} patches, {self.confidence:.3f})"

    @property
    def title(self) -> str:
        return METHODS[self.name].title

    @property
    def areas(self) -> Areas | None:
        """None without a curve, and of a method without an order of patches, the smaller picture."""
        if self.curve is None or len(self.curve.counts) < 2 or METHODS[self.name].whole:
            return None
        chance = METHODS[self.name].draws > 1
        worst = self.curve if chance else self.worst_first
        return Areas(self.curve.area, worst.area if worst else None)

    def to_dict(self) -> dict[str, Any]:
        """As in `compare --json`."""
        areas = self.areas
        return {
            "name": self.name,
            "kept": self.kept,
            "patches": self.patches,
            "indices": list(self.indices),
            "confidence": rounded(self.confidence),
            "confidence_low": rounded(self.confidence_low),
            "confidence_high": rounded(self.confidence_high),
            "top": top_dicts(self.top),
            "kept_answer": self.kept_answer,
            "seconds": rounded(self.seconds),
            "overlap_with_papr": rounded(self.overlap_with_papr),
            "fewest_patches": self.fewest_patches,
            "areas": areas and areas.to_dict(),
        }


def method_result(
    scene: Scene,
    one: MethodMap,
    found: Found,
    count: int,
    *,
    papr: MethodMap,
    curve: Sequence[int] | None = None,
    worst: Found | None = None,
) -> MethodResult:
    """One method's numbers at `count` kept patches, from what `answers` gave.

    papr: the scene's PaPr map, with which the patches are compared. curve: the counts of the full curve,
    where `answers` has run them all; None leaves the curve out, and fewest_patches with it. worst: what it
    gave at these counts for the map turned round (`MethodMap.worst_first`); None leaves that curve out.
    """
    draws = range(len(one.coarse))
    kept = num_fed(one.name, scene.backbone, one.count or count)
    whole = METHODS[one.name].whole
    indices = list(range(scene.num_patches)) if whole else _patches(scene, one, kept)
    shared = {*indices} & {*_patches(scene, papr, count)}
    confidences = [scene.number(found[one.name, draw, kept]) for draw in draws]
    first = found[one.name, 0, kept]
    drawn = None if curve is None or one.count else _curve(scene, one, found, curve)
    turned = _curve(scene, one, worst, curve) if drawn and curve and worst and one.worst_first else None
    return MethodResult(
        name=one.name,
        kept=kept,
        patches=scene.num_patches,
        indices=tuple(indices),
        confidence=statistics.fmean(confidences),
        confidence_low=min(confidences),
        confidence_high=max(confidences),
        top=top_classes(first, scene.backbone.labels),
        kept_answer=scene.keeps(first),
        seconds=one.seconds,
        overlap_with_papr=len(shared) / len(indices),
        fewest_patches=drawn.fewest_patches if drawn else None,
        curve=drawn,
        worst_first=turned,
    )


def _curve(scene: Scene, one: MethodMap, found: Found, counts: Sequence[int]) -> Curve:
    rows = [[found[one.name, draw, count] for count in counts] for draw in range(len(one.coarse))]
    kept = tuple(tuple(bool(scene.keeps(answer)) for answer in row) for row in rows)
    return Curve(
        counts=tuple(counts),
        confidence=tuple(tuple(map(scene.number, row)) for row in rows),
        kept_answer=kept if scene.answer else None,
    )


def _patches(scene: Scene, one: MethodMap, count: int) -> list[int]:
    """The patches of the first draw that a reader is told of."""
    chosen = scene.backbone.select_count(one.coarse[:1], count)
    return scene.backbone.shown_patches(chosen)[0].tolist()


def top_classes(probabilities: Tensor, labels: Labels, count: int = 5) -> tuple[tuple[str, float], ...]:
    """The most probable classes, (name, probability), best first; none where there are no classes."""
    best = probabilities.topk(min(count, len(labels)))
    return tuple((labels[index], value) for value, index in zip(best.values.tolist(), best.indices.tolist()))


def rounded(value: float) -> float:
    return round(value, 6)  # what differs beyond that depends on the batch a picture ran in


def top_dicts(top: Iterable[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"label": label, "probability": rounded(probability)} for label, probability in top]
