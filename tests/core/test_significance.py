"""The significance map against slow loops, and what it refuses."""

import math

import pytest
import torch

from papr_core import InvalidInput, min_max, patch_significance


def source_position(index: int, size_out: int, size_in: int, align_corners: bool) -> float:
    if align_corners:
        return index * (size_in - 1) / (size_out - 1) if size_out > 1 else 0.0
    return (index + 0.5) * size_in / size_out - 0.5


def cubic_weight(distance: float, a: float = -0.75) -> float:
    d = abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def linear_weight(distance: float) -> float:
    return max(0.0, 1 - abs(distance))


def resized(line: list[float], size: int, align_corners: bool, weight, reach: int) -> list[float]:
    """One line, resized by hand; beyond an edge its last value goes on."""
    out = []
    for index in range(size):
        position = source_position(index, size, len(line), align_corners)
        if weight is linear_weight:
            position = max(position, 0.0)
        start = math.floor(position)
        taps = range(start - reach + 1, start + reach + 1)
        out.append(sum(weight(position - tap) * line[min(max(tap, 0), len(line) - 1)] for tap in taps))
    return out


def slow_resize(values: torch.Tensor, grid: tuple[int, ...], align_corners: bool) -> torch.Tensor:
    """Axis by axis, line by line."""
    weight, reach = (cubic_weight, 2) if len(grid) == 2 else (linear_weight, 1)
    for axis, size in enumerate(grid):
        moved = values.movedim(axis, -1)
        lines = [
            resized(line, size, align_corners, weight, reach)
            for line in moved.reshape(-1, moved.shape[-1]).tolist()
        ]
        values = torch.tensor(lines, dtype=torch.float64).view(*moved.shape[:-1], size).movedim(-1, axis)
    return values


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(
    ("shape", "grid"), [((7, 7), (14, 14)), ((3, 5), (9, 4)), ((6, 4), (6, 11)), ((2, 3), (1, 1))]
)
def test_images_equal_a_slow_loop(shape, grid, align_corners):
    features = torch.randn(2, 5, *shape, dtype=torch.float64)
    found = patch_significance(features, grid, align_corners=align_corners)
    assert found.shape == (2, *grid)
    for image, result in zip(features, found):
        mean = sum(image[k] for k in range(5)) / 5
        torch.testing.assert_close(result, slow_resize(mean, grid, align_corners))


@pytest.mark.parametrize("align_corners", [True, False])
def test_clips_equal_a_slow_loop(align_corners):
    features = torch.randn(2, 3, 4, 2, 3, dtype=torch.float64)
    found = patch_significance(features, (8, 5, 3), align_corners=align_corners)
    assert found.shape == (2, 8, 5, 3)
    for clip, result in zip(features, found):
        torch.testing.assert_close(result, slow_resize(clip.mean(dim=0), (8, 5, 3), align_corners))


def test_a_map_that_is_already_there_is_only_resized():
    features = torch.randn(2, 6, 7, 5)
    for grid in ((14, 10), (7, 5)):
        assert torch.equal(patch_significance(features.mean(1), grid), patch_significance(features, grid))
    clip = torch.randn(1, 3, 4, 4)  # with three numbers four dimensions are a map
    assert patch_significance(clip, (2, 8, 8)).shape == (1, 2, 8, 8)
    same = torch.randn(2, 7, 5)
    assert torch.equal(patch_significance(same, (7, 5)), same)


def test_default_aligns_corners_and_ranks_without_normalising():
    features = torch.randn(1, 4, 7, 7)
    found = patch_significance(features, (14, 14))
    assert torch.equal(found, patch_significance(features, (14, 14), align_corners=True))
    corners = features.mean(1)
    torch.testing.assert_close(
        found[:, [0, 0, -1, -1], [0, -1, 0, -1]], corners[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    )
    torch.testing.assert_close(patch_significance(features * 3 + 2, (14, 14)), found * 3 + 2)


def test_a_planted_object_is_found():
    features = torch.zeros(1, 8, 7, 7)
    features[0, :, 5, 1] = 1
    row, column = divmod(int(patch_significance(features, (14, 14)).flatten().argmax()), 14)
    assert (row, column) in {(10, 2), (11, 2), (10, 3), (11, 3)}


def test_images_of_a_batch_do_not_touch_each_other():
    features = torch.randn(3, 4, 5, 5)
    together = patch_significance(features, (9, 9))
    for i in range(3):
        assert torch.equal(together[i : i + 1], patch_significance(features[i : i + 1], (9, 9)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64])
def test_other_types_are_computed_in_float32(dtype):
    features = torch.arange(98).view(1, 2, 7, 7).to(dtype)
    found = patch_significance(features, (14, 14))
    assert found.dtype == torch.float32
    assert torch.equal(found, patch_significance(features.float(), (14, 14)))


def test_gradients_flow():
    features = torch.randn(1, 2, 3, 3, requires_grad=True)
    patch_significance(features, (6, 6)).sum().backward()
    assert features.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("shape", "grid"),
    [
        ((2, 3, 7, 7), (14,)),
        ((2, 3, 7, 7), (0, 14)),
        ((2, 3, 7, 7), (14.5, 14)),
        ((2, 3, 7, 7), "14"),
        ((2, 3, 7, 7), 14),
        ((2, 3, 7, 7), (1, 2, 3, 4)),
        ((7, 7), (14, 14)),
        ((2, 3, 4, 7, 7), (14, 14)),
        ((2, 7, 7), (4, 14, 14)),
        ((2, 0, 7, 7), (14, 14)),
        ((0, 3, 7, 7), (14, 14)),
    ],
)
def test_refusals_are_ours_and_value_errors(shape, grid):
    with pytest.raises(InvalidInput) as caught:
        patch_significance(torch.zeros(shape), grid)
    assert isinstance(caught.value, ValueError)


def test_min_max_is_for_the_eye():
    maps = torch.randn(3, 4, 5)
    maps[1] = 7
    shown = min_max(maps)
    assert shown[0].min() == 0
    assert shown[0].max() == 1
    assert (shown[1] == 0).all()
    assert torch.equal(shown[2].flatten().argsort(), maps[2].flatten().argsort())
