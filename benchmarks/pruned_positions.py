"""What should become of a pruned position in ConvNeXt and Swin: keep its residual, or zero it? Top-1 of both.

    python benchmarks/pruned_positions.py --data train.tar --val heldout.tar --work runs/positions
        [--classes 20] [--keep 0.85 0.65 0.5 0.3]

A small model of each family is trained on some of the classes (`papr_core.train`; a run that was cut off goes
on where it stopped), pruned by the embedded proposal, and both treatments answer the same held-out images.
Differences are paired, with 95 % intervals of 2000 bootstrap resamples. It decides the defaults in
papr_core/backbones/pixels.py, and has not been run to its end yet.
"""

import argparse
import json
import sys
import tarfile
from dataclasses import asdict
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from papr_core import load_backbone, load_proposal, weights
from papr_core.accuracy import bootstrap, interval
from papr_core.backbones.pixels import RESIDUALS
from papr_core.datasets import open_dataset
from papr_core.train import Recipe, train

LEARNS = {"opt": "muon", "weight_decay": 0.02, "batch_size": 128, "scale": 0.4, "warmup": 0.1, "ema": 0.99}
STAGES = {"depths": [2, 2, 4, 2], "dims": [24, 48, 96, 192], "patch_size": 2, "conv_mlp": False}
WINDOWS = {
    "depths": [2, 2, 2, 2], "embed_dim": 24, "num_heads": [1, 2, 4, 8], "window_size": 8, "img_size": 64
}  # fmt: skip
SIZE = 64  # pixels that are measured; a ConvNeXt may learn at fewer, where a step is cheaper
FAMILIES = {
    "convnext": Recipe(
        **LEARNS, model="convnext_atto", model_args=json.dumps(STAGES), size=48, lr=4e-3, epochs=10
    ),
    "swin": Recipe(
        **LEARNS, model="swin_tiny_patch4_window7_224", model_args=json.dumps(WINDOWS), lr=3e-3, epochs=8
    ),
    "swinv2": Recipe(
        **LEARNS, model="swinv2_tiny_window8_256", model_args=json.dumps(WINDOWS), lr=3e-3, epochs=8
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder of subsets, weights and results")
    parser.add_argument("--families", nargs="+", choices=tuple(FAMILIES), default=["convnext", "swin"])
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--keep", type=float, nargs="+", default=[0.85, 0.65, 0.5, 0.3])
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    data, val = (_subset(path, args.work, args.classes) for path in (args.data, args.val))
    for family in args.families:
        recipe, out, name = FAMILIES[family], args.work / family, f"{family}_small"
        last = train(recipe, data, out, val=val, name=name, checkpoint_minutes=1, progress=False)
        with weights.configured(weights_dir=out):
            found = measure(name, val, args.keep)
        found["made"] = {"recipe": asdict(recipe), "last_epoch": last}
        (out / "positions.json").write_text(json.dumps(found, indent=1) + "\n")
        report(family, found)


@torch.inference_mode()
def measure(name: str, val: Path, ratios: list[float]) -> dict:
    """Top-1 of the unpruned model and of both treatments at each ratio, and their paired difference."""
    data, proposal = open_dataset(val), load_proposal()
    size = None if name.startswith("swin") else SIZE
    models = {residual: load_backbone(name, residual=residual, img_size=size) for residual in RESIDUALS}
    backbone = models["keep"]
    # the label of a class is its folder's name
    truth = torch.tensor([backbone.labels.names.index(data.classes[i]) for i in data.class_indices])
    right = {"full": []} | {(residual, ratio): [] for residual in RESIDUALS for ratio in ratios}
    for start in range(0, len(data), 50):
        crops = [backbone.fit(data.read(i)) for i in range(start, min(start + 50, len(data)))]
        images = torch.cat([backbone.view(crop) for crop in crops])
        maps = proposal.features(torch.cat([proposal.view(crop) for crop in crops])).mean(dim=1)
        aim = truth[start : start + len(crops)]
        right["full"].append(backbone(images).argmax(dim=1) == aim)
        for ratio in ratios:
            kept = backbone.select(maps, ratio)
            for residual, model in models.items():
                right[residual, ratio].append(model(images, kept).argmax(dim=1) == aim)
    right = {key: torch.cat(parts).double() for key, parts in right.items()}
    rows = []
    for ratio in ratios:
        both = torch.stack([right[residual, ratio] for residual in RESIDUALS], dim=1)
        means, drawn = 100 * both.mean(dim=0), 100 * bootstrap(both.numpy())
        low, high = interval(drawn[:, 0] - drawn[:, 1])
        row = {"ratio": ratio, "keep": float(means[0]), "zero": float(means[1])}
        rows.append(
            row | {"keep_less_zero": row["keep"] - row["zero"], "low": float(low), "high": float(high)}
        )
    return {
        "n": len(data),
        "classes": len(data.classes),
        "full": 100 * float(right["full"].mean()),
        "rows": rows,
    }


def report(family: str, found: dict) -> None:
    made, shape = found["made"]["recipe"], found["made"]["recipe"]["model_args"]
    print(
        f"{family}: {made['model']} {shape}, {made['epochs']} epochs at {made['size'] or SIZE} px,"
        f" {made['opt']} {made['lr']:g}, batch {made['batch_size']}"
    )
    print(f"  n {found['n']}, {found['classes']} classes, unpruned {found['full']:.1f} %")
    for row in found["rows"]:
        print(
            f"  keep ratio {row['ratio']:g}: residual kept {row['keep']:.1f} %, zeroed {row['zero']:.1f} %,"
            f" difference {row['keep_less_zero']:+.1f} ({row['low']:+.1f} to {row['high']:+.1f})"
        )


def _subset(path: Path, work: Path, classes: int) -> Path:
    """A tar of evenly spaced class folders of a tar; made once."""
    target = work / f"{path.name.split('.')[0]}-{classes}.tar"
    if target.exists():
        return target
    with tarfile.open(path) as source:
        members = [member for member in source if member.isfile()]
        names = sorted({member.name.split("/")[0] for member in members})
        chosen = {names[len(names) * i // classes] for i in range(classes)}
        draft = target.with_suffix(".part")
        with tarfile.open(draft, "w") as out:
            for member in members:
                if member.name.split("/")[0] in chosen:
                    out.addfile(member, source.extractfile(member))
    draft.rename(target)
    return target


if __name__ == "__main__":
    main()
