"""What a configuration costs: multiply-accumulates, counted from a model's own operators on the meta device.

Counted are matrix products, attention's two products and convolutions: the "GFLOPs" that the PaPr paper
prints (https://arxiv.org/abs/2403.16020). Nothing is computed and no weight is copied.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

__all__ = ["backbone_gmacs", "count_macs", "proposal_gmacs"]


def backbone_gmacs(backbone: nn.Module, keep_ratio: float = 1.0) -> float:
    """Billions of multiply-accumulates of one picture through a backbone at a keep ratio."""
    twin = _on_meta(backbone)
    image = torch.empty(1, *backbone.input_size, device="meta")
    if keep_ratio == 1:
        return count_macs(twin, image) / 1e9
    kept = torch.arange(backbone.num_kept(keep_ratio))[None]  # real numbers: a backbone looks at them
    return count_macs(twin, image, kept) / 1e9


def proposal_gmacs(proposal: nn.Module, size: Sequence[int] | None = None) -> float:
    """The same of one picture's features (no classifier), at the proposal's own size or another."""
    image = torch.empty(1, proposal.input_size[0], *(size or proposal.input_size[1:]), device="meta")
    return count_macs(_on_meta(proposal).features, image) / 1e9


def count_macs(function: Callable[..., Any], *inputs: torch.Tensor) -> int:
    """Multiply-accumulates of one call, meta tensors or real ones in."""
    # Composite operators reach the counter taken apart outside inference mode only.
    with torch.inference_mode(False), torch.no_grad(), _Counter() as counter:
        function(*inputs)
    return counter.macs


class _Counter(TorchDispatchMode):
    """torch's FlopCounterMode without its module hooks, which are global and reach into other threads."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        count = flop_registry.get(func._overloadpacket)
        if count is None:
            with self:
                apart = func.decompose(*args, **kwargs)
            return func(*args, **kwargs) if apart is NotImplemented else apart
        out = func(*args, **kwargs)
        self.macs += count(*args, **kwargs, out_val=out) // 2
        return out


def _on_meta(module: nn.Module) -> nn.Module:
    """A copy of a module whose tensors have shapes but no storage; the module itself is only read."""
    with torch.inference_mode(False):
        tensors = [*module.parameters(), *module.buffers()]
        memo = {
            id(tensor): _hollow(tensor) for tensor in tensors
        }  # deepcopy takes these for copies already made
        return copy.deepcopy(module, memo)


def _hollow(tensor: torch.Tensor) -> torch.Tensor:
    hollow = torch.empty_like(tensor, device="meta", requires_grad=False)
    return nn.Parameter(hollow, requires_grad=False) if isinstance(tensor, nn.Parameter) else hollow
