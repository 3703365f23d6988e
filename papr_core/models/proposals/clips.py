"""Video ConvNets as proposals: X3D (XS, S, M) and Slow-only ResNets (50, 101).

X3D: Expanding Architectures for Efficient Video Recognition, https://arxiv.org/abs/2004.04730, Table 1;
SlowFast Networks for Video Recognition, https://arxiv.org/abs/1812.03982, Table 1 (the Slow pathway alone);
squeeze-and-excitation: https://arxiv.org/abs/1709.01507; Swish: https://arxiv.org/abs/1710.05941. Written
from the papers. Parameters are named as in PyTorchVideo's published files, so that these load strictly; what
the papers leave open is settled by reference outputs (tests/core/test_video_convnets.py).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from papr_core.data.images import View
from papr_core.errors import UnknownModel
from papr_core.models import weights
from papr_core.models.catalog import PROPOSALS
from papr_core.models.entries import ClipEntry
from papr_core.models.proposals.base import Proposal

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ClipConvNet", "ClipProposal", "build", "load"]

_MEAN, _STD = (0.45,) * 3, (0.225,) * 3
_X3D_WIDTHS, _X3D_DEPTHS, _X3D_EXPANSION = (24, 24, 48, 96, 192), (3, 5, 11, 7), 2.25
_SLOW_DEPTHS = {"slow_r50": (3, 4, 6, 3), "slow_r101": (3, 4, 23, 3)}


def build(name: str, num_classes: int = 400) -> "ClipConvNet":
    """A network of this name with random weights, in eval mode.

    Raises:
        UnknownModel: no such network.
    """
    known = {entry.name: entry for entry in PROPOSALS.values() if entry.sees_clips}
    if name not in known:
        raise UnknownModel(f"There is no video ConvNet {str(name)[:80]!r}; there are {', '.join(known)}.")
    _, frames, side, _ = known[name].input_size
    pool = (frames, side // 32, side // 32)
    blocks = (
        _x3d(pool, num_classes) if name.startswith("x3d") else _slow(_SLOW_DEPTHS[name], pool, num_classes)
    )
    return ClipConvNet(blocks).eval()


class ClipConvNet(nn.Module):
    """Stem, four residual stages, head."""

    def __init__(self, blocks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def features(self, clips: Tensor) -> Tensor:
        """The map whose pooling feeds the classifier: normalised clips (B, 3, T, H, W) to (B, K, t, h, w)."""
        for block in self.blocks[:-1]:
            clips = block(clips)
        return self._head.map(clips)

    def logits(self, features: Tensor) -> Tensor:
        """The network's answer from that map: (B, K, t, h, w) to (B, C)."""
        return self._head.classify(features)

    def forward(self, clips: Tensor) -> Tensor:
        return self.logits(self.features(clips))

    @property
    def classifier(self) -> nn.Linear:
        return self._head.proj

    @property
    def _head(self) -> Any:
        return self.blocks[-1]


# X3D


def _x3d(pool: tuple[int, int, int], num_classes: int) -> list[nn.Module]:
    stages = []
    for depth, (width_in, width) in zip(_X3D_DEPTHS, pairwise(_X3D_WIDTHS)):
        inner = int(width * _X3D_EXPANSION)
        blocks = []
        for i in range(depth):
            branch = nn.ModuleDict({
                "conv_a": _conv(width if i else width_in, inner, (1, 1, 1)),
                "norm_a": nn.BatchNorm3d(inner),
                "conv_b": _conv(inner, inner, (3, 3, 3), stride=1 if i else 2, groups=inner),
                "norm_b": nn.Sequential(
                    nn.BatchNorm3d(inner), nn.Identity() if i % 2 else _SqueezeExcite(inner)
                ),
                "conv_c": _conv(inner, width, (1, 1, 1)),
                "norm_c": nn.BatchNorm3d(width),
            })  # fmt: skip
            # a stage whose width stays needs no norm beside its stride
            blocks.append(
                _Residual(branch, nn.SiLU(), width_in, width, 2, norm=width != width_in, first=not i)
            )
        stages.append(_Stage(blocks))
    return [_X3DStem(_X3D_WIDTHS[0]), *stages, _X3DHead(_X3D_WIDTHS[-1], pool, num_classes)]


class _X3DStem(nn.Module):
    """Space first, then each channel in time. PyTorchVideo's names say it the other way round."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Sequential()
        self.conv.add_module("conv_t", _conv(3, width, (1, 3, 3), stride=2))
        self.conv.add_module("conv_xy", _conv(width, width, (5, 1, 1), groups=width))
        self.norm = nn.BatchNorm3d(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)).relu()


class _SqueezeExcite(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        inner = _rounded(width / 16)
        self.block = nn.Sequential(
            nn.Conv3d(width, inner, 1), nn.ReLU(), nn.Conv3d(inner, width, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.block(x.mean(dim=(2, 3, 4), keepdim=True))


def _rounded(width: float) -> int:
    """To a multiple of 8 that is no more than a tenth below."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded


class _X3DHead(nn.Module):
    def __init__(self, width: int, pool: tuple[int, int, int], num_classes: int) -> None:
        super().__init__()
        inner = int(width * _X3D_EXPANSION)
        self.pool = nn.ModuleDict({
            "pre_conv": _conv(width, inner, (1, 1, 1)),
            "pre_norm": nn.BatchNorm3d(inner),
            "post_conv": _conv(inner, 2048, (1, 1, 1)),
        })  # fmt: skip
        self.proj = nn.Linear(2048, num_classes)
        self.window = pool

    def map(self, x: Tensor) -> Tensor:
        return self.pool["pre_norm"](self.pool["pre_conv"](x)).relu()

    def classify(self, x: Tensor) -> Tensor:
        return _over_places(self.proj, self.pool["post_conv"](_pooled(x, self.window)).relu())


# Slow-only


def _slow(depths: Sequence[int], pool: tuple[int, int, int], num_classes: int) -> list[nn.Module]:
    stages, width_in = [], 64
    for stage, depth in enumerate(depths):
        inner, width = 64 << stage, 256 << stage
        time = 3 if stage >= 2 else 1  # only the last two stages look along time
        stride = 2 if stage else 1
        blocks = []
        for i in range(depth):
            branch = nn.ModuleDict({
                "conv_a": _conv(width if i else width_in, inner, (time, 1, 1)),
                "norm_a": nn.BatchNorm3d(inner),
                "conv_b": _conv(inner, inner, (1, 3, 3), stride=1 if i else stride),
                "norm_b": nn.BatchNorm3d(inner),
                "conv_c": _conv(inner, width, (1, 1, 1)),
                "norm_c": nn.BatchNorm3d(width),
            })  # fmt: skip
            blocks.append(_Residual(branch, nn.ReLU(), width_in, width, stride, norm=True, first=not i))
        stages.append(_Stage(blocks))
        width_in = width
    return [_SlowStem(64), *stages, _SlowHead(width_in, pool, num_classes)]


class _SlowStem(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = _conv(3, width, (1, 7, 7), stride=2)
        self.norm = nn.BatchNorm3d(width)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.max_pool3d(self.norm(self.conv(x)).relu(), (1, 3, 3), (1, 2, 2), (0, 1, 1))


class _SlowHead(nn.Module):
    def __init__(self, width: int, pool: tuple[int, int, int], num_classes: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, num_classes)
        self.window = pool

    def map(self, x: Tensor) -> Tensor:
        return x

    def classify(self, x: Tensor) -> Tensor:
        return _over_places(self.proj, _pooled(x, self.window))


# What both share


class _Stage(nn.Module):
    def __init__(self, blocks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.res_blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.res_blocks:
            x = block(x)
        return x


class _Residual(nn.Module):
    """A bottleneck beside its shortcut; `middle` is the activation after the middle convolution."""

    def __init__(
        self,
        branch: nn.ModuleDict,
        middle: nn.Module,
        width_in: int,
        width: int,
        stride: int,
        *,
        norm: bool,
        first: bool,
    ) -> None:
        super().__init__()
        if first:
            self.branch1_conv = _conv(width_in, width, (1, 1, 1), stride=stride)
            if norm:
                self.branch1_norm = nn.BatchNorm3d(width)
        self.branch2 = branch
        self.middle = middle

    def forward(self, x: Tensor) -> Tensor:
        branch = self.branch2
        inner = branch["norm_a"](branch["conv_a"](x)).relu()
        inner = self.middle(branch["norm_b"](branch["conv_b"](inner)))
        inner = branch["norm_c"](branch["conv_c"](inner))
        if hasattr(self, "branch1_conv"):
            x = self.branch1_conv(x)
        if hasattr(self, "branch1_norm"):
            x = self.branch1_norm(x)
        return (x + inner).relu()


def _conv(
    width_in: int, width: int, kernel: tuple[int, int, int], *, stride: int = 1, groups: int = 1
) -> nn.Conv3d:
    """A convolution that keeps its size but for a stride in space; no bias, a norm follows."""
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    return nn.Conv3d(width_in, width, kernel, (1, stride, stride), padding, groups=groups, bias=False)


def _pooled(x: Tensor, window: tuple[int, ...]) -> Tensor:
    """Means over a window as large as the map of a clip of the network's own size, or over a smaller map."""
    window = tuple(min(side, there) for side, there in zip(window, x.shape[2:]))
    return nn.functional.avg_pool3d(x, window, stride=1)


def _over_places(layer: nn.Linear, x: Tensor) -> Tensor:
    """(B, K, t, h, w) to (B, C): the mean of the answers of all windows."""
    return layer(x.movedim(1, -1)).mean(dim=(1, 2, 3))


# As a proposal


class ClipProposal(Proposal):
    """A video ConvNet in eval mode."""

    def __init__(self, model: "ClipConvNet", entry: ClipEntry, source: weights.Source | None = None) -> None:
        super().__init__(
            model,
            entry.name,
            entry.title,
            source,
            input_size=entry.input_size,
            labels=entry.labels,
            view=View((entry.side, entry.side), _MEAN, _STD),
        )

    def features(self, clips: Tensor) -> Tensor:
        """See `ClipConvNet.features`."""
        return self.model.features(clips)

    def logits(self, features: Tensor) -> Tensor:
        """See `ClipConvNet.logits`."""
        return self.model.logits(features)

    def view(self, crops: "Sequence[Image.Image]") -> Tensor:
        """Crops of a clip's frames as this network wants them, (1, 3, T, H, W): as many frames as it takes,
        evenly from first to last."""
        chosen = self._frames(len(crops))
        return torch.stack([self._view.tensor(crops[i])[0] for i in chosen], dim=1).unsqueeze(0)

    def adapt(self, pictures: Tensor) -> Tensor:
        """Clips (B, F, 3, H, W) in 0..1 as this network wants them, (B, 3, T, h, w)."""
        clips = pictures[:, self._frames(pictures.shape[1])]  # (B, T, 3, H, W)
        seen = super().adapt(clips.flatten(0, 1))
        return seen.unflatten(0, clips.shape[:2]).transpose(1, 2)

    def _frames(self, of: int) -> list[int]:
        """As many frames as it takes, evenly from first to last."""
        return torch.linspace(0, of - 1, self.input_size[1]).round().int().tolist()

    @property
    def class_weights(self) -> Tensor | None:
        """(C, K) of the linear layer that reads the map's mean; None for X3D, whose head is more."""
        return None if self.name.startswith("x3d") else self.model.classifier.weight.detach()


def load(
    entry: ClipEntry,
    *,
    pretrained: bool = True,
    device: str | torch.device = "cpu",
    progress: weights.Progress | None = None,
) -> ClipProposal:
    """A video ConvNet of the catalogue, with its published weights.

    Raises:
        WeightsUnavailable: in one sentence; nobody has published weights of slow_r101.
    """
    model, source = build(entry.name), None
    if pretrained:
        found = entry.locate()
        source = weights.load_strictly(model, found, inside="model_state", device=device, progress=progress)
    return ClipProposal(model.to(device), entry, source)
