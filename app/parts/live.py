"""One picture of a visitor's webcam: masked by two models of pictures, and forgotten."""

import base64
import binascii
from typing import Any

from papr_core.models.labels import short_label

from ..clips import check_at_hand, clip_models
from ..decoding import decoding
from ..session import Shared, said
from .question import Question

__all__ = ["live"]

TOP = 3


def live(shared: Shared, data: str) -> dict[str, Any]:
    """{order, kept, top: [[label, probability], ...], full: the same of all patches, seconds, fullSeconds}
    of the question's `frame`, a JPEG in base64.

    order: all patches of the picture, the most significant first, so that the browser masks it at any ratio.
    """
    import json

    core = shared.core()
    from papr_core.comparison import video
    from papr_core.comparison.results import top_classes

    question = Question.read(data, shared)
    with said("live"):
        try:
            frame = base64.b64decode(json.loads(data)["frame"], validate=True)
        except (KeyError, TypeError, ValueError, binascii.Error):
            raise core.UnreadableImage("The camera's picture did not arrive whole.") from None
        picture = decoding().picture(frame, patient=False, max_pixels=1_000_000)
    with said("models"):
        check_at_hand(shared, question.proposal, question.backbone, "stop the camera, and it comes")
        pair = video.find_pair(*clip_models(shared, question.proposal, question.backbone))
    with said("method"):
        seen = video.glance(picture, pair, method=question.method, keep_ratio=question.keep_ratio)
    top, full = (
        [[short_label(label), round(p, 4)] for label, p in top_classes(said, pair.backbone.labels, TOP)]
        for said in (seen.probabilities, seen.full)
    )
    return {
        "grid": list(pair.backbone.grid),
        "prefix": pair.backbone.num_prefix_tokens,
        "order": seen.order.tolist(),
        "kept": seen.kept,
        "top": top,
        "full": full,
        "seconds": round(seen.seconds, 4),
        "fullSeconds": round(seen.full_seconds, 4),
    }
