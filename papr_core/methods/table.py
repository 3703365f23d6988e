"""The ways to say which patches matter: one table, one signature. PaPr is one method among the others.

PaPr, https://arxiv.org/abs/2403.16020 (Eq. 2); the class activation maps are those of cams.py, the
controls those of controls.py. Written from the papers.

A method gives a coarse map; resizing it to the patch grid and ranking are the same for all of them
(pruning/). Where a definition cuts negatives (Grad-CAM, Score-CAM and kin) the zeros
tie, and ties go to the lower index.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.methods import cams
from papr_core.methods.controls import center_map, chosen_map, shuffled_maps
from papr_core.methods.folding import folded_copy
from papr_core.models.proposals.base import Proposal
from papr_core.pruning.significance import channel_mean

__all__ = [
    "DEFAULT_METHODS",
    "METHODS",
    "Method",
    "find_method",
    "method_map",
    "refusal",
]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Method:
    """One way to rank patches.

    kind: papr | cam | control | choice. slow: takes seconds rather than milliseconds. uses_class: explains
    one class of the proposal. draws: how many maps it gives (random has five). looks: its map depends on the
    image. needs: the attribute that a proposal must have (not None), with `why` as the words of the refusal.
    colours: on light and on dark ground, for the page and for figures.

    >>> import papr_core
    >>> [name for name, method in papr_core.METHODS.items() if method.uses_class]
    ['cam', 'grad-cam', 'score-cam', 'grad-cam++', 'layer-cam']
    """

    name: str
    title: str
    kind: str
    about: str
    make: Callable[["_Call"], Tensor] = field(repr=False)
    slow: bool = False
    uses_class: bool = False
    draws: int = 1
    looks: bool = True
    needs: str | None = None
    why: str = ""
    colours: tuple[str, str] = ("#16181d", "#f0f0ee")


def method_map(
    name: str,
    proposal: Proposal,
    images: Tensor,
    features: Tensor,
    *,
    class_index: int | Sequence[int] | Tensor | None = None,
    grid: Sequence[int],
    seed: int = 0,
    keys: Sequence[Hashable] | None = None,
    patches: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """The coarse map of one method for a batch of images: (B, draws, h, w), on the features' device.

    images (B, 3, H, W) as the proposal sees them, features (B, K, h, w) = proposal.features(images).
    class_index: the proposal's class to explain, one for all images or one each; None takes each image's own
    top-1. grid: the backbone's patch grid, (rows, columns): the controls and by-hand are made on it.
    Random's scores depend on `seed`, the draw and the image's entry of `keys` (by default the same for every
    image), not on the batch; a draw's masks nest over keep ratios.
    progress: called between Score-CAM's batches as progress(done, of); what it raises ends the work.

    Nothing is stored on the proposal, and its gradients, mode and hooks are left alone.

    Raises:
        InvalidInput: no such method, or by-hand without patches of the grid.
        UnsupportedModel: the method does not fit this proposal, and why.
    """
    method = find_method(name)
    if reason := refusal(name, proposal):
        raise UnsupportedModel(reason)
    keys = [""] * len(features) if keys is None else list(keys)
    if len(keys) != len(features):
        raise InvalidInput(f"{len(features)} images need {len(features)} keys, not {len(keys)}.")
    call = _Call(proposal, images, features, class_index, tuple(grid), seed, keys, patches, progress)
    maps = method.make(call)  # (B, h, w), or (B, draws, h, w)
    return maps if method.draws > 1 else maps[:, None]


def find_method(name: str) -> Method:
    """The method of this name. Raises InvalidInput with the names that exist."""
    try:
        return METHODS[name]
    except (KeyError, TypeError):
        raise InvalidInput(f"There is no method {name!r}; there are {', '.join(METHODS)}.") from None


def refusal(name: str, proposal: Proposal) -> str | None:
    """Why a method does not work with a proposal, in a sentence, or None where it does."""
    method = find_method(name)
    if method.needs is None or getattr(proposal, method.needs, None) is not None:
        return None
    return f"{method.title} does not work with {proposal.name}: {method.why}"


@dataclass(frozen=True)
class _Call:
    """What one call of `method_map` was given."""

    proposal: Proposal
    images: Tensor
    features: Tensor
    class_index: int | Sequence[int] | Tensor | None
    grid: tuple[int, ...]
    seed: int
    keys: list[Hashable]
    patches: Sequence[int] | None
    progress: Progress | None

    def classes(self) -> Tensor:
        """The class explained for each image, (B,)."""
        if self.class_index is None:
            with torch.inference_mode():
                return self.proposal.logits(self.features).argmax(dim=1).clone()
        classes = torch.as_tensor(self.class_index, dtype=torch.int64, device=self.features.device)
        return classes.expand(len(self.features))

    def gradients(self) -> Tensor:
        return cams.feature_gradients(self.proposal.logits, self.features, self.classes())


def _papr(call: _Call) -> Tensor:
    return channel_mean(call.features)


def _reversed(call: _Call) -> Tensor:
    return -_papr(call)


def _cam(call: _Call) -> Tensor:
    return cams.cam(call.features, call.proposal.class_weights, call.classes())


def _grad_cam(call: _Call) -> Tensor:
    return cams.grad_cam(call.features, call.gradients())


def _grad_cam_plus_plus(call: _Call) -> Tensor:
    return cams.grad_cam_plus_plus(call.features, call.gradients())


def _layer_cam(call: _Call) -> Tensor:
    return cams.layer_cam(call.features, call.gradients())


def _eigen_cam(call: _Call) -> Tensor:
    return cams.eigen_cam(call.features)


def _score_cam(call: _Call) -> Tensor:
    network = folded_copy(call.proposal, call.images[:1])  # hundreds of passes follow
    return cams.score_cam(call.features, call.images, network, call.classes(), progress=call.progress)


def _random(call: _Call) -> Tensor:
    draws = METHODS["random"].draws
    return shuffled_maps(call.grid, call.seed, call.keys, draws).to(call.features.device)


def _center(call: _Call) -> Tensor:
    return _of_all(call, center_map(call.grid))


def _by_hand(call: _Call) -> Tensor:
    return _of_all(call, chosen_map(call.patches, call.grid))


def _of_all(call: _Call, single: Tensor) -> Tensor:
    """One map (rows, columns) for each image of the batch."""
    return single.expand(len(call.features), *call.grid).to(call.features.device)


_LINEAR = "CAM needs a head of pooling and one linear layer, and this ConvNet's head is more than that."

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "papr", "PaPr", "papr", "The mean of the ConvNet's last features, whatever the class.", _papr,
            colours=("#3b50d6", "#8c9bff"),
        ),
        Method(
            "cam", "CAM", "cam", "The features weighted by one class's weights in the last layer.", _cam,
            uses_class=True, needs="class_weights", why=_LINEAR,
            colours=("#c77700", "#f0a742"),
        ),
        Method(
            "grad-cam", "Grad-CAM", "cam", "The features weighted by one class's mean gradient.",
            _grad_cam, uses_class=True,
            colours=("#0b8494", "#48c2d2"),
        ),
        Method(
            "score-cam", "Score-CAM", "cam", "The features weighted by one class's score if they show alone.",
            _score_cam, uses_class=True, slow=True,
            colours=("#9a37a8", "#d584e0"),
        ),
        Method(
            "grad-cam++", "Grad-CAM++", "cam", "Grad-CAM with the gradients weighted position by position.",
            _grad_cam_plus_plus, uses_class=True,
            colours=("#4d8f1d", "#8fce5c"),
        ),
        Method(
            "layer-cam", "LayerCAM", "cam", "Each position weighted by its own positive gradient.",
            _layer_cam, uses_class=True,
            colours=("#c2417c", "#f08ab6"),
        ),
        Method(
            "eigen-cam", "Eigen-CAM", "cam", "The features' first principal component.", _eigen_cam,
            colours=("#7a5a3a", "#c9a27c"),
        ),
        Method(
            "random", "Random", "control", "Five seeded draws: what pruning costs without any map.",
            _random, draws=5, looks=False,
            colours=("#6b7280", "#a0a7b4"),
        ),
        Method(
            "center", "Centre", "control", "The patches nearest to the middle.", _center, looks=False,
            colours=("#5f7fa3", "#8fb0d6"),
        ),
        Method(
            "reversed", "PaPr reversed", "control", "The patches that PaPr would drop first.", _reversed,
            colours=("#b4493b", "#f08b7d"),
        ),
        Method(
            "by-hand", "By hand", "choice", "The patches that you choose.", _by_hand, looks=False,
            colours=("#111827", "#e8eaf0"),
        ),
    )
}  # fmt: skip
DEFAULT_METHODS = ("papr", "cam", "grad-cam", "score-cam")
