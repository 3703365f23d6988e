"""A question worked on, step by step, on shared caches: what a picture's and a clip's have alike."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

from ..clips import check_at_hand
from ..session import Asker, Cache, Shared, said
from .alongside import alongside
from .question import Question

__all__ = ["Step", "Work", "id_of", "pair_facts"]

ROLES = ("proposal", "backbone")


@dataclass(frozen=True)
class Step:
    """working: what is being done, None at the end; more: the rest is work for the slow queue; progress:
    (done, of)."""

    working: str | None
    more: bool = False
    progress: tuple[int, int] | None = None


class Work:
    """A question, and what is known of it so far (`Run`, `ClipRun`). subject: the picture or clip that it is
    about, once it is found."""

    what = "picture"  # in the page's words; where a sentence about it stands
    most: int | None = None  # bytes of what is kept for others

    def __init__(self, shared: Shared, question: Question, store: Any, cache: Cache) -> None:
        """store: whose `receive` and `find` give the subject; cache: where what is made is kept."""
        self.shared, self.question, self.core = shared, question, shared.core()
        self.asker = Asker(shared, question.visitor, question.seq)
        self.store, self.cache = store, cache
        self.subject: Any = None

    def beside(self, what: str, work: Callable[[Callable], object]) -> Iterator[Step]:
        """work(told) beside the handler, and how far it is: told(done, of) or told(done, of, what)."""
        self.asker.check()

        def begun(tell: Callable[[Any], None]) -> None:
            def told(done: int, of: int, words: str = what) -> None:
                self.asker.check()
                tell((words, (done, of)))

            work(told)

        for words, progress in alongside(begun, self.asker.leave):
            yield Step(words, progress=progress)

    def told(self, *progress: Any) -> None:
        """How far something is, where nobody is told but a visitor may have left."""
        self.asker.check()

    def once(self, key: tuple, make: Callable[[], Any]) -> Any:
        return self.cache.once(key, make, most=self.most)

    # what it is about, and by whom it is seen

    def find(self) -> Any:
        """The subject. Raises InvalidInput where there is none, or it is gone."""
        asked = self.question
        if asked.upload:
            self.subject = self.subject or self.store.receive(asked.upload)
        elif asked.picture:
            self.subject = self.store.find(asked.picture)
        else:
            raise self.core.InvalidInput(f"Choose a {self.what} first.")
        return self.subject

    @property
    def name(self) -> str:
        """What the subject is called: an example's title, or the visitor's own name for it."""
        return self.subject.name or self.question.name

    def check_pair(self) -> None:
        """Raises UnsupportedModel where the models are not for this kind of subject, before any is loaded."""
        raise NotImplementedError

    def check_models(self) -> None:
        """The same, and InvalidInput where one that nobody chose would be downloaded."""
        self.check_pair()
        for role in ROLES:
            self.shared.check_chosen(role, getattr(self.question, role), self.question.chosen)

    def ready(self) -> bool:
        """Whether nothing has to be downloaded."""
        with said("models"):
            self.check_models()
            return all(self.shared.ready(role, getattr(self.question, role)) for role in ROLES)

    def at_hand(self) -> Self:
        """Itself, for a direct call, which no queue holds back. Raises InvalidInput where a model would have
        to be downloaded first, Stopped where the question is old."""
        self.asker.check()
        asked = self.question
        with said("models"):
            self.check_pair()
            check_at_hand(self.shared, asked.proposal, asked.backbone, f"choose the {self.what} again")
        return self

    def load(self, told: Callable) -> tuple[Any, Any]:
        """Both models, shared by all visitors."""
        loaded = []
        with said("models"):
            self.check_models()
            for role in ROLES:
                name = getattr(self.question, role)
                told(0, 1, f"Loading {name}")

                def downloaded(done: int, of: int, name: str = name) -> None:
                    told(done, of, f"Downloading {name}: {done / 1e6:.0f} of {of / 1e6:.0f} MB")

                loaded.append(self.model(role, downloaded))
        proposal, backbone = loaded
        return proposal, backbone

    def model(self, role: str, progress: Callable | None = None) -> Any:
        """The question's model of this role."""
        return self.shared.model(role, getattr(self.question, role), progress)

    def explained(self, method: str, explain: Any) -> int | None:
        """What a map depends on beside its method: the class that it explains, where it explains one."""
        return explain.index if explain and self.core.METHODS[method].uses_class else None


def pair_facts(proposal: Any, backbone: Any) -> tuple:
    """What two models are known by in a key."""
    return (proposal.name, proposal.sha256, backbone.name, backbone.sha256)


def id_of(parts: tuple) -> str:
    """A short name of a key, for the browser."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
