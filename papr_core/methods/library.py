"""Class activation maps of pytorch-grad-cam, as that library computes them, at a ConvNet's last features.

https://github.com/jacobgil/pytorch-grad-cam (MIT). It reads maps and gradients through hooks on a layer,
keeps what it read on objects of its own and leaves gradients on parameters; with one network for two threads
it gives wrong maps without a word. So each call has a private copy of the ConvNet, and of that only the head
runs: the features are there already, and all of these methods start from them. A map is the library's own,
clipped at 0 and scaled to 0..1 picture by picture.
"""

import copy
import types
from collections.abc import Callable

import torch
from torch import Tensor, nn

from papr_core.models.proposals.base import Proposal

__all__ = ["library_map"]

Progress = Callable[[int, int], None]


class _Head(nn.Module):
    """From features to logits, behind a layer whose output they are: what the library wants to see."""

    def __init__(self, proposal: Proposal, progress: Progress | None, passes: int) -> None:
        super().__init__()
        self.proposal = copy.deepcopy(proposal).requires_grad_()  # Shapley-CAM's second gradient
        self.layer = nn.Identity()
        self.progress, self.done, self.passes = progress, 0, passes

    def forward(self, features: Tensor) -> Tensor:
        if self.progress:
            self.progress(min(self.done, self.passes), self.passes)
        self.done += 1
        return self.proposal.logits(self.layer(features.clone()))  # a hook on a leaf would miss its gradient


def library_map(
    kind: str,
    proposal: Proposal,
    features: Tensor,
    class_index: Tensor | None,
    progress: Progress | None = None,
) -> Tensor:
    """A class of pytorch-grad-cam by name, on features (B, K, h, w): (B, h, w).

    class_index (B,): the class explained; None of methods that explain none. progress: called as
    progress(done, of) before each pass of the head; what it raises ends the work.
    """
    import pytorch_grad_cam
    from pytorch_grad_cam import ablation_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    ablation_cam.tqdm = types.SimpleNamespace(tqdm=iter)  # its bar on stderr cannot be turned off otherwise
    batch = 32  # channels that are ablated at once
    options = {"ablation_layer": pytorch_grad_cam.AblationLayer(), "batch_size": batch}
    options = options if kind == "AblationCAM" else {}
    passes = 2 - (-features.shape[1] // batch) if options else 1
    maps = []
    with torch.inference_mode(False), torch.enable_grad():
        head = _Head(proposal, progress, len(features) * passes)
        theirs = getattr(pytorch_grad_cam, kind)(head, [head.layer], **options)
        for i, one in enumerate(features.detach()):  # one by one: some of its classes mix what a batch holds
            asked: dict = {"targets": None}
            if class_index is not None and kind == "FinerCAM":  # finds the classes to compare with by itself
                asked["target_idx"] = int(class_index[i])
            elif class_index is not None:
                asked["targets"] = [ClassifierOutputTarget(int(class_index[i]))]
            found = theirs(one[None].clone().requires_grad_(), **asked)
            maps.append(torch.from_numpy(found))
    return torch.cat(maps).to(features)
