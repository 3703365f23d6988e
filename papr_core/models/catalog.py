"""What models there are: one line each.

A line holds what timm does not know of a model: its title, its paper and its size. Everything else (licence,
source, input, labels) is read from the configuration of the weights, timm's own or the JSON file beside a
local one, when it is asked for. Any other timm model of a supported family works too; it just has no line
here.
"""

import difflib
from typing import Any

from papr_core.errors import UnknownModel, UnsupportedModel
from papr_core.models import hub, weights
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL
from papr_core.models.entries import ClipEntry, Entry

__all__ = [
    "BACKBONES",
    "PROPOSALS",
    "check_sees_pictures",
    "find",
    "own_role",
    "sees_clips",
    "short_names",
]


_RESNET = "https://arxiv.org/abs/1512.03385"
_RSB = "https://arxiv.org/abs/2110.00476"
_MOBILEONE = "https://arxiv.org/abs/2206.04040"
_MOBILENET_V1 = "https://arxiv.org/abs/1704.04861"
_MOBILENET_V2 = "https://arxiv.org/abs/1801.04381"
_MOBILENET_V4 = "https://arxiv.org/abs/2404.10518"
_EFFICIENTNET = "https://arxiv.org/abs/1905.11946"
_REGNET = "https://arxiv.org/abs/2003.13678"
_REPVIT = "https://arxiv.org/abs/2307.09283"
_STARNET = "https://arxiv.org/abs/2403.19967"
_VIT = "https://arxiv.org/abs/2010.11929"
_AUGREG = "https://arxiv.org/abs/2106.10270"
_DEIT = "https://arxiv.org/abs/2012.12877"
_EVA02 = "https://arxiv.org/abs/2303.11331"
_OPEN_CLIP = "https://arxiv.org/abs/2212.07143"
_ROPE_VIT = "https://arxiv.org/abs/2403.13298"
_MAE = "https://arxiv.org/abs/2111.06377"
_DINO_V2 = "https://arxiv.org/abs/2309.16588"
_DINO_V3 = "https://arxiv.org/abs/2508.10104"
_SIGLIP_2 = "https://arxiv.org/abs/2502.14786"
_DINO_V2_PAPER = "https://arxiv.org/abs/2304.07193"
_CLIP = "https://arxiv.org/abs/2103.00020"
_CONVNEXT = "https://arxiv.org/abs/2201.03545"
_CONVNEXT_V2 = "https://arxiv.org/abs/2301.00808"
_SWIN = "https://arxiv.org/abs/2103.14030"
_SWIN_V2 = "https://arxiv.org/abs/2111.09883"
_X3D = "https://arxiv.org/abs/2004.04730"
_SLOW = "https://arxiv.org/abs/1812.03982"
_VIDEOMAE = "https://arxiv.org/abs/2203.12602"
_ZOO = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/"


def _table(role: str, family: str, *lines: tuple[str, str, str, float | None]) -> dict[str, Entry]:
    return {name: Entry(name, role, title, paper, size, family) for name, title, paper, size in lines}


def _clip_convnet(name: str, title: str, paper: str, frames: int, side: int, file: str) -> ClipEntry:
    published = {"url": _ZOO + file} if file else {}
    return ClipEntry(
        name,
        "proposal",
        title,
        paper,
        family="video",
        published=published,
        file=file,
        frames=frames,
        side=side,
    )


def _videomae(size: str) -> ClipEntry:
    name = f"videomae-{size}-finetuned-kinetics"
    return ClipEntry(
        name,
        "backbone",
        f"VideoMAE-{size[0].upper()}",
        _VIDEOMAE,
        family="tubelets",
        published={"hf_hub_id": f"MCG-NJU/{name}"},
        file=f"{name}.safetensors",
        stated_licence="CC BY-NC 4.0",
    )


def _of_transformers(
    repository: str, title: str, paper: str, megabytes: float, licence: str, classes: int = 0
) -> hub.HubEntry:
    name = f"{hub.PREFIX}{repository}"
    return hub.HubEntry(
        name, "backbone", title, paper, megabytes, family="hooked", stated_licence=licence, classes=classes
    )


def _by_name(*entries: Entry) -> dict[str, Entry]:
    return {entry.name: entry for entry in entries}


# name, title, paper, megabytes (of a download)
PROPOSALS: dict[str, Entry] = _table(
    "proposal",
    "convnet",
    (DEFAULT_PROPOSAL, "MobileNetV1 x 0.25", _MOBILENET_V1, None),
    ("mobilenetv1_050", "MobileNetV1 x 0.5", _MOBILENET_V1, None),
    ("tf_efficientnet_lite0.in1k", "EfficientNet-Lite0", _EFFICIENTNET, None),
    ("resnet10t_112.tiny200", "ResNet-10-T, 200 classes, 112 px, trained here", _RESNET, None),
    ("mobileone_s0.apple_in1k", "MobileOne-S0", _MOBILEONE, 21.5),
    ("mobileone_s1.apple_in1k", "MobileOne-S1", _MOBILEONE, 19.6),
    ("mobileone_s2.apple_in1k", "MobileOne-S2", _MOBILEONE, 31.9),
    ("mobileone_s3.apple_in1k", "MobileOne-S3", _MOBILEONE, 41.1),
    ("mobileone_s4.apple_in1k", "MobileOne-S4", _MOBILEONE, 60.3),
    ("resnet18.a1_in1k", "ResNet-18", _RSB, 46.8),
    ("resnet50.a1_in1k", "ResNet-50", _RSB, 102.4),
    ("resnet152.a1_in1k", "ResNet-152", _RSB, 241.4),
    ("mobilenetv2_100.ra_in1k", "MobileNetV2", _MOBILENET_V2, 14.2),
    ("mobilenetv4_conv_small.e2400_r224_in1k", "MobileNetV4-S", _MOBILENET_V4, 15.2),
    ("efficientnet_b0.ra4_e3600_r224_in1k", "EfficientNet-B0", _EFFICIENTNET, 21.3),
    ("regnety_004.tv2_in1k", "RegNetY-400MF", _REGNET, 17.5),
    ("repvit_m0_9.dist_450e_in1k", "RepViT-M0.9", _REPVIT, 22.2),
    ("starnet_s1.in1k", "StarNet-S1", _STARNET, 11.5),
) | _by_name(
    _clip_convnet("x3d_xs", "X3D-XS", _X3D, 4, 160, "X3D_XS.pyth"),
    _clip_convnet("x3d_s", "X3D-S", _X3D, 13, 160, "X3D_S.pyth"),
    _clip_convnet("x3d_m", "X3D-M", _X3D, 16, 224, "X3D_M.pyth"),
    _clip_convnet("slow_r50", "Slow-only R50", _SLOW, 8, 224, "SLOW_8x8_R50.pyth"),
    _clip_convnet("slow_r101", "Slow-only R101, random weights only", _SLOW, 8, 224, ""),
)

BACKBONES: dict[str, Entry] = (
    _table(
        "backbone",
        "tokens",
        (DEFAULT_BACKBONE, "ViT-Ti/16", _AUGREG, None),
        ("vit_tiny_patch8_112.tiny200", "ViT-Ti/8, 200 classes, 112 px, trained here", _VIT, None),
        ("vit_small_patch16_224.augreg_in21k_ft_in1k", "ViT-S/16", _AUGREG, 88.2),
        ("vit_base_patch16_224.augreg_in21k_ft_in1k", "ViT-B/16", _AUGREG, 346.3),
        ("vit_large_patch16_224.augreg_in21k_ft_in1k", "ViT-L/16", _AUGREG, 1217.3),
        ("deit_small_patch16_224.fb_in1k", "DeiT-S/16", _DEIT, 88.2),
        ("deit_small_distilled_patch16_224.fb_in1k", "DeiT-S/16, distilled", _DEIT, 89.7),
        ("vit_medium_patch16_gap_256.sw_in12k_ft_in1k", "ViT-M/16, no class token", _VIT, 155.4),
        ("vit_medium_patch16_gap_384.sw_in12k_ft_in1k", "ViT-M/16, no class token, 384 px", _VIT, 156.1),
        ("eva02_tiny_patch14_336.mim_in22k_ft_in1k", "EVA-02-Ti/14, 336 px", _EVA02, 23.0),
        ("vit_betwixt_patch16_rope_reg4_gap_256.sbb_in1k", "Rotary ViT, four registers", _ROPE_VIT, 240.9),
        ("vit_base_patch16_clip_224.laion2b_ft_in12k_in1k", "ViT-B/16, CLIP fine-tuned", _OPEN_CLIP, 346.3),
        ("mae_finetuned_vit_base", "ViT-B/16, MAE fine-tuned", _MAE, 346.3),
        ("mae_finetuned_vit_large", "ViT-L/16, MAE fine-tuned", _MAE, 1217.3),
        ("mae_finetuned_vit_huge", "ViT-H/14, MAE fine-tuned", _MAE, 2528.2),
        # without a classifier: what is compared is their embedding
        ("vit_small_patch14_reg4_dinov2.lvd142m", "DINOv2 ViT-S/14, four registers, 518 px", _DINO_V2, 88.2),
        ("vit_small_patch16_dinov3.lvd1689m", "DINOv3 ViT-S/16, 256 px", _DINO_V3, 86.3),
        ("vit_base_patch16_siglip_224.v2_webli", "SigLIP 2 ViT-B/16", _SIGLIP_2, 371.5),
    )
    | _table(
        "backbone",
        "pixels",
        ("convnext_tiny.fb_in22k_ft_in1k", "ConvNeXt-T, 22k to 1k", _CONVNEXT, 114.4),
        ("convnext_base.fb_in1k", "ConvNeXt-B, 1k", _CONVNEXT, 354.4),
        ("convnext_base.fb_in22k_ft_in1k", "ConvNeXt-B, 22k to 1k", _CONVNEXT, 354.4),
        ("convnext_large.fb_in1k", "ConvNeXt-L, 1k", _CONVNEXT, 791.1),
        ("convnext_large.fb_in22k_ft_in1k", "ConvNeXt-L, 22k to 1k", _CONVNEXT, 791.1),
        ("convnextv2_tiny.fcmae_ft_in22k_in1k", "ConvNeXt V2-T, 22k to 1k", _CONVNEXT_V2, 114.5),
        ("swin_tiny_patch4_window7_224.ms_in22k_ft_in1k", "Swin-T, 22k to 1k", _SWIN, 113.2),
        ("swin_base_patch4_window7_224.ms_in1k", "Swin-B, 1k", _SWIN, 351.1),
        ("swin_base_patch4_window7_224.ms_in22k_ft_in1k", "Swin-B, 22k to 1k", _SWIN, 351.1),
        ("swin_base_patch4_window12_384.ms_in1k", "Swin-B, 1k, 384 px", _SWIN, 351.6),
        ("swin_base_patch4_window12_384.ms_in22k_ft_in1k", "Swin-B, 22k to 1k, 384 px", _SWIN, 351.6),
        ("swin_large_patch4_window7_224.ms_in22k_ft_in1k", "Swin-L, 22k to 1k", _SWIN, 786.1),
        ("swin_large_patch4_window12_384.ms_in22k_ft_in1k", "Swin-L, 22k to 1k, 384 px", _SWIN, 786.9),
        ("swinv2_tiny_window8_256.ms_in1k", "Swin V2-T, 256 px", _SWIN_V2, 113.4),
    )
    | _by_name(
        _of_transformers(
            "facebook/dinov2-small-imagenet1k-1-layer",
            "DINOv2 ViT-S/14, linear",
            _DINO_V2_PAPER,
            91.3,
            "apache-2.0",
            1000,
        ),
        _of_transformers(
            "facebook/deit-tiny-patch16-224", "DeiT-Ti/16 of transformers", _DEIT, 22.9, "apache-2.0", 1000
        ),
        _of_transformers(
            "openai/clip-vit-base-patch32", "CLIP ViT-B/32, image tower", _CLIP, 605.2, "not stated"
        ),
    )
    | _by_name(*map(_videomae, ("small", "base", "large", "huge")))
)

_TABLES = {"proposal": PROPOSALS, "backbone": BACKBONES}


def find(name: str, role: str) -> Entry:
    """The entry of a name: a catalogue key, a model of the own folder, an architecture, any timm model, a
    short name such as videomae_base, or hf:OWNER/NAME, a model of transformers.

    >>> from papr_core.models.catalog import find
    >>> find("videomae_base", "backbone").title, find("mobileone_s0", "proposal").title
    ('VideoMAE-B', 'MobileOne-S0')

    Raises:
        UnknownModel: nothing has this name (paths name nothing); the message gives the nearest.
    """
    table = _TABLES[role]
    if not isinstance(name, str) or not name.strip():
        raise UnknownModel(f"A {role} is given by its name, such as {next(iter(table))}.")
    name = name.strip()
    if name in table:
        return table[name]
    if name.startswith(hub.PREFIX):
        if role != "backbone":
            raise UnsupportedModel(
                f"A proposal is a ConvNet of timm; {name[:80]} is a model of transformers."
            )
        return hub.HubEntry(name, role, hub.repository(name), family="hooked")
    short = next((entry for key, entry in table.items() if name in short_names(key)), None)
    own = weights.is_own(name)
    if short is not None and (short.sees_clips or not own):  # files of clip models have names of their own
        return short
    if own:
        return Entry(name, role, name)
    if weights.is_hub_address(name):
        return Entry(name, role, name.rpartition("/")[2])
    full = weights.timm_name(name)
    if full is None:
        raise UnknownModel(_nothing_named(name, role))
    return table.get(full) or Entry(full, role, full)


def short_names(name: str) -> tuple[str, str]:
    """What a catalogue key is called for short: its architecture; without what it was tuned to."""
    return name.split(".")[0], name.split("-finetuned")[0].replace("-", "_")


def sees_clips(model: Any, role: str) -> bool:
    """Whether a model, or the one of this name, looks at clips, not at pictures. Raises UnknownModel."""
    return (find(model, role) if isinstance(model, str) else model).sees_clips


def check_sees_pictures(**models: Any) -> None:
    """Raise UnsupportedModel for a model (proposal=, backbone=; a name, or what `load_proposal` and
    `load_backbone` give) that looks at clips."""
    for role, model in models.items():
        if sees_clips(model, role):
            name = model if isinstance(model, str) else model.name
            raise UnsupportedModel(f"{name} looks at clips, not at pictures: `papr video` takes it.")


def own_role(name: str) -> str:
    """The list in which a model of the user's own folder stands: "backbone" for ViT kin, Swin and ConvNeXt
    (which may be asked for as a proposal too), else "proposal".

    Raises:
        WeightsUnavailable: its configuration cannot be used.
    """
    from timm.models import is_model_in_modules

    architecture = weights.read_config(name)["architecture"]
    pruned = ("vision_transformer", "eva", "deit", "convnext", "swin_transformer", "swin_transformer_v2")
    return "backbone" if is_model_in_modules(architecture, pruned) else "proposal"


def _nothing_named(name: str, role: str) -> str:
    import timm

    known = {*_TABLES[role], *weights.own_models(), *timm.list_models(), *timm.list_models(pretrained=True)}
    similar = difflib.get_close_matches(name[:200], known, n=30, cutoff=0.6)
    by_stem: dict[str, str] = {}  # different names, not one with all its tags
    for other in similar:
        if other != name:
            by_stem.setdefault(other.split(".")[0], other)
    near = list(by_stem.values())[:3]
    hint = f"the nearest names are {', '.join(near)}" if near else "`papr models` lists what there is"
    if file := weights.unread(name):
        hint = f"{file} lies in your weights folder, but only {', '.join(weights.SUFFIXES)} are read"
    shown = name if len(name) <= 80 else name[:77] + "..."
    return f"There is no {role} named {shown!r}; {hint}."
