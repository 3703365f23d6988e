"""What pruning a picture saves: in multiply-accumulates at any keep ratio, and in time as measured here.

Both count the proposal's pass, which pays for the map, beside the backbone's.
"""

from collections.abc import Callable

import torch

from papr_core import cost
from papr_core.comparison.scene import Scene
from papr_core.devices import device_of, now
from papr_core.errors import Stopped
from papr_core.models.backbones.base import Backbone
from papr_core.models.proposals.base import Proposal
from papr_core.pruning.significance import channel_mean

__all__ = ["STEPS", "gmacs_saved", "measured_speedup"]

STEPS = 1000  # keep ratios, evenly spaced
ROUNDS = 9


def gmacs_saved(proposal: Proposal, backbone: Backbone) -> tuple[float, tuple[float, ...]]:
    """Billions of multiply-accumulates of one picture: the proposal's pass, and the backbone's at the keep
    ratios 1 / STEPS, 2 / STEPS, ... 1, whose last is the plain model's."""
    at = cost.gmacs_by_ratio(backbone)
    return cost.proposal_gmacs(proposal), tuple(at((i + 1) / STEPS) for i in range(STEPS))


def measured_speedup(
    scene: Scene,
    keep_ratio: float,
    *,
    seconds: float = 1.0,
    stop: Callable[[], bool] = lambda: False,
) -> float:
    """How many times as fast one picture is when it is pruned, from tensors to logits: the least time of the
    plain pass by the least of the proposal's pass, map, selection and pruned pass, for whatever else the
    machine does only adds time. At most nine rounds, which end after `seconds` once there is one.

    Raises:
        Stopped: when `stop` says so.
    """
    device = device_of(scene.backbone)

    def plain() -> None:
        scene.backbone(scene.backbone_images)

    def pruned() -> None:
        features = scene.proposal.features(scene.proposal_images)
        kept = scene.backbone.select(channel_mean(features).to(device), keep_ratio)
        scene.backbone(scene.backbone_images, kept)

    def timed(run: Callable[[], None]) -> float:
        if stop():
            raise Stopped
        start = now(device)
        run()
        return now(device) - start

    slow: list[float] = []
    fast: list[float] = []
    began = now(device)
    with torch.inference_mode():
        timed(plain), timed(pruned)  # what is made at the first call is not what is measured
        while len(slow) < ROUNDS and not (slow and now(device) - began > seconds):
            slow.append(timed(plain))
            fast.append(timed(pruned))
    return min(slow) / min(fast)
