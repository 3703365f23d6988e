"""A reduction on one picture: which patches ended as one token, and what the backbone still says.

Alone or after PaPr, https://arxiv.org/abs/2403.16020, Sec. 4.2. Written from the paper. The page
may draw `groups` itself; `figure` draws them as a mosaic.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from papr_core.data.images import read_image
from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.models.backbones import load_backbone, skeleton_backbone
from papr_core.models.backbones.base import Backbone
from papr_core.models.catalog import check_sees_pictures
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.models.proposals import load_proposal
from papr_core.models.proposals.base import Proposal
from papr_core.pruning.reductions import SHOWN, AnyReduction, settled, words_of
from papr_core.pruning.reductions.base import Reduction
from papr_core.pruning.significance import channel_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

__all__ = ["Mosaic", "merge_picture"]


@dataclass(frozen=True, eq=False)
class Mosaic:
    """One picture through a backbone that reduces its tokens, on the CPU.

    kept: how many patches came in; groups (N,) int64: patches of one number are one token at the end, -1 is
    a patch that is gone; grid: its rows and columns. label: the full model's answer, confidence and
    full_confidence in it with and without the reduction, answer: what is said with it. Of a backbone without
    a classifier label and answer are None and confidence is the cosine to the unpruned embedding.
    """

    image: str
    crop: "Image.Image"
    fine_crop: "Image.Image"
    backbone: str
    grid: tuple[int, int]
    keep: float
    reduction: Reduction
    kept: int
    groups: Tensor
    label: str | None
    answer: str | None
    confidence: float
    full_confidence: float

    @property
    def tokens(self) -> int:
        """How many tokens they are at the end, prefix tokens not counted."""
        return len(self.groups[self.groups >= 0].unique())

    @property
    def caption(self) -> str:
        """What happened, in a sentence or two."""
        said = (
            f"{self.backbone}: {self.kept} of {len(self.groups)} patches, {self.reduction.about},"
            f" end as {self.tokens} tokens"
        )
        if self.label is None:
            return f"{said}; the cosine to the full embedding is {self.confidence:.3f}."
        change = (
            f"{100 * self.confidence:.1f} % on “{self.label}” ({100 * self.full_confidence:.1f} % before)"
        )
        other = "" if self.answer == self.label else f"; the answer is now “{self.answer}”"
        return f"{said}: {change}{other}."

    def to_dict(self) -> dict[str, Any]:
        """What can be written as JSON."""
        return {
            "image": self.image,
            "backbone": self.backbone,
            "grid": list(self.grid),
            "keep": self.keep,
            **words_of(self.reduction),
            "kept": self.kept,
            "tokens": self.tokens,
            "groups": self.groups.tolist(),
            "label": self.label,
            "answer": self.answer,
            "confidence": self.confidence,
            "full_confidence": self.full_confidence,
        }

    def figure(self) -> "Figure":
        """The picture, and its tokens as a mosaic."""
        import numpy as np

        from papr_core.figures import mosaic_figure

        return mosaic_figure(np.asarray(self.fine_crop), self.groups.numpy(), self.grid, note=self.caption)


def merge_picture(
    image: Any,
    *,
    proposal: str | Proposal = DEFAULT_PROPOSAL,
    backbone: str | Backbone = DEFAULT_BACKBONE,
    keep: float = 1.0,
    reduction: AnyReduction = SHOWN,
    fit: str = "crop",
    device: str | torch.device = "cpu",
    name: str = "image",
) -> Mosaic:
    """One picture with the tokens reduced in each block, of the patches that PaPr keeps (keep 1: of all, and
    no proposal is loaded).

    image: a path, a file's bytes, a PIL image or an array (H, W, 3). reduction: by default 8 tokens merged a
    block, as published.

    Raises:
        InvalidInput and its kin, WeightsUnavailable: in one sentence.
    """
    value = settled(reduction, keep)
    if value is None:
        raise InvalidInput("No token is reduced, so there is nothing to draw: the number must be above 0.")
    check_sees_pictures(proposal=proposal, backbone=backbone)
    # refused before anything is downloaded
    structure = skeleton_backbone(backbone) if isinstance(backbone, str) else backbone
    if reason := structure.reduction_refusal(value):
        raise UnsupportedModel(reason)
    structure.num_kept(keep)  # refuses what is outside (0, 1]
    if isinstance(backbone, str):
        backbone = load_backbone(backbone, device=device)
    picture = read_image(image)
    crop = backbone.fit(picture, fit)
    with torch.inference_mode():
        view, kept = backbone.view(crop).to(device), None
        if keep < 1:
            if isinstance(proposal, str):
                proposal = load_proposal(proposal, device=device)
            features = proposal.features(proposal.view(crop).to(device))
            kept = backbone.select(channel_mean(features), keep)
        came = backbone.num_patches if kept is None else kept.shape[1]
        groups = backbone.groups(view, kept, reduction=value)[0].cpu()
        full, reduced = (
            out[0].float().cpu() for out in (backbone(view), backbone(view, kept, reduction=value))
        )
        if backbone.headless:
            label, answer, before, after = None, None, 1.0, float(F.cosine_similarity(full, reduced, dim=0))
        else:
            best = int(full.argmax())
            label, answer = backbone.labels[best], backbone.labels[int(reduced.argmax())]
            before, after = (float(logits.softmax(dim=0)[best]) for logits in (full, reduced))
    rows, columns = backbone.grid
    return Mosaic(
        image=name,
        crop=crop,
        fine_crop=backbone.fine_crop(picture, fit),
        backbone=backbone.title,
        grid=(rows, columns),
        keep=float(keep),
        reduction=value,
        kept=came,
        groups=groups,
        label=label,
        answer=answer,
        confidence=after,
        full_confidence=before,
    )
