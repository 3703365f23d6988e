"""Pruning transformers' ViT kin (ViT, DeiT, DINOv2, DINOv3, CLIP's and SigLIP's towers) by a forward hook.

PaPr, https://arxiv.org/abs/2403.16020, Sec. 3.2. transformers has no slot for it, but each of these models
embeds a picture in one module, whose output is all that the blocks ever see: a forward hook there gives the
tokens that are kept (seam.py), and one on DINOv3's rotary table the rows that go with them. The library's own
forward does all the rest, CLIP's norm before the blocks and SigLIP's pooling by attention included. Written
from the paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from papr_core.data.images import View
from papr_core.errors import InvalidInput, UnsupportedModel
from papr_core.models import labels as _labels
from papr_core.models import weights
from papr_core.models.backbones.base import Backbone
from papr_core.models.backbones.seam import Seam
from papr_core.models.entries import Entry
from papr_core.models.hub import HubEntry
from papr_core.models.labels import Labels
from papr_core.models.preprocessing import checked_size, size_in, view_of
from papr_core.pruning.reductions.base import Reduction
from papr_core.pruning.selection import check_kept

__all__ = ["HookedBackbone", "load", "of_transformers", "read", "seems_prunable", "tower"]


@dataclass(frozen=True)
class _Kind:
    """Where a model of transformers embeds, and what stands before its patches.

    prefix: class and distillation tokens; registers: the configuration says how many follow them; rotary: the
    module that makes the rotary table; any_size: it takes pictures of any size without being asked to.
    """

    prefix: int
    registers: bool = False
    rotary: str | None = None
    any_size: bool = False


_KINDS = {
    "ViTModel": _Kind(1),
    "DeiTModel": _Kind(2),
    "Dinov2Model": _Kind(1, any_size=True),
    "Dinov2WithRegistersModel": _Kind(1, registers=True, any_size=True),
    "DINOv3ViTModel": _Kind(1, registers=True, rotary="rope_embeddings", any_size=True),
    "CLIPVisionModel": _Kind(1),
    "SiglipVisionModel": _Kind(0),
}
_INNER = {"CLIPVisionTransformer": "CLIPVisionModel", "SiglipVisionTransformer": "SiglipVisionModel"}


class HookedBackbone(Backbone):
    """A model of transformers in eval mode that sees only the patches it is told to keep.

    model: the plain transformers model. A call gives its logits or, of a tower without a classifier, its
    embedding (B, D); `own_output` gives the library's own object.

    To compile it, `torch.compile(backbone, dynamic=True)`: once for all keep ratios.
    """

    family = "hooked"

    def __init__(
        self,
        model: Any,
        entry: Entry,
        source: weights.Source | None = None,
        *,
        view: View,
        labels: Labels,
    ) -> None:
        self._check(model, entry)
        found = tower(model)
        assert found is not None  # _check has refused others
        part, kind = found
        config = part.config
        patch = _pair(config.patch_size)
        if any(side % step for side, step in zip(view.size, patch)):
            raise InvalidInput(
                f"{entry.name} takes pictures whose sides are multiples of {patch[0]}, not {view.size}."
            )
        prefix = kind.prefix + (config.num_register_tokens if kind.registers else 0)
        super().__init__(
            model,
            entry,
            source,
            input_size=(3, *view.size),
            grid=tuple(side // step for side, step in zip(view.size, patch)),
            num_prefix_tokens=prefix,
            labels=labels,
            view=view,
        )
        resized = not kind.any_size and view.size != _pair(config.image_size)
        self._always = {"interpolate_pos_encoding": True} if resized else {}
        self._seam = Seam(self.name, prefix)
        self._part = (part,)  # in a tuple, or it would be a module of this one a second time
        part.embeddings.register_forward_hook(self._seam.hook)
        if kind.rotary:
            getattr(part, kind.rotary).register_forward_hook(_Rotary(self._seam))

    def forward(
        self, images: Tensor, kept: Tensor | None = None, *, reduction: Reduction | None = None
    ) -> Tensor:
        """Normalised images (B, 3, H, W) and the patches that each keeps, (B, k), to logits (B, C), or to the
        tower's embedding (B, D).

        kept counts patches only, row by row, in any order; None is the library's own forward. One image
        (1, 3, H, W) with kept (M, k) is embedded once and gives M answers.

        Raises:
            InvalidInput: images of another size, or kept that are not different patches, a row an image.
            UnsupportedModel: asked for a reduction.
        """
        return _tensor_of(self.own_output(images, kept, reduction=reduction, return_dict=True))

    def own_output(
        self,
        images: Tensor,
        kept: Tensor | None = None,
        *,
        reduction: Reduction | None = None,
        **arguments: Any,
    ) -> Any:
        """transformers' own output of what is kept; arguments: of its forward, such as labels=."""
        self._check_call(images, kept, reduction)
        with self._seam.keeping(kept):
            return self.model(images, **{**arguments, **self._always})

    def forward_features(
        self, images: Tensor, kept: Tensor | None = None, *, reduction: Reduction | None = None
    ) -> Tensor:
        """The tokens as the tower gives them, (B, P + k, D), prefix tokens first."""
        self._check_call(images, kept, reduction)
        with self._seam.keeping(kept):
            return self._part[0](images, return_dict=True, **self._always).last_hidden_state

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """Not to be had: transformers keeps no head apart."""
        raise UnsupportedModel(
            f"{self.name} is a model of transformers, whose head is a part of their forward: call it whole."
        )

    def _patch_tokens(self, images: Tensor, kept: Tensor | None) -> tuple[Tensor, Tensor | None]:
        self._check_call(images, kept, None)
        with self._seam.keeping(kept, embedded=True) as call:
            tokens = self._part[0](images, return_dict=True, **self._always).last_hidden_state
        return tokens[:, self.num_prefix_tokens :], call.embedded

    def _check_call(self, images: Tensor, kept: Tensor | None, reduction: Reduction | None) -> None:
        if reason := self.reduction_refusal(reduction):
            raise UnsupportedModel(reason)
        if images.ndim != 4 or tuple(images.shape[1:]) != self.input_size or not images.shape[0]:
            raise InvalidInput(
                f"{self.name} takes images (B, {str(self.input_size)[1:-1]}), not {tuple(images.shape)}."
            )
        if kept is not None:
            check_kept(kept, images.shape[0], self.num_patches)

    @property
    def unanswering(self) -> str | None:
        """Also models of several true labels, or of quantities."""
        problem = "" if self.headless else str(self.model.config.problem_type)
        if problem.startswith("multi_label"):
            return "several of its labels may be true of one picture"
        return "it gives a quantity" if problem == "regression" else super().unanswering

    def _irreducible(self) -> str | None:
        return "what happens inside transformers' blocks is not written for it; timm's ViTs and VideoMAE can"

    @staticmethod
    def refusal(model: Any) -> str | None:
        """Why a model of transformers cannot be pruned here, or None if it can."""
        found = tower(model)
        if found is None:
            kind = type(model).__name__
            why = next((why for part, why in _WHY_NOT.items() if kind.startswith(part)), "")
            why = why or "it has no place known here where patches can be dropped"
            return f"{why} ({kind}; ViT, DeiT, DINOv2, DINOv3, CLIP, SigLIP and VideoMAE can be)"
        if hasattr(model, "decoder") or "MaskedImage" in type(model).__name__:
            return f"its decoder needs every patch ({type(model).__name__})"
        if hasattr(model, "text_model"):
            return (
                "it reads text too; give its image tower (CLIPVisionModelWithProjection, SiglipVisionModel),"
                " or both towers to `papr_core.zero_shot`"
            )
        if (channels := found[0].config.num_channels) != 3:
            return f"it reads {channels} channels; only models of RGB pictures work"
        return None


def tower(model: Any) -> "tuple[Any, _Kind] | None":
    """The part of a transformers model that embeds and has the blocks, and what kind it is; None where there
    is no known one."""
    for part in model.modules():
        for base in type(part).__mro__:  # of a class of the user's own, what it is made from
            kind = _KINDS.get(_INNER.get(base.__name__, base.__name__))
            if kind and base.__module__.startswith("transformers.") and hasattr(part, "embeddings"):
                return part, kind
    return None


def of_transformers(
    model: Any,
    entry: Entry,
    source: weights.Source | None,
    *,
    settings: dict[str, Any],
    labels: Labels | Sequence[str] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    img_size: int | tuple[int, int] | None = None,
) -> HookedBackbone:
    """The backbone that a model of transformers is. settings: its preprocessor_config.json; what is not said
    is what that and the model's configuration say."""
    found = tower(model)
    assert found is not None  # `refusal` was asked
    part, kind = found
    size = _pair(part.config.image_size)
    if img_size is not None:
        size = checked_size(img_size)
    elif kind.any_size:  # DINOv2 is built for 518 pixels, and used at 224
        size = size_in(settings) or size
    classes = (
        model.config.num_labels if hasattr(model, "classifier") or "Teacher" in type(model).__name__ else 0
    )
    if labels is not None and not classes:
        raise InvalidInput(f"{entry.name} has no classifier, so there are no classes to name.")
    named = _labels.of_names(model.config.id2label, classes) if labels is None else labels
    view = view_of(settings, size, entry.name, mean, std)
    return HookedBackbone(model, entry, source, view=view, labels=_labels.given(named, classes))


def load(
    entry: HubEntry,
    *,
    pretrained: bool = True,
    device: str | torch.device = "cpu",
    img_size: int | tuple[int, int] | None = None,
    progress: weights.Progress | None = None,
) -> HookedBackbone:
    """A model of transformers by the name of its repository, with its weights, or with random ones.

    Raises:
        UnsupportedModel: of a class that cannot be pruned. WeightsUnavailable: in one sentence.
    """
    try:
        import transformers
    except ImportError as error:
        raise UnsupportedModel(
            f"{entry.name} needs the package transformers: pip install transformers."
        ) from error
    folder = entry.fetch_config()
    asked = entry.architecture
    kind: Any = getattr(transformers, _IMAGE_TOWERS.get(asked, asked), None)
    is_model = isinstance(kind, type) and issubclass(kind, transformers.PreTrainedModel)
    if not is_model:
        raise UnsupportedModel(f"{entry.name} cannot be pruned: transformers has no {asked}.")
    config = kind.config_class.from_pretrained(folder, local_files_only=True)
    if asked == "CLIPModel":  # which says it for both towers
        config.projection_dim = entry.settings[0].get("projection_dim", config.projection_dim)
    with torch.device("meta"):
        why = HookedBackbone.refusal(kind(config))  # before the weights are fetched
    if why:
        raise UnsupportedModel(f"{entry.name} cannot be pruned: {why}.")
    source = None
    if pretrained:
        source = entry.fetch(progress)
        with weights.refusing(source.file, source.config):
            model = read(kind, source.file.parent, config)
    elif torch.device(device).type == "meta":
        with torch.device("meta"):
            model = kind(config)
    else:
        model = kind(config)
    settings = entry.settings[1]
    found = of_transformers(model.to(device), entry, source, settings=settings, img_size=img_size)
    if why := found.unanswering:
        raise UnsupportedModel(f"{entry.name} is not used here: {why}.")
    return found


def read(kind: Any, folder: Path, config: Any) -> Any:
    """A model of transformers from its folder, in eval mode; raises what it likes."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    model, found = kind.from_pretrained(
        folder, config=config, local_files_only=True, dtype=torch.float32, output_loading_info=True
    )
    if missing := [*found["missing_keys"], *found["mismatched_keys"]]:
        raise ValueError(f"size mismatch or missing: {missing[0]}")
    return model


_IMAGE_TOWERS = {"CLIPModel": "CLIPVisionModelWithProjection", "SiglipModel": "SiglipVisionModel"}


def seems_prunable(architecture: str) -> bool:
    """Whether a class of transformers is of a kind that is known here, by its name alone."""
    stems = tuple(kind.removesuffix("Model") for kind in (*_KINDS, *_IMAGE_TOWERS))
    return architecture.startswith(stems) and not architecture.startswith(tuple(_WHY_NOT))


class _Rotary:
    """The hook of a module that gives rotary tables, a line a patch: (N, D) each, to (B, 1, k, D)."""

    def __init__(self, seam: Seam) -> None:
        self.seam = seam

    def __call__(self, module: nn.Module, inputs: Any, output: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(self.seam.rows(table) for table in output)


def _tensor_of(output: Any) -> Tensor:
    """The answer in an output of transformers: logits, or the picture's embedding."""
    for name in ("logits", "image_embeds", "pooler_output"):
        if (found := getattr(output, name, None)) is not None:
            return found
    return output.last_hidden_state.mean(dim=1)  # SigLIP without its head; all its tokens are patches


def _pair(size: Any) -> tuple[int, int]:
    return (int(size), int(size)) if isinstance(size, int) else (int(size[0]), int(size[1]))


_PAIRS = "its attention holds a bias for each pair of positions"
_WHY_NOT = {
    "Beit": _PAIRS,
    "Data2VecVision": _PAIRS,
    "Swin": "its windows need the whole grid; timm's Swin can be pruned",
    "ConvNext": "it is pruned stage by stage, which is written for timm's ConvNeXt",
    "ViTMAE": "it is a pre-training model that drops its own patches",
    "Siglip2": "it packs pictures of many sizes into one sequence",
    "CLIPText": "it reads text",
    "SiglipText": "it reads text",
}
