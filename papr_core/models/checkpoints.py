"""Files of tensors: opened without running anything, freed of what trainers wrap around a model, or
refused."""

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from papr_core.errors import PaprError, WeightsUnavailable, reason, shortened

__all__ = [
    "POINTER",
    "SUFFIXES",
    "NoRandomInit",
    "few_parameters",
    "is_pointer",
    "opened",
    "read",
    "refusing",
]

SUFFIXES = (".safetensors", ".pth", ".pth.tar", ".pt", ".bin", ".ckpt")

# Under which keys trainers keep a model's tensors; averaged ones first, as timm prefers them.
_INSIDE = (
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "ema",
    "params_ema",
    "state_dict",
    "model_state_dict",
    "model",
    "module",
    "net",
    "weights",
    "params",
)
# Settings that trainers save beside the tensors, which need nothing but a place to be put.
_SETTINGS = (
    "argparse.Namespace",
    "lightning.fabric.utilities.data.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "pytorch_lightning.utilities.parsing.AttributeDict",
)


class _Passed:
    """In the place of a scalar of numpy's, or of a path, that a trainer saved beside the tensors."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


_PASSED = (
    *("numpy.dtype", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
    *("datetime.datetime", "datetime.date", "datetime.timedelta"),
    *("pathlib.PosixPath", "pathlib.WindowsPath", "pathlib._local.PosixPath", "pathlib._local.WindowsPath"),
)
# What compiling, sharding and recomputing put into the names of tensors, and what averaging counts.
_WRAPPERS = re.compile(r"\b(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_COUNTS = ("n_averaged", "module.n_averaged")
_MOST_PARAMETERS = 10_000  # tensors; timm's largest have under 3,000


def opened(path: Path, skeleton: nn.Module | None = None) -> dict:
    """A weights file in the words of timm's `pretrained_cfg`, its contents looked at but not run.

    skeleton: the model that it should fit; then what stands before its tensors' names is taken away.
    """
    if path.suffix != ".safetensors":  # not left to timm, whose older versions would have run it
        return {"state_dict": _unwrapped(read(path), skeleton), "custom_load": False}
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        names = list(file.keys())
        packed = any(file.get_slice(name).get_dtype()[:1] in "IUBC" for name in names)
    wrapped = packed or any(_WRAPPERS.search(name) or ".lora_" in name or name in _COUNTS for name in names)
    if skeleton is None or not (wrapped or _prefix(names, skeleton)):
        return {"file": str(path), "custom_load": False}
    return {"state_dict": _unwrapped(read(path), skeleton), "custom_load": False}


def read(path: Path, inside: str | None = None) -> dict[str, Tensor]:
    """The tensors of a file by name. inside: the key under which it holds them, where that is known."""
    from timm.models import clean_state_dict

    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return clean_state_dict(_plainly_named(load_file(path)))
    places: list[Callable | tuple[Callable, str]]
    places = [(type(name.rpartition(".")[2], (dict,), {}), name) for name in _SETTINGS]
    places += [(type(name.rpartition(".")[2], (_Passed,), {}), name) for name in _PASSED]
    with torch.serialization.safe_globals(places):
        whole = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(whole, dict):
        raise ValueError("it holds no dictionary of tensors")
    state = _tensors_in(whole, _INSIDE if inside is None else (inside,))
    if state is None:
        strange = next((key for key, value in whole.items() if not isinstance(value, Tensor)), None)
        raise ValueError(f"{strange!r} is no tensor" if strange is not None else "it holds no tensors")
    return clean_state_dict(_plainly_named(state))


def _tensors_in(whole: Mapping[str, Any], keys: Sequence[str], depth: int = 3) -> Mapping[str, Tensor] | None:
    """A model's tensors in what a trainer saved: under the first of the usual keys that has some (averaged
    ones too may be a level deeper), else under the one that has. Raises ValueError: under several."""
    if whole and all(isinstance(value, Tensor) for value in whole.values()):
        return whole if all(isinstance(key, str) for key in whole) else None
    if not depth:
        return None
    parts = {key: value for key, value in whole.items() if isinstance(value, dict) and value}
    for key in keys:
        if key in parts and (found := _tensors_in(parts[key], keys, depth - 1)) is not None:
            return found
    found_in = {
        key: found
        for key, part in parts.items()
        if not re.search("optim|sched|scaler|loss|criterion", str(key))
        and (found := _tensors_in(part, keys, depth - 1)) is not None
    }
    if len(found_in) > 1:
        raise ValueError(
            f"it holds several models ({', '.join(sorted(map(str, found_in)))}): save one of them"
        )
    return next(iter(found_in.values()), None)


def _plainly_named(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {_WRAPPERS.sub("", key): value for key, value in state.items() if key not in _COUNTS}


def _unwrapped(state: dict[str, Tensor], skeleton: nn.Module | None) -> dict[str, Tensor]:
    if skeleton is None:
        return state
    prefix = _prefix(state, skeleton)
    found = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    if any(".lora_" in key for key in state):
        raise ValueError("it holds LoRA's additions: merge them into their model, and save that")
    wanted = skeleton.state_dict()
    if prefix:  # a classifier may have stood beside what came before it
        for key in wanted.keys() - found.keys():
            beside = [name for name in state if name == key or name.endswith("." + key)]
            if len(beside) == 1:
                found[key] = state[beside[0]]
    _check_numbers(found, wanted)
    return found


def _check_numbers(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Raises ValueError where a file's values are no plain numbers: copied, they would pass for such."""
    for key, value in state.items():
        if value.is_quantized or (
            key in wanted and wanted[key].is_floating_point() and not value.is_floating_point()
        ):
            raise ValueError(
                f"{key} holds {str(value.dtype).removeprefix('torch.')}: quantised weights are not read"
            )
        if value.is_meta or value.layout != torch.strided:
            raise ValueError(f"{key} is on the meta device or sparse: save it as plain numbers")


def _prefix(names: Any, skeleton: nn.Module) -> str:
    """What stands before the names of the model's tensors (Lightning: `model.`, transformers:
    `timm_model.`), if that explains at least half of them. Raises ValueError: several models in one file."""
    wanted = skeleton.state_dict().keys()
    found: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")
        found.update(
            ".".join([*parts[:cut], ""]) if cut else ""
            for cut in range(len(parts))
            if ".".join(parts[cut:]) in wanted
        )
    most = max(found.values(), default=0)
    if most <= found[""] or 2 * most < len(wanted):
        return ""
    best = [prefix for prefix, count in found.items() if count == most]
    averaged = [prefix for prefix in best if "ema" in prefix]
    if len(averaged or best) > 1:
        raise ValueError(f"it holds several models ({', '.join(sorted(best))}): save one of them")
    return (averaged or best)[0]


class NoRandomInit(TorchFunctionMode):
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
            return args[0] if args else (kwargs or {})["tensor"]
        return function(*args, **(kwargs or {}))


@contextmanager
def few_parameters() -> Iterator[None]:
    """Ends the building of a model that its configuration would make endless. Raises ValueError then."""
    from torch.nn.modules.module import register_module_parameter_registration_hook

    thread, count = threading.get_ident(), 0

    def one_more(*_: object) -> None:
        nonlocal count
        count += threading.get_ident() == thread
        if count > _MOST_PARAMETERS:
            raise ValueError(f"it would have more than {_MOST_PARAMETERS:,} tensors")

    handle = register_module_parameter_registration_hook(one_more)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def refusing(path: Path, config: Mapping[str, Any]) -> Iterator[None]:
    """Whatever goes wrong while a file is read and fitted to its model becomes one sentence."""
    try:
        yield
    except PaprError:
        raise
    except Exception as error:
        text = str(error)
        if is_pointer(path):
            why = POINTER
        elif "weights_only" in text:
            asked = re.search(r"globals?: (?:GLOBAL )?(.+?)(?:\. No automatic| was not an allowed)", text)
            code = shortened(asked[1]) if asked else "TorchScript" if "TorchScript" in text else "a pickle"
            why = f"reading it would run code ({code}), and only tensors are read"
        elif any(sign in text for sign in ("size mismatch", "Missing key", "Unexpected key")):
            why = _misfit(text, config)
        else:
            why = f"it is damaged or of another format ({reason(error)})"
        raise WeightsUnavailable(f"{path.name} is refused: {why}.") from error


POINTER = "it is Git LFS's note where the file would be: fetch that (git lfs pull)"


def is_pointer(path: Path) -> bool:
    """Whether a file is what Git LFS leaves where it did not fetch."""
    try:
        with open(path, "rb") as file:
            return file.read(40).startswith(b"version https://git-lfs")
    except OSError:
        return False


def _misfit(text: str, config: Mapping[str, Any]) -> str:
    """What `load_state_dict` says, in words; of a classifier, what to write into the configuration."""
    heads = config["pretrained_cfg"].get("classifier") or ()
    heads = (heads,) if isinstance(heads, str) else heads
    classes = config.get("num_classes")
    for head in heads:
        key = re.escape(f"{head}.weight")
        found = re.search(rf"size mismatch for {key}: .*?torch\.Size\(\[(\d+)", text)
        if found and int(found[1]) != classes:
            return (
                f"its classifier has {found[1]} classes, where {classes} are said:"
                f' write "num_classes": {found[1]} beside it'
            )
        if re.search(rf'Missing key[^:]*: [^:]*"{key}"', text):
            return (
                f'it holds no classifier, where {classes} classes are said: write "num_classes": 0 beside it'
            )
        if classes == 0 and re.search(rf'Unexpected key[^:]*: [^:]*"{key}"', text):
            return (
                "it holds a classifier, where none is said:"
                ' write its number of classes as "num_classes" beside it'
            )
    return f"its tensors are not those of {config['architecture']} ({shortened(text.split(':', 1)[1])})"
