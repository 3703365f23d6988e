"""Pruning VideoMAE of transformers behind its embeddings: tubelets of the whole clip are ranked.

VideoMAE, https://arxiv.org/abs/2203.12602; PaPr, https://arxiv.org/abs/2403.16020, Sec. 5: tubelets are
dropped after patch and position embedding, before the first block, as masked tubelets are in pre-training.
Inside the blocks a reduction may follow. Written from the papers.
"""

import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from papr_core.data.images import View
from papr_core.errors import InvalidInput, UnsupportedModel, WeightsUnavailable
from papr_core.models import labels as _labels
from papr_core.models import weights
from papr_core.models.backbones.base import Backbone
from papr_core.models.backbones.seam import Seam
from papr_core.models.entries import ClipEntry, Entry
from papr_core.models.preprocessing import checked_size, view_of
from papr_core.pruning.reductions.base import Reduction
from papr_core.pruning.selection import check_kept

__all__ = ["TubeletBackbone", "build_videomae", "load", "of_transformers"]

# width, depth, heads
_SIZES = {"small": (384, 12, 6), "base": (768, 12, 12), "large": (1024, 24, 16), "huge": (1280, 32, 16)}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class TubeletBackbone(Backbone):
    """VideoMAE in eval mode that sees only the tubelets it is told to keep.

    model: the plain transformers model; input_size (frames, 3, H, W), as its clips are; grid (T, rows,
    columns) and num_patches of its tubelets; num_prefix_tokens: none.
    """

    family = "tubelets"
    grid: tuple[int, int, int]

    def __init__(
        self,
        model: Any,
        entry: Entry,
        source: weights.Source | None = None,
        *,
        labels: _labels.Labels | None = None,
        view: View | None = None,
    ) -> None:
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
            labels=labels if labels is not None else _labels_of(source, entry, config.num_labels),
            view=view or View((config.image_size, config.image_size), _MEAN, _STD, interpolation="bilinear"),
        )
        self._seam = Seam(self.name, 0)
        model.videomae.embeddings.register_forward_hook(self._seam.hook)

    def forward(
        self, clips: Tensor, kept: Tensor | None = None, *, reduction: Reduction | None = None
    ) -> Tensor:
        """Normalised clips (B, frames, 3, H, W) and the tubelets that each keeps, (B, k), to logits (B, C).

        kept counts tubelets frame by frame, row by row, in any order; None keeps all. One clip with kept
        (M, k) gives M answers. reduction: what happens inside the blocks to those that are kept.

        Raises:
            InvalidInput: clips of another size, or kept that are not different tubelets, a row a clip.
        """
        self._check_call(clips, kept)
        counts = self._per_block(reduction, len(self.model.videomae.encoder.layer))
        with self._seam.keeping(kept):
            if reduction is not None and any(counts):
                return self._reduced(self.model.videomae.embeddings(clips, None), reduction, counts)
            return self.model(clips, return_dict=True).logits

    def own_output(
        self,
        images: Tensor,
        kept: Tensor | None = None,
        *,
        reduction: Reduction | None = None,
        **arguments: Any,
    ) -> Any:
        """transformers' own output of what is kept; arguments: of its forward, such as labels=."""
        if reduction is not None and reduction.active:
            raise UnsupportedModel(f"{self.name} has no output of its own where tokens are reduced inside.")
        if arguments.get("bool_masked_pos") is not None:
            raise InvalidInput(
                f"{self.name} drops the tubelets that are not kept; bool_masked_pos= would too."
            )
        self._check_call(images, kept)
        with self._seam.keeping(kept):
            return self.model(images, **arguments)

    def forward_features(
        self, images: Tensor, kept: Tensor | None = None, *, reduction: Reduction | None = None
    ) -> Tensor:
        """The tokens behind the last block, (B, k, D)."""
        if reduction is not None and reduction.active:
            raise UnsupportedModel(f"{self.name} gives no tokens where they are reduced inside.")
        return self._patch_tokens(images, kept)[0]

    def _patch_tokens(self, images: Tensor, kept: Tensor | None) -> tuple[Tensor, Tensor | None]:
        self._check_call(images, kept)
        with self._seam.keeping(kept, embedded=True) as call:
            tokens = self.model.videomae(images, return_dict=True).last_hidden_state
        return tokens, call.embedded

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """Tokens behind the last block to logits, or to their normalised mean."""
        pooled = self.model.fc_norm(features.mean(dim=1))
        return pooled if pre_logits else self.model.classifier(pooled)

    def _check_call(self, clips: Tensor, kept: Tensor | None) -> None:
        if tuple(clips.shape[1:]) != self.input_size:
            raise InvalidInput(
                f"{self.name} takes clips (B, {str(self.input_size)[1:-1]}), not {tuple(clips.shape)}."
            )
        if kept is not None:
            check_kept(kept, clips.shape[0], self.num_patches)

    def _reduced(self, x: Tensor, reduction: Reduction, counts: tuple[int, ...]) -> Tensor:
        sizes: Tensor | None = None
        for layer, count in zip(self.model.videomae.encoder.layer, counts):
            attended, keys = _attention(layer.attention, layer.layernorm_before(x), sizes)
            x = x + attended
            if count:
                x, sizes = reduction.match(keys, count, num_prefix_tokens=0)(x, sizes)
            x = layer.output(layer.intermediate(layer.layernorm_after(x)), x)
        assert sizes is not None  # some block loses tokens
        pooled = (x * sizes / sizes.sum(dim=1, keepdim=True)).sum(dim=1)  # a token weighs as many as it holds
        return self.model.classifier(self.model.fc_norm(pooled.to(x.dtype)))

    def _irreducible(self) -> str | None:
        return None


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


def of_transformers(
    model: Any,
    entry: Entry,
    source: weights.Source | None,
    *,
    settings: dict[str, Any],
    labels: _labels.Labels | Sequence[str] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> TubeletBackbone:
    """The backbone that a caller's VideoMAE is. settings: its preprocessor_config.json."""
    config = model.config
    view = view_of(settings, checked_size(config.image_size), entry.name, mean, std)
    named = _labels.of_names(config.id2label, config.num_labels) if labels is None else labels
    found = _labels.given(named, config.num_labels)
    return TubeletBackbone(model, entry, source, labels=found, view=view)


def _renamed(key: str) -> str:
    """Published files keep the biases of query and value apart."""
    return key.replace("attention.q_bias", "attention.query.bias").replace(
        "attention.v_bias", "attention.value.bias"
    )


def _labels_of(source: weights.Source | None, entry: Entry, count: int) -> _labels.Labels:
    if own := _own_classes(source):
        return own
    return entry.labels if len(entry.labels) == count else _labels.numbers(count)


def _own_classes(source: weights.Source | None) -> _labels.Labels | None:
    """The classes of a config.json of the hub's form beside a file of the own folder, NAME.json."""
    beside = source.file.with_name(f"{source.name}.json") if source and source.kind == "local" else None
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
