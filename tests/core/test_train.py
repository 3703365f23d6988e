"""Training: the same weights after a cut, what a teacher and pruning do, and what is written."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from papr_core.data.datasets import open_dataset
from papr_core.errors import InvalidInput, UnreadableImage
from papr_core.models.embedded import ASSETS
from papr_core.training import augmentation as views
from papr_core.training import teacher
from papr_core.training import train as training
from papr_core.training.train import Recipe, train

CONVNET = {
    "model": "resnet10t",
    "model_args": '{"channels": [8, 8, 16, 16], "stem_width": 8}',
    "size": 32,
    "batch_size": 8,
    "lr": 3e-3,
    "dtype": "float32",
}
VIT = {
    "model": "vit_tiny_patch16_224",
    "model_args": '{"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}',
    "batch_size": 8,
    "lr": 3e-3,
    "dtype": "float32",
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Two classes of noise, reddish and bluish, 24 pictures each."""
    folder, draw = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for name, tint in (("blue", (40, 60, 160)), ("red", (160, 60, 40))):
        (folder / name).mkdir()
        for i in range(24):
            pixels = draw.normal(tint, 40, (40, 40, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def test_a_convnet_learns_and_is_written_as_timm_reads_it(pictures, tmp_path):
    line = train(Recipe(epochs=4, ema=0.8, **CONVNET), pictures, tmp_path, val=pictures)
    assert line["top1"] > 90
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 4
    config = json.loads((tmp_path / "model.json").read_text())
    assert config["label_names"] == ["blue", "red"]
    assert config["pretrained_cfg"]["input_size"] == [3, 32, 32]
    state = load_file(tmp_path / "model.safetensors")
    assert {value.dtype for value in state.values() if value.is_floating_point()} == {torch.float16}

    from papr_core import load_proposal
    from papr_core.models import weights

    with weights.configured(weights_dir=tmp_path):
        proposal = load_proposal("model")
    answers = []
    for name in ("blue", "red"):
        crop = Image.open(pictures / name / "3.png").resize((32, 32), Image.BILINEAR)
        answers.append(proposal.labels[int(proposal(proposal.view(crop)).argmax())])
    assert answers == ["blue", "red"]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("settings", [CONVNET, VIT], ids=["convnet", "vit"])
def test_a_run_that_was_killed_resumes_to_the_same_weights(settings, workers, pictures, tmp_path):
    """The process is killed for real, within an epoch; mixing, averaging and augmentation are on."""
    recipe = Recipe(epochs=3, ema=0.9, mixup=0.3, color_jitter=0.3, auto_augment="rand-m5", **settings)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(recipe, pictures, whole)
    script = (
        "import sys, time; from papr_core.training import train as t; r = t.Recipe(**eval(sys.argv[1]));"
        "step = t._Run.train_step\n"
        "def slow(self, *a): step(self, *a); time.sleep(0.3)\n"
        "t._Run.train_step = slow\n"
        f"t.train(r, sys.argv[2], sys.argv[3], checkpoint_minutes=0, workers={workers})"
    )
    arguments = [sys.executable, "-c", script, repr(dataclasses.asdict(recipe)), str(pictures), str(cut)]
    process = subprocess.Popen(arguments, env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())})
    checkpoint, deadline = cut / "checkpoint.pt", time.monotonic() + 120
    while True:
        assert process.poll() is None, "the run ended before it could be cut"
        assert time.monotonic() < deadline
        if checkpoint.exists():
            step = torch.load(checkpoint, weights_only=True)["step"]
            if step >= 2:
                break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    step = torch.load(checkpoint, weights_only=True)["step"]
    assert 2 <= step < 18
    train(recipe, pictures, cut, workers=workers)
    expected, found = (torch.load(f / "checkpoint.pt", weights_only=True) for f in (whole, cut))
    assert expected["step"] == found["step"] == 18
    for key in ("trained", "ema"):
        for name, value in expected[key].items():
            assert torch.equal(value, found[key][name]), name


@pytest.mark.parametrize("cut", ["measure", "save"])
def test_a_run_cut_at_an_epoch_s_end_still_writes_its_weights(cut, pictures, tmp_path, monkeypatch):
    recipe = Recipe(epochs=2, **CONVNET)
    expected = train(recipe, pictures, tmp_path / "whole", val=pictures)
    real, calls = getattr(training._Run, cut), []

    def stopped(self, *arguments):
        calls.append(cut)
        if self.step == 2 * self.steps_per_epoch:
            raise KeyboardInterrupt
        return real(self, *arguments)

    monkeypatch.setattr(training._Run, cut, stopped)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, pictures, tmp_path / "cut", val=pictures, checkpoint_minutes=0)
    monkeypatch.undo()
    assert calls
    seen = []
    line = train(recipe, pictures, tmp_path / "cut", val=pictures, on_epoch=seen.append)
    assert seen == [line]
    assert line["top1"] == expected["top1"]
    whole, again = (load_file(tmp_path / run / "model.safetensors") for run in ("whole", "cut"))
    assert all(torch.equal(whole[key], again[key]) for key in whole)
    assert len((tmp_path / "cut" / "log.jsonl").read_text().splitlines()) == 2
    (tmp_path / "cut" / "model.safetensors").unlink()
    assert train(recipe, pictures, tmp_path / "cut", val=pictures) == line
    assert (tmp_path / "cut" / "model.safetensors").exists()


def test_a_checkpoint_knows_its_data_and_says_when_it_is_damaged(pictures, tmp_path):
    recipe = Recipe(epochs=1, **CONVNET)
    train(recipe, pictures, tmp_path / "o")
    others = tmp_path / "others"
    for old, new in (("blue", "cold"), ("red", "warm")):
        shutil.copytree(pictures / old, others / new)
    with pytest.raises(InvalidInput, match="set of classes"):
        train(recipe, others, tmp_path / "o")
    fewer = shutil.copytree(pictures, tmp_path / "fewer")
    (fewer / "red" / "0.png").unlink()
    with pytest.raises(InvalidInput, match="another set of pictures;"):
        train(recipe, fewer, tmp_path / "o")
    (tmp_path / "o" / "checkpoint.pt").write_bytes(b"PK\3\4 no more than this")
    with pytest.raises(InvalidInput, match="damaged"):
        train(recipe, pictures, tmp_path / "o")


def test_fine_tuning_starts_from_a_file_or_a_name_with_a_new_classifier(pictures, tmp_path):
    three = shutil.copytree(pictures, tmp_path / "three")
    shutil.copytree(pictures / "red", three / "other")
    train(Recipe(epochs=1, **CONVNET), pictures, tmp_path / "two")
    first = load_file(tmp_path / "two" / "model.safetensors")
    recipe = Recipe(epochs=1, init=str(tmp_path / "two" / "model.safetensors"), **CONVNET)
    model = training._create(recipe, 3)
    assert model.fc.weight.shape[0] == 3
    assert torch.equal(model.layer4[0].conv1.weight, first["layer4.0.conv1.weight"].float())
    train(recipe, three, tmp_path / "tuned")
    embedded = {"model_args": '{"channels": [32, 64, 128, 256], "stem_width": 16, "output_stride": 16}'}
    model = training._create(Recipe(**{**CONVNET, **embedded, "init": "resnet10t_112.tiny200"}), 3)
    weights = load_file(ASSETS / "resnet10t_112.tiny200.safetensors")
    assert torch.equal(model.conv1[0].weight, weights["conv1.0.weight"].float())
    (tmp_path / "torn.safetensors").write_bytes(b"\x08")
    with pytest.raises(InvalidInput, match="damaged"):
        training._create(Recipe(**{**CONVNET, "init": str(tmp_path / "torn.safetensors")}), 2)


@pytest.mark.parametrize("name", ["mixer_s32_224", "xcit_nano_12_p16_224", "levit_128s"])
def test_a_model_whose_last_features_are_no_map_trains_without_one(name, pictures):
    """Any timm model learns from labels; a map is asked of it only where one is to be learnt."""
    plain = Recipe(model=name, batch_size=8, dtype="float32")
    run = training._Run(plain, open_dataset(pictures), torch.device("cpu"))
    run.train_step(next(views.batches(run.viewed, 8, epoch=0)))
    assert np.isfinite(run.mean_loss())
    with pytest.raises(InvalidInput, match="no map"):
        training._Run(
            dataclasses.replace(plain, teacher="resnet10t_112.tiny200", distill_features=0.5),
            open_dataset(Path(__file__).resolve().parents[1] / "data" / "caltech101-200"),
            torch.device("cpu"),
        )


def test_pruned_training_is_compiled_where_asked(pictures):
    for compiled in (False, True):  # the compiler's own minute is left out
        recipe = Recipe(keep=0.5, proposal="resnet10t_112.tiny200", compile=compiled, **VIT)
        run = training._Run(recipe, open_dataset(pictures), torch.device("cpu"))
        assert (run.model._compiled_call_impl is not None) == compiled


def test_another_recipe_does_not_go_on_from_a_checkpoint(pictures, tmp_path):
    train(Recipe(epochs=1, **CONVNET), pictures, tmp_path)
    with pytest.raises(InvalidInput, match="another lr"):
        train(Recipe(epochs=1, **{**CONVNET, "lr": 1.0}), pictures, tmp_path)


def test_views_depend_on_seed_epoch_and_image_alone(pictures):
    dataset = open_dataset(pictures)
    run = training._Run(Recipe(**CONVNET), dataset, torch.device("cpu"))
    one, again = (next(views.batches(run.viewed, 8, epoch=1)) for _ in range(2))
    skipped = list(views.batches(run.viewed, 8, epoch=1, first=2))
    all_of_them = list(views.batches(run.viewed, 8, epoch=1))
    assert torch.equal(one[0], again[0])
    assert len(skipped) == 4
    assert torch.equal(skipped[0][0], all_of_them[2][0])
    assert not torch.equal(one[0], next(views.batches(run.viewed, 8, epoch=2))[0])


def test_starting_from_weights_resamples_positions_to_another_size(pictures, tmp_path):
    train(Recipe(epochs=1, **VIT), pictures, tmp_path / "small")
    larger = {**VIT, "model_args": VIT["model_args"].replace('"img_size": 32', '"img_size": 48')}
    recipe = Recipe(epochs=1, init=str(tmp_path / "small" / "model.safetensors"), **larger)
    model = training._create(recipe, 2)
    assert model.pos_embed.shape[1] == 37
    first = load_file(tmp_path / "small" / "model.safetensors")["blocks.0.mlp.fc1.weight"].float()
    assert torch.equal(model.blocks[0].mlp.fc1.weight, first)


@pytest.mark.parametrize("change", [{"channels": [8, 8, 16, 32]}, {"layers": [1, 2, 1, 1]}])
def test_weights_of_another_architecture_are_no_start(change, pictures, tmp_path):
    train(Recipe(epochs=1, **CONVNET), pictures, tmp_path)
    arguments = json.dumps({**json.loads(CONVNET["model_args"]), **change})
    with pytest.raises(InvalidInput, match="another architecture"):
        train(
            Recipe(**{**CONVNET, "model_args": arguments}, init=str(tmp_path / "model.safetensors")),
            pictures,
            tmp_path / "next",
        )


@pytest.fixture
def teacher_folder(pictures, tmp_path, monkeypatch) -> Path:
    train(Recipe(epochs=3, **CONVNET), pictures, tmp_path / "t", name="teacher")
    monkeypatch.setenv("PAPR_WEIGHTS", str(tmp_path / "t"))
    return tmp_path / "t"


def test_distillation_follows_the_teacher_without_labels(pictures, teacher_folder, tmp_path):
    """All of the loss is the teacher's: the student learns, and the hint's distance falls."""
    recipe = Recipe(teacher="teacher", distill=1.0, distill_features=0.5, epochs=8, smoothing=0.0, **VIT)
    line = train(recipe, pictures, tmp_path / "s", val=pictures)
    log = [json.loads(text) for text in (tmp_path / "s" / "log.jsonl").read_text().splitlines()]
    assert line["top1"] > 90
    assert log[-1]["loss"] < 0.9 * log[0]["loss"]


@torch.inference_mode()
@pytest.mark.parametrize(
    ("name", "arguments", "grid"),
    [
        ("resnet10t", {"channels": [8, 8, 16, 16], "stem_width": 8}, (2, 3)),
        ("vit_tiny_patch16_224", {"img_size": (64, 96), "depth": 1}, (4, 6)),
        (
            "swin_tiny_patch4_window7_224",
            {"img_size": (64, 96), "depths": [1, 1, 1, 1], "embed_dim": 24},
            (2, 3),
        ),
    ],
)
def test_a_student_s_last_map_is_laid_out_alike_in_every_family(name, arguments, grid):
    import timm

    model = timm.create_model(name, num_classes=2, **arguments).eval()
    images = torch.randn(2, 3, 64, 96)
    logits, features = teacher.answer_and_map(model, images)
    assert features.shape == (2, model.num_features, *grid)
    assert torch.equal(logits, model(images))


def test_a_view_gets_its_part_of_what_the_teacher_saw_of_the_whole_picture(
    pictures, teacher_folder, tmp_path
):
    dataset = open_dataset(pictures)
    recipe = Recipe(teacher="teacher", teacher_once=True, distill_features=0.5, **CONVNET)
    run = training._Run(recipe, dataset, torch.device("cpu"), tmp_path / "lessons")
    maps = np.random.default_rng(0).normal(size=(1, 8, 8, 5)).astype(np.float16)
    run.teacher.lessons, run.teacher.rows = (np.zeros((1, 2), np.float16), maps), np.array([0])
    maps = torch.from_numpy(maps).float().permute(0, 3, 1, 2)

    def part(box: tuple[float, ...], side: tuple[int, int]) -> torch.Tensor:
        batch = views.Views(None, None, torch.tensor([0]), torch.tensor([box]), torch.tensor([0]))
        return run.teacher._remembered(batch, torch.empty(1, 1, *side))[1]

    whole = part((0.0, 0.0, 1.0, 1.0), (4, 4))
    assert torch.allclose(whole, torch.nn.functional.avg_pool2d(maps, 2), atol=1e-5)
    assert torch.allclose(part((1.0, 0.0, 0.0, 1.0), (4, 4)), whole.flip(-1), atol=1e-5)
    corner = part((0.5, 0.5, 1.0, 1.0), (2, 2))
    assert torch.allclose(corner, whole[..., 2:, 2:], atol=1e-5)


def test_a_box_is_where_the_view_was_taken(pictures, tmp_path):
    """Cutting the picture by the box gives the view back, mirrored ones too."""
    dataset = open_dataset(pictures)
    run = training._Run(Recipe(scale=0.2, **CONVNET), dataset, torch.device("cpu"))
    mirrored = 0
    for batch in views.batches(run.viewed, 8, epoch=0):
        for image, index, box in zip(batch.images, batch.indices.tolist(), batch.boxes.tolist()):
            picture = dataset.read(index)
            left, top, right, bottom = (v * s for v, s in zip(box, 2 * picture.size))
            mirrored += left > right
            cut = picture.resize((run.size, run.size), 2, (min(left, right), top, max(left, right), bottom))
            expected = torch.from_numpy(np.asarray(cut).copy()).permute(2, 0, 1)
            expected = expected.flip(-1) if left > right else expected
            assert (image.int() - expected.int()).abs().max() <= 1
    assert 0 < mirrored < len(dataset)


def test_a_teacher_that_looks_once_teaches_and_its_lessons_are_shared(pictures, teacher_folder, tmp_path):
    recipe = Recipe(
        teacher="teacher",
        teacher_once=True,
        distill=1.0,
        distill_features=0.5,
        epochs=8,
        smoothing=0.0,
        **VIT,
    )
    lessons = tmp_path / "lessons"
    line = train(recipe, pictures, tmp_path / "s", val=pictures, lessons=lessons)
    assert line["top1"] > 90
    written = (lessons / "maps.npy").stat().st_mtime_ns
    again = train(recipe, pictures, tmp_path / "again", val=pictures, lessons=lessons)
    assert again["loss"] == line["loss"]
    assert (lessons / "maps.npy").stat().st_mtime_ns == written
    part = dataclasses.replace(recipe, limit=16, epochs=1)
    train(part, pictures, tmp_path / "part", lessons=lessons)
    maps = np.load(lessons / "maps.npy")
    source = json.loads((lessons / "source.json").read_text())
    (lessons / "source.json").write_text(json.dumps({**source, "done": 40}))  # cut while it looked
    torn = np.load(lessons / "maps.npy", mmap_mode="r+")
    torn[40:] = 0
    torn.flush()
    train(recipe, pictures, tmp_path / "on", lessons=lessons)
    assert np.array_equal(np.load(lessons / "maps.npy"), maps)
    one = tmp_path / "one"
    shutil.copytree(pictures / "red", one / "red")
    train(dataclasses.replace(recipe, epochs=1), one, tmp_path / "red", lessons=lessons)
    source = json.loads((lessons / "source.json").read_text())
    (lessons / "source.json").write_text(json.dumps({**source, "teacher": {}}))
    with pytest.raises(InvalidInput, match="another teacher"):
        train(recipe, pictures, tmp_path / "other", lessons=lessons)


@pytest.mark.parametrize(("mixup", "cutmix"), [(1.0, 0.0), (0.0, 1.0)])
def test_targets_and_maps_are_mixed_as_the_pictures_are(mixup, cutmix):
    """The pictures are timm's mixtures, the targets timm's own, and a map goes with its pixels."""
    from timm.data import Mixup

    mix = Mixup(mixup, cutmix, label_smoothing=0.1, num_classes=2)
    images, classes, changed = torch.rand(8, 3, 32, 32), torch.arange(8) % 2, 0
    for seed in range(6):
        np.random.seed(seed)
        mixed, own = views.mixed(images, classes, mix)
        np.random.seed(seed)
        expected, targets = mix(images.clone(), classes)
        assert torch.equal(mixed, expected)
        changed += not torch.equal(mixed, images)
        torch.testing.assert_close(views.mixed_likewise(images, own), mixed)
        plain = views.smoothed(classes, 2, 0.1)
        torch.testing.assert_close(views.mixed_likewise(plain, own), targets)
    assert changed > 3  # a box may be empty


def test_a_teacher_that_looked_once_teaches_mixtures(pictures, teacher_folder, tmp_path):
    settings = {**CONVNET, "epochs": 12, "smoothing": 0.0, "lr": 1e-2}
    recipe = Recipe(
        teacher="teacher", teacher_once=True, distill=1.0, distill_features=0.5, cutmix=1.0, **settings
    )
    line = train(recipe, pictures, tmp_path, val=pictures)
    assert line["top1"] > 90


def test_pruning_while_training_drops_patches(pictures, teacher_folder):
    dataset, lengths = open_dataset(pictures), []
    run = training._Run(Recipe(keep=0.5, proposal="teacher", **VIT), dataset, torch.device("cpu"))
    run.model.blocks[0].register_forward_hook(lambda block, tokens, _: lengths.append(tokens[0].shape[1]))
    before = run.model.blocks[0].mlp.fc1.weight.clone()
    run.train_step(next(views.batches(run.viewed, 8, epoch=0)))
    assert lengths == [1 + 8]  # floor(0.5 * 17) of 16 patches, and the class token
    assert not torch.equal(before, run.model.blocks[0].mlp.fc1.weight)


@pytest.mark.parametrize("averaged", [0.0, 0.8])
def test_a_pruned_model_is_measured_pruned_and_whole_in_float32(averaged, pictures, teacher_folder):
    """By hand: the weights that are measured, on each whole picture, with and without its kept patches."""
    dataset = open_dataset(pictures)
    recipe = Recipe(keep=0.2, proposal="teacher", ema=averaged, **(VIT | {"dtype": "bfloat16"}))
    run = training._Run(recipe, dataset, torch.device("cpu"))
    for batch in views.batches(run.viewed, 8, epoch=0):
        run.train_step(batch)
    lengths = []
    model = run.weights()
    model.blocks[0].register_forward_hook(lambda block, tokens, out: lengths.append(out.shape[1:]))
    model.head.register_forward_hook(lambda head, tokens, out: lengths.append(out.dtype))
    found = run.measure(dataset, 0)
    assert set(lengths) == {(1 + 3, 32), (1 + 16, 32), torch.float32}  # floor(0.2 * 17) patches, and all 16
    hits = {"top1": 0, "top1_full": 0}
    for images, classes in views.whole_pictures(dataset, 32, 1):
        images = run._fractions(images)
        kept = run.pruner.kept(images)
        with torch.no_grad():
            tokens = model._pos_embed(model.patch_embed(run._seen(images)))
            for way, rows in (("top1", [0, *(kept[0] + 1)]), ("top1_full", range(17))):
                out = model.forward_head(model.norm(model.blocks(tokens[:, list(rows)])))
                hits[way] += int(out.argmax()) == int(classes)
    for way, count in hits.items():
        assert found[way] == pytest.approx(100 * count / 48, abs=0.01), way
    assert {"top5", "top5_full", "n"} <= found.keys()


def test_the_command_prints_one_line_of_json_an_epoch(pictures, tmp_path):
    options = [f"--{key.replace('_', '-')}={value}" for key, value in CONVNET.items()]
    command = [
        sys.executable,
        "-m",
        "papr_core",
        "train",
        "--data",
        str(pictures),
        "--out",
        str(tmp_path / "o"),
    ]
    done = subprocess.run([*command, "--epochs=2", *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["epoch"] for line in done.stdout.splitlines()] == [1, 2]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"keep": 0.0}, "keep ratio"),
        ({"dtype": "float8"}, "float8"),
        ({"model": "no_such_net"}, "no_such_net"),
        ({"model_args": "{"}, "JSON"),
        ({"init": "nowhere.safetensors"}, "nowhere.safetensors"),
        ({"batch_size": 500}, "one batch"),
        ({"teacher": "no_such_teacher"}, "no_such_teacher"),
        ({"epochs": 0}, "at least one epoch"),
        ({"opt": "no_such_optimiser"}, "no_such_optimiser"),
        ({"cutmix": 1.0, "batch_size": 7}, "even"),
        ({"cutmix": -1.0}, "cutmix is -1.0"),
        ({"auto_augment": "foo"}, "augmentation 'foo'"),
        ({"seed": -1}, "seed is -1"),
        ({"ema": 2.0}, "ema is 2.0"),
        ({"until": 11}, "11 epochs of 10"),
        ({"lr": 1e9, "epochs": 1}, "no longer a number"),
        ({**VIT, "size": 0, "model_args": '{"img_size": [32, 48]}'}, "square images"),
        ({**VIT, "model_args": '{"img_size": 32}', "size": 48}, "48 x 48"),
        ({**VIT, "model_args": '{"embed_dim": 32, "num_heads": 5}'}, "cannot make"),
    ],
)
def test_bad_settings_get_one_sentence(change, words, pictures, tmp_path):
    with pytest.raises(InvalidInput, match=words) as caught:
        train(Recipe(**{**CONVNET, **change}), pictures, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_size_is_enough_for_a_vit(pictures, tmp_path):
    run = training._Run(Recipe(size=64, batch_size=8), open_dataset(pictures), torch.device("cpu"))
    assert run.size == 64
    vit = Recipe(model="vit_tiny_patch16_224", size=64, batch_size=8, dtype="float32")
    run = training._Run(vit, open_dataset(pictures), torch.device("cpu"))
    assert run.model.patch_embed.grid_size == (4, 4)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_that_cannot_be_read_is_named_in_one_sentence(workers, pictures, tmp_path):
    folder = shutil.copytree(pictures, tmp_path / "pictures")
    (folder / "red" / "3.png").write_bytes(b"no picture")
    with pytest.raises(UnreadableImage, match="^red/3.png in pictures: ") as caught:
        train(Recipe(epochs=1, **CONVNET), folder, tmp_path / "o", workers=workers, strict=True)
    assert "\n" not in str(caught.value)
    line = train(Recipe(epochs=1, **CONVNET), folder, tmp_path / "p", val=folder, workers=workers)
    assert list(line["left_out"]) == ["red/3.png"]
    assert line["left_out"]["red/3.png"].startswith("The file is not an image")
    assert line["n"] == len(open_dataset(pictures)) - 1


def test_a_class_of_which_no_picture_can_be_read_is_told(pictures, tmp_path):
    folder = shutil.copytree(pictures, tmp_path / "pictures")
    for path in (folder / "red").iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(UnreadableImage, match="^red/"):
        train(Recipe(epochs=1, **CONVNET), folder, tmp_path / "o")


def test_a_teacher_goes_on_without_a_picture_too(pictures, tmp_path):
    folder = shutil.copytree(pictures, tmp_path / "pictures")
    (folder / "red" / "3.png").write_bytes(b"no picture")
    recipe = Recipe(epochs=1, teacher="mobilenetv1_025", teacher_once=True, distill=0.5, **CONVNET)
    with pytest.raises(InvalidInput, match="class folders match no class"):
        train(recipe, folder, tmp_path / "o")  # red is no class of the teacher's: it is asked before it looks


@pytest.mark.parametrize("key", ["about", "step", "log", "trained", "optimizer", "losses", "about/recipe"])
def test_a_checkpoint_that_lacks_a_part_is_refused_in_one_sentence(pictures, tmp_path, key):
    recipe = Recipe(epochs=1, **CONVNET)
    train(recipe, pictures, tmp_path)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    inside, _, part = key.rpartition("/")
    (state[inside] if inside else state).pop(part)
    torch.save(state, tmp_path / "checkpoint.pt")
    with pytest.raises(InvalidInput, match="is damaged or no checkpoint; remove it to begin anew"):
        train(recipe, pictures, tmp_path)


def test_facts_that_are_no_object_are_refused_at_once(pictures, tmp_path):
    with pytest.raises(InvalidInput, match="JSON object"):
        train(Recipe(epochs=1, **CONVNET), pictures, tmp_path, facts=["a"])


def test_a_device_that_is_not_there_gets_one_sentence(pictures, tmp_path):
    with pytest.raises(InvalidInput, match="no_such_device"):
        train(Recipe(**CONVNET), pictures, tmp_path, device="no_such_device")


def test_the_written_configuration_carries_the_facts_and_no_path(pictures, tmp_path):
    facts = {"label_names": ["sea", "fire"], "pretrained_cfg": {"license": "mit"}}
    train(Recipe(epochs=1, **VIT), pictures, tmp_path / "a", facts=facts)
    start = str(tmp_path / "a" / "model.safetensors")
    train(Recipe(epochs=1, init=start, **VIT), pictures, tmp_path / "b", facts=facts)
    text = (tmp_path / "b" / "model.json").read_text()
    config = json.loads(text)
    assert config["label_names"] == ["sea", "fire"]
    assert config["pretrained_cfg"]["license"] == "mit"
    assert str(tmp_path) not in text


def test_a_root_of_splits_learns_from_one_and_measures_the_other(pictures, tmp_path):
    for split, count in (("train", 8), ("val", 2)):
        for name in ("red", "blue"):
            folder = tmp_path / "data" / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                shutil.copy(pictures / name / f"{i}.png", folder)
    line = train(Recipe(epochs=1, **{**CONVNET, "batch_size": 4}), tmp_path / "data", tmp_path / "o")
    assert line["n"] == 4
    assert json.loads((tmp_path / "o" / "model.json").read_text())["label_names"] == ["blue", "red"]
    other = {**CONVNET, "batch_size": 4}
    assert train(Recipe(epochs=1, **other), tmp_path / "data", tmp_path / "p", split="val")["n"] == 16
