"""MobileNetV1 at a quarter and at half of its width, as timm models: importing this registers them.

Howard et al. 2017, https://arxiv.org/abs/1704.04861, Table 1 with its width multiplier (Sec. 3.3). timm has
the widths 1 and 1.25 of the same network; these are built of the same parts, its `EfficientNet` and the
builder of its blocks.
Written from the paper.
"""

from functools import partial
from typing import Any

from timm.models import register_model
from timm.models._builder import build_model_with_cfg
from timm.models._efficientnet_builder import decode_arch_def, resolve_act_layer, round_channels
from timm.models._registry import generate_default_cfgs
from timm.models.efficientnet import EfficientNet

__all__ = ["mobilenetv1_025", "mobilenetv1_050"]

# Depthwise separable blocks: repeats, kernel, stride and channels at full width. An activation follows both
# of a block's convolutions ("dsa").
_BLOCKS = [
    ["dsa_r1_k3_s1_c64"],
    ["dsa_r2_k3_s2_c128"],
    ["dsa_r2_k3_s2_c256"],
    ["dsa_r6_k3_s2_c512"],
    ["dsa_r2_k3_s2_c1024"],
]

# TensorFlow's preprocessing, and its padding: the weights that are published were trained with both.
_CONFIG = {
    "num_classes": 1000,
    "input_size": (3, 224, 224),
    "pool_size": (7, 7),
    "crop_pct": 0.875,
    "interpolation": "bicubic",
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
    "first_conv": "conv_stem",
    "classifier": "classifier",
    "license": "apache-2.0",
    "paper_ids": "arXiv:1704.04861",
}
default_cfgs = generate_default_cfgs({"mobilenetv1_025": _CONFIG, "mobilenetv1_050": _CONFIG})


@register_model
def mobilenetv1_025(pretrained: bool = False, **kwargs: Any) -> EfficientNet:
    """MobileNetV1 at a quarter of its width: 0.47 million parameters, 41 M multiply-accumulates at 224 px."""
    return _mobilenet_v1("mobilenetv1_025", 0.25, pretrained, **kwargs)


@register_model
def mobilenetv1_050(pretrained: bool = False, **kwargs: Any) -> EfficientNet:
    """MobileNetV1 at half of its width: 1.3 million parameters, 150 M multiply-accumulates at 224 px."""
    return _mobilenet_v1("mobilenetv1_050", 0.5, pretrained, **kwargs)


def _mobilenet_v1(name: str, width: float, pretrained: bool, **kwargs: Any) -> EfficientNet:
    arguments = {
        "block_args": decode_arch_def(_BLOCKS),
        "num_features": 0,  # no convolution behind the last block
        "stem_size": 32,
        "round_chs_fn": partial(round_channels, multiplier=width),
        "act_layer": resolve_act_layer(kwargs, "relu6"),
        "pad_type": "same",
        **kwargs,
    }
    return build_model_with_cfg(EfficientNet, name, pretrained, **arguments)
