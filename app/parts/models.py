"""The model picker: which models there are, and what choosing one would fetch."""

from typing import Any

from ..session import Shared

__all__ = ["choices", "clip_choices", "offered", "titles"]


def choices(shared: Shared, role: str) -> list[tuple[str, str]]:
    """(label, name) of the catalogue and the owner's folder; a label says what has to be downloaded."""
    from papr_core.models import catalog

    return [
        (f"{title}{_fetch(shared, catalog.find(name, role), size)}", name)
        for title, name, size in _listed(shared, role)
    ]


def offered(shared: Shared, role: str) -> list[dict]:
    """{name, title, where, megabytes} of the same; where: embedded, local, cached, download, or refused where
    this page cannot have the weights."""
    from papr_core import errors
    from papr_core.models import catalog

    found = []
    for title, name, size in _listed(shared, role):
        try:
            where = catalog.find(name, role).locate().kind
        except errors.PaprError:
            where = "refused"
        if where == "download" and not shared.settings.downloads:
            where = "refused"
        found.append({"name": name, "title": title, "where": where, "megabytes": size})
    return found


def titles(shared: Shared, role: str) -> list[tuple[str, str]]:
    """(title, name) of the same, for what needs no weights."""
    return [(title, name) for title, name, _ in _listed(shared, role)]


def _listed(shared: Shared, role: str) -> list[tuple[str, str, float | None]]:
    """(title, name, megabytes of a download)."""
    core = shared.core()
    from papr_core.models import hub, weights

    table = core.PROPOSALS if role == "proposal" else core.BACKBONES
    listed = [(one.title, name, one.megabytes) for name, one in table.items() if not one.sees_clips]
    own = [name for name in weights.own_models() if name not in table and _plays(name, role)]
    if role == "backbone":
        own += [name for name in hub.own_repositories() if name not in table and _prunes(name)]
    return listed + [(name, name, None) for name in own]


def clip_choices(shared: Shared, role: str) -> list[tuple[str, str]]:
    """The same for clips: models of pictures go frame by frame, and those that look at whole clips."""
    core = shared.core()
    table = core.PROPOSALS if role == "proposal" else core.BACKBONES
    of_clips = [one for one in table.values() if one.sees_clips]
    listed = [(f"{one.title}, of clips{_fetch(shared, one, one.megabytes)}", one.name) for one in of_clips]
    return [*choices(shared, role), *listed]


def _plays(name: str, role: str) -> bool:
    """Whether a model of the owner's folder belongs in this list; one that cannot be used is in none."""
    from papr_core import errors
    from papr_core.models import catalog

    try:
        return catalog.own_role(name) == role
    except errors.PaprError:
        return False


def _prunes(name: str) -> bool:
    """The same of a model of transformers."""
    from papr_core.models import catalog
    from papr_core.models.backbones.hooked import seems_prunable

    return seems_prunable(catalog.find(name, "backbone").architecture)


def _fetch(shared: Shared, model: Any, megabytes: float | None) -> str:
    """What has to be done for the weights of a model, an entry of the catalogue."""
    from papr_core import errors

    try:
        if model.locate().path is not None:
            return ""
    except errors.PaprError:
        return " · no weights"
    if not shared.settings.downloads:
        return " · not on this machine"
    return f" · downloads {megabytes:.0f} MB" if megabytes else " · to be downloaded"
