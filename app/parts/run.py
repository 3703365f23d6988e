"""One question worked on, step by step, on shared caches: scene, maps, numbers; view.py tells the browser."""

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..session import Asker, Picture, Shared, said
from .alongside import EVERY, alongside
from .pictures import jpeg
from .question import Question

__all__ = ["Run", "Step"]


@dataclass(frozen=True)
class Step:
    """working: what is being done, None at the end; more: the rest is work for the slow queue; progress:
    (done, of)."""

    working: str | None
    more: bool = False
    progress: tuple[int, int] | None = None


class Run:
    """A question, and what has been computed for it so far."""

    def __init__(self, shared: Shared, question: Question) -> None:
        self.shared, self.question, self.core = shared, question, shared.core()
        self.asker = Asker(shared, question.visitor, question.seq)
        self.picture: Picture | None = None
        self.scene: Any = None
        self.maps: dict[str, Any] = {}
        self.refused: dict[str, str] = {}
        self.found: dict[tuple[str, int, int], Any] = {}  # (method, draw, count) -> probabilities
        self.waits: dict[str, str] = {}
        self._fewest: dict[str, int | None] = {}

    # one after another

    def quick(self) -> Iterator[Step]:
        """Everything but Score-CAM and full curves, and nothing that needs a download."""
        self.asker.check()
        ready = self._ready()
        with said("picture"):
            self.picture = self._picture()
        if not ready:  # a download is slow work
            yield Step("Loading the models", more=True)
            return
        self.open()
        self.map("papr")
        self.numbers([self.count], only=["papr"])
        yield Step("Computing")
        for name in self.names():
            if name not in self.maps and not self._slow(name):
                self.map(name)
        self.numbers([self.count], only=self.question.methods)  # one batch
        yield Step(None if self.complete else "Computing", more=not self.complete)

    def slow(self) -> Iterator[Step]:
        """The rest: coarse curves, Score-CAM with its progress, then the curves in full."""
        from papr_core.comparison.scene import coarse_counts

        self.asker.check()
        if self.scene is None:
            for note in alongside(self._models, self.asker.leave):
                yield Step(note)
            self.open()
        for name in self.names():
            if not self._slow(name):
                self.map(name)
        coarse = coarse_counts(self.scene.num_patches)
        self.numbers([self.count, *coarse], only=self.question.methods)
        yield Step("Computing")
        for name in self.names():
            if name in self.maps or name in self.refused:
                continue
            title = self.core.METHODS[name].title
            steps = alongside(lambda tell, name=name: self.map(name, tell), self.asker.leave)
            for done, of in steps:
                self.waits[name] = f"{done} of {of} maps scored"
                yield Step(title, progress=(done, of))
            self.waits.pop(name, None)
            self.numbers([self.count], only=[name])
            yield Step("Computing")
        self.numbers([self.count, *coarse])
        yield Step("Computing the curves")
        shown = time.monotonic()
        for i, count in enumerate(self._steps):
            self.numbers([count], only=[name for name, one in self.maps.items() if count in one.curve_counts])
            if time.monotonic() - shown > EVERY:
                shown = time.monotonic()
                yield Step("Computing the curves", progress=(i + 1, len(self._steps)))
        yield Step(None)

    # the steps

    @property
    def count(self) -> int:
        """Patches that stay at the question's ratio."""
        return self.scene.backbone.num_kept(self.question.keep_ratio)

    @property
    def complete(self) -> bool:
        """Whether every map and the whole of every curve is there."""
        names = [name for name in self.names() if name not in self.refused]
        return all(
            name in self.maps and self._known(name, count)
            for name in names
            for count in self.maps[name].curve_counts
        )

    def open(self) -> None:
        """Load the pair, run both models on the crop."""
        from papr_core.comparison.scene import open_scene
        from papr_core.methods.table import refusal

        question, shared = self.question, self.shared
        with said("models"):
            proposal = shared.model("proposal", question.proposal)
            backbone = shared.model("backbone", question.backbone)
        with said("picture"):
            self.picture = self._picture()
        self.asker.check()
        pair = (proposal.name, proposal.sha256, backbone.name, backbone.sha256)
        self._base = ("scene", self.picture.id, *pair)
        with said("picture"):
            scene = shared.cache.once(
                self._base, lambda: open_scene(shared.pixels(self.picture), proposal, backbone)
            )
        with said("target"):
            scene = scene.with_classes(target=question.target)
        with said("explain"):
            self.scene = scene.with_classes(target=question.target, explain=question.explain)
        self.refused = {name: why for name in self.names() if (why := refusal(name, proposal))}
        for name in self.names():  # what is in the cache already
            one = shared.cache.get(self._map_key(name))
            if one is not None:
                self.maps[name] = one

    def map(self, name: str, progress: Any = None) -> None:
        """One method's map."""
        from papr_core.comparison.scene import scene_map

        if name in self.refused or name in self.maps:
            return
        self.asker.check()

        def tell(done: int, of: int) -> None:
            self.asker.check()
            if progress:
                progress((done, of))

        self.maps[name] = self.shared.cache.once(
            self._map_key(name), lambda: scene_map(self.scene, name, progress=tell)
        )

    def numbers(self, counts: Iterable[int], only: Iterable[str] | None = None) -> None:
        """The backbone's answers at these counts, all methods in one batch a count; known ones do not run."""
        from papr_core.comparison.scene import answers

        wanted = self.maps if only is None else [name for name in only if name in self.maps]
        for count in counts:
            missing = [self.maps[name] for name in wanted if not self._known(name, count)]
            if not missing:
                continue
            steps = answers(
                self.scene, missing, [count], keep_ratio=self.question.keep_ratio, stop=self.asker.gone
            )
            for key, probabilities in steps:
                self.found[key] = probabilities
                self.shared.cache.put(self._answer_key(*key), probabilities)

    def at_hand(self) -> "Run":
        """Itself, for a direct call, which no queue holds back. Raises InvalidInput where a model would have
        to be downloaded first, Stopped where the question is old."""
        self.asker.check()
        if not self._ready():
            raise self.core.InvalidInput("The models have to be fetched first; choose the picture again.")
        return self

    def at_rest(self) -> tuple[tuple[str, ...], int]:
        """The question's methods and its count, or those of the patches that the visitor chose, with numbers
        at that count; but for slow maps that are no longer there (`lacking`)."""
        self.open()
        if self.question.patches:
            self.by_hand()
            return ("by-hand",), self.maps["by-hand"].count
        for name in self.question.methods:
            if not self._slow(name):
                self.map(name)
        self.numbers([self.count], only=self.question.methods)
        return self.question.methods, self.count

    def lacking(self, names: Iterable[str]) -> bool:
        """Whether a map is missing that is work for the queue."""
        return any(self._slow(name) and name not in {**self.maps, **self.refused} for name in names)

    def by_hand(self) -> None:
        """The patches that the visitor chose."""
        from papr_core.comparison.scene import answers, scene_map

        self.maps["by-hand"] = one = scene_map(self.scene, "by-hand", patches=self.question.patches)
        self.found.update(answers(self.scene, [one], []))

    def comparison(self) -> Any:
        """All of it as the library's own result; what is missing is computed."""
        from papr_core.comparison.comparison import build_comparison

        for _ in self.slow():
            pass
        names = [name for name in self.core.METHODS if name in self.question.methods and name in self.maps]
        if self.question.patches and "by-hand" in self.question.methods:
            self.by_hand()
            names.append("by-hand")
        if not names:
            raise self.core.InvalidInput("Choose at least one method first.")
        question = self.question
        return build_comparison(
            self.scene,
            {name: self.maps[name] for name in names},
            self.found,
            question.keep_ratio,
            papr=self.maps["papr"],
            name=self.name,
            settings={
                "methods": names,
                "target": question.target,
                "explain": question.explain,
                "patches": list(question.patches) or None,
                "fit": "crop",
                "seed": 0,
                "curve": True,
            },
        )

    # what is told of it

    @property
    def labels(self) -> Any:
        """The backbone's classes, once it is loaded."""
        return self.scene and self.scene.backbone.labels

    def names(self) -> list[str]:
        """The methods to compute, in the table's order: those asked for, PaPr, and random for the curve."""
        wanted = {*self.question.methods, "papr", "random"} - {"by-hand"}
        return [name for name in self.core.METHODS if name in wanted]

    @property
    def name(self) -> str:
        """What the picture is called: an example's title, or the visitor's own name for it."""
        return self.picture.name or self.question.name

    @property
    def key(self) -> str:
        """The same for questions whose numbers agree: same picture, pair, target and explained class."""
        target = self.scene.target.index if self.scene.target else None
        parts = (self._base, target, self.scene.explain.index)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    @property
    def crop_id(self) -> str:
        """Of the crop that the models see."""
        return hashlib.sha256(repr((self.picture.id, self._base[4:])).encode()).hexdigest()[:16]

    def source(self) -> str | None:
        """The crop for the browser; None where it has it."""
        if self.question.has == self.crop_id:
            return None
        return self.shared.cache.once(("jpeg", self.crop_id), lambda: jpeg(self.scene.crop))

    def by_ratio(self, count: int) -> bool:
        """Whether the answers at this count are those of the question's ratio, taken stage by stage."""
        return self.scene.backbone.by_stage and count == self.count

    def known_in_full(self, name: str) -> bool:
        """Whether the whole curve of a method is there."""
        return all((name, 0, count) in self.found for count in self.maps[name].curve_counts)

    def fewest(self, name: str) -> int | None:
        """Fewest patches that keep the answer, read off the full curve."""
        from papr_core.comparison.results import method_result

        if name not in self._fewest:
            counts = self.maps[name].curve_counts
            result = method_result(
                self.scene, self.maps[name], self.found, counts[-1], papr=self.maps["papr"], curve=counts
            )
            self._fewest[name] = result.fewest_patches
        return self._fewest[name]

    # within

    @property
    def _steps(self) -> tuple[int, ...]:
        from papr_core.comparison.scene import curve_counts

        return curve_counts(self.scene.num_patches)

    def _slow(self, name: str) -> bool:
        return self.core.METHODS[name].slow

    def _known(self, name: str, count: int) -> bool:
        """Whether all draws of a method are known at a count; the cache is asked too."""
        for draw in range(self.core.METHODS[name].draws):
            key = (name, draw, count)
            if key not in self.found:
                value = self.shared.cache.get(self._answer_key(*key))
                if value is None:
                    return False
                self.found[key] = value
        return True

    def _map_key(self, name: str) -> tuple:
        explained = self.scene.explain.index if self.core.METHODS[name].uses_class else None
        return (*self._base, name, explained)

    def _answer_key(self, name: str, draw: int, count: int) -> tuple:
        ratio = self.question.keep_ratio if self.by_ratio(count) else None
        return (*self._map_key(name), draw, count, ratio)

    def _ready(self) -> bool:
        """Whether nothing has to be downloaded."""
        from papr_core.models.catalog import check_sees_pictures

        question, ready = self.question, self.shared.ready
        with said("models"):
            check_sees_pictures(proposal=question.proposal, backbone=question.backbone)
            return ready("proposal", question.proposal) and ready("backbone", question.backbone)

    def _picture(self) -> Picture:
        if self.question.upload:
            return self.picture or self.shared.receive(self.question.upload)
        if not self.question.picture:
            raise self.core.InvalidInput("Choose a picture first.")
        return self.shared.find(self.question.picture)

    def _models(self, tell: Any) -> None:
        for role in ("proposal", "backbone"):
            name = getattr(self.question, role)
            with said("models"):
                tell(f"Loading {name}")

                def downloaded(done: int, of: int, name: str = name) -> None:
                    self.asker.check()
                    tell(f"Downloading {name}: {done / 1e6:.0f} of {of / 1e6:.0f} MB")

                self.shared.model(role, name, downloaded)
