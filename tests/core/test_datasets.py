"""Folders and tar files of images: what is found, what is chosen, what is refused."""

from __future__ import annotations

import gzip
import os
import pickle
import shutil
import tarfile
import tempfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from papr_core.data.datasets import open_dataset
from papr_core.errors import InvalidInput, PaprError, UnreadableImage
from papr_core.models.labels import match_classes

CLASSES = {"ant": 6, "bee": 3, "cat": 9}


def paint(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path):
    """Class folders inside one top folder, with things that are no images beside them."""
    top = tmp_path / "data" / "animals"
    for c, (name, count) in enumerate(CLASSES.items()):
        for i in range(count):
            paint(top / name / f"{i}{('.png', '.BMP')[i % 2]}", 100 * c + i)
    (top / "words.txt").write_text("ant\tant\n")
    (top / "ant" / "._0.png").write_bytes(b"not an image: what a Mac leaves behind")
    (top / ".cache").mkdir()
    paint(top / ".cache" / "thumb.png", 0)
    return top


def packed(folder: Path, to: Path) -> Path:
    with tarfile.open(to, "w:gz" if to.name.endswith("gz") else "w") as tar:
        tar.add(folder, arcname=folder.name)
    return to


@pytest.mark.parametrize("form", ["folder", "parent", "data.tar", "data.tar.gz", "data.tgz"])
def test_every_form_holds_the_same(folder, tmp_path, form):
    path = {"folder": folder, "parent": folder.parent}.get(form) or packed(folder, tmp_path / form)
    data = open_dataset(path)
    assert data.classes == ("ant", "bee", "cat")
    assert Counter(name for _, name in data.samples) == CLASSES
    assert [key for key, _ in data.samples[:2]] == ["ant/0.png", "ant/1.BMP"]
    assert [data.classes[c] for c in data.class_indices] == [name for _, name in data.samples]
    for i, (key, _) in enumerate(data.samples):
        image = data.read(i)
        assert image.mode == "RGB"
        assert np.array_equal(np.asarray(image), np.asarray(Image.open(folder / key)))


def test_a_nested_folder_belongs_to_its_first_part(tmp_path):
    for name in ("n1/images/a.png", "n1/images/b.png", "n2/images/a.png"):
        paint(tmp_path / "train" / name, 1)
    assert open_dataset(tmp_path).samples == (
        ("n1/images/a.png", "n1"),
        ("n1/images/b.png", "n1"),
        ("n2/images/a.png", "n2"),
    )


def test_images_beside_the_class_folders_have_no_class(folder):
    paint(folder / "cover.png", 7)
    assert len(open_dataset(folder)) == sum(CLASSES.values())


@pytest.mark.parametrize(
    ("limit", "counts"), [(1, [1]), (3, [1, 1, 1]), (6, [2, 2, 2]), (14, [3, 5, 6]), (99, [3, 6, 9])]
)
def test_limit_is_balanced_nested_and_seeded(folder, limit, counts):
    chosen = open_dataset(folder, limit=limit)
    assert sorted(Counter(name for _, name in chosen.samples).values())[-3:] == counts
    assert list(chosen.samples) == sorted(chosen.samples)
    assert chosen.samples == open_dataset(folder, limit=limit).samples
    assert set(chosen.samples) <= set(open_dataset(folder, limit=limit + 2).samples)
    assert chosen.classes == tuple(CLASSES)  # what competes does not hang on the limit
    assert [chosen.classes[c] for c in chosen.class_indices] == [name for _, name in chosen.samples]
    if limit == 6:
        assert len({open_dataset(folder, limit=6, seed=seed).samples for seed in range(5)}) > 1


@pytest.mark.parametrize("context", ["fork", "spawn"])
@pytest.mark.parametrize("form", ["data.tar", "data.tar.gz"])
def test_workers_read_what_one_process_reads(folder, tmp_path, form, context):
    data = open_dataset(packed(folder, tmp_path / form))
    data.transform = as_tensor
    expected = [data[i] for i in range(len(data))]  # the file is open here before the workers start
    loader = DataLoader(data, batch_size=5, num_workers=2, multiprocessing_context=context)
    images, classes = (torch.cat(parts) for parts in zip(*loader))
    assert torch.equal(images, torch.stack([image for image, _ in expected]))
    assert classes.tolist() == [index for _, index in expected]
    assert data.read(0).size == (8, 6)  # the workers left the file to us


def as_tensor(image):
    return torch.from_numpy(np.array(image))


def test_the_unpacked_copy_goes_with_the_data(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    data = open_dataset(packed(folder, tmp_path / "data.tar.gz"))
    assert len(os.listdir(tmp_path / "temp")) == 1
    twin = pickle.loads(pickle.dumps(data))
    assert twin.read(3) == data.read(3)
    del twin
    assert len(os.listdir(tmp_path / "temp")) == 1
    del data
    assert os.listdir(tmp_path / "temp") == []
    with pytest.raises(PaprError):
        open_dataset(cut(packed(folder, tmp_path / "cut.tar.gz"), 300))
    assert os.listdir(tmp_path / "temp") == []


def cut(path: Path, to: int) -> Path:
    os.truncate(path, to)
    return path


def damaged(path: Path, at: int) -> Path:
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(b"\xff" * 512)
    return path


def bad_paths(folder: Path, tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "zero.tar").touch()
    (tmp_path / "flat").mkdir()
    shutil.copy(folder / "ant" / "0.png", tmp_path / "flat")
    (tmp_path / "text.tar.gz").write_bytes(gzip.compress(b"hello"))
    tar = packed(folder, tmp_path / "whole.tar")
    with tarfile.open(tar) as whole:
        third = whole.getmembers()[5].offset
    return {
        "missing": tmp_path / "nowhere",
        "empty folder": tmp_path / "empty",
        "no class folders": tmp_path / "flat",
        "a text": tmp_path / "notes.txt",
        "zero bytes": tmp_path / "zero.tar",
        "a gzipped text": tmp_path / "text.tar.gz",
        "a header damaged": damaged(Path(shutil.copy(tar, tmp_path / "damaged.tar")), third),
        "cut off": cut(Path(shutil.copy(tar, tmp_path / "cut.tar")), third - 100),
        "cut off, gzipped": cut(packed(folder, tmp_path / "cut.tar.gz"), 400),
        "damaged, gzipped": damaged(packed(folder, tmp_path / "damaged.tar.gz"), 200),
    }


def test_bad_data_are_refused_in_one_sentence(folder, tmp_path):
    for case, path in bad_paths(folder, tmp_path).items():
        with pytest.raises(InvalidInput) as error:
            open_dataset(path)
        message = str(error.value)
        assert path.name in message, case
        assert message.endswith("."), case
        assert "\n" not in message, case
    for limit in (0, -3):
        with pytest.raises(InvalidInput, match="at least 1"):
            open_dataset(folder, limit=limit)


def test_a_broken_image_is_named(folder):
    (folder / "bee" / "0.png").write_bytes(b"\x89PNG broken")
    data = open_dataset(folder)
    with pytest.raises(UnreadableImage, match=r"bee/0\.png"):
        data.read([key for key, _ in data.samples].index("bee/0.png"))


LABELS = SimpleNamespace(
    name="four",
    names=("goldfish, Carassius auratus", "crane", "bow tie, bow-tie, bowtie", "crane"),
    synsets=("n01443537", "n02012849", "n02883205", "n03126707"),
)


@pytest.mark.parametrize(
    ("folders", "indices"),
    [
        (("n02883205", "n01443537"), (2, 0)),
        (("goldfish", "Bow_Tie", "carassius-auratus"), (0, 2, 0)),
        (("goldfish, Carassius auratus", "N03126707"), (0, 3)),
        (("gold", "goldfish"), "1 of 2 class folders match no class of four (gold)"),
        (("crane",), "match more than one class"),
        (tuple(f"c{i}" for i in range(7)), "c0, c1, c2, c3, c4 and 2 more"),
        (("0",), "match no class"),
    ],
)
def test_class_folders_are_matched_whole(folders, indices):
    if isinstance(indices, tuple):
        assert match_classes(folders, LABELS) == indices
    else:
        with pytest.raises(InvalidInput) as error:
            match_classes(folders, LABELS)
        assert indices in str(error.value)
