"""A method of one's own: registered or as a plugin, it stands wherever methods do."""

import json

import pytest
import torch
from conftest import ROOT
from page_server import BACKBONE, PROPOSAL

from papr_core import InvalidInput, compare, evaluate, register_method
from papr_core.commands.main import main
from papr_core.methods.own import load_plugin
from papr_core.methods.table import METHODS, method_map

PLUGIN = """
import papr_core

papr_core.register_method("channel-max", lambda call: call.features.amax(dim=1), title="Channel maximum")
"""


@pytest.fixture(autouse=True)
def table():
    """What a test registers goes with it."""
    before = dict(METHODS)
    yield
    METHODS.clear()
    METHODS.update(before)


@pytest.fixture
def plugin(tmp_path):
    file = tmp_path / "channel_max.py"
    file.write_text(PLUGIN)
    return file


def test_it_ranks_as_it_says_in_compare_and_evaluate(pair, plugin):
    proposal, backbone = pair
    assert load_plugin(plugin) == ("channel-max",)
    picture = torch.rand(60, 80, 3, generator=torch.Generator().manual_seed(0)).numpy()
    found = compare(
        picture, proposal=proposal, backbone=backbone, methods=["papr", "channel-max"], keep_ratio=0.3
    )
    own = found.methods[1]
    with torch.inference_mode():
        features = proposal.features(proposal.view(found.crop))
    expected = backbone.select(features.amax(dim=1), 0.3)[0].tolist()
    assert list(own.indices) == expected
    assert own.title == "Channel maximum"
    assert own.curve
    assert "Channel maximum" in found.verdict
    rows = evaluate(ROOT / "tests/data/caltech101-200", limit=2, keep=[1, 0.4], methods=["channel-max"])[
        "rows"
    ]
    assert {row["method"] for row in rows} == {"full", "channel-max"}


def test_it_is_told_the_class_and_has_a_colour_of_its_own(pair):
    proposal, _ = pair
    asked = []

    def make(call):
        asked.append(call.classes().tolist())
        return call.gradients().mean(dim=1)

    methods = [register_method(f"own-{i}", make, uses_class=True) for i in range(8)]
    for ground in (0, 1):
        assert len({method.colours[ground] for method in METHODS.values()}) == len(METHODS)
    images = torch.randn(2, 3, 64, 64)
    features = proposal.features(images).detach()
    maps = method_map("own-3", proposal, images, features, class_index=[4, 1], grid=(5, 5))
    assert maps.shape == (2, 1, *features.shape[2:])
    assert asked == [[4, 1]]
    again = register_method("own-3", lambda call: call.features[:, 0], title="Again")
    assert METHODS["own-3"] is again
    assert again.colours == methods[7].colours or again.colours not in [one.colours for one in methods[:3]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "papr"}, "There is a method 'papr' already"),
        ({"name": "Two words"}, "small letters"),
        ({"name": None}, "small letters"),
        ({"title": ""}, "1 to 30 characters"),
        ({"title": "a\nb"}, "1 to 30 characters"),
        ({"make": 3}, "needs a function"),
    ],
)
def test_what_cannot_be_registered_is_refused(change, words):
    given = {"name": "mine", "make": lambda call: call.features[:, 0], "title": "Mine", **change}
    with pytest.raises(InvalidInput, match=words):
        register_method(given.pop("name"), given.pop("make"), **given)
    assert "mine" not in METHODS


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda call: 1 / 0, "Mine failed: ZeroDivisionError"),
        (lambda call: None, "Mine must give a map for each image, .2, h, w., not NoneType"),
        (lambda call: call.features, "not .2, "),
        (lambda call: call.features[:1, 0], "not .1, "),
    ],
)
def test_what_goes_wrong_in_it_is_one_sentence(make, words, pair):
    register_method("mine", make, title="Mine")
    images = torch.randn(2, 3, 64, 64)
    with pytest.raises(InvalidInput, match=words):
        method_map("mine", pair[0], images, pair[0].features(images), grid=(5, 5))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "There is no plugin"),
        ("import nothing_of_this_name", "failed: ModuleNotFoundError"),
        ("x = 1", "registers no method"),
        ("import papr_core; papr_core.register_method('cam', print)", "There is a method 'cam' already"),
    ],
)
def test_a_file_that_is_no_plugin_is_one_sentence(text, words, tmp_path):
    file = tmp_path / "plugin.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InvalidInput, match=words):
        load_plugin(file)


def test_commands_take_a_plugin(plugin, capsys, monkeypatch, weights_folder, tmp_path):
    monkeypatch.chdir(ROOT)
    pair = ["--proposal", PROPOSAL, "--backbone", BACKBONE, "--weights-dir", str(weights_folder)]
    given = ["--methods", "papr", "channel-max", "--plugin", str(plugin)]
    assert main(["compare", "assets/examples/coffee.jpg", *pair, *given, "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)["methods"]] == ["papr", "channel-max"]
    figure = tmp_path / "figure.png"
    assert main(["figure", "methods", "assets/examples/coffee.jpg", *pair, *given, "--out", str(figure)]) == 0
    assert figure.stat().st_size > 1000
    assert main(["compare", "assets/examples/coffee.jpg", "--plugin", "no.py"]) == 2
    assert "There is no plugin 'no.py'" in capsys.readouterr().err
