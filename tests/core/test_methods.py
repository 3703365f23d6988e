"""The table of methods: laws for each, controls, a planted object, threads, and what is left behind."""

import gc

import numpy as np
import pytest
import torch
from threads import at_once
from torch import nn

from papr_core import load_proposal
from papr_core.errors import InvalidInput, Stopped, UnsupportedModel
from papr_core.methods.controls import checkerboard_map, edge_maps, shuffled_maps
from papr_core.methods.gaze import Gaze
from papr_core.methods.table import DEFAULT_METHODS, METHODS, method_map, refusal

GRID = (6, 9)
SIZE = 96
LOOKING = [name for name, method in METHODS.items() if method.looks]


@pytest.fixture(scope="module")
def proposal(pair):
    return pair[0]


@pytest.fixture(scope="module")
def batch(proposal):
    smooth = torch.rand(3, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    images = nn.functional.interpolate(smooth, (SIZE, SIZE), mode="bicubic") * 4 - 2
    with torch.inference_mode():
        return images, proposal.features(images)


def call(name, proposal, images, features, **kwargs):
    patches = [3, 17, 40] if name == "by-hand" else None
    grid = BACKBONE[0].grid if METHODS[name].kind == "oracle" else GRID
    given = {"grid": grid, "patches": patches, "gaze": gaze_of(images), **kwargs}
    return method_map(name, proposal, images, features, **given)


BACKBONE: list = []  # that methods which look there ask: the pair's


@pytest.fixture(scope="module", autouse=True)
def backbone(pair):
    BACKBONE[:] = [pair[1]]
    return pair[1]


def gaze_of(images):
    """The same pictures as the backbone sees them."""
    return Gaze(BACKBONE[0], nn.functional.interpolate(images, BACKBONE[0].input_size[1:], mode="bilinear"))


@pytest.mark.parametrize("name", METHODS)
def test_each_map_varies_and_a_batch_equals_its_singles(name, proposal, batch):
    images, features = batch
    method = METHODS[name]
    maps = call(name, proposal, images, features)
    grid = BACKBONE[0].grid if method.kind == "oracle" else GRID
    assert maps.shape == (3, method.draws, *(features.shape[2:] if method.looks else grid))
    assert maps.isfinite().all()
    if method.whole:
        assert not maps.any(), "it ranks nothing"
        return
    spread = maps.flatten(2).std(dim=2) / maps.flatten(2).abs().amax(dim=2)
    assert (spread > 1e-3).all()
    for i in range(3):
        alone = call(name, proposal, images[i : i + 1], features[i : i + 1])
        assert torch.allclose(alone[0], maps[i], rtol=1e-4, atol=1e-5)
    if method.looks or method.kind == "oracle" or name == "edges":
        assert not torch.allclose(maps[0], maps[1], rtol=1e-3), "two pictures have one map"


@pytest.mark.parametrize("name", [name for name in METHODS if METHODS[name].uses_class])
def test_a_class_can_be_named_for_all_or_for_each(name, proposal, batch):
    images, features = batch
    own = proposal.logits(features).argmax(dim=1).tolist()
    each = call(name, proposal, images, features, class_index=own)
    assert torch.equal(each, call(name, proposal, images, features)), (
        "the default is each picture's own top-1"
    )
    other = [(index + 1) % len(proposal.labels) for index in own]
    assert not torch.allclose(call(name, proposal, images, features, class_index=other), each)
    one = call(name, proposal, images, features, class_index=4)
    assert torch.equal(one, call(name, proposal, images, features, class_index=torch.tensor([4, 4, 4])))


def test_papr_is_the_mean_of_the_features_and_reversed_its_negative(proposal, batch):
    images, features = batch
    papr = call("papr", proposal, images, features)
    expected = features.double().sum(dim=1) / features.shape[1]
    assert torch.allclose(papr[:, 0].double(), expected, atol=1e-6)
    assert torch.equal(call("reversed", proposal, images, features), -papr)


def test_random_repeats_nests_and_depends_on_seed_draw_and_key_alone(pair, batch):
    proposal, backbone = pair
    images, features = batch
    first = call("random", proposal, images, features, grid=backbone.grid)
    assert torch.equal(first, call("random", proposal, images, features, grid=backbone.grid))
    assert torch.equal(first[0], first[2]), "without keys, each picture has the same five draws"
    assert len({tuple(draw.flatten().tolist()) for draw in first[0]}) == 5
    assert not torch.equal(first, call("random", proposal, images, features, grid=backbone.grid, seed=1))
    keyed = call("random", proposal, images, features, grid=backbone.grid, keys=["a", "b", "c"])
    swapped = call("random", proposal, images[:2], features[:2], grid=backbone.grid, keys=["c", "a"])
    assert torch.equal(keyed[0], swapped[1])
    assert torch.equal(keyed[2], swapped[0])
    assert not torch.equal(keyed[0], keyed[1])
    for draw in first[0]:
        before: set[int] = set()
        for ratio in (0.05, 0.1, 0.3, 0.5, 0.9, 1):
            kept = set(backbone.select(draw[None], ratio)[0].tolist())
            assert before < kept
            before = kept
        assert sorted(draw.flatten().tolist()) == list(range(backbone.num_patches)), (
            "each patch has its own rank"
        )


def test_random_is_fair():
    ranks = shuffled_maps((4, 4), 0, range(2000), draws=1).flatten(1)
    assert (ranks.mean(dim=0) - 7.5).abs().max() < 0.5


@pytest.mark.parametrize("grid", [(1, 1), (4, 4), (14, 14), (9, 16), (5, 3)])
def test_a_checkerboard_is_spread_evenly_and_nests(grid):
    order = checkerboard_map(grid).flatten().argsort(descending=True)
    assert len(checkerboard_map(grid).unique()) == len(order), "each patch has its own rank"
    rows, columns = order // grid[1], order % grid[1]
    half = (len(order) + 1) // 2
    assert ((rows + columns)[:half] % 2 == 0).all(), "half of all patches are the squares of one colour"
    for count in range(1, len(order) + 1):  # sets nest, since they are the beginnings of one order
        for line, of in ((rows, grid[0]), (columns, grid[1])):
            if of % 2 == 0:
                filled = torch.bincount(line[:count] // (of // 2), minlength=2)  # of both halves of a side
                assert filled.max() - filled.min() <= max(3, 0.3 * count), (grid, count)


def test_edges_are_the_squared_gradient_of_the_grey_picture():
    pictures = torch.rand(2, 3, 12, 20, generator=torch.Generator().manual_seed(0))
    found = edge_maps(pictures, (3, 4))
    grey = (pictures * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(dim=1).tolist()
    for image in range(2):
        for row in range(3):
            for column in range(4):
                total = 0.0
                for y in range(4 * row, 4 * row + 4):
                    for x in range(5 * column, 5 * column + 5):

                        def at(down, across, y=y, x=x, of=grey[image]):
                            y, x = abs(y + down), abs(x + across)  # mirrored at the border, which counts once
                            return of[y if y < 12 else 22 - y][x if x < 20 else 38 - x]

                        across = sum(w * (at(d, 1) - at(d, -1)) for d, w in ((-1, 1), (0, 2), (1, 1)))
                        down = sum(w * (at(1, a) - at(-1, a)) for a, w in ((-1, 1), (0, 2), (1, 1)))
                        total += across**2 + down**2
                assert found[image, row, column].item() == pytest.approx(total / 20, rel=1e-3)


@pytest.mark.parametrize("name", ["edges", "attention", "rollout"])
def test_what_looks_at_the_backbone_asks_for_it(name, proposal, batch):
    images, features = batch
    with pytest.raises(InvalidInput, match="needs the backbone"):
        method_map(name, proposal, images, features, grid=GRID)


@pytest.mark.parametrize("grid", [(1, 1), (4, 4), (5, 5), (3, 8)])
def test_center_ranks_by_distance_from_the_middle(grid, proposal, batch):
    images, features = batch
    found = call("center", proposal, images[:1], features[:1], grid=grid)[0, 0]
    rows, columns = grid
    for row in range(rows):
        for column in range(columns):
            down, right = (row + 0.5) / rows * 2 - 1, (column + 0.5) / columns * 2 - 1
            assert found[row, column].item() == pytest.approx(-((down**2 + right**2) ** 0.5), abs=1e-6)
    assert torch.equal(found, found.flip(0)) and torch.equal(found, found.flip(1))  # noqa: PT018


def test_by_hand_marks_what_was_chosen(proposal, batch):
    images, features = batch
    found = call("by-hand", proposal, images, features, patches=[53, 0, 7, 7])
    assert found.flatten(2).nonzero()[:, 2].unique().tolist() == [0, 7, 53]
    for kind in (torch.tensor, np.array, tuple):  # a row of `select`, an array, any sequence
        again = call("by-hand", proposal, images, features, patches=kind([53, 0, 7, 7]))
        assert torch.equal(again, found)


NO_PATCHES = [None, [], [54], [-1], [0.5], ["a"], "12", [float("nan")], [None]]
NO_PATCHES += [torch.tensor([[1, 2]]), np.ones(54, bool)]


@pytest.mark.parametrize("patches", NO_PATCHES)
def test_by_hand_refuses_what_are_no_patches(patches, proposal, batch):
    images, features = batch
    with pytest.raises(InvalidInput, match="by-hand|Patches"):
        method_map("by-hand", proposal, images, features, grid=GRID, patches=patches)


@pytest.mark.parametrize("name", ["nonsense", "PaPr", "", None, ["papr"]])
def test_an_unknown_method_is_refused(name, proposal, batch):
    images, features = batch
    with pytest.raises(InvalidInput, match="There is no method"):
        method_map(name, proposal, images, features, grid=GRID)


def test_keys_are_one_an_image(proposal, batch):
    images, features = batch
    with pytest.raises(InvalidInput, match="3 images need 3 keys"):
        call("random", proposal, images, features, keys=["a"])


def test_cam_is_refused_in_words_where_the_head_is_more_than_one_layer():
    proposal = load_proposal("mobilenetv3_small_050", pretrained=False)
    assert [name for name in METHODS if refusal(name, proposal)] == ["cam"]
    assert "CAM does not work with mobilenetv3_small_050" in refusal("cam", proposal)
    images = torch.rand(1, 3, 64, 64)
    features = proposal.features(images).detach()
    with pytest.raises(UnsupportedModel, match="one linear layer"):
        method_map("cam", proposal, images, features, grid=GRID)
    for name in ("papr", "grad-cam", "grad-cam++", "layer-cam", "eigen-cam"):
        assert call(name, proposal, images, features).isfinite().all()


def test_the_table_is_whole(proposal):
    assert not any(refusal(name, proposal) for name in METHODS)
    assert set(DEFAULT_METHODS) < set(METHODS)
    assert all(name == method.name and method.title and method.about for name, method in METHODS.items())
    kinds = {"papr", "cam", "library", "oracle", "control", "choice"}
    assert {method.kind for method in METHODS.values()} == kinds


class Planted(nn.Module):
    """A ConvNet with known weights: channels fire where the picture is red, green, blue, or anything at all;
    classes 0, 1 and 2 are these colours."""

    name = "planted"

    def __init__(self):
        super().__init__()
        weights = [[2.0, -1.0, -1.0, 0.0], [-1.0, 2.0, -1.0, 0.0], [-1.0, -1.0, 2.0, 0.0]]
        self.class_weights = nn.Parameter(torch.tensor(weights))

    def features(self, images):
        colours = nn.functional.avg_pool2d(images.relu(), 8)  # (B, 3, h, w)
        return torch.cat([colours, colours.sum(dim=1, keepdim=True)], dim=1)

    def logits(self, features):
        return 20 * features.mean(dim=(2, 3)) @ self.class_weights.T

    def forward(self, images):
        return self.logits(self.features(images))


@pytest.mark.parametrize("name", LOOKING)
def test_a_planted_object_is_found(name):
    proposal = Planted()
    images = torch.zeros(1, 3, 56, 56)
    images[:, 0, 8:24, 32:48] = 1.0  # a red object, rows 1 and 2, columns 4 and 5 of 7
    images[:, 1, 40:48, 8:16] = 0.6  # a smaller and paler green one
    features = proposal.features(images)
    found = call(name, proposal, images, features, class_index=0, grid=(7, 7))[0, 0]
    if name in ("reversed", "eigen-cam"):  # eigen-cam's sign is open
        found = -found if found[1, 4] < found.median() else found
    best = found.flatten().topk(4).indices.tolist()
    assert sorted(best) == [1 * 7 + 4, 1 * 7 + 5, 2 * 7 + 4, 2 * 7 + 5]
    green = call(name, proposal, images, features, class_index=1, grid=(7, 7))[0, 0]
    if METHODS[name].uses_class and name not in AGAINST:
        assert green.argmax() == 5 * 7 + 1, "the other class is somewhere else"


# As the library has them, these show what speaks against a class as well, and here red speaks loudest against
# green: two project onto the strongest direction, one divides by the class's score, which is below 0.
AGAINST = ("eigen-grad-cam", "seg-eigen-cam", "ablation-cam")


def traces(model):
    """What a call could leave on a model: modes, gradients, flags, hooks."""
    return [
        (
            module.training,
            len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks),
            [(p.grad is None, p.requires_grad, p._version, p.data_ptr()) for p in module.parameters(False)],
            [(b._version, b.data_ptr()) for b in module.buffers(False)],
        )
        for module in model.modules()
    ]


def test_fifty_calls_leave_the_model_as_found_and_memory_flat(proposal, batch):
    images, features = batch
    before = traces(proposal)

    def each():
        for name in METHODS:
            call(name, proposal, images[:1], features[:1])
        for name in ("score-cam", "cam", "grad-cam"):
            with pytest.raises((Stopped, IndexError, RuntimeError)):
                call(name, proposal, images[:1], features[:1], class_index=10**6, progress=stop_at_once)

    def stop_at_once(done, of):
        raise Stopped

    def tensors():
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    each()
    held = tensors()
    for _ in range(5):
        each()  # eleven methods, three of them failing too: over fifty calls
    assert tensors() <= held
    assert traces(proposal) == before


def test_sixteen_threads_share_one_proposal(proposal):
    """Different pictures and methods at once, each compared with the same call alone."""
    names = [name for name in METHODS if name != "by-hand"]
    jobs = [(names[i % len(names)], i) for i in range(48)]
    torch.manual_seed(0)
    pictures = torch.randn(48, 3, 64, 64)
    with torch.inference_mode():
        features = proposal.features(pictures)

    def run(job):
        name, i = job
        one = slice(i, i + 1)
        return call(name, proposal, pictures[one], features[one], class_index=i % 12, seed=i, keys=[i])

    expected = [run(job) for job in jobs]
    found = at_once(run, jobs)
    wrong = [jobs[i] for i in range(48) if not torch.allclose(found[i], expected[i], rtol=1e-4, atol=1e-5)]
    assert not wrong
