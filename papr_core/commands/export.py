"""`papr export`: a backbone, its proposal and the selection as one ONNX or torch file."""

import argparse
import json
from typing import Any

from papr_core.commands.options import add_reduction, add_weights_dir, given_reduction, use_weights_dir
from papr_core.commands.terminal import table
from papr_core.errors import InvalidInput
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.pruning.selection import DEFAULT_KEEP_RATIO

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `papr export` takes."""
    add = parser.add_argument
    add("--backbone", default=DEFAULT_BACKBONE, metavar="NAME", help="the model (default: %(default)s)")
    add("--proposal", default=DEFAULT_PROPOSAL, metavar="NAME", help="the ConvNet (default: %(default)s)")
    add(
        "--keep",
        type=float,
        default=DEFAULT_KEEP_RATIO,
        metavar="Z",
        help="keep ratio (default: %(default)s)",
    )
    add_reduction(parser)
    add("--format", choices=("onnx", "torch"), default="onnx", help="of the file (default: %(default)s)")
    add("--out", required=True, metavar="FILE", help="the file to write")
    add("--batch", default="dynamic", metavar="N", help="images at once: a number, or dynamic (the default)")
    add("--half", action="store_true", help="weights in float16; images and answers stay float32")
    add(
        "--rounds",
        type=int,
        default=5,
        metavar="N",
        help="of timing, 0 for none (default: %(default)s)",
    )
    add_weights_dir(parser)
    add("--json", action="store_true", help="print one JSON object instead of tables")


def run(arguments: argparse.Namespace) -> int:
    """`papr export`: what was written, and what it is worth, on stdout."""
    from papr_core.export import export, timings
    from papr_core.models.pruned import prune

    use_weights_dir(arguments)
    batch = _batch(arguments.batch)
    if arguments.rounds < 0:
        raise InvalidInput(f"Timing takes rounds from 0 up, not {arguments.rounds}.")
    pruned = prune(
        arguments.backbone, arguments.proposal, arguments.keep, reduction=given_reduction(arguments)
    )
    found = export(pruned, arguments.out, format=arguments.format, batch=batch, half=arguments.half)
    if arguments.format == "onnx" and batch is None and arguments.rounds:
        found["times"] = timings(pruned, arguments.out, rounds=arguments.rounds)
    print(json.dumps(found) if arguments.json else _report(found))
    return 0


def _batch(text: str) -> int | None:
    if text == "dynamic":
        return None
    if not text.isdigit():
        raise InvalidInput(f"A batch is a whole number from 1 up, or dynamic, not {text!r}.")
    return int(text)


def _report(found: dict[str, Any]) -> str:
    lines = [
        f"{found['file']}: {found['backbone']} pruned by {found['proposal']}, {found['kept']} of"
        f" {found['patches']} patches kept, {found['megabytes']:.1f} MB"
        + (", float16" if found["half"] else ""),
        f"images (B, {', '.join(map(str, found['input_size']))}), mean {found['mean']}, std {found['std']},"
        f" batch {found['batch'] or 'dynamic'}, opset {found['opset']}",
        f"Its logits differ from PyTorch's by {found['difference']:.1e} of the largest.",
    ]
    if times := found.get("times"):
        batches = list(times[0]["images_per_second"])
        head = ("Model", "By", "MB", *(f"Images/s, batch {batch}" for batch in batches))
        rows = [
            (
                row["model"],
                row["by"],
                f"{row['megabytes']:.1f}",
                *(f"{row['images_per_second'][batch]:.1f}" for batch in batches),
            )
            for row in times
        ]
        lines += ["", table(head, rows)]
    return "\n".join(lines)
