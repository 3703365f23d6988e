"""What proposals and backbones share: name, labels, weights and how a model wants its pictures."""

from typing import Any

from torch import Tensor, nn

from papr_core.data.images import View
from papr_core.models import weights
from papr_core.models.labels import Labels
from papr_core.models.weights import Source

__all__ = ["Loaded"]


class Loaded(nn.Module):
    """A network in eval mode: `Proposal` and `Backbone` say what it does."""

    name: str
    title: str
    model: Any
    input_size: tuple[int, ...]
    labels: Labels
    weights: Source | None

    def __init__(
        self,
        model: Any,
        name: str,
        title: str,
        source: Source | None,
        *,
        input_size: tuple[int, ...],
        labels: Labels,
        view: View,
    ) -> None:
        super().__init__()
        self.name, self.title, self.weights = name, title, source
        self.model = model
        self.input_size = tuple(int(side) for side in input_size)
        self.labels, self._view = labels, view
        self.eval()

    @property
    def sees_clips(self) -> bool:
        """Whether it looks at clips, not at pictures."""
        return len(self.input_size) == 4

    def normalise(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in 0..1, brought to this network's mean and standard deviation."""
        return self._view.normalise(images)

    @property
    def unanswering(self) -> str | None:
        """Why its output is no confidence in one class of several, or None if it is (or an embedding)."""
        if len(self.labels) == 1:
            return "it gives one number, whose share among one would always be all: give it two outputs"
        return None

    def _typed(self, images: Tensor) -> Tensor:
        """Images in the type of the network's numbers, halves or floats."""
        return images.to(next(self.parameters()).dtype)

    @property
    def sha256(self) -> str | None:
        """Of the weights file, or of the tensors of a model that was given; None for random weights."""
        if self.weights is not None and self.weights.kind == "given":
            return weights.sha256_of(self.model)
        return weights.sha256(self.weights.path) if self.weights and self.weights.path else None
