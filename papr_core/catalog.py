"""What models there are: one line each.

A line holds what timm does not know of a model: the part it plays, a title, its paper and its size. Everything
else (licence, source, input, labels) is read from the configuration of the weights, timm's own or the
JSON file beside a local one. Any other timm model of a supported family works too; it has no line here.
"""

import difflib
from dataclasses import dataclass
from functools import cached_property

from papr_core import labels as _labels
from papr_core import weights
from papr_core.errors import InvalidInput, PaprError, UnknownModel

__all__ = ["BACKBONES", "DEFAULT_BACKBONE", "DEFAULT_PROPOSAL", "PROPOSALS", "Entry", "find"]

DEFAULT_PROPOSAL = "papr_proposal"
DEFAULT_BACKBONE = "papr_backbone"


@dataclass(frozen=True)
class Entry:
    """A model: its name (timm's, with tag, or a file's), the part it plays, title, paper and size in megabytes.

    family: "convnet" for a proposal; for a backbone what is pruned, and so which module of
    `papr_core.backbones` knows how ("tokens"), or None where only the built model can tell.
    """

    name: str
    role: str
    title: str
    paper: str = ""
    megabytes: float | None = None
    family: str | None = None

    @cached_property
    def config(self) -> dict:
        """The weights' configuration, in the form of timm's hub config.json."""
        return weights.read_config(self.name)

    @property
    def architecture(self) -> str:
        """timm's name of the architecture."""
        return self.config["architecture"]

    @property
    def licence(self) -> str:
        """As the weights' own configuration says."""
        return self.config["pretrained_cfg"].get("license") or "not stated"

    @property
    def source(self) -> str:
        """Where the weights come from: a hub address, a URL, or the file."""
        config = self.config["pretrained_cfg"]
        if weights.is_own(self.name):
            return config.get("origin_url") or weights.own_kind(self.name)
        return f"https://huggingface.co/{config['hf_hub_id']}" if config.get("hf_hub_id") else config.get("url") or ""

    @property
    def input_size(self) -> tuple[int, int, int]:
        """(3, H, W), as the weights were trained or are meant to be used."""
        return tuple(self.config["pretrained_cfg"].get("input_size", (3, 224, 224)))

    @property
    def labels(self) -> _labels.Labels:
        """The names of the model's classes."""
        return _labels.from_config(self.config, self.config["num_classes"])


RESNET = "https://arxiv.org/abs/1512.03385"
MOBILEONE = "https://arxiv.org/abs/2206.04040"
AUGREG = "https://arxiv.org/abs/2106.10270"
DEIT = "https://arxiv.org/abs/2012.12877"
SCALING_DOWN = "https://arxiv.org/abs/2010.11929"
EVA02 = "https://arxiv.org/abs/2303.11331"
CLIP = "https://arxiv.org/abs/2212.07143"
ROPE = "https://arxiv.org/abs/2403.13298"


def _lines(role: str, *lines: tuple[str, str, str, float, str]) -> dict[str, Entry]:
    return {name: Entry(name, role, title, paper, size, family) for name, title, paper, size, family in lines}


# name, title, paper, megabytes, family
PROPOSALS: dict[str, Entry] = _lines(
    "proposal",
    (DEFAULT_PROPOSAL, "Embedded ResNet-10-t, 112 px", RESNET, 3, "convnet"),
    ("mobileone_s0.apple_in1k", "MobileOne-S0", MOBILEONE, 21, "convnet"),
    ("mobileone_s1.apple_in1k", "MobileOne-S1", MOBILEONE, 19, "convnet"),
    ("mobileone_s2.apple_in1k", "MobileOne-S2", MOBILEONE, 31, "convnet"),
    ("mobileone_s3.apple_in1k", "MobileOne-S3", MOBILEONE, 41, "convnet"),
    ("mobileone_s4.apple_in1k", "MobileOne-S4", MOBILEONE, 60, "convnet"),
    ("resnet18.a1_in1k", "ResNet-18", RESNET, 47, "convnet"),
    ("resnet50.a1_in1k", "ResNet-50", RESNET, 102, "convnet"),
    ("resnet152.a1_in1k", "ResNet-152", RESNET, 241, "convnet"),
    ("mobilenetv2_100.ra_in1k", "MobileNetV2", "https://arxiv.org/abs/1801.04381", 14, "convnet"),
    ("mobilenetv2_100.tf_in1k", "MobileNetV2 (TensorFlow)", "https://arxiv.org/abs/1801.04381", 14, "convnet"),
    ("mobilenetv4_conv_small.e2400_r224_in1k", "MobileNetV4-S", "https://arxiv.org/abs/2404.10518", 15, "convnet"),
    ("efficientnet_b0.ra4_e3600_r224_in1k", "EfficientNet-B0", "https://arxiv.org/abs/1905.11946", 21, "convnet"),
    ("regnety_004.tv2_in1k", "RegNetY-400MF", "https://arxiv.org/abs/2003.13678", 18, "convnet"),
    ("repvit_m0_9.dist_450e_in1k", "RepViT-M0.9", "https://arxiv.org/abs/2307.09283", 22, "convnet"),
    ("starnet_s1.in1k", "StarNet-S1", "https://arxiv.org/abs/2403.19967", 12, "convnet"),
)

BACKBONES: dict[str, Entry] = _lines(
    "backbone",
    (DEFAULT_BACKBONE, "Embedded ViT-Ti/8, 112 px", SCALING_DOWN, 8, "tokens"),
    ("vit_tiny_patch16_224.augreg_in21k_ft_in1k", "ViT-Ti/16", AUGREG, 23, "tokens"),
    ("vit_small_patch16_224.augreg_in21k_ft_in1k", "ViT-S/16", AUGREG, 88, "tokens"),
    ("vit_base_patch16_224.augreg_in21k_ft_in1k", "ViT-B/16", AUGREG, 346, "tokens"),
    ("vit_large_patch16_224.augreg_in21k_ft_in1k", "ViT-L/16", AUGREG, 1217, "tokens"),
    ("deit_small_patch16_224.fb_in1k", "DeiT-S/16", DEIT, 88, "tokens"),
    ("deit_small_distilled_patch16_224.fb_in1k", "DeiT-S/16 distilled", DEIT, 90, "tokens"),
    ("vit_medium_patch16_gap_256.sw_in12k_ft_in1k", "ViT-Medium/16 GAP 256", SCALING_DOWN, 155, "tokens"),
    ("vit_medium_patch16_gap_384.sw_in12k_ft_in1k", "ViT-Medium/16 GAP 384", SCALING_DOWN, 156, "tokens"),
    ("eva02_tiny_patch14_336.mim_in22k_ft_in1k", "EVA-02-Ti/14 336", EVA02, 23, "tokens"),
    ("vit_betwixt_patch16_rope_reg4_gap_256.sbb_in1k", "ViT-Betwixt/16 rotary, 4 registers", ROPE, 241, "tokens"),
    ("vit_base_patch16_clip_224.laion2b_ft_in12k_in1k", "ViT-B/16 CLIP, fine-tuned", CLIP, 346, "tokens"),
)

_TABLES = {"proposal": PROPOSALS, "backbone": BACKBONES}


def find(name: str, role: str) -> Entry:
    """The entry of a name: a catalogue key, an architecture alone, a model of the own folder, or any timm model.

    Raises:
        UnknownModel: nothing of this name; the message gives the nearest names. Paths and hub addresses are
            names of nothing.
    """
    table = _TABLES[role]
    if not isinstance(name, str) or not name.strip():
        raise UnknownModel(f"A {role} is given by its name, such as {next(iter(table))}.")
    name = name.strip()
    if name in table:
        return table[name]
    if weights.is_own(name):
        return Entry(name, role, name)
    for entry in table.values():
        if entry.name.split(".")[0] == name:
            return entry
    full = _timm_name(name)
    if full is not None:
        return table.get(full) or Entry(full, role, full)
    raise UnknownModel(_unknown(name, role))


def _timm_name(name: str) -> str | None:
    import timm
    from timm.models import get_pretrained_cfg, split_model_name_tag

    architecture, tag = split_model_name_tag(name)
    if not timm.is_model(architecture):
        return None
    try:
        config = get_pretrained_cfg(name)
    except RuntimeError:  # the architecture exists, the tag does not
        return None
    default = config.tag if config is not None else ""
    return f"{architecture}.{tag or default}" if tag or default else architecture


def _unknown(name: str, role: str) -> str:
    import timm

    shown = name if len(name) <= 80 else name[:77] + "..."
    known = [*_TABLES[role], *timm.list_models(pretrained=True)]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    hint = f"; the nearest are {', '.join(near)}" if near else "; `papr models` lists what there is"
    return f"There is no {role} {shown!r}{hint}."
