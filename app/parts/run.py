"""One question about a picture, step by step: scene, maps, numbers; view.py tells the browser."""

import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from ..decoding import NotQuick
from ..session import Shared, said
from .alongside import EVERY
from .pictures import jpeg
from .question import Question
from .work import Step, Work, id_of, pair_facts

__all__ = ["Run", "Step"]


class Run(Work):
    """A question, and what has been computed for it so far."""

    def __init__(self, shared: Shared, question: Question) -> None:
        super().__init__(shared, question, shared, shared.cache)
        self.scene: Any = None
        self.maps: dict[str, Any] = {}
        self.refused: dict[str, str] = {}
        self.found: dict[tuple[str, int, int], Any] = {}  # (method, draw, count) -> probabilities
        self.worst: dict[tuple[str, int, int], Any] = {}  # the same with the worst patches first
        self.waits: dict[str, str] = {}
        self.saving: tuple | None = None  # what `gmacs_saved` gives
        self._results: dict[tuple[str, bool], Any] = {}
        self.patient = False  # whether a picture may take seconds to read

    # one after another

    def quick(self) -> Iterator[Step]:
        """Everything but slow methods and full curves, and nothing that needs a download."""
        self.asker.check()
        ready = self.ready()
        with said("picture"):
            self.find()
            try:
                if ready:
                    self.open()
                else:  # a download is slow work, and pointless for what is no picture
                    self._pixels()
            except NotQuick:
                yield Step("Reading the picture", more=True)
                return
        if not ready:
            yield Step("Loading the models", more=True)
            return
        self.map("papr")
        self.numbers([self.count], only=["papr"])
        yield Step("Computing")
        for name in self.names():
            if name not in self.maps and not self._slow(name):
                self.map(name)
        self.numbers([self.count], only=self.question.methods)  # one batch
        yield Step(None if self.complete else "Waiting for the machine", more=not self.complete)

    def slow(self) -> Iterator[Step]:
        """The rest: coarse curves, slow methods with their progress, then the curves in full, and only then,
        where they are asked for, those of the worst patches."""
        from papr_core.comparison.maps import coarse_counts

        self.asker.check()
        self.patient = True
        if self.scene is None:
            yield from self.beside("Loading the models", self.load)
            self.open()
        for name in self.names():
            if not self._slow(name):
                self.map(name)
        self.saving = self.once(self._saving_key, self._count_saving)
        coarse = coarse_counts(self.scene.num_patches)
        self.numbers([self.count, *coarse], only=self.question.methods)
        yield Step("Computing")
        lacking = [name for name in self.names() if name not in self.maps and name not in self.refused]
        for i, name in enumerate(lacking):
            title = self.core.METHODS[name].title
            self.waits = dict.fromkeys(lacking[i + 1 :], f"After {title} …")
            for step in self.beside(title, partial(self.map, name)):
                done, of = step.progress or (0, 0)
                self.waits[name] = f"{done} of {of} maps scored"
                yield step
            self.waits.pop(name, None)
            self.numbers([self.count], only=[name])
            yield Step("Computing")
        self.numbers([self.count, *coarse])
        yield Step("Computing the curves")
        yield from self._along("Computing the curves")
        if self.question.worst:
            yield Step("Computing with the worst patches first")
            yield from self._along("Computing with the worst patches first", worst=True)
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
            name in self.maps
            and self.known_in_full(name)
            and (not self.question.worst or self.known_in_full(name, worst=True))
            for name in names
        )

    def open(self) -> None:
        """Load the pair, run both models on the crop."""
        from papr_core.comparison.scene import open_scene
        from papr_core.methods.table import refusal

        question = self.question
        with said("models"):
            proposal, backbone = self.model("proposal"), self.model("backbone")
        with said("picture"):
            self.find()
        self.asker.check()
        self._picture = (self.subject.id, question.fit, question.stretch)
        self._pair = pair_facts(proposal, backbone)
        self._base = ("scene", *self._picture, question.classes, *self._pair)
        oracles = any(self.core.METHODS[name].kind == "oracle" for name in self.names())
        watch = oracles and backbone.blind is None

        def opened() -> Any:
            image = self._pixels()
            self.cache.put(self._lost_key, backbone.lost(image, question.fit))
            return open_scene(image, proposal, backbone, fit=question.fit, watch=watch)

        with said("picture"):
            scene = self.once(self._base, opened)
        with said("target"):
            scene = scene.with_classes(target=question.target)
        with said("explain"):
            explain = question.explains(proposal, backbone)
            self.scene = scene.with_classes(target=question.target, explain=explain)
        self.saving = self.cache.get(self._saving_key)
        self.refused = {name: why for name in self.names() if (why := refusal(name, proposal, backbone))}
        for name in self.names():  # what is in the cache already
            one = self.cache.get(self._map_key(name))
            if one is not None:
                self.maps[name] = one

    def map(self, name: str, progress: Any = None) -> None:
        """One method's map."""
        from papr_core.comparison.scene import scene_map

        if name in self.refused or name in self.maps:
            return
        self.asker.check()

        self.maps[name] = self.once(
            self._map_key(name), lambda: scene_map(self.scene, name, progress=progress or self.told)
        )

    def numbers(
        self, counts: Iterable[int], only: Iterable[str] | None = None, *, worst: bool = False
    ) -> None:
        """The backbone's answers at these counts, all methods in one batch a count; known ones do not run.
        worst: of the patches that each method ranks last."""
        from papr_core.comparison.scene import answers

        wanted = self.maps if only is None else [name for name in only if name in self.maps]
        found = self.worst if worst else self.found
        ratio = None if worst else self.question.keep_ratio
        for count in counts:
            waiting = [name for name in wanted if not self._known(name, self.seen(name, count), worst)]
            maps = [self.maps[name].worst_first if worst else self.maps[name] for name in waiting]
            missing = [one for one in maps if one is not None]
            if not missing:
                continue
            steps = answers(self.scene, missing, [count], keep_ratio=ratio, stop=self.asker.gone)
            for key, probabilities in steps:
                found[key] = probabilities
                self.cache.put(self._answer_key(*key, worst), probabilities)

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

    def speedup(self) -> float:
        """How many times as fast a picture is at the question's ratio, measured here once for the pair."""
        from papr_core.comparison.saving import measured_speedup

        self.open()
        return self.once(
            ("speedup", self._pair, self.count),
            lambda: measured_speedup(self.scene, self.question.keep_ratio, stop=self.asker.gone),
        )

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
            worst=self.worst,
            name=self.name,
            settings={
                "methods": names,
                "target": question.target,
                "explain": self.scene.explain.mode,
                "patches": list(question.patches) or None,
                "fit": question.fit,
                "stretch": question.stretch,
                "seed": 0,
                "curve": True,
                "deletion": question.worst,
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
    def key(self) -> str:
        """The same for questions whose numbers agree: same picture, pair, target and explained class."""
        target = self.scene.target.index if self.scene.target else None
        return id_of((self._base, target, self.scene.explain.index))

    @property
    def crop_id(self) -> str:
        """Of the crop that the models see."""
        backbone = self.scene.backbone
        return id_of((*self._picture, backbone.name, backbone.sha256))

    @property
    def lost(self) -> float:
        """The share of the picture that lies outside the crop."""
        backbone, fit = self.scene.backbone, self.question.fit
        return self.once(self._lost_key, lambda: backbone.lost(self._pixels(), fit))

    def notes(self) -> list[str]:
        """What a reader must know of this question."""
        from papr_core.comparison.seen import explain_refusal

        question, scene = self.question, self.scene
        if question.explain != "auto" or question.target is None or scene.explain.mode == "target":
            return []
        refusal = explain_refusal(scene.proposal, scene.backbone, question.target)
        return [refusal] if refusal else []

    def source(self) -> str | None:
        """The crop for the browser; None where it has it."""
        if self.question.has == self.crop_id:
            return None
        return self.once(("jpeg", self.crop_id), lambda: jpeg(self.scene.fine_crop))

    def by_ratio(self, count: int) -> bool:
        """Whether the answers at this count are those of the question's ratio, taken stage by stage."""
        return self.scene.backbone.by_stage and count == self.count

    def seen(self, name: str, count: int) -> int:
        """How many patches the backbone sees of a method for this count."""
        from papr_core.methods.budget import num_fed

        return num_fed(name, self.scene.backbone, count)

    def known_in_full(self, name: str, *, worst: bool = False) -> bool:
        """Whether the whole curve of a method is there; worst: that of its worst patches, where it has an
        order to turn round."""
        one = self.maps[name]
        if worst and one.worst_first is None:
            return True
        return all(self._known(name, count, worst) for count in one.curve_counts)

    def result(self, name: str) -> Any:
        """The library's own numbers of a method whose curve is there in full, for what is read off it."""
        from papr_core.comparison.results import method_result

        turned = self.question.worst and self.known_in_full(name, worst=True)
        if (name, turned) not in self._results:
            one, counts = self.maps[name], self.maps[name].curve_counts
            self._results[name, turned] = method_result(
                self.scene,
                one,
                self.found,
                counts[-1],
                papr=self.maps["papr"],
                curve=counts,
                worst=self.worst if turned else None,
            )
        return self._results[name, turned]

    # within

    @property
    def _steps(self) -> tuple[int, ...]:
        from papr_core.comparison.maps import curve_counts

        of_maps = (count for one in self.maps.values() for count in one.curve_counts)
        return tuple(sorted({*curve_counts(self.scene.num_patches), *of_maps}))

    def _slow(self, name: str) -> bool:
        return self.core.METHODS[name].slow

    def _along(self, words: str, *, worst: bool = False) -> Iterator[Step]:
        """The curves in full, a step now and then."""
        shown = time.monotonic()
        for i, count in enumerate(self._steps):
            here = [name for name, one in self.maps.items() if count in one.curve_counts]
            self.numbers([count], only=here, worst=worst)
            if time.monotonic() - shown > EVERY:
                shown = time.monotonic()
                yield Step(words, progress=(i + 1, len(self._steps)))

    def _known(self, name: str, count: int, worst: bool = False) -> bool:
        """Whether all draws of a method are known at a count; the cache is asked too."""
        found = self.worst if worst else self.found
        for draw in range(self.core.METHODS[name].draws):
            key = (name, draw, count)
            if key not in found:
                value = self.cache.get(self._answer_key(*key, worst))
                if value is None:
                    return False
                found[key] = value
        return True

    @property
    def _lost_key(self) -> tuple:
        return (*self._base, "lost")

    def _map_key(self, name: str) -> tuple:
        return (*self._base, name, self.explained(name, self.scene.explain))

    def _answer_key(self, name: str, draw: int, count: int, worst: bool = False) -> tuple:
        ratio = self.question.keep_ratio if self.by_ratio(count) and not worst else None
        return (*self._map_key(name), draw, count, ratio, worst)

    @property
    def _saving_key(self) -> tuple:
        return ("saving", *self._pair)

    def _count_saving(self) -> tuple:
        from papr_core.comparison.saving import gmacs_saved

        looking, pruned = gmacs_saved(self.scene.proposal, self.scene.backbone)
        return float(f"{looking:.4g}"), [float(f"{value:.4g}") for value in pruned]

    def check_pair(self) -> None:
        from papr_core.models.catalog import check_sees_pictures

        check_sees_pictures(proposal=self.question.proposal, backbone=self.question.backbone)

    def model(self, role: str, progress: Any = None) -> Any:
        """As of every question's; a backbone for the classes that were typed, where some were."""
        name, classes = self.question.backbone, self.question.classes
        if role == "proposal" or not classes:
            return super().model(role, progress)
        return self.shared.typed(name, classes, fetch=name in self.question.chosen)

    def _pixels(self) -> Any:
        return self.shared.pixels(self.subject, self.asker.gone, self.patient, stretch=self.question.stretch)
