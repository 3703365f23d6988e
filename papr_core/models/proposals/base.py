"""What every proposal shares: its name and labels, its features, its own answer from them.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 3.1: the ConvNet runs without its classifier; what counts is the
map whose pooling would feed it. Written from the paper.
"""

from typing import Any

from torch import Tensor

from papr_core.data.images import resized
from papr_core.models.loaded import Loaded

__all__ = ["Proposal"]


class Proposal(Loaded):
    """A ConvNet in eval mode that looks first. Modules beside this one know how, for pictures and clips.

    name, title; model: the network; input_size (3, H, W), of clips (3, frames, H, W); labels; weights: where
    they came from, None if they are random.
    """

    def __repr__(self) -> str:
        size = "x".join(map(str, self.input_size[1:]))
        return f"{type(self).__name__}({self.name!r}, {size}, {self.labels!r})"

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

    def adapt(self, pictures: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in 0..1, of any size, or clips (B, F, 3, H, W), as this network wants them:
        resized on their device and normalised. A crop's view, but for what rounding to 256 greys does."""
        return self.normalise(resized(pictures, self.input_size[-2:], self._view.interpolation))

    def view(self, seen: Any) -> Tensor:
        """The crop of a picture, or of each of a clip's frames, as this network wants it: (1, 3, H, W), or
        (1, 3, T, H, W), normalised."""
        raise NotImplementedError

    @property
    def class_weights(self) -> Tensor | None:
        """(C, K) of the one linear layer that reads the map's mean; None where the head is more than that."""
        return None
