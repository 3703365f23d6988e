"""Where weights come from: embedded, the user's own folder, the hub's cache, download; in this order.

A model of the own folder is NAME.safetensors (or a .pth that holds nothing but tensors) beside NAME.json, in
the form of timm's hub config.json: `architecture`, `model_args`, `pretrained_cfg`, `num_classes`,
`label_names`. Whatever timm publishes is found, converted and loaded by timm's own functions; files that
authors publish under names of their own (MAE's fine-tuned ViTs, Apple's MobileOne) need no NAME.json:
published.json says what they are. Nothing in a file is ever run.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from papr_core.errors import (
    InvalidInput,
    PaprError,
    UnknownModel,
    UnsupportedModel,
    WeightsUnavailable,
    reason,
    shortened,
)
from papr_core.models import apple_mobileone
from papr_core.models.downloads import Progress, download
from papr_core.models.embedded import ASSETS, EMBEDDED

__all__ = [
    "Progress",
    "Source",
    "configure",
    "configured",
    "create",
    "fetch",
    "is_own",
    "known_sha256",
    "load_strictly",
    "locate",
    "locate_published",
    "megabytes",
    "own_kind",
    "own_models",
    "read_config",
    "sha256",
    "skeleton",
    "timm_name",
]

_HERE = Path(__file__).resolve().parent
_SUFFIXES = (".safetensors", ".pth", ".pth.tar", ".pt", ".bin")
_YES = ("1", "ON", "YES", "TRUE")
_NOT_ARGUMENTS = {
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "checkpoint_path",
    "cache_dir",
    "features_only",
}


@dataclass
class _Settings:
    weights_dir: Path | None = None
    downloads: bool = True


_settings = _Settings()


@dataclass(frozen=True)
class Source:
    """Where the weights of a model are.

    kind: "embedded", "local", "cached" or "download"; path and megabytes: of the file, None before a
    download; config: in the form of timm's hub config.json.
    """

    name: str
    kind: str
    path: Path | None
    config: dict = field(repr=False)
    megabytes: float | None = None


def configure(*, weights_dir: str | os.PathLike | None = None, downloads: bool | None = None) -> None:
    """Set the user's own folder (until then `PAPR_WEIGHTS` counts) and whether anything may be downloaded.

    >>> import papr_core
    >>> papr_core.configure(downloads=False)
    >>> papr_core.load_backbone("vit_huge_patch14_224.orig_in21k")
    Traceback (most recent call last):
    papr_core.errors.WeightsUnavailable: ...

    Raises:
        InvalidInput: a folder that is not there.
    """
    if weights_dir is not None:
        folder = Path(weights_dir).expanduser()
        if not folder.is_dir():
            raise InvalidInput(f"The weights folder {weights_dir} does not exist.")
        _settings.weights_dir = folder
    if downloads is not None:
        _settings.downloads = bool(downloads)


@contextmanager
def configured(
    *, weights_dir: str | os.PathLike | None = None, downloads: bool | None = None
) -> Iterator[None]:
    """`configure` for a block: afterwards, for all threads, it is as it was before."""
    before = replace(_settings)
    try:
        configure(weights_dir=weights_dir, downloads=downloads)
        yield
    finally:
        _settings.weights_dir, _settings.downloads = before.weights_dir, before.downloads


def own_models() -> tuple[str, ...]:
    """The names of the models in the user's own folder, whatever part they play."""
    folder = _own_folder()
    if folder is None:
        return ()
    names = {path.stem for path in folder.glob("*.json")}
    names |= {*_published(), *(f"mobileone_s{size}" for size in range(5))}  # these need no configuration
    return tuple(sorted(name for name in names if _weights_in(folder, name)))


def is_own(name: str) -> bool:
    """Whether a model of this name is embedded or lies in the user's own folder."""
    return _own_file(name) is not None


def own_kind(name: str) -> str | None:
    """Where a model that needs no hub is: "embedded", "local", or None."""
    found = _own_file(name)
    return found[0] if found else None


def timm_name(name: str) -> str | None:
    """timm's full name, with tag, of an architecture or a full name; None for what timm does not know."""
    config = _timm_config(name)
    if config is None:
        return None
    tag = config["pretrained_cfg"].get("tag")
    return f"{config['architecture']}.{tag}" if tag else config["architecture"]


def read_config(name: str) -> dict:
    """A model's configuration in the form of timm's hub config.json, from beside its file or from timm.

    Raises:
        UnknownModel: no such model. WeightsUnavailable: a configuration that cannot be used.
    """
    found = _own_file(name)
    if found:
        beside = found[1].with_name(f"{name}.json")
        if beside.is_file():
            return _parse_config(beside)
        if found[0] == "embedded":
            raise _missing_asset(beside.name)
    if name in _published():
        return _complete(_published()[name])
    config = _timm_config(name)
    if config is not None:
        return config
    if found:
        raise WeightsUnavailable(
            f"{found[1].name} needs {name}.json beside it, which says what it is (architecture, ...)."
        )
    if name in EMBEDDED:
        raise _missing_asset(f"{name}.safetensors")
    raise UnknownModel(f"There is no model {name!r}.")


def locate(name: str) -> Source:
    """Where the weights of a model are now. Never touches the network.

    Raises:
        WeightsUnavailable: nobody has published weights for it. UnknownModel: no such model.
    """
    config = read_config(name)
    found = _own_file(name)
    kind, path = found or ("cached", _cached(config["pretrained_cfg"]))
    if path is not None:
        return Source(name, kind, path, config, path.stat().st_size / 1e6)
    if name in EMBEDDED:
        raise _missing_asset(f"{name}.safetensors")
    if not (config["pretrained_cfg"].get("hf_hub_id") or config["pretrained_cfg"].get("url")):
        raise WeightsUnavailable(f"timm knows no weights for {name}: {_put_it(name)}.")
    return Source(name, "download", None, config)


def megabytes(name: str) -> float:
    """The size of a model's tensors as timm publishes them, from its architecture alone."""
    state = skeleton(name).state_dict()
    return sum(value.numel() * value.element_size() for value in state.values()) / 1e6


def fetch(source: Source, progress: Progress | None = None) -> Source:
    """The same source with its file on this machine: downloaded where it has to be.

    progress(done, total) is called with bytes and may raise `Stopped`. An interrupted download is resumed by
    the next one, and never taken for a whole file.

    Raises:
        WeightsUnavailable: downloads are off, the machine is offline, or the download failed; and what to do.
    """
    if source.path is not None:
        return source
    missing = f"The weights of {source.name} are not on this machine"
    if not _settings.downloads:
        raise WeightsUnavailable(f"{missing}, and downloads are off: {_put_it(source)}.")
    if _offline():
        raise WeightsUnavailable(f"{missing}, and HF_HUB_OFFLINE is set: unset it, or {_put_it(source)}.")
    try:
        path = _download(source.config["pretrained_cfg"], progress)
    except PaprError:
        raise
    except Exception as error:  # the hub's client, and the network below it, raise dozens of kinds
        raise WeightsUnavailable(
            f"The weights of {source.name} could not be downloaded ({reason(error)}):"
            f" check the connection and try again, or {_put_it(source)}."
        ) from error
    return replace(source, kind="cached", path=path, megabytes=path.stat().st_size / 1e6)


def locate_published(name: str, published: dict, file: str) -> Source:
    """Where the weights of a model are that timm does not know, as `locate` says it of timm's.

    published: "url", or "hf_hub_id" and "hf_hub_filename", as in a pretrained_cfg; empty where there are
    none. file: the published file's name, which the own folder may use instead of the model's.

    Raises:
        WeightsUnavailable: nobody has published weights for it.
    """
    config = {"architecture": name, "pretrained_cfg": published, "file": file}
    folder = _own_folder()
    path = None
    if folder is not None:
        path = folder / file if file and (folder / file).is_file() else _weights_in(folder, name)
    kind = "local" if path is not None else "cached"
    if path is None and published:
        path = _cached(published)
    if path is not None:
        return Source(name, kind, path, config, path.stat().st_size / 1e6)
    if not published:
        raise WeightsUnavailable(f"Nobody has published weights of {name}; it is here for its cost alone.")
    return Source(name, "download", None, config)


def load_strictly(
    model: nn.Module,
    source: Source,
    *,
    inside: str | None = None,
    rename: Callable[[str], str] = lambda key: key,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
) -> Source:
    """Fill a model with the tensors of a source's file, all of them and no others, and move it to a device;
    gives the source with its file. inside: the key under which the file holds them. Only tensors are read.

    Raises:
        WeightsUnavailable: the file cannot be had, is damaged, of another model, or needs more than tensors.
    """
    source = fetch(source, progress)
    with _refusing(source):
        state = _read(source.path, inside)
        model.load_state_dict({rename(key): value.float() for key, value in state.items()}, strict=True)
    _moved(model, device)
    return source


def create(
    name: str,
    *,
    pretrained: bool = True,
    device: str | torch.device = "cpu",
    img_size: int | tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> tuple[Any, Source | None]:
    """timm's model of this name, in eval mode, with its weights (or random ones), and where they came from.

    Raises:
        WeightsUnavailable: weights that cannot be had, or do not fit. InvalidInput: a size or device that is
            impossible.
    """
    if not pretrained:
        return _moved(_build(name, read_config(name), img_size), device), None
    source = fetch(locate(name), progress)
    with _refusing(source), _NoRandomInit():
        opened = _opened(source.path)
        if apple_mobileone.recognised(opened.get("state_dict", ())):
            model = _build(name, source.config, img_size)
            model = apple_mobileone.loaded(model, opened["state_dict"])
        else:
            model = _build(name, source.config, img_size, opened)
    model.pretrained_cfg.pop("state_dict", None)  # timm would keep the tensors a second time
    return _moved(model, device), source


def skeleton(name: str) -> Any:
    """The model of this name without weights or memory (on the meta device), for its structure."""
    config = read_config(name)
    try:
        with torch.device("meta"), _NoRandomInit():
            return _build(name, config).eval()
    except NotImplementedError:  # an old timm computes what it builds
        with _NoRandomInit():
            return _build(name, config).eval().to("meta")


def sha256(path: str | os.PathLike) -> str:
    """The SHA-256 of a file, remembered until the file changes."""
    stat = os.stat(path)
    return _sha256(os.fspath(path), stat.st_size, stat.st_mtime_ns)


def known_sha256(source: Source) -> str | None:
    """The SHA-256 of a source's file where a list may say it: of what is embedded or local, which is small or
    the user's own, and of what the hub's cache has under that name; None of everything else."""
    if source.kind in ("embedded", "local"):
        return sha256(source.path)
    blob = source.path and os.path.basename(os.path.realpath(source.path))
    return blob if blob and re.fullmatch("[0-9a-f]{64}", blob) else None


@lru_cache(maxsize=256)
def _sha256(path: str, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# Own files and configurations


def _own_folder() -> Path | None:
    if _settings.weights_dir is not None:
        return _settings.weights_dir
    folder = os.environ.get("PAPR_WEIGHTS")
    return Path(folder).expanduser() if folder else None


def _own_file(name: str) -> tuple[str, Path] | None:
    length = len(name.encode("utf-8", "replace"))
    if not 0 < length <= 200 or name.startswith(".") or any(sign in name for sign in "/\\:\0"):
        return None  # a name, never a path
    embedded = ASSETS / f"{name}.safetensors"
    if embedded.is_file():
        return "embedded", embedded
    folder = _own_folder()
    path = _weights_in(folder, name) if folder else None
    return ("local", path) if path else None


def _weights_in(folder: Path, name: str) -> Path | None:
    candidates = (folder / f"{name}{suffix}" for suffix in _SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


@lru_cache(maxsize=1)
def _published() -> dict[str, dict]:
    """The configurations of files that authors publish under names of their own."""
    return json.loads((_HERE / "published.json").read_text(encoding="utf-8"))


def _parse_config(path: Path) -> dict:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if "pretrained_cfg" not in config:  # timm's older form: one flat dictionary
            config = {"architecture": config["architecture"], "pretrained_cfg": config}
        config = _complete(config)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsUnavailable(
            f"{path.name} is not a configuration in the form of timm's config.json ({reason(error)})."
        ) from error
    if _timm_config(config["architecture"]) is None:
        raise WeightsUnavailable(
            f"{path.name} names the architecture {config['architecture']!r}, which timm does not have."
        )
    for key in ("url", "file", "hf_hub_id", "hf_hub_filename", "source", "custom_load"):
        config["pretrained_cfg"].pop(key, None)  # the file beside it is the source
    return config


def _timm_config(name: str) -> dict | None:
    timm = _timm()
    from timm.models import get_pretrained_cfg

    if any(character in name for character in "/\\:") or not timm.is_model(name):
        return None
    try:
        published = get_pretrained_cfg(name)
    except RuntimeError:  # the architecture exists, the tag does not
        return None
    published = published.to_dict() if published else {}
    return _complete({"architecture": name.split(".", 1)[0], "pretrained_cfg": published})


def _complete(config: dict) -> dict:
    """A configuration whose parts agree: defaults filled in, and size and classes as the model is built."""
    timm = _timm()
    from timm.models import PretrainedCfg, get_pretrained_cfg

    arguments = dict(config.get("model_args") or {})
    if _NOT_ARGUMENTS & arguments.keys():
        raise ValueError(f"model_args cannot hold {', '.join(sorted(_NOT_ARGUMENTS & arguments.keys()))}")
    known = {item.name for item in fields(PretrainedCfg)}
    given = config["pretrained_cfg"].items()
    given = {key: value for key, value in given if key in known and value is not None}
    if "fixed_input_size" not in given and timm.is_model(str(config["architecture"])):
        registered = get_pretrained_cfg(str(config["architecture"]))
        given["fixed_input_size"] = bool(registered and registered.fixed_input_size)
    published = PretrainedCfg(**given).to_dict()
    for key, kind in (("input_size", int), ("mean", float), ("std", float)):
        published[key] = tuple(kind(value) for value in published[key])
        if len(published[key]) != 3:
            raise ValueError(f"{key} is three numbers, not {len(published[key])}")
    published["crop_pct"] = float(published["crop_pct"])
    published["interpolation"] = str(published["interpolation"])
    size = arguments.get("img_size")
    if size is not None:
        height, width = (size, size) if isinstance(size, int) else size
        published["input_size"] = (3, height, width)
    classes = int(arguments.get("num_classes", config.get("num_classes", published["num_classes"])))
    published.update(num_classes=classes, architecture=str(config["architecture"]))
    return {
        **config,
        "architecture": published["architecture"],
        "model_args": arguments,
        "pretrained_cfg": published,
        "num_classes": classes,
    }


# Building


def _timm() -> ModuleType:
    """timm, which knows our architectures too."""
    import timm

    import papr_core.models.mobilenet_v1  # noqa: F401

    return timm


def _build(
    name: str,
    config: dict,
    img_size: int | tuple[int, int] | None = None,
    pretrained: dict | None = None,
) -> Any:
    """timm's model; `pretrained` says where its weights are, in the words of timm's `pretrained_cfg`."""
    arguments = dict(config["model_args"])
    if img_size is not None:
        arguments["img_size"] = _checked_size(img_size)
    try:
        model = _timm().create_model(
            config["architecture"],
            pretrained=pretrained is not None,
            pretrained_cfg=config["pretrained_cfg"],
            pretrained_cfg_overlay=pretrained,
            **arguments,
        )
    except (TypeError, ValueError, AssertionError) as error:
        raise InvalidInput(f"{name} cannot be built as asked ({reason(error)}).") from error
    if getattr(model, "in_chans", 3) != 3:
        raise UnsupportedModel(
            f"{name} reads {model.in_chans} channels; only models of RGB pictures work here."
        )
    return model


def _checked_size(size: int | tuple[int, int]) -> tuple[int, int]:
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise InvalidInput(f"An image size is one or two whole numbers from 1 up, not {size!r}.")
    return sides


def _opened(path: Path) -> dict:
    """A weights file in the words of timm's `pretrained_cfg`, its contents looked at but not run."""
    if path.suffix != ".safetensors":  # not left to timm, whose older versions would have run it
        return {"state_dict": _read(path), "custom_load": False}
    from safetensors import safe_open

    with safe_open(path, framework="pt"):
        return {"file": str(path), "custom_load": False}


def _read(path: Path, inside: str | None = None) -> dict[str, Tensor]:
    from timm.models import load_state_dict

    if inside is not None and path.suffix != ".safetensors":
        whole = torch.load(path, map_location="cpu", weights_only=True)
        state = whole.get(inside, whole)
    else:
        state = load_state_dict(str(path), weights_only=True)
    strange = [key for key, value in state.items() if not isinstance(value, Tensor)]
    if strange:
        raise ValueError(f"{strange[0]!r} is no tensor")
    return state


def _moved(model: nn.Module, device: str | torch.device) -> nn.Module:
    try:
        return model.eval().to(device)
    except (RuntimeError, AssertionError) as error:
        raise InvalidInput(f"The device {str(device)!r} cannot be used here ({reason(error)}).") from error


class _NoRandomInit(TorchFunctionMode):
    """Skips the drawing of random numbers that the weights overwrite anyway. Acts on this thread alone."""

    _DRAWS = frozenset(
        [Tensor.uniform_, Tensor.normal_, Tensor.erfinv_]
        + [nn.init.uniform_, nn.init.normal_, nn.init.trunc_normal_, nn.init.kaiming_uniform_]
        + [nn.init.kaiming_normal_, nn.init.xavier_uniform_, nn.init.xavier_normal_]
    )

    def __torch_function__(
        self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if function in self._DRAWS:
            return args[0] if args else kwargs["tensor"]
        return function(*args, **(kwargs or {}))


@contextmanager
def _refusing(source: Source) -> Iterator[None]:
    """Whatever goes wrong while a file is read and fitted to its model becomes one sentence."""
    try:
        yield
    except PaprError:
        raise
    except Exception as error:
        text = str(error)
        if "weights_only" in text:
            asked = re.search(r"globals?: (.+?)\. No automatic", text)
            code = shortened(asked[1]) if asked else "a pickle"
            why = f"reading it would run code ({code}), and only tensors are read"
        elif any(sign in text for sign in ("size mismatch", "Missing key", "Unexpected key")):
            detail = shortened(text.split(":", 1)[1])
            why = f"its tensors are not those of {source.config['architecture']} ({detail})"
        else:
            why = f"it is damaged or of another format ({reason(error)})"
        raise WeightsUnavailable(f"{source.path.name} is refused: {why}.") from error


# The hub, and plain addresses


def _hub_files(published: dict) -> tuple[str, str | None, list[str]] | None:
    """Repository, revision and the file names to try, as timm resolves them."""
    from timm.models._hub import HF_WEIGHTS_NAME, _get_safe_alternatives, hf_split

    if not published.get("hf_hub_id"):
        return None
    repository, revision = hf_split(published["hf_hub_id"])
    filename = published.get("hf_hub_filename") or HF_WEIGHTS_NAME
    return repository, revision, [*_get_safe_alternatives(filename), filename]


def _cached(published: dict) -> Path | None:
    hub = _hub_files(published)
    if hub is None:
        path = _beside_torch(published["url"]) if published.get("url") else None
        return path if path and path.is_file() else None
    from huggingface_hub import try_to_load_from_cache

    repository, revision, names = hub
    for name in names:
        path = try_to_load_from_cache(repository, name, cache_dir=_hub_cache(), revision=revision)
        if isinstance(path, str) and os.path.isfile(path):
            return Path(path)
    return None


def _download(published: dict, progress: Progress | None) -> Path:
    hub = _hub_files(published)
    if hub is None:
        path = _beside_torch(published["url"])
        # torch's habit: the hash's beginning ends the name
        stamped = re.search(r"-([0-9a-f]{8,})\.", path.name)
        return download(published["url"], path, sha256=stamped[1] if stamped else None, progress=progress)
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    repository, revision, names = hub
    for name in names:
        try:
            found = get_hf_file_metadata(hf_hub_url(repository, name, revision=revision), timeout=10)
            break
        except EntryNotFoundError:
            if name == names[-1]:
                raise
    cache = Path(_hub_cache() or constants.HF_HUB_CACHE)
    folder = f"models--{repository.replace('/', '--')}"
    download(
        found.location,
        cache / folder / "blobs" / found.etag,  # where the hub's client looks for it
        size=found.size,
        sha256=found.etag if len(found.etag) == 64 else None,
        lock=cache / ".locks" / folder / f"{found.etag}.lock",
        progress=progress,
    )
    # now it is there, and this only links it from its snapshot
    return Path(hf_hub_download(repository, name, revision=revision, cache_dir=cache))


def _beside_torch(url: str) -> Path:
    return Path(torch.hub.get_dir(), "checkpoints", os.path.basename(url.split("?")[0]))


def _hub_cache() -> str | None:
    """The hub's cache folder where the environment names one (the hub itself reads it only at import)."""
    for variable, below in (("HF_HUB_CACHE", ""), ("HUGGINGFACE_HUB_CACHE", ""), ("HF_HOME", "hub")):
        if os.environ.get(variable):
            return os.path.join(os.path.expanduser(os.environ[variable]), below)
    return None


def _offline() -> bool:
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "").upper() in _YES


# Words


def _missing_asset(file: str) -> WeightsUnavailable:
    return WeightsUnavailable(
        f"The embedded file {file} is missing from the assets folder:"
        " install the project again, or take the file from its repository."
    )


def _put_it(model: str | Source) -> str:
    name = model
    if isinstance(model, Source):
        name = model.name
        if file := model.config.get("file"):
            return f"put {file} into your weights folder (--weights-dir, PAPR_WEIGHTS)"
    return f"put {name}.safetensors and {name}.json into your weights folder (--weights-dir, PAPR_WEIGHTS)"
