"""The command line: `papr COMMAND`, or `python -m papr_core COMMAND`.

A command is looked up in one table; its module is imported when it is called, so `papr --help` is quick. An
error of ours is one sentence on stderr and exit code 2, an interrupt is 130. Results go to stdout,
everything else to stderr.
"""

import argparse
import importlib
import json
import os
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from papr_core.errors import InvalidInput, PaprError
from papr_core.options import add_tome_layers, add_weights_dir, use_weights_dir
from papr_core.tables import plain, table

if TYPE_CHECKING:
    from papr_core.comparison import Comparison
    from papr_core.video import PrunedClip

__all__ = ["COMMANDS", "main"]

# command -> (module with add_arguments(parser) and run(args) -> int, or None where they stand below, help)
COMMANDS: dict[str, tuple[str | None, str]] = {
    "models": (None, "list the models, and where their weights are"),
    "compare": (None, "prune pictures by several methods and see what the backbone still says"),
    "video": (None, "prune clips and see what the backbone still says"),
    "figure": (None, "draw figures for paper and slides"),
    "evaluate": (
        "papr_core.evaluate",
        "measure accuracy against keep ratio on a folder of labelled pictures",
    ),
    "cost": ("papr_core.cost", "count what a configuration costs, without weights; or the paper's own table"),
    "bench": ("papr_core.bench", "time a backbone plain and pruned on this machine"),
    "train": ("papr_core.train", "train or fine-tune a model, also with patches pruned"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a name that the terminal cannot show is no reason to fail
    warnings.filterwarnings("ignore", module="PIL")  # read_image has limits, and a sentence, of its own
    try:
        code = _run(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
        return code
    except PaprError as error:
        _complain(error)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _run(argv: list[str]) -> int:
    from papr_core import __version__

    parser = _Parser(
        prog="papr", description="Patch pruning shown: PaPr beside CAM, Grad-CAM, Score-CAM and controls."
    )
    parser.add_argument("--version", action="version", version=f"papr {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    called = next((word for word in argv if not word.startswith("-")), None)
    run = None
    for name, (module, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name == called:
            add_arguments, run = _parts(name, module)
            add_arguments(command)
    return run(parser.parse_args(argv))


def _parts(name: str, module: str | None) -> tuple[Callable, Callable]:
    if module is None:
        return _OWN[name]
    found = importlib.import_module(module)
    return found.add_arguments, found.run


class _Parser(argparse.ArgumentParser):
    """Wrong arguments are an error like any other: one sentence."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(formatter_class=_Help, **kwargs)

    def error(self, message: str) -> NoReturn:
        raise InvalidInput(f"{message[:1].upper()}{message[1:]}; `{self.prog} --help` says more.")


class _Help(argparse.HelpFormatter):
    """A method's name is not broken at its hyphen."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


def _complain(error: Exception, about: str = "") -> None:
    words = f"{about}: {error}" if about else str(error)
    print(f"papr: {plain(words)}", file=sys.stderr)


# models


def _models_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON array instead of a table")
    fetch = "bring the weights of these models to this machine, as preparation, and say where they are"
    parser.add_argument("--fetch", nargs="+", metavar="NAME", help=fetch)
    add_weights_dir(parser)


def _models(args: argparse.Namespace) -> int:
    from papr_core.listing import fetch_models, model_rows

    use_weights_dir(args)
    if args.fetch:
        for source in fetch_models(args.fetch):
            print(f"{source.name}: {source.kind}, {source.megabytes:.0f} MB")
        return 0
    rows = model_rows(complain=_complain)
    if args.json:
        print(json.dumps(rows))
        return 0
    head = ("Name", "Title", "Input", "Classes", "Weights", "SHA-256", "Licence")
    for role, title in (
        ("proposal", "Proposals: ConvNets that rank patches"),
        ("backbone", "Backbones: pruned"),
    ):
        print(f"{title}\n\n{table(head, [_model_line(row) for row in rows if row['role'] == role])}\n")
    return 0


def _model_line(row: dict[str, Any]) -> tuple[str, ...]:
    size = "" if row["megabytes"] is None else f"{row['megabytes']:.0f} MB"
    where = f"{row['weights']} {'of ' if row['weights'] == 'download' and size else ''}{size}".strip()
    licence = row["licence"] if len(row["licence"]) <= 24 else row["licence"][:23] + "…"
    pixels, digest = "x".join(map(str, row["input_size"][1:])), (row["sha256"] or "")[:12]
    return row["name"], row["title"], pixels, row["labels"], where, digest, licence


# compare


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    _add_comparison(parser)
    out = "write figure, maps and manifest: into DIR for one picture, into DIR/NAME for several"
    parser.add_argument("--out", metavar="DIR", type=Path, help=out)
    parser.add_argument("--json", action="store_true", help="print one JSON object a picture, a line each")


def _compare(args: argparse.Namespace) -> int:
    names = _folder_names(args.images)
    failed = False
    for index, (image, comparison) in enumerate(_comparisons(args, curve=True)):
        failed |= comparison is None
        if comparison is None:
            continue
        folder = None
        if args.out is not None:
            folder = comparison.save(args.out if len(args.images) == 1 else args.out / names[index])
        if args.json:
            print(json.dumps(comparison.to_dict(), allow_nan=False), flush=True)
        else:
            print(_report(image, comparison), end="\n\n", flush=True)
            if folder:
                print(f"Figure, maps and manifest are in {plain(str(folder))}.", end="\n\n", flush=True)
    return 2 if failed else 0


def _report(image: str, comparison: "Comparison") -> str:
    """What a person reads: the verdict, then a line a method."""
    from papr_core.labels import short_label
    from papr_core.methods import METHODS

    num_patches = comparison.methods[0].patches
    unpruned = ", ".join(
        f"{short_label(label)} {100 * share:.1f} %" for label, share in comparison.full_top[:3]
    )
    marks = {True: "kept", False: "lost", None: ""}
    lines = []
    for method in comparison.methods:
        several = METHODS[method.name].draws > 1
        ends = (method.confidence_low, method.confidence_high)
        low, high = (comparison.shown(end).removesuffix(" %") for end in ends)
        lines.append((
            method.title,
            f"{method.kept}",
            comparison.shown(method.confidence) + (f" ({low} to {high})" if several else ""),
            marks[method.kept_answer],
            short_label(method.top[0][0]) if method.top else "",
            "-" if method.fewest_patches is None else f"{method.fewest_patches}",
            f"{100 * method.overlap_with_papr:.0f} %",
            f"{method.seconds:.3f} s",
        ))  # fmt: skip
    measure = comparison.measure.capitalize()
    head = ("Method", "Kept", measure, "Answer", "Top-1", "Fewest", "As PaPr", "Map in")
    about = (
        f"on “{short_label(comparison.target.label)}”" if comparison.target else "to the unpruned embedding"
    )
    full = f" Unpruned: {unpruned}." if unpruned else ""
    said = [
        image,
        comparison.verdict,
        f"{100 * comparison.keep_ratio:g} % of {num_patches} patches kept.{full}",
        f"{measure} {about}.{_explained(comparison)}",
        *comparison.notes,
        "",
        table(head, lines),
    ]
    return "\n".join(line if "\n" in line else plain(line) for line in said)


def _explained(comparison: "Comparison") -> str:
    from papr_core.labels import short_label
    from papr_core.methods import METHODS

    explaining = [method.title for method in comparison.methods if METHODS[method.name].uses_class]
    if not explaining:
        return ""
    whose = {"proposal": "the ConvNet's own answer", "target": "the target", "class": "as asked"}
    label, mode = comparison.explain.label, comparison.explain.mode
    return f" {', '.join(explaining)}: explaining “{short_label(label)}”, {whose[mode]}."


def _folder_names(images: Sequence[str]) -> list[str]:
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


# video


def _video_arguments(parser: argparse.ArgumentParser) -> None:
    _add_video(parser, "CLIP", nargs="+")
    out = "write both clips, figure and numbers: into DIR for one clip, into DIR/NAME for several"
    parser.add_argument("--out", metavar="DIR", type=Path, help=out)
    parser.add_argument("--json", action="store_true", help="print one JSON object a clip, a line each")


def _video(args: argparse.Namespace) -> int:
    names = _folder_names(args.clips)
    failed = False
    for index, (_, result) in enumerate(_pruned_clips(args)):
        failed |= result is None
        if result is None:
            continue
        folder = None
        if args.out is not None:
            folder = result.save(args.out if len(args.clips) == 1 else args.out / names[index])
        if args.json:
            print(json.dumps(result.to_dict(), allow_nan=False), flush=True)
        else:
            print(_video_report(result.to_dict()), end="\n\n", flush=True)
            if folder:
                print(f"Clips, figure and numbers are in {plain(str(folder))}.", end="\n\n", flush=True)
    return 2 if failed else 0


def _video_report(found: dict[str, Any]) -> str:
    """What a person reads: the answer with and without pruning, then a line a frame."""
    from papr_core.labels import short_label
    from papr_core.methods import METHODS

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


def _add_video(parser: argparse.ArgumentParser, metavar: str, **clips: Any) -> None:
    from papr_core.selection import DEFAULT_KEEP_RATIO
    from papr_core.video import VIDEO_METHODS

    def add(*flags: str, help: str, **kwargs: Any) -> None:
        parser.add_argument(*flags, help=help, **kwargs)

    target = "the class whose confidence is reported: index or name (default: the full model's answer)"
    explain = (
        "the class that CAMs explain: proposal (the ConvNet's own answer, the default), target, or a class"
    )
    methods = f"of {', '.join(VIDEO_METHODS)} (default: papr)"
    looking = "the ConvNet that ranks patches (default: the embedded one, or x3d_s for a model of clips)"
    add("clips", metavar=metavar, help="a clip's file", **({"nargs": 1} | clips))
    add("--proposal", metavar="NAME", help=looking)
    add("--backbone", metavar="NAME", help="the model that is pruned (default: the embedded one)")
    share = "keep ratio, 0 to 1 (default: %(default)s)"
    add("--keep", metavar="RATIO", type=float, default=DEFAULT_KEEP_RATIO, help=share)
    add("--method", metavar="METHOD", default="papr", help=methods)
    add("--target", metavar="CLASS", help=target)
    add("--explain", metavar="WHAT", default="proposal", help=explain)
    add("--device", default="cpu", help="cpu (the default), cuda, cuda:1, ...")
    add_weights_dir(parser)


def _pruned_clips(args: argparse.Namespace) -> "Iterator[tuple[str, PrunedClip | None]]":
    """(clip, result) of each clip; one that fails gives a sentence and None, and the others go on."""
    from papr_core.selection import num_kept
    from papr_core.video import check_method, load_pair, prune_clip

    use_weights_dir(args)
    num_kept(100, args.keep)
    check_method(args.method)
    with _Progress() as progress:
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
                _complain(error, about=clip if len(args.clips) > 1 else "")
                result = None
            progress.clear()
            yield clip, result


# figure


def _figure_arguments(parser: argparse.ArgumentParser) -> None:
    figures = parser.add_subparsers(dest="figure", metavar="FIGURE", required=True)
    text = (
        "a row a picture: the picture with both models' confidence, then each method's map and what it keeps"
    )
    figure = figures.add_parser("methods", help=text, description=text[0].upper() + text[1:] + ".")
    _add_comparison(figure)
    out = "a .pdf, .png or .svg file; for a folder of pictures a folder, which gets a .png for each"
    figure.add_argument("--out", metavar="FILE", type=Path, required=True, help=out)
    text = "frames of a clip, and the same frames with pruned patches masked"
    figure = figures.add_parser("video", help=text, description=text[0].upper() + text[1:] + ".")
    _add_video(figure, "CLIP")
    figure.add_argument("--out", metavar="FILE", type=Path, required=True, help="a .pdf, .png or .svg file")

    _drawn(
        figures, "proposals", "what several ConvNets keep of one picture, a row each", _proposals_arguments
    )
    _drawn(figures, "merged", "a picture's tokens after merging (ToMe), as a mosaic", _merged_arguments)
    _drawn(figures, "pareto", "accuracy against cost, from what evaluate --json printed", _pareto_arguments)
    _drawn(figures, "topk", "accuracy against k, a line a model, from the same files", _results_arguments)


def _drawn(figures: Any, name: str, text: str, add_arguments: Callable) -> None:
    figure = figures.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    add_arguments(figure)
    figure.add_argument("--out", metavar="FILE", type=Path, required=True, help="a .pdf, .png or .svg file")


def _proposals_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("image", metavar="IMAGE", help="a picture's file")
    add("--proposals", metavar="NAME", nargs="+", required=True, help="the ConvNets, a row each")
    add("--untrained", metavar="NAME", nargs="+", default=[], help="ConvNets with random weights, a control")
    add("--backbone", metavar="NAME", help="whose crop and patches (default: the embedded one)")
    add("--keep", metavar="RATIO", type=float, nargs="+", default=[0.5, 0.3], help="default: 0.5 0.3")
    add("--json", action="store_true", help="print what is drawn as one JSON object")
    add_weights_dir(parser)


def _merged_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("image", metavar="IMAGE", help="a picture's file")
    add("--backbone", metavar="NAME", help="the ViT that merges (default: the embedded one)")
    add("--proposal", metavar="NAME", help="the ConvNet that ranks patches (default: the embedded one)")
    add("--keep", metavar="RATIO", type=float, default=1.0, help="patches kept before (default: 1, all)")
    add("--tome-r", metavar="R", type=int, default=8, help="tokens merged in each block (default: 8)")
    add_tome_layers(parser)
    add("--json", action="store_true", help="print what is drawn as one JSON object")
    add_weights_dir(parser)


def _results_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", metavar="FILE", nargs="+", help="what evaluate --json printed")


def _pareto_arguments(parser: argparse.ArgumentParser) -> None:
    _results_arguments(parser)
    parser.add_argument("--method", default="papr", help="whose accuracy, where patches are pruned (papr)")


def _proposals_figure(args: argparse.Namespace) -> tuple[Any, str]:
    from papr_core.agreement import compare_proposals
    from papr_core.catalog import DEFAULT_BACKBONE

    use_weights_dir(args)
    found = compare_proposals(
        args.image,
        args.proposals,
        backbone=args.backbone or DEFAULT_BACKBONE,
        keep=args.keep,
        controls=args.untrained,
        name=args.image,
    )
    return found.figure(), json.dumps(found.to_dict(), allow_nan=False) if args.json else found.caption


def _merged_figure(args: argparse.Namespace) -> tuple[Any, str]:
    from papr_core.catalog import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
    from papr_core.mosaic import merge_picture

    use_weights_dir(args)
    found = merge_picture(
        args.image,
        proposal=args.proposal or DEFAULT_PROPOSAL,
        backbone=args.backbone or DEFAULT_BACKBONE,
        keep=args.keep,
        tome_r=args.tome_r,
        tome_layers=args.tome_layers,
        name=args.image,
    )
    return found.figure(), json.dumps(found.to_dict(), allow_nan=False) if args.json else found.caption


def _results_figure(args: argparse.Namespace) -> tuple[Any, str]:
    from papr_core import tradeoff

    results = tradeoff.read_results(args.results)
    if args.figure == "pareto":
        return tradeoff.pareto_figure(results, method=args.method), "Accuracy against cost."
    return tradeoff.topk_figure(results), "Accuracy against k."


_DRAWN = {
    "proposals": _proposals_figure,
    "merged": _merged_figure,
    "pareto": _results_figure,
    "topk": _results_figure,
}


def _figure(args: argparse.Namespace) -> int:
    from papr_core import figures

    if args.figure == "methods" and len(args.images) == 1 and os.path.isdir(args.images[0]):
        return _album(args)
    if args.out.suffix.lower().lstrip(".") not in figures.FORMATS:
        raise InvalidInput(f"A figure is written as .png, .pdf or .svg, not as {args.out.name!r}.")
    if not args.out.parent.is_dir():
        raise InvalidInput(f"There is no folder {args.out.parent} for {args.out.name}.")
    if args.figure in _DRAWN:
        figure, said = _DRAWN[args.figure](args)
        figures.save_figure(figure, args.out)
        as_json = getattr(args, "json", False)
        print(said if as_json else plain(f"{said} The figure is {args.out}."))
        return 0
    if args.figure == "video":
        _, result = next(_pruned_clips(args))
        if result is not None:
            figures.save_figure(result.figure(), args.out)
            print(f"{plain(result.caption)} The figure is {plain(str(args.out))}.")
        return 2 if result is None else 0
    comparisons = [comparison for _, comparison in _comparisons(args, curve=False)]
    drawn = [comparison for comparison in comparisons if comparison is not None]
    if drawn:
        rows = [comparison.figure_row() for comparison in drawn]
        figures.save_figure(figures.methods_figure(rows, note=drawn[0].caption), args.out)
        print(f"{len(drawn)} of {len(comparisons)} pictures are in {plain(str(args.out))}.")
    return 0 if len(drawn) == len(comparisons) else 2


def _album(args: argparse.Namespace) -> int:
    """A figure for each picture of a folder; under torchrun every process draws its share."""
    from papr_core import album, figures
    from papr_core.devices import chosen_device
    from papr_core.records import share

    if args.out.suffix.lower().lstrip(".") in figures.FORMATS:
        raise InvalidInput(f"A folder of pictures gets a folder of figures, not one file {args.out.name!r}.")
    told = ("proposal", "backbone", "keep", "methods", "target", "explain", "patches", "fit")
    waiting, there = album.waiting(args.images[0], args.out, {key: getattr(args, key) for key in told})
    args.images = [str(picture) for picture, _ in waiting]
    args.device = chosen_device(args.device)
    drawn = 0
    for (_, file), (_, comparison) in zip(waiting, _comparisons(args, curve=False)):
        if comparison is not None:
            figure = figures.methods_figure([comparison.figure_row()], note=comparison.caption)
            album.write(file, figures.figure_bytes(figure, "png"))
            drawn += 1
    rank, processes = share()
    who = f"Process {rank} of {processes}: " if processes > 1 else ""
    print(plain(f"{who}{drawn} figures drawn into {args.out}, {there} were there."))
    return 0 if drawn == len(waiting) else 2


# What compare and figure share


def _add_comparison(parser: argparse.ArgumentParser) -> None:
    from papr_core.images import FITS
    from papr_core.methods import DEFAULT_METHODS, METHODS
    from papr_core.selection import DEFAULT_KEEP_RATIO

    def add(*flags: str, help: str, **kwargs: Any) -> None:
        parser.add_argument(*flags, help=help, **kwargs)

    known = ", ".join(name for name, method in METHODS.items() if method.kind != "choice")
    methods = f"of {known} (default: {' '.join(DEFAULT_METHODS)})"
    target = "the class whose confidence is reported: index or name (default: the full model's answer)"
    explain = (
        "the class that CAMs explain: proposal (the ConvNet's own answer, the default), target, or a class"
    )
    patches = "patches to keep by hand, counted row by row from 0; adds the method by-hand"
    add("images", metavar="IMAGE", nargs="+", help="a picture's file")
    add("--proposal", metavar="NAME", help="the ConvNet that ranks patches (default: the embedded one)")
    add("--backbone", metavar="NAME", help="the model that is pruned (default: the embedded one)")
    share = "keep ratio, 0 to 1 (default: %(default)s)"
    add("--keep", metavar="RATIO", type=float, default=DEFAULT_KEEP_RATIO, help=share)
    add("--methods", metavar="METHOD", nargs="+", help=methods)
    add("--target", metavar="CLASS", help=target)
    add("--explain", metavar="WHAT", default="proposal", help=explain)
    add("--patches", metavar="I", type=int, nargs="+", help=patches)
    add("--fit", choices=FITS, default="crop", help="how a picture gets the model's shape")
    add("--device", default="cpu", help="cpu (the default), cuda, cuda:1, ...")
    add_weights_dir(parser)


def _comparisons(args: argparse.Namespace, *, curve: bool) -> "Iterator[tuple[str, Comparison | None]]":
    """(image, comparison) of each picture; one that fails gives a sentence and None, and the others go on."""
    from papr_core.backbones import load_backbone
    from papr_core.catalog import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
    from papr_core.comparison import compare
    from papr_core.methods import DEFAULT_METHODS
    from papr_core.proposals import load_proposal

    use_weights_dir(args)
    _check(args)
    with _Progress() as progress:
        proposal = load_proposal(
            args.proposal or DEFAULT_PROPOSAL, device=args.device, progress=progress.of("ConvNet's weights")
        )
        backbone = load_backbone(
            args.backbone or DEFAULT_BACKBONE, device=args.device, progress=progress.of("Backbone's weights")
        )
        _check_with(args, proposal, backbone)
        for image in args.images:
            try:
                comparison = compare(
                    image,
                    proposal=proposal,
                    backbone=backbone,
                    keep_ratio=args.keep,
                    methods=args.methods or DEFAULT_METHODS,
                    target=args.target,
                    explain=args.explain,
                    patches=args.patches,
                    fit=args.fit,
                    curve=curve,
                    progress=progress,
                )
            except PaprError as error:
                progress.clear()
                _complain(error, about=image if len(args.images) > 1 else "")
                comparison = None
            progress.clear()
            yield image, comparison


def _check(args: argparse.Namespace) -> None:
    """Refuse at once what needs no model to be wrong."""
    from papr_core.methods import find_method
    from papr_core.selection import num_kept

    num_kept(100, args.keep)
    for name in args.methods or ():
        find_method(name)
    if "by-hand" in (args.methods or ()) and not args.patches:
        raise InvalidInput("by-hand needs --patches, the patches that are to stay.")


def _check_with(args: argparse.Namespace, proposal: Any, backbone: Any) -> None:
    """Refuse once, not once a picture, what does not fit the models."""
    from papr_core.errors import UnsupportedModel
    from papr_core.methods import checked_patches, refusal

    if args.target is not None:
        backbone.labels.find(args.target)
    if args.explain not in ("proposal", "target"):
        proposal.labels.find(args.explain)
    if args.patches is not None:
        checked_patches(args.patches, backbone.num_patches)
    for name in args.methods or ():
        if reason := refusal(name, proposal):
            raise UnsupportedModel(reason)


class _Progress:
    """One line on stderr that overwrites itself; nothing where stderr is no terminal."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._width = 0

    def __call__(self, what: str, done: int, of: int) -> None:
        if self._shown and of:
            line = f"{what} {100 * done // of} %"
            print(f"\r{line.ljust(self._width)}", end="", file=sys.stderr, flush=True)
            self._width = len(line)

    def of(self, what: str) -> Callable[[int, int], None]:
        return lambda done, of: self(what, done, of)

    def clear(self) -> None:
        if self._width:
            print(f"\r{' ' * self._width}\r", end="", file=sys.stderr, flush=True)
            self._width = 0

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()


_OWN: dict[str, tuple[Callable, Callable]] = {
    "models": (_models_arguments, _models),
    "compare": (_compare_arguments, _compare),
    "video": (_video_arguments, _video),
    "figure": (_figure_arguments, _figure),
}
