"""`papr train`: a model trained or fine-tuned, also with patches pruned."""

import argparse
import dataclasses
import json
from pathlib import Path

from papr_core.commands.options import add_device, add_weights_dir, use_weights_dir
from papr_core.commands.terminal import steps_bar
from papr_core.data.datasets import SPLITS
from papr_core.devices import chosen_device
from papr_core.errors import InvalidInput
from papr_core.training.recipe import Recipe
from papr_core.training.train import train

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m papr_core train`: one for each field of Recipe, and where things are."""
    parser.add_argument("--data", required=True, help="folder or tar file of class folders to train on")
    parser.add_argument("--val", help="the same, of images to measure after each epoch")
    learnt = (
        "what to learn from where --data has train/, val/, ... in it; the other is measured (%(default)s)"
    )
    parser.add_argument("--split", choices=tuple(SPLITS), default="train", help=learnt)
    parser.add_argument(
        "--out", required=True, help="folder for weights, log and checkpoint; resumed if it has one"
    )
    parser.add_argument("--name", default="model", help="name of the weight file")
    parser.add_argument("--facts", help="JSON file with label_names, label_synsets, ... for the written one")
    parser.add_argument("--lessons", help="folder for what a teacher that looks once saw (default: in --out)")
    add_device(parser)
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that read images (0: none beside this)"
    )
    stop = "stop at a picture that cannot be read, not go on without it"
    parser.add_argument("--strict", action="store_true", help=stop)
    parser.add_argument("--checkpoint-minutes", type=float, default=10)
    add_weights_dir(parser)
    for setting in dataclasses.fields(Recipe):
        option, text = "--" + setting.name.replace("_", "-"), setting.metadata["help"]
        if isinstance(setting.default, bool):
            parser.add_argument(option, action="store_true", help=text)
        else:
            kind = type(setting.default)
            parser.add_argument(option, type=kind, default=setting.default, help=f"{text} (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """`python -m papr_core train`: prints the log's line of each epoch as it is written."""
    use_weights_dir(arguments)
    recipe = Recipe(
        **{setting.name: getattr(arguments, setting.name) for setting in dataclasses.fields(Recipe)}
    )
    try:
        facts = json.loads(Path(arguments.facts).read_text()) if arguments.facts else None
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{arguments.facts} is no readable JSON file ({error}).") from error
    with steps_bar() as progress:
        train(
            recipe,
            arguments.data,
            arguments.out,
            val=arguments.val,
            split=arguments.split,
            device=chosen_device(arguments.device),
            workers=arguments.workers,
            checkpoint_minutes=arguments.checkpoint_minutes,
            name=arguments.name,
            facts=facts,
            lessons=arguments.lessons,
            strict=arguments.strict,
            on_epoch=lambda line: print(json.dumps(line), flush=True),
            progress=progress,
        )
    return 0
