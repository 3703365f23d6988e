"""Class names: finding them, reading them from configurations, matching two sets."""

import pytest

from papr_core import InvalidInput, UnknownClass
from papr_core.models.labels import Labels, from_config, imagenet, match, numbers

PETS = Labels("pets", ("tabby, tabby cat", "dog, hound", "hot dog", "bird", "Bird of prey"), None)


def test_imagenet():
    labels = imagenet()
    assert len(labels) == len(labels.synsets) == 1000
    assert labels[291].startswith("lion")
    assert labels.synsets[291] == "n02129165"
    assert len(set(labels.synsets)) == 1000


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (0, 0),
        ("3", 3),
        ("tabby, tabby cat", 0),
        ("tabby cat", 0),
        ("TABBY", 0),
        (" hound ", 1),
        ("dog", 1),  # a synonym of one, though a part of another
        ("hot", 2),
        ("bird", 3),  # the whole name of one, though a part of another
        ("prey", 4),
    ],
)
def test_find(query, index):
    assert PETS.find(query) == index


def test_find_by_wordnet_id():
    assert imagenet().find("n02129165") == 291
    assert imagenet().find("N02129165") == 291


@pytest.mark.parametrize(
    "query",
    [
        5,
        -1,
        "5",
        "99999999999999999999",
        "",
        " ",
        "cat dog",
        "zebra",
        "n02129165",
        "${1+1}",
        None,
        "a" * 10000,
    ],
)
def test_what_is_not_there(query):
    with pytest.raises(UnknownClass) as caught:
        PETS.find(query)
    assert len(str(caught.value)) < 400
    assert isinstance(caught.value, ValueError)


def test_an_ambiguous_name_lists_what_it_fits():
    with pytest.raises(UnknownClass, match=r"fits 3 classes .*0 \(tabby, tabby cat\)"):
        Labels("x", ("tabby, tabby cat", "cat food", "catnip"), None).find("cat")
    with pytest.raises(UnknownClass, match="fits 2 classes"):
        imagenet().find("crane")  # a bird and a machine


def test_a_near_miss_is_suggested():
    with pytest.raises(UnknownClass, match="hound"):
        PETS.find("hounds")


def test_without_names():
    assert from_config({}, 1000) is imagenet()
    assert from_config({}, 11821).name == "imagenet-12k"
    assert from_config({}, 200) == numbers(200)
    assert numbers(200).find("class 7") == 7


def test_names_of_a_configuration_wherever_they_stand():
    names = ["a", "b"]
    for config in ({"label_names": names}, {"pretrained_cfg": {"label_names": names}}):
        assert from_config(config, 2).names == ("a", "b")
    labels = from_config(
        {"label_names": names, "label_synsets": ["n00000001", "n00000002"], "label_set": "two"}, 2
    )
    assert labels == Labels("two", ("a", "b"), ("n00000001", "n00000002"))


def test_hub_names_that_are_wordnet_ids_with_descriptions():
    ids = ["n02129165", "n02123045"]
    labels = from_config(
        {"label_names": ids, "label_descriptions": {"n02129165": "lion", "n02123045": "tabby"}}, 2
    )
    assert labels.names == ("lion", "tabby")
    assert labels.synsets == tuple(ids)


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"], ["a", 2], "ab", {"a": 1, "b": 2}])
def test_names_that_do_not_fit_are_refused(names):
    with pytest.raises(InvalidInput):
        from_config({"label_names": names}, 2)


def test_match_by_wordnet_id():
    some = Labels("some", ("big cat", "nothing"), ("n02129165", "n99999999"))
    assert match(some, imagenet()) == (291, None)
    back = match(imagenet(), some)
    assert back[291] == 0
    assert sum(index is not None for index in back) == 1


def test_match_by_name():
    here = Labels("here", ("lion", "tabby cat", "crane", "unheard of", "dog"), None)
    found = match(here, imagenet())
    assert found[0] == 291
    assert found[2] is None  # two classes of that name
    assert found[3] is None
    assert match(imagenet(), imagenet()) == tuple(range(1000))


def test_one_name_for_two_classes_matches_none():
    twice = Labels("twice", ("lion", "lion, king"), None)
    assert match(twice, imagenet()) == (None, None)
