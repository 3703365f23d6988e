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
    answer    {count, confidence, low, high, kept, first, top, seconds, gmacs, frames}: with `count` patches;
              first: whether the target is the top answer; frames: in each sampled frame [label of all
              patches, of those kept or null, the same class], or null
    masked    the masked clip, an MP4 as a data address
    notes     [sentence, ...]
    beside    {method, answer, masked, so_far}: the same by the second method, as far as it has come

What is not known yet is not there. top: [[label, probability], ...], five of them.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from papr_core.models.labels import short_label

from .clip_run import ClipRun
from .pictures import mp4
from .view import aim, head, rounded, status, words
from .work import Step

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
    info = clip.info
    given = {
        **head(run, step, pair.proposal, pair.backbone, pair.grid(len(clip))),
        "clip": {
            "id": run.subject.id,
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
    }
    if run.found is None and run.early is not None:
        given["early"] = _for_the_eye(run.early.flatten())
    if run.full is not None:
        given |= _full(run, *run.full)
    given |= _part(run)
    if run.second is not None and run.second.found is not None:
        given["beside"] = _part(run.second)
    return given


def _part(run: ClipRun) -> dict[str, Any]:
    """What one method makes of the clip, as far as it has come."""
    part: dict[str, Any] = {"so_far": _so_far(run)}
    if run.found is not None:
        part["method"] = _method(run)
    if run.result is not None:
        part |= _answer(run)
    if run.masked is not None:
        part["masked"] = mp4(run.masked)
    return part


def _so_far(run: ClipRun) -> dict[str, Any]:
    known = {"full": run.full, "pruned": run.result}
    return {
        which: {"frames": frames, "top": _top(run, probabilities)}
        for which, (frames, probabilities) in list(run.so_far.items())  # it grows meanwhile
        if known[which] is None
    }


def _method(run: ClipRun) -> dict[str, Any]:
    found = run.found
    told = {
        **words(run.core.METHODS[run.method]),
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


def _full(run: ClipRun, probabilities: Any, seconds: float) -> dict[str, Any]:
    whole = probabilities.mean(dim=0)
    labels, index = run.pair.backbone.labels, int(whole.argmax())
    return {
        "target": aim(run, run.target),
        "full": {
            "index": index,
            "label": short_label(labels[index]),
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
            "first": int(result.pruned[0].argmax()) == run.target.index,
            "top": _top(run, result.pruned[0]),
            "seconds": told["seconds"],
            "gmacs": told["gmacs_pruned"],
            "frames": _frames(run),
        },
        "notes": told["notes"],
    }


def _frames(run: ClipRun) -> list[list] | None:
    said, labels = run.result.said_in_frames(), run.pair.backbone.labels
    if said is None:
        return None
    name = {index: short_label(labels[index]) for pair in said for index in pair if index is not None}
    return [[name[full], None if kept is None else name[kept], full == kept] for full, kept in said]


def _top(run: ClipRun, probabilities: Any) -> list[list]:
    from papr_core.comparison.results import top_classes

    best = top_classes(probabilities, run.pair.backbone.labels)
    return [[short_label(label), rounded(p)] for label, p in best]
