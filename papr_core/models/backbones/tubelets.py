"""Pruning VideoMAE of transformers through its own `bool_masked_pos`: tubelets of the whole clip are ranked.

VideoMAE, https://arxiv.org/abs/2203.12602; PaPr, https://arxiv.org/abs/2403.16020, Sec. 5: tubelets are
dropped after patch and position embedding, before the first block, as masked tubelets are in pre-training.
Merging tokens (ToMe, https://arxiv.org/abs/2210.09461) may follow. Written from the papers.
"""

import json
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from papr_core.data.images import View
from papr_core.errors import InvalidInput, UnsupportedModel, WeightsUnavailable
from papr_core.models import labels as _labels
from papr_core.models import weights
from papr_core.models.backbones.base import Backbone
from papr_core.models.entries import ClipEntry
from papr_core.pruning.merging import Merging, bipartite_soft_matching
from papr_core.pruning.selection import check_kept, num_kept, select_patches, top_patches
from papr_core.pruning.significance import patch_significance

__all__ = ["TubeletBackbone", "build_videomae", "load"]

# width, depth, heads
_SIZES = {"small": (384, 12, 6), "base": (768, 12, 12), "large": (1024, 24, 16), "huge": (1280, 32, 16)}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class TubeletBackbone(Backbone):
    """VideoMAE in eval mode that sees only the tubelets it is told to keep.

    model: the plain transformers model; input_size (frames, 3, H, W), as its clips are; grid (T, rows,
    columns) and num_patches of its tubelets; num_prefix_tokens: none.
    """

    family = "tubelets"

    def __init__(self, model: Any, entry: ClipEntry, source: weights.Source | None = None) -> None:
        config = model.config
        if not config.use_mean_pooling:
            raise UnsupportedModel(f"{entry.name} does not average its tokens, so none can be dropped.")
        side = config.image_size // config.patch_size
        super().__init__(
            model,
            entry,
            source,
            input_size=(config.num_frames, config.num_channels, config.image_size, config.image_size),
            grid=(config.num_frames // config.tubelet_size, side, side),
            labels=_labels_of(source, entry, config.num_labels),
            view=View((config.image_size, config.image_size), _MEAN, _STD, interpolation="bilinear"),
        )

    def forward(
        self, clips: Tensor, kept: Tensor | None = None, *, merging: Merging | int | None = None
    ) -> Tensor:
        """Normalised clips (B, frames, 3, H, W) and the tubelets that each keeps, (B, k), to logits (B, C).

        kept counts tubelets frame by frame, row by row, in any order; None keeps all. One clip with kept
        (M, k) gives M answers. merging: how many tokens each block merges of those that are kept.

        Raises:
            InvalidInput: clips of another size, or kept that are not different tubelets, a row a clip.
        """
        if tuple(clips.shape[1:]) != self.input_size:
            raise InvalidInput(
                f"{self.name} takes clips (B, {str(self.input_size)[1:-1]}), not {tuple(clips.shape)}."
            )
        dropped = None
        if kept is not None:
            check_kept(kept, len(clips), self.num_patches)
            clips = clips.expand(len(kept), -1, -1, -1, -1)
            if kept.shape[1] < self.num_patches:
                # rows of equal length, checked to hold no number twice: every clip keeps as many
                dropped = torch.ones(len(kept), self.num_patches, dtype=torch.bool, device=clips.device)
                dropped.scatter_(1, kept.to(clips.device), False)
        numbers = self._per_block(merging)
        if not any(numbers) and not clips.is_meta:
            hidden = self.model.videomae(clips, bool_masked_pos=dropped).last_hidden_state  # (B, k, D)
            return self.model.classifier(self.model.fc_norm(hidden.mean(dim=1)))
        if clips.is_meta and kept is not None:  # a mask without values has no size
            x = self.model.videomae.embeddings(clips, None)[:, : kept.shape[1]]
        else:
            x = self.model.videomae.embeddings(clips, dropped)
        if any(numbers):
            return self._merged(x, numbers)
        hidden = self.model.videomae.encoder(x).last_hidden_state
        return self.model.classifier(self.model.fc_norm(hidden.mean(dim=1)))

    def _merged(self, x: Tensor, numbers: tuple[int, ...]) -> Tensor:
        sizes = None
        for layer, r in zip(self.model.videomae.encoder.layer, numbers):
            attended, keys = _attention(layer.attention, layer.layernorm_before(x), sizes)
            x = x + attended
            if r:
                x, sizes = bipartite_soft_matching(keys, r, num_prefix_tokens=0)(x, sizes)
            x = layer.output(layer.intermediate(layer.layernorm_after(x)), x)
        pooled = (x * sizes / sizes.sum(dim=1, keepdim=True)).sum(dim=1)  # a token weighs as many as it holds
        return self.model.classifier(self.model.fc_norm(pooled.to(x.dtype)))

    def _per_block(self, merging: Merging | int | None) -> tuple[int, ...]:
        if merging is None:
            return ()
        merging = merging if isinstance(merging, Merging) else Merging(merging)
        return merging.per_block(len(self.model.videomae.encoder.layer))

    def merging_refusal(self) -> str | None:
        """None: VideoMAE's tokens can be merged."""
        return None

    def select(self, map: Tensor, keep_ratio: float) -> Tensor:
        """A method's coarse map (B, t, h, w), resized to the grid, to the tubelets kept: (B, k)."""
        return select_patches(patch_significance(map, self.grid), keep_ratio)

    def select_count(self, map: Tensor, k: int) -> Tensor:
        """The same by count: the k most significant tubelets of the whole clip, (B, k)."""
        return top_patches(patch_significance(map, self.grid), k)

    def num_kept(self, keep_ratio: float) -> int:
        """How many tubelets of a clip stay at a keep ratio."""
        return num_kept(self.num_patches, keep_ratio)


def _attention(attention: Any, x: Tensor, sizes: Tensor | None) -> tuple[Tensor, Tensor]:
    """transformers' attention on (B, N, D), proportional to tokens' sizes, and its keys' mean over heads."""
    inner = attention.attention
    shape = (*x.shape[:2], inner.num_attention_heads, inner.attention_head_size)
    q, k, v = (layer(x).view(shape).transpose(1, 2) for layer in (inner.query, inner.key, inner.value))
    mask = None if sizes is None else sizes.log().transpose(1, 2).unsqueeze(1).to(q.dtype)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=inner.scaling)
    return attention.output(out.transpose(1, 2).flatten(2), x), k.mean(dim=1)


def build_videomae(size: str, **changes: Any) -> Any:
    """transformers' VideoMAE of this size with random weights, in eval mode. changes: of its configuration.

    Raises:
        UnsupportedModel: transformers is not installed.
    """
    try:
        from transformers import VideoMAEConfig, VideoMAEForVideoClassification
    except ImportError as error:
        raise UnsupportedModel(
            "VideoMAE needs the package transformers: pip install transformers."
        ) from error
    width, depth, heads = _SIZES[size]
    sizes = {"hidden_size": width, "num_hidden_layers": depth, "num_attention_heads": heads}
    settings = {**sizes, "intermediate_size": 4 * width, "num_labels": 400, **changes}
    return VideoMAEForVideoClassification(VideoMAEConfig(**settings)).eval()


def load(
    entry: ClipEntry,
    *,
    pretrained: bool = True,
    device: str | torch.device = "cpu",
    progress: weights.Progress | None = None,
) -> TubeletBackbone:
    """A VideoMAE of the catalogue, with its published weights (of the own folder, cached, or downloaded).

    Raises:
        WeightsUnavailable: in one sentence.
    """
    size, source, changes = entry.name.split("-")[1], None, {}
    if pretrained:
        source = weights.fetch(entry.locate(), progress)
        if own := _own_classes(source):
            changes["num_labels"] = len(own)
    model = build_videomae(size, **changes)
    if source is not None:
        source = weights.load_strictly(model, source, rename=_renamed, device=device)
    return TubeletBackbone(model.to(device), entry, source)


def _renamed(key: str) -> str:
    """Published files keep the biases of query and value apart."""
    return key.replace("attention.q_bias", "attention.query.bias").replace(
        "attention.v_bias", "attention.value.bias"
    )


def _labels_of(source: weights.Source | None, entry: ClipEntry, count: int) -> _labels.Labels:
    if own := _own_classes(source):
        return own
    return entry.labels if len(entry.labels) == count else _labels.numbers(count)


def _own_classes(source: weights.Source | None) -> _labels.Labels | None:
    """The classes of a config.json of the hub's form beside a file of the own folder, NAME.json."""
    beside = source.path.with_name(f"{source.name}.json") if source and source.kind == "local" else None
    if beside is None or not beside.is_file():
        return None
    try:
        found = {
            int(index): str(label) for index, label in json.loads(beside.read_text())["id2label"].items()
        }
        names = tuple(found[index] for index in range(len(found)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsUnavailable(f"{beside.name} is no config.json with an id2label ({error}).") from error
    kinetics = _labels.kinetics()
    return kinetics if names == kinetics.names else _labels.Labels(f"own-{len(names)}", names)
