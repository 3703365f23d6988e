"""Why chance beats PaPr on the pair trained here: what single patches know at the end of the backbone.

    python benchmarks/pooled_patches.py DIR_or_TAR [--limit 1000]

Top-1 (%) of its backbone, pruned at its input by PaPr or by chance; and of the unpruned one where
its answer is pooled over the same patches of its last layer alone: each of them has seen all others, so what
differs is whose word counts, not what was seen.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from papr_core import load_backbone, load_proposal
from papr_core.data.datasets import open_dataset
from papr_core.models.labels import match_classes
from papr_core.pruning.significance import channel_mean
from papr_core.training.augmentation import whole_pictures

RATIOS = (0.4, 0.3, 0.1, 0.05)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="labelled images, a folder each class")
    parser.add_argument("--limit", type=int, default=1000)
    options = parser.parse_args()
    dataset = open_dataset(options.data, limit=options.limit)
    proposal = load_proposal("resnet10t_112.tiny200")
    backbone = load_backbone("vit_tiny_patch8_112.tiny200")
    model, classes = backbone.model, torch.tensor(match_classes(dataset.classes, backbone.labels))
    size, draws, hits = backbone.input_size[-1], torch.Generator().manual_seed(0), Counter()
    for images, labels in whole_pictures(dataset, size, 100):
        images, labels = images.float() / 255, classes[labels]
        seen = backbone.normalise(images)
        last = model.forward_features(seen)
        hits["full"] += _right(model.forward_head(last), labels)
        significance = channel_mean(proposal.features(proposal.normalise(images)))
        chance = torch.rand(len(images), *backbone.grid, generator=draws)
        for ratio in RATIOS:
            for name, scores in (("PaPr", significance), ("chance", chance)):
                kept = backbone.select(scores, ratio)
                hits[name, ratio, "input"] += _right(backbone(seen, kept), labels)
                some = last.gather(1, kept[..., None].expand(-1, -1, last.shape[-1]))
                hits[name, ratio, "answer"] += _right(model.forward_head(some), labels)
    top1 = {key: 100 * count / len(dataset) for key, count in hits.items()}
    print(f"n = {len(dataset)}, one draw; all patches {top1['full']:.1f}\n")
    print(f"{'keep':>5}  {'pruned: PaPr':>12}  {'chance':>6}  {'pooled: PaPr':>12}  {'chance':>6}")
    for ratio in RATIOS:
        cells = [top1[name, ratio, where] for where in ("input", "answer") for name in ("PaPr", "chance")]
        print("{:>5}  {:12.1f}  {:6.1f}  {:12.1f}  {:6.1f}".format(ratio, *cells))


def _right(logits: torch.Tensor, labels: torch.Tensor) -> int:
    return int((logits.argmax(-1) == labels).sum())


if __name__ == "__main__":
    main()
