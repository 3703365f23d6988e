"""Our Score-CAM against pytorch-grad-cam's own, on the same image, class and features.

    python benchmarks/score_cam.py [--models NAME ...] [--size 224] [--n 3] [--threads 2] [--clock wall]

Random weights. "theirs" is pytorch-grad-cam 1.5.7 with its defaults on the network as timm loads it (for
MobileOne that is with its training branches); ours runs on the merged one. Both are timed in turns. The maps
must agree within 1e-4 (ours clipped at 0, min-max scaled and resized as theirs), or the script fails.
"""

import argparse
import contextlib
import copy
import io
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import timm
import torch
from pytorch_grad_cam import ScoreCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from papr_core.methods.table import method_map  # noqa: E402
from papr_core.models import catalog  # noqa: E402
from papr_core.models.proposals.images import ImageProposal  # noqa: E402

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
MODELS = ("mobileone_s0", "mobilenetv2_100", "resnet18")


class LastFeatures(nn.Module):
    """A timm network as pytorch-grad-cam wants it: with one layer whose output is the last spatial map."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.layer = model, nn.Identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.model.forward_head(self.layer(self.model.forward_features(images)))


def calibrated(model: nn.Module, size: int) -> nn.Module:
    """Random weights with normalisation statistics that fit, so that activations neither die nor explode."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the plain average over the batches seen
    with torch.no_grad():
        model.train()(torch.randn(8, 3, size, size))
    return model.eval()


def theirs(model: LastFeatures, images: torch.Tensor, target: int) -> np.ndarray:
    with ScoreCAM(model, [model.layer]) as cam, contextlib.redirect_stderr(io.StringIO()):  # its progress bar
        return cam(images, [ClassifierOutputTarget(target)])[0]


def ours(proposal: nn.Module, images: torch.Tensor, target: int) -> np.ndarray:
    with torch.inference_mode():
        features = proposal.features(images)
    return method_map("score-cam", proposal, images, features, class_index=target, grid=(14, 14))[
        0, 0
    ].numpy()


def resized_as_theirs(coarse: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    coarse = np.maximum(coarse, 0) - max(coarse.min(), 0)
    scaled = cv2.resize(coarse / (1e-7 + coarse.max()), size)
    scaled = scaled - scaled.min()
    return scaled / (1e-7 + scaled.max())


def seconds(run: Callable[[], np.ndarray], clock: Callable[[], float]) -> tuple[float, np.ndarray]:
    start = clock()
    result = run()
    return clock() - start, result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--n", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: seconds of work, for a busy machine"
    )
    args = parser.parse_args()
    clock = CLOCKS[args.clock]
    torch.set_num_threads(args.threads)
    worst = 0.0
    for name in args.models:
        torch.manual_seed(0)
        loaded = calibrated(timm.create_model(name), args.size)
        proposal = ImageProposal(copy.deepcopy(loaded), catalog.find(name, "proposal"))
        images = torch.randn(1, 3, args.size, args.size)
        with torch.inference_mode():
            target = int(loaded(images).argmax())
        slow, fast, ratios, difference = [], [], [], 0.0
        for _ in range(args.n):
            taken, their_map = seconds(lambda: theirs(LastFeatures(loaded), images, target), clock)
            slow.append(taken)
            taken, our_map = seconds(lambda: ours(proposal, images, target), clock)
            fast.append(taken)
            ratios.append(slow[-1] / fast[-1])
            our_map = resized_as_theirs(our_map, (args.size, args.size))
            difference = max(difference, float(abs(their_map - our_map).max()))
        worst = max(worst, difference)
        print(
            f"{name} {args.size} px, {args.threads} threads, {args.clock} clock, n {args.n}: "
            f"theirs {statistics.median(slow):.2f} s, ours {statistics.median(fast):.2f} s, "
            f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), "
            f"largest difference {difference:.1e}",
            flush=True,
        )
    return 0 if worst < 1e-4 else 1


if __name__ == "__main__":
    sys.exit(main())
