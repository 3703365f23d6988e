"""A classifier of one output says yes or no through a sigmoid; here it becomes one of two classes.

softmax((-x / 2, x / 2)) is (1 - sigmoid(x), sigmoid(x)): so the weights of the one output are shared out
over two, and everything that reads probabilities, answers and CAMs of classes reads it as it is meant.
"""

from typing import Any

import torch
from torch import nn

from papr_core.errors import UnsupportedModel

__all__ = ["doubled"]


def doubled(model: Any, name: str) -> Any:
    """The same model, its one output shared out over two classes (no, yes); others as they are.

    Raises:
        UnsupportedModel: one output that no linear layer gives.
    """
    if model.num_classes != 1:
        return model
    heads = model.get_classifier()
    for head in heads if isinstance(heads, (tuple, list)) else (heads,):
        if not (isinstance(head, (nn.Linear, nn.Conv2d)) and len(head.weight) == 1):
            raise UnsupportedModel(
                f"{name} gives one number, and not by a linear layer, so it is no classifier that can be read"
                " here: give it two outputs."
            )
        with torch.no_grad():
            head.weight = nn.Parameter(torch.cat([-head.weight / 2, head.weight / 2]))
            if head.bias is not None:
                head.bias = nn.Parameter(torch.cat([-head.bias / 2, head.bias / 2]))
        if isinstance(head, nn.Linear):
            head.out_features = 2
        else:
            head.out_channels = 2
    model.num_classes = 2
    return model
