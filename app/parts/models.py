"""The model picker: which models there are, and what choosing one would fetch."""

from app.session import Shared

__all__ = ["choices"]


def choices(shared: Shared, role: str) -> list[tuple[str, str]]:
    """(label, name) of the catalogue and the owner's folder; a label says what has to be downloaded."""
    core = shared.core()
    from papr_core import weights

    table = core.PROPOSALS if role == "proposal" else core.BACKBONES
    listed = [(entry.title, name, entry.megabytes) for name, entry in table.items()]
    listed += [(name, name, None) for name in weights.own_models() if name not in table]
    return [(f"{title}{_fetch(shared, name, size)}", name) for title, name, size in listed]


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
