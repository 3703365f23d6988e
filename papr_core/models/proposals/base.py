"""What every proposal shares: its name and labels, its features, its own answer from them.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 3.1: the ConvNet runs without its classifier; what counts is the
map whose pooling would feed it. Written from the paper.
"""

from typing import Any

from torch import Tensor, nn

from papr_core.data.images import View
from papr_core.models import weights
from papr_core.models.labels import Labels

__all__ = ["Proposal"]


class Proposal(nn.Module):
    """A ConvNet in eval mode that looks first. Modules beside this one know how, for pictures and clips.

    name, title; model: the network; input_size (3, H, W), of clips (3, frames, H, W); labels; weights: where
    they came from, None if they are random.
    """

    name: str
    title: str
    model: Any
    input_size: tuple[int, ...]
    labels: Labels
    weights: weights.Source | None

    def __init__(
        self,
        model: nn.Module,
        name: str,
        title: str,
        source: weights.Source | None,
        *,
        input_size: tuple[int, ...],
        labels: Labels,
        view: View,
    ) -> None:
        super().__init__()
        self.name, self.title, self.weights = name, title, source
        self.model = model
        self.input_size, self.labels, self._view = input_size, labels, view
        self.eval()

    def __repr__(self) -> str:
        size = "x".join(map(str, self.input_size[1:]))
        return f"{type(self).__name__}({self.name!r}, {size}, {self.labels!r})"

    @property
    def sees_clips(self) -> bool:
        """Whether it looks at clips, not at pictures."""
        return len(self.input_size) == 4

    def features(self, images: Tensor) -> Tensor:
        """The last spatial map after its activation: normalised images (B, 3, H, W) to (B, K, h, w), clips
        (B, 3, T, H, W) to (B, K, t, h, w)."""
        raise NotImplementedError

    def logits(self, features: Tensor) -> Tensor:
        """The network's own answer from its last map: (B, K, h, w) or (B, K, t, h, w) to (B, C)."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W), or clips (B, 3, T, H, W), to logits (B, C)."""
        return self.logits(self.features(images))

    def normalise(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in 0..1, brought to this network's mean and standard deviation."""
        return self._view.normalise(images)

    @property
    def sha256(self) -> str | None:
        """Of the weights file; None for random weights."""
        return weights.sha256(self.weights.path) if self.weights and self.weights.path else None

    @property
    def class_weights(self) -> Tensor | None:
        """(C, K) of the one linear layer that reads the map's mean; None where the head is more than that."""
        return None
