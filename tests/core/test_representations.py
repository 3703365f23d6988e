"""What is printed of a model, its labels and a result is one short line."""

import pytest

import papr_core
from papr_core.models.backbones import skeleton_backbone

WANTED = {
    "vit_tiny_patch8_112.tiny200": "TokenBackbone('vit_tiny_patch8_112.tiny200', 14x14 patches, "
    "Labels('tiny-imagenet-200', 200 classes))",
    "convnext_tiny": "PixelBackbone('convnext_tiny.fb_in22k_ft_in1k', 14x14 patches, "
    "Labels('imagenet-1k', 1000 classes))",
    "vit_small_patch16_dinov3": "TokenBackbone('vit_small_patch16_dinov3.lvd1689m', 16x16 patches, "
    "Labels('no classes', 0 classes))",
}


@pytest.mark.parametrize("name", WANTED)
def test_a_backbone_and_its_labels_take_a_line(name):
    embedded = name.endswith("tiny200")
    backbone = papr_core.load_backbone(name) if embedded else skeleton_backbone(name)
    assert repr(backbone) == str(backbone) == WANTED[name]
    assert repr(backbone.labels) == f"Labels({backbone.labels.name!r}, {len(backbone.labels)} classes)"
    assert "(model): " not in repr(backbone)
    assert len(repr(backbone.model).splitlines()) > 20  # the layers are still to be had
