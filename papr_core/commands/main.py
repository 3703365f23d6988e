"""The command line: `papr COMMAND`, or `python -m papr_core COMMAND`.

A command is looked up in one table; its module is imported when it is called, so `papr --help` is quick. An
error of ours is one sentence on stderr and exit code 2, an interrupt is 130. Results go to stdout,
everything else to stderr.
"""

import argparse
import importlib
import os
import re
import sys
import textwrap
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn, TextIO

from papr_core.commands.terminal import complain
from papr_core.errors import InvalidInput, PaprError, PaprWarning

__all__ = ["COMMANDS", "Parser", "command_module", "main"]

# command -> its help; the module of that name has add_arguments(parser) and run(arguments) -> int
COMMANDS = {
    "models": "list the models, and where their weights are",
    "compare": "prune pictures by several methods and see what the backbone still says",
    "video": "prune clips and see what the backbone still says",
    "figure": "draw figures for paper and slides",
    "evaluate": "measure accuracy against keep ratio on a folder of labelled pictures",
    "table": "one table, and one figure, of any number of evaluations",
    "cost": "count what a configuration costs, without weights; or the paper's own table",
    "bench": "time a backbone plain and pruned on this machine",
    "export": "write a backbone, its ConvNet and the selection as one ONNX or torch file",
    "train": "train or fine-tune a model, also with patches pruned",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a name that the terminal cannot show is no reason to fail
    warnings.filterwarnings("ignore", module="PIL")  # read_image has limits, and a sentence, of its own
    warnings.showwarning = _show_warning
    try:
        code = _run(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
        return code
    except PaprError as error:
        complain(error)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _run(argv: list[str]) -> int:
    from papr_core import __version__

    parser = Parser(
        prog="papr", description="Patch pruning shown: PaPr beside CAM, Grad-CAM, Score-CAM and controls."
    )
    parser.add_argument("--version", action="version", version=f"papr {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    called = next((word for word in argv if not word.startswith("-")), None)
    run: Any = None  # parse_args exits where no command is called
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name == called:
            module = command_module(name)
            module.add_arguments(command)
            run = module.run
    arguments = parser.parse_args(argv)
    for before, word in zip(("", *argv), argv):
        if not word.strip() or re.fullmatch("--[a-z-]+=", word):
            option = next((one.rstrip("=") for one in (word, before) if one.startswith("--")), "an argument")
            raise InvalidInput(f"Nothing stands for {option}: say what is meant, or leave it out.")
    return run(arguments)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning of ours is a sentence; others look as Python has them."""
    if issubclass(category, PaprWarning):
        complain(message)
    else:
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno))


def command_module(name: str) -> ModuleType:
    """The module of a command, imported now."""
    return importlib.import_module(f"papr_core.commands.{name}")


class Parser(argparse.ArgumentParser):
    """Wrong arguments are an error like any other: one sentence."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(formatter_class=_Help, **kwargs)

    def error(self, message: str) -> NoReturn:
        raise InvalidInput(f"{message[:1].upper()}{message[1:]}; `{self.prog} --help` says more.")


class _Help(argparse.HelpFormatter):
    """A method's name is not broken at its hyphen."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)
