"""What comes with the project: the models in `assets/`, which two it starts with, and `results/`.

Imports nothing heavy: the page asks before torch is there.
"""

from pathlib import Path

__all__ = [
    "ASSETS",
    "DEFAULT_BACKBONE",
    "DEFAULT_PROPOSAL",
    "EMBEDDED",
    "EMBEDDED_BACKBONES",
    "EMBEDDED_PROPOSALS",
    "RESULTS",
]

_PACKAGE = Path(__file__).resolve().parents[1]
# a wheel holds both inside the package (pyproject.toml), the repository beside it
_HOME = _PACKAGE if (_PACKAGE / "assets").is_dir() else _PACKAGE.parent
ASSETS, RESULTS = _HOME / "assets", _HOME / "results"

DEFAULT_PROPOSAL = "mobilenetv1_025"
DEFAULT_BACKBONE = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"

# NAME.safetensors beside NAME.json, each; assets/README.md is their card. The tiny200 pair was trained here.
EMBEDDED_PROPOSALS = (
    DEFAULT_PROPOSAL,
    "mobilenetv1_050",
    "tf_efficientnet_lite0.in1k",
    "resnet10t_112.tiny200",
)
EMBEDDED_BACKBONES = (DEFAULT_BACKBONE, "vit_tiny_patch8_112.tiny200")
EMBEDDED = EMBEDDED_PROPOSALS + EMBEDDED_BACKBONES
