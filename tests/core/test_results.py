"""Results in files and tables: today's account, formats that nothing breaks, class maps, figures of many."""

import argparse
import csv
import io
import json
from functools import cache

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from test_evaluate import WNIDS, models, own_models, photos  # noqa: F401

from papr_core import InvalidInput, cost, load_backbone, load_proposal
from papr_core.commands.evaluate import add_arguments, run
from papr_core.commands.main import main
from papr_core.evaluation import tradeoff
from papr_core.evaluation.class_map import named_folders, read_class_map
from papr_core.evaluation.results import read_results
from papr_core.evaluation.run import evaluate
from papr_core.evaluation.tables import written
from papr_core.figures import Series, series_figure
from papr_core.methods.table import METHODS
from papr_core.models.backbones import skeleton_backbone
from papr_core.models.embedded import RESULTS
from papr_core.models.labels import Labels, match_classes
from papr_core.models.proposals import skeleton_proposal

SHIPPED = sorted(RESULTS.glob("*.json"))


@cache
def pruned_gmacs(backbone, keep, method):
    return cost.backbone_gmacs(skeleton_backbone(backbone), keep, method=method)


@cache
def looking_gmacs(proposal):
    return cost.proposal_gmacs(skeleton_proposal(proposal))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_evaluations_are_in_todays_account(path):
    """Every column of cost is what `papr cost` says of that pair; no pass is charged that nobody makes."""
    shipped = json.loads(path.read_text())
    looking = looking_gmacs(shipped["proposal"])
    for row in shipped["rows"]:
        about = METHODS.get(row["method"])  # None: the full model
        alike = about is None or not (about.whole or about.kind == "oracle")
        expected = cost.spent(
            pruned_gmacs(shipped["backbone"], row["keep"], "papr" if alike else row["method"]),
            looking,
            looks=about is not None and about.looks,
        )
        assert {key: row[key] for key in expected} == pytest.approx(expected, rel=1e-6)


def test_a_file_from_before_is_read_in_todays_account(tmp_path):
    (path,) = (path for path in SHIPPED if path.stem == "mobilenetv1_050.cascade")
    old = json.loads(path.read_text())
    for row in old["rows"]:
        row["gmacs"] = row.pop("gmacs_backbone") + 0.5
        del row["gmacs_proposal"]
    (tmp_path / "old.json").write_text(json.dumps(old))
    (found,) = read_results([tmp_path / "old.json"])
    known = json.loads(path.read_text())
    assert {**found, "rows": []} == {**known, "rows": []}
    for row, other in zip(found["rows"], known["rows"], strict=True):
        assert row.keys() == other.keys()
        for key, value in row.items():
            assert value == (pytest.approx(other[key], rel=1e-6) if isinstance(value, float) else other[key])
    assert found["rows"][0]["gmacs"] == pytest.approx(1.254, abs=1e-3)  # not 1.294


def test_tome_alone_is_not_charged_for_a_convnet(photos, own_models):  # noqa: F811
    from papr_core import ToMe

    found = evaluate(
        photos,
        backbone="small_vit",
        proposal="small_net",
        keep=(1, 0.5),
        reductions=[ToMe(2)],
        methods=("papr",),
        limit=12,
    )
    alone, after = (row for row in found["rows"] if row["subset"] == "all")
    backbone, proposal = load_backbone("small_vit"), load_proposal("small_net")
    assert alone["gmacs"] == pytest.approx(cost.backbone_gmacs(backbone, reduction=ToMe(2)))
    assert after["gmacs_proposal"] == pytest.approx(cost.proposal_gmacs(proposal))


HOSTILE = 'a|b & c_d % $x$ \\ {e}\nf, "g"'


def test_no_cell_ends_a_table():
    head, rows = ["one", HOSTILE], [["1.5", HOSTILE], ["-", "x"]]
    text = written(head, rows, "csv")
    assert list(csv.reader(io.StringIO(text))) == [head, *rows]
    lines = written(head, rows, "md").splitlines()
    assert [line.replace("\\|", "").count("|") for line in lines] == [3] * 4
    lines = written(head, rows, "latex").splitlines()
    assert lines[0] == r"\begin{tabular}{rl}"
    assert lines[4].endswith(r" \\")
    assert r"a|b \& c\_d \% \$x\$ \textbackslash{} \{e\} f" in lines[4]
    assert len(lines) == 8


def command(photos, *more):  # noqa: F811
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    usual = ["--data", str(photos), "--backbone", "small_vit", "--proposal", "small_net", "--device", "cpu"]
    return run(parser.parse_args([*usual, *map(str, more)]))


@pytest.mark.parametrize("how", ["md", "csv", "latex"])
def test_rows_in_the_format_that_is_asked_for(how, photos, own_models, capsys):  # noqa: F811
    small = ("--keep", "1", "0.5", "--methods", "papr", "--limit", "12")
    assert command(photos, *small, "--format", how) == 0
    out = capsys.readouterr().out
    assert {"md": "| all | papr | 0.5 |", "csv": "all,papr,0.5", "latex": "all & papr & 0.5"}[how] in out


def test_several_convnets_a_file_and_one_table_of_files(photos, own_models, tmp_path, capsys):  # noqa: F811
    small = ("--keep", "1", "0.5", "--methods", "papr", "random", "cam", "--limit", "12")
    out = tmp_path / "results" / "sweep.json"
    assert (
        command(photos, *small, "--proposal", "small_net", "strange_net", "--out", out, "--format", "md") == 0
    )
    printed = capsys.readouterr().out
    assert "| small_net | all | full | 1 |" in printed
    assert "| strange_net | all | papr | 0.5 |" in printed
    told = json.loads(out.read_text())["results"]
    assert [one["proposal"] for one in told] == ["small_net", "strange_net"]
    for one in told:
        assert {"torch", "timm", "papr"} <= one["versions"].keys()
        assert one["hardware"].keys() == {"machine", "device", "threads"}
        assert len(one["data_sha256"]) == 64
    assert told[0]["proposal_topk"][0] == told[0]["proposal_top1"]
    figure = tmp_path / "all.svg"
    assert main(["table", str(out.parent), "--format", "csv", "--figure", str(figure)]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["ConvNet"], row["method"]) for row in table[:2]] == [
        ("small_net", "full"),
        ("small_net", "papr"),
    ]
    assert len(table) == 8
    assert figure.stat().st_size > 1000
    for kind in ("convnets", "topk"):
        assert main(["figure", kind, str(out), "--out", str(tmp_path / f"{kind}.svg")]) == 0
    (axes,) = tradeoff.convnets_figure(told).axes
    assert [line.get_label() for line in axes.get_lines()] == ["keep 0.5", "the ConvNet itself"]
    (axes,) = tradeoff.topk_figure(told).axes
    assert [line.get_label() for line in axes.get_lines()] == [
        "small_vit",
        "small_net",
    ]  # the other knows others
    one = tmp_path / "one.json"
    one.write_text(json.dumps(told[0]))
    assert main(["figure", "classes", str(one), "--keep", "0.5", "--out", str(tmp_path / "c.svg")]) == 0
    assert main(["figure", "classes", str(one), "--keep", "0.4", "--out", str(tmp_path / "c.svg")]) == 2
    assert "at keep 0.4" in capsys.readouterr().err
    assert main(["table", str(tmp_path / "none")]) == 2
    assert command(photos, *small, "--proposal", "small_net", "--format", "table") == 0


def test_a_class_has_a_row(photos, own_models):  # noqa: F811
    found = evaluate(
        photos, backbone="small_vit", proposal="small_net", keep=(1, 0.5), methods=("papr", "random", "cam")
    )
    rows = found["per_class"]
    assert [row["folder"] for row in rows] == WNIDS
    assert [row["n"] for row in rows] == [1 + c % 4 for c in range(12)]
    assert rows[3]["label"] == "thing 3, object 3"
    whole = next(row for row in found["rows"] if row["method"] == "papr")
    mean = sum(row["n"] * row["top1"]["papr"][0][1] for row in rows) / found["n"]
    assert mean == pytest.approx(whole["top1"])
    less = next(row for row in found["differences"] if row["minus"] == "cam")
    assert sum(row["n"] * row["less"]["cam"][0][1] for row in rows) / found["n"] == pytest.approx(
        less["top1"]
    )
    figure = tradeoff.classes_figure([found], keep=0.5)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["PaPr less CAM", "PaPr less random"]


def test_class_maps(photos, own_models, tmp_path):  # noqa: F811
    """timm's: a folder a line, in the order of the classes; or JSON, by index, wnid or words."""
    (tmp_path / "map.txt").write_text("\n".join(WNIDS))
    (tmp_path / "map.json").write_text(json.dumps({WNIDS[0]: 0, WNIDS[1]: WNIDS[1], WNIDS[2]: "object 2"}))
    labels = Labels("own", tuple(f"thing {i}, object {i}" for i in range(12)), tuple(WNIDS))
    for name in ("map.txt", "map.json"):
        told = read_class_map(tmp_path / name)
        assert match_classes(named_folders(WNIDS[:3], told), labels) == (0, 1, 2)
    turned = tmp_path / "turned.txt"
    turned.write_text("\n".join(WNIDS[::-1]))
    how = {"backbone": "small_vit", "proposal": "small_net", "keep": (1,), "methods": ("papr",)}
    plain, other = evaluate(photos, **how), evaluate(photos, **how, class_map=turned)
    assert other["per_class"][0]["label"] == "thing 11, object 11"
    assert plain["rows"][0]["confidence"] != other["rows"][0]["confidence"]
    with pytest.raises(InvalidInput, match="does not name 9 of 12"):
        evaluate(photos, **how, class_map=tmp_path / "map.json")
    for name, text in (("a.json", '{"a": [1]}'), ("b.json", "{"), ("c.txt", "\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(InvalidInput, match="class map"):
            read_class_map(tmp_path / name)
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_class_map(tmp_path / "no.txt")


def test_what_is_nearly_a_class_is_named():
    labels = Labels("own", ("tabby, tabby cat", "African elephant, Loxodonta africana"))
    with pytest.raises(InvalidInput, match=r"african_elefant \(near: african elephant\)") as error:
        match_classes(["tabby", "african_elefant", "zzz"], labels)
    assert "zzz)" in str(error.value)


def test_words_at_points_never_overlap_and_titles_are_whole():
    draw = np.random.default_rng(0)
    lines = [
        Series(
            f"keep {i}",
            x=list(draw.normal(1, 0.02, 7)),
            y=list(draw.normal(50, 0.5, 7)),
            marks=[f"r {r}" for r in range(7)],
        )
        for i in range(3)
    ]
    title = "vit_base_patch16_clip_224.openai_ft_in12k_in1k pruned by tf_efficientnet_lite0.in1k, 1000 images"
    figure = series_figure(lines, title=title, x_label="x", y_label="y")
    (axes,) = figure.axes
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    boxes = [text.get_window_extent(renderer) for text in axes.texts]
    assert len(boxes) == 21
    assert not any(one.overlaps(two) for i, one in enumerate(boxes) for two in boxes[:i])
    (told,) = (text for text in (axes.title, axes._left_title) if text.get_text())
    assert told.get_text().replace("\n", " ") == title
    assert told.get_window_extent(renderer).x1 <= figure.bbox.x1


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_results_are_of_the_embedded_files_and_say_the_same_as_the_evaluations(path):
    """One pair, one number a ratio, wherever it is shown."""
    from papr_core.models import weights
    from papr_core.models.embedded import ASSETS

    (found,) = read_results([path])
    for role in ("backbone", "proposal"):
        assert found[f"{role}_sha256"] == weights.sha256(ASSETS / f"{found[role]}.safetensors")
    shipped = json.loads((RESULTS / f"{found['proposal']}.json").read_text())
    if all(found[key] == shipped[key] for key in ("n", "backbone", "fit")):
        known = {(row["subset"], row["method"], row["keep"]): row for row in shipped["rows"]}
        for row in found["rows"]:
            other = known[row["subset"], row["method"], row["keep"]]
            assert row["top1"] == pytest.approx(other["top1"], abs=1e-6)
            assert row["gmacs"] == pytest.approx(other["gmacs"], rel=1e-6)
