"""Write docs/api.md, the library's public names, from their signatures and docstrings.

python docs/api.py
"""

import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import papr_core

FILE = Path(__file__).with_name("api.md")

# What the public names give and take, beside themselves.
OTHERS = {
    "ImageProposal": "models.proposals.images",
    "ClipProposal": "models.proposals.clips",
    "TubeletBackbone": "models.backbones.tubelets",
    "Entry": "models.entries",
    "Method": "methods.table",
    "MethodResult": "comparison.results",
    "Clip": "data.clips",
    "PrunedClip": "comparison.video",
}

HEAD = """# The library's public names

Written by `python docs/api.py` from the docstrings; a test compares. Shapes: B images, K channels, h x w the
ConvNet's map, H x W pixels or patches, N patches of which k are kept, C classes. Of models only what is ours
stands here; what every `torch.nn.Module` has beside it (`to`, `eval`, `parameters`, ...) works as ever.
"""


def main() -> None:
    FILE.write_text(page(), encoding="utf-8")


def page() -> str:
    public = {name: getattr(papr_core, name) for name in papr_core.__all__}
    others = {name: getattr(importlib.import_module(f"papr_core.{OTHERS[name]}"), name) for name in OTHERS}
    classes = {name: value for name, value in public.items() if inspect.isclass(value)}
    errors = {name: value for name, value in classes.items() if issubclass(value, papr_core.PaprError)}
    parts = {
        "Functions": {name: value for name, value in public.items() if inspect.isfunction(value)},
        "Classes": {name: value for name, value in classes.items() if name not in errors},
        "What they give": others,
        "Tables": {name: value for name, value in public.items() if isinstance(value, Mapping)},
        "Errors": errors,
    }
    assert sum(map(len, parts.values())) == len(public) + len(others)  # nothing is left out
    lines = [HEAD]
    for title, values in parts.items():
        lines.append(f"## {title}\n")
        for name, value in values.items():
            lines += entry(name, value)
    return "\n".join(lines).rstrip() + "\n"


def entry(name: str, value: Any) -> Iterator[str]:
    """One name: heading, signature, docstring; of a class its own members, of a table its names."""
    yield f"### `{name}`\n"
    if isinstance(value, Mapping):
        kind = type(next(iter(value.values()))).__name__
        yield f"A dictionary, name to [`{kind}`](#{kind.lower()}):\n"
        yield from (f"- `{key}`: {one.title}" for key, one in value.items())
        yield ""
        return
    if inspect.isfunction(value):
        yield signature(name, value)
        yield markdown(value)
        return
    if issubclass(value, Exception):
        base = value.__bases__[0].__name__
        yield (f"A [`{base}`](#{base.lower()}). " if base in papr_core.__all__ else "") + markdown(value)
        return
    yield signature(name, value)
    yield markdown(value)
    for base in value.__bases__:
        if base.__name__ in papr_core.__all__:
            yield f"Beside what follows it has what a [`{base.__name__}`](#{base.__name__.lower()}) has.\n"
    for member, about in members(value).items():
        call = "" if isinstance(about, property) else "()"
        yield f"#### `{name}.{member}{call}`\n" + (
            "\nCalled as `model(...)`.\n" if member == "forward" else ""
        )
        if call:
            yield signature(member, about)
        yield markdown(doc_of(about))


def members(cls: type) -> dict[str, Any]:
    """The public properties and functions that a class of ours brings, bases without a page of their own
    included, without those that a public base has in the same way."""
    told = {one for base in cls.__mro__[1:] if base.__name__ in papr_core.__all__ for one in base.__mro__}
    ours = [one for one in cls.__mro__ if one.__module__.startswith("papr_core.") and one not in told]
    found: dict[str, Any] = {}
    for name, value in {name: value for one in reversed(ours) for name, value in vars(one).items()}.items():
        value = getattr(value, "__func__", value)
        if not name.startswith("_") and (isinstance(value, property) or inspect.isfunction(value)):
            found[name] = value
    return {name: value for name, value in found.items() if inspect.getdoc(doc_of(value))}


def doc_of(value: Any) -> Any:
    return value.fget if isinstance(value, property) else value


def signature(name: str, value: Any) -> str:
    """As one would write it: a line, or a line an argument where that is too long."""
    found = inspect.signature(value)
    arguments, starred = [], False
    for one in found.parameters.values():
        if one.name in ("self", "cls"):
            continue
        if one.kind is one.KEYWORD_ONLY and not starred:
            arguments.append("*")
            starred = True
        text = one.name + (f": {kind(one.annotation)}" if one.annotation is not one.empty else "")
        arguments.append(text + (f" = {one.default!r}" if one.default is not one.empty else ""))
    gives = found.return_annotation
    gives = "" if gives is found.empty or inspect.isclass(value) else f" -> {kind(gives)}"
    line = f"{name}({', '.join(arguments)}){gives}"
    if len(line) > 100:
        line = f"{name}(\n" + "".join(f"    {one},\n" for one in arguments) + f"){gives}"
    return f"```python\n{line}\n```\n"


def kind(annotation: Any) -> str:
    """A type in as few words as it is known by."""
    plain = isinstance(annotation, type) and not hasattr(annotation, "__args__")
    text = annotation.__name__ if plain else str(annotation)
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", text.replace("'", "")).replace("NoneType", "None")


def markdown(value: Any) -> str:
    """A docstring: examples as code, errors as a list."""
    parts = []
    for part in re.split(r"\n{2,}", inspect.getdoc(value) or ""):
        if part.startswith(">>>"):
            parts.append(f"```pycon\n{part}\n```")
        elif part.startswith("Raises:\n"):
            parts.append("Raises:\n\n" + raised(textwrap.dedent(part.removeprefix("Raises:\n"))))
        else:
            parts.append(part.replace("*", r"\*"))
    return "\n\n".join(parts) + "\n"


def raised(text: str) -> str:
    """The lines under "Raises:" as a list: one begins with an error's name, or goes on."""
    items: list[str] = []
    for line in text.splitlines():
        if items and line.split()[0].strip(",:.") not in papr_core.__all__:
            items[-1] += f" {line.strip()}"
        else:
            items.append(f"- {line}")
    return "\n".join(items)


if __name__ == "__main__":
    main()
