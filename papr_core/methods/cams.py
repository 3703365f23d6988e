"""Class activation maps at a ConvNet's last features: CAM, Grad-CAM and its kin, Score-CAM, Eigen-CAM.

CAM         Zhou et al. 2016, https://arxiv.org/abs/1512.04150
Grad-CAM    Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391
Grad-CAM++  Chattopadhay et al. 2018, https://arxiv.org/abs/1710.11063
LayerCAM    Jiang et al. 2021, https://ieeexplore.ieee.org/document/9462463
Score-CAM   Wang et al. 2020, https://arxiv.org/abs/1910.01279
Eigen-CAM   Muhammad and Yeasin 2020, https://arxiv.org/abs/2008.00299

Written from the papers. Where they leave a choice, pytorch-grad-cam 1.5.7 decides: clipped at 0, min-max
scaled and resized as that library does, each map equals its own within 1e-4 (tests/core/test_cams.py).

All of them are functions of tensors. Gradients are taken of the classifier with respect to features that are
already there, so there is no layer to choose, no hook, nothing that is kept on a module, and images of a
batch do not touch each other; any number of threads may use one network.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "cam",
    "eigen_cam",
    "feature_gradients",
    "grad_cam",
    "grad_cam_plus_plus",
    "layer_cam",
    "score_cam",
]

Progress = Callable[[int, int], None]


def cam(features: Tensor, class_weights: Tensor, class_index: Tensor) -> Tensor:
    """CAM of one class: sum over k of w_c^k f_k (the PaPr paper's Eq. 1 without its sum over classes).

    features (B, K, h, w), or (B, K, t, h, w) of clips; class_weights (C, K) of the one linear layer after
    pooling; class_index (B,). Gives (B, h, w) or (B, t, h, w). No bias, and negatives are kept.
    """
    return torch.einsum("bk,bk...->b...", class_weights[class_index].to(features.dtype), features)


def feature_gradients(logits_of: Callable[[Tensor], Tensor], features: Tensor, class_index: Tensor) -> Tensor:
    """The gradient of each image's class logit with respect to its own features: (B, K, h, w) to the same.

    Works inside inference mode too. Touches no parameter's `.grad` and no setting of the network.
    """
    with torch.inference_mode(False), torch.enable_grad():
        leaf = features.detach().clone().requires_grad_()
        logits = logits_of(leaf)  # (B, C)
        chosen = logits.gather(1, class_index.clone().to(logits.device)[:, None])
        (gradients,) = torch.autograd.grad(chosen.sum(), leaf)
    return gradients


def grad_cam(features: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM (its Eq. 1 and 2): channels weighted by their mean gradient; negatives cut. (B, h, w), or (B,
    t, h, w) of clips."""
    weights = gradients.mean(dim=tuple(range(2, gradients.ndim)))  # (B, K)
    return torch.einsum("bk,bk...->b...", weights, features).relu()


def grad_cam_plus_plus(features: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM++ (its Eq. 19 for the factors, Eq. 5 for the weights), negatives cut. Gives (B, h, w)."""
    squared, cubed = gradients**2, gradients**3
    total = features.sum(dim=(2, 3), keepdim=True)
    factors = squared / (2 * squared + total * cubed + 1e-6)
    positive = gradients.relu()
    # where the gradient is not positive the factor is not wanted, and its denominator may be zero
    weights = torch.where(positive > 0, positive * factors, 0).sum(dim=(2, 3))  # (B, K)
    return torch.einsum("bk,bkhw->bhw", weights, features).relu()


def layer_cam(features: Tensor, gradients: Tensor) -> Tensor:
    """LayerCAM (its Eq. 6 to 8): each position weighted by its own positive gradient. Gives (B, h, w)."""
    return (gradients.relu() * features).sum(dim=1).relu()


def eigen_cam(features: Tensor) -> Tensor:
    """Eigen-CAM: features (B, K, h, w) projected onto their first principal component over positions, (B, h,
    w).

    Channels are centred first, and the sign of the component is the one that LAPACK gives: the paper settles
    neither, and so does pytorch-grad-cam. A map may therefore come out inverted. Constant features give
    zeros.
    """
    maps = [_first_component(one) for one in features.detach().cpu().numpy()]
    return torch.from_numpy(np.stack(maps)).to(features)


def _first_component(features: np.ndarray) -> np.ndarray:
    positions = features.reshape(len(features), -1).T  # (h w, K)
    positions = positions - positions.mean(axis=0)
    _, _, components = np.linalg.svd(positions, full_matrices=False)
    return (positions @ components[0]).reshape(features.shape[1:])


def score_cam(
    features: Tensor,
    images: Tensor,
    logits_of: Callable[[Tensor], Tensor],
    class_index: Tensor,
    *,
    batch_size: int = 16,
    progress: Progress | None = None,
) -> Tensor:
    """Score-CAM (its Eq. 4 to 6): channels weighted by the class's logit when the image shows that channel
    alone.

    features (B, K, h, w) and images (B, 3, H, W), as the network sees them; `logits_of` maps images to
    logits (B, C); class_index (B,). Each channel's map, resized to the image (bilinear, corners aligned) and
    scaled to 0..1, is multiplied into the image; weights are the softmax over channels of the logits. Gives
    (B, h, w), negatives cut.

    Two things make it quick and change nothing. Channels whose masks are equal run once: those that are
    constant (their mask is zero) and, after a ReLU, those with the same single active position. And the
    masked images exist for one batch only.

    progress: called as progress(done, of) between batches, counting masked images; what it raises ends the
    work.
    """
    image_of, masks, mask_of = _distinct_masks(features)
    wanted = class_index.to(features.device)[image_of]
    scores = torch.empty(len(masks), device=features.device)
    with torch.inference_mode():
        if (
            images.device.type == "cpu"
        ):  # masked images inherit the layout, in which CPU convolutions run faster
            images = images.contiguous(memory_format=torch.channels_last)
        for start in range(0, len(masks), batch_size):
            chunk = slice(start, start + batch_size)
            if progress:
                progress(start, len(masks))
            masked = images[image_of[chunk]] * _upsampled(masks[chunk], images.shape[-2:])
            scores[chunk] = logits_of(masked).float().gather(1, wanted[chunk, None])[:, 0]
        if progress:
            progress(len(masks), len(masks))
    weights = scores[mask_of].softmax(dim=1)  # (B, K)
    return torch.einsum("bk,bkhw->bhw", weights.to(features), features).relu()


def _distinct_masks(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What Score-CAM has to run: of features (B, K, h, w) the image of each distinct mask (M,), the masks
    (M, h, w) scaled to 0..1, and for each channel its mask (B, K)."""
    low, high = features.amin(dim=(2, 3), keepdim=True), features.amax(dim=(2, 3), keepdim=True)
    spread = high - low
    flat = spread <= 1e-6 * torch.maximum(low.abs(), high.abs())  # constant but for rounding
    scaled = torch.where(flat, 0, (features - low) / torch.where(flat, 1, spread))
    masks: list[Tensor] = []
    image_of, mask_of = [], []
    for index, channels in enumerate(scaled.flatten(2)):  # (K, h w)
        distinct, inverse = torch.unique(channels, dim=0, return_inverse=True)
        mask_of.append(inverse + sum(map(len, masks)))
        masks.append(distinct)
        image_of.append(inverse.new_full((len(distinct),), index))
    return torch.cat(image_of), torch.cat(masks).unflatten(1, features.shape[2:]), torch.stack(mask_of)


def _upsampled(masks: Tensor, size: tuple[int, ...]) -> Tensor:
    """(M, h, w) to (M, 1, H, W), scaled to 0..1 again, because the resized map may miss its extremes."""
    masks = F.interpolate(masks[:, None], size, mode="bilinear", align_corners=True)
    low, high = masks.amin(dim=(2, 3), keepdim=True), masks.amax(dim=(2, 3), keepdim=True)
    return (masks - low) / (high - low + 1e-8)
