"""Boxes: read from both kinds of files, brought to the crop, and what they say of maps."""

import json
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image
from test_evaluate import WNIDS, models, own_models, photos  # noqa: F401

from papr_core import InvalidInput, load_backbone, load_proposal, patch_significance
from papr_core.data.datasets import open_dataset
from papr_core.evaluation.boxes import box_mask, boxes_of, in_boxes, pointed
from papr_core.evaluation.run import evaluate


@pytest.fixture
def boxed(tmp_path):
    """Two pictures a class of two, 64 x 48, with boxes for three of the four."""
    data = tmp_path / "data"
    draw = np.random.default_rng(3)
    for wnid in WNIDS[:2]:
        (data / wnid).mkdir(parents=True)
        for i in range(2):
            coarse = Image.fromarray(draw.integers(0, 256, (5, 7, 3), dtype=np.uint8))
            coarse.resize((64, 48)).save(data / wnid / f"{wnid}-{i}.png")
    return data


def rows_of(data):
    keys = [key for key, _ in open_dataset(data).samples]
    return {
        keys[0]: [(0, 0, 32, 24), (40, 30, 50, 40)],
        keys[1]: [(10, 5, 30, 45)],
        keys[3]: [(0, 0, 64, 48)],
    }


def as_csv(rows, short=False) -> str:
    name = (lambda key: key.split("/")[1]) if short else str
    lines = [f"{name(key)}, {', '.join(map(str, box))}" for key, boxes in rows.items() for box in boxes]
    return "\n".join(["file,x0,y0,x1,y1", *lines, "unknown.png,1,2,3,4"])


def test_both_kinds_of_files_say_the_same_wherever_they_lie(boxed, tmp_path):
    rows = rows_of(boxed)
    data = open_dataset(boxed)
    expected = {[key for key, _ in data.samples].index(key): boxes for key, boxes in rows.items()}
    assert boxes_of(data) is None
    coco = {
        "images": [{"id": 7 + i, "file_name": key} for i, key in enumerate(rows)],
        "annotations": [
            {"image_id": 7 + i, "bbox": [x0, y0, x1 - x0, y1 - y0]}
            for i, boxes in enumerate(rows.values())
            for x0, y0, x1, y1 in boxes
        ],
    }
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    assert boxes_of(data, tmp_path / "coco.json") == expected
    coco["annotations"].append({"image_id": 999, "bbox": [1, 1, 2, 2]})
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    assert boxes_of(data, tmp_path / "coco.json") == expected
    assert data.left_out.examples == {"is no picture of coco.json, which has boxes of it": "image 999"}
    (boxed / "boxes.csv").write_text(as_csv(rows))
    assert boxes_of(open_dataset(boxed)) == expected
    with tarfile.open(tmp_path / "data.tar", "w") as tar:
        tar.add(boxed, "data")
    (boxed / "boxes.csv").rename(tmp_path / "boxes.csv")
    assert boxes_of(open_dataset(boxed)) == expected
    (tmp_path / "boxes.csv").unlink()
    assert boxes_of(open_dataset(tmp_path / "data.tar")) == expected
    (tmp_path / "short.csv").write_text(as_csv(rows, short=True))
    assert boxes_of(data, tmp_path / "short.csv") == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2", "columns file, x0, y0, x1, y1"),
        ("file,x0,y0,x1,y1\na.png,1,2,x,4", "line 2: .*numbers"),
        ("file,x0,y0,x1,y1\na.png,5,2,3,4", "x0 below x1"),
        ("file,x0,y0,x1,y1\nnobody.png,1,2,3,4", "none of these pictures"),
        ("file,x0,y0,x1,y1\na.png,0.1,0.2,0.5,0.9", "shares of the picture"),
        ("file,x0,y0,x1,y1\na.png,0,0,inf,4", "line 2: .*pixels"),
        ("file,x0,y0,x1,y1\ncat.png,1,2,3,4", "may be .*cat.png or .*cat.png: name its folder"),
        ('{"images": []}', "COCO"),
        (
            '{"images": [{"id": 1, "file_name": "cat.png"}],'
            ' "annotations": [{"image_id": 1, "bbox": [0, 0, Infinity, 5]}]}',
            "COCO",
        ),
    ],
)
def test_a_file_that_is_none_is_refused(text, says, boxed, tmp_path):
    for folder in WNIDS[:2]:
        (boxed / folder / f"{folder}-0.png").rename(boxed / folder / "cat.png")
    (tmp_path / "b.csv").write_text(text)
    with pytest.raises(InvalidInput, match=says):
        boxes_of(open_dataset(boxed), tmp_path / "b.csv")
    with pytest.raises(InvalidInput, match="cannot be read"):
        boxes_of(open_dataset(boxed), tmp_path / "nothing.csv")


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
def test_a_box_is_where_its_picture_s_pixels_are(fit, own_models):  # noqa: F811
    """Pixels painted red inside the box are, in the crop, where the mask is; to the edges' blur."""
    backbone = load_backbone("small_vit")
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[10:40, 20:50, 0] = 255
    crop = np.asarray(backbone.fit(Image.fromarray(picture), fit)).astype(int)
    mask = box_mask([(20, 10, 50, 40)], (64, 48), backbone, fit)
    red = (crop[..., 0] - crop[..., 1]) > 160
    assert mask.any()
    assert (mask == red).all()
    box_mask([(20.1, 10.1, 20.4, 10.4)], (64, 48), backbone, fit)  # of less than a pixel
    beyond = box_mask([(-1e12, -9, 32, 1e12), (70, 0, 90, 9)], (64, 48), backbone, fit)
    assert (beyond == box_mask([(0, 0, 32, 48)], (64, 48), backbone, fit)).all()


def test_pointing_by_hand():
    mask = np.zeros((48, 48), bool)
    mask[0:16, 0:16] = True
    significance = torch.zeros(6, 6)
    assert pointed(significance, mask) == (True, True)  # a constant map: its first patch
    for (row, column), expected in {
        (1, 1): (True, True),
        (2, 1): (False, False),
        (5, 5): (False, False),
    }.items():
        significance = torch.zeros(6, 6)
        significance[row, column] = 1
        assert pointed(significance, mask) == expected
    mask[0:18] = True  # 15 px at 224 are 3.2 here: the middle of patch (2, .) is 20, 3 below
    assert pointed(torch.eye(6)[[2, 1, 0, 3, 4, 5]] * torch.tensor([1.0] * 6), mask)[1]
    assert in_boxes(torch.tensor([0, 12]), (6, 6), mask) == pytest.approx((1 + 2 / 8) / 2)


def test_a_resumed_run_measures_anew_what_is_told_otherwise(boxed, own_models, tmp_path):  # noqa: F811
    """The folder knows each picture with its boxes and its class: another file of boxes, or of classes."""
    how = {"backbone": "small_vit", "proposal": "small_net", "keep": (0.5,), "methods": ("papr",)}
    keys, boxes = [key for key, _ in open_dataset(boxed).samples], tmp_path / "b.csv"
    lists = tmp_path / "list.csv"

    def numbers(**more):
        row, *_ = evaluate(boxed, **how, boxes=boxes, labels=lists, **more)["rows"]
        return row["confidence"], row["in_boxes"], row["boxes"]

    for corner, classes in ((32, (0, 0, 1, 1)), (16, (0, 0, 1, 1)), (16, (1, 1, 0, 0))):
        boxes.write_text(as_csv({keys[0]: [(0, 0, corner, corner)]}))
        said = (f"{key},{WNIDS[place]}" for key, place in zip(keys, classes))
        lists.write_text("\n".join(["file,label", *said]))
        assert numbers(resume=tmp_path / "partial") == pytest.approx(numbers(), rel=1e-4)


def test_rows_agree_with_single_pictures(boxed, own_models):  # noqa: F811
    rows = rows_of(boxed)
    (boxed / "boxes.csv").write_text(as_csv(rows))
    backbone, proposal = load_backbone("small_vit"), load_proposal("small_net")
    found = evaluate(boxed, backbone=backbone, proposal=proposal, keep=(1, 0.4), methods=("papr", "random"))
    full, papr, random = (row for row in found["rows"] if row["subset"] == "all")
    assert "n_boxes" not in full
    data, told = open_dataset(boxed), []
    for i, (key, _) in enumerate(data.samples):
        if key not in rows:
            continue
        picture = data.read(i)
        crop = backbone.fit(picture)
        mask = box_mask(rows[key], picture.size, backbone, "crop")
        with torch.no_grad():
            coarse = proposal.features(proposal.view(crop)).mean(dim=1)
        strongest = int(patch_significance(coarse, (6, 6)).flatten().argmax())
        inside = [
            mask[8 * (p // 6) : 8 * (p // 6) + 8, 8 * (p % 6) : 8 * (p % 6) + 8].mean()
            for p in backbone.select(coarse, 0.4)[0].tolist()
        ]
        told.append([mask[8 * (strongest // 6) + 4, 8 * (strongest % 6) + 4], np.mean(inside), mask.mean()])
    told = np.array(told, float).mean(axis=0)
    assert papr["n_boxes"] == random["n_boxes"] == 3
    assert papr["pointing"] == pytest.approx(100 * told[0])
    assert papr["pointing_15"] >= papr["pointing"]
    assert papr["in_boxes"] == pytest.approx(100 * told[1], abs=1e-3)
    assert papr["box_share"] == pytest.approx(told[1] / told[2], rel=1e-4)
    assert 0.7 < random["box_share"] < 1.3
    json.dumps(found, allow_nan=False)
