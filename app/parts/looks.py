"""What several ConvNets see in the picture on Compare, one after another (the Proposals page).

seq, working, error    as in view.py       more    some need a download: the rest waits for the slow queue
picture, backbone      whose crop and grid the rows belong to
rows    [{name, control, title, weights, sha256, labels, classes, size, gmacs, parameters, label, confidence,
          low, high, map: [H W numbers], order: [patches, the most significant first]}
         or {name, control, title, refused}]
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from papr_core.figures.display import Display
from papr_core.models.labels import short_label

from ..decoding import NotQuick
from ..session import Asker, Shared, explain_error, printable, said
from . import view
from .alongside import alongside
from .question import read_display

__all__ = ["Asked", "Looks"]

MOST = 24  # rows
UNTRAINED = "untrained:"  # before the name of a control; no model's name holds a colon


@dataclass(frozen=True)
class Asked:
    """picture: an id that the server gave; name: what the visitor calls it; convnets: names, those of
    controls behind UNTRAINED; keep: two ratios, kind and display: of a download; chosen: those that the
    visitor has ticked, and did not get by a link."""

    visitor: str
    seq: int
    picture: str
    name: str
    backbone: str
    convnets: tuple[str, ...]
    keep: tuple[float, ...]
    kind: str
    display: Display
    chosen: tuple[str, ...]

    @classmethod
    def read(cls, data: Any, shared: Shared) -> "Asked":
        """From what the browser sent; nothing in it is trusted. Raises InvalidInput."""
        core = shared.core()
        with said("proposals"):
            if not isinstance(data, Mapping) or not isinstance(data.get("convnets"), list):
                raise core.InvalidInput("The question could not be read; reload the page.")
            names = _names(data["convnets"])
            if not names:
                raise core.InvalidInput("Choose at least one ConvNet.")
            if len(names) > MOST:
                raise core.InvalidInput(f"At most {MOST} rows can be shown.")
            keep: Any = data.get("keep") if isinstance(data.get("keep"), list) else []
            seq = data.get("seq")
            return cls(
                visitor=printable(str(data.get("visitor", "")))[:80],
                seq=seq if isinstance(seq, int) else 0,
                picture=str(data.get("picture"))[:100],
                name=printable(str(data.get("name") or "picture"))[:200],
                backbone=str(data.get("backbone"))[:200],
                convnets=tuple(dict.fromkeys(names)),
                keep=tuple(ratio for ratio in keep[:4] if isinstance(ratio, (int, float))),
                kind=str(data.get("kind", "")),
                display=replace(read_display(data), scale="image"),  # as that page draws its rows
                chosen=tuple(_names(data.get("chosen"))[:100]),
            )


def _names(value: Any) -> list[str]:
    return (
        [one for one in value if isinstance(one, str) and 0 < len(one) <= 200]
        if isinstance(value, list)
        else []
    )


class Looks:
    """A question, worked on row by row on shared caches."""

    def __init__(self, shared: Shared, asked: Asked) -> None:
        self.shared, self.asked, self.core = shared, asked, shared.core()
        self.asker = Asker(shared, asked.visitor, asked.seq)
        from papr_core.models.catalog import check_sees_pictures

        with said("proposals"):
            check_sees_pictures(backbone=asked.backbone)
            self.backbone = shared.skeleton(asked.backbone)
            self.picture = shared.find(asked.picture)
        self._image: Any = None

    def quick(self) -> Iterator[dict[str, Any]]:
        """Payloads, a row more in each; what needs a download is left to `slow`."""
        rows, waiting = [], False
        for name in self.asked.convnets:
            self.asker.check()
            row = None
            if self._ready(name):
                with suppress(NotQuick):  # a picture that takes seconds to read
                    row = self._row(name)
            if row is None:
                waiting = True
            else:
                rows.append(row)
                yield self.payload(rows, "Looking")
        yield self.payload(rows, "Waiting" if waiting else None, more=waiting)

    def slow(self) -> Iterator[dict[str, Any]]:
        """The same of all rows, downloads among them."""
        rows: list[dict] = []

        def work(tell: Callable[[dict], None]) -> None:
            self._pixels(patient=True)
            for name in self.asked.convnets:
                self.asker.check()
                rows.append(self._row(name, lambda note: tell(self.payload(rows, note))))
                tell(self.payload(rows, "Looking"))

        yield from alongside(work, self.asker.leave)
        yield self.payload(rows, None)

    def payload(self, rows: list[dict], working: str | None, *, more: bool = False) -> dict[str, Any]:
        told = {"seq": self.asked.seq, "picture": self.asked.picture, "backbone": self.asked.backbone}
        return {**told, "working": working, "more": more, "rows": list(rows)}

    def agreement(self) -> Any:
        """All rows as the library's own result, for a figure; what cannot be had is left out."""
        from papr_core.comparison.agreement import Agreement, look

        with said("proposals-save"):
            for ratio in self.asked.keep:
                self.backbone.num_kept(ratio)
            if not self.asked.keep:
                raise self.core.InvalidInput("A figure needs a keep ratio.")
            crop = self.backbone.fit(self._pixels(patient=True))
            keep = tuple(dict.fromkeys(self.asked.keep))
            looks = []
            for name in filter(self._ready, self.asked.convnets):
                self.asker.check()
                control = name.startswith(UNTRAINED)
                looks.append(look(crop, self._model(name), self.backbone, keep, control=control))
            if all(one.control for one in looks):
                raise self.core.InvalidInput("A figure needs at least one trained ConvNet of this machine.")
            title = self.picture.name or self.asked.name
            fine_crop = self.backbone.fine_crop(self._pixels(patient=True))
            return Agreement(title, fine_crop, tuple(looks), self.backbone.grid, self.backbone.title)

    # within

    def _ready(self, name: str) -> bool:
        if name.startswith(UNTRAINED):
            return True
        try:
            return self.shared.ready("proposal", name)
        except self.core.PaprError:
            return True  # it is refused at once

    def _pixels(self, patient: bool = False) -> Any:
        if self._image is None:
            with said("proposals"):
                self._image = self.shared.pixels(self.picture, self.asker.gone, patient)
        return self._image

    def _model(self, name: str, tell: Callable[[str], None] | None = None) -> Any:
        if name.startswith(UNTRAINED):
            return self.shared.untrained(name.removeprefix(UNTRAINED))

        def downloaded(done: int, of: int) -> None:
            self.asker.check()
            if tell:
                tell(f"Downloading {name}: {done / 1e6:.0f} of {of / 1e6:.0f} MB")

        return self.shared.model("proposal", name, downloaded)

    def _row(self, name: str, tell: Callable[[str], None] | None = None) -> dict[str, Any]:
        control = name.startswith(UNTRAINED)
        plain = name.removeprefix(UNTRAINED)
        from papr_core.models.catalog import check_sees_pictures

        try:
            check_sees_pictures(proposal=plain)
            if not control:
                self.shared.check_chosen("proposal", name, self.asked.chosen)
            proposal = self._model(name, tell)
        except self.core.Stopped:
            raise
        except self.core.PaprError as error:
            return {"name": name, "control": control, "title": plain, "refused": explain_error(error)["text"]}
        key = ("look", self.picture.id, self.backbone.name, name, proposal.sha256)
        return self.shared.cache.once(key, lambda: self._looked(name, proposal, control))

    def _looked(self, name: str, proposal: Any, control: bool) -> dict[str, Any]:
        from papr_core.comparison.agreement import look

        one = look(self.backbone.fit(self._pixels()), proposal, self.backbone, (), control=control)
        return {
            **view.model(proposal),
            "name": name,
            "control": control,
            "gmacs": one.gmacs,
            "parameters": one.parameters,
            "label": short_label(one.label),
            "confidence": view.rounded(one.confidence),
            **view.ranked(one.significance),
        }
