"""What pruning leaves of a ViT's dense features: cosine per patch, retrieval, and their PCA as a picture.

    python benchmarks/dense_features.py --data tests/data/caltech101-200 [--backbone NAME] [--proposal NAME]
        [--keep 0.7 0.5 0.3] [--limit 200] [--picture photo.jpg --figure pca.png]

For each keep ratio, over labelled pictures: the mean cosine of a kept patch's feature to the same patch's
unpruned one, and of a dropped place filled by its nearest kept patch; and leave-one-out retrieval, the share
of pictures whose nearest neighbour by the features' mean, among the others unpruned, is of their class.
Without --backbone the embedded ViT-Ti; `hf:facebook/dinov2-small` and kin where they can be had. The figure
shows the first three principal components of one picture's unpruned features, and the pruned ones in the
same axes.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from papr_core import load_backbone, load_proposal, read_image
from papr_core.data.datasets import open_dataset
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.pruning.significance import channel_mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--backbone", default=DEFAULT_BACKBONE)
    parser.add_argument("--proposal", default=DEFAULT_PROPOSAL)
    parser.add_argument("--keep", type=float, nargs="+", default=[0.7, 0.5, 0.3])
    parser.add_argument("--limit", type=int, help="pictures, balanced over classes")
    parser.add_argument("--picture", type=Path, help="whose components are drawn")
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    backbone, proposal = load_backbone(arguments.backbone), load_proposal(arguments.proposal)
    with torch.inference_mode():
        print(json.dumps(measured(backbone, proposal, arguments), indent=1))
        if arguments.figure:
            draw(backbone, proposal, arguments)


def measured(backbone, proposal, arguments) -> dict:
    data = open_dataset(arguments.data, limit=arguments.limit)
    whole, pruned = [], {ratio: [] for ratio in arguments.keep}
    cosines = {ratio: ([], []) for ratio in arguments.keep}
    classes = []
    for i in range(len(data)):
        picture, label = data[i]
        classes.append(label)
        images, coarse = seen(backbone, proposal, picture)
        full = backbone.dense(images)
        whole.append(full.mean(dim=(2, 3))[0])
        for ratio in arguments.keep:
            kept = backbone.select(coarse, ratio)
            features = backbone.dense(images, kept, fill="nearest")
            alike = F.cosine_similarity(features, full, dim=1).flatten()
            there = torch.zeros_like(alike, dtype=torch.bool).index_fill(0, kept[0], True)
            cosines[ratio][0].append(float(alike[there].mean()))
            cosines[ratio][1].append(float(alike[~there].mean()))
            tokens = features.flatten(2)[:, :, kept[0]]
            pruned[ratio].append(tokens.mean(dim=2)[0])
    labels = torch.tensor(classes)
    rows = [{"keep": 1.0, "retrieval": retrieval(torch.stack(whole), torch.stack(whole), labels)}]
    for ratio in arguments.keep:
        inside, outside = (sum(values) / len(values) for values in cosines[ratio])
        rows.append({
            "keep": ratio,
            "cosine_kept": inside,
            "cosine_dropped": outside,
            "retrieval": retrieval(torch.stack(pruned[ratio]), torch.stack(whole), labels),
        })  # fmt: skip
    return {"backbone": backbone.name, "proposal": proposal.name, "n": len(data), "rows": rows}


def seen(backbone, proposal, picture) -> tuple[Tensor, Tensor]:
    """A picture as the backbone sees it, and the proposal's map."""
    crop = backbone.fit(picture)
    return backbone.view(crop), channel_mean(proposal.features(proposal.view(crop)))


def retrieval(queries: Tensor, gallery: Tensor, labels: Tensor) -> float:
    """Percent of pictures whose nearest other one is of their class."""
    alike = F.normalize(queries, dim=1) @ F.normalize(gallery, dim=1).T
    alike.fill_diagonal_(-2)
    return 100 * float((labels[alike.argmax(dim=1)] == labels).float().mean())


def draw(backbone, proposal, arguments) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    images, coarse = seen(backbone, proposal, read_image(arguments.picture))
    full = backbone.dense(images)[0].flatten(1).T  # (N, D)
    mean = full.mean(dim=0)
    axes = torch.linalg.svd(full - mean, full_matrices=False).Vh[:3]
    low, high = ((full - mean) @ axes.T).aminmax(dim=0)
    figure, places = pyplot.subplots(1, 1 + len(arguments.keep), figsize=(3 * (1 + len(arguments.keep)), 3.3))
    shown = [("unpruned", None), *((f"keep {ratio:g}", ratio) for ratio in arguments.keep)]
    for place, (title, ratio) in zip(places, shown):
        kept = None if ratio is None else backbone.select(coarse, ratio)
        features = backbone.dense(images, kept)[0].flatten(1).T
        colours = (((features - mean) @ axes.T - low) / (high - low)).clamp(0, 1)
        if kept is not None:
            dropped = torch.ones(len(colours), dtype=torch.bool).index_fill(0, kept[0], False)
            colours[dropped] = 1
        place.imshow(colours.reshape(*backbone.grid, 3))
        place.set_title(title)
        place.axis("off")
    figure.savefig(arguments.figure, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    main()
