"""Token merging on one picture: which patches ended as one token, and what the backbone still says.

ToMe, https://arxiv.org/abs/2210.09461, alone or after PaPr, https://arxiv.org/abs/2403.16020, Sec. 4.2.
Written from the papers. The page may draw `groups` itself; `figure` draws them as a mosaic.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from papr_core.data.images import read_image
from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.models.backbones import load_backbone, skeleton_backbone
from papr_core.models.catalog import check_sees_pictures
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.models.proposals import load_proposal
from papr_core.pruning.merging import Merging, as_published
from papr_core.pruning.significance import channel_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

__all__ = ["Mosaic", "merge_picture"]


@dataclass(frozen=True, eq=False)
class Mosaic:
    """One picture through a backbone that merges tokens, on the CPU.

    groups (N,) int64: patches of one number are one token at the end, -1 is a patch that was not kept; grid:
    its rows and columns. label: the full model's answer, confidence and full_confidence in it with and
    without merging, answer: what is said with it. Of a backbone without a classifier label and answer are
    None and confidence is the cosine to the unpruned embedding.
    """

    image: str
    crop: "Image.Image"
    backbone: str
    grid: tuple[int, int]
    keep: float
    merging: Merging
    groups: Tensor
    label: str | None
    answer: str | None
    confidence: float
    full_confidence: float

    @property
    def kept(self) -> int:
        """How many patches came in."""
        return int((self.groups >= 0).sum())

    @property
    def tokens(self) -> int:
        """How many tokens they are at the end, prefix tokens not counted."""
        return len(self.groups[self.groups >= 0].unique())

    @property
    def caption(self) -> str:
        """What happened, in a sentence or two."""
        where = {"all": "every block", "second_half": "every block of the second half"}[self.merging.layers]
        said = (
            f"{self.backbone}: {self.kept} of {len(self.groups)} patches, {self.merging.r} merged in"
            f" {where}, end as {self.tokens} tokens"
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
            "tome_r": self.merging.r,
            "tome_layers": self.merging.layers,
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

        return mosaic_figure(np.asarray(self.crop), self.groups.numpy(), self.grid, note=self.caption)


def merge_picture(
    image: Any,
    *,
    proposal: str | nn.Module = DEFAULT_PROPOSAL,
    backbone: str | nn.Module = DEFAULT_BACKBONE,
    keep: float = 1.0,
    tome_r: int = 8,
    tome_layers: str | None = None,
    fit: str = "crop",
    device: str | torch.device = "cpu",
    name: str = "image",
) -> Mosaic:
    """One picture with tome_r tokens merged in each block, of the patches that PaPr keeps (keep 1: of all,
    and no proposal is loaded).

    image: a path, a file's bytes, a PIL image or an array (H, W, 3). tome_layers: "all" or "second_half" of
    the blocks; by default as in the papers, all where nothing is pruned.

    Raises:
        InvalidInput and its kin, WeightsUnavailable: in one sentence.
    """
    merging = as_published(tome_r, keep, tome_layers)
    if not merging.active:
        raise InvalidInput("Nothing is merged: tome_r must be above 0.")
    check_sees_pictures(proposal=proposal, backbone=backbone)
    # refused before anything is downloaded
    structure = skeleton_backbone(backbone) if isinstance(backbone, str) else backbone
    if reason := structure.merging_refusal():
        raise UnsupportedModel(reason)
    structure.num_kept(keep)  # refuses what is outside (0, 1]
    if isinstance(backbone, str):
        backbone = load_backbone(backbone, device=device)
    crop = backbone.fit(read_image(image), fit)
    with torch.inference_mode():
        view, kept = backbone.view(crop).to(device), None
        if keep < 1:
            if isinstance(proposal, str):
                proposal = load_proposal(proposal, device=device)
            features = proposal.features(proposal.view(crop).to(device))
            kept = backbone.select(channel_mean(features), keep)
        groups = backbone.groups(view, kept, merging=merging)[0].cpu()
        full, merged = (
            out[0].float().cpu() for out in (backbone(view), backbone(view, kept, merging=merging))
        )
        if backbone.headless:
            label, answer, before, after = None, None, 1.0, float(F.cosine_similarity(full, merged, dim=0))
        else:
            best = int(full.argmax())
            label, answer = backbone.labels[best], backbone.labels[int(merged.argmax())]
            before, after = (float(logits.softmax(dim=0)[best]) for logits in (full, merged))
    return Mosaic(
        name, crop, backbone.title, backbone.grid, float(keep), merging, groups, label, answer, after, before
    )
