"""A figure for each picture of a large folder, shared out over processes, and gone on with where it stopped.

What is drawn is a file, which appears whole; so what is there needs no second drawing, whoever drew it. A
folder of figures remembers how they are drawn, and takes no others.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from papr_core.data.datasets import SUFFIXES
from papr_core.data.walking import files_below
from papr_core.errors import InvalidInput
from papr_core.evaluation.processes import share

__all__ = ["waiting", "write"]

_SETTINGS = "settings.json"


def waiting(
    pictures: str | os.PathLike, out: str | os.PathLike, settings: Mapping
) -> tuple[list[tuple[Path, Path]], int]:
    """This process's share of a folder's pictures that have no figure in `out` yet, each with its figure's
    file, and how many of the share have one.

    Figures lie as the pictures do, `class/cat.jpg` as `class/cat.jpg.png`. settings: how they are drawn.

    Raises:
        InvalidInput: a folder without pictures, one that cannot be written, or with figures drawn otherwise.
    """
    pictures, out = Path(pictures), Path(out)
    files = files_below(pictures, lambda why, name: None)
    found = sorted(Path(path) for name, path in files if _is_picture(name))
    if not found:
        raise InvalidInput(f"{pictures} holds no pictures.")
    told = json.dumps(settings, sort_keys=True)
    try:
        if not (out / _SETTINGS).exists():
            write(out / _SETTINGS, told.encode())
        same = (out / _SETTINGS).read_text(encoding="utf-8") == told
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"{out} cannot hold figures ({getattr(error, 'strerror', None) or error})."
        ) from error
    if not same:
        raise InvalidInput(f"{out} holds figures with other settings: name another folder.")
    rank, processes = share()
    mine = [(path, out / f"{path.relative_to(pictures)}.png") for path in found[rank::processes]]
    left = [(path, file) for path, file in mine if not file.exists()]
    return left, len(mine) - len(left)


def _is_picture(name: str) -> bool:
    hidden = any(part.startswith(".") for part in name.split("/"))
    return not hidden and os.path.splitext(name)[1].lower() in SUFFIXES["images"]


def write(file: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all, and its folders. Raises InvalidInput."""
    draft = file.with_name(f".{file.name}-{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(data)
        os.replace(draft, file)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror or error}.") from error
    finally:
        draft.unlink(missing_ok=True)
