"""Everything that decides the weights that a training run ends with."""

import math
from dataclasses import dataclass, field
from typing import Any

from papr_core.errors import InvalidInput
from papr_core.models.embedded import DEFAULT_PROPOSAL

__all__ = ["Recipe"]


def _setting(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the trained weights. The command line has one option for each field."""

    model: str = _setting("resnet10t", "timm architecture")
    model_args: str = _setting("{}", "its arguments, as JSON")
    size: int = _setting(0, "input size in pixels (0: the model's own)")
    init: str = _setting("", "weights to start from: a safetensors file, or a model's name")
    epochs: int = _setting(10, "passes over the data")
    until: int = _setting(0, "end after so many of them, the schedule half done, for a next stage (0: all)")
    batch_size: int = _setting(256, "images a step")
    opt: str = _setting("adamw", "timm optimiser")
    lr: float = _setting(1e-3, "peak learning rate")
    weight_decay: float = _setting(0.05, "weight decay")
    warmup: float = _setting(0.05, "share of the steps in which the rate rises")
    min_lr: float = _setting(0.0, "learning rate at the end of the cosine")
    clip_grad: float = _setting(0.0, "gradient norm limit (0: none)")
    smoothing: float = _setting(0.1, "label smoothing")
    scale: float = _setting(0.35, "smallest share of the area that a random crop takes (1: no random crop)")
    color_jitter: float = _setting(0.0, "timm colour jitter")
    auto_augment: str = _setting("", "timm augmentation policy, such as rand-m6-mstd0.5")
    reprob: float = _setting(0.0, "probability of random erasing")
    mixup: float = _setting(0.0, "mixup alpha")
    cutmix: float = _setting(0.0, "cutmix alpha")
    drop_path: float = _setting(0.0, "stochastic depth")
    ema: float = _setting(0.0, "decay of the averaged weights (0: none)")
    teacher: str = _setting("", "model to learn from: a name that load_proposal or load_backbone takes")
    distill: float = _setting(0.5, "share of the loss that follows the teacher's probabilities")
    distill_features: float = _setting(0.0, "weight of the loss that follows the teacher's last feature map")
    teacher_once: bool = _setting(
        False,
        "the teacher sees each whole picture once, before training, and a crop gets its part of the map",
    )
    keep: float = _setting(1.0, "keep ratio while training (PaPr, Table 4)")
    proposal: str = _setting(DEFAULT_PROPOSAL, "the proposal that prunes, where keep is below 1")
    dtype: str = _setting("bfloat16", "type of the products: bfloat16 or float32")
    compile: bool = _setting(False, "torch.compile the model")
    limit: int = _setting(0, "at most so many training images, balanced over the classes (0: all)")
    seed: int = _setting(0, "seed of everything random")

    def check(self) -> None:
        """Raise InvalidInput, in one sentence, for settings that are out of range or do not go together."""
        if self.dtype not in ("bfloat16", "float32"):
            raise InvalidInput(f"The type {self.dtype!r} is unknown; choose bfloat16 or float32.")
        if not 0 < self.keep <= 1:
            raise InvalidInput(f"The keep ratio is {self.keep}; it must be above 0 and at most 1.")
        if self.epochs < 1 or self.batch_size < 2:
            raise InvalidInput("A run takes at least one epoch, and two images a batch.")
        if not 0 <= self.until <= self.epochs:
            raise InvalidInput(f"The run is to end after {self.until} epochs of {self.epochs}; give fewer.")
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInput(f"{name} is {getattr(self, name)}; it must be from 0 to 1.")
        for name in _AMOUNTS:
            if not (getattr(self, name) >= 0 and math.isfinite(getattr(self, name))):
                raise InvalidInput(f"{name} is {getattr(self, name)}; it must be 0 or more.")
        if not 0 < self.scale <= 1:
            raise InvalidInput(f"scale is {self.scale}; it must be above 0 and at most 1.")
        if self.ema == 1:
            raise InvalidInput("Weights averaged with a decay of 1 never change; give less.")
        if (self.mixup or self.cutmix) and self.batch_size % 2:
            raise InvalidInput("Mixing takes pairs of images; make the batch size even.")
        if self.teacher_once and not self.teacher:
            raise InvalidInput("There is no teacher that could look once; name one.")
        if self.keep < 1 and self.distill_features and self.teacher:
            raise InvalidInput(
                "Feature distillation needs every patch; set distill_features to 0 or keep to 1."
            )


_SHARES = ("warmup", "smoothing", "reprob", "drop_path", "ema", "distill")
_AMOUNTS = (
    *("size", "lr", "weight_decay", "min_lr", "clip_grad", "color_jitter", "mixup", "cutmix"),
    *("distill_features", "limit", "seed"),
)
