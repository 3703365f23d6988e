"""What models there are and where their weights are: the rows that `papr models --json` prints."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from papr_core.errors import PaprError
from papr_core.models import catalog, weights
from papr_core.models.entries import Entry
from papr_core.models.hub import PREFIX

__all__ = ["fetch_models", "model_rows"]


def model_rows(complain: Callable[[PaprError], None] = lambda error: None) -> list[dict[str, Any]]:
    """The catalogues, then the models of the own folder that they do not name, a dictionary each: name,
    role, title, paper, architecture, input_size, labels, classes, licence, source, weights (embedded | local
    | cached | download | missing), megabytes, sha256 (where `weights.known_sha256` knows it), reason (why
    missing).

    complain: called with the error of an own model that can play no part; it has no row.
    """
    return [_row(entry) for entry in _entries(complain)]


def fetch_models(names: Iterable[str]) -> Iterator[weights.Source]:
    """Bring the weights of models to this machine, one after another; each with where it lies now.

    Raises:
        UnknownModel: nothing has this name. WeightsUnavailable: they cannot be had, and what to do.
    """
    for name in names:
        yield _entry(name).fetch()


def _entry(name: str) -> Entry:
    pruned = {part for key in catalog.BACKBONES for part in (key, *catalog.short_names(key))}
    role = "backbone" if {name, name.split(".")[0]} & pruned or name.startswith(PREFIX) else "proposal"
    return catalog.find(name, role)


def _entries(complain: Callable[[PaprError], None]) -> Iterator[Entry]:
    yield from catalog.PROPOSALS.values()
    yield from catalog.BACKBONES.values()
    listed = catalog.PROPOSALS | catalog.BACKBONES
    short = {part for name, one in listed.items() if one.sees_clips for part in catalog.short_names(name)}
    for name in weights.own_models():
        if name not in listed and name not in short:
            try:
                yield catalog.find(name, catalog.own_role(name))
            except PaprError as error:
                complain(error)


def _row(entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = {"name": entry.name, "role": entry.role, "title": entry.title, "paper": entry.paper}
    try:
        labels = entry.labels
        row |= {
            "architecture": entry.architecture,
            "input_size": list(entry.input_size),
            "labels": labels.name,
            "classes": len(labels),
            "licence": entry.licence,
            "source": entry.source,
        }
        source = entry.locate()
    except PaprError as error:
        empty = {
            "architecture": "",
            "input_size": [],
            "labels": "",
            "classes": 0,
            "licence": "",
            "source": "",
        }
        return {**empty, **row, "weights": "missing", "megabytes": None, "sha256": None, "reason": str(error)}
    megabytes = entry.megabytes if source.megabytes is None else source.megabytes
    row |= {"weights": source.kind, "megabytes": None if megabytes is None else round(megabytes, 1)}
    return {**row, "sha256": weights.known_sha256(source), "reason": None}
