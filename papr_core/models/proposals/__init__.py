"""The ConvNets that look first: `load_proposal` finds one of pictures (images.py) or of clips (clips.py)."""

import torch

from papr_core.errors import UnsupportedModel
from papr_core.models import catalog, weights
from papr_core.models.embedded import DEFAULT_PROPOSAL
from papr_core.models.entries import ClipEntry
from papr_core.models.proposals import clips
from papr_core.models.proposals.base import Proposal
from papr_core.models.proposals.images import ImageProposal, refusal

__all__ = ["Proposal", "load_proposal", "skeleton_proposal"]


def load_proposal(
    name: str = DEFAULT_PROPOSAL,
    *,
    pretrained: bool = True,
    device: str | torch.device = "cpu",
    progress: weights.Progress | None = None,
) -> Proposal:
    """A proposal by name: a catalogue key, an architecture, a model of the own folder, or any timm ConvNet.

    progress(done, total) is called with bytes while weights are downloaded.

    >>> import papr_core, torch
    >>> proposal = papr_core.load_proposal()
    >>> proposal
    ImageProposal('mobilenetv1_025', 224x224, Labels('imagenet-1k', 1000 classes))
    >>> with torch.inference_mode():
    ...     proposal.features(torch.zeros(1, 3, 224, 224)).shape
    torch.Size([1, 256, 7, 7])

    Raises:
        UnknownModel, UnsupportedModel, WeightsUnavailable: each in one sentence, before anything is
        downloaded.
    """
    entry = catalog.find(name, "proposal")
    if isinstance(entry, ClipEntry):
        return clips.load(entry, pretrained=pretrained, device=device, progress=progress)
    if entry.family is None and (reason := refusal(weights.skeleton(entry.name))):
        raise UnsupportedModel(f"{entry.name} cannot be a proposal: {reason}.")
    model, source = weights.create(entry.name, pretrained=pretrained, device=device, progress=progress)
    return ImageProposal(model, entry, source)


def skeleton_proposal(name: str) -> Proposal:
    """A proposal without weights or memory (on the meta device), by name: what it costs.

    Raises:
        UnknownModel, UnsupportedModel, WeightsUnavailable: each in one sentence.
    """
    entry = catalog.find(name, "proposal")
    with torch.device("meta"):  # branches are merged into convolutions made there
        if isinstance(entry, ClipEntry):
            return clips.load(entry, pretrained=False, device="meta")
        skeleton = weights.skeleton(entry.name)
        if entry.family is None and (reason := refusal(skeleton)):
            raise UnsupportedModel(f"{entry.name} cannot be a proposal: {reason}.")
        return ImageProposal(skeleton, entry)
