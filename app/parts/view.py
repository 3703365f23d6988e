"""What goes to the browser (decision 18): the crop once, each map as H x W numbers, each curve as points.

    seq        of the question it answers            key       same key: same numbers at the same count
    working    a sentence while more is coming       progress  [done, of] or null
    more       the rest waits for the slow queue     error     {where, text}, and nothing of what follows
    picture    {id, name, crop, src, fit, stretch, lost}; src null where the page has this crop already; lost:
               the share of the picture that the crop leaves out
    grid       [rows, columns]                       patches, prefix: counts
    models     {proposal, backbone}: {name, title, weights, sha256, labels, label_set, classes, size,
               parameters}; labels: a hash of the class names, label_set: what they are called together;
               typed: of a backbone that reads texts, the classes that were typed, "" without
    looks      the ConvNet's own answer: {label, confidence, agrees}; agrees null: it knows no such class
    saving     {proposal, pruned} of `gmacs_saved`, once it is counted
    measure    "confidence" in the target, or, of a backbone without a classifier, the "cosine" between the
               pruned and the full embedding: then target is null, and so are full.index and kept answer
    by_stage   of a ConvNeXt or Swin: dropped positions pass its pixel operators by, and are not out of sight
    target     {index, label, chosen}                explain   {mode, index, label, asked}
    labels     {class index: short name} of every class named below
    full       {index, confidence, top: [[class, p], ...]}; index: its top-1, confidence: on the target
    methods    [{name, title, kind, about, draws, refused, waiting, explains, like, seconds, constant, low,
               high, map: [H W numbers], order: [patches, the most significant first], fewest, complete,
               points: [[k, confidence, low, high, kept answer, [[class, p], ...]], ...],
               areas: [insertion, deletion]}]; fewest and areas once the curve is complete, else null; areas
               null of what has no order of patches, deletion where it was not asked for
               like: the method that it equals by construction, but for negative values; of the smaller
               picture sizes: [[rows, columns], ...] in place of a map, ascending
    notes      [sentence, ...] to read the maps rightly

The server never draws: masks, colours and looks are made of these numbers in static/js.
"""

import base64
import hashlib
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from papr_core.models.labels import short_label

from .run import Run
from .work import Step, Work

__all__ = [
    "aim",
    "at_rest",
    "head",
    "labels_hash",
    "model",
    "payloads",
    "ranked",
    "rounded",
    "sizes",
    "status",
    "taken",
    "words",
]

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
        elif run.subject is None:
            yield status(run.question.seq, step.working, more=step.more)
        else:
            picture = {"id": run.subject.id, "name": run.name}
            yield status(run.question.seq, step.working, more=step.more, picture=picture)


def head(run: Work, step: Step, proposal: Any, backbone: Any, grid: Sequence[int]) -> dict[str, Any]:
    """What a picture's and a clip's payloads begin with; of a clip all counts are of the whole."""
    return {
        **status(run.question.seq, step.working, progress=step.progress),
        "grid": list(grid),
        "patches": math.prod(grid),
        "prefix": backbone.num_prefix_tokens * math.prod(grid[:-2]),
        "models": {"proposal": model(proposal), "backbone": model(backbone)},
    }


def aim(run: Work, target: Any) -> dict[str, Any]:
    """The class whose confidence is reported."""
    return {
        "index": target.index,
        "label": short_label(target.label),
        "chosen": run.question.target is not None,
    }


def words(entry: Any) -> dict[str, Any]:
    """A method of the table, in words."""
    return {"name": entry.name, "title": entry.title, "about": entry.about, "draws": entry.draws}


def payload(run: Run, step: Step, points: dict[tuple[str, int], list]) -> dict[str, Any]:
    from papr_core.comparison.scene import scene_notes

    scene = run.scene
    first = head(run, step, scene.proposal, scene.backbone, scene.grid)
    labels, target, answer = scene.backbone.labels, scene.target, scene.answer
    seen: set[int] = {one.index for one in (target, answer) if one}
    methods = [method(run, name, seen, points) for name in [*run.names(), "by-hand"]]
    top = best(scene, scene.full_probabilities)
    seen.update(index for index, _ in top)
    return {
        **first,
        "models": {**first["models"], "backbone": {**first["models"]["backbone"], **typed(run)}},
        "key": run.key,
        "more": step.more,
        "picture": {
            "id": run.subject.id,
            "name": run.name,
            "crop": run.crop_id,
            "src": run.source(),
            "fit": run.question.fit,
            "stretch": run.question.stretch,
            "lost": rounded(run.lost),
        },
        "by_stage": scene.backbone.by_stage,
        "measure": "confidence" if target else "cosine",
        "target": target and aim(run, target),
        "explain": {
            "mode": scene.explain.mode,
            "index": scene.explain.index,
            "label": short_label(scene.explain.label),
            "asked": run.question.explain,
        },
        "looks": {
            "label": short_label(scene.proposal_answer.label),
            "confidence": rounded(float(scene.proposal_probabilities.max())),
            "agrees": scene.proposal_agrees,
        },
        "saving": run.saving and {"proposal": run.saving[0], "pruned": run.saving[1]},
        "labels": {str(index): short_label(labels[index]) for index in sorted(seen)},
        "full": {
            "index": answer and answer.index,
            "confidence": rounded(scene.full_confidence),
            "top": top,
        },
        "methods": methods,
        "notes": [*scene_notes(scene, run.maps.values()), *run.notes()],
    }


def method(run: Run, name: str, seen: set[int], packed: dict[tuple[str, int], list]) -> dict[str, Any]:
    """One method's part of the payload; seen: gets the classes that it names."""
    from papr_core.methods.table import refusal

    entry = run.core.METHODS[name]
    part: dict[str, Any] = {**words(entry), "kind": entry.kind}
    if name == "by-hand":  # the visitor's own: asked for as they choose
        return part
    if name in run.refused:
        return {**part, "refused": run.refused[name]}
    if entry.like and refusal(entry.like, run.scene.proposal) is None:
        part["like"] = entry.like
    if entry.uses_class:
        part["explains"] = short_label(run.scene.explain.label)
    one = run.maps.get(name)
    if one is None:
        return {**part, "waiting": run.waits.get(name)}
    complete = run.known_in_full(name)  # before what is found is told: the cache may hold more
    result = run.result(name) if complete else None
    significance = one.significance[0].flatten()  # of random, the first draw
    counts = sorted({count for method, _, count in run.found if method == name})
    for count in counts:
        if (name, count) not in packed:
            packed[name, count] = point(run, name, count)
    points = [packed[name, count] for count in counts]
    seen.update(index for point in points for index, _ in point[5])
    return {
        **part,
        "seconds": rounded(one.seconds),
        "constant": one.constant,
        **(sizes(run) if entry.whole else ranked(significance)),
        "points": points,
        "complete": complete,
        "fewest": result and result.fewest_patches,
        "areas": result and result.areas and _areas(run, result.areas),
    }


def _areas(run: Run, areas: Any) -> list[float | None]:
    """[insertion, deletion], the latter where it was asked for."""
    told = areas.deletion is not None and run.question.worst
    return [rounded(areas.insertion), rounded(areas.deletion) if told else None]


def at_rest(run: Run) -> dict[str, Any]:
    """Points of `Run.at_rest`, and the classes that they name; again: the rest is work for the queue."""
    names, count = run.at_rest()
    points = {name: point(run, name, run.seen(name, count)) for name in names if name in run.maps}
    labels, named = run.labels, {index for one in points.values() for index, _ in one[5]}
    return {
        "points": points,
        "labels": {str(index): short_label(labels[index]) for index in sorted(named)},
        "again": run.lacking(names),
    }


def taken(run: Run) -> dict[str, Any]:
    """What a browser needs to run the backbone itself: {"crop": its id, "bytes": of the model's own crop, row
    by row, RGB, as base64, "orders": of each method of several draws each draw's patches, best first}."""
    run.open()
    orders = {}
    for name in run.names():
        if run.core.METHODS[name].draws > 1 and name not in run.refused:
            run.map(name)
            orders[name] = [_order(one.flatten()) for one in run.maps[name].significance]
    pixels = base64.b64encode(run.scene.crop.tobytes()).decode()
    return {"crop": run.crop_id, "bytes": pixels, "orders": orders}


def sizes(run: Run) -> dict[str, Any]:
    """Of the method that makes the whole picture smaller: the rows and columns that there are."""
    from papr_core.pruning.shrinking import ladder

    return {"sizes": [list(size.grid) for size in ladder(run.scene.grid)]}


def ranked(significance: Any) -> dict[str, Any]:
    """A map (N,) or (H, W): its ends, its values row by row, and its patches in order."""
    values = significance.flatten()
    return {
        "low": _short(float(values.min())),
        "high": _short(float(values.max())),
        "map": [_short(value) for value in values.tolist()],
        "order": _order(values),
    }


def _order(values: Any) -> list[int]:
    return values.argsort(descending=True, stable=True).tolist()


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
        "parameters": sum(part.numel() for part in model.parameters()),
    }


def typed(run: Run) -> dict[str, str]:
    """Of a backbone that reads texts, the classes that were typed."""
    from papr_core.models.zero_shot import takes_classes

    return {"typed": "; ".join(run.question.classes)} if takes_classes(run.scene.backbone.name) else {}


def labels_hash(labels: Any) -> str:
    """By which the page knows whether its list of target classes is this one; sets share names (own-2)."""
    return hashlib.sha256(repr(labels.names).encode()).hexdigest()[:8]


def rounded(value: float) -> float:
    """As `compare --json` rounds."""
    return round(value, 6)
