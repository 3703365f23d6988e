"""Where weights come from: embedded, the user's own folder, the hub's cache, download; in this order.

A model of the own folder is NAME.safetensors (or a .pth that needs nothing but tensors) beside NAME.json, in the
form of timm's hub config.json: `architecture`, `model_args`, `pretrained_cfg`, `num_classes`, `label_names`.
What timm publishes is found, converted and loaded by timm's own functions. Nothing in a file is ever run.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from papr_core.errors import InvalidInput, PaprError, Stopped, UnknownModel, WeightsUnavailable

__all__ = [
    "Source",
    "configure",
    "create",
    "fetch",
    "is_own",
    "load_state",
    "locate",
    "own_kind",
    "own_models",
    "read_config",
    "sha256",
]

Progress = Callable[[int, int], None]

_HERE = Path(__file__).resolve().parent
_ASSETS = (_HERE.parent / "assets", _HERE / "assets")
_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")


@dataclass
class _Settings:
    weights_dir: Path | None = None
    downloads: bool = True


_settings = _Settings()


@dataclass(frozen=True)
class Source:
    """Where the weights of a model are.

    kind: "embedded", "local", "cached" or "download"; path: the file, None before a download;
    config: in the form of timm's hub config.json; megabytes: of the file, or what a download will fetch about.
    """

    name: str
    kind: str
    path: Path | None
    config: dict = field(repr=False)
    megabytes: float | None = None


def configure(*, weights_dir: str | os.PathLike | None = None, downloads: bool | None = None) -> None:
    """Set the user's own folder (before, `PAPR_WEIGHTS` counts) and whether anything may be downloaded.

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


def own_models() -> tuple[str, ...]:
    """The names of the models in the user's own folder."""
    folder = _own_folder()
    if folder is None:
        return ()
    return tuple(sorted(path.stem for path in folder.glob("*.json") if _weights_in(folder, path.stem)))


def is_own(name: str) -> bool:
    """Whether a model of this name is embedded or lies in the user's own folder."""
    return own_kind(name) is not None


def own_kind(name: str) -> str | None:
    """"embedded", "local", or None."""
    found = _own_file(name)
    return found[0] if found else None


def read_config(name: str) -> dict:
    """A model's configuration in the form of timm's hub config.json, from beside its file, or from timm.

    Raises:
        UnknownModel: no such model. WeightsUnavailable: a configuration that cannot be used.
    """
    found = _own_file(name)
    if found:
        path = found[1].with_name(f"{name}.json")
        if path.is_file():
            return _parse_config(name, path)
    config = _timm_config(name)
    if config is None:
        if found:
            raise WeightsUnavailable(
                f"{found[1].name} has no {name}.json beside it that says what it is (architecture, pretrained_cfg)."
            )
        raise UnknownModel(f"There is no model {name!r}.")
    return config


def locate(name: str) -> Source:
    """Where the weights of a model are now, without touching the network.

    Raises:
        WeightsUnavailable: nobody has published weights for it. UnknownModel: no such model.
    """
    config = read_config(name)
    found = _own_file(name)
    if found:
        kind, path = found
        return Source(name, kind, path, config, path.stat().st_size / 1e6)
    published = config["pretrained_cfg"]
    path = _cached(published)
    if path is not None:
        return Source(name, "cached", path, config, path.stat().st_size / 1e6)
    if not (published.get("hf_hub_id") or published.get("url")):
        raise WeightsUnavailable(f"Nobody has published weights for {name}: {_put_it(name)}.")
    return Source(name, "download", None, config, None)


def fetch(source: Source, progress: Progress | None = None) -> Source:
    """The same source with its file on this machine: downloaded where it has to be.

    progress(done, total) is called with bytes and may raise `Stopped`. An interrupted download is resumed by
    the next one, and never taken for a whole file.

    Raises:
        WeightsUnavailable: downloads are off, the machine is offline, or the download failed; what to do.
    """
    if source.path is not None:
        return source
    if not _settings.downloads:
        raise WeightsUnavailable(
            f"The weights of {source.name} are not on this machine, and downloads are off: {_put_it(source.name)}."
        )
    if _offline():
        raise WeightsUnavailable(
            f"The weights of {source.name} are not on this machine, and HF_HUB_OFFLINE is set:"
            f" unset it, or {_put_it(source.name)}."
        )
    try:
        path = _download(source.config["pretrained_cfg"], progress)
    except (PaprError, KeyboardInterrupt):
        raise
    except Exception as error:
        reason = _first_line(error)
        raise WeightsUnavailable(
            f"The weights of {source.name} could not be downloaded ({reason}):"
            f" check the connection and try again, or {_put_it(source.name)}."
        ) from error
    return replace(source, kind="cached", path=path, megabytes=path.stat().st_size / 1e6)


def load_state(source: Source, progress: Progress | None = None) -> dict[str, Tensor]:
    """The tensors of a source's file, halves as float32. Only tensors are read; nothing in the file is run.

    Raises:
        WeightsUnavailable: the file is damaged, or needs more than tensors.
    """
    from timm.models import load_state_dict

    source = fetch(source, progress)
    with _reading(source):
        state = load_state_dict(str(source.path), weights_only=True)
        halves = (torch.float16, torch.bfloat16)
        return {key: value.float() if value.dtype in halves else value for key, value in state.items()}


def create(
    name: str,
    *,
    pretrained: bool = True,
    device: str | torch.device = "cpu",
    img_size: int | tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> tuple[nn.Module, Source | None]:
    """timm's model of this name, in eval mode, with its weights (or random ones), and where they came from.

    Raises:
        WeightsUnavailable: weights that cannot be had or do not fit. InvalidInput: a device that is not there.
    """
    import timm

    source = fetch(locate(name), progress) if pretrained else None
    config = source.config if source else read_config(name)
    arguments = dict(config["model_args"])
    if img_size is not None:
        arguments["img_size"] = img_size
    overlay = {}
    if source:
        overlay = {"file": str(source.path), "custom_load": source.path.suffix == ".npz"}
    with _reading(source, name), _no_random_init(bool(source)):
        model = timm.create_model(
            config["architecture"],
            pretrained=pretrained,
            pretrained_cfg=config["pretrained_cfg"],
            pretrained_cfg_overlay=overlay,
            pretrained_model_args=config["model_args"],
            **arguments,
        )
    try:
        return model.eval().to(device), source
    except (RuntimeError, AssertionError) as error:
        raise InvalidInput(f"The device {str(device)!r} cannot be used here ({_first_line(error)}).") from None


def sha256(path: str | os.PathLike) -> str:
    """The SHA-256 of a file, remembered until the file changes."""
    stat = os.stat(path)
    return _sha256(os.fspath(path), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256(path: str, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# The own files


def _own_folder() -> Path | None:
    if _settings.weights_dir is not None:
        return _settings.weights_dir
    folder = os.environ.get("PAPR_WEIGHTS")
    return Path(folder).expanduser() if folder else None


def _own_file(name: str) -> tuple[str, Path] | None:
    if not name or Path(name).name != name or name.startswith("."):
        return None  # a name, never a path
    for assets in _ASSETS:
        path = assets / f"{name}.safetensors"
        if path.is_file():
            return "embedded", path
    folder = _own_folder()
    path = _weights_in(folder, name) if folder else None
    return ("local", path) if path else None


def _weights_in(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / f"{name}{suffix}" for suffix in _SUFFIXES) if path.is_file()), None)


def _parse_config(name: str, path: Path) -> dict:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if "pretrained_cfg" not in config:  # an older form: one flat dictionary
            config = {"architecture": config["architecture"], "pretrained_cfg": config}
        architecture, published = config["architecture"], dict(config["pretrained_cfg"])
        arguments = dict(config.get("model_args") or {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsUnavailable(
            f"{path.name} is not a configuration in the form of timm's config.json ({_first_line(error)})."
        ) from None
    base = _timm_config(architecture) if isinstance(architecture, str) else None
    if base is None:
        raise WeightsUnavailable(f"{path.name} names the architecture {architecture!r}, which timm does not have.")
    return _complete(config, architecture, published, arguments)


def _timm_config(name: str) -> dict | None:
    import timm
    from timm.models import get_pretrained_cfg

    if any(character in name for character in "/\\:") or not timm.is_model(name):
        return None
    try:
        published = get_pretrained_cfg(name)
    except RuntimeError:
        return None
    architecture = name.split(".", 1)[0]
    return _complete({}, architecture, published.to_dict() if published else {}, {})


def _complete(config: dict, architecture: str, published: dict, arguments: dict) -> dict:
    from timm.models import PretrainedCfg

    known = {item.name for item in fields(PretrainedCfg)}
    published = PretrainedCfg(**{key: value for key, value in published.items() if key in known}).to_dict()
    size = arguments.get("img_size")
    if size is not None:
        height, width = (size, size) if isinstance(size, int) else size
        published["input_size"] = (published["input_size"][0], height, width)
    classes = arguments.get("num_classes", config.get("num_classes", published["num_classes"]))
    published["num_classes"] = classes
    published["architecture"] = architecture
    return {
        **config,
        "architecture": architecture,
        "model_args": arguments,
        "pretrained_cfg": published,
        "num_classes": classes,
    }


# The hub and plain URLs


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
    if hub:
        from huggingface_hub import try_to_load_from_cache

        repository, revision, names = hub
        for name in names:
            path = try_to_load_from_cache(repository, name, cache_dir=_hub_cache(), revision=revision)
            if isinstance(path, str) and os.path.isfile(path):
                return Path(path)
    elif published.get("url"):
        path = Path(torch.hub.get_dir()) / "checkpoints" / os.path.basename(published["url"].split("?")[0])
        return path if path.is_file() else None
    return None


def _download(published: dict, progress: Progress | None) -> Path:
    hub = _hub_files(published)
    if hub is None:
        from timm.models._hub import download_cached_file

        return Path(download_cached_file(published["url"], check_hash=False))
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    repository, revision, names = hub
    for name in names:
        try:
            return Path(
                hf_hub_download(
                    repository,
                    name,
                    revision=revision,
                    cache_dir=_hub_cache(),
                    tqdm_class=_reporting(progress) if progress else None,
                )
            )
        except EntryNotFoundError as error:
            if isinstance(error, LocalEntryNotFoundError) or name == names[-1]:
                raise
    raise AssertionError("unreachable")


def _reporting(progress: Progress) -> type:
    """A progress bar of the hub's kind that draws nothing and calls `progress` instead."""
    from huggingface_hub.utils import tqdm

    class Reporting(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs["disable"] = True
            self._done, self._all = int(kwargs.get("initial") or 0), int(kwargs.get("total") or 0)
            super().__init__(*args, **kwargs)

        def update(self, n: float | None = 1) -> None:
            self._done += int(n or 0)
            progress(self._done, self._all)

    return Reporting


def _hub_cache() -> str | None:
    """The hub's cache folder, also when its environment variables were set after its import."""
    for variable, tail in (("HF_HUB_CACHE", ""), ("HUGGINGFACE_HUB_CACHE", ""), ("HF_HOME", "hub")):
        if os.environ.get(variable):
            return os.path.join(os.path.expanduser(os.environ[variable]), tail)
    return None


def _offline() -> bool:
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


# Reading


@contextmanager
def _reading(source: Source | None, name: str = "") -> Iterator[None]:
    """Whatever goes wrong while a file is read and fitted to its model becomes one sentence."""
    try:
        yield
    except (PaprError, Stopped, KeyboardInterrupt):
        raise
    except Exception as error:
        if source is None:
            raise InvalidInput(f"{name} cannot be built as asked ({_first_line(error)}).") from error
        text = str(error)
        if "weights_only" in text or "Unsupported" in text and "pickle" in text:
            reason = f"reading it would run code ({_first_line(error)}); only files of plain tensors are read"
        elif "size mismatch" in text or "Missing key" in text or "Unexpected key" in text:
            reason = f"its tensors are not those of {source.config['architecture']} ({_short(text)})"
        else:
            reason = f"it is damaged or of another format ({_first_line(error)})"
        raise WeightsUnavailable(f"{source.path.name} is refused: {reason}.") from error


class _NoRandomInit(TorchFunctionMode):
    """Random numbers that the weights overwrite anyway are not drawn. Acts on this thread only."""

    _SKIPPED = frozenset(
        [Tensor.uniform_, Tensor.normal_, Tensor.erfinv_, Tensor.exponential_]
        + [nn.init.uniform_, nn.init.normal_, nn.init.trunc_normal_, nn.init.kaiming_uniform_]
        + [nn.init.kaiming_normal_, nn.init.xavier_uniform_, nn.init.xavier_normal_]
    )

    def __torch_function__(self, func, types, args=(), kwargs=None):  # noqa: ANN001, ANN204
        if func in self._SKIPPED:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


@contextmanager
def _no_random_init(on: bool) -> Iterator[None]:
    if not on:
        yield
        return
    with _NoRandomInit():
        yield


def _put_it(name: str) -> str:
    return f"put {name}.safetensors and {name}.json into your weights folder (--weights-dir, PAPR_WEIGHTS)"


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return _short(text.splitlines()[0])


def _short(text: str, length: int = 200) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= length else text[: length - 3] + "..."
