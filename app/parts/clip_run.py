"""One question about a clip worked on, step by step, on shared caches; clip_view.py tells the browser."""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from ..clips import Clips, VideoClip, check_at_hand, clip_models, encoded
from ..session import Asker, Shared, said
from .alongside import alongside
from .pictures import jpeg, mp4
from .question import Question
from .run import Step

__all__ = ["ClipRun"]

SENT = 8  # frames at once


class ClipRun:
    """A question, and what has been computed for it so far: frames, then a map, then the answers."""

    def __init__(self, shared: Shared, clips: Clips, question: Question) -> None:
        self.shared, self.clips, self.question = shared, clips, question
        self.asker = Asker(shared, question.visitor, question.seq)
        self.core = shared.core()
        self.method = question.method
        self.record: VideoClip | None = None
        self.pair: Any = None
        self.clip: Any = None  # the frames that were sampled
        self.footage: Any = None
        self.found: Any = None  # the method's map
        self.full: tuple[Any, float] | None = None  # probabilities of the plain backbone, and seconds
        self.target: Any = None
        self.result: Any = None
        self.early: Any = None  # the map of the frames that the ConvNet has seen so far
        self.so_far: dict[str, tuple[int, Any]] = {}  # "full", "pruned": frames asked, mean probabilities
        self.masked: bytes | None = None  # the clip with its pruned patches faded out, an MP4

    # one after another

    def steps(self) -> Iterator[Step]:
        """Frames, masks, the full model's answer, the pruned one's, and the masked clip."""
        from papr_core.comparison import video

        with said("clip"):
            self.record = self._record()
        with said("method"):
            video.check_method(self.method)
        yield from self._step("Loading the models", self._models)
        yield from self._step("Reading the clip", self.read)
        yield Step("Finding the patches")  # its frames can be fetched now
        yield from self._step("ConvNet", self._look)
        if self.question.explain == "target" and self.core.METHODS[self.method].uses_class:
            yield from self._step("Full model", self._full)  # which class is the target?
        self.map()
        yield Step("Asking the backbone")
        yield from self._step("Full model", self._full)
        yield Step("Asking the backbone about what is kept")
        yield from self._step("Pruned model", self._prune)
        yield Step("Writing the clip")
        self.write()
        yield Step(None)

    def _step(self, what: str, work: Callable[[Callable], None]) -> Iterator[Step]:
        """Work beside the handler, and how far it is."""
        self.asker.check()

        def steps(tell: Callable[[Any], None]) -> None:
            def told(done: int, of: int, words: str = what) -> None:
                self.asker.check()
                tell((words, (done, of)))

            work(told)

        for words, progress in alongside(steps, self.asker.leave):
            yield Step(words, progress=progress)

    # the steps

    def _record(self) -> VideoClip:
        question = self.question
        if question.upload:
            return self.clips.receive(question.upload)
        if not question.picture:
            raise self.core.InvalidInput("Choose a clip first.")
        return self.clips.find(self.shared, question.picture)

    def _models(self, tell: Callable) -> None:
        from papr_core.comparison import video

        def downloaded(name: str, done: int, of: int) -> None:
            tell(done, of, f"Downloading {name}: {done / 1e6:.0f} of {of / 1e6:.0f} MB")

        asked = self.question
        tell(0, 1)
        with said("models"):
            models = clip_models(self.shared, asked.proposal, asked.backbone, downloaded)
            self.pair = video.find_pair(*models)
        with said("method"):
            video.check_method(self.method, self.pair.proposal)

    def read(self, tell: Callable) -> None:
        """The sampled frames."""
        with said("clip"):
            source = self.clips.source(self.shared, self.record)
            self.clip = self._once(
                ("clip", self.record.id, self._kind),
                lambda: self.core.read_clip(source, self.pair.pick, progress=tell),
            )

    def _look(self, tell: Callable) -> None:
        from papr_core.comparison import video

        def told(what: str, done: int, of: int) -> None:
            tell(done, of)

        def seen(features: list) -> None:
            self.early = video.early_map(self.pair, features, self.method)

        def look() -> Any:
            return video.open_footage(self.clip, self.pair, progress=told, partial=seen)

        self.footage = replace(self._once(self._base, look), name=self.name)  # each visitor's own
        self.pair = self.footage.pair  # which knows its costs already

    def map(self) -> None:
        """The method's map, which needs nothing but what the ConvNet saw."""
        from papr_core.comparison import scene, video

        pair = self.pair
        whole = None if self.full is None else self.full[0].mean(dim=0)
        aim = None if whole is None else self._aim(whole)
        with said("explain"):
            explain = "proposal" if aim is None else self.question.explain
            explained = scene.find_explained(
                self.footage.proposal_probabilities, pair.proposal, pair.backbone, aim, explain
            )
        self.found = self._once(
            (*self._base, "map", self.method, self._explained(explained)),
            lambda: video.footage_map(self.footage, self.method, explained),
        )

    def _full(self, tell: Callable) -> None:
        from papr_core.comparison import video

        if self.full is not None:
            return

        def full() -> tuple[Any, float]:
            start = time.perf_counter()
            answer = video.full_answer(
                self.footage, progress=lambda what, done, of: tell(done, of), partial=self._heard("full")
            )
            return answer, time.perf_counter() - start

        found = self._once((*self._base, "full"), full)
        self.target = self._aim(found[0].mean(dim=0))
        self.full = found  # last: a payload that has it tells the target too

    def _prune(self, tell: Callable) -> None:
        from papr_core.comparison import video

        def prune() -> Any:
            result = video.pruned(
                self.footage,
                self.found,
                self.full[0],
                self.question.keep_ratio,
                progress=lambda what, done, of: tell(done, of),
                partial=self._heard("pruned"),
            )
            return replace(result, footage=None)  # kept once, not with every answer

        found = self._once(self._answer_key, prune)
        self.result = replace(
            found, footage=self.footage, target=self.target, keep_ratio=self.question.keep_ratio
        )

    def _heard(self, which: str) -> Callable[[list], None]:
        def heard(rows: list) -> None:
            frames = sum(map(len, rows))
            self.so_far[which] = frames, sum(batch.sum(dim=0) for batch in rows) / frames

        return heard

    def write(self) -> None:
        """The masked clip."""
        from papr_core.comparison import video

        look = self.question.look
        with said("look"):
            self.masked = self._once(
                (*self._answer_key, "masked", look),
                lambda: encoded(video.masked_frames(self.result, look), self.clip.fps),
            )

    def everything(self) -> Any:
        """The library's own result; what is missing is computed."""
        for _ in self.steps():
            pass
        return self.result

    def frames(self) -> dict[str, Any]:
        """The next sampled frames as JPEG, or all of them as a clip, for the browser: fetched once."""
        from papr_core.comparison import video

        with said("clip"):
            self.record = self._record()
        asked = self.question
        with said("models"):
            check_at_hand(self.shared, asked.proposal, asked.backbone, "choose the clip again")
        self._models(self._told)
        self.read(self._told)
        start = self.question.start
        key = (self.record.id, self._kind, *self._sizes)

        def shown(start: int, stop: int | None = None) -> tuple:
            return video.shown_frames(self.clip.frames[start:stop], self.pair.backbone)

        def original() -> bytes:
            return encoded(shown(0), self.clip.fps)

        if self.question.kind == "original":
            return {"footage": self.footage_id, "clip": mp4(self._once(("frames", *key), original))}
        frames = self._once(
            ("frames", start, *key), lambda: [jpeg(frame, 85) for frame in shown(start, start + SENT)]
        )
        return {"footage": self.footage_id, "start": start, "frames": frames}

    def _told(self, *progress: Any) -> None:
        self.asker.check()

    # what the browser is told of

    @property
    def labels(self) -> Any:
        """The backbone's classes, once it is loaded."""
        return self.pair and self.pair.backbone.labels

    @property
    def name(self) -> str:
        """What the clip is called: an example's title, or the visitor's own name for it."""
        return self.record.name or self.question.name

    @property
    def count(self) -> int:
        """Patches of the clip that stay at the question's ratio."""
        return self.pair.num_kept(len(self.clip), self.question.keep_ratio)

    @property
    def footage_id(self) -> str:
        """Of the frames as the backbone crops them."""
        return _short((self.record.id, self._kind, *self._sizes))

    @property
    def map_id(self) -> str:
        """Of the order of the patches."""
        return _short((*self._base, self.method, self._explained(self.found.explain)))

    @property
    def _kind(self) -> str:
        return type(self.pair).__name__  # it decides which frames are sampled

    @property
    def _sizes(self) -> tuple:
        backbone = self.pair.backbone
        return (backbone.name, *backbone.input_size)

    @property
    def _base(self) -> tuple:
        proposal, backbone = self.pair.proposal, self.pair.backbone
        models = (proposal.name, proposal.sha256, backbone.name, backbone.sha256)
        return ("footage", self.record.id, *models)

    @property
    def _answer_key(self) -> tuple:
        return (*self._base, "answer", self.method, self._explained(self.found.explain), self.count)

    def _explained(self, explain: Any) -> int | None:
        uses = self.core.METHODS[self.method].uses_class
        return explain.index if uses and explain else None

    def _aim(self, whole: Any) -> Any:
        from papr_core.comparison import scene

        with said("target"):
            return scene.find_target(whole, self.pair.backbone, self.question.target)

    def _once(self, key: tuple, make: Callable[[], Any]) -> Any:
        return self.clips.cache.once(key, make, most=200_000_000)


def _short(parts: tuple) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
