"""What visitors share: settings, loaded models, bounded caches; and the number of each one's newest question.

Nothing here imports torch before the first question: the page is served while papr_core is being imported.
"""

import functools
import json
import logging
import secrets
import threading
import time
import traceback
import warnings
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from anyio import CapacityLimiter

from papr_core.errors import PaprError, Stopped, UnreadableImage, WeightsUnavailable  # which brings no torch
from papr_core.models.embedded import ASSETS, DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.pruning.reductions import Asked, settled

from .decoding import decoding
from .uploads import MAX_MEGABYTES, SHELF, received

__all__ = [
    "EXAMPLES",
    "QUEUES",
    "Asker",
    "Cache",
    "Picture",
    "Recent",
    "Settings",
    "Shared",
    "examples",
    "explain_error",
    "log",
    "printable",
    "said",
]

log = logging.getLogger("papr.page")

# How much of each kind of work runs at once, as Gradio's queues: quick work never waits for slow work.
QUEUES = {"quick": 2, "slow": 1, "clips": 1}

EXAMPLES = ASSETS / "examples"


@dataclass(frozen=True)
class Settings:
    """How the owner started the page.

    proposal, backbone: what stands in the pickers on arrival. any_model: any timm name may be asked for;
    downloads: weights may be fetched; weights_dir: the owner's own folder; runtime: where what
    `runtime.write` makes may lie.
    """

    proposal: str = DEFAULT_PROPOSAL
    backbone: str = DEFAULT_BACKBONE
    device: str = "cpu"
    weights_dir: str | None = None
    any_model: bool = False
    downloads: bool = False
    runtime: str | None = None


def still_there() -> bool:
    """Of somebody who cannot leave."""
    return False


ENTRY = 1000  # bytes of a key, and of the objects around a value


class Cache:
    """Values by key, bounded in bytes, the least recently used go first; each made once for all who ask."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self.bytes = max_bytes, 0
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._used: dict[Hashable, float] = {}  # when, on the monotonic clock
        self._making: dict[Hashable, list] = {}  # key -> [lock, how many hold or wait for it]
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Any:
        """The value, or None."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            self._used[key] = time.monotonic()
            return self._values[key][0]

    def put(self, key: Hashable, value: Any) -> None:
        size = size_of(value) + ENTRY
        with self._lock:
            self.bytes += size - self._values.pop(key, (None, 0))[1]
            self._values[key] = (value, size)
            self._used[key] = time.monotonic()
            while self.bytes > self.max_bytes and len(self._values) > 1:
                self._drop()

    def ease(self, max_bytes: int, seconds: float) -> None:
        """Let go of what nobody has used for so many seconds, until no more than `max_bytes` are left."""
        before = time.monotonic() - seconds
        with self._lock:
            while self.bytes > max_bytes and self._used[next(iter(self._values))] < before:
                self._drop()

    def _drop(self) -> None:
        key, (_, size) = self._values.popitem(last=False)
        self.bytes -= size
        del self._used[key]

    def once(self, key: Hashable, make: Callable[[], Any], most: int | None = None) -> Any:
        """The value, made by `make` if it is not there; others who ask meanwhile wait for that one. most: a
        value of more bytes is given and not kept, or it would push out everybody else's."""
        value = self.get(key)
        if value is not None:
            return value
        with self._lock:
            making = self._making.setdefault(key, [threading.Lock(), 0])
            making[1] += 1
        try:
            with making[0]:
                value = self.get(key)
                if value is None:
                    value = make()
                    if most is None or size_of(value) <= most:
                        self.put(key, value)
                return value
        finally:
            with self._lock:
                making[1] -= 1
                if not making[1]:
                    self._making.pop(key, None)


def size_of(value: Any) -> int:
    """Bytes that a value holds, about: tensors, pictures, models, dataclasses of them (models inside not)."""
    if hasattr(value, "parameters"):
        stored = [part for part in value.parameters() if not part.is_meta]
        return 1_000_000 + sum(part.numel() * part.element_size() for part in stored)
    if hasattr(value, "element_size"):
        return value.numel() * value.element_size()
    if hasattr(value, "getbands"):
        return value.width * value.height * (4 if len(value.getbands()) > 1 else 1)
    if is_dataclass(value):
        parts = (getattr(value, item.name) for item in fields(value))
        return 200 + sum(size_of(part) for part in parts if not hasattr(part, "parameters"))
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, (tuple, list)):
        return 50 + sum(map(size_of, value))
    return len(value) if isinstance(value, (str, bytes)) else 100


@dataclass(frozen=True)
class Picture:
    """A picture: its id (an example's name, or the salted hash of the content) and its file.

    What a visitor calls it stays with the visitor: two may bring the same picture under different names.
    credit: by whom an example is, and its licence; caption: what it shows of the methods.
    """

    id: str
    path: Path
    name: str = ""
    credit: str = ""
    caption: str = ""


@dataclass(frozen=True, eq=False)
class Typed:
    """A backbone for classes that were typed, and what it holds beside the weights that all share."""

    backbone: Any
    text: Any
    classes: tuple[str, ...]


_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class Recent(OrderedDict[_Key, _Value]):
    """The newest 10,000 values by key. Whoever sets one holds a lock."""

    def __setitem__(self, key: _Key, value: _Value) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        while len(self) > 10_000:
            self.popitem(last=False)


class Shared:
    """One for each running page."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.cache = Cache(512_000_000)  # pictures, scenes, maps, answers
        self.models = Cache(4_000_000_000)
        self.caches = [self.cache]  # of what visitors bring; Video adds its own
        self.quick = CapacityLimiter(2)  # direct calls, which no queue of Gradio's holds back
        self._pictures: Recent[str, Picture] = Recent()
        self._newest: Recent[str, int] = Recent()
        self._lock = threading.Lock()
        self._configured = False

    # models

    def core(self) -> Any:
        """papr_core with the owner's settings; the first call imports torch and timm."""
        import papr_core
        import papr_core.comparison.comparison

        with self._lock:
            if not self._configured:
                papr_core.configure(weights_dir=self.settings.weights_dir, downloads=self.settings.downloads)
                warnings.filterwarnings("ignore", module="PIL")  # read_image says what matters
                self._configured = True
        return papr_core

    def warm_up(self) -> None:
        """Import what the first question needs and load the default pair, in a thread beside the start."""
        try:
            decoding().warm_up()
            self.core()
            self.model("proposal", self.settings.proposal)
            self.model("backbone", self.settings.backbone)
        except Exception as error:
            log.info("The default pair is not ready: %s", error)

    def model(self, role: str, name: str, progress: Callable[[int, int], None] | None = None) -> Any:
        """A loaded model, shared by all visitors. role: "proposal" or "backbone".

        Raises:
            UnknownModel, UnsupportedModel, WeightsUnavailable.
        """
        core = self.core()
        name = self.allowed(role, name).name
        load = core.load_proposal if role == "proposal" else core.load_backbone
        return self.models.once(
            (role, name), lambda: load(name, device=self.settings.device, progress=progress)
        )

    def typed(self, name: str, classes: tuple[str, ...], *, fetch: bool) -> Any:
        """A backbone with both towers whose classes are these texts; all who type share its weights.
        fetch: whether a tokenizer that is not here may be downloaded.

        Raises:
            UnknownModel, UnsupportedModel, WeightsUnavailable, InvalidInput.
        """
        core = self.core()
        from papr_core.models.zero_shot import takes_classes, tokenizer_at_hand, zero_shot

        name, device = self.allowed("backbone", name).name, self.settings.device
        if not takes_classes(name):
            raise core.InvalidInput(
                f"The classes of {name} cannot be typed: that takes a CLIP or SigLIP with both towers."
            )
        if not fetch and not tokenizer_at_hand(name):
            raise core.InvalidInput(
                f"The tokenizer of {name} is not on this machine: choose the model in the list, and it comes."
            )
        with said("classes"):
            towers = self.models.once(("towers", name), lambda: zero_shot(name, classes).to(device))

            def typed() -> Typed:
                backbone = towers.with_classes(classes)
                return Typed(backbone, backbone.text, classes)

            return self.cache.once(("typed", name, towers.sha256, classes), typed).backbone

    def untrained(self, name: str) -> Any:
        """A proposal with random weights, a control, of those that a visitor may ask for."""
        self.core()
        from papr_core.comparison.agreement import untrained

        name = self.allowed("proposal", name).name
        return self.models.once(("untrained", name), lambda: untrained(name, device=self.settings.device))

    def ready(self, role: str, name: str) -> bool:
        """Whether a model is loaded, or can be at once: nothing has to be downloaded for it."""
        entry = self.allowed(role, name)
        return self.models.get((role, entry.name)) is not None or entry.locate().path is not None

    def check_chosen(self, role: str, name: str, chosen: Collection[str]) -> None:
        """Raises InvalidInput where weights would be downloaded that the visitor has not chosen from a
        list: the page asks for what a link says, and whoever made the link has no say in what comes onto
        this machine."""
        if self.settings.downloads and name not in chosen and not self.ready(role, name):
            raise self.core().InvalidInput(
                f"{name} has to be downloaded first: choose it in the list, and it comes."
            )

    def allowed(self, role: str, name: str) -> Any:
        """The catalogue's entry of a name that a visitor may ask for. Raises UnknownModel."""
        core = self.core()
        from papr_core.models import catalog, hub, weights

        entry = catalog.find(name, role)
        listed = core.PROPOSALS if role == "proposal" else core.BACKBONES
        # what is on the hub would be asked for before anybody clicked
        of_hub = entry.name.startswith(hub.PREFIX)
        any_other = self.settings.any_model and not (of_hub or weights.is_hub_address(entry.name))
        own = hub.locate(entry.name).kind == "local" if of_hub else weights.is_own(entry.name)
        if not (any_other or entry.name in listed or own):
            raise core.UnknownModel(
                f"On this page only the models of the list can be used, and {entry.name} is not."
            )
        return entry

    def skeleton(self, name: str) -> Any:
        """A backbone without weights, of those that a visitor may ask for: its crop, grid and title."""
        self.core()
        from papr_core.models.backbones import skeleton_backbone

        name = self.allowed("backbone", name).name
        return self.cache.once(("skeleton", name), lambda: skeleton_backbone(name))

    def cost(
        self,
        backbone: str,
        proposal: str | None,
        keep: float,
        reduction: Asked | None = None,
    ) -> dict[str, Any]:
        """What a configuration costs (`papr_core.cost.estimate`), of models that a visitor may ask for."""
        core = self.core()
        from papr_core.cost import estimate

        if not isinstance(keep, (int, float)):
            raise core.InvalidInput("The keep ratio is a number.")
        if not 0 < keep <= 1:
            raise core.InvalidInput("The keep ratio must be above 0 and at most 1.")
        backbone = self.allowed("backbone", backbone).name
        proposal = None if proposal is None else self.allowed("proposal", proposal).name
        value = settled(reduction, keep)
        return self.cache.once(
            ("cost", backbone, proposal, float(keep), value),
            lambda: estimate(backbone, proposal, keep=keep, reduction=value, once=self.cache.once),
        )

    # pictures

    def receive(self, path: str) -> Picture:
        """Take an uploaded file; what is in it is seen when it is decoded.

        Raises:
            UnreadableImage: too large. InvalidInput: a path that is no upload.
        """
        picture = Picture(*received(path, "picture", MAX_MEGABYTES, UnreadableImage))
        with self._lock:
            self._pictures[picture.id] = picture
        return picture

    def find(self, id: str) -> Picture:
        """A picture by its id. Raises InvalidInput where it is gone."""
        picture = examples().get(id) or self._pictures.get(id)
        if picture is not None:
            SHELF.use(picture.path)
        if picture is None or not (
            picture.path.is_file() or any(self.cache.get(("picture", id, one)) for one in (False, True))
        ):
            raise self.core().InvalidInput("This picture has been deleted here; choose it again.")
        return picture

    def pixels(
        self,
        picture: Picture,
        gone: Callable[[], bool] = still_there,
        patient: bool = False,
        *,
        stretch: bool = False,
    ) -> Any:
        """Decoded (PIL), a visitor's in a process of its own. gone: whether nobody waits for it any more;
        patient: it may take seconds, where nothing quick waits behind it; stretch: 16 bits from the darkest
        to the brightest value there is.

        Raises:
            UnreadableImage, NotQuick, Stopped.
        """

        def read() -> Any:
            if picture.id in examples():
                return self.core().read_image(picture.path)
            return decoding().picture(picture.path, gone=gone, patient=patient, stretch=stretch)

        return self.cache.once(("picture", picture.id, stretch), read, most=80_000_000)

    # visitors

    def newest(self, visitor: str, seq: int) -> None:
        """A visitor asked something new, or pressed Stop: older questions are no longer worked on."""
        with self._lock:
            self._newest[visitor] = max(seq, self._newest.get(visitor, 0))

    def outdated(self, visitor: str | None, seq: int) -> bool:
        return visitor is not None and self._newest.get(visitor, 0) > seq


def examples() -> dict[str, Picture]:
    """The examples of assets/examples/examples.json that are there, in its order: the page opens with the
    first. Those with a name of Gradio's lie inside its package."""
    return {picture.id: picture for picture in _listed() if picture.path.is_file()}


@functools.cache
def _listed() -> tuple[Picture, ...]:
    import gradio

    shipped = Path(gradio.__file__).parent / "media_assets" / "images"
    return tuple(
        Picture(
            one["id"],
            shipped / one["gradio"] if "gradio" in one else EXAMPLES / one["file"],
            one["title"],
            f"{one['credit']}, {one['licence']}" if "licence" in one else one["credit"],
            one["caption"],
        )
        for one in json.loads((EXAMPLES / "examples.json").read_text(encoding="utf-8"))
    )


# handlers


class Asker:
    """Who waits for an answer: gone with the tab for which Gradio's queue runs this handler, with Stop, with
    a newer question. Work asks before every step: Gradio tells it only when it has something to yield."""

    def __init__(self, shared: Shared, visitor: str | None = None, seq: int = 0) -> None:
        from gradio.context import LocalContext

        self._shared, self._question, self._left = shared, (visitor, seq), False
        blocks, id = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
        self._event = blocks._queue.event_ids_to_events.get(id) if blocks and id else None

    def gone(self) -> bool:
        closed = self._event is not None and not self._event.alive
        return self._left or closed or self._shared.outdated(*self._question)

    def check(self) -> None:
        """Raises Stopped where nobody waits any more."""
        if self.gone():
            raise Stopped

    def leave(self) -> None:
        """Gradio closed the handler's generator."""
        self._left = True


# errors


@contextmanager
def said(where: str) -> Iterator[None]:
    """Remember where on the page an error of this block is to be said."""
    try:
        yield
    except Exception as error:
        if not hasattr(error, "where"):
            error.where = where  # type: ignore[attr-defined]  # explain_error reads it
        raise


NOT_HERE = "This page does not have the weights of that model; choose another one."

_traced: set[tuple[str, int | None]] = set()


def explain_error(error: BaseException) -> dict[str, str]:
    """One sentence and the place where it is said; the unforeseen is logged under a number that is named."""
    where = getattr(error, "where", "stage")
    if isinstance(error, WeightsUnavailable):  # a second line is for the owner of the page (said.js)
        return {"where": where, "text": f"{NOT_HERE}\n{printable(str(error))}"}
    if isinstance(error, PaprError):
        return {"where": where, "text": printable(str(error))}
    number, frames = secrets.token_hex(4), traceback.extract_tb(error.__traceback__)
    where_from = (
        (frames[-1].filename, frames[-1].lineno or 0) if frames else ("", 0)
    )  # none: it was not raised
    # one trace of each mistake: whoever finds it may call it up as often as he likes
    trace = None if where_from in _traced else error
    _traced.add(where_from)
    log.error("error %s: %.200s (%s:%d)", number, repr(error), *where_from, exc_info=trace)
    return {"where": where, "text": f"Something went wrong here; it is in the server's log under {number}."}


def printable(text: str) -> str:
    """Text from a request that can be written as UTF-8: JSON may hold halves of a character."""
    return text.encode("utf-8", "replace").decode()
