"""The pair of 200 classes, from the data to the two weight files of `assets/`.

    python recipes/tiny200_pair.py tiny-imagenet-train.tar.gz --out runs

The teacher of the later stages is the embedded ViT; what it saw takes 7 GB.
Splits the archive (25 images a class are held out and never trained on), trains the stages below one after
the other, and copies the two results to `assets/`. A run that was cut off goes on where it stood; a stage
whose weights are there is not trained again. How the stages were chosen, and what was not blind in it, stands
in their card, assets/tiny200.md.

The archive: one folder a class (wnid), and words.txt, as Tiny ImageNet's training part has them.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tarfile
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from papr_core.commands.terminal import steps_bar
from papr_core.data.datasets import open_dataset
from papr_core.models import weights
from papr_core.saving import saved_file
from papr_core.training.train import Recipe, train

ASSETS = Path(__file__).resolve().parent.parent / "assets"
HELD_OUT = 25  # images a class
TEACHER = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"

CONVNET = {
    "model": "resnet10t",
    "model_args": json.dumps({"channels": [32, 64, 128, 256], "stem_width": 16, "output_stride": 16}),
    "opt": "muon",
    "weight_decay": 0.02,
    "scale": 0.4,
    "ema": 0.998,
}

# A real ViT looks once at every whole picture; each crop learns from its part of what was seen.
TAUGHT = {"teacher": TEACHER, "teacher_once": True, "distill": 0.5, "distill_features": 0.5}

# Small crops enlarge what they show; the last stage shows objects as large as a whole picture does
# (Touvron et al. 2019, arXiv 1906.06423).
NEARLY_WHOLE = {"scale": 0.7}


# The teacher errs on nearly half of these small pictures, and its students do no worse by now, so the labels
# lead; mixtures keep the pictures from being learnt by heart.
LABELS_FIRST = {"distill": 0.2}


def vit(size: int) -> dict:
    """Patches of 8 px and no class token: the position embedding is resampled from size to size."""
    arguments = {"img_size": size, "patch_size": 8, "depth": 6, "class_token": False, "global_pool": "avg"}
    return {
        "model": "vit_tiny_patch16_224",
        "model_args": json.dumps(arguments),
        "opt": "muon",
        "weight_decay": 0.05,
        "scale": 0.4,
        "compile": True,
    }


def stages(out: Path) -> dict[str, Recipe]:
    """name -> recipe, in order. A name is also the weight file's, and so what `teacher` may say.

    Most epochs run small, where a step is cheap; the last ones at the size of use. Each evening's stages go
    on from the weights of the one before: taught, of nearly whole pictures, and mixed.
    """

    def weights_of(stage: str) -> str:
        return str(out / f"{stage}.safetensors")

    return {
        "proposal_64": Recipe(**CONVNET, size=64, epochs=7, lr=4e-3, warmup=0.1),
        "proposal_112": Recipe(**CONVNET, size=112, epochs=2, lr=2e-3, init=weights_of("proposal_64")),
        "backbone_48": Recipe(
            **vit(48),
            teacher="proposal_64",
            epochs=7,
            until=4,
            batch_size=192,
            lr=2.5e-3,
            distill_features=0.5,
            ema=0.998,
        ),
        "backbone_112": Recipe(
            **vit(112),
            teacher="proposal_112",
            epochs=1,
            limit=48000,
            batch_size=128,
            lr=1e-3,
            warmup=0.03,
            distill=0.3,
            distill_features=0.25,
            ema=0.995,
            init=weights_of("backbone_48"),
        ),
        "proposal_64_taught": Recipe(
            **CONVNET,
            **TAUGHT,
            size=64,
            epochs=10,
            until=5,
            lr=3e-3,
            warmup=0.03,
            init=weights_of("proposal_112"),
        ),
        "proposal_112_taught": Recipe(
            **CONVNET,
            **TAUGHT,
            size=112,
            epochs=3,
            lr=2e-3,
            warmup=0.03,
            init=weights_of("proposal_64_taught"),
        ),
        "backbone_48_taught": Recipe(
            **vit(48),
            **TAUGHT,
            epochs=8,
            until=6,
            batch_size=192,
            lr=2e-3,
            warmup=0.03,
            ema=0.998,
            init=weights_of("backbone_112"),
        ),
        "backbone_112_taught": Recipe(
            **vit(112),
            **TAUGHT,
            epochs=1,
            limit=56000,
            batch_size=128,
            lr=1e-3,
            warmup=0.03,
            ema=0.995,
            init=weights_of("backbone_48_taught"),
        ),
        "backbone_112_whole": Recipe(
            **vit(112) | NEARLY_WHOLE,
            **TAUGHT,
            epochs=2,
            limit=72000,
            batch_size=128,
            lr=7e-4,
            warmup=0.03,
            ema=0.998,
            init=weights_of("backbone_112_taught"),
        ),
        "proposal_112_whole": Recipe(
            **CONVNET | NEARLY_WHOLE,
            **TAUGHT,
            size=112,
            epochs=2,
            lr=1e-3,
            warmup=0.03,
            init=weights_of("proposal_112_taught"),
        ),
        "proposal_112_mixed": Recipe(
            **CONVNET | {"scale": 0.6},
            **TAUGHT | LABELS_FIRST,
            size=112,
            epochs=4,
            lr=1.5e-3,
            warmup=0.03,
            mixup=0.2,
            cutmix=1.0,
            init=weights_of("proposal_112_whole"),
        ),
        "proposal_112_last": Recipe(
            **CONVNET | {"scale": 0.75},
            **TAUGHT | LABELS_FIRST,
            size=112,
            epochs=2,
            lr=7e-4,
            warmup=0.03,
            init=weights_of("proposal_112_mixed"),
        ),
        "backbone_112_mixed": Recipe(
            **vit(112) | NEARLY_WHOLE,
            **TAUGHT | {"distill": 0.25},
            epochs=1,
            batch_size=128,
            lr=7e-4,
            warmup=0.03,
            ema=0.998,
            mixup=0.3,
            init=weights_of("backbone_112_whole"),
        ),
    }


EMBEDDED = {"proposal_112_last": "resnet10t_112.tiny200", "backbone_112_mixed": "vit_tiny_patch8_112.tiny200"}


def split(archive: Path, out: Path) -> tuple[Path, Path]:
    """Write the training and the held-out images as two tar files; the choice depends on the names alone."""
    parts = out / "train.tar", out / "heldout.tar"
    if all(part.exists() for part in parts):
        return parts
    dataset = open_dataset(archive)
    by_class: dict[str, list[str]] = {}
    for key, folder in dataset.samples:
        by_class.setdefault(folder, []).append(key.rsplit("/", 1)[-1])
    held = {
        f"{folder}/{name}"
        for folder, names in by_class.items()
        for name in random.Random(folder).sample(sorted(names), HELD_OUT)
    }
    with tarfile.open(archive) as source:
        targets = [tarfile.open(f"{part}.part", "w") for part in parts]  # noqa: SIM115
        for member in source:
            key = "/".join(Path(member.name).parts[-2:])
            if member.isfile() and key.split("/")[0] in by_class:
                member.name = key
                targets[key in held].addfile(member, source.extractfile(member))
    for part, target in zip(parts, targets, strict=True):
        target.close()
        os.replace(f"{part}.part", part)
    return parts


def facts(folders: tuple[str, ...]) -> dict:
    """What the configurations say beside the recipe: the classes, as timm names wnids, and the licence."""
    from timm.data import ImageNetInfo

    info = ImageNetInfo()
    return {
        "label_names": [info.label_name_to_description(wnid) for wnid in folders],
        "label_synsets": list(folders),
        "label_set": "tiny-imagenet-200",
        "pretrained_cfg": {"license": "apache-2.0"},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path, help="tiny-imagenet-train.tar.gz")
    parser.add_argument("--out", type=Path, required=True, help="folder for splits, checkpoints and logs")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--only", nargs="+", help="train these stages alone")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    data, held_out = split(options.archive, options.out)
    weights.configure(weights_dir=options.out)
    written = facts(open_dataset(held_out).classes)
    for name, recipe in stages(options.out).items():
        if (options.out / f"{name}.safetensors").exists() or (options.only and name not in options.only):
            continue
        print(f"{name}: {recipe.model}, {recipe.epochs} epochs", file=sys.stderr)
        folder = options.out / name
        with steps_bar() as progress:
            train(
                recipe,
                data,
                folder,
                val=held_out,
                name=name,
                facts=written,
                device=options.device,
                workers=options.workers,
                lessons=options.out / "lessons",
                on_epoch=lambda line: print(json.dumps(line), flush=True),
                progress=progress,
            )
        for suffix in (".json", ".safetensors"):  # the weights last: where they are, the stage is done
            with saved_file(options.out / f"{name}{suffix}") as part:
                shutil.copy(folder / f"{name}{suffix}", part)
    for stage, name in EMBEDDED.items():
        for suffix in (".json", ".safetensors"):
            if (options.out / f"{stage}{suffix}").exists():
                shutil.copy(options.out / f"{stage}{suffix}", ASSETS / f"{name}{suffix}")


if __name__ == "__main__":
    main()
