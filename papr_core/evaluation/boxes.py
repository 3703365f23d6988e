"""Where the objects are, and whether a map finds them: the pointing game and the share of patches in boxes.

Pointing game: Zhang et al., Top-down Neural Attention by Excitation Backprop,
https://arxiv.org/abs/1608.00507, Sec. 4.2, with its tolerance of 15 pixels at 224. Written from the paper. A
box is brought to the crop as the picture is, so what the crop cuts off counts for nothing.
"""

import csv
import io
import json
import math
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from papr_core.data.datasets import Dataset, LeftOut
from papr_core.errors import InvalidInput
from papr_core.models.backbones.base import Backbone

__all__ = ["Box", "box_mask", "boxes_of", "in_boxes", "pointed"]

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels of the upright picture

FILE = "boxes.csv"
TOLERANCE = 15 / 224  # of the crop's side


def boxes_of(data: Dataset, path: str | os.PathLike | None = None) -> dict[int, list[Box]] | None:
    """The boxes of each picture (its place in the data), or None where the data bring none.

    path: a CSV file with the columns file, x0, y0, x1, y1, or COCO's JSON; without it `boxes.csv` in the data
    or beside them. A file is named as in the data, with or without its folders; others are passed over.

    Raises:
        InvalidInput: a file that cannot be read or holds something else, or none of these pictures.
    """
    if path is not None:
        where = Path(path)
        try:
            text = where.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise InvalidInput(f"The boxes in {where.name} cannot be read: {reason}.") from error
        name = where.name
    else:
        beside = data.path.resolve().parent / FILE
        name = FILE
        inside = data.extra(FILE)
        if inside is None and not beside.is_file():
            return None
        text = (beside.read_bytes() if inside is None else inside).decode("utf-8-sig", errors="replace")
    named = _of_coco(text, name, data.left_out) if text.lstrip()[:1] == "{" else _of_csv(text, name)
    if named and all(max(box) <= 1 for _, box in named):
        raise InvalidInput(f"{name} gives boxes as shares of the picture: give them in pixels.")
    short: dict[str, list[str]] = defaultdict(list)
    for key, _ in data.samples:
        short[key.rpartition("/")[2]].append(key)
    places = {key: i for i, (key, _) in enumerate(data.samples)}
    found: dict[int, list[Box]] = defaultdict(list)
    for file, box in named:
        keys = [file] if file in places else short.get(file.rpartition("/")[2], [])
        if len(keys) > 1:
            raise InvalidInput(
                f"{name} names {file}, which may be {keys[0]} or {keys[1]}: name its folder too."
            )
        if keys:
            found[places[keys[0]]].append(box)
    if not found:
        raise InvalidInput(f"{name} holds boxes of none of these pictures: name files as the data do.")
    return dict(found)


def _of_csv(text: str, name: str) -> list[tuple[str, Box]]:
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    columns = ("x0", "y0", "x1", "y1")
    if not {"file", *columns} <= set(reader.fieldnames or ()):
        raise InvalidInput(f"{name} needs a first line with the columns file, x0, y0, x1, y1.")
    found = []
    for number, row in enumerate(reader, start=2):
        try:
            x0, y0, x1, y1 = (float(row[column]) for column in columns)
        except (TypeError, ValueError):
            raise InvalidInput(f"{name}, line {number}: x0, y0, x1, y1 are numbers of pixels.") from None
        if not (-math.inf < x0 < x1 < math.inf and -math.inf < y0 < y1 < math.inf):
            raise InvalidInput(f"{name}, line {number}: a box has x0 below x1 and y0 below y1, in pixels.")
        found.append((str(row["file"]).strip(), (x0, y0, x1, y1)))
    return found


def _of_coco(text: str, name: str, left_out: LeftOut) -> list[tuple[str, Box]]:
    try:
        told = json.loads(text)
        files = {image["id"]: str(image["file_name"]) for image in told["images"]}
        found = []
        for one in told["annotations"]:
            x, y, width, height = (float(number) for number in one["bbox"])
            if not all(map(math.isfinite, (x, y, width, height))):
                raise ValueError("a bbox is of numbers")
            file = files.get(one["image_id"])
            if file is None:
                left_out(f"is no picture of {name}, which has boxes of it", f"image {one['image_id']}")
            elif width > 0 and height > 0:
                found.append((file, (x, y, x + width, y + height)))
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(
            f"{name} is not COCO's JSON, with images and annotations of a bbox each."
        ) from error
    return found


def box_mask(boxes: Sequence[Box], size: tuple[int, int], backbone: Backbone, fit: str) -> np.ndarray:
    """The boxes of a picture of size (width, height), as the backbone's crop shows them: (H, W) bool."""
    inside = Image.new("RGB", size)
    draw = ImageDraw.Draw(inside)
    for x0, y0, x1, y1 in boxes:
        left, top = round(x0), round(y0)  # and a pixel at least
        right, bottom = max(left, round(x1) - 1), max(top, round(y1) - 1)
        if left < size[0] and top < size[1] and min(right, bottom) >= 0:
            inner = (max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1]))
            draw.rectangle(inner, fill="white")  # which draws nothing at all of numbers that are too large
    # above the grey that pads a picture
    return np.asarray(backbone.fit(inside, fit))[..., 0] > 160


def pointed(significance: Tensor, mask: np.ndarray) -> tuple[bool, bool]:
    """Whether the middle of the strongest patch of a map (H, W) lies in the boxes, and whether it is within
    the tolerance of them; mask (h, w): of the crop. Of equal values the first patch counts."""
    rows, columns = significance.shape
    row, column = divmod(int(significance.flatten().argmax()), columns)
    y, x = ((2 * row + 1) * mask.shape[0]) // (2 * rows), ((2 * column + 1) * mask.shape[1]) // (2 * columns)
    below, right = np.nonzero(mask)
    near = (below - y) ** 2 + (right - x) ** 2 <= (TOLERANCE * max(mask.shape)) ** 2
    return bool(mask[y, x]), bool(near.any())


def in_boxes(kept: Tensor, grid: Sequence[int], mask: np.ndarray) -> float:
    """The share of the kept patches' area (k,) that lies in the boxes, 0 to 1."""
    covered = torch.from_numpy(mask.astype(np.float32))[None, None]
    rows, columns = grid
    share = torch.nn.functional.adaptive_avg_pool2d(covered, (rows, columns)).flatten()  # (N,)
    return float(share[kept.cpu()].mean())
