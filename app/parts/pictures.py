"""Pictures and clips on their way to the browser."""

import base64
import io
from typing import Any

from ..session import examples

__all__ = ["button", "example_buttons", "jpeg", "mp4"]


def jpeg(image: Any, quality: int = 90) -> str:
    """A PIL picture as a data address; JPEG, because it is encoded in a millisecond."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def mp4(data: bytes) -> str:
    """A clip's file as a data address."""
    return "data:video/mp4;base64," + base64.b64encode(data).decode()


def button(example: Any, small: Any) -> dict[str, str]:
    """An example, of a picture or a clip, as the browser's buttons take it; small: its picture (PIL)."""
    return {
        "id": example.id,
        "title": example.name,
        "caption": example.caption,
        "credit": example.credit,
        "src": jpeg(small, 80),
    }


def example_buttons(side: int = 128) -> list[dict[str, str]]:
    """The examples as small squares, with title, caption and credit."""
    from PIL import Image, ImageOps

    buttons = []
    for picture in examples().values():
        with Image.open(picture.path) as image:
            small = ImageOps.fit(image.convert("RGB"), (side, side))
        buttons.append(button(picture, small))
    return buttons
