"""What a model says of itself in one line, in place of torch's thousand of layers."""

from torch import nn

__all__ = ["representation"]


def representation(model: nn.Module, *facts: str) -> str:
    """One line: class, name, size of its input, these facts, classes, and where the weights come from.

    The layers are shown by `print(model.model)`.
    """
    size = " x ".join(str(side) for side in model.input_size[-2:])
    classes = f"{len(model.labels)} classes" if len(model.labels) else "no classifier"
    origin = f"{model.weights.kind} weights" if model.weights else "random weights"
    words = [repr(model.name), f"{size} px", *facts, classes, origin]
    return f"{type(model).__name__}({', '.join(words)})"
