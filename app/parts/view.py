"""What goes to the browser (decision 18): the crop once, each map as H x W numbers, each curve as points.

    seq        of the question it answers            key       same key: same numbers at the same count
    working    a sentence while more is coming       progress  [done, of] or null
    more       the rest waits for the slow queue     error     {where, text}, and nothing of what follows
    picture    {id, name, crop, src}; src null where the page has this crop already
    grid       [rows, columns]                       patches, prefix: counts
    models     {proposal, backbone}: {name, title, weights, sha256, labels, label_set, classes, size}; labels:
               a hash of the class names, label_set: what they are called together
    measure    "confidence" in the target, or, of a backbone without a classifier, the "cosine" between the
               pruned and the full embedding: then target is null, and so are full.index and kept answer
    by_stage   of a ConvNeXt or Swin: dropped positions pass its pixel operators by, and are not out of sight
    target     {index, label, chosen}                explain   {mode, index, label}
    labels     {class index: short name} of every class named below
    full       {index, confidence, top: [[class, p], ...]}; index: its top-1, confidence: on the target
    methods    [{name, title, kind, about, draws, refused, waiting, explains, seconds, constant, low, high,
               map: [H W numbers], order: [patches, the most significant first], fewest, complete,
               points: [[k, confidence, low, high, kept answer, [[class, p], ...]], ...]}]
    notes      [sentence, ...] to read the maps rightly

The server never draws: masks, colours and looks are made of these numbers in static/js.
"""

import hashlib
import statistics
from collections.abc import Iterable, Iterator
from typing import Any

from papr_core.models.labels import short_label

from .run import Run, Step

__all__ = ["at_rest", "labels_hash", "model", "payloads", "ranked", "rounded", "status"]

TOP = 3
WEIGHTS = {
    "embedded": "embedded in this project",
    "local": "from the owner's own folder",
    "cached": "from the hub, on this machine",
    "random": "random",
}


def status(seq: int, working: str | None = None, **more: Any) -> dict[str, Any]:
    """A payload without an answer: the page keeps what it shows, and says this."""
    return {"seq": seq, "working": working, **more}


def payloads(run: Run, steps: Iterable[Step]) -> Iterator[dict[str, Any]]:
    """Everything known of a question after each step."""
    points: dict[tuple[str, int], list] = {}  # packed once
    for step in steps:
        if run.scene is not None:
            yield payload(run, step, points)
        elif run.picture is None:
            yield status(run.question.seq, step.working, more=step.more)
        else:
            picture = {"id": run.picture.id, "name": run.name}
            yield status(run.question.seq, step.working, more=step.more, picture=picture)


def payload(run: Run, step: Step, points: dict[tuple[str, int], list]) -> dict[str, Any]:
    from papr_core.comparison.scene import scene_notes

    scene = run.scene
    labels, target, answer = scene.backbone.labels, scene.target, scene.answer
    seen: set[int] = {one.index for one in (target, answer) if one}
    methods = [method(run, name, seen, points) for name in [*run.names(), "by-hand"]]
    top = best(scene, scene.full_probabilities)
    seen.update(index for index, _ in top)
    return {
        "seq": run.question.seq,
        "key": run.key,
        "working": step.working,
        "progress": step.progress,
        "more": step.more,
        "picture": {"id": run.picture.id, "name": run.name, "crop": run.crop_id, "src": run.source()},
        "grid": list(scene.grid),
        "patches": scene.num_patches,
        "prefix": scene.backbone.num_prefix_tokens,
        "models": {"proposal": model(scene.proposal), "backbone": model(scene.backbone)},
        "by_stage": scene.backbone.by_stage,
        "measure": "confidence" if target else "cosine",
        "target": target
        and {
            "index": target.index,
            "label": short_label(target.label),
            "chosen": run.question.target is not None,
        },
        "explain": {
            "mode": scene.explain.mode,
            "index": scene.explain.index,
            "label": short_label(scene.explain.label),
        },
        "labels": {str(index): short_label(labels[index]) for index in sorted(seen)},
        "full": {
            "index": answer and answer.index,
            "confidence": rounded(scene.full_confidence),
            "top": top,
        },
        "methods": methods,
        "notes": list(scene_notes(scene, run.maps.values())),
    }


def method(run: Run, name: str, seen: set[int], packed: dict[tuple[str, int], list]) -> dict[str, Any]:
    """One method's part of the payload; seen: gets the classes that it names."""
    entry = run.core.METHODS[name]
    part: dict[str, Any] = {
        "name": name,
        "title": entry.title,
        "kind": entry.kind,
        "about": entry.about,
        "draws": entry.draws,
    }
    if name == "by-hand":  # the visitor's own: asked for as they choose
        return part
    if name in run.refused:
        return {**part, "refused": run.refused[name]}
    if entry.uses_class:
        part["explains"] = short_label(run.scene.explain.label)
    one = run.maps.get(name)
    if one is None:
        return {**part, "waiting": run.waits.get(name)}
    significance = one.significance[0].flatten()  # of random, the first draw
    counts = sorted({count for method, _, count in run.found if method == name})
    for count in counts:
        if (name, count) not in packed:
            packed[name, count] = point(run, name, count)
    points = [packed[name, count] for count in counts]
    seen.update(index for point in points for index, _ in point[5])
    complete = run.known_in_full(name)
    return {
        **part,
        "seconds": rounded(one.seconds),
        "constant": one.constant,
        **ranked(significance),
        "points": points,
        "complete": complete,
        "fewest": run.fewest(name) if complete else None,
    }


def at_rest(run: Run) -> dict[str, Any]:
    """Points of `Run.at_rest`, and the classes that they name; again: the rest is work for the queue."""
    names, count = run.at_rest()
    points = {name: point(run, name, count) for name in names if name in run.maps}
    labels, named = run.labels, {index for one in points.values() for index, _ in one[5]}
    return {
        "points": points,
        "labels": {str(index): short_label(labels[index]) for index in sorted(named)},
        "again": run.lacking(names),
    }


def ranked(significance: Any) -> dict[str, Any]:
    """A map (N,) or (H, W): its ends, its values row by row, and its patches in order."""
    values = significance.flatten()
    return {
        "low": _short(float(values.min())),
        "high": _short(float(values.max())),
        "map": [_short(value) for value in values.tolist()],
        "order": values.argsort(descending=True, stable=True).tolist(),
    }


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def point(run: Run, name: str, count: int) -> list[Any]:
    """[k, confidence, low, high, kept answer, top]: mean and range of the draws, the rest of the first; and,
    where the question's ratio was taken stage by stage, that ratio: the same count in a curve is another."""
    found = [run.found[name, draw, count] for draw in range(run.core.METHODS[name].draws)]
    confidences = [run.scene.number(probabilities) for probabilities in found]
    values = (statistics.fmean(confidences), min(confidences), max(confidences))
    kept = run.scene.keeps(found[0])
    packed = [count, *map(rounded, values), kept if kept is None else int(kept), best(run.scene, found[0])]
    return [*packed, run.question.keep_ratio] if run.by_ratio(count) else packed


def best(scene: Any, probabilities: Any) -> list[list]:
    """The most probable classes, [[index, probability], ...]; none where there are no classes."""
    top = probabilities.topk(min(TOP, len(scene.backbone.labels)))
    return [[index, rounded(p)] for index, p in zip(top.indices.tolist(), top.values.tolist())]


def model(model: Any) -> dict[str, Any]:
    """Where a model comes from, in words."""
    kind = model.weights.kind if model.weights else "random"
    return {
        "name": model.name,
        "title": model.title,
        "weights": WEIGHTS.get(kind, kind),
        "sha256": model.sha256,
        "labels": labels_hash(model.labels),
        "label_set": model.labels.name,
        "classes": len(model.labels),
        "size": list(model.input_size[1:]),
    }


def labels_hash(labels: Any) -> str:
    """By which the page knows whether its list of target classes is this one; sets share names (own-2)."""
    return hashlib.sha256(repr(labels.names).encode()).hexdigest()[:8]


def rounded(value: float) -> float:
    """As `compare --json` rounds."""
    return round(value, 6)
