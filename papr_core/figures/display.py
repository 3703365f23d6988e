"""How maps and dropped patches look, on the screen and in figures: what there is, and a choice of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from papr_core.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np

__all__ = ["COLOURS", "LOOKS", "SCALES", "Display"]

# Of dropped patches. How each is drawn stands twice: pictures.py, and app/static/js/draw.js for the screen.
LOOKS = ("dim", "white", "black", "blur")
COLOURS = ("inferno", "viridis", "turbo", "gray")  # matplotlib's names
SCALES = ("image", "shared", "raw")  # from which value to which the colours go: each map's, all maps', 0 to 1


@dataclass(frozen=True)
class Display:
    """look: of dropped patches; colours: of the map; opacity: of the map over the picture, 0 to 1; scale: the
    colours go over each map by itself ("image"), over all maps together ("shared"), or over 0 to 1 as the
    values are ("raw").

    Raises:
        InvalidInput: what there is not.
    """

    look: str = LOOKS[0]
    colours: str = COLOURS[0]
    opacity: float = 0.6
    scale: str = SCALES[0]

    def __post_init__(self) -> None:
        for what, chosen, there in (
            ("Dropped patches can look", self.look, LOOKS),
            ("The colours of a map are", self.colours, COLOURS),
            ("The scale of a map is", self.scale, SCALES),
        ):
            if chosen not in there:
                raise InvalidInput(f"{what} {', '.join(there)}, not {chosen!r}.")
        if not 0 <= self.opacity <= 1:
            raise InvalidInput(f"The opacity of a map is 0 to 1, not {self.opacity!r}.")

    def ends(self, own: "np.ndarray", maps: "Iterable[np.ndarray]") -> tuple[float, float]:
        """From which value to which the colours of a map go, of these that are shown together."""
        if self.scale == "raw":
            return 0.0, 1.0
        among = list(maps) if self.scale == "shared" else [own]
        return min(float(one.min()) for one in among), max(float(one.max()) for one in among)
