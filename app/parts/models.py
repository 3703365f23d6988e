"""The model picker: which models there are, and what choosing one would fetch."""

from app.session import Shared

__all__ = ["choices"]


def choices(shared: Shared, role: str) -> list[tuple[str, str]]:
    """(label, name) of the catalogue and the owner's folder; a label says what has to be downloaded."""
    core = shared.core()
    from papr_core import weights

    table = core.PROPOSALS if role == "proposal" else core.BACKBONES
    listed = [(entry.title, name, entry.megabytes) for name, entry in table.items()]
    listed += [
        (name, name, None) for name in weights.own_models() if name not in table and _plays(name, role)
    ]
    return [(f"{title}{_fetch(shared, name, size)}", name) for title, name, size in listed]


def _plays(name: str, role: str) -> bool:
    """Whether a model of the owner's folder belongs in this list; one that cannot be used is in none."""
    from papr_core import catalog, errors

    try:
        return catalog.own_role(name) == role
    except errors.PaprError:
        return False


def _fetch(shared: Shared, name: str, megabytes: float | None) -> str:
    from papr_core import errors, weights

    try:
        if weights.locate(name).path is not None:
            return ""
    except errors.PaprError:
        return " · no weights"
    if not shared.settings.downloads:
        return " · not on this machine"
    return f" · downloads {megabytes:.0f} MB" if megabytes else " · to be downloaded"
