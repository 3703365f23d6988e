"""Downloads: what the page shows, written by papr_core, in a folder that is emptied after an hour."""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from papr_core.errors import InvalidInput

from ..session import printable, said
from ..uploads import shelved, upload_folder
from .question import Question, parsed
from .run import Run

__all__ = ["KINDS", "MOST_PICTURES", "PAPER", "check_kind", "save", "save_drawing", "save_part"]

# kind -> file name in the download, and where Comparison.save puts it (None: drawn as the screen shows it)
KINDS = {
    "png": ("papr.png", None),
    "pdf": ("papr.pdf", None),
    "svg": ("papr.svg", None),
    "npz": ("papr-maps.npz", "maps.npz"),
    "json": ("papr-manifest.json", "manifest.json"),
}
# for a paper: kind -> file name
PAPER = {
    **{f"figure-{kind}": f"papr-figure.{kind}" for kind in ("pdf", "png", "svg")},
    **{f"curve-{kind}": f"papr-curve.{kind}" for kind in ("pdf", "png", "svg")},
    "table-csv": "papr-numbers.csv",
    "table-tex": "papr-numbers.tex",
}
MOST_PICTURES = 6


def check_kind(kind: str, kinds: Iterable[str]) -> None:
    """Raises InvalidInput of a kind of download that this page has not."""
    if kind not in kinds:
        raise InvalidInput(f"A download is one of {', '.join(kinds)}.")


def save_drawing(figure: Any, name: str) -> str:
    """Write a matplotlib figure under this name, whose suffix says how; its path."""
    from papr_core.figures import save_figure

    file = Path(tempfile.mkdtemp(prefix="saved-", dir=upload_folder())) / name
    return shelved(str(save_figure(figure, file)))


def save_part(result: Any, part: str, name: str, **how: Any) -> str:
    """Of the files that a result of papr_core saves (how: as `save` takes it), this one, under another name;
    its path."""
    folder = Path(tempfile.mkdtemp(prefix="saved-", dir=upload_folder()))
    made = result.save(folder / "all", **how)
    shutil.move(made / part, folder / name)
    shutil.rmtree(made)
    return shelved(str(folder / name))


def save(run: Run, data: Any, open_run: Callable[[Question], Run]) -> str:
    """Finish what the question still lacks and write the file that it asks for; its path.

    data: what the browser sent; its part `paper` says what a figure for a paper is like. open_run: for the
    other pictures and the other keep ratio of such a figure.
    """
    question = run.question
    with said("save"):
        check_kind(question.kind, [*KINDS, *PAPER])
        if question.kind in PAPER:
            return _paper(run, _part(parsed(data), "paper"), open_run)
    name, part = KINDS[question.kind]
    comparison = run.comparison()
    if part is None:
        return save_drawing(comparison.figure(display=question.display), name)
    return save_part(comparison, part, name)


def _part(data: object, name: str) -> Mapping[str, Any]:
    """A part of what the browser sent, as far as it has one."""
    part = data.get(name) if isinstance(data, Mapping) else None
    return part if isinstance(part, Mapping) else {}


def _paper(run: Run, asked: Mapping[str, Any], open_run: Callable[[Question], Run]) -> str:
    from papr_core.comparison.printed import printed_figure, save_table
    from papr_core.figures import Paper

    numbers = [asked.get(key) for key in ("width", "text", "second")]
    if not all(value is None or _is_size(value) for value in numbers):
        raise InvalidInput("The figure's width, size of text and second share of patches are numbers.")
    width, text, second = numbers
    if second is not None and not 0 < second <= 1:
        raise InvalidInput("The second share of patches is above 0 and at most 100 %.")
    paper = Paper(str(asked.get("layout")), width, text or Paper().text, asked.get("numbers") is not False)
    question, name = run.question, PAPER[run.question.kind]
    if question.kind.startswith("curve"):
        return save_drawing(run.comparison().curve_figure(paper=paper), name)
    ratios = list(dict.fromkeys([question.keep_ratio, *([second] if second else [])]))
    others = asked.get("pictures")
    others = others if isinstance(others, list) else []
    if len(others) >= MOST_PICTURES:
        raise InvalidInput(f"A figure holds at most {MOST_PICTURES} pictures.")
    told = [(question.picture, question.name, question.patches)]
    for other in others:
        if not isinstance(other, Mapping) or not isinstance(other.get("picture"), str):
            raise InvalidInput("The question could not be read; reload the page.")
        told.append((other["picture"][:100], printable(str(other.get("name") or "picture"))[:200], ()))
    methods = question.methods if len(told) == 1 else tuple(m for m in question.methods if m != "by-hand")
    pictures = [
        [
            open_run(
                replace(question, picture=id, name=called, patches=patches, keep_ratio=ratio, methods=methods)
            ).comparison()
            for ratio in ratios
        ]
        for id, called, patches in told
    ]
    if question.kind.startswith("table"):
        file = Path(tempfile.mkdtemp(prefix="saved-", dir=upload_folder())) / name
        return shelved(str(save_table(pictures, file)))
    return save_drawing(printed_figure(pictures, paper=paper, display=question.display), name)


def _is_size(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e6
