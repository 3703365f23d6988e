"""CLIP and SigLIP as backbones whose classes are what is typed: the picture's embedding against the texts'.

CLIP, https://arxiv.org/abs/2103.00020, Sec. 3.1.2; SigLIP, https://arxiv.org/abs/2303.15343. The texts are
embedded once; a call embeds the picture, of which only the kept patches are seen, and its logits are the
cosines to the texts times the model's own scale, so that their softmax is the number reported. SigLIP was
trained with a sigmoid a pair; among given classes the softmax ranks alike. Written from the papers.
"""

import contextlib
import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from papr_core.data.images import View
from papr_core.errors import InvalidInput, PaprError, UnsupportedModel, reason
from papr_core.models import catalog, hub, weights
from papr_core.models.backbones import hooked
from papr_core.models.backbones.hooked import HookedBackbone
from papr_core.models.entries import Entry
from papr_core.models.given import twin
from papr_core.models.labels import Labels
from papr_core.models.preprocessing import view_of
from papr_core.pruning.reductions.base import Reduction

__all__ = ["ZeroShotBackbone", "read_texts", "takes_classes", "tokenizer_at_hand", "zero_shot"]

_BOTH = ("CLIPModel", "SiglipModel")
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "spiece.model")
_VOCABULARY = ("tokenizer.json", "vocab.json", "spiece.model")  # a tokenizer has one of them


def zero_shot(
    model: str | nn.Module,
    classes: str | Sequence[str],
    *,
    tokenizer: Any = None,
    name: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> "ZeroShotBackbone":
    """A CLIP or SigLIP of transformers, both towers, as a backbone that knows these classes.

    model: hf:OWNER/NAME, or a model that you loaded, which stays as it is. classes: texts as they are read,
    such as "a photo of a mug"; in one text divided by semicolons. tokenizer: of transformers; by name the
    model's own. mean, std: of the images, where nothing beside the weights says.

    >>> import papr_core
    >>> papr_core.zero_shot("hf:openai/clip-vit-base-patch32", "a photo of a mug")
    Traceback (most recent call last):
    papr_core.errors.InvalidInput: Type at least two different classes, divided by semicolons.

    Raises:
        InvalidInput: fewer than two classes, or no tokenizer. UnsupportedModel: a model of another kind.
        WeightsUnavailable: in one sentence.
    """
    texts = read_texts(classes)
    settings: dict[str, Any] = {}
    entry: Entry
    if isinstance(model, str):
        entry = hub.HubEntry(model, "backbone", model, family="hooked")
        hub.repository(model)  # refuses what is no name of the hub
        both, source = _loaded(entry)
        settings = entry.settings[1]
        tokenizer = tokenizer or _tokenizer(source.file.parent, entry.name)
    else:
        if type(model).__name__ not in _BOTH:
            raise UnsupportedModel(
                f"Typed classes need both towers, {' or '.join(_BOTH)} of transformers, not a"
                f" {type(model).__name__}."
            )
        shown = name or type(model).__name__
        entry = Entry(shown, "backbone", shown)
        source = weights.Source(shown, "given", None, {})
        both = twin(model)
        if tokenizer is None:
            raise InvalidInput("A model that you loaded comes with its tokenizer: give tokenizer= too.")
    side = both.config.vision_config.image_size
    view = view_of(settings, (side, side), entry.name, mean, std)
    text = _embedded(both.eval(), tokenizer, texts)
    labels = Labels("typed", texts)
    return ZeroShotBackbone(both, entry, source, view=view, labels=labels, text=text, tokenizer=tokenizer)


def takes_classes(name: str) -> bool:
    """Whether a backbone's classes can be typed: it is a model of transformers with both towers, and its
    config.json, which says so, is on this machine. Raises UnknownModel."""
    entry = catalog.find(name, "backbone")
    return isinstance(entry, hub.HubEntry) and entry.architecture in _BOTH


def tokenizer_at_hand(name: str) -> bool:
    """Whether the tokenizer of hf:OWNER/NAME is on this machine."""
    return any(hub.locate(name, file).path is not None for file in _VOCABULARY)


class ZeroShotBackbone(HookedBackbone):
    """A CLIP or SigLIP that classifies among texts. text: their unit embeddings, (C, D)."""

    text: Tensor

    def __init__(
        self,
        model: Any,
        entry: Entry,
        source: weights.Source | None,
        *,
        view: View,
        labels: Labels,
        text: Tensor,
        tokenizer: Any,
    ) -> None:
        super().__init__(model, entry, source, view=view, labels=labels)
        self.register_buffer("text", text, persistent=False)
        self._shared = _Shared(tokenizer)

    def with_classes(self, classes: str | Sequence[str]) -> "ZeroShotBackbone":
        """The same model, on the same weights, for other classes. Raises InvalidInput: fewer than two."""
        texts = read_texts(classes)
        found = copy.copy(self)
        found._buffers = {**self._buffers, "text": _embedded(self.model, self._shared.tokenizer, texts)}
        found.labels = Labels("typed", texts)
        return found

    def forward(
        self, images: Tensor, kept: Tensor | None = None, *, reduction: Reduction | None = None
    ) -> Tensor:
        """Normalised images and the patches that each keeps, (B, k), to logits (B, C), as of a call of
        `HookedBackbone`: cosines to the texts, times the model's own scale."""
        self._check_call(images, kept, reduction)
        with self._seam.keeping(kept):
            found = self.model.get_image_features(images, return_dict=True)
        picture = F.normalize(found.pooler_output, dim=-1)
        return self.model.logit_scale.exp() * picture @ self.text.to(picture.dtype).T

    def own_output(
        self,
        images: Tensor,
        kept: Tensor | None = None,
        *,
        reduction: Reduction | None = None,
        **arguments: Any,
    ) -> Any:
        """The same: what the library itself gives of both towers needs the texts each time."""
        if arguments:
            raise InvalidInput(f"{self.name} takes pictures alone, not {', '.join(arguments)}.")
        return self(images, kept, reduction=reduction)

    @staticmethod
    def refusal(model: Any) -> str | None:
        """Why a model cannot be pruned here, or None if it can."""
        return None if type(model).__name__ in _BOTH else f"it has not both towers ({type(model).__name__})"


class _Shared:
    """What copies of a model have in common: a tokenizer is large, and may know no copy."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def __deepcopy__(self, memo: dict) -> "_Shared":
        return self


def read_texts(classes: str | Sequence[str]) -> tuple[str, ...]:
    """Classes as they are typed, divided by semicolons, or one by one: spaces made even, each once. Raises
    InvalidInput: fewer than two."""
    parts = classes.split(";") if isinstance(classes, str) else list(classes)
    texts = tuple(dict.fromkeys(" ".join(str(part).split()) for part in parts))
    texts = tuple(text for text in texts if text)
    if len(texts) < 2:
        raise InvalidInput("Type at least two different classes, divided by semicolons.")
    return texts


def _loaded(entry: hub.HubEntry) -> tuple[Any, weights.Source]:
    import transformers

    folder = entry.fetch_config()
    if entry.architecture not in _BOTH:
        raise UnsupportedModel(
            f"{entry.name} is a {entry.architecture}; typed classes need both towers, {' or '.join(_BOTH)}."
        )
    kind = getattr(transformers, entry.architecture)
    config = kind.config_class.from_pretrained(folder, local_files_only=True)
    source = entry.fetch()
    with weights.refusing(source.file, source.config):
        return hooked.read(kind, source.file.parent, config), source


def _tokenizer(folder: Path, name: str) -> Any:
    from transformers import AutoTokenizer

    if not tokenizer_at_hand(name):
        for file in _TOKENIZER:  # a repository has some of them
            with contextlib.suppress(PaprError):
                weights.fetch(hub.locate(name, file))
    if not any((folder / file).is_file() for file in _VOCABULARY):
        raise InvalidInput(f"{name} has no tokenizer (tokenizer.json, vocab.json or spiece.model).")
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # transformers raises many kinds here
        raise InvalidInput(f"The tokenizer of {name} cannot be read ({reason(error)}).") from error


@torch.inference_mode()
def _embedded(model: Any, tokenizer: Any, texts: tuple[str, ...]) -> Tensor:
    """Texts to unit embeddings, (C, D), a plain tensor on the model's device."""
    length = model.config.text_config.max_position_embeddings
    padding = "max_length" if type(model).__name__ == "SiglipModel" else True  # as it was trained
    tokens = tokenizer(list(texts), padding=padding, truncation=True, max_length=length, return_tensors="pt")
    device = model.logit_scale.device
    arguments = {"input_ids": tokens["input_ids"].to(device)}
    if padding is True:
        arguments["attention_mask"] = tokens["attention_mask"].to(device)
    found = model.get_text_features(**arguments, return_dict=True).pooler_output
    return F.normalize(found.float(), dim=-1).clone()
