"""`papr video`: clips pruned, and what the backbone still says."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from papr_core.commands.options import add_weights_dir, folder_names, use_weights_dir
from papr_core.commands.terminal import Progress, complain, plain, table
from papr_core.comparison.video import VIDEO_METHODS, PrunedClip, check_method, load_pair, prune_clip
from papr_core.errors import PaprError
from papr_core.methods.table import METHODS
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.models.labels import short_label
from papr_core.pruning.selection import DEFAULT_KEEP_RATIO, num_kept

__all__ = ["add_arguments", "add_video", "pruned_clips", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `papr video` takes."""
    add_video(parser, "CLIP", nargs="+")
    out = "write both clips, figure and numbers: into DIR for one clip, into DIR/NAME for several"
    parser.add_argument("--out", metavar="DIR", type=Path, help=out)
    parser.add_argument("--json", action="store_true", help="print one JSON object a clip, a line each")


def run(args: argparse.Namespace) -> int:
    """`papr video`: a report, or a JSON object, a clip."""
    names = folder_names(args.clips)
    failed = False
    for index, (_, result) in enumerate(pruned_clips(args)):
        failed |= result is None
        if result is None:
            continue
        folder = None
        if args.out is not None:
            folder = result.save(args.out if len(args.clips) == 1 else args.out / names[index])
        if args.json:
            print(json.dumps(result.to_dict(), allow_nan=False), flush=True)
        else:
            print(_report(result.to_dict()), end="\n\n", flush=True)
            if folder:
                print(f"Clips, figure and numbers are in {plain(str(folder))}.", end="\n\n", flush=True)
    return 2 if failed else 0


def _report(found: dict[str, Any]) -> str:
    """What a person reads: the answer with and without pruning, then a line a frame."""
    full, less, source = found["full"], found["pruned"], found["source"]
    low, high = 100 * less["confidence_low"], 100 * less["confidence_high"]
    spread = f" ({low:.1f} to {high:.1f})" if METHODS[found["method"]].draws > 1 else ""
    saved = 100 * (1 - found["gmacs_pruned"] / found["gmacs_full"])
    lines = [(f"{frame['time']:.2f} s", f"{frame['kept']}") for frame in found["frames"]]
    said = [
        found["clip"],
        f"{source['codec']}, {source['width']} x {source['height']}, {source['seconds']:.1f} s; "
        f"{len(found['frames'])} of {source['frames']} frames looked at.",
        f"{METHODS[found['method']].title} keeps {found['kept']} of {found['patches']} patches.",
        f"Confidence on “{short_label(found['target']['label'])}”: {100 * full['confidence']:.1f} % "
        f"unpruned, {100 * less['confidence']:.1f} %{spread} pruned. The answer is "
        f"{'kept' if less['kept_answer'] else 'lost'}: {short_label(less['top'][0]['label'])}.",
        f"{found['gmacs_full']:.3f} GMACs unpruned, {found['gmacs_pruned']:.3f} pruned "
        f"({abs(saved):.1f} % {'less' if saved >= 0 else 'more'}), {found['seconds']:.2f} s.",
        *found["notes"],
        "",
        table(("Frame", "Kept"), lines),
    ]
    return "\n".join(line if "\n" in line else plain(line) for line in said)


def add_video(parser: argparse.ArgumentParser, metavar: str, **clips: Any) -> None:
    """Clips, models and a method, for every command that prunes clips."""

    def add(*flags: str, help: str, **kwargs: Any) -> None:
        parser.add_argument(*flags, help=help, **kwargs)

    target = "the class whose confidence is reported: index or name (default: the full model's answer)"
    explain = (
        "the class that CAMs explain: proposal (the ConvNet's own answer, the default), target, or a class"
    )
    methods = f"of {', '.join(VIDEO_METHODS)} (default: papr)"
    looking = f"the ConvNet that ranks patches (default: {DEFAULT_PROPOSAL}, or x3d_s for a model of clips)"
    add("clips", metavar=metavar, help="a clip's file", **({"nargs": 1} | clips))
    add("--proposal", metavar="NAME", help=looking)
    add("--backbone", metavar="NAME", help=f"the model that is pruned (default: {DEFAULT_BACKBONE})")
    share = "keep ratio, 0 to 1 (default: %(default)s)"
    add("--keep", metavar="RATIO", type=float, default=DEFAULT_KEEP_RATIO, help=share)
    add("--method", metavar="METHOD", default="papr", help=methods)
    add("--target", metavar="CLASS", help=target)
    add("--explain", metavar="WHAT", default="proposal", help=explain)
    add("--device", default="cpu", help="cpu (the default), cuda, cuda:1, ...")
    add_weights_dir(parser)


def pruned_clips(args: argparse.Namespace) -> Iterator[tuple[str, PrunedClip | None]]:
    """(clip, result) of each clip; one that fails gives a sentence and None, and the others go on."""
    use_weights_dir(args)
    num_kept(100, args.keep)
    check_method(args.method)
    with Progress() as progress:
        pair = load_pair(args.proposal, args.backbone, device=args.device, progress=progress)
        check_method(args.method, pair.proposal)
        if args.target is not None:
            pair.backbone.labels.find(args.target)
        if args.explain not in ("proposal", "target"):
            pair.proposal.labels.find(args.explain)
        for clip in args.clips:
            try:
                result = prune_clip(
                    clip,
                    proposal=pair.proposal,
                    backbone=pair.backbone,
                    keep_ratio=args.keep,
                    method=args.method,
                    target=args.target,
                    explain=args.explain,
                    progress=progress,
                )
            except PaprError as error:
                progress.clear()
                complain(error, about=clip if len(args.clips) > 1 else "")
                result = None
            progress.clear()
            yield clip, result
