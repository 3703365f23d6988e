"""What goes to the browser of a clip: numbers here, its frames once, by a call of their own.

    seq       of the question it answers             working, progress, error: as for pictures (view.py)
    clip      {id, name, codec, width, height, seconds, frames, exact}: of the file; exact: even frames
    footage   which frames they are: the browser fetches them (`ClipRun.frames`) when it has others
    times     [seconds of each sampled frame]        fps: at which the clips are written
    grid      [T, rows, columns]                     patches, prefix: of the whole clip
    models    {proposal, backbone}: as for pictures
    method    {name, title, about, draws, id, explains, seconds, constant, order, map, low, high}: order:
              patches of the clip, the most significant first; map: 0 to 255 between low and high, for the
              eye; both null where the browser has the map of this id
    early     {map, low, high}: of the frames that the ConvNet has seen so far, until there is a method
    so_far    {full, pruned: {frames, top}}: of the frames asked so far, until there is an answer
    target    {index, label, chosen}                 full: {index, label, confidence, seconds, gmacs, top}
    answer    {count, confidence, low, high, kept, top, seconds, gmacs}: with `count` patches
    masked    the masked clip, an MP4 as a data address
    notes     [sentence, ...]

What is not known yet is not there. top: [[label, probability], ...], five of them.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from papr_core.models.labels import short_label

from .clip_run import ClipRun
from .pictures import mp4
from .run import Step
from .view import model, rounded, status

__all__ = ["payloads"]


def payloads(run: ClipRun, steps: Iterable[Step]) -> Iterator[dict[str, Any]]:
    """Everything known of a question after each step."""
    for step in steps:
        if run.clip is None:
            yield status(run.question.seq, step.working, progress=step.progress)
        else:
            yield payload(run, step)


def payload(run: ClipRun, step: Step) -> dict[str, Any]:
    pair, clip = run.pair, run.clip
    frames = len(clip)
    grid = pair.grid(frames)
    prefix = pair.backbone.num_prefix_tokens * grid[0]
    info = clip.info
    given = {
        "seq": run.question.seq,
        "working": step.working,
        "progress": step.progress,
        "clip": {
            "id": run.record.id,
            "name": run.name,
            "codec": info.codec,
            "width": info.width,
            "height": info.height,
            "seconds": rounded(info.seconds),
            "frames": info.frames,
            "exact": clip.exact,
        },
        "footage": run.footage_id,
        "times": [rounded(when) for when in clip.times],
        "fps": clip.fps,
        "grid": list(grid),
        "patches": grid[0] * grid[1] * grid[2],
        "prefix": prefix,
        "models": {"proposal": model(pair.proposal), "backbone": model(pair.backbone)},
    }
    if run.found is not None:
        given["method"] = _method(run)
    elif run.early is not None:
        given["early"] = _for_the_eye(run.early.flatten())
    if run.full is not None:
        given |= _full(run)
    if run.result is not None:
        given |= _answer(run)
    known = {"full": run.full, "pruned": run.result}
    given["so_far"] = {
        which: {"frames": frames, "top": _top(run, probabilities)}
        for which, (frames, probabilities) in list(run.so_far.items())  # it grows meanwhile
        if known[which] is None
    }
    if run.masked is not None:
        given["masked"] = mp4(run.masked)
    return given


def _method(run: ClipRun) -> dict[str, Any]:
    entry, found = run.core.METHODS[run.method], run.found
    told = {
        "name": run.method,
        "title": entry.title,
        "about": entry.about,
        "draws": entry.draws,
        "id": run.map_id,
        "explains": short_label(found.explain.label) if found.explain else None,
        "seconds": rounded(found.seconds),
        "constant": found.constant,
        "order": None,
        "map": None,
    }
    if run.map_id not in run.question.has.split():
        values = found.significance[0].flatten()  # of random, the first draw
        told["order"] = values.argsort(descending=True, stable=True).tolist()
        told |= _for_the_eye(values)
    return told


def _for_the_eye(values: Any) -> dict[str, Any]:
    """Values (N,) as 0 to 255 between the lowest and the highest."""
    low, high = float(values.min()), float(values.max())
    spread = (values - low) * (255 / (high - low) if high > low else 0)
    return {"map": spread.round().int().tolist(), "low": rounded(low), "high": rounded(high)}


def _full(run: ClipRun) -> dict[str, Any]:
    probabilities, seconds = run.full
    whole, short = probabilities.mean(dim=0), short_label
    labels, index = run.pair.backbone.labels, int(whole.argmax())
    return {
        "target": {
            "index": run.target.index,
            "label": short(run.target.label),
            "chosen": run.question.target is not None,
        },
        "full": {
            "index": index,
            "label": short(labels[index]),
            "confidence": rounded(float(whole[run.target.index])),
            "seconds": rounded(seconds),
            "gmacs": rounded(run.pair.gmacs(len(run.clip))),
            "top": _top(run, whole),
        },
    }


def _answer(run: ClipRun) -> dict[str, Any]:
    result = run.result
    told = result.to_dict()
    return {
        "answer": {
            "count": told["kept"],
            "confidence": told["pruned"]["confidence"],
            "low": told["pruned"]["confidence_low"],
            "high": told["pruned"]["confidence_high"],
            "kept": told["pruned"]["kept_answer"],
            "top": _top(run, result.pruned[0]),
            "seconds": told["seconds"],
            "gmacs": told["gmacs_pruned"],
        },
        "notes": told["notes"],
    }


def _top(run: ClipRun, probabilities: Any) -> list[list]:
    from papr_core.comparison.results import top_classes

    best = top_classes(probabilities, run.pair.backbone.labels)
    return [[short_label(label), rounded(p)] for label, p in best]
