"""Options that several commands share."""

import argparse
from collections.abc import Sequence
from pathlib import Path

__all__ = ["add_device", "add_tome_layers", "add_weights_dir", "folder_names", "use_weights_dir"]


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


def add_tome_layers(parser: argparse.ArgumentParser) -> None:
    """--tome-layers, for every command that merges tokens."""
    from papr_core.pruning.merging import LAYERS

    text = "the blocks that merge (default: all where nothing is pruned, else the second half)"
    parser.add_argument("--tome-layers", choices=LAYERS, help=text)


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
