"""Clips that visitors bring, the examples, and the models that look at them: what the Video page and its
endpoint share. Nothing here imports torch before the first question.
"""

import functools
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from papr_core.errors import InvalidInput, UnreadableClip

from .session import EXAMPLES, Cache, Recent, Shared
from .uploads import SHELF, received

__all__ = [
    "MAX_MEGABYTES",
    "Clips",
    "VideoClip",
    "check_at_hand",
    "clip_models",
    "encoded",
    "example_clips",
    "made",
    "receive_clip",
]

MAX_MEGABYTES = 300
FPS = 12  # of the examples


@dataclass(frozen=True)
class VideoClip:
    """A clip: its id (an example's name, or the salted hash of its content) and its file; None of an
    example, which is made here.

    What a visitor calls it stays with the visitor. credit: by whom its pictures are; caption: what it shows.
    """

    id: str
    path: Path | None
    name: str = ""
    credit: str = ""
    caption: str = ""


class Clips:
    """What the visitors of one running page share of clips."""

    def __init__(self) -> None:
        self.cache = Cache(512_000_000)  # frames, footages, maps, answers
        self._brought: Recent[str, VideoClip] = Recent()
        self._lock = Lock()

    def receive(self, path: str) -> VideoClip:
        """Take an uploaded file; what is in it is seen when it is read."""
        clip = VideoClip(*receive_clip(path))
        with self._lock:
            self._brought[clip.id] = clip
        return clip

    def find(self, id: str) -> VideoClip:
        """A clip by its id. Raises InvalidInput where it is gone."""
        clip = example_clips().get(id) or self._brought.get(id)
        if clip is not None and clip.path is not None:
            SHELF.use(clip.path)
        if clip is None or not (clip.path is None or clip.path.is_file()):
            raise InvalidInput("This clip has been deleted here; choose it again.")
        return clip

    def made(self, clip: VideoClip) -> bytes:
        """An example's file."""
        return self.cache.once(("made", clip.id), lambda: encoded(made(clip.id).frames, FPS))


def receive_clip(path: object) -> tuple[str, Path]:
    """The hash of an uploaded file's content, and the file.

    Raises:
        UnreadableClip: too large. InvalidInput: a path that is no upload.
    """
    return received(path, "clip", MAX_MEGABYTES, UnreadableClip)


def example_clips() -> dict[str, VideoClip]:
    """The examples, in the order of assets/examples/clips.json: the page opens with the first."""
    return {
        id: VideoClip(id, None, one["title"], one["credit"], one["caption"]) for id, one in _recipes().items()
    }


def made(id: str, frames: int = 36) -> Any:
    """An example, as `app.moving.moving_clip` gives it: a thing of one picture moves over another."""
    from papr_core.data.images import read_image

    from .moving import moving_clip

    one = _recipes()[id]
    thing, ground = (
        read_image(EXAMPLES / part["file"]).crop(part["box"]) for part in (one["object"], one["ground"])
    )
    look = {"size": one["size"], "feather": one["feather"]}
    return moving_clip(thing, frames=frames, beside=None, ground=ground, **look)


@functools.cache
def _recipes() -> dict[str, dict[str, Any]]:
    """How each example is made: which part of which picture moves over which."""
    listed = json.loads((EXAMPLES / "clips.json").read_text(encoding="utf-8"))
    return {one["id"]: one for one in listed}


def clip_models(
    shared: Shared,
    proposal: str,
    backbone: str,
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[Any, Any]:
    """Two loaded models, shared by all visitors: of clips, or any that `Shared.model` gives. What does not go
    together is refused before any is loaded. progress: called as progress(name, done, of) in bytes."""
    shared.core()
    from papr_core.comparison.video import check_pair

    check_pair(proposal, backbone)
    models = []
    for role, name in (("proposal", proposal), ("backbone", backbone)):
        models.append(shared.model(role, name, partial(progress, name) if progress else None))
    return tuple(models)


def check_at_hand(shared: Shared, proposal: str, backbone: str, advice: str) -> None:
    """For a direct call, which no queue holds back and nobody can stop: raises InvalidInput, with this
    advice, where weights would have to be downloaded first."""
    if not shared.settings.downloads:
        return  # then loading says what is missing, at once
    core = shared.core()
    from papr_core.comparison.video import check_pair

    check_pair(proposal, backbone)
    for role, name in (("proposal", proposal), ("backbone", backbone)):
        if not shared.ready(role, name):
            raise core.InvalidInput(f"{name} has to be downloaded first: {advice}.")


def encoded(frames: Sequence[Any], fps: float) -> bytes:
    """Pictures as an MP4 that browsers play."""
    from papr_core.data.clips import write_clip

    with tempfile.TemporaryDirectory() as folder:
        return write_clip(frames, Path(folder) / "clip.mp4", fps).read_bytes()
