"""What the backbone sees and looks at, for methods that rank by it and not by the ConvNet."""

import threading

import torch
from torch import Tensor

from papr_core.devices import now
from papr_core.models.backbones.base import Backbone
from papr_core.models.backbones.watched import Watched

__all__ = ["Gaze"]


class Gaze:
    """A backbone and a batch (B, 3, H, W) as it sees it. The pass that tells what it looks at runs once, for
    whoever asks first: attention, rollout, and the plain answer where that is asked for here."""

    def __init__(self, backbone: Backbone, images: Tensor) -> None:
        self.backbone, self.images = backbone, images
        self.seconds = 0.0  # that this pass took
        self._watched: Watched | None = None
        self._lock = threading.Lock()

    @property
    def pictures(self) -> Tensor:
        """The same in 0..1, (B, 3, H, W)."""
        return self.backbone.denormalise(self.images)

    @property
    def watched(self) -> Watched:
        """Its plain answer and its own rankings. Raises UnsupportedModel."""
        with self._lock:
            if self._watched is None:
                start = now(self.images.device)
                with torch.inference_mode():
                    self._watched = self.backbone.watch(self.images)
                self.seconds = now(self.images.device) - start
            return self._watched
