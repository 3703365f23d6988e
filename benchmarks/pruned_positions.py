"""What should become of a pruned position in ConvNeXt and Swin: keep its residual, or zero it?

    python benchmarks/pruned_positions.py --data train.tar --val heldout.tar --work runs/positions
        [--classes 20] [--keep 0.85 0.65 0.5 0.3]

A small model of each family is trained on some of the classes (`papr_core.training`; a run that was cut off
goes on where it stopped), pruned by the embedded proposal, and both treatments answer the same held-out
images. Differences are paired, with 95 % intervals of 2000 bootstrap resamples. It decided the defaults in
papr_core/models/backbones/pixels.py, which tell what came out.
"""

import argparse
import json
import sys
import tarfile
from dataclasses import asdict
from pathlib import Path

import torch
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from papr_core import load_backbone, load_proposal
from papr_core.data.datasets import open_dataset
from papr_core.evaluation.accuracy import bootstrap, interval
from papr_core.models import weights
from papr_core.models.backbones.pixels import RESIDUALS
from papr_core.pruning.significance import channel_mean
from papr_core.training.train import Recipe, train

LEARNS = {"opt": "muon", "weight_decay": 0.02, "batch_size": 128, "scale": 0.4, "warmup": 0.1, "ema": 0.99}
STAGES = {"depths": [2, 2, 4, 2], "dims": [24, 48, 96, 192], "patch_size": 2, "conv_mlp": False}
WINDOWS = {
    "depths": [2, 2, 2, 2], "embed_dim": 24, "num_heads": [1, 2, 4, 8], "window_size": 8, "img_size": 64
}  # fmt: skip
FAMILIES = {
    "convnext": Recipe(
        **LEARNS, model="convnext_atto", model_args=json.dumps(STAGES), size=48, lr=4e-3, epochs=10, until=5
    ),
    "swin": Recipe(
        **LEARNS,
        model="swin_tiny_patch4_window7_224",
        model_args=json.dumps(WINDOWS),
        lr=3e-3,
        epochs=6,
        until=4,
    ),
    "swinv2": Recipe(
        **LEARNS, model="swinv2_tiny_window8_256", model_args=json.dumps(WINDOWS), lr=3e-3, epochs=6, until=4
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
        last = train(recipe, data, out, val=val, name=name, checkpoint_minutes=1)
        with weights.configured(weights_dir=out):
            found = measure(name, val, args.keep)
        found["made"] = {"recipe": asdict(recipe), "last_epoch": last}
        (out / "positions.json").write_text(json.dumps(found, indent=1) + "\n")
        report(family, found)


@torch.inference_mode()
def measure(name: str, val: Path, ratios: list[float]) -> dict:
    """Top-1 and cross-entropy of the unpruned model and of both treatments at each ratio, and their paired
    differences."""
    data, proposal = open_dataset(val), load_proposal()
    models = {residual: load_backbone(name, residual=residual) for residual in RESIDUALS}
    backbone = models["keep"]
    # the label of a class is its folder's name
    truth = torch.tensor([backbone.labels.names.index(data.classes[i]) for i in data.class_indices])
    found = {"full": []} | {(residual, ratio): [] for residual in RESIDUALS for ratio in ratios}
    for start in range(0, len(data), 50):
        crops = [backbone.fit(data.read(i)) for i in range(start, min(start + 50, len(data)))]
        images = torch.cat([backbone.view(crop) for crop in crops])
        maps = channel_mean(proposal.features(torch.cat([proposal.view(crop) for crop in crops])))
        aim = truth[start : start + len(crops)]
        found["full"].append(_graded(backbone(images), aim))
        for ratio in ratios:
            kept = backbone.select(maps, ratio)
            for residual, model in models.items():
                found[residual, ratio].append(_graded(model(images, kept), aim))
    found = {key: torch.cat(parts) for key, parts in found.items()}  # (n, 2)
    full = found["full"].mean(dim=0)
    rows = []
    for ratio in ratios:
        keep, zero = (found[residual, ratio] for residual in RESIDUALS)
        low, high = interval(bootstrap((keep - zero).numpy()))
        rows.append({"ratio": ratio} | {
            measured: {
                "keep": float(keep[:, i].mean()),
                "zero": float(zero[:, i].mean()),
                "difference": float((keep - zero)[:, i].mean()),
                "low": float(low[i]),
                "high": float(high[i]),
            }
            for i, measured in enumerate(("top1", "cross_entropy"))
        })  # fmt: skip
    return {
        "n": len(data),
        "classes": len(data.classes),
        "full": {"top1": float(full[0]), "cross_entropy": float(full[1])},
        "rows": rows,
    }


def _graded(logits: torch.Tensor, aim: torch.Tensor) -> torch.Tensor:
    """Logits (B, C) to (B, 2): right or not, in percent, and cross-entropy."""
    right = 100.0 * (logits.argmax(dim=1) == aim)
    return torch.stack([right, F.cross_entropy(logits, aim, reduction="none")], dim=1).double()


def report(family: str, found: dict) -> None:
    made, full = found["made"]["recipe"], found["full"]
    print(f"{family}: {made['model']} {made['model_args']}, {made['until'] or made['epochs']} epochs of a")
    print(f"  schedule of {made['epochs']}, {made['opt']} {made['lr']:g}, batch {made['batch_size']}")
    about = f"{full['top1']:.1f} % top-1, cross-entropy {full['cross_entropy']:.3f}"
    print(f"  n {found['n']}, {found['classes']} classes, unpruned {about}")
    for row in found["rows"]:
        for measured, digits in (("top1", 1), ("cross_entropy", 3)):
            one = {key: f"{value:.{digits}f}" for key, value in row[measured].items()}
            print(
                f"  keep ratio {row['ratio']:g}, {measured}: kept {one['keep']}, zeroed {one['zero']},"
                f" difference {one['difference']} ({one['low']} to {one['high']})"
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
