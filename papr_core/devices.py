"""Where models run: the device of a model, the one that a command's --device means, the clock on it, and
answers back from it.
"""

import os
import time

import torch
from torch import Tensor, nn

from papr_core.errors import InvalidInput

__all__ = ["as_probabilities", "check_answers", "chosen_device", "device_of", "now"]


def chosen_device(name: str | None) -> str:
    """What --device means: without it CUDA where there is one, else the CPU. Under torchrun each process has
    a GPU of its own, so plain "cuda" is the one of its place on the machine (LOCAL_RANK)."""
    if name is None and not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if name in (None, "cuda") else name


def device_of(model: nn.Module) -> torch.device:
    """Where a model's weights are."""
    return next(model.parameters()).device


def now(device: torch.device) -> float:
    """Seconds of a clock, when all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def as_probabilities(logits: Tensor) -> Tensor:
    """Logits (..., C) of any kind to probabilities on the CPU, float32."""
    found = logits.float().softmax(dim=-1).cpu()
    check_answers(found)
    return found


def check_answers(answers: Tensor) -> None:
    """Raises InvalidInput where a model's answers are no numbers, of which the first would pass for the
    highest."""
    if answers.isnan().any():
        raise InvalidInput(
            "The model's answers are no numbers (NaN): its weights are damaged, or overflow in the type that"
            " they have (float32 holds more than halves)."
        )
