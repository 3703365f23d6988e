"""Methods of one's own: registered from Python, or by a file that the command line and the page are given."""

import colorsys
import re
import runpy
from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import Tensor

from papr_core.errors import InvalidInput, PaprError
from papr_core.methods.table import METHODS, Method, MethodCall

__all__ = ["load_plugin", "register_method"]


def register_method(
    name: str,
    make: Callable[[MethodCall], Tensor],
    *,
    title: str | None = None,
    uses_class: bool = False,
    about: str = "A method of your own.",
) -> Method:
    """Put a method of one's own into the table: then it stands wherever methods do, with a colour of its own.

    name: small letters, digits and hyphens, not taken by another. make: from a `MethodCall` to coarse maps
    (B, h, w), the higher the more significant; it may be called from several threads at once. title: at most
    30 characters, by default the name. uses_class: it explains one class, `call.classes()`. about: in a
    sentence.

    >>> import papr_core
    >>> papr_core.register_method("channel-max", lambda call: call.features.amax(dim=1)).title
    'channel-max'
    >>> papr_core.compare("assets/examples/coffee.jpg", methods=["channel-max"], curve=False).methods[0].kept
    78
    >>> del papr_core.METHODS["channel-max"]

    Raises:
        InvalidInput: a name, title or function that cannot be used.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", name):
        raise InvalidInput(
            f"A method's name is small letters, digits and hyphens, at most 40, a letter first; not {name!r}."
        )
    if name in METHODS and METHODS[name].kind != "own":
        raise InvalidInput(f"There is a method {name!r} already; give yours another name.")
    title = name if title is None else title
    if not isinstance(title, str) or not 0 < len(title) <= 30 or not title.isprintable():
        raise InvalidInput(f"A method's title is 1 to 30 characters on one line, not {title!r}.")
    if not callable(make):
        raise InvalidInput(f"{title} needs a function that makes its maps, not {type(make).__name__}.")
    owned = [one for one, method in METHODS.items() if method.kind == "own" and one != name]
    METHODS[name] = method = Method(
        name, title, "own", about, partial(_own, title, make), uses_class=uses_class,
        colours=_own_colours(len(owned)),
    )  # fmt: skip
    return method


def load_plugin(path: str | Path) -> tuple[str, ...]:
    """Run a Python file that registers methods; the names of all that are one's own now.

    It runs with the rights of whoever asks for it: a file of a stranger is a stranger's program.

    Raises:
        InvalidInput: no such file, one that fails, or one that registers nothing.
    """
    path, before = Path(path), dict(METHODS)
    if not path.is_file():
        raise InvalidInput(f"There is no plugin {str(path)!r}.")
    try:
        runpy.run_path(str(path))
    except PaprError:
        raise
    except Exception as error:
        raise InvalidInput(f"The plugin {path.name} failed: {type(error).__name__}: {error}.") from error
    if before == METHODS:
        raise InvalidInput(f"The plugin {path.name} registers no method; it must call register_method.")
    return tuple(name for name, method in METHODS.items() if method.kind == "own")


def _own(title: str, make: Callable[[MethodCall], Tensor], call: MethodCall) -> Tensor:
    """Its maps, checked: whatever goes wrong in it is one sentence, with its own error behind."""
    try:
        maps = make(call)
    except PaprError:
        raise
    except Exception as error:
        raise InvalidInput(f"{title} failed: {type(error).__name__}: {error}.") from error
    if not isinstance(maps, Tensor) or maps.ndim != 3 or len(maps) != len(call.features) or 0 in maps.shape:
        shown = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise InvalidInput(
            f"{title} must give a map for each image, ({len(call.features)}, h, w), not {shown}."
        )
    return maps.detach().float()


def _own_colours(place: int) -> tuple[str, str]:
    """Hues a golden angle apart, on light and on dark ground."""
    hue = (0.47 + 0.618034 * place) % 1
    shades = (colorsys.hls_to_rgb(hue, light, 0.65) for light in (0.32, 0.7))
    light, dark = ("#" + "".join(f"{round(255 * part):02x}" for part in shade) for shade in shades)
    return light, dark
