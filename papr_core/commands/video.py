"""`papr video`: clips pruned, and what the backbone still says."""

import argparse
from collections.abc import Iterator
from typing import Any

from papr_core.commands.options import (
    add_output,
    add_question,
    add_weights_dir,
    check_classes,
    use_weights_dir,
)
from papr_core.commands.terminal import Progress, each, reported, table
from papr_core.comparison.video import (
    DEFAULT_CLIP_PROPOSAL,
    VIDEO_METHODS,
    PrunedClip,
    check_method,
    load_pair,
    prune_clip,
)
from papr_core.methods.table import METHODS
from papr_core.models.embedded import DEFAULT_PROPOSAL
from papr_core.models.labels import short_label
from papr_core.pruning.selection import num_kept

__all__ = ["add_arguments", "add_video", "pruned_clips", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `papr video` takes."""
    add_video(parser, "CLIP", nargs="+")
    add_output(parser, "both clips, figure and numbers", "clip")


def run(args: argparse.Namespace) -> int:
    """`papr video`: a report, or a JSON object, a clip."""
    return reported(args, args.clips, pruned_clips(args), _report, "Clips, figure and numbers")


def _report(result: PrunedClip) -> list[str]:
    """What a person reads: the answer with and without pruning, then a line a frame."""
    found = result.to_dict()
    full, less, source = found["full"], found["pruned"], found["source"]
    low, high = 100 * less["confidence_low"], 100 * less["confidence_high"]
    ends = f" ({low:.1f} to {high:.1f})" if METHODS[found["method"]].draws > 1 else ""
    saved = 100 * (1 - found["gmacs_pruned"] / found["gmacs_full"])
    lines = [(f"{frame['time']:.2f} s", f"{frame['kept']}") for frame in found["frames"]]
    return [
        found["clip"],
        f"{source['codec']}, {source['width']} x {source['height']}, {source['seconds']:.1f} s; "
        f"{len(found['frames'])} of {source['frames']} frames looked at.",
        f"{METHODS[found['method']].title} keeps {found['kept']} of {found['patches']} patches.",
        f"Confidence on “{short_label(found['target']['label'])}”: {100 * full['confidence']:.1f} % "
        f"unpruned, {100 * less['confidence']:.1f} %{ends} pruned. The answer is "
        f"{'kept' if less['kept_answer'] else 'lost'}: {short_label(less['top'][0]['label'])}.",
        f"{found['gmacs_full']:.3f} GMACs unpruned, {found['gmacs_pruned']:.3f} pruned "
        f"({abs(saved):.1f} % {'less' if saved >= 0 else 'more'}), {found['seconds']:.2f} s.",
        *found["notes"],
        "",
        table(("Frame", "Kept"), lines),
    ]


def add_video(parser: argparse.ArgumentParser, metavar: str, **clips: Any) -> None:
    """Clips, models and a method, for every command that prunes clips."""
    parser.add_argument("clips", metavar=metavar, help="a clip's file", **({"nargs": 1} | clips))
    add_question(parser, f"{DEFAULT_PROPOSAL}, or {DEFAULT_CLIP_PROPOSAL} for a model of clips")
    methods = f"of {', '.join(VIDEO_METHODS)} (default: papr)"
    parser.add_argument("--method", metavar="METHOD", default="papr", help=methods)
    add_weights_dir(parser)


def pruned_clips(args: argparse.Namespace) -> Iterator[tuple[str, PrunedClip | None]]:
    """(clip, result) of each clip; one that fails gives a sentence and None, and the others go on."""
    use_weights_dir(args)
    num_kept(100, args.keep)
    check_method(args.method)
    with Progress() as progress:
        pair = load_pair(args.proposal, args.backbone, device=args.device, progress=progress)
        check_method(args.method, pair.proposal)
        check_classes(args, pair.proposal, pair.backbone)

        def pruned(clip: str) -> PrunedClip:
            return prune_clip(
                clip,
                proposal=pair.proposal,
                backbone=pair.backbone,
                keep_ratio=args.keep,
                method=args.method,
                target=args.target,
                explain=args.explain,
                progress=progress,
            )

        yield from each(args.clips, pruned, progress)
