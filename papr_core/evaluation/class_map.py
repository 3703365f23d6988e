"""What class folders mean where their names do not say it: a file beside the data."""

import json
import os
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from papr_core.errors import InvalidInput

__all__ = ["named_folders", "read_class_map"]


def read_class_map(path: str | os.PathLike) -> dict[str, str]:
    """Folder name -> class, as `match_classes` takes it.

    A text file as timm's --class-map: a folder name a line, whose number (from 0) is the class's index. Or
    JSON: an object of folder name -> the class's index, wnid or words.

    Raises:
        InvalidInput: a file that cannot be read, or is neither.
    """
    path = Path(path)
    try:
        text = unicodedata.normalize("NFC", path.read_text(encoding="utf-8-sig"))  # as folders come
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise InvalidInput(f"The class map {path.name} cannot be read: {why}.") from error
    if text.lstrip()[:1] != "{":
        lines = [line.strip() for line in text.splitlines()]
        found = {line: f"#{number}" for number, line in enumerate(lines) if line}
        if not found:
            raise InvalidInput(f"The class map {path.name} is empty: it names a folder a line.")
        return found
    try:
        told = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"The class map {path.name} is no JSON object ({error}).") from error
    wrong = [
        folder
        for folder, means in told.items()
        if isinstance(means, bool) or not isinstance(means, int | str)
    ]
    if wrong:
        raise InvalidInput(
            f"The class map {path.name} gives no index, wnid or words for the folder {wrong[0]!r}."
        )
    return {folder: f"#{means}" if isinstance(means, int) else means for folder, means in told.items()}


def named_folders(folders: Sequence[str], class_map: Mapping[str, str] | None) -> list[str]:
    """What each folder means. Raises InvalidInput for folders that the map does not name."""
    if class_map is None:
        return list(folders)
    missing = [folder for folder in folders if folder not in class_map]
    if missing:
        raise InvalidInput(
            f"The class map does not name {len(missing)} of {len(folders)} class folders"
            f" ({', '.join(missing[:5])}); give each a line."
        )
    return [class_map[folder] for folder in folders]
