"""`prune`: a model of the caller's own, and the ConvNet that looks first, as one ordinary module.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 3: the ConvNet's map says which patches stay, the model sees
those alone. Images come as the model's own preprocessing gives them; for the ConvNet, which wants another
mean, another standard deviation and perhaps another size, they are converted on their device. Written from
the paper."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.models import labels as _labels
from papr_core.models.backbones import load_backbone
from papr_core.models.backbones.base import Backbone
from papr_core.models.embedded import DEFAULT_PROPOSAL
from papr_core.models.given import as_backbone, as_proposal
from papr_core.models.labels import Labels
from papr_core.models.proposals import load_proposal
from papr_core.models.proposals.base import Proposal
from papr_core.pruning.reductions import AnyReduction, settled
from papr_core.pruning.selection import DEFAULT_KEEP_RATIO, num_kept
from papr_core.pruning.significance import channel_mean, patch_significance

__all__ = ["Details", "Pruned", "prune"]


def prune(
    model: str | Backbone | nn.Module,
    proposal: str | Proposal | nn.Module = DEFAULT_PROPOSAL,
    keep_ratio: float = DEFAULT_KEEP_RATIO,
    *,
    reduction: AnyReduction = None,
    name: str | None = None,
    labels: Labels | Sequence[str] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    img_size: int | tuple[int, int] | None = None,
) -> "Pruned":
    """A model of your own that sees only the patches a small ConvNet points at: an ordinary `nn.Module`.

    model: of timm (ViT and its kin, ConvNeXt, Swin) or transformers (ViT, DeiT, DINOv2, DINOv3, CLIP's and
    SigLIP's image towers, VideoMAE), built, fine-tuned or loaded by you, or a name. It stays as it is: what
    is given back has its modules copied and its tensors shared, so training one trains the other, until one
    of them is moved or cast. proposal: a name, what `load_proposal` gives, or a ConvNet of timm; frozen
    here. reduction: what happens to the tokens inside, such as `ToMe(8)`. The others: see `as_backbone`.

    >>> import papr_core, timm, torch
    >>> model = timm.create_model("test_vit", num_classes=3).eval()
    >>> pruned = papr_core.prune(model, keep_ratio=0.5)
    >>> with torch.inference_mode():
    ...     pruned(torch.zeros(2, 3, 160, 160)).shape
    torch.Size([2, 3])
    >>> pruned.keep_ratio = 1
    >>> with torch.inference_mode():
    ...     torch.equal(pruned(torch.ones(1, 3, 160, 160)), model(torch.ones(1, 3, 160, 160)))
    True

    Raises:
        UnsupportedModel: what cannot be pruned or cannot look, and why. InvalidInput: another wrong argument.
    """
    num_kept(1, keep_ratio)  # refuses what is outside (0, 1], before anything is loaded
    if isinstance(model, str):
        if told := [
            key for key, value in (("mean", mean), ("std", std), ("name", name)) if value is not None
        ]:
            raise InvalidInput(f"A model by name has its own {', '.join(told)}.")
        backbone = load_backbone(model, img_size=img_size)
        if labels is not None:
            backbone.labels = _labels.given(labels, len(backbone.labels))
    else:
        backbone = as_backbone(model, name=name, labels=labels, mean=mean, std=std, img_size=img_size)
    looking = as_proposal(load_proposal(proposal) if isinstance(proposal, str) else proposal)
    return Pruned(backbone, looking, keep_ratio, reduction=reduction)


@dataclass(frozen=True, eq=False)
class Details:
    """All that one call of a pruned model finds.

    output: the model's own; kept: the patches (B, k), a tensor a stage for ConvNeXt and Swin; significance:
    the map on the patch grid, (B, H, W).
    """

    output: Any
    kept: Any
    significance: Tensor


class Pruned(nn.Module):
    """A backbone behind its proposal: images as the backbone's own preprocessing gives them, (B, 3, H, W),
    in, what the backbone's own library gives out. `prune` makes one, in eval mode; `train()` puts the
    backbone into training mode, never the proposal, which asks for no gradient.

    backbone, proposal: both models. keep_ratio: above 0 and at most 1; may be set at any time. reduction: as
    given; may be set too. The state dict holds the two models' tensors, no others.
    """

    def __init__(
        self,
        backbone: Backbone,
        proposal: Proposal,
        keep_ratio: float = DEFAULT_KEEP_RATIO,
        *,
        reduction: AnyReduction = None,
    ) -> None:
        super().__init__()
        if backbone.sees_clips != proposal.sees_clips:
            sees = {True: "looks at clips", False: "looks at pictures"}
            example = "x3d_s" if backbone.sees_clips else DEFAULT_PROPOSAL
            raise UnsupportedModel(
                f"{proposal.name} {sees[proposal.sees_clips]}, {backbone.name} {sees[backbone.sees_clips]}:"
                f" take a proposal of its kind, such as {example}."
            )
        self.backbone, self.proposal = backbone, proposal
        self.keep_ratio = keep_ratio
        self.reduction = reduction
        if why := backbone.reduction_refusal(settled(reduction, self.keep_ratio)):
            raise UnsupportedModel(why)
        device = next(backbone.parameters()).device
        self.proposal.to(device)
        self.eval()

    def __repr__(self) -> str:
        return f"Pruned({self.backbone.name!r} by {self.proposal.name!r}, keep ratio {self.keep_ratio:g})"

    @property
    def keep_ratio(self) -> float:
        """The share of the tokens that stays, above 0 and at most 1."""
        return self._keep_ratio

    @keep_ratio.setter
    def keep_ratio(self, ratio: float) -> None:
        num_kept(1, ratio)  # refuses what is outside
        self._keep_ratio = float(ratio)

    def forward(self, images: Tensor | None = None, **arguments: Any) -> Any:
        """Images (B, 3, H, W), or clips, as the backbone's own preprocessing gives them, to what its own
        library gives. arguments: of a transformers model's forward, such as labels=; `pixel_values` are the
        images.

        Raises:
            InvalidInput: images of another size.
        """
        images = arguments.pop("pixel_values", None) if images is None else images
        kept = None if self.keep_ratio == 1 else self._kept(self.map(images))
        return self.backbone.own_output(images, kept, reduction=self._reduced(), **arguments)

    def map(self, images: Tensor) -> Tensor:
        """The proposal's map of the same images, (B, h, w), of clips (B, t, h, w): the mean over channels."""
        if not isinstance(images, Tensor) or tuple(images.shape[1:]) != self.backbone.input_size:
            shown = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
            size = str(self.backbone.input_size)[1:-1]
            raise InvalidInput(f"{self.backbone.name} takes normalised images (B, {size}), not {shown}.")
        like = next(self.proposal.parameters())
        with torch.no_grad():
            seen = self.proposal.adapt(self.backbone.denormalise(images.float()))
            return channel_mean(self.proposal.features(seen.to(like.dtype)))

    def details(self, images: Tensor) -> Details:
        """Output, kept patches and map of one call."""
        coarse = self.map(images)
        kept = self._kept(coarse)
        output = self.backbone.own_output(images, kept, reduction=self._reduced())
        return Details(output, kept, patch_significance(coarse, self.backbone.grid))

    def train(self, mode: bool = True) -> "Pruned":
        """Training mode for the backbone; the proposal stays as it is."""
        super().train(mode)
        self.proposal.eval()
        return self

    def _kept(self, coarse: Tensor) -> Any:
        return self.backbone.select(coarse, self.keep_ratio)

    def _reduced(self) -> Any:
        return settled(self.reduction, self.keep_ratio)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Pruned":
        """torch's way to move and cast. What is shared with the caller's model is let go first, or torch
        would move half of that model: its parameters, not its buffers."""
        probe = next(self.backbone.parameters()).detach().new_empty(0)
        moved = fn(probe)
        if (moved.device, moved.dtype) != (probe.device, probe.dtype):
            own: dict[nn.Parameter | None, nn.Parameter] = {  # a tied one stays tied
                parameter: nn.Parameter(parameter.detach(), requires_grad=parameter.requires_grad)
                for parameter in self.backbone.parameters()
            }
            for module in self.backbone.modules():
                for key, parameter in module._parameters.items():
                    module._parameters[key] = own.get(parameter)
        return super()._apply(fn, recurse)
