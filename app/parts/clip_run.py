"""One question about a clip, step by step: frames, a map, the answers; clip_view.py tells the browser."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from ..clips import Clips, encoded
from ..decoding import decoding
from ..session import Shared, said
from .pictures import jpeg, mp4
from .question import Question
from .work import Step, Work, id_of, pair_facts

__all__ = ["ClipRun"]

SENT = 8  # frames at once


class ClipRun(Work):
    """A question, and what has been computed for it so far."""

    what = "clip"
    most = 200_000_000

    def __init__(self, shared: Shared, clips: Clips, question: Question) -> None:
        super().__init__(shared, question, clips, clips.cache)
        from papr_core.comparison import video

        self.video = video
        self.method = question.method
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
        self.second: ClipRun | None = None  # the same clip by the second method

    # one after another

    def steps(self) -> Iterator[Step]:
        """Frames, masks, the full model's answer, the pruned one's, and the masked clip; then the same by the
        second method, of which what the two share is there already."""
        with said("clip"):
            self.find()
        with said("method"):
            self.video.check_method(self.method)
        yield from self.beside("Loading the models", self._pair)
        yield from self.beside("Reading the clip", self.read)
        yield Step("Finding the patches")  # its frames can be fetched now
        yield from self.beside("ConvNet", self._look)
        if self.explains == "target" and self.core.METHODS[self.method].uses_class:
            yield from self.beside("Full model", self._full)  # which class is the target?
        self.map()
        yield Step("Asking the backbone")
        yield from self.beside("Full model", self._full)
        yield Step("Asking the backbone about what is kept")
        yield from self.beside("Pruned model", self._prune)
        yield Step("Writing the clip")
        self.write()
        if len(self.question.methods) > 1:
            methods, here = self.question.methods[1:2], self.subject.id
            second = replace(self.question, methods=methods, picture=here, upload=None)
            self.second = ClipRun(self.shared, self.store, second)
            yield from self.second.steps()
        else:
            yield Step(None)

    # the steps

    def check_pair(self) -> None:
        self.video.check_pair(self.question.proposal, self.question.backbone)

    def _pair(self, tell: Callable) -> None:
        models = self.load(tell)
        with said("models"):
            self.pair = self.video.find_pair(*models)
        with said("method"):
            self.video.check_method(self.method, self.pair.proposal)

    def read(self, tell: Callable) -> None:
        """The sampled frames; a visitor's are decoded in a process of their own."""

        def read() -> Any:
            if self.subject.path is None:
                return self.core.read_clip(self.store.made(self.subject), self.pair.pick, progress=tell)
            return decoding().clip(self.subject.path, self.pair.pick, gone=self.asker.gone, progress=tell)

        with said("clip"):
            self.clip = self.once(self._clip_key, read)

    def _look(self, tell: Callable) -> None:
        def told(what: str, done: int, of: int) -> None:
            tell(done, of)

        def seen(features: list) -> None:
            self.early = self.video.early_map(self.pair, features, self.method)

        def look() -> Any:
            return self.video.open_footage(self.clip, self.pair, progress=told, partial=seen)

        self.footage = replace(self.once(self._base, look), name=self.name)  # each visitor's own
        self.pair = self.footage.pair  # which knows its costs already

    @property
    def explains(self) -> str:
        return self.question.explains(self.pair.proposal, self.pair.backbone)

    def map(self) -> None:
        """The method's map, which needs nothing but what the ConvNet saw."""
        from papr_core.comparison.seen import find_explained

        pair = self.pair
        whole = None if self.full is None else self.full[0].mean(dim=0)
        aim = None if whole is None else self._aim(whole)
        with said("explain"):
            explain = "proposal" if aim is None else self.explains
            explained = find_explained(
                self.footage.proposal_probabilities, pair.proposal, pair.backbone, aim, explain
            )
        self.found = self.once(
            (*self._map_key(explained), "map"),
            lambda: self.video.footage_map(self.footage, self.method, explained),
        )

    def _full(self, tell: Callable) -> None:
        if self.full is not None:
            return

        def full() -> tuple[Any, float]:
            start = time.perf_counter()
            answer = self.video.full_answer(
                self.footage, progress=lambda what, done, of: tell(done, of), partial=self._heard("full")
            )
            return answer, time.perf_counter() - start

        found = self.once((*self._base, "full"), full)
        self.target = self._aim(found[0].mean(dim=0))
        self.full = found  # last: a payload that has it tells the target too

    def _prune(self, tell: Callable) -> None:
        if self.full is None:
            raise RuntimeError("The full model has not answered yet.")
        full, _ = self.full

        def prune() -> Any:
            result = self.video.pruned(
                self.footage,
                self.found,
                full,
                self.question.keep_ratio,
                progress=lambda what, done, of: tell(done, of),
                partial=self._heard("pruned"),
            )
            return replace(result, footage=None)  # kept once, not with every answer

        found = self.once(self._answer_key, prune)
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
        look, night = self.question.look, self.question.night
        with said("look"):
            self.masked = self.once(
                (*self._answer_key, "masked", look, night),
                lambda: encoded(self.video.masked_frames(self.result, look, night=night), self.clip.fps),
            )

    def everything(self) -> Any:
        """The library's own result; what is missing is computed."""
        for _ in self.steps():
            pass
        return self.result

    def frames(self) -> dict[str, Any]:
        """The next sampled frames as JPEG, or all of them as a clip, for the browser: fetched once."""
        self.at_hand()
        with said("clip"):
            self.find()
        self._pair(self.told)
        if self.subject.path is not None and self.cache.get(self._clip_key) is None:
            with said("clip"):  # to decode one is work for the queue
                raise self.core.InvalidInput("This clip is no longer at hand; choose it again.")
        self.read(self.told)
        start = self.question.start
        key = (self.subject.id, self._kind, *self._sizes)

        def shown(start: int, stop: int | None = None) -> tuple:
            return self.video.shown_frames(self.clip.frames[start:stop], self.pair.backbone)

        def original() -> bytes:
            return encoded(shown(0), self.clip.fps)

        if self.question.kind == "original":
            return {"footage": self.footage_id, "clip": mp4(self.once(("frames", *key), original))}
        frames = self.once(
            ("frames", start, *key), lambda: [jpeg(frame, 85) for frame in shown(start, start + SENT)]
        )
        return {"footage": self.footage_id, "start": start, "frames": frames}

    # what the browser is told of

    @property
    def labels(self) -> Any:
        """The backbone's classes, once it is loaded."""
        return self.pair and self.pair.backbone.labels

    @property
    def count(self) -> int:
        """Patches of the clip that stay at the question's ratio."""
        return self.pair.num_kept(len(self.clip), self.question.keep_ratio)

    @property
    def footage_id(self) -> str:
        """Of the frames as the backbone crops them."""
        return id_of((self.subject.id, self._kind, *self._sizes))

    @property
    def map_id(self) -> str:
        """Of the order of the patches."""
        return id_of(self._map_key(self.found.explain))

    @property
    def _kind(self) -> str:
        return type(self.pair).__name__  # it decides which frames are sampled

    @property
    def _clip_key(self) -> tuple:
        return ("clip", self.subject.id, self._kind)

    @property
    def _sizes(self) -> tuple:
        backbone = self.pair.backbone
        return (backbone.name, *backbone.input_size)

    @property
    def _base(self) -> tuple:
        return ("footage", self.subject.id, *pair_facts(self.pair.proposal, self.pair.backbone))

    @property
    def _answer_key(self) -> tuple:
        return (*self._map_key(self.found.explain), "answer", self.count)

    def _map_key(self, explain: Any) -> tuple:
        return (*self._base, self.method, self.explained(self.method, explain))

    def _aim(self, whole: Any) -> Any:
        from papr_core.comparison import seen

        with said("target"):
            return seen.find_target(whole, self.pair.backbone, self.question.target)
