"""What a configuration costs: multiply-accumulates, counted from a model's own operators on the meta device.

Counted are matrix products, attention's two products and convolutions: the "GFLOPs" that the PaPr paper
prints (https://arxiv.org/abs/2403.16020). Not counted is how tokens to merge are found (0.03 % of ViT-B's
cost at r = 16), as in the figures of the paper. Nothing is computed and no weight is read. The paper's own
tables, and what they print of other methods, stand beside this file.
"""

import copy
import csv
import importlib.resources
import math
from collections.abc import Callable, Hashable, Sequence
from fractions import Fraction
from functools import cache, partial
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.methods.budget import fed
from papr_core.methods.table import METHODS
from papr_core.models import catalog
from papr_core.models.backbones import skeleton_backbone
from papr_core.models.backbones.base import Backbone
from papr_core.models.proposals import skeleton_proposal
from papr_core.models.proposals.base import Proposal
from papr_core.pruning.reductions import AnyReduction, reduction_in, settled, words_of
from papr_core.pruning.reductions.base import Reduction
from papr_core.pruning.selection import num_kept

__all__ = [
    "PAPER",
    "backbone_gmacs",
    "count_macs",
    "estimate",
    "gmacs_by_ratio",
    "other_methods",
    "paper_rows",
    "proposal_gmacs",
    "spent",
]

PAPER = "Mahmud et al., PaPr, ECCV 2024, https://arxiv.org/abs/2403.16020"


# The account


def spent(backbone: float, proposal: float = 0.0, *, looks: bool = True) -> dict[str, float]:
    """What one picture costs, in the words of every row of results: gmacs_backbone, what the backbone itself
    takes as it is pruned; gmacs_proposal, one pass of the proposal, and 0 where none looks (the full model,
    tokens reduced alone, chance, the centre); gmacs, the two together.

    What a method does beside that pass (gradients, Score-CAM's masked pictures) is not counted; it is in the
    images a second end to end.

    >>> from papr_core.cost import spent
    >>> spent(0.5, 0.25)
    {'gmacs_backbone': 0.5, 'gmacs_proposal': 0.25, 'gmacs': 0.75}
    >>> spent(0.5, 0.25, looks=False)["gmacs"]
    0.5
    """
    looking = float(proposal) if looks else 0.0
    return {"gmacs_backbone": float(backbone), "gmacs_proposal": looking, "gmacs": backbone + looking}


# Counting


def backbone_gmacs(
    backbone: Backbone,
    keep_ratio: float = 1.0,
    *,
    reduction: Reduction | None = None,
    method: str = "papr",
) -> float:
    """Billions of multiply-accumulates of one picture through a backbone at a keep ratio, perhaps with its
    tokens reduced further. method: how the ratio is spent; the full pass of an oracle is among it.

    >>> import papr_core
    >>> from papr_core.cost import backbone_gmacs
    >>> backbone = papr_core.load_backbone()
    >>> round(backbone_gmacs(backbone), 3), round(backbone_gmacs(backbone, 0.4), 3)
    (1.254, 0.477)
    """
    twin = _on_meta(backbone)
    image = torch.empty(1, *backbone.input_size, device="meta", dtype=next(twin.parameters()).dtype)
    call = twin if reduction is None else partial(twin, reduction=reduction)
    if keep_ratio == 1:
        return count_macs(call, image) / 1e9
    # which patches stay does not matter, but a backbone looks at the numbers: real ones
    kept = fed(method, backbone, torch.zeros(1, *backbone.grid), keep_ratio)
    looked = count_macs(twin, image) if METHODS[method].kind == "oracle" else 0
    return (looked + count_macs(call, image, kept)) / 1e9


def gmacs_by_ratio(backbone: Backbone) -> Callable[[float], float]:
    """What `backbone_gmacs` gives without a reduction, at any keep ratio, from a few counts made now. Exact:
    a ViT's cost is a quadratic in its tokens (attention's two products; all else is linear), a ConvNeXt's and
    Swin's is linear in each stage's kept positions."""
    twin = _on_meta(backbone)
    image = torch.empty(1, *backbone.input_size, device="meta", dtype=next(twin.parameters()).dtype)
    if backbone.by_stage:
        sizes = [height * width for height, width in backbone.grids]

        def count(counts: Sequence[int]) -> int:
            return count_macs(twin, image, tuple(torch.arange(k).unsqueeze(0) for k in counts))

        least = count([1] * len(sizes))
        slopes = []
        for stage, size in enumerate(sizes):
            whole = [size if other == stage else 1 for other in range(len(sizes))]
            slopes.append((count(whole) - least) // max(1, size - 1))
        return lambda ratio: (
            sum((slope * (num_kept(size, ratio) - 1) for slope, size in zip(slopes, sizes)), least) / 1e9
        )
    everything, coarse = backbone.num_patches, torch.zeros(1, *backbone.grid)
    counts = {
        k: count_macs(twin, image, backbone.select_count(coarse, k))
        for k in {1, (everything + 1) // 2, everything}
    }
    return lambda ratio: _through(counts, backbone.num_kept(ratio)) / 1e9


def _through(points: dict[int, int], x: int) -> int:
    """The polynomial through these points (x: y), at x."""
    total = Fraction(0)
    for at, value in points.items():
        others = [other for other in points if other != at]
        total += value * math.prod((Fraction(x - other, at - other) for other in others), start=Fraction(1))
    return int(total)


def proposal_gmacs(proposal: Proposal, size: Sequence[int] | None = None) -> float:
    """The same of one picture's features (no classifier), at the proposal's own size or another."""
    twin, size = _on_meta(proposal), size or proposal.input_size[1:]
    image = torch.empty(1, 3, *size, device="meta", dtype=next(twin.parameters()).dtype)
    return count_macs(twin.features, image) / 1e9


def count_macs(function: Callable[..., Any], *inputs: Any) -> int:
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

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        count = flop_registry.get(func._overloadpacket)
        if count is None:
            with self:
                apart = func.decompose(*args, **kwargs)
            return func(*args, **kwargs) if apart is NotImplemented else apart
        out = func(*args, **kwargs)
        self.macs += count(*args, **kwargs, out_val=out) // 2
        return out


_Module = TypeVar("_Module", bound=nn.Module)


def _on_meta(module: _Module) -> _Module:
    """A copy of a module whose tensors have shapes but no storage; the module itself is only read."""
    tensors = [*module.parameters(), *module.buffers()]
    if all(tensor.is_meta for tensor in tensors):
        return module
    with torch.inference_mode(False):
        # deepcopy takes these for copies already made
        memo = {id(tensor): _hollow(tensor) for tensor in tensors}
        return copy.deepcopy(module, memo)


def _hollow(tensor: torch.Tensor) -> torch.Tensor:
    hollow = torch.empty_like(tensor, device="meta", requires_grad=False)
    return nn.Parameter(hollow, requires_grad=False) if isinstance(tensor, nn.Parameter) else hollow


# A configuration by its names


def estimate(
    backbone: str,
    proposal: str | None = None,
    *,
    keep: float = 1.0,
    reduction: AnyReduction = None,
    proposal_input: int | None = None,
    once: Callable[[Hashable, Callable[[], Any]], Any] = lambda key, make: make(),
) -> dict[str, Any]:
    """The object that `cost --json` prints, without weights: gmacs_full of the plain backbone; at this keep
    ratio, with this reduction, gmacs_backbone, gmacs_proposal and both together as gmacs_pruned (`spent`; at
    keep 1 no patch is chosen, so no proposal looks); patches and kept.

    proposal_input: pixels that the proposal sees; by default its own size.
    once(key, make): a caller's cache, for what other keep ratios of the same models need again.

    Raises:
        UnknownModel, UnsupportedModel, InvalidInput: in one sentence.
    """
    name = catalog.find(backbone, "backbone").name
    pruned = once(("skeleton", name), lambda: skeleton_backbone(name))
    count = pruned.num_kept(keep)
    reduction = settled(reduction, keep)
    at = once(("gmacs", name), lambda: gmacs_by_ratio(pruned))
    full = at(1.0)
    looking = 0.0
    if proposal is not None:
        if catalog.sees_clips(proposal, "proposal") != pruned.sees_clips:
            raise UnsupportedModel(f"{proposal} and {pruned.name} do not go together: one looks at clips.")
        if proposal_input is not None and proposal_input < 32:
            raise InvalidInput(f"A proposal sees at least 32 pixels a side, not {proposal_input}.")
        proposal = catalog.find(proposal, "proposal").name
        own = catalog.find(proposal, "proposal").input_size
        size = (*own[1:-2], proposal_input, proposal_input) if proposal_input else ()
        looking = once(("gmacs", proposal, size), lambda: _looking(proposal, size))
    if reason := pruned.reduction_refusal(reduction):
        raise UnsupportedModel(reason)
    alone = backbone_gmacs(pruned, keep, reduction=reduction) if reduction else at(keep)
    account = spent(alone, looking, looks=keep < 1)
    return {
        "backbone": pruned.name,
        "proposal": proposal,
        "keep": float(keep),
        **words_of(reduction),
        "gmacs_full": full,
        "gmacs_backbone": account["gmacs_backbone"],
        "gmacs_proposal": account["gmacs_proposal"],
        "gmacs_pruned": account["gmacs"],
        "patches": pruned.num_patches,
        "kept": count,
    }


def _looking(name: str, size: tuple[int, ...]) -> float:
    """GMACs of one pass of a proposal over (height, width) pixels, of clips (frames, height, width); empty
    for its own size."""
    return proposal_gmacs(skeleton_proposal(name), size or None)


# The paper's tables


def paper_rows() -> list[dict[str, Any]]:
    """The paper's costs (Tables 1 to 9) beside ours, a dictionary a row: table, backbone (the proposal itself
    in Tables 7 and 9), input, proposal, proposal_input, keep and the words of a reduction as they explain the
    figure, printed_keep where the paper prints another or none, paper_gmacs, gmacs, difference_percent,
    tolerance_percent, paper_top1, paper_images_per_second, note."""
    backbone, looking, once = cache(skeleton_backbone), cache(_looking), cache(backbone_gmacs)
    rows = []
    for line in _data("paper_costs.csv"):
        words = {"tome_r": int(line["tome_r"]), "tome_layers": line["tome_layers"] or None}
        keep = float(line["keep"])
        if line["table"] in ("7", "9"):  # a proposal by itself
            ours = looking(line["backbone"], _square(line["input"]))
        else:
            alone = once(backbone(line["backbone"]), keep, reduction=reduction_in({"keep": keep, **words}))
            pass_ = looking(line["proposal"], _square(line["proposal_input"])) if line["proposal"] else 0.0
            ours = spent(alone, pass_)["gmacs"]
        paper = float(line["paper_gmacs"])
        rows.append({
            "table": int(line["table"]),
            "backbone": line["backbone"],
            "input": line["input"],
            "proposal": line["proposal"] or None,
            "proposal_input": line["proposal_input"] or None,
            "keep": keep,
            **words,
            "printed_keep": _number(line["printed_keep"]),
            "paper_gmacs": paper,
            "gmacs": ours,
            "difference_percent": None if ours is None else 100 * (ours / paper - 1),
            "tolerance_percent": float(line["tolerance_percent"]),
            "paper_top1": _number(line["paper_top1"]),
            "paper_images_per_second": _number(line["paper_images_per_second"]),
            "note": line["note"],
        })  # fmt: skip
    return rows


def other_methods() -> list[dict[str, Any]]:
    """What the paper's tables print of methods that are quoted here, not rebuilt: table, backbone, method,
    paper_gmacs, paper_top1, paper_images_per_second, note."""
    return [
        {
            "table": int(line["table"]),
            "backbone": line["backbone"],
            "method": line["method"],
            "paper_gmacs": _number(line["gmacs"]),
            "paper_top1": _number(line["top1"]),
            "paper_images_per_second": _number(line["images_per_second"]),
            "note": line["note"],
        }
        for line in _data("paper_other_methods.csv")
    ]


def _square(size: str) -> tuple[int, ...]:
    """PIXELS or FRAMESxPIXELS to (height, width) or (frames, height, width)."""
    *frames, side = (int(number) for number in size.split("x"))
    return (*frames, side, side)


def _data(name: str) -> list[dict[str, str]]:
    text = importlib.resources.files("papr_core").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _number(text: str) -> float | None:
    return float(text) if text else None
