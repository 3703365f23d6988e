"""What a reduction must answer: words of the table make values and come back; a backbone asks no more."""

import argparse
import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch

from papr_core import InvalidInput, ToMe, cost, load_backbone
from papr_core.commands.options import add_reduction, given_reduction, given_reductions
from papr_core.pruning import reductions
from papr_core.pruning.reductions import (
    REDUCTIONS,
    SHOWN,
    Asked,
    asked,
    reduction_in,
    settings_of,
    settled,
    words_of,
)
from papr_core.pruning.reductions.base import Merge, Reduction

# Words


@pytest.mark.parametrize("name", REDUCTIONS)
def test_words_make_a_value_that_gives_them_back(name):
    kind = REDUCTIONS[name]
    settings = [None, *(choice for word in kind.settings for choice in word.choices)]
    for setting in settings:
        given = {
            kind.amount.name: 3,
            **{word.name: setting for word in kind.settings if setting in word.choices},
        }
        for keep in (0.5, 1.0):
            value = settled(asked({"keep": keep, **given}), keep)
            assert reduction_in({"keep": keep, **words_of(value)}) == value
            assert len({value, settled(asked(given), keep)}) == 1
            assert given.items() <= words_of(value).items()
            assert value.label
            assert value.about
            assert sum(value.per_block(12)) > 0


def test_what_is_unsaid_is_as_published():
    assert asked({"tome_r": 8}).at(1.0) == ToMe(8)
    assert asked({"tome_r": 8}).at(0.5) == ToMe(8, "second_half")
    assert asked({"tome_r": 8, "tome_layers": "all"}).at(0.5) == ToMe(8)
    assert asked({"tome_layers": "all", "keep": 0.5}) is None
    assert asked({"tome_r": None}) is None
    assert settled(asked({"tome_r": 0}), 1.0) is None
    assert settled(None, 0.5) is None
    assert words_of(None) == words_of(ToMe(0))
    assert words_of(None).items() >= {"tome_r": 0, "tome_layers": None}.items()
    assert reduction_in({"keep": 1.0, "tome_r": 0}) is None


def test_what_several_have_in_common():
    for several, layers in (
        ([None, asked({"tome_r": 3})], None),
        ([None, ToMe(3), asked({"tome_r": 8, "tome_layers": "all"})], "all"),
        ([ToMe(3), ToMe(3, "second_half")], None),
    ):
        assert settings_of(several)["tome_layers"] == layers


def test_rows_tell_numbers_a_block_and_decreasing_ones_apart():
    listed, falling = ToMe([2, 1, 0]), ToMe(4, decreasing=True)
    assert listed == ToMe((2, 1, 0))
    assert reduction_in({"keep": 1.0, **words_of(listed)}) == listed
    assert words_of(falling)["tome_decreasing"]
    assert (listed.label, falling.label, ToMe(8).label) == ("ToMe r 2,1,0", "ToMe r 8-0", "ToMe r 8")


def test_the_command_line_asks():
    parser = argparse.ArgumentParser()
    add_reduction(parser)
    assert given_reduction(parser.parse_args([])) is None
    assert given_reduction(parser.parse_args([]), SHOWN) == SHOWN
    all_layers = parser.parse_args(["--tome-layers", "all"])
    assert given_reduction(all_layers, SHOWN) == Asked("ToMe", 8, ("all",))
    parser = argparse.ArgumentParser()
    add_reduction(parser, several=True)
    assert given_reductions(parser.parse_args([])) == [None]
    several = given_reductions(parser.parse_args(["--tome-r", "0", "8"]))
    assert several == [Asked("ToMe", 0, (None,)), Asked("ToMe", 8, (None,))]


# Another reduction


@dataclass(frozen=True)
class Dropped(Reduction):
    """The `count` patches with the smallest keys go, in the last block but one."""

    count: int
    does = "drop tokens"
    active = True

    def per_block(self, depth):
        return (*[0] * (depth - 2), self.count, 0)

    def match(self, keys, count, *, num_prefix_tokens):
        order = keys[:, num_prefix_tokens:].norm(dim=-1).argsort(dim=-1, stable=True) + num_prefix_tokens
        prefix = torch.arange(num_prefix_tokens, device=keys.device).expand(len(keys), -1)
        stays = torch.cat([prefix, order[:, count:].sort(dim=-1).values], dim=1)
        target = torch.full(keys.shape[:2], -1, device=keys.device)
        places = torch.arange(stays.shape[1], device=keys.device).expand(len(keys), -1)
        return Merge(target.scatter(1, stays, places), stays, order[:, :0])


@torch.inference_mode()
@pytest.mark.parametrize("name", ["test_vit", "eva02_tiny_patch14_224"])
def test_a_backbone_needs_to_know_no_more_of_one(name):
    torch.manual_seed(0)
    backbone = load_backbone(name, pretrained=False)
    images = torch.randn(2, *backbone.input_size)
    kept = backbone.select(torch.rand(2, 5, 5), 0.5)
    groups = backbone.groups(images, kept, reduction=Dropped(5))
    seen = []
    hook = backbone.model.blocks[-1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    backbone(images, kept)
    found = backbone(images, kept, reduction=Dropped(5))
    hook.remove()
    whole, left = seen
    assert left.shape[1] == whole.shape[1] - 5
    assert found.isfinite().all()
    for row, chosen in zip(groups, kept):
        assert (row >= 0).sum() == len(chosen) - 5
        assert row[row >= 0].unique().tolist() == list(range(len(chosen) - 5))
    assert cost.backbone_gmacs(backbone, reduction=Dropped(5)) < cost.backbone_gmacs(backbone)


def test_a_merge_may_drop_and_merge_at_once():
    merge = Merge(torch.tensor([[0, 1, -1, 1]]), torch.tensor([[0, 1]]), torch.tensor([[3]]))
    found, sizes = merge(torch.tensor([[[1.0], [2.0], [9.0], [4.0]]]))
    assert found.flatten().tolist() == [1, 3]
    assert sizes.flatten().tolist() == [1, 2]
    assert merge.followed(torch.tensor([[-1, 3, 2, 0]])).tolist() == [[-1, 1, -1, 0]]


def test_two_at_once_are_refused(monkeypatch):
    kind = REDUCTIONS["ToMe"]
    other = reductions.Kind(kind.where, reductions.Word("drop_r", "Dropped", "tokens dropped"))
    monkeypatch.setitem(REDUCTIONS, "Drop", other)
    assert asked({"tome_r": 0, "drop_r": 2}) == Asked("Drop", 2)
    with pytest.raises(InvalidInput, match="ToMe and Drop"):
        asked({"tome_r": 8, "drop_r": 2})


def test_a_number_is_no_reduction():
    backbone = load_backbone("test_vit", pretrained=False)
    for wrong in (8, 0, SHOWN):
        with pytest.raises(InvalidInput, match="such as ToMe"):
            backbone(torch.zeros(1, *backbone.input_size), reduction=wrong)


def test_words_bring_no_torch():
    script = (
        "import sys, papr_core.pruning.reductions as r; r.asked({'tome_r': 8}); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
