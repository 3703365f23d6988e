"""What several ConvNets see in one picture: their maps, what each would keep, and where they agree.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 3.2 and Fig. 6 and 9 to 11: proposals of very different size
locate similar patches. Written from the paper. The page goes step by step (`look`), `compare_proposals` all
at once. What an untrained network of the same build sees is a control of ours (after Adebayo et al., Sanity
Checks for Saliency Maps, https://arxiv.org/abs/1810.03292).
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from papr_core import cost
from papr_core.data.images import read_image
from papr_core.devices import as_probabilities, device_of
from papr_core.errors import InvalidInput
from papr_core.models.backbones.base import Backbone
from papr_core.models.catalog import check_sees_pictures
from papr_core.models.embedded import DEFAULT_BACKBONE
from papr_core.models.proposals.base import Proposal
from papr_core.pruning.significance import channel_mean, patch_significance

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

    from papr_core.figures import Display

__all__ = ["Agreement", "Look", "agreement", "compare_proposals", "look", "untrained"]

KEEP = (0.5, 0.3)


@dataclass(frozen=True, eq=False)
class Look:
    """One ConvNet's look at a crop, on the CPU.

    name, title; gmacs of one pass without classifier; parameters: how many, classifier included;
    significance (H, W) on the backbone's grid; kept: for each keep ratio the patches (k,) that stay; label,
    confidence: its own top-1; control: it is untrained, and not counted where ConvNets agree.
    """

    name: str
    title: str
    gmacs: float
    parameters: int
    significance: Tensor
    kept: dict[float, Tensor]
    label: str
    confidence: float
    control: bool = False


_drawing = threading.Lock()


def untrained(name: str, *, device: str | torch.device = "cpu") -> Proposal:
    """A proposal with random weights, the same ones each time: a control, not a model.

    Raises:
        UnknownModel, UnsupportedModel: each in one sentence.
    """
    from papr_core.models.proposals import load_proposal

    with _drawing, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        proposal = load_proposal(name, pretrained=False, device=device)
    proposal.title = f"{proposal.title}, untrained"
    return proposal


def look(
    crop: "Image.Image",
    proposal: Proposal,
    backbone: Backbone,
    keep: Sequence[float] = KEEP,
    *,
    control: bool = False,
) -> Look:
    """One ConvNet's look at a backbone's crop; the backbone does not run, its grid is what matters."""
    with torch.inference_mode():
        features = proposal.features(proposal.view(crop).to(device_of(proposal)))
        probabilities = as_probabilities(proposal.logits(features))[0]
        coarse = channel_mean(features).cpu()  # (1, h, w)
    best = int(probabilities.argmax())
    return Look(
        name=proposal.name,
        title=proposal.title,
        gmacs=cost.proposal_gmacs(proposal),
        parameters=sum(part.numel() for part in proposal.parameters()),
        significance=patch_significance(coarse, backbone.grid)[0],
        kept={ratio: backbone.shown_patches(backbone.select(coarse, ratio))[0] for ratio in keep},
        label=proposal.labels[best],
        confidence=float(probabilities[best]),
        control=control,
    )


def agreement(looks: Sequence[Look], keep_ratio: float) -> tuple[float, float]:
    """Where all ConvNets agree at a keep ratio: the share of all patches that all keep or all drop, and the
    share of what each keeps that all keep. The page counts the same while its sliders move, in a script of
    its own (static/js/counts.js): both are held to tests/data/agreements.json.

    Raises:
        InvalidInput: no looks, or another keep ratio than they were made for.
    """
    if not looks or any(keep_ratio not in one.kept for one in looks):
        raise InvalidInput(f"No ConvNet was asked at a keep ratio of {keep_ratio}.")
    votes = torch.zeros(looks[0].significance.numel(), dtype=torch.int64)
    for one in looks:
        votes[one.kept[keep_ratio]] += 1
    alike = ((votes == 0) | (votes == len(looks))).float().mean()
    return float(alike), int((votes == len(looks)).sum()) / len(looks[0].kept[keep_ratio])


@dataclass(frozen=True, eq=False)
class Agreement:
    """Several ConvNets on one picture: fine_crop, for the eye; looks, in the order asked, controls last;
    grid; backbone: its title."""

    image: str
    fine_crop: "Image.Image"
    looks: tuple[Look, ...]
    grid: tuple[int, int]
    backbone: str

    @property
    def keep(self) -> tuple[float, ...]:
        return tuple(self.looks[0].kept)

    @property
    def trained(self) -> tuple[Look, ...]:
        """The looks that are no controls."""
        return tuple(one for one in self.looks if not one.control)

    @property
    def caption(self) -> str:
        """One sentence a keep ratio: on how many patches all agree, but for the controls; of one ConvNet, how
        many its control keeps too."""
        said = []
        for ratio in self.keep:
            if len(self.trained) > 1:
                alike, kept = agreement(self.trained, ratio)
                words = (
                    f"all {len(self.trained)} keep {100 * kept:.0f} % of the same patches,"
                    f" and decide alike on {100 * alike:.0f} % of all."
                )
            elif len(self.looks) > 1:
                _, kept = agreement(self.looks[:2], ratio)
                words = f"the untrained network keeps {100 * kept:.0f} % of the same patches."
            else:
                continue
            said.append(f"At {100 * ratio:g} % {words}")
        return " ".join(said)

    def to_dict(self) -> dict[str, Any]:
        """What can be written as JSON: a row a ConvNet, and the shares of patches on which they agree."""
        return {
            "image": self.image,
            "backbone": self.backbone,
            "grid": list(self.grid),
            "proposals": [
                {
                    "name": one.name,
                    "untrained": one.control,
                    "gmacs": one.gmacs,
                    "parameters": one.parameters,
                    "label": one.label,
                    "confidence": one.confidence,
                    "kept": {f"{ratio:g}": rows.tolist() for ratio, rows in one.kept.items()},
                }
                for one in self.looks
            ],
            "agreement": [
                {"keep": ratio, "alike": alike, "kept_by_all": kept}
                for ratio in self.keep
                for alike, kept in (agreement(self.trained, ratio),)
            ],
        }

    def figure(self, *, display: "Display | None" = None) -> "Figure":
        """A row a ConvNet: picture, map, and what stays at each keep ratio (the paper's Fig. 6)."""
        import numpy as np

        from papr_core.figures import Looked, proposals_figure

        rows = [
            Looked(
                title=one.title,
                about=f"{one.gmacs:.2f} GMACs",
                significance=one.significance.numpy(),
                kept=[(f"{100 * ratio:g} %", rows.numpy()) for ratio, rows in one.kept.items()],
            )
            for one in self.looks
        ]
        return proposals_figure(np.asarray(self.fine_crop), rows, note=self.caption, display=display)


def compare_proposals(
    image: Any,
    proposals: Sequence[str | Proposal],
    *,
    backbone: str | Backbone = DEFAULT_BACKBONE,
    keep: Sequence[float] = KEEP,
    controls: Sequence[str] = (),
    fit: str = "crop",
    device: str | torch.device = "cpu",
    name: str = "image",
    progress: Callable[[int, int], None] | None = None,
) -> Agreement:
    """Several ConvNets on one picture, seen as the backbone crops it (which does not run).

    image: a path, a file's bytes, a PIL image or an array (H, W, 3). controls: names of ConvNets that look
    untrained. progress: called as progress(done, of).

    Raises:
        InvalidInput and its kin, WeightsUnavailable: in one sentence.
    """
    from papr_core.models.backbones import skeleton_backbone
    from papr_core.models.proposals import load_proposal

    if not proposals or not keep:
        raise InvalidInput("Give at least one ConvNet and one keep ratio.")
    for one in (*proposals, *controls):
        check_sees_pictures(proposal=one, backbone=backbone)
    if isinstance(backbone, str):  # its structure is enough
        backbone = skeleton_backbone(backbone)
    keep = tuple(dict.fromkeys(keep))
    for ratio in keep:
        backbone.num_kept(ratio)
    picture = read_image(image)
    crop = backbone.fit(picture, fit)
    looks = []
    for proposal in proposals:
        if isinstance(proposal, str):
            proposal = load_proposal(proposal, device=device)
        looks.append(look(crop, proposal, backbone, keep))
        if progress:
            progress(len(looks), len(proposals) + len(controls))
    for control in controls:
        looks.append(look(crop, untrained(control, device=device), backbone, keep, control=True))
        if progress:
            progress(len(looks), len(proposals) + len(controls))
    rows, columns = backbone.grid
    fine_crop = backbone.fine_crop(picture, fit)
    return Agreement(name, fine_crop, tuple(looks), (rows, columns), backbone.title)
