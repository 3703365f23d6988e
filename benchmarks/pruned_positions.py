"""What should become of a pruned position in ConvNeXt and Swin: keep its residual, or zero it? Top-1 of both.

    python benchmarks/pruned_positions.py --data train.tar --val heldout.tar --work runs/positions
        [--classes 20] [--epochs 12] [--keep 0.85 0.65 0.5 0.3]

A small model of each family is trained on some of the classes (`papr_core.train`; a run that was cut off goes
on where it stopped), pruned by the embedded proposal, and both treatments answer the same held-out images.
Differences are paired, with 95 % intervals of 2000 bootstrap resamples. It decides the defaults in
papr_core/backbones/pixels.py, and has not been run to its end yet.
"""

import argparse
import json
import sys
import tarfile
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from papr_core import load_backbone, load_proposal, weights
from papr_core.accuracy import bootstrap, interval
from papr_core.backbones.pixels import RESIDUALS
from papr_core.datasets import open_dataset
from papr_core.train import Recipe, train

STEPS = {"depths": [2, 2, 4, 2]}
FAMILIES = {
    "convnext": ("convnext_atto", {**STEPS, "dims": [40, 80, 160, 320]}),
    "swin": (
        "swin_tiny_patch4_window7_224",
        {**STEPS, "img_size": 64, "embed_dim": 40, "num_heads": [1, 2, 4, 8], "window_size": 4},
    ),
    "swinv2": (
        "swinv2_tiny_window8_256",
        {**STEPS, "img_size": 64, "embed_dim": 40, "num_heads": [1, 2, 4, 8], "window_size": 4},
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder of subsets, weights and results")
    parser.add_argument("--families", nargs="+", choices=tuple(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--keep", type=float, nargs="+", default=[0.85, 0.65, 0.5, 0.3])
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    data, val = (_subset(path, args.work, args.classes) for path in (args.data, args.val))
    for family in args.families:
        model, arguments = FAMILIES[family]
        recipe = Recipe(
            model=model, model_args=json.dumps(arguments), size=64, epochs=args.epochs, batch_size=128,
            lr=2e-3, drop_path=0.05,
        )  # fmt: skip
        out = args.work / family
        train(recipe, data, out, name=f"{family}_small", checkpoint_minutes=1, progress=False)
        with weights.configured(weights_dir=out):
            found = measure(f"{family}_small", val, args.keep)
        (out / "positions.json").write_text(json.dumps(found, indent=1) + "\n")
        report(family, found)


@torch.inference_mode()
def measure(name: str, val: Path, ratios: list[float]) -> dict:
    """Top-1 of the unpruned model and of both treatments at each ratio, and their paired difference."""
    data, proposal = open_dataset(val), load_proposal()
    models = {residual: load_backbone(name, residual=residual) for residual in RESIDUALS}
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
    print(f"{family}: n {found['n']}, {found['classes']} classes, unpruned {found['full']:.1f} %")
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
