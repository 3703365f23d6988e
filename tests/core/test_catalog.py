"""The catalogue: names that exist, licences as timm states them, sizes as the architectures have them."""

import pytest
import timm

from papr_core import BACKBONES, PROPOSALS, UnknownModel
from papr_core.models import weights
from papr_core.models.catalog import find
from papr_core.models.embedded import DEFAULT_BACKBONE, DEFAULT_PROPOSAL, EMBEDDED, EMBEDDED_PROPOSALS
from papr_core.models.hub import HubEntry

LINES = [entry for table in (PROPOSALS, BACKBONES) for entry in table.values()]
CLIPS = [entry for entry in LINES if entry.sees_clips]  # timm has none of these
AUTHORS = [entry for entry in LINES if entry.name.startswith("mae_finetuned")]  # timm does not have these
HUB = [entry for entry in LINES if isinstance(entry, HubEntry)]  # nor these
PUBLISHED = [entry for entry in LINES if entry.name not in EMBEDDED and entry not in [*AUTHORS, *CLIPS, *HUB]]


def test_the_defaults_come_first():
    assert next(iter(PROPOSALS)) == DEFAULT_PROPOSAL
    assert next(iter(BACKBONES)) == DEFAULT_BACKBONE


@pytest.mark.parametrize("entry", LINES, ids=lambda entry: entry.name)
def test_each_line_is_complete(entry):
    assert find(entry.name, entry.role) is entry
    assert entry.title
    assert entry.paper.startswith("https://arxiv.org/abs/")
    families = {"proposal": ("convnet", "video"), "backbone": ("tokens", "pixels", "tubelets", "hooked")}
    assert entry.family in families[entry.role]


@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry.name)
def test_each_line_says_what_timm_says(entry):
    published = timm.get_pretrained_cfg(entry.name, allow_unregistered=False)
    assert entry.licence == published.license
    assert entry.source == f"https://huggingface.co/{published.hf_hub_id}"
    assert entry.input_size == published.input_size
    assert len(entry.labels) == published.num_classes
    assert entry.name in timm.list_models(pretrained=True)


@pytest.mark.parametrize("entry", AUTHORS, ids=lambda entry: entry.name)
def test_the_authors_own_files(entry):
    assert entry.licence == "cc-by-nc-4.0"
    assert entry.source == f"https://dl.fbaipublicfiles.com/mae/finetune/{entry.name}.pth"
    assert entry.input_size == (3, 224, 224)
    assert entry.labels.name == "imagenet-1k"
    skeleton = weights.skeleton(entry.name)
    assert (skeleton.global_pool, skeleton.num_prefix_tokens) == ("avg", 1)
    names = set(skeleton.state_dict())
    assert {"cls_token", "pos_embed", "fc_norm.weight", "head.bias", "blocks.0.attn.qkv.bias"} <= names
    assert "norm.weight" not in names  # the norm stands behind the pooling


@pytest.mark.parametrize("entry", [*PUBLISHED, *AUTHORS], ids=lambda entry: entry.name)
def test_each_size_is_the_architecture_s(entry):
    assert entry.megabytes == pytest.approx(weights.megabytes(entry.name), abs=0.06)


def test_titles_are_different():
    for table in (PROPOSALS, BACKBONES):
        assert len({entry.title for entry in table.values()}) == len(table)


@pytest.mark.parametrize(
    ("name", "role", "full"),
    [
        ("mobileone_s0", "proposal", "mobileone_s0.apple_in1k"),
        ("resnet18", "proposal", "resnet18.a1_in1k"),
        (" resnet18.a1_in1k ", "proposal", "resnet18.a1_in1k"),
        ("resnet18.tv_in1k", "proposal", "resnet18.tv_in1k"),
        ("vit_base_patch16_224", "backbone", "vit_base_patch16_224.augreg_in21k_ft_in1k"),
        ("deit3_small_patch16_224", "backbone", "deit3_small_patch16_224.fb_in1k"),
        ("vit_base_patch16_224.sam_in1k", "backbone", "vit_base_patch16_224.sam_in1k"),
    ],
)
def test_aliases_and_other_timm_models(name, role, full):
    assert find(name, role).name == full
    assert find(name, role).role == role


@pytest.mark.parametrize("role", ["proposal", "backbone"])
@pytest.mark.parametrize(
    "name",
    [
        "",
        "  ",
        None,
        7,
        "no_such_net",
        "resnet18.no_such_tag",
        "timm/resnet18",
        "hf-hub:resnet18",
        "hf-hub:timm/../resnet18",
    ]
    + ["local-dir:/tmp", "../resnet18", "/etc/passwd", "<img onerror=alert(1)>", "x" * 5000],
)
def test_names_of_nothing(name, role):
    with pytest.raises(UnknownModel) as caught:
        find(name, role)
    assert len(str(caught.value)) < 500


def test_the_nearest_names_are_given():
    with pytest.raises(UnknownModel, match="mobileone_s0"):
        find("mobileone_s0_apple", "proposal")
    with pytest.raises(UnknownModel, match="the nearest names are vit_tiny_patch16_224, "):
        find("vit_tiny_patch16_24", "backbone")


def test_the_embedded_models_stand_in_their_lists():
    assert [name for name in PROPOSALS if name in EMBEDDED] == list(EMBEDDED_PROPOSALS)
    assert [name for name in BACKBONES if name in EMBEDDED] == [DEFAULT_BACKBONE, EMBEDDED[-1]]


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_embedded_models_say_the_same_as_their_files(name):
    entry = (PROPOSALS | BACKBONES)[name]
    source = weights.locate(name)
    assert source.kind == "embedded"
    assert source.megabytes < 25
    assert entry.source
    assert entry.megabytes is None
    assert entry.licence != "not stated"
    assert len(entry.labels) == (200 if name.endswith("tiny200") else 1000)
    assert entry.labels.synsets is not None
