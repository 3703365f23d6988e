"""The command line: what it prints, what it refuses and how, and that its numbers are the library's."""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from page_server import BACKBONE, HOSTILE, NAMES, PROPOSAL, write_pair
from PIL import Image

from papr_core import PaprError, compare, load_backbone, load_proposal, read_image
from papr_core.commands.main import COMMANDS, main
from papr_core.commands.terminal import Progress
from papr_core.devices import chosen_device
from papr_core.methods.table import DEFAULT_METHODS, METHODS
from papr_core.models import weights

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small pair's weights, and pictures of several kinds."""
    folder = write_pair(tmp_path_factory.mktemp("pair"))
    for seed, name in enumerate(("one.png", "two.png", "three.jpg")):
        noise = np.random.default_rng(seed).integers(0, 256, (6, 7, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((150, 170), Image.Resampling.BICUBIC).save(folder / name)
    Image.new("RGB", (90, 90), (30, 90, 60)).save(folder / "flat.png")
    (folder / "words.jpg").write_text("not a picture")
    (folder / "empty.png").write_bytes(b"")
    (folder / "cut.jpg").write_bytes((folder / "three.jpg").read_bytes()[:900])
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(folder / "${1+1}\x1b[31m.png")
    return folder


@pytest.fixture
def papr(folder, capsys):
    """Run a command in this process: (exit code, stdout, stderr)."""

    def run(*words):
        code = main([str(word) for word in words])
        out = capsys.readouterr()
        assert "Traceback" not in out.out + out.err
        return code, out.out, out.err

    with weights.configured():
        yield run


@pytest.fixture
def pair(folder):
    return ("--weights-dir", folder, "--proposal", PROPOSAL, "--backbone", BACKBONE)


def one_sentence(err):
    assert err.startswith("papr: ")
    assert err.count("\n") == 1
    assert err.rstrip().endswith((".", "more."))
    return True


def test_json_is_the_librarys_object_on_one_line(papr, pair, folder):
    code, out, err = papr("compare", folder / "one.png", *pair, "--json", "--keep", 0.3)
    assert (code, err, out.count("\n")) == (0, "", 1)
    found = json.loads(out)
    proposal, backbone = load_proposal(PROPOSAL), load_backbone(BACKBONE)
    expected = compare(folder / "one.png", proposal=proposal, backbone=backbone, keep_ratio=0.3).to_dict()
    assert found["image"] == expected["image"] == str(folder / "one.png")
    assert [method["name"] for method in found["methods"]] == list(DEFAULT_METHODS)
    for one, other in zip(found["methods"], expected["methods"]):
        assert one.pop("seconds") > 0
        other.pop("seconds")
    assert found == expected


def test_a_person_reads_a_verdict_and_a_table(papr, pair, folder):
    code, out, err = papr(
        "compare", folder / "one.png", *pair, "--methods", "papr", "random", "--patches", 3, 5, "--target", 4,
        "--deletion",
    )  # fmt: skip
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == str(folder / "one.png")
    assert "keep" in lines[1] or "lose" in lines[1]
    assert "40 % of 100 patches kept. Unpruned: " in out
    assert "Confidence on “thing 4”." in out
    table = lines[lines.index("") + 1 :]
    assert table[0].split() == [
        "Method",
        "Kept",
        "Confidence",
        "Answer",
        "Top-1",
        "Fewest",
        "Area",
        "Worst",
        "first",
        "As",
        "PaPr",
        "Map",
        "in",
    ]
    assert [line.split("  ")[0] for line in table[1:4]] == ["PaPr", "Random", "By hand"]
    assert "worst first: the same where the worst patches stay (low is good)" in table[4]
    assert " to " in table[2]


def test_target_explain_and_fit_reach_the_comparison(papr, pair, folder):
    code, out, _ = papr(
        "compare", folder / "one.png", *pair, "--json", "--methods", "cam", "--target", "kind 7",
        "--explain", "target", "--fit", "squash",
    )  # fmt: skip
    found = json.loads(out)
    assert code == 0
    assert found["target"] == {"index": 7, "label": "thing 7, kind 7"}
    assert found["explain"] == {"mode": "target", "index": 7, "label": "thing 7, kind 7"}
    code, out, _ = papr("compare", folder / "one.png", *pair, "--methods", "cam", "--explain", "kind 5")
    assert "CAM: explaining “thing 5”, as asked." in out


def test_out_holds_figure_maps_and_manifest(papr, pair, folder, tmp_path):
    quick = ("--methods", "papr", "--out")
    assert papr("compare", folder / "one.png", *pair, *quick, tmp_path / "one")[0] == 0
    names = ["curve.png", "figure.png", "manifest.json", "maps.npz"]
    assert sorted(os.listdir(tmp_path / "one")) == names
    again = folder / "one.jpg"
    Image.open(folder / "two.png").save(again)
    assert papr("compare", folder / "one.png", again, *pair, *quick, tmp_path / "both")[0] == 0
    assert sorted(os.listdir(tmp_path / "both")) == ["one", "one-2"]
    assert sorted(os.listdir(tmp_path / "both" / "one-2")) == names
    (tmp_path / "file").write_text("")
    code, out, err = papr("compare", folder / "one.png", *pair, *quick, tmp_path / "file")
    assert code == 2
    assert one_sentence(err)


@pytest.mark.parametrize("suffix", ["pdf", "png", "svg"])
def test_figure_methods_draws_a_row_a_picture(papr, pair, folder, tmp_path, suffix):
    out = tmp_path / f"figure.{suffix}"
    pictures = [folder / "one.png", folder / "two.png"]
    code, said, err = papr("figure", "methods", *pictures, *pair, "--methods", "papr", "cam", "--out", out)
    assert (code, err) == (0, "")
    assert said == f"2 of 2 pictures are in {out}.\n"
    if suffix == "svg":
        assert out.read_text().count("ConvNet ") == 2


def test_one_broken_picture_does_not_stop_the_others(papr, pair, folder, tmp_path):
    pictures = [folder / name for name in ("one.png", "words.jpg", "two.png")]
    code, out, err = papr("compare", *pictures, *pair, "--json", "--methods", "papr", "--out", tmp_path)
    assert code == 2
    assert [json.loads(line)["image"] for line in out.splitlines()] == [str(pictures[0]), str(pictures[2])]
    assert one_sentence(err)
    assert "words.jpg" in err
    assert sorted(os.listdir(tmp_path)) == ["one", "two"]
    code, out, err = papr(
        "figure", "methods", *pictures, *pair, "--methods", "papr", "--out", tmp_path / "f.png"
    )
    assert code == 2
    assert out.startswith("2 of 3 pictures")
    assert Image.open(tmp_path / "f.png").width > 500


def test_a_figure_for_a_paper_its_table_and_the_curve_alone(papr, pair, folder, tmp_path):
    out, table = tmp_path / "figure.pdf", tmp_path / "numbers.csv"
    drawn = [*pair, "--methods", "papr", "cam", "--width", "8.25", "--text", "6"]
    how = ["--layout", "rows", "--look", "black", "--colours", "gray", "--opacity", "1", "--scale", "shared"]
    words = ["figure", "methods", folder / "one.png", *drawn, *how, "--keep", "0.5", "0.2"]
    code, said, err = papr(*words, "--out", out, "--table", table)
    assert code == 0, err
    assert "50 of 100 patches kept (50 %)" in said.replace("\n", " "), (
        "what stands in no figure of a given width"
    )
    assert b"/MediaBox [ 0 0 233.8" in out.read_bytes()
    assert len(table.read_text().splitlines()) == 1 + 1 + 2 * 2
    code, _, err = papr("figure", "curve", folder / "one.png", *drawn, "--out", tmp_path / "curve.svg")
    assert code == 0, err
    assert "confidence on" in (tmp_path / "curve.svg").read_text()
    for wrong in (["--opacity", "2"], ["--width", "1"], ["--table", "numbers.xls"]):
        code, _, err = papr(*words, "--out", out, *wrong)
        assert code == 2
        assert one_sentence(err)


def test_a_folder_of_pictures_gets_a_figure_each_shared_out_and_resumed(
    papr, pair, folder, tmp_path, monkeypatch
):
    pictures, out = tmp_path / "pictures", tmp_path / "figures"
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        (pictures / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "one.png", pictures / name)
    words = ("figure", "methods", pictures, *pair, "--methods", "papr", "--out")
    monkeypatch.setenv("WORLD_SIZE", "2")  # as torchrun tells its processes
    for rank, drawn in (("0", ["a/1.png.png", "b/1.png.png"]), ("1", ["a/2.png.png"])):
        monkeypatch.setenv("RANK", rank)
        code, said, _ = papr(*words, out)
        assert code == 0
        assert f"Process {rank} of 2: {len(drawn)} figures drawn" in said
        assert all((out / name).exists() for name in drawn)
    monkeypatch.delenv("WORLD_SIZE")
    monkeypatch.delenv("RANK")
    shared = {path.relative_to(out): path.read_bytes() for path in out.rglob("*.png")}
    assert len(shared) == 3
    (out / "a" / "2.png.png").unlink()
    stamp = (out / "b" / "1.png.png").stat().st_mtime_ns
    assert "1 figures drawn" in papr(*words, out)[1]
    assert (out / "b" / "1.png.png").stat().st_mtime_ns == stamp
    assert papr(*words, tmp_path / "alone")[0] == 0
    alone = {
        path.relative_to(tmp_path / "alone"): path.read_bytes()
        for path in (tmp_path / "alone").rglob("*.png")
    }
    assert alone == shared == {path.relative_to(out): path.read_bytes() for path in out.rglob("*.png")}
    code, _, err = papr(*words, out, "--keep", "0.2")
    assert code == 2
    assert "figures with other settings" in err


def test_a_folder_of_pictures_goes_on_without_a_bad_one(papr, pair, folder, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "0.png").write_bytes(b"no picture")
    shutil.copy(folder / "one.png", pictures / "1.png")
    (pictures / "up").symlink_to("..")
    words = ("figure", "methods", pictures, *pair, "--methods", "papr", "--out")
    code, said, err = papr(*words, tmp_path / "figures")
    assert code == 0
    assert "1 figures drawn" in said
    assert "1 left out" in said
    assert "0.png" in err
    code, said, _ = papr(*words, tmp_path / "figures")  # and again
    assert (code, "1 were there, 1 left out" in said) == (0, True)
    code, said, err = papr(*words, tmp_path / "strict", "--strict")
    assert code == 2
    assert "0 figures drawn" in said


@pytest.mark.parametrize("name", ["words.jpg", "empty.png", "cut.jpg", "missing.png", "."])
@pytest.mark.parametrize("command", [("compare",), ("figure", "methods", "--out", "never.png")])
def test_what_is_no_picture_gets_one_sentence(papr, pair, folder, tmp_path, monkeypatch, name, command):
    monkeypatch.chdir(tmp_path)
    code, out, err = papr(*command, folder / name, *pair, "--methods", "papr")
    assert code == 2
    assert out == ""
    assert one_sentence(err)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--keep", "0"], "keep ratio"),
        (["--keep", "1.2"], "keep ratio"),
        (["--keep", "nan"], "keep ratio"),
        (["--keep", "much"], "invalid float"),
        (["--proposal", "no_such_net"], "no_such_net"),
        (["--backbone", "no_such_vit"], "no_such_vit"),
        (["--backbone", "../../etc/passwd"], "passwd"),
        (["--backbone", "test_resnet"], "test_resnet"),
        (["--proposal", "test_vit"], "test_vit"),
        (["--target", "unicorn"], "unicorn"),
        (["--target", "99"], "99"),
        (["--explain", "unicorn"], "unicorn"),
        (["--methods", "papr", "magic"], "magic"),
        (["--methods", "by-hand"], "--patches"),
        (["--patches", "100"], "0 to 99"),
        (["--patches", "a"], "invalid int"),
        (["--weights-dir", "/no/such/folder"], "/no/such/folder"),
        (["--device", "abacus"], "abacus"),
        (["--fit", "stretch"], "invalid choice"),
        (["--nonsense"], "--nonsense"),
        (["--backbone", ""], "Nothing stands for --backbone"),
        (["--target="], "Nothing stands for --target"),
        (["--methods", "papr", " "], "Nothing stands for an argument"),
    ],
)
def test_wrong_arguments_get_one_sentence(papr, pair, folder, words, said):
    code, out, err = papr("compare", folder / "one.png", *pair, *words)
    assert code == 2
    assert out == ""
    assert one_sentence(err)
    assert said in err


@pytest.mark.parametrize(
    "words",
    [[], ["nothing"], ["compare"], ["figure"], ["figure", "methods", "x.png"], ["figure", "pie", "x.png"]],
)
def test_what_is_no_command_gets_one_sentence(papr, words):
    code, out, err = papr(*words)
    assert (code, out) == (2, "")
    assert one_sentence(err)
    assert "--help" in err


@pytest.mark.parametrize("out", ["figure.jpg", "no/folder/figure.png"])
def test_a_figure_that_cannot_be_written_is_refused_before_the_work(papr, folder, out):
    code, _, err = papr("figure", "methods", folder / "missing.png", "--out", out)
    assert code == 2
    assert one_sentence(err)
    assert "missing" not in err


def test_weights_that_cannot_be_had_get_one_sentence(papr, folder):
    code, _, err = papr(
        "compare", folder / "one.png", "--backbone", "deit3_large_patch16_384.fb_in22k_ft_in1k"
    )
    assert code == 2
    assert one_sentence(err)


def test_names_are_text(papr, pair, folder):
    path = next(folder.glob("$*.png"))
    code, out, err = papr("compare", path, *pair, "--methods", "papr", "--target", HOSTILE[1])
    assert code == 0
    assert "${1+1}\N{REPLACEMENT CHARACTER}[31m.png" in out
    assert "\x1b" not in out + err
    assert "<img src=x onerror=alert(1)>" in out
    code, out, err = papr("compare", folder / "no\n\x1b[31m.png", *pair)
    assert code == 2
    assert one_sentence(err)
    assert "\x1b" not in err


def test_a_flat_picture_is_said_to_be_flat(papr, pair, folder):
    code, out, _ = papr("compare", folder / "flat.png", *pair, "--methods", "papr", "center")
    assert code == 0
    assert "This picture is of one colour" in out


def test_pictures_of_every_kind_work(papr, pair, folder):
    image = Image.open(folder / "one.png")
    grey, few = np.asarray(image.convert("L")), image.quantize(64)
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds = {
        "few.png": (few.convert("RGB"), {}),
        "palette.png": (few, {}),
        "animation.gif": (few, {"save_all": True, "append_images": [Image.new("P", few.size)]}),
        "cmyk.tif": (image.convert("CMYK"), {}),
        "sixteen.png": (Image.fromarray(grey.astype(np.uint16) * 257), {}),
        "grey-alpha.png": (Image.fromarray(grey).convert("LA"), {}),
        "turned.png": (image.transpose(Image.Transpose.ROTATE_90), {"exif": exif}),
    }
    for name, (picture, options) in kinds.items():
        picture.save(folder / name, **options)
    Image.fromarray(grey).save(folder / "grey.png")
    names = ["one.png", "grey.png", *kinds]
    code, out, err = papr(
        "compare", *[folder / name for name in names], *pair, "--json", "--methods", "papr", "--target", 3
    )
    assert (code, err) == (0, "")
    full = {name: json.loads(line)["full"]["confidence"] for name, line in zip(names, out.splitlines())}
    assert full["turned.png"] == full["cmyk.tif"] == full["one.png"]
    assert full["sixteen.png"] == full["grey-alpha.png"] == full["grey.png"]
    assert full["palette.png"] == full["animation.gif"] == full["few.png"]
    assert len(set(full.values())) == 3


def test_pillow_s_own_warnings_are_not_heard(papr, pair, folder, tmp_path, recwarn):
    """It has a limit of 89 megapixels, where ours is 100, and warns of EXIF that it cannot read."""
    large, exif = tmp_path / "large.png", tmp_path / "exif.jpg"
    Image.new("1", (9500, 9500)).save(large)
    large.write_bytes(large.read_bytes()[:300])  # cut off: nothing is decoded here
    Image.open(folder / "one.png").save(exif, exif=b"Exif\0\0" + b"II*\0\xff\xff\xff\xff" + b"junk" * 9)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for path in (large, exif):
            with contextlib.suppress(PaprError):
                read_image(path)
        assert {"DecompressionBombWarning", "UserWarning"} <= {one.category.__name__ for one in heard}
    code, out, err = papr("compare", large, exif, *pair, "--methods", "papr", "--json")
    assert code == 2
    assert one_sentence(err)
    assert "damaged or cut off" in err
    assert json.loads(out)["image"] == str(exif)
    assert not [warning for warning in recwarn if "PIL" in warning.filename]


def test_models_are_listed(papr, folder):
    code, out, _ = papr("models", "--weights-dir", folder, "--json")
    rows = json.loads(out)
    assert code == 0
    keys = {
        "name", "role", "title", "paper", "architecture", "input_size", "labels", "classes", "licence",
        "source", "weights", "megabytes", "sha256", "reason",
    }  # fmt: skip
    assert all(set(row) == keys for row in rows)
    by_name = {row["name"]: row for row in rows}
    own = by_name[BACKBONE]
    assert (own["role"], own["weights"], own["classes"]) == ("backbone", "local", len(NAMES))
    assert own["sha256"] == weights.sha256(folder / f"{BACKBONE}.safetensors")
    assert by_name[PROPOSAL]["role"] == "proposal"
    assert {row["role"] for row in rows} == {"proposal", "backbone"}
    assert by_name["resnet50.a1_in1k"]["weights"] in ("download", "cached")
    code, out, _ = papr("models", "--weights-dir", folder)
    assert code == 0
    assert all(name in out for name in by_name)
    assert own["sha256"][:12] in out
    code, out, _ = papr("cost", "--backbone", BACKBONE, "--weights-dir", folder, "--json")
    assert (code, json.loads(out)["backbone"]) == (0, BACKBONE)


@pytest.mark.parametrize(
    ("named", "there", "meant"),
    [
        (None, False, "cpu"),
        (None, True, "cuda:3"),
        ("cuda", True, "cuda:3"),
        ("cuda:1", True, "cuda:1"),
        ("cpu", True, "cpu"),
    ],
)
def test_a_process_of_torchrun_has_its_own_gpu(named, there, meant, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert chosen_device(named) == meant


def run(*words, **kwargs):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, env=env, cwd=ROOT, **kwargs
    )


def test_help_is_quick_and_needs_no_model():
    code = (
        "import sys; from papr_core.commands.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert not end.code\n"
        "print([name for name in ('torch', 'timm', 'numpy', 'matplotlib') if name in sys.modules])"
    )
    done = run("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines()[-1] == "[]"
    assert all(command in done.stdout.decode() for command in COMMANDS)
    assert run("-m", "papr_core", "--version").stdout.startswith(b"papr ")


@pytest.mark.parametrize("command", [[name] for name in COMMANDS] + [["figure", "methods"]])
def test_every_command_has_its_help(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([*command, "--help"])
    assert not end.value.code
    shown = capsys.readouterr().out
    assert f"papr {' '.join(command)}" in shown
    assert "--weights-dir" in shown or command in (["figure"], ["train"], ["table"])


def test_every_method_is_named_in_the_help(capsys):
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in METHODS)


def test_a_reader_that_leaves_is_no_error(folder, pair):
    words = ["-m", "papr_core", "compare", *[folder / "one.png"] * 3, *pair, "--json", "--methods", "papr"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    papr = subprocess.Popen(
        [sys.executable, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=ROOT
    )
    papr.stdout.close()
    assert papr.wait(timeout=300) == 141
    assert papr.stderr.read() == b""


def test_an_interrupt_in_the_middle_ends_with_130(folder, pair):
    words = ["-m", "papr_core", "compare", *[folder / "one.png"] * 200, *pair, "--json"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    papr = subprocess.Popen(
        [sys.executable, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        cwd=ROOT,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # a shell's background job ignores it
    )
    assert json.loads(papr.stdout.readline())["methods"]
    papr.send_signal(signal.SIGINT)
    out, err = papr.communicate(timeout=300)
    assert papr.returncode == 130
    assert out.count(b"\n") < 199
    assert err == b""


def test_a_terminal_sees_progress_and_its_end(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress() as progress:
        progress("Score-CAM", 16, 64)
        progress.of("Weights")(3, 4)
    assert terminal.getvalue().startswith("\rScore-CAM 25 %\rWeights 75 %")
    assert terminal.getvalue().endswith(" \r")


def test_a_terminal_that_knows_only_ascii_is_served(papr, pair, folder, monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    words = ["compare", folder / "one.png", *pair, "--methods", "papr"]
    assert main([str(word) for word in words]) == 0
    assert b"Confidence on ?thing" in terminal.buffer.getvalue()
