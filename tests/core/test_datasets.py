"""Folders and tar files of images: what is found, what is chosen, what is refused."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import shutil
import tarfile
import tempfile
import unicodedata
import warnings
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from papr_core.data import archives
from papr_core.data.datasets import open_dataset
from papr_core.errors import InvalidInput, PaprError, UnreadableImage
from papr_core.models.labels import Labels, match_classes

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
    with pytest.raises(InvalidInput, match="no data where nothing is given"):
        open_dataset(" ")
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


LABELS = Labels(
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
        (("#2", "goldfish"), (2, 0)),  # as a class map says it
        (("gold", "goldfish"), "1 of 2 class folders match no class of four (gold (near: goldfish))"),
        (("crane",), "match more than one class"),
        (tuple(f"c{i}" for i in range(7)), "c0, c1, c2, c3, c4 and 2 more"),
        (("0",), "numbers say nothing of a model that names its classes"),
    ],
)
def test_class_folders_are_matched_whole(folders, indices):
    if isinstance(indices, tuple):
        assert match_classes(folders, LABELS) == indices
    else:
        with pytest.raises(InvalidInput) as error:
            match_classes(folders, LABELS)
        assert indices in str(error.value)


def test_numbers_are_places_of_the_logits_only_where_that_is_said():
    from papr_core.models.labels import imagenet, known_classes, numbers

    with pytest.raises(InvalidInput, match="--numbered"):
        match_classes(("0", "10", "2"), numbers(12))
    assert match_classes(("0", "10", "2"), numbers(12), numbered=True) == (0, 10, 2)
    assert match_classes(("000", "010"), numbers(12), numbered=True) == (0, 10)
    with pytest.raises(InvalidInput, match="match no class"):
        match_classes(("12",), numbers(12), numbered=True)
    with pytest.raises(InvalidInput, match="numbers say nothing"):
        match_classes(("0", "10"), imagenet(), numbered=True)
    assert known_classes(("goldfish", "gold", "crane"), LABELS) == ("goldfish",)


# Everything counts once, and what does not is said


def reasons(data) -> dict[str, int]:
    return {row["reason"]: row["count"] for row in data.left_out.rows()}


def test_what_is_left_out_is_counted_with_its_reason(folder, tmp_path):
    paint(folder / "cover.png", 7)
    expected = {
        "is none of the images by its name": 1,
        "is hidden": 2,
        "has no class: it is in no class folder": 1,
    }
    assert reasons(open_dataset(folder)) == expected
    assert reasons(open_dataset(packed(folder, tmp_path / "data.tar"))) == expected
    assert open_dataset(folder).left_out.rows()[-1]["example"] in ("words.txt", "cover.png")


KINDS = {
    **dict.fromkeys((".jpg", ".JPEG", ".jpe", ".jfif"), "JPEG"),
    **dict.fromkeys((".ppm", ".pgm", ".pnm"), "PPM"),
    ".png": "PNG",
    ".webp": "WEBP",
    ".gif": "GIF",
    ".bmp": "BMP",
    ".dib": "DIB",
    ".tiff": "TIFF",
    ".jp2": "JPEG2000",
    ".avif": "AVIF",
    ".ico": "ICO",
    "": "JPEG",
}


@pytest.mark.parametrize("form", ["folder", "data.tar", "data.tar.xz", "data.zip", "part.tar in a folder"])
def test_every_kind_of_picture_that_is_read_counts(tmp_path, form):
    for place, (suffix, kind) in enumerate(KINDS.items()):
        path = tmp_path / "data" / ("ant", "bee")[place % 2] / f"{place}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 32), (200, 40, 40)).save(path, kind)
    data = open_dataset(archived(tmp_path / "data", form))
    assert len(data) == len(KINDS)
    assert data.classes == ("ant", "bee")
    assert data.left_out.rows() == []
    for i in range(len(data)):
        assert max(abs(a - b) for a, b in zip(data.read(i).getpixel((9, 9)), (200, 40, 40))) < 30
    assert pickle.loads(pickle.dumps(data)).read(0) == data.read(0)


def archived(folder: Path, form: str) -> Path:
    """A folder in another form, beside it."""
    if form == "folder":
        return folder
    if form.startswith("part.tar"):  # a tar a class, as ImageNet's training set comes
        parts = folder.with_name("parts")
        parts.mkdir()
        for classes in folder.iterdir():
            with tarfile.open(parts / f"{classes.name}.tar", "w") as tar:
                for file in classes.iterdir():
                    tar.add(file, arcname=file.name)
        return parts
    path = folder.with_name(form)
    if form.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed_:
            for file in sorted(folder.rglob("*")):
                packed_.write(file, file.relative_to(folder.parent))
        return path
    with tarfile.open(path, "w:xz" if form.endswith("xz") else "w") as tar:
        tar.add(folder, arcname=folder.name)
    return path


def test_a_tar_of_tars(folder, tmp_path):
    parts = tmp_path / "parts"
    parts.mkdir()
    for name in CLASSES:
        with tarfile.open(parts / f"{name}.tar", "w") as tar:
            for file in sorted((folder / name).glob("[0-9]*")):
                tar.add(file, arcname=file.name)
    data = open_dataset(packed(parts, tmp_path / "all.tar"))
    assert Counter(name for _, name in data.samples) == CLASSES
    whole = open_dataset(folder)
    assert [data.read(i) for i in range(len(data))] == [whole.read(i) for i in range(len(whole))]


def test_links_to_parents_end_and_nothing_counts_twice(folder, tmp_path):
    (folder / "ant" / "up").symlink_to("..")
    (folder / "bee" / "far").symlink_to("../../..")
    (folder / "cat" / "twin.png").symlink_to("0.png")
    (folder / "cat" / "gone.png").symlink_to("nowhere.png")
    (folder / "dog").symlink_to("cat")
    paint(tmp_path / "elsewhere" / "x.png", 1)
    (folder / "eel").symlink_to(tmp_path / "elsewhere")  # a class that lies elsewhere is one
    (tmp_path / "elsewhere" / "back").symlink_to(folder)
    data = open_dataset(folder)
    assert Counter(name for _, name in data.samples) == {**CLASSES, "eel": 1}
    assert reasons(data)["is reached by a second way, a link"] == 5
    assert reasons(data)["is a link to nothing"] == 1


def test_a_hard_link_in_a_tar_is_a_picture(folder, tmp_path):
    os.link(folder / "ant" / "0.png", folder / "bee" / "same.png")
    data = open_dataset(packed(folder, tmp_path / "data.tar"))
    keys = [key for key, _ in data.samples]
    assert data.read(keys.index("bee/same.png")) == data.read(keys.index("ant/0.png"))


# Splits


@pytest.mark.parametrize(
    "names", [("train", "val"), ("training", "validation"), ("Train", "Test"), ("train", "valid")]
)
def test_a_root_of_splits(tmp_path, names):
    for split, count in zip(names, (3, 2)):
        for animal in ("ant", "bee"):
            for i in range(count):
                paint(tmp_path / "data" / split / animal / f"{i}.png", i)
    data = open_dataset(tmp_path)
    assert data.classes == ("ant", "bee")
    assert (len(data), data.splits[0]) == (4, "train")
    assert len(open_dataset(tmp_path, split="train")) == 6
    assert len(open_dataset(tmp_path, prefer=("train",))) == 6
    assert reasons(data) == {"is of the split train": 6}
    with pytest.raises(InvalidInput, match="A split is train, val, test, not 'x'"):
        open_dataset(tmp_path, split="x")
    with pytest.raises(InvalidInput, match="has no folders train, val, test to take val from, but ant, bee"):
        open_dataset(tmp_path / "data" / names[0], split="val")


# Lists of classes


FLAT = [f"ILSVRC2012_val_0000000{i}.JPEG" for i in range(1, 5)]
LISTS = {
    "one class a line": "n02\nn01\nn01\nn02\n",
    "names and classes": "\n".join(f"{name} {c}" for name, c in zip(FLAT, ("n02", "n01", "n01", "n02"))),
    "solution": "ImageId,PredictionString\n"
    + "\n".join(
        f"{n[:-5]},{c} 1 2 3 4 " for n, c in zip(FLAT, ("n02000000", "n01000000", "n01000000", "n02000000"))
    ),
    "table": "filename,label\n" + "\n".join(f"{n},{c}" for n, c in zip(FLAT, ("n02", "n01", "n01", "n02"))),
}


@pytest.mark.parametrize("form", LISTS)
def test_flat_pictures_with_a_list(tmp_path, form):
    for i, name in enumerate(FLAT):
        (tmp_path / "val").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / "val" / name)
    (tmp_path / "list.txt").write_text(LISTS[form])
    with pytest.raises(InvalidInput, match="no class folders.*--labels"):
        open_dataset(tmp_path / "val")
    data = open_dataset(tmp_path / "val", labels=tmp_path / "list.txt")
    assert [key for key, _ in data.samples] == FLAT
    assert [folder[:3] for _, folder in data.samples] == ["n02", "n01", "n01", "n02"]


def test_lists_of_something_else_are_refused(tmp_path):
    paint(tmp_path / "data" / "a.png", 1)
    for text, said in (
        ("", "lists nothing"),
        ("n01\nn02\n", "2 lines with nothing but a class"),
        ("b.png n01\n", "names none of the pictures"),
        ('{"file_name": "a.png"}', "without a class"),
        ("{", "no list of JSON objects"),
        ("\n".join(map(str, range(1, 1001))) * 2, "nothing but a class"),
    ):
        (tmp_path / "list.txt").write_text(text)
        with pytest.raises(InvalidInput, match=said):
            open_dataset(tmp_path / "data", labels=tmp_path / "list.txt")
    with pytest.raises(InvalidInput, match="cannot be read"):
        open_dataset(tmp_path / "data", labels=tmp_path / "nowhere.txt")


def test_tiny_imagenet_as_it_comes(tmp_path):
    top = tmp_path / "tiny-imagenet-200"
    for wnid in ("n01", "n02"):
        paint(top / "train" / wnid / "images" / f"{wnid}_0.JPEG", 1)
        (top / "train" / wnid / f"{wnid}_boxes.txt").write_text("0\t1\n")
    for i in range(3):
        paint(top / "val" / "images" / f"val_{i}.JPEG", i)
    lines = [f"val_{i}.JPEG\tn0{1 + i % 2}\t0\t32\t44\t62" for i in range(3)]
    (top / "val" / "val_annotations.txt").write_text("\n".join(lines))
    paint(top / "test" / "images" / "test_0.JPEG", 1)
    (top / "wnids.txt").write_text("n01\nn02\n")
    data = open_dataset(tmp_path)
    assert data.split == "val"
    assert [folder for _, folder in data.samples] == ["n01", "n02", "n01"]
    assert open_dataset(top, split="train").classes == ("n01", "n02")
    assert [folder for _, folder in open_dataset(top / "val").samples] == ["n01", "n02", "n01"]


@pytest.mark.parametrize("form", ["metadata.csv", "metadata.jsonl"])
def test_the_hub_s_image_folder(tmp_path, form):
    for i in range(4):
        paint(tmp_path / "data" / "train" / f"{i}.png", i)
    rows = [{"file_name": f"{i}.png", "label": ("ant", "bee")[i % 2]} for i in range(4)]
    text = "\n".join(map(json.dumps, rows))
    if form.endswith("csv"):
        text = "file_name,label\n" + "\n".join(f"{row['file_name']},{row['label']}" for row in rows)
    (tmp_path / "data" / "train" / form).write_text(text)
    assert [folder for _, folder in open_dataset(tmp_path / "data").samples] == ["ant", "bee"] * 2


def test_a_list_of_something_else_does_not_stand_in_for_class_folders(folder):
    (folder / "metadata.csv").write_text("file_name,caption\nant/0.png,an ant\n")
    assert open_dataset(folder).classes == ("ant", "bee", "cat")


@pytest.mark.parametrize("several", [False, True])
def test_webdataset_shards(tmp_path, several):
    paint(tmp_path / "one.png", 1)
    picture = (tmp_path / "one.png").read_bytes()
    (tmp_path / "shards").mkdir()
    for shard in range(2):
        with tarfile.open(tmp_path / "shards" / f"imagenet-{shard:06}.tar", "w") as tar:
            for i in range(3):
                for suffix, content in (("png", picture), ("cls", str(i).encode()), ("json", b"{}")):
                    member = tarfile.TarInfo(f"{shard}{i:04}.{suffix}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    data = open_dataset(tmp_path / "shards" if several else tmp_path / "shards" / "imagenet-000000.tar")
    assert Counter(folder for _, folder in data.samples) == dict.fromkeys("012", 1 + several)
    assert data.read(0).size == (8, 6)


# Archives made to be dear


@pytest.mark.parametrize("form", ["tar.gz", "tar.xz", "tar.bz2"])
def test_a_small_archive_that_unpacks_to_a_huge_one_is_refused(tmp_path, monkeypatch, form):
    monkeypatch.setattr(archives, "_AT_LEAST", 1 << 20)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    path = tmp_path / f"dear.{form}"
    with tarfile.open(path, f"w:{form[4:]}") as tar:
        member = tarfile.TarInfo("a/zero.bmp")
        member.size = 40 << 20
        tar.addfile(member, io.BytesIO(bytes(member.size)))
    with pytest.raises(InvalidInput, match="unpack it by hand"):
        open_dataset(path)
    assert os.listdir(tmp_path / "temp") == []


def test_a_member_of_a_zip_that_unpacks_to_a_huge_file_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_AT_LEAST", 1 << 20)
    paint(tmp_path / "one.png", 1)
    with zipfile.ZipFile(tmp_path / "dear.zip", "w", zipfile.ZIP_DEFLATED) as packed_:
        packed_.write(tmp_path / "one.png", "ant/one.png")
        packed_.writestr("ant/zero.bmp", bytes(40 << 20))
    data = open_dataset(tmp_path / "dear.zip")
    assert len(data) == 1
    assert reasons(data) == {"unpacks to far more than it is": 1}


def test_packers_that_are_not_read_are_named(tmp_path):
    (tmp_path / "data.tar.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
    with pytest.raises(InvalidInput, match="packed by Zstandard"):
        open_dataset(tmp_path / "data.tar.zst")


def test_ilsvrc_s_own_numbers_are_refused(tmp_path):
    from papr_core.data.listings import classes_of

    pictures = [f"ILSVRC2012_val_{i:08}.JPEG" for i in range(2000)]
    numbers = "\n".join(str(1 + i % 1000) for i in range(2000))
    with pytest.raises(InvalidInput, match="challenge's own numbers.*wnids"):
        classes_of(numbers, pictures, "ILSVRC2012_validation_ground_truth.txt", print)


def test_the_archive_that_pictures_came_in_does_not_count_again(folder):
    packed(folder, folder.parent / "animals.tar")
    shutil.copy(folder.parent / "animals.tar", folder / "ant" / "again.tar")
    data = open_dataset(folder.parent)
    assert Counter(name for _, name in data.samples) == CLASSES
    assert reasons(data)["is an archive beside files that are none"] == 2


# As people of the field have them


COCO = {
    "images": [{"id": i, "file_name": f"{name}.png"} for i, name in enumerate("abc")],
    "annotations": [{"image_id": i, "category_id": 7 + i, "bbox": [0, 0, 1, 1]} for i in range(3)],
    "categories": [{"id": 7 + i, "name": name} for i, name in enumerate(("tiger shark", "hen", "tiger cat"))],
}


def plain_files(folder, **texts):
    """Three pictures in `data`, and files beside it."""
    for name in "abc":
        paint(folder / "data" / f"{name}.png", 1)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder / "data"


@pytest.mark.parametrize(
    "text",
    [
        "a.png tiger shark\nb.png hen\nc.png tiger cat\n",  # "tiger" is another class
        "a.png,tiger shark\nb.png,hen\nc.png,tiger cat 4 5 60.5 70\n",
        "a.png;tiger shark\nb.png;hen\nc.png;tiger cat\n",
        "name|label\na|tiger shark\nb|hen\nc|tiger cat\n",
        "/data/imagenet/val/a.png tiger shark\n/data/imagenet/val/b.png hen\n/data/x/c.png tiger cat\n",
        "val\\a.png,tiger shark\nval\\b.png,hen\n./val/c.png,tiger cat\n",
        json.dumps({"a.png": "tiger shark", "b.png": "hen", "c.png": "tiger cat"}),
        '[{"file_name": "a.png", "label": "tiger shark"}, {"file_name": "b.png", "label": "hen"},'
        ' {"file_name": "c.png", "label": "tiger cat"}]',
        json.dumps(COCO),
        json.dumps({"tiger shark": ["a.png"], "hen": ["val/b.png"], "tiger cat": ["c.png"]}),
    ],
)  # fmt: skip
def test_a_list_is_read_as_it_is_meant(tmp_path, text):
    name = "list.json" if text[0] in "[{" else "list.txt"
    data = open_dataset(plain_files(tmp_path, **{name: text}), labels=tmp_path / name)
    assert [folder for _, folder in data.samples] == ["tiger shark", "hen", "tiger cat"]


@pytest.mark.parametrize(
    ("name", "text", "missing"),
    [
        ("list.csv", "filepaths,breed\na.png,ant\n# of b\nb.png,ant\nc.png,ant\ngone.png,ant\n", "gone.png"),
        ("list.csv", '"file_name","label"\n"a.png","ant"\n"gone.png","bee"\n', "gone.png"),
        ("list.txt", "a.png ant\nval/b.png ant\nc ant\ngone.png bee\n/x/val/b.png ant\n", "gone.png"),
        ("coco.json", json.dumps(COCO).replace("c.png", "gone.png"), "gone.png"),
        ("coco.json", json.dumps({**COCO, "images": COCO["images"][:2]}), "image 2"),
    ],
)
def test_a_picture_that_is_listed_and_not_there_is_told(tmp_path, name, text, missing):
    data = open_dataset(plain_files(tmp_path, **{name: text}), labels=tmp_path / name)
    rows = [row for row in data.left_out.rows() if row["reason"] == "is listed, but is not there"]
    assert [(row["count"], row["example"]) for row in rows] == [(1, missing)]
    with pytest.raises(InvalidInput, match=f"{missing} is listed, but is not there.*without --strict"):
        data.check_listed()


def test_a_picture_of_two_classes_is_refused(tmp_path):
    data = plain_files(tmp_path, **{"list.txt": "a.png ant\nb.png ant\na.png bee\n"})
    with pytest.raises(InvalidInput, match="gives a.png two classes, ant and bee"):
        open_dataset(data, labels=tmp_path / "list.txt")


def test_accents_count_however_a_system_writes_them(tmp_path):
    apart, whole = (unicodedata.normalize(form, "jalape\u00f1o") for form in ("NFD", "NFC"))
    paint(tmp_path / "data" / apart / "a.png", 1)
    paint(tmp_path / "data" / whole / "b.png", 1)
    assert open_dataset(tmp_path / "data").classes == (whole,)
    assert match_classes([apart], Labels("own", ("x", whole))) == (1,)
    paint(tmp_path / "flat" / f"{apart}.png", 1)
    (tmp_path / "list.csv").write_text(f"file,class\n{whole}.png,ant\n")
    assert open_dataset(tmp_path / "flat", labels=tmp_path / "list.csv").classes == ("ant",)


@pytest.mark.parametrize(
    ("names", "split", "classes"),
    [
        (("training_set/{}", "test_set/{}"), "test", ["cat"]),
        (("training_set/training_set/{}", "test_set/test_set/{}"), "test", ["cat"]),
        (("seg_train/{}", "seg_test/{}", "seg_pred/x"), "test", ["cat"]),
        (("images/train/{}", "images/val/{}"), "val", ["cat"]),
        (("d/imagenet/train2017/{}", "d/imagenet/val2017/{}"), "val", ["cat"]),
        (("bullet_train", "test_tube", "beaker"), None, ["beaker", "bullet_train", "test_tube"]),
    ],
)
def test_folders_that_are_called_after_splits(tmp_path, names, split, classes):
    for name in names:
        paint(tmp_path / "data" / name.format("cat") / "a.png", 1)
    data = open_dataset(tmp_path / "data")
    assert (data.split, list(data.classes)) == (split, classes)


def shard(path, members):
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def test_shards_as_they_come(tmp_path):
    paint(tmp_path / "one.png", 1)
    picture = (tmp_path / "one.png").read_bytes()
    (tmp_path / "shards").mkdir()
    for split in ("train", "validation"):
        for i in range(2):
            members = {"1.jpg": picture, "1.json": json.dumps({"label": i}).encode(), "1.seg.png": picture}
            shard(tmp_path / "shards" / f"imagenet1k-{split}-{i:04}.tar", members)
    data = open_dataset(tmp_path / "shards")
    assert (data.split, data.splits, data.classes) == ("val", ("train", "val"), ("0", "1"))
    assert [key for key, _ in data.samples] == [f"imagenet1k-validation-000{i}/1.jpg" for i in range(2)]
    (tmp_path / "captions").mkdir()
    for i in range(2):  # a shard's number is no class
        shard(tmp_path / "captions" / f"{i:05}.tar", {"1.jpg": picture, "1.txt": b"a dog"})
    with pytest.raises(InvalidInput, match="no class folders"):
        open_dataset(tmp_path / "captions")


def test_archives_in_a_zip_and_files_that_it_has_twice(tmp_path):
    paint(tmp_path / "0.png", 1)
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "data.zip", "w") as file:
        warnings.simplefilter("ignore")  # the packer's own
        for name in ("ant/0.png", "ant/0.png", "bee/1.png"):
            file.write(tmp_path / "0.png", name)
    assert reasons(open_dataset(tmp_path / "data.zip")) == {"is an older copy of a file": 1}
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as file:
        file.write(tmp_path / "data.zip", "inner.zip")
    with pytest.raises(InvalidInput, match=r"inner\.zip, an archive in it: unpack that"):
        open_dataset(tmp_path / "outer.zip")


def test_a_zip_from_elsewhere(tmp_path):
    """Turned slashes; a damaged member ends nothing, however it is packed."""
    for packing in (zipfile.ZIP_STORED, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(tmp_path / "data.zip", "w", packing) as file:
            for name in ("ant\\0.png", "bee\\1.png"):
                member = zipfile.ZipInfo("x")
                member.filename = name
                file.writestr(member, bytes(range(200)), packing)
        whole = bytearray((tmp_path / "data.zip").read_bytes())
        whole[60:70] = bytes(255 - value for value in whole[60:70])
        (tmp_path / "data.zip").write_bytes(whole)
        data = open_dataset(tmp_path / "data.zip")
        assert data.classes == ("ant", "bee")
        with pytest.raises(UnreadableImage, match=r"ant/0.png in data.zip: It is damaged in the zip"):
            data.read(0)


def test_a_link_to_itself_is_one_to_nothing(tmp_path):
    paint(tmp_path / "ant" / "0.png", 1)
    (tmp_path / "self").symlink_to("self")
    assert [row["reason"] for row in open_dataset(tmp_path).left_out.rows()] == ["is a link to nothing"]


def test_what_lies_beside_the_one_folder_is_told(tmp_path):
    paint(tmp_path / "top" / "ant" / "0.png", 1)
    paint(tmp_path / "0.png", 1)
    assert [row["example"] for row in open_dataset(tmp_path).left_out.rows()] == ["0.png"]
