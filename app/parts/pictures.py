"""Pictures and clips on their way to the browser."""

import base64
import io
from typing import Any

from ..session import examples

__all__ = ["example_buttons", "jpeg", "mp4"]

CREDITS = {
    "chelsea": "Stefan van der Walt, CC0",
    "coffee": "Rachel Michetti, CC0",
    "lion": "ships with Gradio",
}


def jpeg(image: Any, quality: int = 90) -> str:
    """A PIL picture as a data address; JPEG, because it is encoded in a millisecond."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def mp4(data: bytes) -> str:
    """A clip's file as a data address."""
    return "data:video/mp4;base64," + base64.b64encode(data).decode()


def example_buttons(side: int = 128) -> list[dict[str, str]]:
    """The examples as small squares, with title and credit."""
    from PIL import Image, ImageOps

    buttons = []
    for picture in examples().values():
        with Image.open(picture.path) as image:
            small = ImageOps.fit(image.convert("RGB"), (side, side))
        buttons.append(
            {"id": picture.id, "title": picture.name, "credit": CREDITS[picture.id], "src": jpeg(small, 80)}
        )
    return buttons
