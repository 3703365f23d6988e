"""Files and requests that nobody meant to send: for benchmarks/fuzz.py, a few of them for the tests."""

import copy
import io
import json
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

HOSTILE = (
    "", "\0", "a" * 5000, "../../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "C:\\Windows\\win.ini",
    "http://169.254.169.254/latest/meta-data", "https://huggingface.co/api/models", "//example.com/a.png",
    "hf-hub:someone/model", "local-dir:/tmp", "data:image/png;base64,AAAA", "${1+1}", "{{value}}",
    "<img src=x onerror=alert(1)>", "\ud800", "\u202e\u0000", "é" * 200, "null", "NaN", "-1", "1e999",
    "__class__", "__proto__", "resnet10t/../resnet10t", "resnet10t\0", ".", "..", "%2e%2e%2f",
    None, True, False, 0, -1, 1, 2, 0.5, -0.0, 1e308, float("nan"), float("inf"), float("-inf"), 1 << 31,
    1 << 63, 10**30, 10**400, [], {}, [[]], [None], {"path": "/etc/passwd"}, list(range(3000)),
    ["papr"] * 500, {"path": "https://example.com/a.png"}, [1e308, -1], ["a", 1, None, {}],
    {"__type__": "update", "value": 1},
    {"path": "/etc/passwd", "url": "http://example.com/", "meta": {"_type": "gradio.FileData"}},
)  # fmt: skip


def pictures() -> list[bytes]:
    """A small picture in every format and kind that is read."""
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    rgb = Image.fromarray(noise).resize((48, 40), Image.Resampling.BICUBIC)
    deep = Image.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257)
    moving = {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(180)]}
    exif = Image.Exif()
    exif[0x0112] = 6  # held upright
    kinds = [
        (rgb, "JPEG", {"exif": exif}), (rgb.convert("L"), "JPEG", {"progressive": True}),
        (rgb.convert("CMYK"), "JPEG", {}), (rgb, "MPO", moving), (rgb, "PNG", {}),
        (rgb.convert("1"), "PNG", {}), (rgb.convert("LA"), "PNG", {}), (rgb.convert("P"), "PNG", {}),
        (rgb.convert("RGBA"), "PNG", {}),
        (deep, "PNG", {}), (rgb, "PNG", moving), (rgb, "GIF", moving), (rgb, "WEBP", {}),
        (rgb.convert("RGBA"), "WEBP", {"lossless": True}), (rgb, "WEBP", moving), (rgb, "AVIF", {}),
        (rgb, "BMP", {}), (rgb, "DIB", {}), (rgb, "TIFF", {}), (deep, "TIFF", {}),
        (rgb, "TIFF", {"compression": "tiff_lzw"}), (rgb, "TIFF", {"compression": "jpeg"}),
        (rgb, "TIFF", {"compression": "packbits"}), (rgb, "PPM", {}), (rgb, "ICO", {}),
        (rgb, "JPEG2000", {}),
    ]  # fmt: skip
    found = []
    for image, form, options in kinds:
        stream = io.BytesIO()
        try:
            image.save(stream, form, **options)
        except (KeyError, OSError):  # a Pillow without this writer
            continue
        found.append(stream.getvalue())
    return found


def broken(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """A file, changed in one to four places."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed)) if changed else 0
        if rng.random() < 0.5:  # where sizes and kinds are written
            at = min(at, rng.randrange(64))
        match rng.randrange(9):
            case 0:
                changed[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                changed[at : at + 4] = rng.choice(
                    [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\0\1\0\0"]
                )
            case 2:
                changed[at : at + 2] = rng.choice([b"\xff\xff", b"\x7f\xff", b"\0\0", b"\xff\x7f"])
            case 3:
                del changed[at:]
            case 4:
                del changed[at : at + rng.randint(1, 200)]
            case 5:
                changed[at:at] = rng.randbytes(rng.randint(1, 64))
            case 6:
                changed[at:at] = changed[at : at + rng.randint(1, 400)] * rng.randint(1, 5)
            case 7:
                other = rng.choice(others)
                changed[at:] = other[min(at, len(other)) :]
            case 8:
                for _ in range(rng.randint(1, 30)):
                    if changed:
                        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def places(told: Any, here: tuple = ()) -> Iterator[tuple]:
    """Where values stand in JSON: paths of keys."""
    if here:
        yield here
    if isinstance(told, dict):
        for key, value in told.items():
            yield from places(value, (*here, key))
    if isinstance(told, list):
        for i, value in enumerate(told[:20]):
            yield from places(value, (*here, i))


def changed(told: dict, rng: random.Random) -> dict:
    """JSON with one to three values replaced by hostile ones, removed, added, or buried."""
    told = copy.deepcopy(told)
    for _ in range(rng.randint(1, 3)):
        *way, last = rng.choice(list(places(told)) or [("data",)])
        parent = told
        for key in way:
            parent = parent[key]
        value = copy.deepcopy(rng.choice(HOSTILE))
        kind = rng.random()
        if kind < 0.1 and isinstance(parent, dict):
            parent.pop(last, None)
        elif kind < 0.15 and isinstance(parent, dict):
            parent[str(rng.choice(HOSTILE))[:50]] = value
        elif kind < 0.2:
            for _ in range(rng.choice([10, 60, 300])):
                value = rng.choice([[value], {"path": value}])
            parent[last] = value
        else:
            parent[last] = value
    return told


def written(told: Any, rng: random.Random) -> bytes:
    """JSON as bytes, now and then damaged, or nested as no library does it."""
    try:
        text = json.dumps(told)
    except RecursionError:
        text = "{}"
    kind = rng.random()
    if kind < 0.04:
        text = text[: rng.randrange(len(text) + 1)]
    elif kind < 0.06:
        text = rng.choice(
            ["[" * 100_000, '{"data":' * 50_000, "", "null", "[]", '"text"', "1" * 10_000, "\ufeff{}"]
        )
    elif kind < 0.08:
        data = bytearray(text.encode())
        data[rng.randrange(len(data))] = rng.randrange(256)
        return bytes(data)
    return text.encode()
