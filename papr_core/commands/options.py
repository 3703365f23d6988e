"""Options that several commands share."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from papr_core.models.embedded import DEFAULT_BACKBONE
from papr_core.pruning.reductions import REDUCTIONS, Asked, asked

__all__ = [
    "add_device",
    "add_output",
    "add_plugin",
    "add_question",
    "add_reduction",
    "add_weights_dir",
    "check_classes",
    "folder_names",
    "given_reduction",
    "given_reductions",
    "use_plugins",
    "use_weights_dir",
]


def add_device(parser: argparse.ArgumentParser) -> None:
    """--device, for every command that runs long (`papr_core.devices.chosen_device`)."""
    parser.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: cuda where there is one)")


def add_weights_dir(parser: argparse.ArgumentParser) -> None:
    """--weights-dir, for every command that names a model."""
    text = "a folder of your own weights, NAME.safetensors beside NAME.json (default: PAPR_WEIGHTS)"
    parser.add_argument("--weights-dir", metavar="DIR", help=text)


def use_weights_dir(arguments: argparse.Namespace) -> None:
    """Look for weights in that folder from here on. Raises InvalidInput for one that is not there."""
    from papr_core.models import weights  # which brings torch; `papr --help` is quick

    if arguments.weights_dir is not None:
        weights.configure(weights_dir=arguments.weights_dir)


def add_plugin(parser: argparse.ArgumentParser) -> None:
    """--plugin, for every command that takes methods."""
    text = "a Python file that registers methods of your own (papr_core.register_method); may be repeated"
    parser.add_argument("--plugin", metavar="FILE", action="append", default=[], help=text)


def use_plugins(arguments: argparse.Namespace) -> None:
    """Put their methods into the table. Raises InvalidInput for a file that is not there, or fails."""
    from papr_core.methods.own import load_plugin  # which brings torch

    for path in arguments.plugin:
        load_plugin(path)


def add_reduction(
    parser: argparse.ArgumentParser, *, several: bool = False, default: Asked | None = None
) -> None:
    """The words of all reductions, such as --tome-r 8; several: more than one amount of each."""
    usual = default.to_dict() if default else {}
    each = "; several numbers: each with each keep ratio" if several else ""
    for kind in REDUCTIONS.values():
        for word in kind.words:
            option = f"--{word.name.replace('_', '-')}"
            if word is kind.amount:
                short = word.name.rpartition("_")[2].upper()
                text = f"{word.about}{each} (default: {usual.get(word.name, word.unsaid)})"
                nargs = "+" if several else None
                parser.add_argument(option, type=int, nargs=nargs, metavar=short, help=text)
            else:
                text = f"{word.about} (default: {word.unsaid})"
                parser.add_argument(option, choices=tuple(word.choices), help=text)


def given_reduction(arguments: argparse.Namespace, default: Asked | None = None) -> Asked | None:
    """What they ask for; settings alone go with the default. Raises InvalidInput for two at once."""
    given = vars(arguments)
    if (found := asked(given)) is not None or default is None:
        return found
    return asked(given | {word: said for word, said in default.to_dict().items() if said is not None})


def given_reductions(arguments: argparse.Namespace) -> list[Asked | None]:
    """The same where several are asked for, in order; with none of them, that nothing is reduced."""
    given, found = vars(arguments), []
    for kind in REDUCTIONS.values():
        how = {word.name: given[word.name] for word in kind.settings}
        found += [asked({**how, kind.amount.name: amount}) for amount in given[kind.amount.name] or ()]
    return found or [None]


def folder_names(images: Sequence[str]) -> list[str]:
    """One folder name a picture: its stem, numbered where two are alike."""
    names: list[str] = []
    for image in images:
        stem = name = Path(image).stem or "image"
        number = 1
        while name.casefold() in (taken.casefold() for taken in names):
            number += 1
            name = f"{stem}-{number}"
        names.append(name)
    return names


# What compare and video share


def add_question(parser: argparse.ArgumentParser, proposal: str, *, several: bool = False) -> None:
    """Models, keep ratio (several: more than one), classes and device; proposal: which is the usual one."""
    from papr_core.pruning.selection import DEFAULT_KEEP_RATIO  # which brings torch

    add = parser.add_argument
    add("--proposal", metavar="NAME", help=f"the ConvNet that ranks patches (default: {proposal})")
    add("--backbone", metavar="NAME", help=f"the model that is pruned (default: {DEFAULT_BACKBONE})")
    share = f"keep ratio, 0 to 1 (default: {DEFAULT_KEEP_RATIO:g})"
    if several:
        share, ratios = f"{share}; several: one below the other", [DEFAULT_KEEP_RATIO]
        add("--keep", metavar="RATIO", type=float, help=share, nargs="+", default=ratios)
    else:
        add("--keep", metavar="RATIO", type=float, help=share, default=DEFAULT_KEEP_RATIO)
    target = "the class whose confidence is reported: index or name (default: the full model's answer)"
    add("--target", metavar="CLASS", help=target)
    explain = (
        "the class that CAMs explain: proposal (the ConvNet's own answer, the default), target, or a class"
    )
    add("--explain", metavar="WHAT", default="proposal", help=explain)
    add("--device", default="cpu", help="cpu (the default), cuda, cuda:1, ...")


def add_output(parser: argparse.ArgumentParser, what: str, kind: str) -> None:
    """--out, which writes `what`, and --json, of each picture or clip (kind)."""
    out = f"write {what}: into DIR for one {kind}, into DIR/NAME for several"
    parser.add_argument("--out", metavar="DIR", type=Path, help=out)
    parser.add_argument("--json", action="store_true", help=f"print one JSON object a {kind}, a line each")


def check_classes(args: argparse.Namespace, proposal: Any, backbone: Any) -> None:
    """Refuse once, not once a picture, classes that the models do not know. Raises UnknownClass."""
    if args.target is not None:
        backbone.labels.find(args.target)
    if args.explain not in ("proposal", "target"):
        proposal.labels.find(args.explain)
