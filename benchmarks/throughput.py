"""Pruned against plain throughput of several backbones, as a CSV file: `papr bench` for a list of settings.

    python benchmarks/throughput.py --out results.csv [--batch-size 32] [--rounds 15] [--device cuda]
        [--dtype bfloat16] [--compile] [--only NAME ...]

The settings are those that this project promises a speed for; see papr_core/bench.py for what is measured.
"""

import argparse
import csv
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from papr_core.bench import bench
from papr_core.pruning.reductions import asked

# backbone, keep ratio, tokens merged a block
SETTINGS = (
    ("vit_small_patch16_224", 0.5, 0),
    ("vit_base_patch16_224", 0.5, 0),
    ("convnext_base", 0.65, 0),
    ("swin_base_patch4_window7_224", 0.65, 0),
    ("vit_small_patch16_224", 1.0, 16),
    ("vit_base_patch16_224", 1.0, 16),
    ("vit_base_patch16_224", 0.5, 16),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--proposal", default="mobileone_s0")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--only", nargs="+", default=[], help="of the backbones")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    with open(args.out, "w", newline="") as file:
        writer = None
        for backbone, keep, r in SETTINGS:
            if args.only and backbone not in args.only:
                continue
            found = bench(
                backbone,
                args.proposal,
                keep=[keep],
                reduction=asked({"tome_r": r}),
                batch_size=args.batch_size,
                rounds=args.rounds,
                device=args.device,
                dtype=args.dtype,
                compiled=args.compile,
            )
            about = {key: value for key, value in found.items() if key != "rows"}
            for row in found["rows"]:
                writer = writer or csv.DictWriter(file, (about | row).keys())
                if file.tell() == 0:
                    writer.writeheader()
                writer.writerow(about | row)
                file.flush()
                print(backbone, keep, r, row["measured"], f"{row['speedup']:.2f} x", row["share_of_promise"])


if __name__ == "__main__":
    main()
