"""`evaluate` against a plain loop over single images, against closed forms, and one process against two."""

from __future__ import annotations

import argparse
import functools
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
import timm
import torch
from conftest import ROOT
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional as F

from papr_core import ToMe, cost, load_backbone, load_proposal
from papr_core.commands.evaluate import add_arguments, run
from papr_core.commands.main import main
from papr_core.data.datasets import open_dataset
from papr_core.errors import InvalidInput, PaprError
from papr_core.evaluation.accuracy import bootstrap, interval
from papr_core.evaluation.run import evaluate
from papr_core.evaluation.trials import judged
from papr_core.methods.table import method_map
from papr_core.models import weights
from papr_core.models.embedded import DEFAULT_PROPOSAL, EMBEDDED_BACKBONES, EMBEDDED_PROPOSALS
from papr_core.pruning.reductions import asked

WNIDS = [f"n{1000 + i:08d}" for i in range(12)]
CALTECH = ROOT / "tests" / "data" / "caltech101-200"
METHODS = ("papr", "random", "center", "cam", "grad-cam", "reversed")


def save_model(folder: Path, name: str, architecture: str, size: int, classes: int = 12, **arguments) -> None:
    """A model with random weights in an own folder, as a user would lay it there."""
    torch.manual_seed(len(name))
    model = timm.create_model(architecture, num_classes=classes, **arguments)
    for parameter in model.parameters():  # far from symmetric, so that classes and patches differ
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.15)
    save_file(model.state_dict(), folder / f"{name}.safetensors")
    config = {
        "architecture": architecture,
        "num_classes": classes,
        "model_args": {"num_classes": classes, **arguments},
        "pretrained_cfg": {"input_size": [3, size, size], "num_classes": classes},
    }
    if classes == 12:
        words = {wnid: f"thing {i}, object {i}" for i, wnid in enumerate(WNIDS)}
        config |= {"label_names": WNIDS, "label_descriptions": words}
    (folder / f"{name}.json").write_text(json.dumps(config))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    save_model(folder, "small_vit", "test_vit", 48, img_size=48, patch_size=8)
    save_model(folder, "small_net", "test_resnet", 64)
    save_model(folder, "strange_net", "test_resnet", 64, classes=7)  # its classes have numbers, no names
    return folder


@pytest.fixture(autouse=True)
def own_models(models, monkeypatch):
    monkeypatch.setenv("PAPR_WEIGHTS", str(models))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Twelve classes, each of one to four pictures of blurred noise."""
    folder = tmp_path_factory.mktemp("photos") / "photos"
    draw = np.random.default_rng(0)
    for c, wnid in enumerate(WNIDS):
        (folder / wnid).mkdir(parents=True)
        for i in range(1 + c % 4):
            coarse = Image.fromarray(draw.integers(0, 256, (5, 7, 3), dtype=np.uint8))
            coarse.resize((90 + 5 * c, 64 + 9 * i)).save(folder / wnid / f"{i}.png")
    return folder


def plain_loop(data, backbone, proposal, *, keep, methods, explain, classes, fit) -> dict:
    """What `evaluate` must find, one image at a time, with nothing shared and nothing batched.

    Gives (method, ratio) -> (images, 12), top-1 .. top-10, confidence, answer kept; and (images,), where the
    proposal was right.
    """
    classes_of = [backbone.labels.synsets.index(folder) for folder in data.classes]
    known_as = [proposal.labels.synsets.index(folder) for folder in data.classes]
    allowed = sorted(classes_of) if classes == "data" else list(range(len(backbone.labels)))
    allowed_there = sorted(known_as) if classes == "data" else range(len(proposal.labels))
    found, right = {("full", 1.0): []} | {(name, ratio): [] for ratio in keep for name in methods}, []
    for i, (key, folder) in enumerate(data.samples):
        truth, proposal_truth = (known[data.classes.index(folder)] for known in (classes_of, known_as))
        crop = backbone.fit(data.read(i), fit)
        image, view = backbone.view(crop), proposal.view(crop)
        with torch.no_grad():
            features = proposal.model.forward_features(view)
            logits = proposal.model.forward_head(features)[0]
            full = backbone.model(image)[0]
        answer = max(allowed_there, key=logits.__getitem__)
        right.append(answer == proposal_truth)
        full_answer = max(allowed, key=full.__getitem__)
        found["full", 1.0].append(noted(full, allowed, truth, full_answer))
        for name in methods:
            explained = proposal_truth if explain == "target" else answer
            maps = method_map(
                name, proposal, view, features, class_index=explained, grid=backbone.grid, keys=[key]
            )
            for ratio in keep:
                draws = []
                for kept in (slow_choice(draw, backbone, ratio) for draw in maps[0]):
                    with torch.no_grad():
                        draws.append(noted(backbone(image, kept)[0], allowed, truth, full_answer))
                found[name, ratio].append(np.mean(draws, axis=0))
    return {configuration: np.array(images) for configuration, images in found.items()}, np.array(right)


def noted(logits, allowed, truth, full_answer) -> list[float]:
    order = sorted(allowed, key=lambda c: -float(logits[c]))
    confidence = float(logits[allowed].softmax(0)[allowed.index(truth)])
    return [float(truth in order[:k]) for k in range(1, 11)] + [confidence, float(order[0] == full_answer)]


def slow_choice(draw, backbone, ratio) -> torch.Tensor:
    if tuple(draw.shape) != backbone.grid:
        draw = F.interpolate(draw[None, None], backbone.grid, mode="bicubic", align_corners=True)[0, 0]
    scores = draw.flatten().tolist()
    ranked = sorted(range(len(scores)), key=lambda patch: -scores[patch])  # stable: decision 3
    k = int(ratio * (backbone.num_patches + backbone.num_prefix_tokens) + 1e-6)
    return torch.tensor([sorted(ranked[:k])])


def assert_rows(result, records, right, backbone, proposal):
    members = {"all": np.ones(len(right), bool), "proposal_right": right, "proposal_wrong": ~right}
    present = [subset for subset in members if members[subset].any()]
    assert [(row["subset"], row["method"], row["keep"]) for row in result["rows"]] == [
        (subset, *configuration) for subset in present for configuration in records
    ]
    assert result["proposal_top1"] == pytest.approx(100 * right.mean())
    once = cost.proposal_gmacs(proposal)
    passes = functools.cache(functools.partial(cost.backbone_gmacs, backbone))
    for row in result["rows"]:
        expected = 100 * records[row["method"], row["keep"]][members[row["subset"]]].mean(axis=0)
        assert row["n"] == members[row["subset"]].sum()
        assert row["topk"] == pytest.approx(expected[:10], abs=1e-3)
        assert row["top1"] == row["topk"][0]
        assert row["top1_low"] <= row["top1"] <= row["top1_high"]
        assert row["confidence"] == pytest.approx(expected[10], abs=1e-2)
        assert row["answers_kept"] == pytest.approx(expected[11], abs=1e-3)
        assert row["patches"] == backbone.num_patches
        assert row["kept"] == backbone.num_kept(row["keep"])
        looks = row["method"] in ("papr", "reversed", "cam", "grad-cam")
        assert row["gmacs_backbone"] == pytest.approx(passes(row["keep"]))
        assert row["gmacs_proposal"] == pytest.approx(once if looks else 0)
        assert row["gmacs"] == pytest.approx(row["gmacs_backbone"] + row["gmacs_proposal"])
        assert row["images_per_second"] > row["images_per_second_end_to_end"] > 0
        assert row["tome_r"] == 0
    tops = {(row["subset"], row["method"], row["keep"]): row["top1"] for row in result["rows"]}
    for row in result["differences"]:
        ours, theirs = (tops[row["subset"], name, row["keep"]] for name in (row["method"], row["minus"]))
        assert row["top1"] == pytest.approx(ours - theirs, abs=1e-9)
        assert row["low"] <= row["top1"] <= row["high"]


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"classes": "data"},
        {"explain": "target", "fit": "squash"},
        {"fit": "pad", "classes": "data", "explain": "target"},
    ],
    ids=str,
)
def test_agrees_with_a_plain_loop(photos, how):
    backbone, proposal = load_backbone("small_vit"), load_proposal("small_net")
    data = open_dataset(photos, limit=12)
    how = {"classes": "model", "explain": "proposal", "fit": "crop", **how}
    records, right = plain_loop(data, backbone, proposal, keep=(0.6, 0.25), methods=METHODS, **how)
    pairs = [("papr", name, ratio) for ratio in (0.6, 0.25) for name in METHODS if name != "papr"]
    for batch_size in (5, 64):
        result = evaluate(
            data, backbone=backbone, proposal=proposal, keep=(1, 0.6, 0.25), methods=METHODS,
            batch_size=batch_size, **how,
        )  # fmt: skip
        assert_rows(result, records, right, backbone, proposal)
        assert (result["backbone"], result["proposal"], result["n"]) == ("small_vit", "small_net", 12)
        assert {key: result[key] for key in how} == how
        assert result["tome_layers"] is None
        hashes = (result["backbone_sha256"], result["proposal_sha256"])
        assert hashes == (backbone.sha256, proposal.sha256)
        differences = [row for row in result["differences"] if row["subset"] == "all"]
        assert [(row["method"], row["minus"], row["keep"]) for row in differences] == pairs
        json.dumps(result, allow_nan=False)


@pytest.mark.parametrize("names", [*zip(EMBEDDED_BACKBONES, (DEFAULT_PROPOSAL, EMBEDDED_PROPOSALS[-1]))])
def test_agrees_with_a_plain_loop_on_photographs(names):
    backbone, proposal = load_backbone(names[0]), load_proposal(names[1])
    data = open_dataset(CALTECH, limit=24)
    how = {"classes": "model", "explain": "proposal", "fit": "crop"}
    result = evaluate(
        data, backbone=backbone, proposal=proposal, keep=(1, 0.4), methods=("papr", "cam"), **how
    )
    records, right = plain_loop(data, backbone, proposal, keep=(0.4,), methods=("papr", "cam"), **how)
    assert_rows(result, records, right, backbone, proposal)
    assert result["rows"][0]["top1"] > 20  # of 200 or 1000 classes: trained models, on what they know


def test_papr_keeps_more_answers_than_its_reverse_and_than_chance():
    """The default pair on 100 photographs that it never saw: the promise that the page makes."""
    result = evaluate(CALTECH, limit=100, keep=(0.3,), methods=("papr", "reversed", "random"))
    kept = {row["method"]: row["answers_kept"] for row in result["rows"] if row["subset"] == "all"}
    assert result["n"] == 100
    assert kept["papr"] - kept["reversed"] >= 12
    assert kept["papr"] - kept["random"] >= 6


def asked_for(*numbers):
    return [asked({"tome_r": r}) for r in numbers]


def test_merging_is_evaluated_beside_pruning(photos):
    backbone, proposal = load_backbone("small_vit"), load_proposal("small_net")
    data = open_dataset(photos)
    result = evaluate(
        data,
        backbone=backbone,
        proposal=proposal,
        keep=(1, 0.5),
        reductions=asked_for(0, 3),
        methods=("papr",),
    )
    rows = {
        (row["method"], row["keep"], row["tome_r"]): row for row in result["rows"] if row["subset"] == "all"
    }
    assert list(rows) == [("full", 1, 0), ("full", 1, 3), ("papr", 0.5, 0), ("papr", 0.5, 3)]
    costs = [row["gmacs_backbone"] for row in rows.values()]
    assert costs == sorted(costs, reverse=True)
    once = cost.proposal_gmacs(proposal)
    assert [row["gmacs_proposal"] for row in rows.values()] == pytest.approx([0, 0, once, once])
    truth = [backbone.labels.synsets.index(data.classes[folder]) for folder in data.class_indices]
    reduction = {1: ToMe(3), 0.5: ToMe(3, layers="second_half")}
    for (_, ratio, r), row in rows.items():
        confidences = []
        for i, aim in enumerate(truth):
            crop = backbone.fit(data.read(i))
            with torch.no_grad():
                features = proposal.features(proposal.view(crop))
                kept = None if ratio == 1 else backbone.select(features.mean(dim=1), ratio)
                out = backbone(backbone.view(crop), kept, reduction=reduction[ratio] if r else None)
            confidences.append(100 * float(out.softmax(-1)[0, aim]))
        assert row["confidence"] == pytest.approx(np.mean(confidences), abs=1e-2)


def test_a_proposal_that_knows_other_classes_still_ranks(photos):
    how = {"backbone": "small_vit", "keep": (0.5,), "methods": ("papr", "cam")}
    knowing, strange = (evaluate(photos, proposal=name, **how) for name in ("small_net", "strange_net"))
    assert {row["subset"] for row in strange["rows"]} == {"all"}
    assert strange["proposal_top1"] is None
    assert knowing["proposal_top1"] is not None


def test_random_depends_on_the_name_alone(photos):
    """Neither on the batch, nor on which other images are there: so shards agree with the whole."""
    how = {"backbone": "small_vit", "proposal": "small_net", "keep": (0.3,), "methods": ("random",)}
    one, other = (evaluate(photos, batch_size=size, **how)["rows"][0] for size in (1, 30))
    assert one["topk"] == other["topk"]
    assert one["confidence"] == pytest.approx(other["confidence"], abs=1e-4)


ASKED = [
    "--backbone", "small_vit", "--proposal", "small_net", "--keep", "1", "0.5", "--mass", "0.5",
    "--methods", "papr", "random", "score-cam", "--batch-size", "1", "--device", "cpu", "--json",
]  # fmt: skip


@pytest.fixture
def two_processes(photos, models, tmp_path):
    """Starts `evaluate --json` under torchrun, a picture a batch."""
    environment = {**os.environ, "PAPR_WEIGHTS": str(models), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]

    def start(*more):
        return subprocess.Popen(
            [*torchrun, "-m", "papr_core", "evaluate", "--data", str(photos), *ASKED, *map(str, more)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
            cwd=tmp_path,
        )  # fmt: skip

    return start


def test_two_processes_one_of_them_killed_give_the_rows_of_one_when_resumed(
    two_processes, photos, tmp_path, capsys
):
    folder = tmp_path / "partial"
    process, files = two_processes("--resume", folder), []
    while len(files) < 2 or min(len(file.read_bytes().splitlines()) for file in files) < 3:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
        files = sorted(folder.glob("*.jsonl"))
    os.kill(int(files[1].stem.split("-")[1]), signal.SIGKILL)
    process.communicate(timeout=120)
    assert process.returncode != 0
    before = {file: file.read_text() for file in files}
    done = sum(text.count("\n") - 1 for text in before.values())  # the first line is the task
    assert 4 <= done < 30
    resumed = two_processes("--resume", folder)
    told, errors = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, errors
    assert "Traceback" not in errors
    assert main(["evaluate", "--data", str(photos), *ASKED]) == 0
    rows, alone = (dict(numbers_of(json.loads(text))) for text in (told, capsys.readouterr().out))
    assert len(alone) > 100
    assert rows == alone  # exactly: a batch is computed alike wherever it is
    assert all(file.read_text() == text for file, text in before.items())
    added = [file.read_text() for file in folder.glob("*.jsonl") if file not in before]
    again = sum(text.count("\n") - 1 for text in added)
    assert done + again == 30  # nothing is measured twice, nothing left out


def test_partial_results_of_another_evaluation_are_refused(photos, tmp_path):
    how = {"backbone": "small_vit", "proposal": "small_net", "keep": (0.5,), "methods": ("papr",)}
    first = evaluate(photos, **how, limit=10, resume=tmp_path)
    assert first["n"] == 10
    seen = []
    whole = evaluate(photos, **how, resume=tmp_path, progress=lambda done, of: seen.append((done, of)))
    assert whole["n"] == 30
    assert seen[0] == (10, 30)  # a larger limit goes on from a smaller one
    plain = dict(numbers_of(evaluate(photos, **how)))
    assert dict(numbers_of(whole)) == pytest.approx(plain, abs=1e-4)
    for other in ({"keep": (0.3,)}, {"methods": ("cam",)}, {"fit": "pad"}, {"explain": "target"}):
        with pytest.raises(InvalidInput, match="partial results of another evaluation"):
            evaluate(photos, **(how | other), resume=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot hold partial results"):
        evaluate(photos, **how, resume=tmp_path / "file")


def numbers_of(value, name=""):
    """Every leaf of a result under its path, speeds aside."""
    if isinstance(value, dict):
        for key in value.keys() - {"images_per_second", "images_per_second_end_to_end"}:
            yield from numbers_of(value[key], f"{name}/{key}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from numbers_of(item, f"{name}/{i}")
    else:
        yield name, value


def test_ties_go_to_the_lower_class():
    logits = torch.tensor([[1.0, 3.0, 3.0, 0.0], [2.0, 2.0, 2.0, 2.0]])
    scores = judged(logits, torch.tensor([2, 3]), torch.tensor([1, 0]))
    assert scores[0].tolist()[:4] == [0, 1, 1, 1]
    assert scores[1].tolist()[:4] == [0, 0, 0, 1]
    assert scores[:, -1].tolist() == [1, 1]
    assert scores[1, 10] == 0.25


@pytest.mark.parametrize(("n", "share"), [(100, 0.5), (400, 0.3), (1000, 0.9)])
def test_intervals_match_the_closed_form(n, share):
    """Of a share 1.96 sqrt(p q / n); of a difference 1.96 standard errors of the images' own differences."""
    hits = np.zeros((n, 2))
    hits[: round(share * n), 0] = 1
    hits[: round(0.8 * share * n), 1] = 1  # the second is right on a part of the same images
    resampled = bootstrap(hits)
    low, high = interval(resampled[:, 0])
    half = 1.96 * np.sqrt(share * (1 - share) / n)
    assert (share - low, high - share) == pytest.approx((half, half), rel=0.15)
    low, high = interval(resampled[:, 0] - resampled[:, 1])
    half = 1.96 * (hits[:, 0] - hits[:, 1]).std() / np.sqrt(n)
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)
    assert np.array_equal(resampled, bootstrap(hits))
    parts = [bootstrap(hits[:, :1]), bootstrap(hits[:, 1:])]
    assert np.allclose(resampled, np.concatenate(parts, axis=1))  # every column sees the same resamples


def test_large_data_are_resampled_in_pieces():
    hits = np.random.default_rng(1).random((30_000, 3))
    resampled = bootstrap(hits, rounds=150)
    assert resampled.shape == (150, 3)
    assert resampled.std(axis=0) == pytest.approx(hits.std(axis=0) / np.sqrt(len(hits)), rel=0.25)


BAD = {
    "no such data": (["--data", "nowhere"], "There is no data at nowhere"),
    "unknown backbone": (["--backbone", "vit_enormous"], "vit_enormous"),
    "unknown proposal": (["--proposal", "resnet_nobody"], "resnet_nobody"),
    "keep 0": (["--keep", "0"], "keep ratio must be above 0"),
    "keep above 1": (["--keep", "0.5", "1.5"], "keep ratio must be above 0 and at most 1"),
    "unknown method": (["--methods", "papr", "vibes"], "vibes"),
    "by hand": (["--methods", "by-hand"], "by-hand is one visitor's choice"),
    "true class that the proposal lacks": (
        ["--proposal", "strange_net", "--methods", "cam", "--explain", "target"],
        "strange_net does not know all classes of photos, so cam cannot explain the true class",
    ),
    "classes that the backbone lacks": (["--data", str(CALTECH)], "match no class"),
    "limit 0": (["--limit", "0"], "at least 1"),
    "batch of none": (["--batch-size", "0"], "batch size is 0"),
    "merging below none": (["--tome-r", "0", "-8"], "whole numbers from 0"),
    "no such device": (["--device", "gpu9"], "gpu9"),
    "no such weights folder": (["--weights-dir", "nowhere"], "nowhere"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_one_sentence(case, photos):
    given, message = BAD[case]
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    usual = ["--data", str(photos), "--backbone", "small_vit", "--proposal", "small_net", "--device", "cpu"]
    with pytest.raises(PaprError) as error:
        run(parser.parse_args([*usual, *given]))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert str(error.value).rstrip().endswith(".")


def test_bad_values_are_refused_from_python_too(photos):
    how = {"backbone": "small_vit", "proposal": "small_net"}
    for wrong in (
        {"classes": "mine"},
        {"fit": "stretch"},
        {"explain": "cat"},
        {"keep": ()},
        {"keep": "half"},
        {"keep": 2},  # one is told like several
        {"mass": 1.5},
        {"methods": "vibes"},
        {"reductions": 8},
    ):
        with pytest.raises(InvalidInput):
            evaluate(photos, limit=1, **how, **wrong)
    with pytest.raises(InvalidInput, match="limit goes with a path"):
        evaluate(open_dataset(photos), limit=3, **how)


def test_an_unreadable_picture_is_named_in_one_sentence(photos, tmp_path):
    data = shutil.copytree(photos, tmp_path / "data")
    broken = data / WNIDS[3] / "1.png"
    broken.write_bytes(broken.read_bytes()[:200])
    how = {"backbone": "small_vit", "proposal": "small_net", "keep": (1,), "batch_size": 4}
    with pytest.raises(PaprError) as error:
        evaluate(data, strict=True, resume=tmp_path / "partial", **how)
    assert str(error.value).startswith(f"{WNIDS[3]}/1.png in data: The image is damaged or cut off")
    assert "\n" not in str(error.value)
    found = evaluate(data, resume=tmp_path / "partial", **how)
    assert found["n"] == len(open_dataset(photos)) - 1 == found["rows"][0]["n"]
    assert [one["picture"] for one in found["left_out"]] == [f"{WNIDS[3]}/1.png"]
    assert found["left_out"][0]["reason"].startswith("The image is damaged or cut off")
    shutil.copy(photos / WNIDS[3] / "1.png", broken)  # what was left out once is not stumbled over again
    again = evaluate(data, resume=tmp_path / "partial", **how)
    assert again["left_out"] == found["left_out"]
    broken.unlink()
    whole = evaluate(data, **how)
    assert whole["left_out"] == []
    assert [row["top1"] for row in whole["rows"]] == [row["top1"] for row in found["rows"]]


def test_a_batch_of_which_nothing_can_be_read_does_not_end_a_resumed_run(photos, tmp_path):
    """And a name that is no UTF-8 is written down as it can be."""
    data = tmp_path / "data"
    shutil.copytree(photos / WNIDS[3], data / WNIDS[3])
    for name in (b"00.png", b"01.png", b"0\xe9.png"):
        (data / WNIDS[3] / os.fsdecode(name)).touch()
    how = {"backbone": "small_vit", "proposal": "small_net", "keep": (1,), "batch_size": 1}
    how |= {"methods": ("papr", "random"), "resume": tmp_path / "partial"}
    found, again = evaluate(data, **how), evaluate(data, **how)
    assert [Path(one["picture"]).name for one in found["left_out"]] == ["00.png", "01.png", r"0\xe9.png"]
    assert dict(numbers_of(again)) == dict(numbers_of(found))


def test_a_folder_of_which_nothing_can_be_read_is_refused(photos, tmp_path):
    data = tmp_path / "data"
    for wnid in WNIDS[:2]:
        (data / wnid).mkdir(parents=True)
        (data / wnid / "0.png").write_bytes(b"no picture")
    with pytest.raises(InvalidInput, match="None of the images of .* can be read"):
        evaluate(data, backbone="small_vit", proposal="small_net", keep=(1,))


def test_tables_say_what_competes(photos, capsys):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    usual = ["--data", str(photos), "--backbone", "small_vit", "--proposal", "small_net", "--device", "cpu"]
    for given, expected in ([], "all classes that a model knows compete"), (
        ["--classes", "data", "--methods", "papr", "random", "grad-cam-elementwise"],
        "only the classes of the data compete",
    ):  # fmt: skip
        assert run(parser.parse_args([*usual, "--keep", "1", "0.5", *given])) == 0
        out = capsys.readouterr()
        assert expected in out.out
        assert "papr less random at 0.5" in out.out
        assert "A CAM explains the proposal's answer." in out.out
        assert "30/30" in out.err  # the progress bar
        for head in [line for line in out.out.splitlines() if line.startswith("method ")]:
            rows = [
                line
                for line in out.out.splitlines()
                if line.startswith(("full ", "papr ", "random ", "grad"))
            ]
            rows = [line for line in rows if " less " not in line]
            wide = 1 + max(len(line.split()[0]) for line in rows)
            assert head[: wide + 6] == f"{'method':<{wide}}  keep"
            assert {line[wide + 2 : wide + 6].strip() for line in rows} == {"1", "0.5"}  # one column


def test_cost_counts_what_the_paper_prints():
    """ViT-B/16 pruned by MobileOne-S0 at z = 0.5: 8.98 in Table 1."""
    backbone = load_backbone("vit_base_patch16_224.augreg_in21k_ft_in1k", pretrained=False)
    proposal = load_proposal("mobileone_s0.apple_in1k", pretrained=False)
    before = {name: value.clone() for name, value in backbone.state_dict().items() if value.numel() < 1000}
    assert cost.proposal_gmacs(proposal) == pytest.approx(0.274, abs=5e-4)
    assert cost.backbone_gmacs(backbone) == pytest.approx(17.56, abs=0.01)
    assert cost.backbone_gmacs(backbone, 0.5) + cost.proposal_gmacs(proposal) == pytest.approx(8.98, abs=5e-3)
    assert all(torch.equal(backbone.state_dict()[name], value) for name, value in before.items())
    assert all(not value.is_meta for value in backbone.state_dict().values())


def test_cost_is_the_same_by_hand_in_any_mode():
    """A small ViT: embedding, four blocks of width D with N + 1 tokens, classifier."""
    weights.configure()
    backbone = load_backbone("small_vit")
    model = backbone.model
    width, depth, tokens = model.embed_dim, len(model.blocks), backbone.num_kept(0.5) + 1
    hidden = model.blocks[0].mlp.fc1.out_features
    block = tokens * width * (4 * width + 2 * hidden) + 2 * tokens**2 * width
    macs = 3 * 8 * 8 * width * backbone.num_patches + depth * block + width * 12
    with torch.inference_mode():
        assert cost.backbone_gmacs(backbone, 0.5) == pytest.approx(macs / 1e9, rel=1e-6)
    assert cost.backbone_gmacs(backbone, 0.5) == pytest.approx(macs / 1e9, rel=1e-6)


def test_data_as_they_are_distributed_are_evaluated_and_what_is_left_out_is_told(photos, tmp_path, capsys):
    files = {wnid: sorted((photos / wnid).iterdir())[0] for wnid in WNIDS[:2]}
    for split, count in (("train", 3), ("val", 2)):
        for wnid, file in files.items():
            (tmp_path / "data" / split / wnid).mkdir(parents=True)
            for i in range(count):
                shutil.copy(file, tmp_path / "data" / split / wnid / f"{i}{file.suffix}")
    shutil.copytree(tmp_path / "data" / "val" / WNIDS[0], tmp_path / "data" / "val" / "unicorn")
    how = {"backbone": "small_vit", "proposal": "small_net", "keep": (1,), "methods": ["papr"]}
    with pytest.raises(InvalidInput, match=r"unicorn.*--unmatched skip"):
        evaluate(tmp_path / "data", **how)
    found = evaluate(tmp_path / "data", unmatched="skip", colour="timm", **how)
    assert (found["n"], found["split"], found["colour"]) == (4, "val", "timm")
    reasons = {row["reason"]: row["count"] for row in found["passed_over"]}
    assert reasons == {"is of the split train": 6, "is of a class that small_vit does not know": 2}
    assert evaluate(tmp_path / "data", split="train", **how)["n"] == 6
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = [
        "--data",
        str(tmp_path / "data"),
        "--backbone",
        "small_vit",
        "--proposal",
        "small_net",
        "--keep",
        "1",
    ]
    assert (
        run(parser.parse_args([*words, "--methods", "papr", "--unmatched", "skip", "--device", "cpu"])) == 0
    )
    said = capsys.readouterr()
    assert "(val): 4 images, in sRGB, fit: crop" in said.out
    assert "6 more" not in said.err
    assert "and 5 more: each is of the split train." in said.err
