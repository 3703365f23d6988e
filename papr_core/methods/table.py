"""The ways to say which patches matter: one table, one signature. PaPr is one method among the others.

PaPr, https://arxiv.org/abs/2403.16020 (Eq. 2); the class activation maps are those of cams.py and, marked as
its own, of pytorch-grad-cam (library.py); the controls those of controls.py; the oracles the backbone's own
(gaze.py). Written from the papers. own.py adds one's own.

A method gives a coarse map; resizing it to the patch grid and ranking are the same for all of them
(pruning/). Where a definition cuts negatives (Grad-CAM, Score-CAM and kin) the zeros
tie, and ties go to the lower index.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.methods import cams
from papr_core.methods.controls import (
    Patches,
    center_map,
    checkerboard_map,
    chosen_map,
    edge_maps,
    shuffled_maps,
)
from papr_core.methods.folding import folded_copy
from papr_core.methods.gaze import Gaze
from papr_core.methods.library import library_map
from papr_core.models.backbones.base import Backbone
from papr_core.models.proposals.base import Proposal
from papr_core.pruning.significance import channel_mean

__all__ = [
    "DEFAULT_METHODS",
    "METHODS",
    "Method",
    "MethodCall",
    "find_method",
    "method_map",
    "refusal",
]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Method:
    """One way to rank patches, or to spend as much otherwise.

    kind: papr | cam | library (a CAM as pytorch-grad-cam has it) | control | oracle (it costs a full pass of
    the backbone, so it saves nothing) | own (registered by the user) | choice. slow: takes seconds rather
    than milliseconds. uses_class: explains one class of the proposal. draws: how many maps it gives (random
    has five). looks: the proposal looks at the image for it. whole: the backbone sees the whole image at a
    smaller size, and its map ranks nothing. like: the method whose map it gives, with negatives cut, for
    every proposal that has that one. needs: the attribute that a proposal must have (not None), with `why` as
    the words of the refusal; asks: the backbone's attribute that says why it cannot be had there.
    colours: on light and on dark ground, for the page and for figures.

    >>> import papr_core
    >>> [name for name, method in papr_core.METHODS.items() if method.kind == "oracle"]
    ['attention', 'rollout']
    """

    name: str
    title: str
    kind: str
    about: str
    make: Callable[["MethodCall"], Tensor] = field(repr=False)
    slow: bool = False
    uses_class: bool = False
    draws: int = 1
    looks: bool = True
    whole: bool = False
    needs: str | None = None
    why: str = ""
    asks: str | None = None
    colours: tuple[str, str] = ("#16181d", "#f0f0ee")
    like: str | None = None


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
    patches: Patches | None = None,
    gaze: Gaze | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """The coarse map of one method for a batch of images: (B, draws, h, w), on the features' device.

    images (B, 3, H, W) as the proposal sees them, features (B, K, h, w) = proposal.features(images).
    class_index: the proposal's class to explain, one for all images or one each; None takes each image's own
    top-1. grid: the backbone's patch grid, (rows, columns): the controls and by-hand are made on it.
    Random's scores depend on `seed`, the draw and the image's entry of `keys` (by default the same for every
    image), not on the batch; a draw's masks nest over keep ratios.
    gaze: the backbone with the same images as it sees them, for what looks there: edges and the oracles.
    progress: called between the batches of a slow method as progress(done, of); what it raises ends the work.

    Nothing is stored on the proposal, and its gradients, mode and hooks are left alone.

    Raises:
        InvalidInput: no such method, by-hand without patches of the grid, or a method of one's own that
            failed.
        UnsupportedModel: the method does not fit this proposal or backbone, and why.
    """
    method = find_method(name)
    if reason := refusal(name, proposal, gaze.backbone if gaze else None):
        raise UnsupportedModel(reason)
    keys = [""] * len(features) if keys is None else list(keys)
    if len(keys) != len(features):
        raise InvalidInput(f"{len(features)} images need {len(features)} keys, not {len(keys)}.")
    call = MethodCall(
        method.title,
        proposal,
        images,
        features,
        class_index,
        tuple(grid),
        seed,
        keys,
        patches,
        gaze,
        progress,
    )
    maps = method.make(call)  # (B, h, w), or (B, draws, h, w)
    return maps if method.draws > 1 else maps[:, None]


def find_method(name: str) -> Method:
    """The method of this name. Raises InvalidInput with the names that exist."""
    try:
        return METHODS[name]
    except (KeyError, TypeError):
        raise InvalidInput(f"There is no method {name!r}; there are {', '.join(METHODS)}.") from None


def refusal(name: str, proposal: Proposal, backbone: Backbone | None = None) -> str | None:
    """Why a method does not work with a proposal or a backbone, in a sentence, or None where it does."""
    method = find_method(name)
    if method.needs is not None and getattr(proposal, method.needs, None) is None:
        return f"{method.title} does not work with {proposal.name}: {method.why}"
    reason = getattr(backbone, method.asks, None) if method.asks is not None else None
    return f"{method.title} does not work with {backbone.name}: {reason}." if backbone and reason else None


@dataclass(frozen=True)
class MethodCall:
    """What one call of `method_map` was given, as a method's function sees it.

    title: of the method; the rest as `method_map` has it: proposal; images (B, 3, H, W) as it sees them, and
    features (B, K, h, w); grid: rows and columns of the backbone's patches. `classes()` and `gradients()`
    are what a class activation map asks for.
    """

    title: str
    proposal: Proposal
    images: Tensor
    features: Tensor
    class_index: int | Sequence[int] | Tensor | None
    grid: tuple[int, ...]
    seed: int
    keys: list[Hashable]
    patches: Patches | None
    gaze: Gaze | None
    progress: Progress | None

    def classes(self) -> Tensor:
        """The class explained for each image, (B,)."""
        if self.class_index is None:
            with torch.inference_mode():
                return self.proposal.logits(self.features).argmax(dim=1).clone()
        classes = torch.as_tensor(self.class_index, dtype=torch.int64, device=self.features.device)
        return classes.expand(len(self.features))

    def gradients(self) -> Tensor:
        """Of that class's logit with respect to the features, (B, K, h, w)."""
        return cams.feature_gradients(self.proposal.logits, self.features, self.classes())

    def asked_backbone(self) -> Gaze:
        """The backbone and what it sees. Raises InvalidInput where it was not given."""
        if self.gaze is None:
            raise InvalidInput(f"{self.title} needs the backbone: give method_map its gaze.")
        return self.gaze


def _papr(call: MethodCall) -> Tensor:
    return channel_mean(call.features)


def _reversed(call: MethodCall) -> Tensor:
    return -_papr(call)


def _cam(call: MethodCall) -> Tensor:
    weights = call.proposal.class_weights
    assert weights is not None  # method_map has refused others
    return cams.cam(call.features, weights, call.classes())


def _grad_cam(call: MethodCall) -> Tensor:
    return cams.grad_cam(call.features, call.gradients())


def _grad_cam_plus_plus(call: MethodCall) -> Tensor:
    return cams.grad_cam_plus_plus(call.features, call.gradients())


def _layer_cam(call: MethodCall) -> Tensor:
    return cams.layer_cam(call.features, call.gradients())


def _eigen_cam(call: MethodCall) -> Tensor:
    return cams.eigen_cam(call.features)


def _score_cam(call: MethodCall) -> Tensor:
    network = folded_copy(call.proposal, call.images[:1])  # hundreds of passes follow
    return cams.score_cam(call.features, call.images, network, call.classes(), progress=call.progress)


def _theirs(kind: str, call: MethodCall) -> Tensor:
    return library_map(kind, call.proposal, call.features, None, call.progress)


def _theirs_of_class(kind: str, call: MethodCall) -> Tensor:
    return library_map(kind, call.proposal, call.features, call.classes(), call.progress)


def _attention(call: MethodCall) -> Tensor:
    return call.asked_backbone().watched.attention.unflatten(1, call.grid)


def _rollout(call: MethodCall) -> Tensor:
    return call.asked_backbone().watched.rollout.unflatten(1, call.grid)


def _edges(call: MethodCall) -> Tensor:
    return edge_maps(call.asked_backbone().pictures, call.grid)


def _checkerboard(call: MethodCall) -> Tensor:
    return _of_all(call, checkerboard_map(call.grid))


def _smaller(call: MethodCall) -> Tensor:
    return _of_all(call, torch.zeros(call.grid))


def _random(call: MethodCall) -> Tensor:
    draws = METHODS["random"].draws
    return shuffled_maps(call.grid, call.seed, call.keys, draws).to(call.features.device)


def _center(call: MethodCall) -> Tensor:
    return _of_all(call, center_map(call.grid))


def _by_hand(call: MethodCall) -> Tensor:
    return _of_all(call, chosen_map(call.patches, call.grid))


def _of_all(call: MethodCall, single: Tensor) -> Tensor:
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
            _grad_cam, uses_class=True, like="cam",
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
            "hires-cam", "HiResCAM", "library", "Features times gradients, summed over channels.",
            partial(_theirs_of_class, "HiResCAM"), uses_class=True, colours=("#8a6d00", "#d9b93a"),
        ),
        Method(
            "grad-cam-elementwise", "Grad-CAM element-wise", "library", "HiResCAM of positive parts alone.",
            partial(_theirs_of_class, "GradCAMElementWise"), uses_class=True, colours=("#00795c", "#4fd0ac"),
        ),
        Method(
            "xgrad-cam", "XGrad-CAM", "library", "Channels weighted by gradients where they are active.",
            partial(_theirs_of_class, "XGradCAM"), uses_class=True, colours=("#5a3fb0", "#c7b8ff"),
        ),
        Method(
            "eigen-grad-cam", "Eigen-Grad-CAM", "library", "Eigen-CAM of features times gradients.",
            partial(_theirs_of_class, "EigenGradCAM"), uses_class=True, colours=("#8c3b12", "#f2b48c"),
        ),
        Method(
            "seg-eigen-cam", "Seg-Eigen-CAM", "library", "The same of absolute gradients, its sign settled.",
            partial(_theirs_of_class, "SegEigenCAM"), uses_class=True, colours=("#6b6a1f", "#bcbb62"),
        ),
        Method(
            "ablation-cam", "Ablation-CAM", "library", "Channels weighted by what the class loses without.",
            partial(_theirs_of_class, "AblationCAM"), uses_class=True, slow=True,
            colours=("#d0342c", "#ff9d94"),
        ),
        Method(
            "finer-cam", "Finer-CAM", "library", "Grad-CAM of what sets the class off from similar ones.",
            partial(_theirs_of_class, "FinerCAM"), uses_class=True, colours=("#8f2d5d", "#d4559b"),
        ),
        Method(
            "shapley-cam", "Shapley-CAM", "library", "Grad-CAM with the curvature taken into account.",
            partial(_theirs_of_class, "ShapleyCAM"), uses_class=True, colours=("#3d7a46", "#86cf92"),
        ),
        Method(
            "kpca-cam", "KPCA-CAM", "library", "Eigen-CAM with a kernel: a component that is not linear.",
            partial(_theirs, "KPCA_CAM"), colours=("#2f6f8f", "#7fc4e6"),
        ),
        Method(
            "fem", "FEM", "library", "Channels weighted by how often they stand out from their mean.",
            partial(_theirs, "FEM"), colours=("#5d5a8c", "#aaa6e0"),
        ),
        Method(
            "attention", "ViT attention", "oracle", "What the ViT's last block looks at, in a full pass.",
            _attention, looks=False, asks="blind", colours=("#b0008e", "#ff7be3"),
        ),
        Method(
            "rollout", "ViT rollout", "oracle", "What it looks at through all blocks, in a full pass.",
            _rollout, looks=False, asks="blind", colours=("#5b21d6", "#a78bfa"),
        ),
        Method(
            "smaller", "Smaller picture", "control", "The whole picture, at a size with as many patches.",
            _smaller, looks=False, whole=True, asks="rigid", colours=("#0f5fbf", "#6fb3ff"),
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
            "checkerboard", "Checkerboard", "control", "Evenly spread patches, whatever the picture.",
            _checkerboard, looks=False, colours=("#4a4f57", "#c2c7cf"),
        ),
        Method(
            "edges", "Edges", "control", "Sobel energy: no network at all.", _edges, looks=False,
            colours=("#2f7d6b", "#8fd6c4"),
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
