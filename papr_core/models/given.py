"""Models that the caller built, as backbones and proposals: through a twin, so theirs stays as it is.

A twin has the modules copied and the tensors shared. What a backbone or a proposal needs inside (a hook, a
filled slot, merged branches) is done to the twin's modules.
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from papr_core.errors import InvalidInput, UnsupportedModel, reason
from papr_core.models import labels as _labels
from papr_core.models import weights
from papr_core.models.backbones import hooked, prunable, tubelets
from papr_core.models.backbones.base import Backbone
from papr_core.models.backbones.hooked import HookedBackbone
from papr_core.models.entries import Entry
from papr_core.models.labels import Labels
from papr_core.models.preprocessing import mean_and_std, read_json
from papr_core.models.proposals.base import Proposal
from papr_core.models.proposals.images import ImageProposal, refusal

__all__ = ["adopted", "as_backbone", "as_proposal", "twin"]


_Name = TypeVar("_Name", str, str | None)


def twin(model: nn.Module, *, frozen: bool = False) -> Any:
    """A copy of a module's structure on the same tensors: training one trains the other, and nothing that is
    done to the modules of one is done to the other's. frozen: parameters of its own that ask for no gradient,
    on the same memory.

    Raises:
        UnsupportedModel: a module that cannot be copied.
    """
    memo: dict[int, Any] = {id(buffer): buffer for buffer in model.buffers()}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.detach(), requires_grad=False) if frozen else parameter
    try:
        return copy.deepcopy(model, memo)
    except Exception as error:  # whatever a module holds that knows no copy
        raise UnsupportedModel(f"The {type(model).__name__} cannot be copied ({reason(error)}).") from error


def as_backbone(
    model: "Backbone | nn.Module",
    *,
    name: str | None = None,
    labels: Labels | Sequence[str] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    img_size: int | tuple[int, int] | None = None,
) -> Backbone:
    """A model that the caller built, as a backbone on the same weights, in eval mode.

    model: of timm or transformers, or what `load_backbone` or `prune` gave. name: for tables and pages;
    labels: of its classes; mean, std: of its images; img_size: pixels, or (height, width), of a ConvNeXt or
    of a model of transformers. What is not said is what the model's own configuration says; where no mean is
    to be found, 0.5 with a warning.

    >>> import papr_core, timm
    >>> model = timm.create_model("test_vit", num_classes=3)
    >>> papr_core.as_backbone(model, name="my shapes", labels=["disc", "square", "star"])
    TokenBackbone('my shapes', 10x10 patches, Labels('own-3', 3 classes))

    Raises:
        UnsupportedModel: what cannot be pruned, and why. InvalidInput: an argument that does not fit it.
    """
    told = {"name": name, "labels": labels, "mean": mean, "std": std, "img_size": img_size}
    if isinstance(inner := getattr(model, "backbone", None), Backbone):  # what `prune` gave
        model = inner
    if isinstance(model, Backbone):
        if said := [key for key, value in told.items() if value is not None]:
            raise InvalidInput(f"{model.name} is a backbone already; {', '.join(said)} cannot be said again.")
        return model
    model = _unwrapped(model, "backbone")
    name = name or _name_of(model)
    entry = Entry(name, "backbone", name)
    if not _comes_from(model, "transformers"):
        return _of_timm(model, entry, labels, mean, std, img_size)
    settings = _preprocessing(model)
    if type(model).__name__ == "VideoMAEForVideoClassification":
        if img_size is not None:
            raise InvalidInput(f"{name} has one size.")
        return tubelets.of_transformers(
            twin(model), entry, _source(name), settings=settings, labels=labels, mean=mean, std=std
        )
    if why := HookedBackbone.refusal(model):
        raise UnsupportedModel(f"{name} cannot be pruned: {why}.")
    return hooked.of_transformers(
        twin(model),
        entry,
        _source(name),
        settings=settings,
        labels=labels,
        mean=mean,
        std=std,
        img_size=img_size,
    )


def as_proposal(model: "Proposal | nn.Module", *, name: str | None = None) -> Proposal:
    """A ConvNet of timm that the caller built, or a proposal, on the same weights but frozen, in eval mode;
    branches are merged in a copy.

    Raises:
        UnsupportedModel: what cannot be a proposal, and why.
    """
    if isinstance(model, Proposal):
        return twin(model, frozen=True)
    copied = twin(_unwrapped(model, "proposal"), frozen=True).eval()
    name = name or _name_of(copied)
    if not isinstance(getattr(copied, "pretrained_cfg", None), dict):
        raise UnsupportedModel(f"{name} cannot be a proposal: it is no model of timm.")
    _complete(copied, name, None, None)
    if why := refusal(copied):
        raise UnsupportedModel(f"{name} cannot be a proposal: {why}.")
    return ImageProposal(copied, Entry(name, "proposal", name), _source(name, copied.pretrained_cfg))


def adopted(
    proposal: "_Name | Proposal | nn.Module", backbone: "_Name | Backbone | nn.Module"
) -> "tuple[_Name | Proposal, _Name | Backbone]":
    """A proposal and a backbone as whoever compares or evaluates takes them: names and ours as they are,
    other modules by `as_proposal` and `as_backbone`.

    Raises:
        UnsupportedModel: also a model whose answers are no confidences in one class of several.
    """
    if not isinstance(proposal, str | Proposal | None):
        proposal = as_proposal(proposal)
    if not isinstance(backbone, str | None):
        backbone = as_backbone(backbone)
    for model in (proposal, backbone):
        if not isinstance(model, str | None) and (why := model.unanswering):
            raise UnsupportedModel(f"{model.name} cannot be asked for its confidence: {why}.")
    return proposal, backbone


def _of_timm(
    model: Any,
    entry: Entry,
    labels: Labels | Sequence[str] | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    img_size: int | tuple[int, int] | None,
) -> Backbone:
    copied = twin(model)
    channels = getattr(copied, "in_chans", 3)
    if channels != 3:
        raise UnsupportedModel(
            f"{entry.name} reads {channels} channels; only models of RGB pictures work here."
        )
    if isinstance(getattr(copied, "num_classes", None), int):
        _complete(copied, entry.name, mean, std)
    if img_size is not None and not hasattr(copied, "stem"):
        raise InvalidInput(f"{entry.name} is built for one size: give img_size= to timm.create_model.")
    found = prunable(
        copied, entry, _source(entry.name, vars(copied).get("pretrained_cfg")), img_size=img_size
    )
    if labels is not None:
        if found.headless:
            raise InvalidInput(f"{entry.name} has no classifier, so there are no classes to name.")
        found.labels = _labels.given(labels, len(found.labels))
    return found


def _complete(copied: Any, name: str, mean: Sequence[float] | None, std: Sequence[float] | None) -> None:
    """Give a twin of a timm model a whole `pretrained_cfg`, whatever its caller left out."""
    config = dict(getattr(copied, "pretrained_cfg", None) or {})
    config["mean"], config["std"] = mean_and_std(config.get("mean"), config.get("std"), name, mean, std)
    config.setdefault("input_size", (3, 224, 224))
    copied.pretrained_cfg = config


def _preprocessing(model: Any) -> dict[str, Any]:
    """What the preprocessor_config.json beside a transformers model's weights says, on this machine: in the
    folder that it was loaded from, or in the hub's cache; empty where there is none."""
    origin = getattr(model, "name_or_path", "") or ""
    if not origin:
        return {}
    path = Path(origin, "preprocessor_config.json")
    return read_json(path if path.is_file() else weights.cached_file(origin, path.name))


def _source(name: str, config: dict | None = None) -> weights.Source:
    return weights.Source(name, "given", None, {"pretrained_cfg": config or {}, "architecture": name})


def _name_of(model: Any) -> str:
    config = getattr(model, "pretrained_cfg", None)
    if isinstance(config, dict) and config.get("architecture"):
        tag = config.get("tag")
        return f"{config['architecture']}.{tag}" if tag else str(config["architecture"])
    origin = str(getattr(model, "name_or_path", "") or "")
    return Path(origin).name or type(model).__name__


def _unwrapped(model: Any, role: str) -> nn.Module:
    while isinstance(model, nn.Module):
        # what torch.compile gave; DDP and its kin, averaging
        inner = getattr(model, "_orig_mod", None) or getattr(model, "module", None)
        if not isinstance(inner, nn.Module):
            if why := _numberless(model):
                raise UnsupportedModel(f"{_name_of(model)} cannot be a {role}: {why}.")
            return model
        model = inner
    raise UnsupportedModel(
        f"A {role} is a name, or what load_{role} gives, or a model that you built, not a"
        f" {type(model).__name__}."
    )


def _numberless(model: nn.Module) -> str | None:
    """Why there are no numbers to compute with, or None."""
    if any(parameter.is_meta for parameter in model.parameters()):
        return "its tensors are on the meta device, without values: load its weights first"
    packed = any(".quantized" in type(module).__module__ for module in model.modules())
    if packed or not all(parameter.is_floating_point() for parameter in model.parameters()):
        return "its weights are quantised: give it in float32 or in halves"
    return None


def _comes_from(model: nn.Module, package: str) -> bool:
    return any(base.__module__.partition(".")[0] == package for base in type(model).__mro__)
