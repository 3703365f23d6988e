"""How many patches stay and which: against slow loops, ties, and what is refused."""

import math

import pytest
import torch

from papr_core import InvalidInput, num_kept, select_patches, top_patches


@pytest.mark.parametrize(
    ("patches", "ratio", "prefix", "kept"),
    [
        (196, 0.5, 1, 98),  # the paper's ViT-B/16 at z = 0.5: 8.98 GMACs with the proposal
        (196, 0.4, 1, 78),
        (196, 0.43, 1, 84),
        (196, 0.7, 1, 137),
        (196, 1, 1, 196),
        (196, 1.0, 5, 196),
        (196, 0.999, 5, 196),  # floor(200.799), cut to N
        (196, 0.999, 0, 195),
        (196, 0.001, 1, 1),
        (196, 1e-9, 0, 1),
        (100, 0.29, 0, 29),  # 0.29 * 100 is 28.999999999999996
        (100, 0.57, 0, 57),
        (1, 0.5, 0, 1),
        (256, 0.3, 0, 76),
    ],
)
def test_count(patches, ratio, prefix, kept):
    assert num_kept(patches, ratio, prefix) == kept


def test_count_never_falls_with_the_ratio():
    for prefix in (0, 1, 5):
        counts = [num_kept(196, i / 1000, prefix) for i in range(1, 1001)]
        assert counts == sorted(counts)
        assert counts[0] == 1
        assert counts[-1] == 196


def slow_select(scores: list[float], k: int) -> list[int]:
    left, chosen = list(range(len(scores))), []
    for _ in range(k):
        best = left[0]
        for i in left:
            if scores[i] > scores[best]:
                best = i
        left.remove(best)
        chosen.append(best)
    return sorted(chosen)


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (1, 9), (2, 3, 4)])
def test_selection_equals_a_slow_loop_with_ties(shape):
    maps = torch.randint(0, 4, (4, *shape)).double()
    for ratio in (0.1, 0.33, 0.5, 0.9, 1):
        found = select_patches(maps, ratio, num_prefix_tokens=1)
        k = num_kept(math.prod(shape), ratio, 1)
        assert found.dtype == torch.int64
        assert found.tolist() == [slow_select(image.flatten().tolist(), k) for image in maps]


def test_ties_go_to_the_lower_index_and_a_constant_map_is_legal():
    assert select_patches(torch.zeros(2, 4, 4), 0.25).tolist() == [[0, 1, 2, 3]] * 2
    assert top_patches(torch.tensor([[[0.0, -0.0, 0.0]]]), 2).tolist() == [[0, 1]]


def test_masks_of_one_map_nest():
    scores = torch.randn(1, 14, 14)
    kept = [set(select_patches(scores, ratio)[0].tolist()) for ratio in (0.1, 0.3, 0.5, 0.9)]
    assert kept[0] < kept[1] < kept[2] < kept[3]


def test_scale_and_shift_do_not_matter():
    scores = torch.randn(3, 7, 7, dtype=torch.float64)
    assert torch.equal(select_patches(scores, 0.4), select_patches(scores * 7 + 3, 0.4))


def test_a_batch_equals_its_singles():
    scores = torch.randint(0, 9, (5, 6, 4)).float()
    together = select_patches(scores, 0.4)
    assert torch.equal(together, torch.cat([select_patches(scores[i : i + 1], 0.4) for i in range(5)]))


@pytest.mark.parametrize("ratio", [0, 0.0, -0.1, 1.0001, 2, math.nan, math.inf, None, "0.5", True, [0.5]])
def test_a_ratio_outside_is_refused(ratio):
    with pytest.raises(InvalidInput) as caught:
        select_patches(torch.zeros(1, 4, 4), ratio)
    assert isinstance(caught.value, ValueError)


def test_a_ratio_may_be_any_real_number():
    import numpy as np

    scores = torch.randn(1, 10, 10)
    for ratio in (np.float32(0.5), np.float64(0.5), torch.tensor(0.5)):
        assert torch.equal(select_patches(scores, ratio), select_patches(scores, 0.5))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_map_that_is_not_finite_is_refused(value):
    scores = torch.zeros(2, 4, 4)
    scores[1, 2, 3] = value
    with pytest.raises(InvalidInput, match="NaN or infinity"):
        select_patches(scores, 0.5)
    with pytest.raises(InvalidInput):
        top_patches(scores, 3)


@pytest.mark.parametrize("k", [0, -1, 17])
def test_a_count_that_is_not_there_is_refused(k):
    with pytest.raises(InvalidInput):
        top_patches(torch.zeros(1, 4, 4), k)


def test_a_map_without_a_batch_or_without_patches_is_refused():
    with pytest.raises(InvalidInput):
        select_patches(torch.zeros(16), 0.5)
    with pytest.raises(InvalidInput):
        select_patches(torch.zeros(1, 0, 4), 0.5)
