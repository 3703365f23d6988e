"""What is no file where one is wanted, in a sentence each, and names as they can be told."""

import os
import re
from pathlib import Path

__all__ = ["not_a_file", "printable"]


def not_a_file(source: str | os.PathLike, what: str) -> str | None:
    """Why `source` is no file of a picture or clip (`what`), and what to do; None where it is one."""
    text = os.fspath(source)
    if isinstance(text, str) and (address := re.match(r"\s*([a-z][a-z0-9+.-]+)://", text, re.IGNORECASE)):
        shown = text.strip() if len(text) <= 80 else text.strip()[:77] + "..."
        kind = "an address" if address[1].lower() != "file" else "a file's address"
        return f"{shown!r} is {kind}, and nothing is fetched here: save the {what} and give its file."
    if not text.strip():
        return f"Nothing is given where a {what} is wanted: give its file."
    path = Path(source)
    if path.is_dir():
        return f"{path.name or text!r} is a folder: give the file of one {what}."
    if not path.exists():
        return f"There is no file {path.name!r}."
    return None if path.is_file() else f"{path.name!r} is no ordinary file."


def printable(name: str) -> str:
    """A file's name that can be printed and written down: bytes that are no UTF-8 become \\xe9 and alike."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
