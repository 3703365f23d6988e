"""Options that several commands share."""

import argparse

__all__ = ["add_device", "add_tome_layers", "add_weights_dir", "use_weights_dir"]


def add_device(parser: argparse.ArgumentParser) -> None:
    """--device, for every command that runs long (`papr_core.devices.chosen_device`)."""
    parser.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: cuda where there is one)")


def add_weights_dir(parser: argparse.ArgumentParser) -> None:
    """--weights-dir, for every command that names a model."""
    text = "a folder of your own weights, NAME.safetensors beside NAME.json (default: PAPR_WEIGHTS)"
    parser.add_argument("--weights-dir", metavar="DIR", help=text)


def use_weights_dir(arguments: argparse.Namespace) -> None:
    """Look for weights in that folder from here on. Raises InvalidInput for one that is not there."""
    from papr_core import weights  # which brings torch; `papr --help` is quick

    if arguments.weights_dir is not None:
        weights.configure(weights_dir=arguments.weights_dir)


def add_tome_layers(parser: argparse.ArgumentParser) -> None:
    """--tome-layers, for every command that merges tokens."""
    from papr_core.merging import LAYERS

    text = "the blocks that merge (default: all where nothing is pruned, else the second half)"
    parser.add_argument("--tome-layers", choices=LAYERS, help=text)
