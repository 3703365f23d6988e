"""What a model is, in the form of timm's hub config.json: read, completed and checked.

Whatever a configuration leaves out about pictures (size, crop, mean, ...) comes from what timm registers
for the architecture, and from nowhere else.
"""

import inspect
import json
import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from papr_core.errors import PaprWarning, WeightsUnavailable, reason, shortened

__all__ = ["of_file", "of_published", "of_timm", "published", "timm_with_ours"]

_HERE = Path(__file__).resolve().parent

# What a file's configuration leaves out and timm registers. Not the licence and the names of classes: those
# are of other weights.
_REGISTERED = (
    "input_size",
    "fixed_input_size",
    "mean",
    "std",
    "crop_pct",
    "crop_mode",
    "interpolation",
    "num_classes",
    "classifier",
)
_SOURCES = (
    "url",
    "file",
    "state_dict",
    "hf_hub_id",
    "hf_hub_filename",
    "source",
    "custom_load",
    "label_offset",
)
_NAMES = (
    "label_names",
    "label_descriptions",
    "label_synsets",
    "label_set",
    "labels",
    "class_names",
    "classes",
    "id2label",
    "label2id",
    "idx_to_class",
    "class_to_idx",
)
_UNDERSTOOD = {
    *_NAMES,
    *("architecture", "model_args", "pretrained_cfg", "num_classes", "num_labels", "training"),
    *("problem_type", "multi_label"),
    # what timm and transformers note beside, which changes nothing
    *("num_features", "global_pool", "architectures", "model_type", "do_pooling", "initializer_range"),
    *("dtype", "torch_dtype", "transformers_version", "_name_or_path", "use_cache"),
}
_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "box", "hamming", "lanczos", "random")
_CROP_MODES = ("center", "squash", "border")
_LARGEST = 100_000  # a number in model_args; beyond it a model would be built for ever
_MOST_VALUES = 1000
_MOST_CLASSES = 1_000_000


def timm_with_ours() -> ModuleType:
    """timm, which knows our architectures too."""
    import timm

    import papr_core.models.mobilenet_v1  # noqa: F401

    return timm


@lru_cache(maxsize=1)
def published() -> dict[str, dict]:
    """The configurations of files that authors publish under names of their own."""
    return json.loads((_HERE / "published.json").read_text(encoding="utf-8"))


def of_published(name: str) -> dict:
    """The whole configuration of one of them."""
    return _completed(published()[name])


def of_timm(name: str) -> dict | None:
    """The configuration of an architecture or a full name of timm's; None for what timm does not know."""
    registered = _registered(name)
    if registered is None:
        return None
    return _completed({"architecture": name.split(".", 1)[0], "pretrained_cfg": registered})


def of_file(path: Path) -> dict:
    """The configuration that lies beside a file of weights, in timm's form or transformers' TimmWrapper's.

    Keys that nobody understands are named in a `PaprWarning`.

    Raises:
        WeightsUnavailable: it cannot be used, and why.
    """
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(given, dict):
            raise ValueError("it is no JSON object")
        if not given.get("architecture"):
            raise ValueError(_nameless(given, path))
        config = _in_two_levels(given)
        architecture = str(config["architecture"])
        registered = _registered(architecture)
        if registered is None:
            raise WeightsUnavailable(
                f"{path.name} names the architecture {shortened(architecture)!r}, which timm does not have."
            )
        config = _completed(config, registered)
    except RecursionError as error:
        raise WeightsUnavailable(f"{path.name} is nested too deeply for a configuration.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise WeightsUnavailable(
            f"{path.name} is not a configuration in the form of timm's config.json ({reason(error)})."
        ) from error
    _refuse_other_answers(path.name, given, config["num_classes"])
    for key in _SOURCES:
        config["pretrained_cfg"].pop(key, None)  # the file beside it is the source
    _warn_of_strangers(path.name, given)
    return config


def _nameless(given: dict, path: Path) -> str:
    if given.get("model_type") and given["model_type"] != "timm_wrapper":  # transformers' own
        folder = path.parent.name if path.name == "config.json" else path.stem
        return f"it is a model of transformers: give it a folder with config.json, and name it hf:{folder}"
    return 'it names no "architecture", such as vit_tiny_patch16_224'


def _registered(name: str) -> dict | None:
    timm = timm_with_ours()
    from timm.models import get_pretrained_cfg

    if any(character in name for character in "/\\:") or not timm.is_model(name):
        return None
    try:
        found = get_pretrained_cfg(name)
    except RuntimeError:  # the architecture exists, the tag does not
        return None
    return found.to_dict() if found else {}


def _in_two_levels(given: dict) -> dict:
    """timm's older form is one flat dictionary."""
    inner = given.get("pretrained_cfg")
    if inner is None:
        inner = {key: given[key] for key in _fields() if key in given}
    if not isinstance(inner, dict):
        raise ValueError("pretrained_cfg is no JSON object")
    names = {key: inner[key] for key in _NAMES if inner.get(key)}
    return {
        **names,
        **{key: value for key, value in given.items() if value is not None},
        "pretrained_cfg": inner,
    }


def _completed(config: dict, registered: Mapping[str, Any] | None = None) -> dict:
    """A configuration whose parts agree: `registered` filled in, and size and classes as the model is
    built."""
    from timm.models import PretrainedCfg

    arguments = _checked_arguments(config.get("model_args"))
    architecture, _, tag = str(config["architecture"]).partition(".")
    if registered is None:
        registered = _registered(architecture) or {}
    given = {key: value for key, value in config["pretrained_cfg"].items() if value is not None}
    given = {key: registered[key] for key in _REGISTERED if key in registered} | given
    settled = PretrainedCfg(**{key: given[key] for key in _fields() if key in given}).to_dict()
    _check_view(settled)
    size = arguments.get("img_size")
    if size is not None:
        height, width = (size, size) if isinstance(size, int) else size
        settled["input_size"] = (3, height, width)
    classes = config.get("num_classes", config["pretrained_cfg"].get("num_classes"))
    if classes is None:  # transformers' word
        classes = config.get("num_labels", settled["num_classes"])
    classes = _checked_classes(arguments.get("num_classes", classes))
    if "num_classes" in arguments:
        arguments["num_classes"] = classes
    settled.update(num_classes=classes, architecture=architecture)
    if tag:
        settled.setdefault("tag", tag)
    return {
        **config,
        "architecture": architecture,
        "model_args": arguments,
        "pretrained_cfg": settled,
        "num_classes": classes,
    }


def _checked_classes(given: Any) -> int:
    classes = int(given)
    if isinstance(given, bool) or not 0 <= classes <= _MOST_CLASSES or str(classes) != str(given):
        raise ValueError(f"num_classes is a number from 0 up, not {shortened(str(given), 40)!r}")
    return classes


def _check_view(settled: dict) -> None:
    """What the pictures of a model are brought to, in its types. Raises ValueError."""
    for key, kind in (("input_size", int), ("mean", float), ("std", float)):
        settled[key] = tuple(kind(value) for value in settled[key])
        if len(settled[key]) != 3:
            raise ValueError(f"{key} is three numbers, not {len(settled[key])}")
        if not all(map(math.isfinite, settled[key])):
            raise ValueError(f"{key} is not finite")
    if settled["input_size"][0] != 3:
        raise ValueError("input_size is 3, height and width: only models of RGB pictures work here")
    if not all(1 <= side <= _LARGEST for side in settled["input_size"]):
        raise ValueError(f"input_size is impossible: {settled['input_size']}")
    if not all(settled["std"]):
        raise ValueError("std holds a zero")
    if max(settled["mean"]) > 2 or max(settled["std"]) > 2:
        raise ValueError("mean and std are of pictures from 0 to 1: divide what counts to 255 by it")
    settled["crop_pct"] = float(settled["crop_pct"])
    if not 0 < settled["crop_pct"] <= 2:
        raise ValueError(f"crop_pct is a fraction such as 0.9, not {settled['crop_pct']:g}")
    for key, allowed in (("interpolation", _INTERPOLATIONS), ("crop_mode", _CROP_MODES)):
        settled[key] = str(settled[key])
        if settled[key] not in allowed:
            raise ValueError(f"{key} is one of {', '.join(allowed)}, not {shortened(settled[key], 40)!r}")


def _checked_arguments(given: Any) -> dict[str, Any]:
    """model_args: of the architecture, not of the way in which timm builds and fills it."""
    arguments = dict(given or {})
    if reserved := sorted(_builders_own() & arguments.keys()):
        raise ValueError(f"model_args cannot hold {', '.join(reserved)}")
    values = list(_values(arguments))
    if len(values) > _MOST_VALUES:
        raise ValueError(f"model_args hold more than {_MOST_VALUES} values")
    for value in values:
        if isinstance(value, (int, float)) and not abs(value) <= _LARGEST:
            raise ValueError(f"model_args hold {shortened(str(value)[:60], 40)}, over {_LARGEST:,}")
    return arguments


def _values(tree: Any) -> Iterable[Any]:
    if isinstance(tree, (dict, list, tuple)):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from _values(part)
    else:
        yield tree


@cache
def _builders_own() -> frozenset[str]:
    """What timm's builders take for themselves: with some of it random weights would pass for a file's."""
    from timm.models import build_model_with_cfg, create_model

    taken = {*inspect.signature(create_model).parameters, *inspect.signature(build_model_with_cfg).parameters}
    return frozenset(
        taken - {"kwargs"} | {"features_only", "out_indices", "feature_cls", "pretrained_custom_load"}
    )


@cache
def _fields() -> tuple[str, ...]:
    from timm.models import PretrainedCfg

    return tuple(field.name for field in fields(PretrainedCfg))


def _refuse_other_answers(name: str, given: dict, classes: int) -> None:
    """Confidences here are a softmax over classes of which one is true. Raises WeightsUnavailable for
    others."""
    inner = given.get("pretrained_cfg")
    given = {**(inner if isinstance(inner, dict) else {}), **given}
    problem = str(given.get("problem_type") or "")
    if (given.get("multi_label") or problem.startswith("multi_label")) and classes > 1:
        raise WeightsUnavailable(
            f"{name} says that several of its {classes} labels may be true of one picture; what is reported"
            " here is the confidence in one class against the others, so only models of one answer work."
        )
    if problem == "regression":
        raise WeightsUnavailable(f"{name} says that the model gives a quantity; only classifiers work here.")


def _warn_of_strangers(name: str, given: dict) -> None:
    inner = given.get("pretrained_cfg")
    outside = _UNDERSTOOD if inner is not None else {*_UNDERSTOOD, *_fields()}
    strangers = [key for key in given if key not in outside]
    if isinstance(inner, dict):
        known = {*_fields(), *_NAMES, "problem_type", "multi_label"}
        strangers += [f"pretrained_cfg.{key}" for key in inner if key not in known]
    if strangers:
        misplaced = ", which pretrained_cfg holds" if {*strangers} & {*_fields()} else ""
        shown = shortened(", ".join(strangers), 160)
        warnings.warn(f"{name} says things that nobody reads: {shown}{misplaced}.", PaprWarning)
