"""Images per second while training, pruned by PaPr against plain, step by step in turn (the paper's Table 4).

    python benchmarks/pruned_training.py [--keep 0.55] [--batch-size 64] [--steps 8] [--device cuda]

The whole step counts: the proposal's pass and selection, forward, backward, the optimiser. The model has
random weights, the images are noise. Printed: medians with spread, and the ratio of the medians.
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from papr_core.data.datasets import open_dataset
from papr_core.models.embedded import DEFAULT_PROPOSAL
from papr_core.training.augmentation import Views
from papr_core.training.train import Recipe, _Run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="vit_tiny_patch16_224")
    parser.add_argument("--model-args", default='{"img_size": 112, "patch_size": 8, "depth": 6}')
    parser.add_argument("--proposal", default=DEFAULT_PROPOSAL)
    parser.add_argument("--keep", type=float, default=0.55)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    common = {
        key: getattr(options, key) for key in ("model", "model_args", "proposal", "batch_size", "dtype")
    }
    device = torch.device(options.device)
    with tempfile.TemporaryDirectory() as folder:
        dataset = _noise(Path(folder), options.batch_size)
        runs = {keep: _Run(Recipe(keep=keep, **common), dataset, device) for keep in (1.0, options.keep)}
    size = runs[1.0].size
    images = torch.randint(0, 256, (options.batch_size, 3, size, size), dtype=torch.uint8)
    classes = torch.randint(0, 2, (options.batch_size,))
    views = Views(images, classes, indices=None, boxes=None)
    seconds: dict[float, list[float]] = {keep: [] for keep in runs}
    for step in range(options.steps + 2):
        for keep, run in runs.items():
            started = time.perf_counter()
            run.train_step(views)
            if device.type == "cuda":
                torch.cuda.synchronize()
            if step >= 2:  # the first two warm up
                seconds[keep].append(time.perf_counter() - started)
    rates = {keep: [options.batch_size / s for s in taken] for keep, taken in seconds.items()}
    middle = {keep: statistics.median(rate) for keep, rate in rates.items()}
    print(
        json.dumps(
            {**common, "device": options.device, "machine": platform.processor() or platform.machine()}
        )
    )
    print(f"threads {torch.get_num_threads()}, n = {options.steps} steps each, in turn")
    for keep, rate in rates.items():
        print(f"keep {keep:<5} {middle[keep]:8.1f} images/s  ({min(rate):.1f} to {max(rate):.1f})")
    print(f"pruned / plain {middle[options.keep] / middle[1.0]:.2f}")


def _noise(folder: Path, count: int):
    draw = np.random.default_rng(0)
    for name in "ab":
        (folder / name).mkdir()
        for i in range(count):
            Image.fromarray(draw.integers(0, 256, (8, 8, 3), np.uint8)).save(folder / name / f"{i}.png")
    return open_dataset(folder)


if __name__ == "__main__":
    main()
