"""Where weights come from: embedded, the user's own folder, the hub's cache, download; in this order.

A model of the own folder is NAME.safetensors (or a .pth, .ckpt, ... that holds nothing but tensors) beside
NAME.json, in the form of timm's hub config.json (configuration.py); or a folder NAME as the hub and
transformers leave it, with config.json and model.safetensors; or the own folder is such a one. Whatever
timm publishes is found, converted and loaded by timm's own functions; files that authors publish under
names of their own (MAE's fine-tuned ViTs, Apple's MobileOne) need no NAME.json: published.json says
what they are. Nothing in a file is ever run (checkpoints.py).
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from papr_core.errors import (
    InvalidInput,
    PaprError,
    UnknownModel,
    UnsupportedModel,
    WeightsUnavailable,
    reason,
)
from papr_core.models import apple_mobileone, configuration, one_output
from papr_core.models.checkpoints import (
    POINTER,
    SUFFIXES,
    NoRandomInit,
    few_parameters,
    is_pointer,
    opened,
    read,
    refusing,
)
from papr_core.models.downloads import Progress, download
from papr_core.models.embedded import ASSETS, EMBEDDED

__all__ = [
    "SUFFIXES",
    "Progress",
    "Source",
    "cached_file",
    "configure",
    "configured",
    "create",
    "fetch",
    "is_hub_address",
    "is_own",
    "known_sha256",
    "load_strictly",
    "locate",
    "locate_published",
    "megabytes",
    "own_folders",
    "own_kind",
    "own_models",
    "read_config",
    "refusing",
    "sha256",
    "sha256_of",
    "skeleton",
    "timm_name",
    "unread",
]

_YES = ("1", "ON", "YES", "TRUE")
_SNAPSHOT = (
    "model.safetensors",
    "pytorch_model.bin",
)  # beside config.json, as the hub and transformers name them


@dataclass
class _Settings:
    weights_dir: Path | None = None
    downloads: bool = True


_settings = _Settings()


@dataclass(frozen=True)
class Source:
    """Where the weights of a model are.

    kind: "embedded", "local", "cached", "download", or "given" of a model that the caller built; path and
    megabytes: of the file, None before a download and of what is given; config: in the form of timm's hub
    config.json.
    """

    name: str
    kind: str
    path: Path | None
    config: dict = field(repr=False)
    megabytes: float | None = None

    @property
    def file(self) -> Path:
        """`path`, of weights that are on this machine, as `fetch` leaves them."""
        if self.path is None:
            raise RuntimeError(f"The weights of {self.name} have not been fetched.")
        return self.path


def configure(*, weights_dir: str | os.PathLike | None = None, downloads: bool | None = None) -> None:
    """Set the user's own folder (until then `PAPR_WEIGHTS` counts, folders divided as in PATH) and whether
    anything may be downloaded.

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
        if not folder.is_dir() or not os.fspath(weights_dir):
            raise InvalidInput(f"The weights folder {os.fspath(weights_dir)!r} does not exist.")
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
    """The names of the models in the user's own folders, whatever part they play."""
    found: set[str] = set()
    for folder in own_folders():
        names = {path.stem for path in folder.glob("*.json")}
        names |= {path.parent.name for path in folder.glob("*/config.json")} | {folder.name}
        # these need no configuration
        names |= {*configuration.published(), *(f"mobileone_s{size}" for size in range(5))}
        found |= {name for name in names if _weights_in(folder, name)}
    return tuple(sorted(found))


def is_own(name: str) -> bool:
    """Whether a model of this name is embedded or lies in the user's own folder."""
    return _own_file(name) is not None


def own_kind(name: str) -> str | None:
    """Where a model that needs no hub is: "embedded", "local", or None."""
    found = _own_file(name)
    return found[0] if found else None


def is_hub_address(name: str) -> bool:
    """Whether this is `hf-hub:user/model`, perhaps with a revision behind an @: a model of the hub's, in
    timm's form or TimmWrapper's, that is looked for in the hub's cache and downloaded where that is
    allowed."""
    return (
        re.fullmatch(r"hf-hub:[\w][\w.-]{0,95}/[\w][\w.-]{0,95}(@[\w][\w.-]{0,95})?", name, re.ASCII)
        is not None
    )


def timm_name(name: str) -> str | None:
    """timm's full name, with tag, of an architecture or a full name; None for what timm does not know."""
    config = configuration.of_timm(name)
    if config is None:
        return None
    tag = config["pretrained_cfg"].get("tag")
    return f"{config['architecture']}.{tag}" if tag else config["architecture"]


def read_config(name: str) -> dict:
    """A model's configuration in the form of timm's hub config.json, from beside its file or from timm.

    Raises:
        UnknownModel: no such model. WeightsUnavailable: a configuration that cannot be used.
    """
    if is_hub_address(name):
        return _hub_config(name)
    found = _own_file(name)
    if found:
        beside = _config_of(name, found[1])
        if beside.is_file():
            return configuration.of_file(beside)
        if found[0] == "embedded":
            raise _missing_asset(beside.name)
    if name in configuration.published():
        return configuration.of_published(name)
    config = configuration.of_timm(name)
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
    """Where the weights of a model are now. Never touches the network, but for the configuration of a model
    that is named by its address on the hub.

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
    path = None
    for folder in own_folders():
        path = folder / file if file and (folder / file).is_file() else _weights_in(folder, name)
        if path is not None:
            break
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
    with refusing(source.file, source.config):
        state = read(source.file, inside)
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
        model = _build(name, read_config(name), img_size)
        return _moved(one_output.doubled(model, name), device), None
    source = fetch(locate(name), progress)
    own = _fitting(name, source) if source.kind == "local" or is_hub_address(name) else None
    with refusing(source.file, source.config), NoRandomInit():
        file = opened(source.file, own)
        if apple_mobileone.recognised(file.get("state_dict", ())):
            model = _build(name, source.config, img_size)
            model = apple_mobileone.loaded(model, file["state_dict"])
        else:
            model = _build(name, source.config, img_size, file)
        if own is not None and model.num_classes != source.config["num_classes"]:
            raise ValueError(
                "its classifier is not the one that is described"
            )  # timm fills it by halves then
    model.pretrained_cfg.pop("state_dict", None)  # timm would keep the tensors a second time
    return _moved(one_output.doubled(model, name), device), source


def skeleton(name: str) -> Any:
    """The model of this name without weights or memory (on the meta device), for its structure."""
    with torch.device("meta"), NoRandomInit(), few_parameters():
        return one_output.doubled(_build(name, read_config(name)), name).eval()


def _fitting(name: str, source: Source) -> Any:
    """An own model's skeleton, if its file can hold so many numbers: what a configuration asks for is built
    only then. Raises WeightsUnavailable."""
    found = skeleton(name)
    numbers, there = sum(value.numel() for value in found.state_dict().values()), source.file.stat().st_size
    if is_pointer(source.file):
        raise WeightsUnavailable(f"{source.file.name} is refused: {POINTER}.")
    if numbers > 4 * there + 1_000_000:  # branches that a file has merged, a grid that is resampled
        raise WeightsUnavailable(
            f"{source.file.name} is refused: {there / 1e6:.1f} MB cannot hold the {numbers / 1e6:,.0f}"
            " million numbers of the model that is described beside it."
        )
    return found


def sha256(path: str | os.PathLike) -> str:
    """The SHA-256 of a file, remembered until the file changes."""
    stat = os.stat(path)
    return _sha256(os.fspath(path), stat.st_size, stat.st_mtime_ns)


def known_sha256(source: Source) -> str | None:
    """The SHA-256 of a source's file where a list may say it: of what is embedded or local, which is small or
    the user's own, and of what the hub's cache has under that name; None of everything else."""
    if source.kind in ("embedded", "local"):
        return sha256(source.file)
    blob = source.path and os.path.basename(os.path.realpath(source.path))
    return blob if blob and re.fullmatch("[0-9a-f]{64}", blob) else None


def sha256_of(model: nn.Module) -> str:
    """The SHA-256 of a model's tensors, names included: of weights that are in no file."""
    found = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        found.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        found.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


@lru_cache(maxsize=256)
def _sha256(path: str, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# Own files and configurations


def own_folders() -> tuple[Path, ...]:
    """The user's own folders, the first one first: what `configure` said, else PAPR_WEIGHTS, which may name
    several as PATH does."""
    if _settings.weights_dir is not None:
        return (_settings.weights_dir,)
    told = os.environ.get("PAPR_WEIGHTS", "").split(os.pathsep)
    return tuple(Path(folder).expanduser() for folder in told if folder)


def _own_file(name: str) -> tuple[str, Path] | None:
    length = len(name.encode("utf-8", "replace"))
    if not 0 < length <= 200 or name.startswith(".") or any(sign in name for sign in "/\\:\0"):
        return None  # a name, never a path
    embedded = ASSETS / f"{name}.safetensors"
    if embedded.is_file():
        return "embedded", embedded
    found = (_weights_in(folder, name) for folder in own_folders())
    path = next((path for path in found if path), None)
    return ("local", path) if path else None


def _weights_in(folder: Path, name: str) -> Path | None:
    candidates = [folder / f"{name}{suffix}" for suffix in SUFFIXES]
    for snapshot in (folder / name, folder if folder.name == name else None):
        if snapshot is not None and (snapshot / "config.json").is_file():
            candidates += [snapshot / file for file in _SNAPSHOT]
    return next((path for path in candidates if path.is_file()), None)


def _config_of(name: str, file: Path) -> Path:
    own = file.with_name(f"{name}.json")
    return file.with_name("config.json") if file.name in _SNAPSHOT and not own.is_file() else own


def unread(name: str) -> str | None:
    """A file of this name in the own folders whose form is not read, to be named in a refusal."""
    if not name or any(sign in name for sign in "/\\:\0*?["):
        return None
    known = {f"{name}.json", *(f"{name}{suffix}" for suffix in SUFFIXES)}
    files = sorted(
        path.name
        for folder in own_folders()
        for path in folder.glob(f"{name}.*")
        if path.is_file() and path.name not in known
    )
    return files[0] if files else None


# Building


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
        model = configuration.timm_with_ours().create_model(
            config["architecture"],
            pretrained=pretrained is not None,
            pretrained_cfg=config["pretrained_cfg"],
            pretrained_cfg_overlay=pretrained,
            **arguments,
        )
    except (TypeError, ValueError, AssertionError, RuntimeError, AttributeError, OverflowError) as error:
        if pretrained is not None:
            raise
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


def _moved(model: nn.Module, device: str | torch.device) -> nn.Module:
    try:
        return model.eval().to(device)
    except (RuntimeError, AssertionError) as error:
        raise InvalidInput(f"The device {str(device)!r} cannot be used here ({reason(error)}).") from error


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
        found = try_to_load_from_cache(repository, name, cache_dir=_hub_cache(), revision=revision)
        if isinstance(found, str) and os.path.isfile(found):
            return Path(found)
    return None


def cached_file(repository: str, file: str) -> Path | None:
    """A file of a repository of the hub where its cache has it; never touches the network."""
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", repository):
        return None
    return _cached({"hf_hub_id": repository, "hf_hub_filename": file})


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
    if found.etag is None:
        raise OSError("the hub names no hash")
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


def _hub_config(name: str) -> dict:
    """The configuration of a model of the hub's by its address, from the cache or downloaded."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    address = name.removeprefix("hf-hub:")
    repository, _, revision = address.partition("@")
    version, cache = revision or None, _hub_cache()
    path = try_to_load_from_cache(repository, "config.json", revision=version, cache_dir=cache)
    if not isinstance(path, str):
        if not _settings.downloads or _offline():
            raise WeightsUnavailable(f"{name} is not on this machine, and downloads are off: fetch it first.")
        try:
            path = hf_hub_download(repository, "config.json", revision=version, cache_dir=cache)
        except Exception as error:  # the hub's client, and the network below it, raise dozens of kinds
            raise WeightsUnavailable(f"{name} could not be had from the hub ({reason(error)}).") from error
    config = configuration.of_file(Path(path))
    config["pretrained_cfg"]["hf_hub_id"] = address
    return config


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
