"""Pruned against plain throughput over keep ratios: the backbone alone, with its proposal, and end to end.

    python benchmarks/throughput.py [--backbone NAME] [--proposal NAME] [--keep 0.7 0.5 0.4 0.3] [--batch-size
    32]

Every round times plain and all ratios once, in a new order, and a speed-up is the median over rounds of
plain's time by the pruned time of the same round, so a machine that slows down slows both. Three of them:

backbone   the backbone's call on a batch of tensors, kept patches given; beside it what its
multiply-accumulates
           promise (plain by pruned) and the share of the promise that is kept;
pair       the same with the proposal's pass, the map and the selection in the pruned time: what pruning costs
included; end to end from JPEG bytes to answers, decoding and cropping in both times, the proposal's view in
the pruned one.

Before anything is timed, pruned answers are checked against single images, and keep ratio 1 against the plain
model.
"""

import argparse
import csv
import io
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from papr_core import cost, load_backbone, load_proposal, read_image, weights
from papr_core.catalog import DEFAULT_BACKBONE, DEFAULT_PROPOSAL

COLUMNS = ("backbone", "pair", "end to end")


def main() -> None:
    args = _arguments()
    if args.weights_dir:
        weights.configure(weights_dir=args.weights_dir)
    if args.threads:
        torch.set_num_threads(args.threads)
    random.seed(0)
    torch.manual_seed(0)
    bench = Bench(args)
    bench.check()
    times = measure(bench.runs(), args.rounds, bench.wait)
    print(bench.configuration(args))
    rows = [row for ratio in args.keep for row in bench.rows(times, ratio)]
    for row in rows:
        print(line(row))
    if args.out:
        with open(args.out, "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default=DEFAULT_BACKBONE)
    parser.add_argument("--proposal", default=DEFAULT_PROPOSAL)
    parser.add_argument("--keep", nargs="+", type=float, default=[0.7, 0.5, 0.4, 0.3])
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="of torch (default: its own choice)")
    parser.add_argument("--random", action="store_true", help="random weights: speed does not depend on them")
    parser.add_argument("--weights-dir")
    parser.add_argument("--out", help="also write a CSV file")
    return parser.parse_args()


class Bench:
    """The pair, a batch of pictures, and the calls that are timed."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.device = torch.device(args.device)
        self.ratios = args.keep
        trained = not args.random
        self.backbone = load_backbone(args.backbone, pretrained=trained, device=self.device)
        self.proposal = load_proposal(args.proposal, pretrained=trained, device=self.device)
        self.files = [_picture(seed) for seed in range(args.batch_size)]
        crops = [self.backbone.fit(read_image(file)) for file in self.files]
        self.images = torch.cat([self.backbone.view(crop) for crop in crops]).to(self.device)
        self.views = torch.cat([self.proposal.view(crop) for crop in crops]).to(self.device)
        with torch.inference_mode():
            self.kept = {ratio: self.select(self.views, ratio) for ratio in args.keep}

    def configuration(self, args: argparse.Namespace) -> str:
        parts = (
            f"{self.backbone.name} pruned by {self.proposal.name}",
            "random weights" if args.random else "trained weights",
            f"float32, batch {args.batch_size}",
            f"{machine(args.device)}, {args.device}, {torch.get_num_threads()} threads",
            f"torch {torch.__version__}",
            f"n {args.rounds}; medians, and the middle half of the rounds",
        )
        return ", ".join(parts)

    def select(self, views: torch.Tensor, ratio: float) -> torch.Tensor:
        return self.backbone.select(self.proposal.features(views).mean(dim=1), ratio)

    def check(self) -> None:
        with torch.inference_mode():
            plain = self.backbone(self.images)
            every = torch.arange(self.backbone.num_patches, device=self.device).expand(len(self.images), -1)
            assert torch.equal(self.backbone(self.images, every), plain), (
                "keep ratio 1 is not the plain model"
            )
            for ratio, kept in self.kept.items():
                assert kept.shape[1] == self.backbone.num_kept(ratio)
                batch = self.backbone(self.images, kept)
                single = self.backbone(self.images[:1], kept[:1])
                assert torch.allclose(batch[:1], single, rtol=1e-3, atol=1e-3), (
                    "a batch differs from its singles"
                )
                assert not torch.allclose(batch, plain, rtol=1e-3, atol=1e-3), "nothing was pruned"

    def runs(self) -> dict[tuple[str, float], Callable[[], object]]:
        """(column, ratio) -> what is timed; ratio 1 is the plain model."""
        runs = {
            ("backbone", 1.0): lambda: self.backbone(self.images),
            ("end to end", 1.0): lambda: self.backbone(self.read()[0]),
        }
        for ratio, kept in self.kept.items():
            runs["backbone", ratio] = lambda kept=kept: self.backbone(self.images, kept)
            runs["pair", ratio] = lambda ratio=ratio: self.backbone(
                self.images, self.select(self.views, ratio)
            )
            runs["end to end", ratio] = lambda ratio=ratio: self.answer(ratio)
        return runs

    def read(self, views: bool = False) -> tuple[torch.Tensor, torch.Tensor | None]:
        crops = [self.backbone.fit(read_image(file)) for file in self.files]
        images = torch.cat([self.backbone.view(crop) for crop in crops]).to(self.device)
        return images, torch.cat([self.proposal.view(crop) for crop in crops]).to(
            self.device
        ) if views else None

    def answer(self, ratio: float) -> torch.Tensor:
        images, views = self.read(views=True)
        return self.backbone(images, self.select(views, ratio))

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def rows(self, times: dict[tuple[str, float], list[float]], ratio: float) -> list[dict]:
        plain, pruned = cost.backbone_gmacs(self.backbone), cost.backbone_gmacs(self.backbone, ratio)
        promised = {
            "backbone": plain / pruned,
            "pair": plain / (pruned + cost.proposal_gmacs(self.proposal)),
            "end to end": None,
        }
        rows = []
        for column in COLUMNS:
            unpruned = times["end to end" if column == "end to end" else "backbone", 1.0]
            ratios = [before / after for before, after in zip(unpruned, times[column, ratio])]
            low, middle, high = statistics.quantiles(ratios, n=4)
            rows.append(
                {
                    "measured": column,
                    "keep": ratio,
                    "n": len(ratios),
                    "plain_images_per_s": len(self.files) / statistics.median(unpruned),
                    "pruned_images_per_s": len(self.files) / statistics.median(times[column, ratio]),
                    "speedup": middle,
                    "speedup_low": low,
                    "speedup_high": high,
                    "macs_ratio": promised[column],
                    "share_of_macs_ratio": middle / promised[column] if promised[column] else None,
                }
            )
        return rows


def measure(runs: dict, rounds: int, wait: Callable[[], None]) -> dict[tuple[str, float], list[float]]:
    """Seconds of each run in each round; the order is drawn anew each round, and two rounds warm up."""
    times = {name: [] for name in runs}
    with torch.inference_mode():
        for turn in range(-2, rounds):
            for name in random.sample(list(runs), len(runs)):
                wait()
                start = time.perf_counter()
                runs[name]()
                wait()
                if turn >= 0:
                    times[name].append(time.perf_counter() - start)
    return times


def line(row: dict) -> str:
    promise = ""
    if row["macs_ratio"]:
        promise = f"; MACs {row['macs_ratio']:.2f} x, kept {row['share_of_macs_ratio']:.2f} of it"
    return (
        f"keep {row['keep']:<5g}{row['measured']:<11}{row['speedup']:.2f} x "
        f"({row['speedup_low']:.2f} to {row['speedup_high']:.2f}), n {row['n']}, "
        f"{row['plain_images_per_s']:.1f} -> {row['pruned_images_per_s']:.1f} images/s{promise}"
    )


def machine(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    try:
        with open("/proc/cpuinfo") as file:
            return next(entry.split(":")[1].strip() for entry in file if entry.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _picture(seed: int) -> bytes:
    """A JPEG file of 500 x 375 pixels, smooth noise: decoding takes what a photograph's takes."""
    from PIL import Image

    coarse = torch.randint(
        0, 256, (24, 32, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8
    )
    file = io.BytesIO()
    Image.fromarray(coarse.numpy()).resize((500, 375)).save(file, "JPEG", quality=90)
    return file.getvalue()


if __name__ == "__main__":
    main()
